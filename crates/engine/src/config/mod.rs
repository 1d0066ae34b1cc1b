//! What the user asked for, checked: from [`Args`] to values nothing past this folder doubts.
//!
//! All mistakes are found in one go; with any of them nothing is started.

pub mod file;
pub mod frontier;
pub mod hosts;
mod links;
mod proxies;
mod seeds;
mod values;

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::job::{FetchRules, Honour};
use model::parser::{PAGE_PARSER, SpiderFile};
use model::schema::TypeSchema;
use model::{CrawlName, ParserRef, SpiderHash};
use rpcsupport::PeerAddress;
use spider::Spider;

use crate::args::Args;
use crate::budget::Budgets;
use crate::engine::EngineConfig;
use crate::frontier::{Access, Address};
use crate::limits::TimeLimits;
use crate::logins::Logins;
use crate::output::{self, OutputConfig, OutputFormat, OutputTarget};
use crate::permits::NetPermits;
use crate::request::Request;
use crate::retry::RetryPolicy;
use crate::scheduler::HostRules;
use crate::scope::{Scope, Site, UrlRules};
use crate::state::{STATES, StateDir};
use values::Values;

pub use seeds::SeedSource;
pub(crate) use seeds::parse_url;

/// A crawl, ready to be started.
#[derive(Debug)]
pub struct Config {
    /// Its name.
    pub crawl: CrawlName,
    /// Where it begins.
    pub seeds: Vec<Request>,
    /// What belongs to it.
    pub scope: Scope,
    /// The spider, if there is one.
    pub spider: Option<LoadedSpider>,
    /// Names of the parsers that this program has in any case.
    pub built_in: Vec<String>,
    /// How hosts are treated.
    pub hosts: HostRules,
    /// User names and passwords for hosts.
    pub logins: Logins,
    /// How pages are fetched.
    pub fetch: FetchRules,
    /// What may be reached beyond public addresses.
    pub permits: NetPermits,
    /// The loop's limits.
    pub engine: EngineConfig,
    /// Where pages are fetched.
    pub workers: Workers,
    /// Where items go; none: into the state directory.
    pub itemsaver: Option<PeerAddress>,
    /// Whether the itemsaver in this process keeps what changes in items.
    pub history: bool,
    /// The state directory; none: a temporary one.
    pub state: Option<PathBuf>,
    /// `-o`.
    pub output: Option<OutputConfig>,
    /// Whether `-o` may replace a file.
    pub overwrite: bool,
    /// Whether to discard what an earlier start began.
    pub fresh: bool,
    /// Whether to queue again what is done.
    pub rescan: bool,
    /// The database that the frontier is in; none: it is in the state directory.
    pub frontier: Option<(Address, Access)>,
    /// How often what is committed is synced to the disk; zero: with every commit.
    pub sync: Duration,
    /// `--report`.
    pub report: Option<PathBuf>,
    /// `--fetch-log`.
    pub fetch_log: Option<PathBuf>,
    /// Whether `--ignore-robots` was given.
    pub ignore_robots: bool,
    /// -1 for `-q`, else the number of `-v`.
    pub verbosity: i8,
}

/// Where pages are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workers {
    /// In this process.
    Embedded,
    /// By these processes; never empty.
    Hosts(Vec<PeerAddress>),
}

/// A spider file that was read and found right.
#[derive(Clone, Debug)]
pub struct LoadedSpider {
    /// As it is sent to workers.
    pub file: Arc<SpiderFile>,
    /// What it says.
    pub spider: Arc<Spider>,
}

impl LoadedSpider {
    /// Checks a spider's text; `place` is its file's name in messages, `built_in` names the parsers that need no spider.
    ///
    /// # Errors
    /// All its mistakes, as sentences.
    pub fn parse(text: String, place: &str, built_in: &[&str]) -> Result<LoadedSpider, Vec<String>> {
        match Spider::parse(&text, built_in) {
            Ok(spider) => {
                for warning in &spider.warnings {
                    tracing::warn!("{place}:{warning}");
                }
                let file = SpiderFile { hash: SpiderHash::of(text.as_bytes()), text };
                Ok(LoadedSpider { file: Arc::new(file), spider: Arc::new(spider) })
            }
            Err(errors) => Err(errors.in_file(place).to_string().lines().map(str::to_owned).collect()),
        }
    }
}

/// Pages that may be between dispatch and commit beyond those in flight: what an itemsaver may fall behind before the fetching stops.
const PAGES_AHEAD: usize = 1024;

