//! A storage on disk (fjall, a log-structured store): what is committed survives any kill of the process.
//!
//! Five keyspaces, written together in one atomic batch a group: `urls` (key to state), `due` and `later` (the queues, in the order they
//! are handed out), `origins` (origin to number, and why it was given up), `crawl` (one record: identity and counters).
//!
//! **Invariant.** What is in flight is known to this process only: on disk it is queued until the group that ends it.
//! **Invariant.** A request that is queued is in exactly one of `due` and `later`, under the number of its origin.
//!
//! A kill loses nothing that was committed. A power failure may lose the last second, as the log is synced to disk once a second; what is
//! lost then is fetched again.

mod known;
mod queue_key;
mod record;
mod sync;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use model::{DedupKey, Origin};
use tokio::time::Instant;

pub(super) use record::FORMAT;
pub use record::{CrawlRecord, OutputMark};

use super::storage::{Known, State, Storage};
use super::{FrontierError, Notes, StoredFrontier, Taken};
use crate::ledger::Ledger;
use crate::request::Request;
use known::KnownKeys;
use queue_key::QueueKey;
use sync::Syncer;

/// A frontier on disk.
pub type DiskFrontier = StoredFrontier<DiskStorage>;

/// Bytes of blocks that are kept in memory.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes of one keyspace that are written and not yet in a file of their own; five keyspaces share this bound each.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;

/// The key of the one record in `crawl`.
const RECORD: &str = "record";

/// See the module.
pub struct DiskStorage {
    database: Database,
    urls: Keyspace,
    due: Keyspace,
    later: Keyspace,
    origins: Keyspace,
    crawl: Keyspace,
    record: CrawlRecord,
    batch: OwnedWriteBatch,
    known: KnownKeys,
    by_origin: HashMap<Origin, OriginQueue>,
    in_flight: HashMap<DedupKey, QueueKey>,
    taken: HashSet<QueueKey>,
    clock: Clock,
    syncer: Syncer,
}

/// Where an origin's queue is, and how far it has been handed out.
#[derive(Debug)]
struct OriginQueue {
    number: u32,
    /// Everything in `due` up to here is in flight or gone.
    cursor: Option<QueueKey>,
}

/// Wall-clock times on disk, monotonic ones in the process.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start: Instant,
    start_millis: u64,
}

impl Clock {
    fn now() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), start_millis: since.as_millis() as u64 }
    }

    /// Whole milliseconds up to this time.
    fn millis_by(self, time: Instant) -> u64 {
        self.start_millis + time.saturating_duration_since(self.start).as_millis() as u64
    }

    /// The first whole millisecond that is not before this time.
    fn millis_from(self, time: Instant) -> u64 {
        self.start_millis + time.saturating_duration_since(self.start).as_nanos().div_ceil(1_000_000) as u64
    }

    /// The time, or the start for one that has passed.
    fn to_instant(self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis.saturating_sub(self.start_millis))
    }
}

/// What an empty or existing folder holds.
pub enum Opened {
    /// A frontier that goes on, or begins, with its record as it is now.
    Ready(Box<DiskFrontier>, CrawlRecord),
    /// A crawl that is complete, as its record says; nothing was changed.
    Complete(CrawlRecord),
}

impl DiskFrontier {
    /// Opens the frontier of a crawl, or makes one from `new` in an empty folder. A frontier that goes on does so as the next epoch of its
    /// run. The caller holds the lock of the state directory. `is_parser` is asked for the parsers of what is queued when the spider has
    /// changed.
    ///
    /// # Errors
    /// When the folder cannot be written, is damaged, or is in a format of another version or of another crawl; when the changed spider
    /// lacks parsers.
    pub fn open(path: &Path, new: CrawlRecord, is_parser: &dyn Fn(&str) -> bool) -> Result<Opened, FrontierError> {
        let database = Database::builder(path).cache_size(CACHE_BYTES).open().map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let keyspace = |name: &str| database.keyspace(name, options).map_err(failed);
        let (urls, due, later) = (keyspace("urls")?, keyspace("due")?, keyspace("later")?);
        let (origins, crawl) = (keyspace("origins")?, keyspace("crawl")?);
        let record = match crawl.get(RECORD).map_err(failed)? {
            None => new,
            Some(bytes) => {
                let old = CrawlRecord::decode(&bytes)?;
                if old.crawl != new.crawl {
                    return Err(FrontierError::OtherCrawl { found: old.crawl, wanted: new.crawl });
                }
                if old.complete {
                    return Ok(Opened::Complete(old));
                }
                if old.spider != new.spider {
                    check_parsers(&[&due, &later], is_parser)?;
                }
                CrawlRecord { epoch: old.epoch + 1, spider: new.spider, ..old }
            }
        };
        let Origins { by_origin, given_up } = Origins::read(&origins)?;
        let ledger = record.ledger.clone();
        let storage = DiskStorage {
            known: KnownKeys::load(&urls)?,
            batch: database.batch(),
            syncer: Syncer::start(database.clone()).map_err(|error| FrontierError::Store(error.to_string()))?,
            record: record.clone(),
            in_flight: HashMap::new(),
            taken: HashSet::new(),
            clock: Clock::now(),
            database,
            urls,
            due,
            later,
            origins,
            crawl,
            by_origin,
        };
        let mut frontier = StoredFrontier::new(storage, ledger, given_up);
        // The new epoch is durable before anybody hears of it.
        frontier.storage_mut().write_record(PersistMode::SyncAll)?;
        Ok(Opened::Ready(Box::new(frontier), record))
    }
}

