//! The state directory: what a crawl keeps between two starts, and the lock that makes sure that one engine at a time has it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use model::{CrawlName, RunId, SpiderHash};
use tempfile::TempDir;

use crate::frontier::{Address, CrawlRecord, Entrance, Frontier, FrontierError, Holder, Home, Opening, Peer};
use crate::parse_journal::ParseJournal;

/// A state directory, locked as long as this value lives.
#[derive(Debug)]
pub struct StateDir {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Kept { path: PathBuf, lock: File },
    Throwaway(TempDir),
}

/// A directory that someone wants to look at.
#[derive(Debug)]
pub enum TryOpen {
    /// It is locked.
    Opened(StateDir),
    /// An engine has it.
    Held {
        /// That engine's process id.
        holder: String,
    },
}

/// Where state directories are unless the user says otherwise, each under its crawl's name.
pub const STATES: &str = "gossamer-state";

/// The folder of the frontier in a state directory.
const FRONTIER: &str = "frontier";

/// The file that says where the frontier is, if it is in a database: its address, and the crawl's name.
const SHARED: &str = "shared-frontier";

/// A crawl whose frontier is in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFrontier {
    /// Which database.
    pub address: Address,
    /// Which of its crawls.
    pub crawl: CrawlName,
}

/// How a crawl begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// There was nothing, or it was discarded.
    New,
    /// Where it was cut short.
    Resumed,
    /// Other engines are at it.
    Joined,
    /// The last one was complete; this is another one over the same items.
    Again,
}

/// A crawl's frontier, opened.
pub struct OpenedFrontier {
    /// The frontier.
    pub frontier: Box<dyn Frontier>,
    /// Identity and counters, as they were when it was opened, the new epoch included.
    pub record: CrawlRecord,
    /// How the crawl begins.
    pub beginning: Beginning,
    /// The engines that are at it already.
    pub peers: Vec<Peer>,
    /// The file that the complete crawl before this one wrote, if there was one.
    pub written_before: Option<String>,
}

/// What the crawl is, for its frontier.
#[derive(Clone, Debug)]
pub struct CrawlToOpen<'c> {
    /// Its name.
    pub crawl: &'c CrawlName,
    /// The version of its spider.
    pub spider: Option<&'c SpiderHash>,
    /// Whether to discard what was begun.
    pub fresh: bool,
    /// Whether to queue again what is done.
    pub rescan: bool,
    /// Whether one that is complete is left so: this engine had been at it.
    pub goes_on: bool,
}

impl StateDir {
    /// Makes and locks a directory; without a path a temporary one.
    ///
    /// # Errors
    /// When it cannot be made, or another engine has it.
    pub fn open(path: Option<&Path>) -> anyhow::Result<StateDir> {
        let Some(path) = path else {
            return Ok(StateDir { place: Place::Throwaway(tempfile::tempdir().context("cannot make a temporary state directory")?) });
        };
        // It holds cookies.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the state directory {}", path.display()))?;
        let lock = match lock(path)? {
            Locked::Ours(lock) => lock,
            Locked::Held { holder } => bail!("the state directory {} is in use by the engine with process id {holder}", path.display()),
        };
        Ok(StateDir { place: Place::Kept { path: path.to_owned(), lock } })
    }