/// Bytes of outcomes that may wait for their commit before nothing more is dispatched.
const OUTCOME_BYTES: usize = 64 * 1024 * 1024;

/// What a power failure may cost where the user does not say.
const SYNC: Duration = Duration::from_secs(1);

/// What jobs need beyond a fetch when the crawl is stopped.
const DEFAULT_GRACE: Duration = Duration::from_secs(15);

/// Most requests in flight that can be asked for: each is a task with a buffer.
const MAX_WORKER_COUNT: usize = 100_000;

impl Config {
    /// Checks what was typed. `source` is where the seeds come from, with its files read; `built_in` names the parsers that this program
    /// has in any case.
    ///
    /// # Errors
    /// Every mistake, one sentence each.
    pub fn build(args: &Args, source: SeedSource, built_in: &[&str]) -> Result<Config, Vec<String>> {
        let mut values = Values::default();
        let workers = workers(args, &mut values);
        let itemsaver = values.parse("--itemsaver-host", args.itemsaver_host.as_deref(), |text| text.parse::<PeerAddress>());
        if args.history && args.itemsaver_host.is_some() {
            values.mistake(
                "--history is for the itemsaver in this process: start the one of --itemsaver-host with its own --history".to_owned(),
            );
        }
        if let (SeedSource::Practice { .. }, Workers::Hosts(hosts)) = (&source, &workers)
            && let Some(far) = hosts.iter().find(|host| !host.is_loopback())
        {
            values.mistake(format!(
                "the practice site runs on this machine, where the worker {far} cannot reach it: name a URL or a --spider"
            ));
        }
        let limits = limits(args, &mut values);
        let hosts = hosts::rules(args, &mut values);
        let environment = |name: &str| std::env::var(name).ok();
        let logins = hosts::logins(args, &environment, &mut values);
        let proxies = proxies::read(args, &environment, &mut values);
        let worker_count = values.parse("--worker-count", args.worker_count.as_deref(), values::count).map_or(100, NonZeroUsize::get);
        if worker_count > MAX_WORKER_COUNT {
            values.mistake(format!("--worker-count {worker_count} is more than {MAX_WORKER_COUNT}"));
        }
        let budgets = budgets(args, &mut values);
        let attempts =
            values.parse("--attempts", args.attempts.as_deref(), values::count).unwrap_or(NonZeroU32::new(3).expect("3 is not 0"));
        let wait_for_workers = values.duration("--wait-for-workers", args.wait_for_workers.as_deref()).unwrap_or(Duration::from_secs(30));
        let rules = UrlRules { allow: values.regexes("--allow", &args.allow), deny: values.regexes("--deny", &args.deny) };
        let links = links::rules(args, &mut values);
        let max_depth = values
            .parse("--max-depth", args.max_depth.as_deref(), |text| text.parse::<u32>().map_err(|_| "expected a whole number, 0 or more"));
        let page = page_parser(args, &mut values);
        let is_practice = matches!(source, SeedSource::Practice { .. });
        let target = seeds::read(source, &args.sitemap, page, built_in, &mut values);
        let allow_net = values.all("--allow-net", &args.allow_net, values::net_permit);
        let output = output(args, &mut values);
        let report = file("--report", args.report.as_deref(), &mut values);
        let fetch_log = file("--fetch-log", args.fetch_log.as_deref(), &mut values);
        let sync = values.duration("--sync", args.sync.as_deref());
        let frontier = frontier(args, &environment, &mut values);
        let headers = values.all("--header", &args.header, values::header);
        let skip_types = values.parse("--skip-types", args.skip_types.as_deref(), values::media_types).unwrap_or_default();
        let honour = Honour { nofollow: !args.ignore_nofollow, rel_nofollow: args.obey_rel_nofollow, noindex: args.obey_noindex };
        let max_body = values.parse("--max-body", args.max_body.as_deref(), values::size).unwrap_or(10_000_000);
        let user_agent = values.parse("--user-agent", args.user_agent.as_deref(), values::header_value);
        let throwaway = args.state.is_none() && output.as_ref().is_some_and(|output| output.target == OutputTarget::Stdout);
        let Some(mut target) = values.finish(target)? else { return Err(vec!["no seeds".to_owned()]) };
        let engine = EngineConfig {
            crawl: target.crawl.clone(),
            start: Arc::clone(&target.start),
            sitemaps: args.sitemaps,
            proxies,
            cookies: args.cookies,
            worker_count,
            budgets,
            retry: RetryPolicy { attempts, pause: hosts.backoff, longest: hosts.give_up },
            limits,
            wait_for_workers,
            resumed: false,
            restarts: 0,
            versions: 0,
            page_permits: worker_count.saturating_add(PAGES_AHEAD),
            outcome_bytes: OUTCOME_BYTES,
        };
        let scope = scope(&target.seeds, target.spider.as_ref(), rules, max_depth).with(links);
        for seed in &mut target.seeds {
            seed.key = scope.key(&seed.url, seed.key);
        }
        let crawl = target.crawl;
        let fetch = FetchRules {
            headers,
            connect_timeout_ms: limits.connect.as_millis() as u64,
            fetch_timeout_ms: limits.fetch.as_millis() as u64,
            max_body_bytes: max_body,
            skip_types,
            honour,
            ..FetchRules::plain(user_agent.unwrap_or_else(default_user_agent))
        };
        let permits = NetPermits::new(target.seeds.iter().map(|seed| &seed.url), allow_net);
        let state = match &args.state {
            Some(state) => Some(PathBuf::from(state)),
            None if throwaway => None,
            // Begun anew each time, so it keeps away from a crawl of the same name.
            None if is_practice => Some(Path::new(STATES).join("practice")),
            None => Some(Path::new(STATES).join(crawl.as_str())),
        };
        // A crawl that goes on may continue its own file; what is there is looked at when its state is open.
        let is_there = state.as_ref().is_some_and(|state| StateDir::has_crawl(state)) || frontier.is_some();
        let may_go_on = is_there && !args.fresh;
        if let Some(OutputConfig { target: OutputTarget::File(path), .. }) = &output
            && !may_go_on
            && !args.overwrite
        {
            output::refuse_taken(path).map_err(|mistake| vec![mistake])?;
        }
        Ok(Config {
            scope,
            crawl,
            seeds: target.seeds,
            spider: target.spider,
            built_in: built_in.iter().map(|name| (*name).to_owned()).collect(),
            hosts,
            logins,
            fetch,
            permits,
            engine,
            workers,
            itemsaver,
            history: args.history,
            state,
            output,
            overwrite: args.overwrite,
            fresh: args.fresh || (is_practice && args.state.is_none()),
            rescan: args.rescan,
            frontier,
            sync: sync.unwrap_or(SYNC),
            report,
            fetch_log,
            ignore_robots: args.ignore_robots,
            verbosity: verbosity(args),
        })
    }