impl DiskFrontier {
    /// The record of a folder, if there is one that can be read.
    pub fn peek(path: &Path) -> Option<CrawlRecord> {
        if !path.is_dir() {
            return None;
        }
        let database = Database::builder(path).open().ok()?;
        let crawl = database.keyspace("crawl", KeyspaceCreateOptions::default).ok()?;
        CrawlRecord::decode(&crawl.get(RECORD).ok()??).ok()
    }
}

impl DiskStorage {
    fn write_record(&mut self, durability: PersistMode) -> Result<(), FrontierError> {
        self.batch.insert(&self.crawl, RECORD, self.record.encode());
        let batch = std::mem::replace(&mut self.batch, self.database.batch());
        batch.durability(Some(durability)).commit().map_err(failed)?;
        self.known.keep_open();
        Ok(())
    }

    /// The number of an origin; a new one gets the next.
    fn number(&mut self, origin: &Origin) -> u32 {
        if let Some(queue) = self.by_origin.get(origin) {
            return queue.number;
        }
        let number = self.record.next_origin;
        self.record.next_origin += 1;
        self.by_origin.insert(origin.clone(), OriginQueue { number, cursor: None });
        self.batch.insert(&self.origins, origin.as_str(), record::encode_origin(number, ""));
        number
    }

    /// The first requests of a range that are not in flight, up to `most`, and whether there are more.
    fn read(
        &self,
        keyspace: &Keyspace,
        from: &QueueKey,
        to: &QueueKey,
        most: usize,
    ) -> Result<(Vec<(QueueKey, Request)>, bool), FrontierError> {
        let mut found = Vec::new();
        for entry in keyspace.range(from.as_bytes()..to.as_bytes()) {
            let (key, value) = entry.into_inner().map_err(failed)?;
            let key = QueueKey::from_bytes(&key)?;
            if self.taken.contains(&key) {
                continue;
            }
            if found.len() == most {
                return Ok((found, true));
            }
            found.push((key, record::decode_request(&value)?));
        }
        Ok((found, false))
    }

    /// The time of the first request put aside that is not in flight.
    fn next_later(&self, number: u32) -> Result<Option<Instant>, FrontierError> {
        for entry in self.later.range(QueueKey::first_of(number).as_bytes()..QueueKey::end_of(number).as_bytes()) {
            let key = QueueKey::from_bytes(&entry.key().map_err(failed)?)?;
            if !self.taken.contains(&key) {
                return Ok(Some(self.clock.to_instant(key.millis())));
            }
        }
        Ok(None)
    }

    fn hand_out(&mut self, found: Vec<(QueueKey, Request)>, requests: &mut Vec<Request>) {
        for (key, request) in found {
            self.in_flight.insert(request.key, key);
            self.taken.insert(key);
            requests.push(request);
        }
    }

