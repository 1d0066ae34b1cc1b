//! The command line as typed. Every value is text here, so that [`Config`](crate::config::Config) can tell all mistakes at once.

use std::ffi::OsString;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser};

use crate::commands::args::Command;
use crate::config::file;
use crate::config::frontier::FrontierArgs;
use crate::config::hosts::{self, HostSection};

/// What was typed; see the help texts.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "engine", version, about = ABOUT, long_about = None, after_help = AFTER_HELP, max_term_width = 120)]
#[command(mut_args(|arg| arg.hide_env(true)), args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// What to do instead of crawling
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Where to begin; `-` reads URLs from standard input, one a line. With --spider they replace its seeds
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,

    /// A spider file: seeds, scope and parsers in TOML
    #[arg(long, value_name = "FILE", env = "GOSSAMER_SPIDER", help_heading = "What to crawl")]
    pub spider: Option<String>,
    /// Which sites belong, seen from the seeds': the same host and port, the host and all names below it (subdomain), its registrable domain with all its names (domain), or any; the latter three on every port: host, subdomain, domain or any [default: host]
    #[arg(long, value_name = "BREADTH", env = "GOSSAMER_SCOPE", help_heading = "What to crawl")]
    pub scope: Option<String>,
    /// A sitemap to begin with, too: XML, text or a feed, also an index and gzip files (repeatable)
    #[arg(long, value_name = "URL", help_heading = "What to crawl")]
    pub sitemap: Vec<String>,
    /// Read the sitemaps that a site's robots.txt names
    #[arg(long, env = "GOSSAMER_SITEMAPS", help_heading = "What to crawl")]
    pub sitemaps: bool,
    /// Follow only URLs that match one of these regular expressions (repeatable)
    #[arg(long, value_name = "REGEX", help_heading = "What to crawl")]
    pub allow: Vec<String>,
    /// Never follow URLs that match one of these (repeatable)
    #[arg(long, value_name = "REGEX", help_heading = "What to crawl")]
    pub deny: Vec<String>,
    /// Most links from a seed, along the path by which a URL is first found [default: no limit]
    #[arg(long, value_name = "N", env = "GOSSAMER_MAX_DEPTH", help_heading = "What to crawl")]
    pub max_depth: Option<String>,
    /// Longest URL that is followed, in bytes [default: 8192]
    #[arg(long, value_name = "BYTES", env = "GOSSAMER_MAX_URL_LENGTH", help_heading = "What to crawl")]
    pub max_url_length: Option<String>,
    /// File types that are not fetched, by the end of the path, comma-separated; none: all are [default: some 80 of images, sound, films, archives, programs, fonts and office documents, as zip, jpg, pdf]
    #[arg(long, value_name = "LIST", env = "GOSSAMER_SKIP_EXTENSIONS", help_heading = "What to crawl")]
    pub skip_extensions: Option<String>,
    /// Query parameters that do not tell pages apart, comma-separated, each with at most one `*` (repeatable): of URLs that differ in them alone the first is fetched, as it was found
    #[arg(long, value_name = "NAMES", help_heading = "What to crawl")]
    pub drop_params: Vec<String>,
    /// The same for parameters that only tell where a visitor came from (utm_source, gclid, fbclid, …)
    #[arg(long, env = "GOSSAMER_DROP_TRACKING", help_heading = "What to crawl")]
    pub drop_tracking: bool,
    /// Most URLs of a host that differ only in segments with digits and in values of the query, as calendars and counters make them [default: 100000]
    #[arg(long, value_name = "N", env = "GOSSAMER_TRAP_BUDGET", help_heading = "What to crawl")]
    pub trap_budget: Option<String>,
    /// Pages of a host with the very same content whose links are followed; those of further ones are not [default: 100]
    #[arg(long, value_name = "N", env = "GOSSAMER_SAME_CONTENT", help_heading = "What to crawl")]
    pub same_content: Option<String>,
    /// Follow what looks like a trap too: paths that repeat themselves, URLs that differ in a session id alone, and all beyond --trap-budget and --same-content
    #[arg(long, env = "GOSSAMER_KEEP_TRAPS", help_heading = "What to crawl")]
    pub keep_traps: bool,
    /// What `page` items hold beside title and description: any of text, headings, links (comma-separated)
    #[arg(long, value_name = "PARTS", env = "GOSSAMER_PAGE", help_heading = "What to crawl")]
    pub page: Option<String>,

    /// Workers, comma-separated; `:9000` is this machine [default: a worker inside this process]
    #[arg(long, value_name = "HOST:PORT,…", env = "GOSSAMER_WORKER_HOSTS", help_heading = "Processes")]
    pub worker_hosts: Option<String>,
    /// The itemsaver [default: one inside this process, on SQLite in the state directory]
    #[arg(long, value_name = "HOST:PORT", env = "GOSSAMER_ITEMSAVER_HOST", help_heading = "Processes")]
    pub itemsaver_host: Option<String>,
    /// Where the frontier is.
    #[command(flatten)]
    pub frontier: FrontierArgs,
    /// Most requests in flight, over all workers [default: 100]
    #[arg(long, value_name = "N", env = "GOSSAMER_WORKER_COUNT", help_heading = "Processes")]
    pub worker_count: Option<String>,
    /// Longest stretch without any worker, and longest wait for the itemsaver at start [default: 30s]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_WAIT_FOR_WORKERS", help_heading = "Processes")]
    pub wait_for_workers: Option<String>,
    /// Time for requests in flight to finish when the crawl is stopped [default: --fetch-timeout + 15s]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_GRACE", help_heading = "Processes")]
    pub grace: Option<String>,

    /// Pause between two requests to a host; one at a time then [default: 1s, and 0s for this machine]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_DELAY", help_heading = "Politeness")]
    pub delay: Option<String>,
    /// How much longer than --delay a pause may get, by chance, as a part of it; never shorter [default: 0.1]
    #[arg(long, value_name = "PART", env = "GOSSAMER_JITTER", help_heading = "Politeness")]
    pub jitter: Option<String>,
    /// Let the pause follow how long the host takes to answer: 1 pauses as long, 0.5 twice as long; never below --delay, and bad answers never shorten it [default: off]
    #[arg(long, value_name = "TARGET", env = "GOSSAMER_THROTTLE", help_heading = "Politeness")]
    pub throttle: Option<String>,
    /// Longest pause that --throttle leads to [default: 60s]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_THROTTLE_MAX", help_heading = "Politeness")]
    pub throttle_max: Option<String>,
    /// Most requests in flight to one host that has no delay [default: --worker-count]
    #[arg(long, value_name = "N", env = "GOSSAMER_PER_HOST", help_heading = "Politeness")]
    pub per_host: Option<String>,
    /// Most requests in flight to one IP address, whatever hosts are there [default: 8, and no limit on this machine]
    #[arg(long, value_name = "N", env = "GOSSAMER_PER_ADDRESS", help_heading = "Politeness")]
    pub per_address: Option<String>,
    /// What --delay and --per-host are for: each host name, each registrable domain (example.co.uk), or each IP address: host, domain or ip [default: host]
    #[arg(long, value_name = "UNIT", env = "GOSSAMER_POLITENESS_BY", help_heading = "Politeness")]
    pub politeness_by: Option<String>,
    /// Fetch what robots.txt disallows, and do not wait as long as it asks for. Only for sites that are yours
    #[arg(long, env = "GOSSAMER_IGNORE_ROBOTS", help_heading = "Politeness")]
    pub ignore_robots: bool,
    /// Follow the links of pages that say nofollow, too
    #[arg(long, env = "GOSSAMER_IGNORE_NOFOLLOW", help_heading = "Politeness")]
    pub ignore_nofollow: bool,
    /// Do not follow links that say rel=nofollow themselves
    #[arg(long, env = "GOSSAMER_OBEY_REL_NOFOLLOW", help_heading = "Politeness")]
    pub obey_rel_nofollow: bool,
    /// Do not keep the items of pages that say noindex
    #[arg(long, env = "GOSSAMER_OBEY_NOINDEX", help_heading = "Politeness")]
    pub obey_noindex: bool,
    /// The User-Agent header [default: gossamer/VERSION and a contact URL]
    #[arg(long, value_name = "TEXT", env = "GOSSAMER_USER_AGENT", help_heading = "Politeness")]
    pub user_agent: Option<String>,
    /// Time without a normal answer after which a site is given up; one that never answered: at most 60s [default: 1h]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_HOST_GIVE_UP", help_heading = "Politeness")]
    pub host_give_up: Option<String>,

    /// Attempts a URL gets when the site answers badly (500, a broken body) [default: 3]
    #[arg(long, value_name = "N", env = "GOSSAMER_ATTEMPTS", help_heading = "Fetching")]
    pub attempts: Option<String>,
    /// Pause before the second attempt, and for a site in trouble; doubles each time, at most 5min [default: 1s]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_RETRY_PAUSE", help_heading = "Fetching")]
    pub retry_pause: Option<String>,
    /// Time for making a connection, TLS included [default: 10s]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_CONNECT_TIMEOUT", help_heading = "Fetching")]
    pub connect_timeout: Option<String>,
    /// Time for a whole fetch, to the last byte [default: 30s]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_FETCH_TIMEOUT", help_heading = "Fetching")]
    pub fetch_timeout: Option<String>,
    /// Largest body, after decompression; a larger one is skipped [default: 10MB]
    #[arg(long, value_name = "SIZE", env = "GOSSAMER_MAX_BODY", help_heading = "Fetching")]
    pub max_body: Option<String>,
    /// Media types that are skipped before their body comes, comma-separated: image/*, application/pdf; beside those that no parser reads [default: none]
    #[arg(long, value_name = "TYPES", env = "GOSSAMER_SKIP_TYPES", help_heading = "Fetching")]
    pub skip_types: Option<String>,
    /// Fetch through this proxy: http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT (repeatable: hosts take turns). What it wants to know of its clients is in GOSSAMER_PROXY_AUTH, as USER:PASSWORD
    #[arg(long, value_name = "URL", help_heading = "Fetching")]
    pub proxy: Vec<String>,
    /// The same for all proxies in a file, one a line, as http://USER:PASSWORD@HOST:PORT where they differ in that
    #[arg(long, value_name = "FILE", env = "GOSSAMER_PROXIES", help_heading = "Fetching")]
    pub proxies: Option<String>,
    /// Keep cookies as a browser does: those that sites set are sent back to them, all crawl long
    #[arg(long, env = "GOSSAMER_COOKIES", help_heading = "Fetching")]
    pub cookies: bool,
    /// A further request header, as `Name: value` (repeatable)
    #[arg(long, value_name = "HEADER", help_heading = "Fetching")]
    pub header: Vec<String>,
    /// A private address workers may connect to beside the seeds': HOST, HOST:PORT or NETWORK/BITS (repeatable)
    #[arg(long, value_name = "NET", help_heading = "Fetching")]
    pub allow_net: Vec<String>,

    /// Most pages; never overshot [default: no limit]
    #[arg(long, value_name = "N", env = "GOSSAMER_MAX_PAGES", help_heading = "Budgets")]
    pub max_pages: Option<String>,
    /// Most pages of one host; what it has more stays queued [default: no limit]
    #[arg(long, value_name = "N", env = "GOSSAMER_MAX_PAGES_PER_HOST", help_heading = "Budgets")]
    pub max_pages_per_host: Option<String>,
    /// Stop when so many items are saved; pages in flight are finished [default: no limit]
    #[arg(long, value_name = "N", env = "GOSSAMER_MAX_ITEMS", help_heading = "Budgets")]
    pub max_items: Option<String>,
    /// Stop when so many URLs were given up [default: no limit]
    #[arg(long, value_name = "N", env = "GOSSAMER_MAX_ERRORS", help_heading = "Budgets")]
    pub max_errors: Option<String>,
    /// Stop this long after the start [default: no limit]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_MAX_TIME", help_heading = "Budgets")]
    pub max_time: Option<String>,

    /// Write items here too: JSON lines, or a table if the name ends in .csv; `-` is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub output: Option<String>,
    /// Replace a file that --output finds there
    #[arg(long, help_heading = "Results")]
    pub overwrite: bool,
    /// Keep what changes in items from one crawl to the next, for `itemsaver history`; an itemsaver of its own has a flag for that
    #[arg(long, env = "GOSSAMER_HISTORY", help_heading = "Results")]
    pub history: bool,
    /// Write the end report here, as JSON
    #[arg(long, value_name = "FILE", env = "GOSSAMER_REPORT", help_heading = "Results")]
    pub report: Option<String>,
    /// Append a record here before each request and one after it, as JSON lines, for `engine audit`
    #[arg(long, value_name = "FILE", env = "GOSSAMER_FETCH_LOG", help_heading = "Results")]
    pub fetch_log: Option<String>,
    /// Discard what an earlier start began, and begin anew; items that are stored stay
    #[arg(long, help_heading = "Results")]
    pub fresh: bool,
    /// Fetch again what is done, for a scope or a spider that finds more now; what is stored is replaced page by page
    #[arg(long, conflicts_with = "fresh", help_heading = "Results")]
    pub rescan: bool,
    /// Folder for what the crawl keeps here [default: gossamer-state/NAME; with `-o -` a temporary one]
    #[arg(long, value_name = "DIR", env = "GOSSAMER_STATE", help_heading = "Results")]
    pub state: Option<String>,
    /// How much a power failure may cost: the state is synced to the disk this often, 0s: with every commit. A killed process loses nothing in any case [default: 1s]
    #[arg(long, value_name = "TIME", env = "GOSSAMER_SYNC", help_heading = "Results")]
    pub sync: Option<String>,

    /// A TOML file with flags as keys (worker-count = 50) and sections for hosts: `[[host]]` with pattern and delay, jitter, throttle, per-host, max-pages, of which the first that matches a host counts, and for a login user with password-env or password-file; flags and environment win over its keys, sections over all
    #[arg(long, value_name = "FILE", env = "GOSSAMER_CONFIG", help_heading = "This program")]
    pub config: Option<String>,
    /// Log every page (twice: everything)
    #[arg(short, long, action = ArgAction::Count, help_heading = "This program")]
    pub verbose: u8,
    /// Log warnings only, show no progress and no report
    #[arg(short, long, conflicts_with = "verbose", help_heading = "This program")]
    pub quiet: bool,

    /// The `[[host]]` sections of the config file
    #[arg(skip)]
    pub hosts: Vec<HostSection>,
}

