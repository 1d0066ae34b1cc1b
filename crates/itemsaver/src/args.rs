//! The command line, and what it means.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use itemsaver::export::ExportFormat;
use itemsaver::search::ItemQuery;
use itemsaver::store::{Access, DEFAULT_STORE, ItemFilter, StoreCredentials, StoreSpec};
use model::CrawlName;
use model::search::QueryMistake;
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
    #[command(flatten)]
    history: HistoryArgument,
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
    /// Where the items are: sqlite:PATH, a database file; elasticsearch:URL/INDEX or opensearch:URL/INDEX, an index of a server, such as
    /// elasticsearch:http://127.0.0.1:9200/items.
    #[arg(long, value_name = "STORE", default_value = DEFAULT_STORE, env = "GOSSAMER_ITEMSAVER_STORE", hide_env_values = true, help_heading = "Store")]
    store: String,
    /// User at the server. The password is in the file of --store-password-file or in GOSSAMER_ITEMSAVER_STORE_PASSWORD.
    #[arg(long, value_name = "NAME", env = "GOSSAMER_ITEMSAVER_STORE_USER", hide_env_values = true, help_heading = "Store")]
    store_user: Option<String>,
    /// File with the user's password; a line break at its end does not count.
    #[arg(long, value_name = "FILE", env = "GOSSAMER_ITEMSAVER_STORE_PASSWORD_FILE", hide_env_values = true, help_heading = "Store")]
    store_password_file: Option<PathBuf>,
    /// File with an API key of the server, in base64 as it printed it; or GOSSAMER_ITEMSAVER_STORE_API_KEY.
    #[arg(long, value_name = "FILE", env = "GOSSAMER_ITEMSAVER_STORE_API_KEY_FILE", hide_env_values = true, help_heading = "Store")]
    store_api_key_file: Option<PathBuf>,
    /// PEM file with the certificate of the authority that vouches for an https server, beside those the system trusts.
    #[arg(long, value_name = "FILE", env = "GOSSAMER_ITEMSAVER_STORE_CA", hide_env_values = true, help_heading = "Store")]
    store_ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct HistoryArgument {
    /// Keep what changes in items, from now on, for `itemsaver history`: the last 100 changes of each item.
    #[arg(long, env = "GOSSAMER_ITEMSAVER_HISTORY", value_parser = FalseyValueParser::new(), hide_env_values = true, help_heading = "Store")]
    history: bool,
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
    /// Find items, the one found last first. The language: words, "phrases", Field:word, Age:(<30), Height:([178 TO 185]), Type:zhenai, AND, OR,
    /// NOT, parentheses.
    Search(SearchArguments),
    /// Tell what has changed in an item, the newest last, from a store whose itemsaver was started with --history.
    History(HistoryArguments),
    /// Store items from JSON lines as export writes them, beside what is there.
    Import(ImportArguments),
    /// Move all items of a server's store to a new index with the fields that the crawls tell now. The old index stays, unused.
    Reindex(ReindexArguments),
}