    /// Whether a parser of that name can read this crawl's pages.
    pub fn has_parser(&self, name: &str) -> bool {
        let of_spider = |LoadedSpider { spider, .. }: &LoadedSpider| {
            spider.parsers.contains_key(name) || spider.worker_parsers.iter().any(|parser| parser == name)
        };
        self.built_in.iter().any(|parser| parser == name) || self.spider.as_ref().is_some_and(of_spider)
    }

    /// The fields of the crawl's item types, for the store and for tables.
    pub fn schema(&self) -> Vec<TypeSchema> {
        match &self.spider {
            Some(LoadedSpider { spider, .. }) => {
                let links = spider.parsers.values().flat_map(|rules| &rules.links).map(|rule| rule.parser.as_str());
                let seeds = spider.seeds.iter().map(|seed| seed.parser.name.as_str());
                let reads_pages = links.chain(seeds).chain([spider.start.name.as_str()]).any(|name| name == PAGE_PARSER);
                let mut schema = spider.schemas();
                schema.extend(reads_pages.then(TypeSchema::page));
                schema
            }
            None => vec![TypeSchema::page()],
        }
    }
}

/// -1 for `-q`, else the number of `-v`.
pub fn verbosity(args: &Args) -> i8 {
    if args.quiet { -1 } else { args.verbose.min(2) as i8 }
}

/// The `User-Agent` of whoever says none.
pub(crate) fn default_user_agent() -> String {
    format!("gossamer/{} (+https://gossamer.invalid/bot)", env!("CARGO_PKG_VERSION"))
}

/// The database of the frontier.
fn frontier(args: &Args, environment: &dyn Fn(&str) -> Option<String>, values: &mut Values) -> Option<(Address, Access)> {
    let read = args.frontier.address().and_then(|address| {
        let Some(address) = address else { return Ok(None) };
        if args.sync.is_some() {
            return Err("--sync is for a frontier in the state directory: a database syncs with every commit".to_owned());
        }
        Ok(Some((address, args.frontier.access(environment)?)))
    });
    read.unwrap_or_else(|mistake| {
        values.mistake(mistake);
        None
    })
}

