//! Which crawl a command is about, and whether an engine is at it.

use std::path::{Path, PathBuf};

use model::CrawlName;

use super::CommandError;
use super::args::{CrawlArg, StateArg};
use crate::control::client::ControlClient;
use crate::frontier::{Database, DiskPlace, Frontier, FrontierError, Home, Inspected};
use crate::limits::DIAL;
use crate::state::{STATES, SharedFrontier, StateDir, TryOpen};

/// A crawl that a command is about.
pub(super) enum Found {
    /// An engine is at it; it can be asked.
    Running(ControlClient),
    /// No engine of this directory is at it, and none can start as long as this value lives.
    Stopped(Box<Stopped>),
}

/// A crawl that no engine of this directory is at.
pub(super) struct Stopped {
    pub(super) inspected: Inspected<Box<dyn Frontier>>,
    /// Where its frontier is, for a person.
    pub(super) name: String,
    _lock: Option<StateDir>,
}

/// What a command is going to do with a crawl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Look: one that an engine elsewhere works on is shown as far as it is committed.
    Look,
    /// Change it, or look at what must not change meanwhile: no engine may work on it.
    Change,
}

/// Where a crawl is.
struct Located {
    directory: Option<PathBuf>,
    shared: Option<SharedFrontier>,
}

impl Found {
    /// Finds the crawl.
    pub(super) fn open(args: &CrawlArg, purpose: Purpose) -> Result<Found, CommandError> {
        let located = locate(args)?;
        let lock = match &located.directory {
            None => None,
            Some(path) => match StateDir::try_open(path).map_err(CommandError::State)? {
                TryOpen::Held { .. } => return client(path).map(Found::Running),
                TryOpen::Opened(lock) => Some(lock),
            },
        };
        let home = open(args, &located, lock.as_ref(), purpose)?;
        let inspected = home.inspect()?;
        Ok(Found::Stopped(Box::new(Stopped { inspected, name: home.name(), _lock: lock })))
    }
}

/// The client of a crawl that must be running.
pub(super) fn running(state: &StateArg) -> Result<ControlClient, CommandError> {
    let path = directory(state)?;
    match StateDir::try_open(&path).map_err(CommandError::State)? {
        TryOpen::Held { .. } => client(&path),
        TryOpen::Opened(_) => Err(CommandError::Mistake(format!("no engine is running on {}", path.display()))),
    }
}

/// A crawl that must not be running: where its frontier is, and the lock of its directory if that is here.
pub(super) fn stopped(args: &CrawlArg) -> Result<(Option<StateDir>, Box<dyn Home>), CommandError> {
    let located = locate(args)?;
    let lock = match &located.directory {
        None => None,
        Some(path) => match StateDir::try_open(path).map_err(CommandError::State)? {
            TryOpen::Held { holder } => {
                return Err(CommandError::Mistake(format!(
                    "the state directory {} is in use by the engine with process id {holder}: stop it first",
                    path.display()
                )));
            }
            TryOpen::Opened(lock) => Some(lock),
        },
    };
    let home = open(args, &located, lock.as_ref(), Purpose::Change)?;
    Ok((lock, home))
}

/// Where a crawl's frontier is.
fn open(args: &CrawlArg, located: &Located, lock: Option<&StateDir>, purpose: Purpose) -> Result<Box<dyn Home>, CommandError> {
    match (&located.shared, lock) {
        (None, Some(lock)) => Ok(Box::new(DiskPlace::new(lock.frontier(), std::time::Duration::ZERO))),
        (None, None) => unreachable!("a crawl is in a directory or in a database"),
        (Some(SharedFrontier { crawl, .. }), lock) => {
            let database = reach(args, located)?;
            let crawl = crawl.clone();
            let own = match lock {
                Some(lock) => lock.holder(),
                None => StateDir::open(None).map_err(CommandError::State)?.holder(),
            };
            match purpose {
                Purpose::Look => Ok(Box::new(database.home(crawl, own))),
                Purpose::Change => {
                    // Taking one that is not there would make it.
                    if !database.crawls()?.iter().any(|known| known == crawl.as_str()) {
                        return Err(FrontierError::Missing(format!("{}, crawl {crawl}", database.address())).into());
                    }
                    Ok(Box::new(database.enter(crawl, own)?))
                }
            }
        }
    }
}