    /// Locks a directory that holds a crawl, to look at it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn try_open(path: &Path) -> anyhow::Result<TryOpen> {
        Ok(match lock(path)? {
            Locked::Ours(lock) => TryOpen::Opened(StateDir { place: Place::Kept { path: path.to_owned(), lock } }),
            Locked::Held { holder } => TryOpen::Held { holder },
        })
    }

    /// Whether a directory is that of a crawl that was begun, wherever its frontier is.
    pub fn has_crawl(path: &Path) -> bool {
        path.join(FRONTIER).is_dir() || path.join(SHARED).is_file()
    }

    /// Where the frontier of the crawl in a directory is, if that is in a database.
    ///
    /// # Errors
    /// When what says so cannot be read.
    pub fn shared_frontier(path: &Path) -> anyhow::Result<Option<SharedFrontier>> {
        Ok(StateDir::kept_place(path)?.map(|(shared, _)| shared))
    }

    /// The same, and the name under which the database knows the directory.
    fn kept_place(path: &Path) -> anyhow::Result<Option<(SharedFrontier, String)>> {
        let file = path.join(SHARED);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let mut lines = text.lines();
        let mut read = || {
            let (address, crawl) = (Address::parse(lines.next()?).ok()?, CrawlName::new(lines.next()?).ok()?);
            Some((SharedFrontier { address, crawl }, lines.next()?.to_owned()))
        };
        read().map(Some).with_context(|| format!("{} does not say where the frontier is", file.display()))
    }

    /// Notes where the frontier is: in a database, or, for none, in this directory. Whoever asks about the crawl later finds it. Answers who
    /// this directory's engine is to the others.
    ///
    /// # Errors
    /// When the directory cannot be written, or says otherwise.
    pub fn keep_place(&self, shared: Option<&SharedFrontier>) -> anyhow::Result<Holder> {
        let path = self.path();
        let name = match (shared, StateDir::kept_place(path)?) {
            (None, None) => String::new(),
            (None, Some((kept, _))) => bail!(
                "the frontier of the crawl in {} is in {}: add --frontier, or name another directory with --state",
                path.display(),
                kept.address
            ),
            (Some(_), _) if self.frontier().is_dir() => {
                bail!(
                    "the crawl in {} has its frontier there: leave --frontier out, or name another directory with --state",
                    path.display()
                )
            }
            (Some(shared), Some((kept, _))) if shared.crawl != kept.crawl => {
                return Err(FrontierError::OtherCrawl { found: kept.crawl, wanted: shared.crawl.clone() }.into());
            }
            (Some(shared), Some((kept, name))) if *shared == kept => name,
            (Some(shared), _) => {
                let file = path.join(SHARED);
                let name = format!("{:032x}", rand::random::<u128>());
                // Whole or not at all: a start that is cut short must not keep the next one from reading it.
                let write = || {
                    let mut whole = tempfile::NamedTempFile::new_in(path)?;
                    writeln!(whole, "{}\n{}\n{name}", shared.address, shared.crawl)?;
                    whole.persist(&file).map_err(|error| error.error)
                };
                write().with_context(|| format!("cannot write {}", file.display()))?;
                name
            }
        };
        Ok(Holder { place: name, ..self.holder() })
    }

    /// Who holds a lease for this directory. Its lock lets one process at a time have it, by a file that the running system knows by number:
    /// whoever names the same one before is dead.
    pub fn holder(&self) -> Holder {
        let read = |file: &str| fs::read_to_string(file).ok().map(|text| text.trim().to_owned());
        let machine = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "an unknown machine".to_owned());
        let name = format!("{machine}, process {}", std::process::id());
        let file = match &self.place {
            Place::Kept { lock, .. } => lock.metadata().ok(),
            Place::Throwaway(_) => None,
        };
        let token = match (read("/proc/sys/kernel/random/boot_id"), file) {
            (Some(boot), Some(file)) => format!("{boot}/{}/{}", file.dev(), file.ino()),
            // Nobody else has it, so nobody is succeeded before the lease has lapsed.
            _ => format!("{:032x}", rand::random::<u128>()),
        };
        Holder { name, token, place: String::new() }
    }

    /// The folder of the frontier.
    pub fn frontier(&self) -> PathBuf {
        self.path().join(FRONTIER)
    }

    /// The file of the embedded itemsaver.
    pub fn items(&self) -> PathBuf {
        self.path().join("items.db")
    }

    /// The journal of what this process parses itself.
    pub fn parse_journal(&self) -> PathBuf {
        self.path().join("parsing")
    }

    /// Whether anything of this crawl is left behind.
    pub fn is_kept(&self) -> bool {
        matches!(self.place, Place::Kept { .. })
    }

    /// Opens the crawl's frontier; none: others have completed it. `is_parser` knows the parsers that queued requests may have.
    ///
    /// # Errors
    /// When it cannot be used, belongs to another crawl, or holds requests for parsers that are gone.
    pub fn open_frontier(
        &self,
        home: &dyn Home,
        wanted: &CrawlToOpen<'_>,
        is_parser: &dyn Fn(&str) -> bool,
    ) -> anyhow::Result<Option<OpenedFrontier>> {
        let mut new = CrawlRecord::new(wanted.crawl.clone(), RunId(rand::random()), wanted.spider.cloned());
        if wanted.fresh {
            // Another crawl's state is not this one's to discard; what cannot be read is.
            match home.peek() {
                Some(old) if old.crawl != *wanted.crawl => {
                    return Err(FrontierError::OtherCrawl { found: old.crawl, wanted: wanted.crawl.clone() }.into());
                }
                Some(old) => new.versions = old.versions,
                None => {}
            }
            home.discard()?;
        }
        let journal = self.parse_journal();
        // What this very process was parsing when others went on without it was not lost with any.
        let parsing = match wanted.goes_on {
            true => Vec::new(),
            false => ParseJournal::read(&journal).with_context(|| format!("cannot read {}", journal.display()))?,
        };
        let opening = |new| Opening { new, is_parser, parsing: parsing.clone(), rescan: wanted.rescan };
        let (entrance, written_before) = match home.open(opening(new.clone()))? {
            Entrance::Complete { by_others, .. } if by_others || wanted.goes_on => return Ok(None),
            Entrance::Complete { record: old, .. } => {
                home.discard()?;
                new.versions = old.versions;
                (home.open(opening(new))?, Some(old.output.map(|output| output.file)))
            }
            entrance @ (Entrance::Alone(..) | Entrance::Among(..)) => (entrance, None),
        };
        let (frontier, mut record, peers) = match entrance {
            Entrance::Alone(frontier, record) => (frontier, record, Vec::new()),
            Entrance::Among(frontier, record, peers) => (frontier, record, peers),
            Entrance::Complete { .. } => bail!("a new frontier says that it is complete"),
        };
        // What was lost is counted now, once.
        ParseJournal::remove(&journal).with_context(|| format!("cannot remove {}", journal.display()))?;
        let beginning = match written_before {
            Some(_) => Beginning::Again,
            None if !peers.is_empty() => Beginning::Joined,
            None if record.restarts() > 0 => Beginning::Resumed,
            None => Beginning::New,
        };
        let mut written_before = written_before.flatten();
        if wanted.rescan {
            // Every page is written once more.
            written_before = written_before.or(record.output.take().map(|output| output.file));
        }
        Ok(Some(OpenedFrontier { frontier, record, beginning, peers, written_before }))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Kept { path, .. } => path,
            Place::Throwaway(folder) => folder.path(),
        }
    }
}

/// Whether a directory could be locked.
enum Locked {
    Ours(File),
    Held { holder: String },
}

/// Locks a directory by a file in it, which holds the process that has it. The system lets go of it when the process ends, however it does.
fn lock(path: &Path) -> anyhow::Result<Locked> {
    let name = path.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name);
    let mut file = open.with_context(|| format!("cannot write to the state directory {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())?;
            Ok(Locked::Ours(file))
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.rewind()?;
            file.read_to_string(&mut holder)?;
            Ok(Locked::Held { holder: holder.trim().to_owned() })
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", name.display())),
    }
}