const ABOUT: &str = "\
Crawls sites: owns the crawl, fetches through workers and stores through an itemsaver.

Without workers and itemsaver of your own it runs both in this process. Without a URL and a spider it starts a practice site on this machine and crawls that, to show how a crawl looks.";

const AFTER_HELP: &str = "\
Times are written 400ms, 30s, 5min, 1h; sizes 500kB, 10MB. Every flag with a value can also be given as GOSSAMER_NAME in the environment (repeatable ones in --config only).

Exit codes: 0 the crawl is complete, or a budget ended it; 1 a URL or item was given up, or the crawl was cut short; 2 it could not start.

Examples:
  engine                                          crawl a practice site, nothing else needed
  engine https://example.org/ -o pages.jsonl      crawl one site, politely
  engine --spider quotes.toml -o quotes.csv       crawl what a spider file says
  engine --itemsaver-host :1234 --worker-hosts :9000,:9001
                                                  the same over processes: itemsaver --port 1234, worker --port 9000, …
  engine status                                   how it stands; `engine why URL` tells a URL's story";

/// Why the command line could not be read.
#[derive(Debug)]
pub enum ArgsError {
    /// Clap's own message; also help and version.
    Usage(clap::Error),
    /// Sentences about the config file.
    ConfigFile(Vec<String>),
}

impl Args {
    /// Reads the command line, then the environment, then the config file it names.
    ///
    /// # Errors
    /// [`ArgsError`].
    pub fn read(arguments: &[OsString]) -> Result<Args, ArgsError> {
        let parse =
            |command: clap::Command| -> Result<Args, clap::Error> { Args::from_arg_matches(&command.try_get_matches_from(arguments)?) };
        let args = parse(Args::command()).map_err(ArgsError::Usage)?;
        let Some(path) = &args.config else { return Ok(args) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| ArgsError::ConfigFile(vec![format!("cannot read the config file {path}: {error}")]))?;
        let (command, hosts) = match (file::as_defaults(Args::command(), path, &text), hosts::sections(path, &text)) {
            (Ok(command), Ok(hosts)) => (command, hosts),
            (Err(mistakes), Ok(_)) | (Ok(_), Err(mistakes)) => return Err(ArgsError::ConfigFile(mistakes)),
            (Err(of_flags), Err(of_hosts)) => return Err(ArgsError::ConfigFile([of_flags, of_hosts].concat())),
        };
        let args = parse(command).map_err(ArgsError::Usage)?;
        Ok(Args { hosts, ..args })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_consistent() {
        Args::command().debug_assert();
    }
}