#[derive(Debug, Args)]
struct ExportArguments {
    #[command(flatten)]
    store: StoreArgument,
    /// jsonl (one JSON object a line), csv, or parquet (columns with the types of the crawls' schemas; a column into which a value does not
    /// fit becomes text, and is named at the end). Without it the extension of FILE tells, else jsonl.
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
    /// Only items that `itemsaver search QUERY` finds.
    #[arg(long, value_name = "QUERY", help_heading = "Which items")]
    query: Option<String>,
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
struct SearchArguments {
    #[command(flatten)]
    store: StoreArgument,
    /// What to look for; several words are one query.
    #[arg(required = true, value_name = "QUERY")]
    query: Vec<String>,
    /// Field with numbers to sort by; with a dash before it (--sort=-Age) the greatest first.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true, help_heading = "Which items")]
    sort: Option<String>,
    /// Show at most this many items.
    #[arg(long, value_name = "N", default_value = "20", help_heading = "Which items")]
    limit: String,
    /// Write the items as JSON lines, as export does.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Debug, Args)]
struct HistoryArguments {
    #[command(flatten)]
    store: StoreArgument,
    /// The item's type.
    #[arg(value_name = "TYPE")]
    item_type: String,
    /// The item's id.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    /// Write JSON lines, a change a line.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Debug, Args)]
struct ImportArguments {
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    history: HistoryArgument,
    /// File to read. Without it, or as `-`: standard input.
    #[arg(value_name = "FILE")]
    input: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ReindexArguments {
    #[command(flatten)]
    store: StoreArgument,
}

#[derive(Debug, Args)]
struct TypeArgument {
    /// Only items of this type.
    #[arg(long = "type", value_name = "TYPE", help_heading = "Which items")]
    item_type: Option<String>,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) struct Config {
    /// As [`rpcsupport::process::init_log`] takes it.
    pub(crate) verbosity: i8,
    pub(crate) store: StoreSpec,
    pub(crate) task: Task,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    Serve { address: SocketAddr, grace: Duration, history: bool },
    Export { filter: ItemFilter, query: Option<ItemQuery>, format: ExportFormat, output: Option<PathBuf> },
    List { filter: ItemFilter, limit: usize },
    Count { filter: ItemFilter },
    Search { query: String, sort: Option<String>, limit: usize, json: bool },
    History { item_type: String, id: String, json: bool },
    Import { input: Option<PathBuf>, history: bool },
    Reindex,
}

impl Config {
    /// Checks the command line. `secret` is a variable of the environment, if it is set.
    ///
    /// # Errors
    /// All mistakes, each a sentence.
    pub(crate) fn of(arguments: Arguments, secret: impl Fn(&str) -> Option<String>) -> Result<Config, Vec<String>> {
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
                let history = serve.history.history;
                (serve.store, address.zip(grace).map(|(address, grace)| Task::Serve { address, grace, history }))
            }
            Some(Command::Export(export)) => {
                let output = export.output.filter(|path| path.as_os_str() != "-");
                let format = mistakes.note(format(export.format.as_deref(), output.as_ref()));
                let crawl = export.crawl.map(|name| CrawlName::new(name).map_err(|e| format!("--crawl: {e}"))).transpose();
                let filter = mistakes.note(crawl).map(|crawl| ItemFilter { item_type: export.filter.item_type, crawl });
                let query = mistakes.note(export.query.map(|query| item_query(&query)).transpose());
                let task = format.zip(filter).zip(query);
                (export.store, task.map(|((format, filter), query)| Task::Export { filter, query, format, output }))
            }
            Some(Command::Items(items)) => {
                let filter = ItemFilter { item_type: items.filter.item_type, crawl: None };
                let limit = mistakes.note(limit(&items.limit));
                let list = |limit| if items.count { Task::Count { filter } } else { Task::List { filter, limit } };
                (items.store, limit.map(list))
            }
            Some(Command::Search(search)) => {
                let (query, sort, json) = (search.query.join(" "), search.sort, search.json);
                let limit = mistakes.note(limit(&search.limit));
                (search.store, limit.map(|limit| Task::Search { query, sort, limit, json }))
            }
            Some(Command::History(HistoryArguments { store, item_type, id, json })) => (store, Some(Task::History { item_type, id, json })),
            Some(Command::Import(import)) => {
                let input = import.input.filter(|path| path.as_os_str() != "-");
                (import.store, Some(Task::Import { input, history: import.history.history }))
            }
            Some(Command::Reindex(reindex)) => (reindex.store, Some(Task::Reindex)),
        };
        let spec = mistakes.note(StoreSpec::parse(&store.store).map_err(|e| format!("--store: {e}")));
        let access = access(store, secret, &mut mistakes);
        match (spec, task, mistakes.0.is_empty()) {
            (Some(store), Some(task), true) => Ok(Config { verbosity, store: store.with_access(access), task }),
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

/// What proves to a server that the store may be used.
fn access(arguments: StoreArgument, secret: impl Fn(&str) -> Option<String>, mistakes: &mut Mistakes) -> Access {
    let mut told = |flag: &str, file: Option<PathBuf>, variable: &str| match (file, secret(variable).filter(|text| !text.is_empty())) {
        (Some(_), Some(_)) => mistakes.note(Err(format!("--{flag} and {variable} are two ways to say one thing: give one of them"))),
        (Some(file), None) => {
            let read = std::fs::read_to_string(&file).map_err(|error| format!("--{flag}: cannot read {}: {error}", file.display()));
            mistakes.note(read).map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
        }
        (None, given) => given,
    };
    let password = told("store-password-file", arguments.store_password_file, "GOSSAMER_ITEMSAVER_STORE_PASSWORD");
    let key = told("store-api-key-file", arguments.store_api_key_file, "GOSSAMER_ITEMSAVER_STORE_API_KEY");
    let credentials = match (arguments.store_user, password, key) {
        (None, None, None) => None,
        (Some(user), Some(password), None) => Some(StoreCredentials::Basic(user, password)),
        (None, None, Some(key)) => Some(StoreCredentials::ApiKey(key)),
        (_, _, Some(_)) => mistakes.note(Err("a server is shown a user with a password or an API key, not both".to_owned())),
        (Some(_), None, None) => {
            mistakes.note(Err("--store-user needs a password: --store-password-file or GOSSAMER_ITEMSAVER_STORE_PASSWORD".to_owned()))
        }
        (None, Some(_), None) => mistakes.note(Err("a password needs its user: --store-user".to_owned())),
    };
    Access { credentials, authority: arguments.store_ca }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("--port {text:?} is no port: expected a number from 1 to 65535"))
}

fn item_query(text: &str) -> Result<ItemQuery, String> {
    ItemQuery::parse(text).map_err(|mistake| format!("--query: {}", place_of(text, &mistake)))
}

/// A mistake under its query, with a sign at its place.
pub(crate) fn place_of(query: &str, mistake: &QueryMistake) -> String {
    let line = one_line(query);
    format!("{}\n  {line}\n  {}^", mistake.message, " ".repeat(mistake.at))
}

/// A text without what would steer a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
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
        Some("parquet") => Ok(ExportFormat::Parquet),
        Some(other) => Err(format!("--format {other:?} is none of jsonl, csv, parquet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> Result<Config, Vec<String>> {
        let arguments = std::iter::once("itemsaver").chain(line.split_whitespace());
        Config::of(Arguments::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")), |_| None)
    }

    #[test]
    fn flags_become_a_task() {
        let task = |line| config(line).unwrap().task;
        let address = "127.0.0.1:1234".parse().unwrap();
        assert_eq!(task("--port 1234"), Task::Serve { address, grace: Duration::from_secs(30), history: false });
        assert_eq!(
            task("--listen 127.0.0.1:1234 --grace 400ms"),
            Task::Serve { address, grace: Duration::from_millis(400), history: false }
        );
        assert_eq!(task("--port 1234 --history"), Task::Serve { address, grace: Duration::from_secs(30), history: true });
        let cars = ItemFilter { item_type: Some("car".into()), crawl: None };
        let output = Some(PathBuf::from("a.csv"));
        let export = |filter, format, output| Task::Export { filter, query: None, format, output };
        assert_eq!(task("export --type car -o a.csv"), export(cars.clone(), ExportFormat::Csv, output));
        let everything = ItemFilter::default();
        assert_eq!(task("export -o -"), export(everything.clone(), ExportFormat::Jsonl, None));
        assert_eq!(task("export --format parquet"), export(everything.clone(), ExportFormat::Parquet, None));
        let output = Some(PathBuf::from("a.parquet"));
        assert_eq!(task("export -o a.parquet"), export(everything.clone(), ExportFormat::Parquet, output));
        let search = |sort: Option<&str>| Task::Search { query: "a Age:<3".into(), sort: sort.map(str::to_owned), limit: 20, json: true };
        assert_eq!(task("search a Age:<3 --json"), search(None));
        assert_eq!(task("search --sort -Age a Age:<3 --json"), search(Some("-Age")));
        assert_eq!(config("export --query (a").unwrap_err(), ["--query: this parenthesis is not closed\n  (a\n  ^"]);
        assert_eq!(task("items --count --type car"), Task::Count { filter: cars });
        assert_eq!(task("items"), Task::List { filter: everything, limit: 20 });
        let history = |id: &str, json| Task::History { item_type: "car".into(), id: id.into(), json };
        assert_eq!(task("history car m7"), history("m7", false));
        assert_eq!(task("history --json car -7"), history("-7", true));
        assert_eq!(task("import --history a.jsonl"), Task::Import { input: Some("a.jsonl".into()), history: true });
        assert_eq!(task("import -"), Task::Import { input: None, history: false });
        assert_eq!(config("items -vv").unwrap().verbosity, 2);
        assert_eq!(config("--port 1 -q").unwrap().verbosity, -1);
        assert_eq!(config("--port 1 --store sqlite:/a/b.db").unwrap().store, StoreSpec::Sqlite("/a/b.db".into()));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = |line| config(line).unwrap_err();
        assert_eq!(
            mistakes("--port x --grace 5 --store elasticsearch:items"),
            [
                "--port \"x\" is no port: expected a number from 1 to 65535",
                "--grace \"5\": expected a time with its unit, such as 400ms, 30s, 5min or 1h",
                "--store: elasticsearch: needs a URL and an index, such as elasticsearch:http://127.0.0.1:9200/items",
            ]
        );
        assert!(mistakes("--port 0")[0].starts_with("must specify a port"));
        assert!(mistakes("")[0].starts_with("must specify a port"));
        let export = mistakes("export --format xml --crawl a/b --store x");
        assert_eq!(export[0], "--format \"xml\" is none of jsonl, csv, parquet");
        assert!(export[1].starts_with("--crawl: \"a/b\" cannot name a crawl"));
        assert_eq!(export.len(), 3);
        assert_eq!(mistakes("items --limit 0"), ["--limit \"0\": expected a number from 1 on"]);
    }

    #[test]
    fn secrets_come_from_a_file_or_the_environment_one_kind_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "of the file\n").unwrap();
        let file = file.display().to_string();
        let of = |line: &str, variables: &[(&str, &str)]| {
            let line = format!("items --store elasticsearch:http://h/i {line}");
            let arguments = Arguments::try_parse_from(std::iter::once("itemsaver").chain(line.split_whitespace())).unwrap();
            let variable = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            Config::of(arguments, variable).map(|config| match config.store {
                StoreSpec::Server(server) => server.access,
                StoreSpec::Sqlite(_) => panic!("that is a file"),
            })
        };
        let credentials = |line: &str, variables: &[(&str, &str)]| of(line, variables).unwrap().credentials.unwrap();
        let basic = |password: &str| StoreCredentials::Basic("me".into(), password.into());
        assert_eq!(of("", &[]), Ok(Access::default()));
        assert_eq!(
            credentials("--store-user me", &[("GOSSAMER_ITEMSAVER_STORE_PASSWORD", "of the environment")]),
            basic("of the environment")
        );
        assert_eq!(credentials(&format!("--store-user me --store-password-file {file}"), &[]), basic("of the file"));
        assert_eq!(credentials("", &[("GOSSAMER_ITEMSAVER_STORE_API_KEY", "a2V5")]), StoreCredentials::ApiKey("a2V5".into()));
        assert_eq!(of("--store-ca a.pem", &[]).unwrap().authority, Some("a.pem".into()));
        assert_eq!(format!("{:?}", basic("secret")), "Basic(…)");
        for (line, variables, mistake) in [
            ("--store-user me", &[][..], "--store-user needs a password"),
            ("", &[("GOSSAMER_ITEMSAVER_STORE_PASSWORD", "x")], "a password needs its user"),
            ("--store-user me", &[("GOSSAMER_ITEMSAVER_STORE_API_KEY", "x")], "not both"),
            ("--store-api-key-file /no/such", &[], "--store-api-key-file: cannot read /no/such"),
        ] {
            assert!(of(line, variables).unwrap_err()[0].contains(mistake), "{line}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
