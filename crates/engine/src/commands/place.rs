//! Which crawl a command is about, and whether an engine is at it.

use std::path::{Path, PathBuf};

use super::CommandError;
use super::args::StateArg;
use crate::control::client::ControlClient;
use crate::frontier::{DiskFrontier, Inspected};
use crate::state::{STATES, StateDir, TryOpen};

/// A crawl that a command is about.
pub(super) enum Found {
    /// An engine is at it; it can be asked.
    Running(ControlClient),
    /// No engine is at it, and none can start as long as this value lives.
    Stopped(Box<Stopped>),
}

/// A crawl that no engine is at.
pub(super) struct Stopped {
    pub(super) inspected: Inspected,
    pub(super) path: PathBuf,
    _lock: StateDir,
}

impl Found {
    /// Finds the crawl.
    pub(super) fn open(state: &StateArg) -> Result<Found, CommandError> {
        let path = directory(state)?;
        match StateDir::try_open(&path).map_err(CommandError::State)? {
            TryOpen::Held { .. } => client(&path).map(Found::Running),
            TryOpen::Opened(lock) => {
                let inspected = DiskFrontier::inspect(&lock.frontier())?;
                Ok(Found::Stopped(Box::new(Stopped { inspected, path, _lock: lock })))
            }
        }
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

/// The lock of a crawl that must not be running, and where its frontier is.
pub(super) fn stopped(state: &StateArg) -> Result<(StateDir, PathBuf), CommandError> {
    let path = directory(state)?;
    match StateDir::try_open(&path).map_err(CommandError::State)? {
        TryOpen::Held { holder } => Err(CommandError::Mistake(format!(
            "the state directory {} is in use by the engine with process id {holder}: stop it first",
            path.display()
        ))),
        TryOpen::Opened(lock) => {
            let frontier = lock.frontier();
            Ok((lock, frontier))
        }
    }
}

fn client(path: &Path) -> Result<ControlClient, CommandError> {
    ControlClient::new(path).map_err(|error| CommandError::State(error.into()))
}

/// The directory that is meant; it holds a crawl.
fn directory(StateArg { state }: &StateArg) -> Result<PathBuf, CommandError> {
    if let Some(path) = state {
        if StateDir::has_frontier(path) {
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
    let mut known: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| StateDir::has_frontier(path)).collect();
    known.sort();
    known
}

fn others() -> String {
    known().iter().map(|path| format!("\n  --state {}", path.display())).collect()
}
