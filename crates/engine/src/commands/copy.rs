//! `engine frontier copy`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{CopyArgs, DestinationArg};
use super::{CommandError, Outcome, answer, place};
use crate::config::frontier::FrontierArgs;
use crate::frontier::{Access, Address, Checked, Database, DiskPlace, FrontierError, Home, Original};
use crate::ledger::UrlCounts;
use crate::limits::DIAL;
use crate::state::StateDir;

/// What a power failure may cost while a copy is written: one that is not whole is worth nothing, and a whole one is synced.
const SYNC: Duration = Duration::from_secs(1);

/// Where a crawl is copied to.
enum Destination {
    Directory(PathBuf),
    Database(Address, Access),
}

pub(super) fn run(CopyArgs { crawl, destination }: &CopyArgs) -> Result<Outcome, CommandError> {
    // What is wrong with it is told before a database is asked for anything.
    let destination = Destination::of(destination)?;
    let (_lock, from) = place::stopped(crawl)?;
    let original = from.original()?;
    let (_lock, to) = destination.home(&original)?;
    let Checked { record, .. } = to.copy(&original)?;
    let UrlCounts { discovered, done, dead, skipped, queued } = record.ledger.urls;
    answer(&format!(
        "crawl {} is copied to {}, and sound there: {discovered} URLs = {done} done + {dead} dead + {skipped} skipped + {queued} queued; \
         to go on there, start it with the same arguments and {}\n",
        record.crawl,
        destination.name(),
        destination.arguments(),
    ))
}

impl Destination {
    fn of(
        DestinationArg { to_state, to_frontier, to_frontier_password_file, to_frontier_ca }: &DestinationArg,
    ) -> Result<Destination, CommandError> {
        if let Some(path) = to_state {
            // Seen before it is locked, since it may be the very one that is copied.
            return if StateDir::has_crawl(path) { Err(taken(path)) } else { Ok(Destination::Directory(path.clone())) };
        }
        let args = FrontierArgs {
            frontier: to_frontier.clone(),
            frontier_password_file: to_frontier_password_file.clone(),
            frontier_ca: to_frontier_ca.clone(),
        };
        let mistake = |why: String| CommandError::Mistake(why.replace("--frontier", "--to-frontier"));
        let address = args.address().map_err(mistake)?.ok_or_else(|| mistake("--frontier is missing".to_owned()))?;
        Ok(Destination::Database(address, args.access(&|name| std::env::var(name).ok()).map_err(mistake)?))
    }

    /// Where the copy is made, with the lock of its directory if that is here.
    fn home(&self, original: &Original) -> Result<(StateDir, Box<dyn Home>), CommandError> {
        match self {
            Destination::Directory(path) => {
                let lock = StateDir::open(Some(path)).map_err(CommandError::State)?;
                if StateDir::has_crawl(path) {
                    return Err(taken(path));
                }
                let home = DiskPlace::new(lock.frontier(), SYNC);
                Ok((lock, Box::new(home)))
            }
            Destination::Database(address, access) => {
                let (crawl, lock) = (original.record.crawl.clone(), StateDir::open(None).map_err(CommandError::State)?);
                let database = Database::reach(address.clone(), access.clone(), DIAL)?;
                // Seen before it is taken, since it may be the very one that is copied.
                if database.crawls()?.iter().any(|known| known == crawl.as_str()) {
                    return Err(FrontierError::Taken(format!("{address}, crawl {crawl}")).into());
                }
                let home = database.enter(crawl, lock.holder())?;
                Ok((lock, Box::new(home)))
            }
        }
    }

    /// Where it is, for a person.
    fn name(&self) -> String {
        match self {
            Destination::Directory(path) => path.display().to_string(),
            Destination::Database(address, _) => address.to_string(),
        }
    }

    /// What the engine is started with there.
    fn arguments(&self) -> String {
        match self {
            Destination::Directory(path) => format!("--state {}, without --frontier", path.display()),
            Destination::Database(address, _) => format!("--frontier {address}, over another state directory (--state DIR)"),
        }
    }
}

fn taken(path: &Path) -> CommandError {
    FrontierError::Taken(path.display().to_string()).into()
}
