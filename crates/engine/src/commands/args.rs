//! The commands as typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use crate::config::frontier::FrontierArgs;

/// What is done instead of crawling.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Tell the whole story of a URL: where it was found, which rule let it in or kept it out, what was tried, where its items went
    Why(WhyArgs),
    /// Tell how a crawl stands, whether it runs or not
    Status(StatusArgs),
    /// Look at what a first crawl needs: state directory, workers, itemsaver, and a site's name, robots.txt and first page
    Doctor(DoctorArgs),
    /// Prove that every URL of a stopped crawl is in exactly one state and every counter equals a recount
    Check(CheckArgs),
    /// List what was given up, URLs and items, by reason
    Dead(DeadArgs),
    /// Queue again what was given up; items are sent again without a fetch
    Requeue(RequeueArgs),
    /// Take the frontier of a stopped crawl elsewhere
    #[command(subcommand)]
    Frontier(FrontierCommand),
    /// Prove from the file of --fetch-log that no limit of a host was broken, or name each request that broke one
    Audit(AuditArgs),
    /// Let a running crawl hand nothing out until `resume`; what is in flight is finished, and time and clocks go on
    Pause(ControlArgs),
    /// Let a paused crawl go on
    Resume(ControlArgs),
    /// Add seeds to a running crawl; their sites join its scope
    Add(AddArgs),
    /// List the workers of a running crawl; let one join or leave
    Workers(WorkersArgs),
}

/// Which crawl is meant.
#[derive(Clone, Debug, Args)]
pub struct StateArg {
    /// The crawl's state directory [default: the only one in gossamer-state]
    #[arg(long, value_name = "DIR", env = "GOSSAMER_STATE", hide_env = true)]
    pub state: Option<PathBuf>,
}

/// Which crawl is meant, also one that has no state directory here.
#[derive(Clone, Debug, Args)]
pub struct CrawlArg {
    #[command(flatten)]
    pub(super) state: StateArg,
    #[command(flatten)]
    pub(super) frontier: FrontierArgs,
    /// The crawl's name in the database [default: that of the state directory, or the only one there is]
    #[arg(long, value_name = "NAME")]
    pub crawl: Option<String>,
}

/// `why`.
#[derive(Clone, Debug, Args)]
pub struct WhyArgs {
    /// The URL
    pub url: String,
    #[command(flatten)]
    pub(super) crawl: CrawlArg,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub(super) crawl: CrawlArg,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Where the crawl would begin
    pub url: Option<String>,
    /// Workers, comma-separated
    #[arg(long, value_name = "HOST:PORT,…", env = "GOSSAMER_WORKER_HOSTS", hide_env = true)]
    pub worker_hosts: Option<String>,
    /// The itemsaver
    #[arg(long, value_name = "HOST:PORT", env = "GOSSAMER_ITEMSAVER_HOST", hide_env = true)]
    pub itemsaver_host: Option<String>,
    /// The state directory it would have [default: gossamer-state]
    #[arg(long, value_name = "DIR", env = "GOSSAMER_STATE", hide_env = true)]
    pub state: Option<PathBuf>,
}

/// `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub(super) crawl: CrawlArg,
    /// Rebuild what follows from the rest, and say what was done
    #[arg(long)]
    pub repair: bool,
}

/// `dead`.
#[derive(Clone, Debug, Args)]
pub struct DeadArgs {
    /// Only what was given up for this reason
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// List at most so many URLs and so many items
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    #[command(flatten)]
    pub(super) crawl: CrawlArg,
    /// One JSON object a line, items whole
    #[arg(long)]
    pub json: bool,
}

/// `requeue`.
#[derive(Clone, Debug, Args)]
pub struct RequeueArgs {
    /// Only what was given up for this reason, as `engine dead` shows it
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub(super) crawl: CrawlArg,
}

/// `frontier`.
#[derive(Clone, Debug, Subcommand)]
pub enum FrontierCommand {
    /// Copy a stopped crawl from its state directory into a database, back, or from one to another: it goes on there where it was. What it is copied from stays as it is
    Copy(CopyArgs),
}

/// `frontier copy`.
#[derive(Clone, Debug, Args)]
pub struct CopyArgs {
    #[command(flatten)]
    pub(super) crawl: CrawlArg,
    #[command(flatten)]
    pub(super) destination: DestinationArg,
}

/// Where a crawl is copied to: a state directory or a database, without one of this name.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("to").required(true)))]
pub struct DestinationArg {
    /// Copy it into this state directory, which holds no crawl
    #[arg(long, value_name = "DIR", group = "to")]
    pub to_state: Option<PathBuf>,
    /// Copy it into this PostgreSQL database, which holds no crawl of its name: postgres://USER@HOST:PORT/DATABASE
    #[arg(long, value_name = "URL", group = "to")]
    pub to_frontier: Option<String>,
    /// File with the password for that database; or GOSSAMER_FRONTIER_PASSWORD in the environment
    #[arg(long, value_name = "FILE", requires = "to_frontier")]
    pub to_frontier_password_file: Option<String>,
    /// PEM file with the certificate of the authority that vouches for that database, beside those known to everybody
    #[arg(long, value_name = "FILE", requires = "to_frontier")]
    pub to_frontier_ca: Option<PathBuf>,
}

/// `audit`.
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// The fetch log; of a crawl by several engines those of all of them, which are looked at together
    #[arg(value_name = "FILE", required = true)]
    pub logs: Vec<PathBuf>,
    /// Demand this pause at least, and one request at a time, whatever was in force
    #[arg(long, value_name = "TIME")]
    pub delay: Option<String>,
    /// Demand that no more were in flight to a host, whatever was in force
    #[arg(long, value_name = "N")]
    pub per_host: Option<std::num::NonZeroUsize>,
    /// What a clock belonged to: host, domain or ip [default: host]
    #[arg(long, value_name = "UNIT")]
    pub politeness_by: Option<String>,
}

/// `pause` and `resume`.
#[derive(Clone, Debug, Args)]
pub struct ControlArgs {
    #[command(flatten)]
    pub(super) state: StateArg,
}

/// `add`.
#[derive(Clone, Debug, Args)]
pub struct AddArgs {
    /// The seeds
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    #[command(flatten)]
    pub(super) state: StateArg,
}

/// `workers`.
#[derive(Clone, Debug, Args)]
pub struct WorkersArgs {
    /// Dial this worker, until the engine ends
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "drain")]
    pub add: Option<String>,
    /// Hand this worker nothing more, and let it go when it has finished
    #[arg(long, value_name = "HOST:PORT")]
    pub drain: Option<String>,
    #[command(flatten)]
    pub(super) state: StateArg,
}
