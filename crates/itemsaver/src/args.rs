//! The command line, and what it means.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use itemsaver::export::ExportFormat;
use itemsaver::store::{DEFAULT_STORE, ItemFilter, StoreSpec};
use model::CrawlName;
use rpcsupport::{listen_address, process};

/// Keeps what a crawl finds: each item once, durable before it is acknowledged.
///
/// Without a command it serves engines until SIGTERM or Ctrl-C, then finishes the batches it has. Exit codes: 0 all is well; 1 cut off
/// or interrupted midway; 2 it could not start.
#[derive(Debug, Parser)]
#[command(name = "itemsaver", version, args_conflicts_with_subcommands = true, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
    #[command(flatten)]
    log: LogArguments,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Port to listen on, of 127.0.0.1.
    #[arg(long, value_name = "PORT", env = "GOSSAMER_ITEMSAVER_PORT", hide_env_values = true, help_heading = "Listening")]
    port: Option<String>,
    /// Address to listen on instead, such as 127.0.0.1:1234; port 0 lets the system choose.
    #[arg(long, value_name = "IP:PORT", env = "GOSSAMER_ITEMSAVER_LISTEN", hide_env_values = true, help_heading = "Listening")]
    listen: Option<String>,
    /// Allow an address that other machines reach. Nothing on the wire is encrypted or authenticated.
    #[arg(long, env = "GOSSAMER_ITEMSAVER_INSECURE_PLAINTEXT", value_parser = FalseyValueParser::new(), hide_env_values = true, help_heading = "Listening")]
    insecure_plaintext: bool,
    #[command(flatten)]
    store: StoreArgument,
    /// How long batches in flight may take to finish at the end: 400ms, 30s, 5m, 1h.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "30s",
        env = "GOSSAMER_ITEMSAVER_GRACE",
        hide_env_values = true,
        help_heading = "Ending"
    )]
    grace: String,
}

#[derive(Debug, Args)]
struct StoreArgument {
    /// Where the items are: sqlite:PATH, a database file.
    #[arg(long, value_name = "STORE", default_value = DEFAULT_STORE, env = "GOSSAMER_ITEMSAVER_STORE", hide_env_values = true, help_heading = "Store")]
    store: String,
}

#[derive(Debug, Args)]
struct LogArguments {
    /// Log more: every item; twice, everything.
    #[arg(short, long, action = clap::ArgAction::Count, global = true, help_heading = "Logging")]
    verbose: u8,
    /// Log warnings and errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Logging")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all items to a file or to standard output.
    Export(ExportArguments),
    /// List items, or count them.
    Items(ItemsArguments),
}

#[derive(Debug, Args)]
struct ExportArguments {
    #[command(flatten)]
    store: StoreArgument,
    /// jsonl (one JSON object a line) or csv. Without it the extension of FILE tells, else jsonl.
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    format: Option<String>,
    /// File to write; it appears when it is whole. Without it, or as `-`: standard output.
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filter: TypeArgument,
    /// Only items whose contents came from this crawl.
    #[arg(long, value_name = "NAME", help_heading = "Which items")]
    crawl: Option<String>,
}

#[derive(Debug, Args)]
struct ItemsArguments {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    filter: TypeArgument,
    /// List at most this many items.
    #[arg(long, value_name = "N", default_value = "20", help_heading = "Which items")]
    limit: String,
    /// Count the items of each type instead of listing them.
    #[arg(long, help_heading = "Output")]
    count: bool,
}

#[derive(Debug, Args)]
struct TypeArgument {
    /// Only items of this type.
    #[arg(long = "type", value_name = "TYPE", help_heading = "Which items")]
    item_type: Option<String>,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// As [`rpcsupport::process::init_log`] takes it.
    pub(crate) verbosity: i8,
    pub(crate) store: StoreSpec,
    pub(crate) task: Task,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Serve { address: SocketAddr, grace: Duration },
    Export { filter: ItemFilter, format: ExportFormat, output: Option<PathBuf> },
    List { filter: ItemFilter, limit: usize },
    Count { filter: ItemFilter },
}