fn workers(args: &Args, values: &mut Values) -> Workers {
    let Some(list) = &args.worker_hosts else { return Workers::Embedded };
    let mut hosts: Vec<PeerAddress> = Vec::new();
    for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        match text.parse::<PeerAddress>() {
            Ok(host) if hosts.contains(&host) => values.mistake(format!("--worker-hosts: {host} is named twice")),
            Ok(host) => hosts.push(host),
            Err(error) => values.mistake(format!("--worker-hosts: {error}")),
        }
    }
    if hosts.is_empty() && list.split(',').all(|text| text.trim().is_empty()) {
        values.mistake("--worker-hosts names no worker; leave it out to fetch in this process".to_owned());
    }
    Workers::Hosts(hosts)
}

fn limits(args: &Args, values: &mut Values) -> TimeLimits {
    let connect = values.duration("--connect-timeout", args.connect_timeout.as_deref());
    let fetch = values.duration("--fetch-timeout", args.fetch_timeout.as_deref()).unwrap_or(Duration::from_secs(30));
    let grace = values.duration("--grace", args.grace.as_deref()).unwrap_or(fetch + DEFAULT_GRACE);
    let limits = TimeLimits { connect: connect.unwrap_or(Duration::from_secs(10).min(fetch)), fetch, grace };
    limits.mistakes().into_iter().for_each(|mistake| values.mistake(mistake));
    limits
}

fn budgets(args: &Args, values: &mut Values) -> Budgets {
    let mut number = |flag, text: &Option<String>| values.parse(flag, text.as_deref(), values::count::<NonZeroU64>);
    Budgets {
        max_pages: number("--max-pages", &args.max_pages),
        max_items: number("--max-items", &args.max_items),
        max_errors: number("--max-errors", &args.max_errors),
        max_time: values.duration("--max-time", args.max_time.as_deref()),
    }
}

fn page_parser(args: &Args, values: &mut Values) -> ParserRef {
    let mut parts = BTreeMap::new();
    for part in args.page.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|part| !part.is_empty()) {
        match part {
            "text" | "headings" | "links" => {
                parts.insert(part.to_owned(), "true".to_owned());
            }
            other => values.mistake(format!("--page {other:?}: expected any of text, headings, links")),
        }
    }
    if !parts.is_empty() && (args.spider.is_some() || args.urls.is_empty()) {
        values.mistake("--page is for URLs without a --spider: a spider gives its `page` parser args of its own".to_owned());
    }
    ParserRef { name: PAGE_PARSER.to_owned(), args: parts }
}

/// A file that is to be written.
fn file(flag: &str, name: Option<&str>, values: &mut Values) -> Option<PathBuf> {
    let path = PathBuf::from(name?);
    values.folder_exists(flag, &path);
    if path.is_dir() {
        values.mistake(format!("{flag} {} is a folder", path.display()));
    }
    Some(path)
}

fn output(args: &Args, values: &mut Values) -> Option<OutputConfig> {
    let name = args.output.as_deref()?;
    if name == "-" {
        return Some(OutputConfig { target: OutputTarget::Stdout, format: OutputFormat::Jsonl });
    }
    let path = PathBuf::from(name);
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let format = match extension.as_deref() {
        Some("csv") => OutputFormat::Csv,
        Some("parquet") => {
            values.mistake(format!(
                "--output {name}: Parquet is written from a store, after the crawl: itemsaver export --format parquet -o {name}"
            ));
            OutputFormat::Jsonl
        }
        _ => OutputFormat::Jsonl,
    };
    values.folder_exists("--output", &path);
    if path.is_dir() {
        values.mistake(format!("--output {name} is a folder"));
    }
    Some(OutputConfig { target: OutputTarget::File(path), format })
}

fn scope(seeds: &[Request], loaded: Option<&LoadedSpider>, flags: UrlRules, max_depth: Option<u32>) -> Scope {
    let sites: Vec<Site> = seeds.iter().map(|seed| Site::of(&seed.url)).collect();
    let Some(LoadedSpider { spider, .. }) = loaded else { return Scope::new(sites, vec![], vec![flags], max_depth) };
    let own = &spider.scope;
    let rules = vec![UrlRules { allow: own.allow.clone(), deny: own.deny.clone() }, flags];
    // A spider that names its hosts means these; the seeds' sites belong in any case, or the crawl would end at its start.
    Scope::new(sites, own.hosts.clone(), rules, max_depth.or(own.max_depth))
}