fn reach(args: &CrawlArg, located: &Located) -> Result<Database, CommandError> {
    let environment = |name: &str| std::env::var(name).ok();
    let access = args.frontier.access(&environment).map_err(CommandError::Mistake)?;
    let SharedFrontier { address, .. } = located.shared.as_ref().expect("it is asked for crawls in databases alone");
    Ok(Database::reach(address.clone(), access, DIAL)?)
}

fn locate(args: &CrawlArg) -> Result<Located, CommandError> {
    let Some(address) = args.frontier.address().map_err(CommandError::Mistake)? else {
        let directory = directory(&args.state)?;
        let shared = StateDir::shared_frontier(&directory).map_err(CommandError::State)?;
        return Ok(Located { directory: Some(directory), shared });
    };
    let named = args.crawl.as_deref().map(|name| CrawlName::new(name).map_err(|error| CommandError::Mistake(format!("--crawl: {error}"))));
    let kept = match &args.state.state {
        Some(path) => StateDir::shared_frontier(path).map_err(CommandError::State)?.map(|kept| kept.crawl),
        None => None,
    };
    let crawl = match named.transpose()?.or(kept) {
        Some(crawl) => crawl,
        None => {
            let environment = |name: &str| std::env::var(name).ok();
            let access = args.frontier.access(&environment).map_err(CommandError::Mistake)?;
            only(Database::reach(address.clone(), access, DIAL)?.crawls()?, &address.to_string())?
        }
    };
    let shared = SharedFrontier { address, crawl };
    let directory = args.state.state.clone().unwrap_or_else(|| Path::new(STATES).join(shared.crawl.as_str()));
    // One whose crawl is elsewhere is of another crawl.
    let is_its = StateDir::shared_frontier(&directory).map_err(CommandError::State)?.as_ref() == Some(&shared);
    if !is_its && let Some(path) = args.state.state.as_ref().filter(|path| StateDir::has_crawl(path)) {
        let (path, SharedFrontier { address, crawl }) = (path.display(), &shared);
        return Err(CommandError::Mistake(format!("the crawl in {path} is not {crawl} in {address}: leave --frontier or --state out")));
    }
    Ok(Located { directory: Some(directory).filter(|_| is_its), shared: Some(shared) })
}

/// The only crawl of a database.
fn only(mut crawls: Vec<String>, database: &str) -> Result<CrawlName, CommandError> {
    match (crawls.pop(), crawls.len()) {
        (None, _) => Err(CommandError::Mistake(format!("there is no crawl in {database}"))),
        (Some(name), 0) => CrawlName::new(&name).map_err(|error| CommandError::Mistake(error.to_string())),
        (Some(last), _) => {
            crawls.push(last);
            let names: String = crawls.iter().map(|name| format!("\n  --crawl {name}")).collect();
            Err(CommandError::Mistake(format!("which crawl is meant?{names}")))
        }
    }
}

fn client(path: &Path) -> Result<ControlClient, CommandError> {
    ControlClient::new(path).map_err(|error| CommandError::State(error.into()))
}

/// The directory that is meant; it holds a crawl.
fn directory(StateArg { state }: &StateArg) -> Result<PathBuf, CommandError> {
    if let Some(path) = state {
        if StateDir::has_crawl(path) {
            return Ok(path.clone());
        }
        return Err(CommandError::Mistake(format!("there is no crawl in {}{}", path.display(), others())));
    }
    let mut known = known();
    match known.len() {
        0 => Err(CommandError::Mistake(format!("there is no crawl in {STATES}: name its state directory with --state DIR"))),
        1 => Ok(known.remove(0)),
        _ => Err(CommandError::Mistake(format!("which crawl is meant?{}", others()))),
    }
}

/// The crawls of the default place, by name.
fn known() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(STATES).into_iter().flatten().flatten();
    let mut known: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| StateDir::has_crawl(path)).collect();
    known.sort();
    known
}

fn others() -> String {
    known().iter().map(|path| format!("\n  --state {}", path.display())).collect()
}