impl Config {
    /// Checks the command line.
    ///
    /// # Errors
    /// All mistakes, each a sentence.
    pub(crate) fn of(arguments: Arguments) -> Result<Config, Vec<String>> {
        let mut mistakes = Mistakes(Vec::new());
        let verbosity = if arguments.log.quiet { -1 } else { i8::try_from(arguments.log.verbose).unwrap_or(i8::MAX) };
        let (store, task) = match arguments.command {
            None => {
                let serve = arguments.serve;
                let port = serve.port.as_deref().and_then(|text| mistakes.note(port(text)));
                // A port that is no number is one mistake, not also a missing port.
                let address = (port.is_some() || serve.port.is_none())
                    .then(|| listen_address(port, serve.listen.as_deref(), serve.insecure_plaintext).map_err(|e| e.to_string()))
                    .and_then(|address| mistakes.note(address));
                let grace = mistakes.note(process::duration(&serve.grace).map_err(|why| format!("--grace {:?}: {why}", serve.grace)));
                (serve.store, address.zip(grace).map(|(address, grace)| Task::Serve { address, grace }))
            }
            Some(Command::Export(export)) => {
                let output = export.output.filter(|path| path.as_os_str() != "-");
                let format = mistakes.note(format(export.format.as_deref(), output.as_ref()));
                let crawl = export.crawl.map(|name| CrawlName::new(name).map_err(|e| format!("--crawl: {e}"))).transpose();
                let filter = mistakes.note(crawl).map(|crawl| ItemFilter { item_type: export.filter.item_type, crawl });
                (export.store, format.zip(filter).map(|(format, filter)| Task::Export { filter, format, output }))
            }
            Some(Command::Items(items)) => {
                let filter = ItemFilter { item_type: items.filter.item_type, crawl: None };
                let limit = mistakes.note(limit(&items.limit));
                let list = |limit| if items.count { Task::Count { filter } } else { Task::List { filter, limit } };
                (items.store, limit.map(list))
            }
        };
        let store = mistakes.note(StoreSpec::parse(&store.store).map_err(|e| format!("--store: {e}")));
        match (store, task) {
            (Some(store), Some(task)) => Ok(Config { verbosity, store, task }),
            _ => Err(mistakes.0),
        }
    }
}

struct Mistakes(Vec<String>);

impl Mistakes {
    fn note<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|mistake| self.0.push(mistake)).ok()
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("--port {text:?} is no port: expected a number from 1 to 65535"))
}

fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!("--limit {text:?}: expected a number from 1 on")),
        Ok(limit) => Ok(limit),
    }
}

fn format(named: Option<&str>, output: Option<&PathBuf>) -> Result<ExportFormat, String> {
    let extension = output.and_then(|path| path.extension()).and_then(|extension| extension.to_str());
    match named.or(extension.filter(|extension| matches!(*extension, "csv" | "parquet"))) {
        None | Some("jsonl") => Ok(ExportFormat::Jsonl),
        Some("csv") => Ok(ExportFormat::Csv),
        Some("parquet") => Err("parquet comes in a later version; --format jsonl and csv are there".to_owned()),
        Some(other) => Err(format!("--format {other:?} is none of jsonl, csv")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> Result<Config, Vec<String>> {
        let arguments = std::iter::once("itemsaver").chain(line.split_whitespace());
        Config::of(Arguments::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn flags_become_a_task() {
        let task = |line| config(line).unwrap().task;
        let address = "127.0.0.1:1234".parse().unwrap();
        assert_eq!(task("--port 1234"), Task::Serve { address, grace: Duration::from_secs(30) });
        assert_eq!(task("--listen 127.0.0.1:1234 --grace 400ms"), Task::Serve { address, grace: Duration::from_millis(400) });
        let cars = ItemFilter { item_type: Some("car".into()), crawl: None };
        let output = Some(PathBuf::from("a.csv"));
        assert_eq!(task("export --type car -o a.csv"), Task::Export { filter: cars.clone(), format: ExportFormat::Csv, output });
        let everything = ItemFilter::default();
        assert_eq!(task("export -o -"), Task::Export { filter: everything.clone(), format: ExportFormat::Jsonl, output: None });
        assert_eq!(task("items --count --type car"), Task::Count { filter: cars });
        assert_eq!(task("items"), Task::List { filter: everything, limit: 20 });
        assert_eq!(config("items -vv").unwrap().verbosity, 2);
        assert_eq!(config("--port 1 -q").unwrap().verbosity, -1);
        assert_eq!(config("--port 1 --store sqlite:/a/b.db").unwrap().store, StoreSpec::Sqlite("/a/b.db".into()));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = |line| config(line).unwrap_err();
        assert_eq!(
            mistakes("--port x --grace 5 --store elasticsearch:http://h/i"),
            [
                "--port \"x\" is no port: expected a number from 1 to 65535",
                "--grace \"5\": expected a time with its unit, such as 400ms, 30s, 5min or 1h",
                "--store: elasticsearch stores arrive in a later version; this one stores in sqlite:PATH",
            ]
        );
        assert!(mistakes("--port 0")[0].starts_with("must specify a port"));
        assert!(mistakes("")[0].starts_with("must specify a port"));
        let export = mistakes("export --format parquet --crawl a/b --store x");
        assert_eq!(export[0], "parquet comes in a later version; --format jsonl and csv are there");
        assert!(export[1].starts_with("--crawl: \"a/b\" cannot name a crawl"));
        assert_eq!(export.len(), 3);
        assert_eq!(mistakes("export -o a.parquet").len(), 1);
        assert_eq!(mistakes("export --format xml"), ["--format \"xml\" is none of jsonl, csv"]);
        assert_eq!(mistakes("items --limit 0"), ["--limit \"0\": expected a number from 1 on"]);
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