    fn is_queued(&self, number: u32) -> Result<bool, FrontierError> {
        for keyspace in [&self.due, &self.later] {
            if let Some(entry) = keyspace.range(QueueKey::first_of(number).as_bytes()..QueueKey::end_of(number).as_bytes()).next() {
                entry.key().map_err(failed)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Storage for DiskStorage {
    fn known(&self, key: DedupKey) -> Result<Option<Known>, FrontierError> {
        let known = self.known.get(&self.urls, key)?;
        let in_flight = self.in_flight.contains_key(&key);
        Ok(known.map(|known| if in_flight { Known { state: State::InFlight, ..known } } else { known }))
    }

    fn set(&mut self, key: DedupKey, known: Known) {
        self.batch.insert(&self.urls, key.to_bytes(), record::encode_known(known));
        self.known.set(key, known);
    }

    fn queue(&mut self, origin: &Origin, request: Request, not_before: Option<Instant>) {
        let number = self.number(origin);
        self.record.next_sequence += 1;
        let (keyspace, key) = match not_before {
            None => (&self.due, QueueKey::due(number, request.priority, self.record.next_sequence)),
            Some(time) => (&self.later, QueueKey::later(number, self.clock.millis_from(time), self.record.next_sequence)),
        };
        self.batch.insert(keyspace, key.as_bytes(), record::encode_request(&request));
        let queue = self.by_origin.get_mut(origin).expect("it has a number");
        // One of a higher priority goes before what was handed out last.
        if not_before.is_none() && queue.cursor.is_some_and(|cursor| key < cursor) {
            queue.cursor = None;
        }
    }

    fn unqueue(&mut self, key: DedupKey) {
        let place = self.in_flight.remove(&key).expect("what is in flight has its place in a queue");
        self.taken.remove(&place);
        let keyspace = if place.is_later() { &self.later } else { &self.due };
        self.batch.remove(keyspace, place.as_bytes());
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        let Some(OriginQueue { number, cursor }) = self.by_origin.get(origin) else { return Ok(Taken::default()) };
        let (number, from) = (*number, cursor.unwrap_or(QueueKey::first_of(*number)));
        let mut requests = Vec::new();
        let ripe = QueueKey::later(number, self.clock.millis_by(now) + 1, 0);
        let (found, more_ripe) = self.read(&self.later, &QueueKey::first_of(number), &ripe, most)?;
        self.hand_out(found, &mut requests);
        let (found, more_due) = self.read(&self.due, &from, &QueueKey::end_of(number), most - requests.len())?;
        if let Some((last, _)) = found.last() {
            self.by_origin.get_mut(origin).expect("looked up above").cursor = Some(*last);
        }
        self.hand_out(found, &mut requests);
        let later = if more_ripe { None } else { self.next_later(number)? };
        Ok(Taken { requests, more: more_due || more_ripe, later })
    }

    fn drain(&mut self, origin: &Origin) -> Result<Vec<Request>, FrontierError> {
        let Some(OriginQueue { number, .. }) = self.by_origin.get(origin) else { return Ok(Vec::new()) };
        let (from, to) = (QueueKey::first_of(*number), QueueKey::end_of(*number));
        let mut all = Vec::new();
        for keyspace in [self.due.clone(), self.later.clone()] {
            let (found, _) = self.read(&keyspace, &from, &to, usize::MAX)?;
            for (key, request) in found {
                self.batch.remove(&keyspace, key.as_bytes());
                all.push(request);
            }
        }
        Ok(all)
    }

    fn give_up(&mut self, origin: &Origin, reason: &str) {
        let number = self.number(origin);
        self.batch.insert(&self.origins, origin.as_str(), record::encode_origin(number, reason));
    }

    fn origins(&self) -> Result<Vec<Origin>, FrontierError> {
        let mut queued = Vec::new();
        for (origin, queue) in &self.by_origin {
            if self.is_queued(queue.number)? {
                queued.push(origin.clone());
            }
        }
        Ok(queued)
    }

    fn apply(&mut self, ledger: &Ledger, notes: &Notes) -> Result<(), FrontierError> {
        self.record.ledger = ledger.clone();
        self.record.note(notes);
        self.write_record(PersistMode::Buffer)?;
        self.syncer.wake();
        Ok(())
    }

    fn begin_output(&mut self, output: Option<OutputMark>) -> Result<(), FrontierError> {
        self.record.output = output;
        self.write_record(PersistMode::SyncAll)
    }

    fn complete(&mut self) -> Result<(), FrontierError> {
        self.record.complete = true;
        self.write_record(PersistMode::SyncAll)
    }
}

/// What the keyspace of that name says.
#[derive(Default)]
struct Origins {
    by_origin: HashMap<Origin, OriginQueue>,
    given_up: HashMap<Origin, String>,
}

impl Origins {
    fn read(keyspace: &Keyspace) -> Result<Origins, FrontierError> {
        let mut origins = Origins::default();
        for entry in keyspace.iter() {
            let (name, value) = entry.into_inner().map_err(failed)?;
            let origin = Origin::from(String::from_utf8_lossy(&name).into_owned());
            let (number, reason) = record::decode_origin(&value)?;
            origins.by_origin.insert(origin.clone(), OriginQueue { number, cursor: None });
            if !reason.is_empty() {
                origins.given_up.insert(origin, reason);
            }
        }
        Ok(origins)
    }
}

fn check_parsers(queues: &[&Keyspace], is_parser: &dyn Fn(&str) -> bool) -> Result<(), FrontierError> {
    let mut unknown = BTreeMap::<String, u64>::new();
    for keyspace in queues {
        for entry in keyspace.iter() {
            let request = record::decode_request(&entry.value().map_err(failed)?)?;
            if !is_parser(&request.parser.name) {
                *unknown.entry(request.parser.name.clone()).or_default() += 1;
            }
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(FrontierError::UnknownParsers(unknown)) }
}

fn failed(error: fjall::Error) -> FrontierError {
    FrontierError::Store(error.to_string())
}

fn damaged(what: &str) -> FrontierError {
    FrontierError::Store(format!("the frontier on disk is damaged: {what}"))
}
