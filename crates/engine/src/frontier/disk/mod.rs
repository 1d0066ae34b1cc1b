//! A storage on disk (fjall, a log-structured store): what is committed survives any kill of the process.
//!
//! Keyspaces, written together in one atomic batch a group: `known` (every URL's key: its parser's hash, and where it is or was queued),
//! `due` and `later` (the queues, in the order they are handed out), `done` and `dead` (what became of a URL: its story), `rejected` and
//! `send` (items that were refused, and those of them to be sent again), `origins`, `robots` (their rules), `alike` (counts against traps), and `crawl` (a record:
//! identity and counters; the scope; the cookies of each domain).
//!
//! **Invariant.** A known URL is in exactly one of `due`, `later`, `done`, `dead`; in a queue it is at the place that `known` names.
//! **Invariant.** What is in flight is known to this process only: on disk it is queued until the group that ends it.
//!
//! A kill loses nothing that was committed. A power failure may lose what was not synced ([`Opening::sync`]); what is lost then is fetched
//! again.

mod check;
mod group;
mod key_table;
mod known;
mod origins;
mod queue_key;
mod record;
mod sync;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use model::{DedupKey, Origin};
use tokio::time::Instant;

pub use check::{Checked, Fault, Faults, check};
pub(super) use record::FORMAT;
pub use record::{CrawlRecord, OutputMark};

use super::alike::Alike;
use super::storage::{ItemPlace, Storage};
use super::{DeadLetter, FrontierError, Notes, OriginState, RejectedItem, StoredFrontier, Story, StoryEnd, Taken, Whereabouts};
use crate::clock::Clock;
use crate::cookies::{Changes, Cookie};
use crate::ledger::{self, Ledger};
use crate::request::Request;
use crate::scheduler::{Health, Ill, KnownRobots};
use crate::scope::Scope;
use group::{Change, OpenGroup};
use known::KnownKeys;
use origins::{OriginQueue, Origins};
use queue_key::QueueKey;
use record::{IllRecord, KnownUrl, OriginRecord, RobotsRecord};
use sync::Syncer;

/// A frontier on disk.
pub type DiskFrontier = StoredFrontier<DiskStorage>;

/// Bytes of blocks that are kept in memory.
const CACHE_BYTES: u64 = 48 * 1024 * 1024;

/// Bytes of one keyspace that are written and not yet in a file of their own.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// The key of the one record in `crawl`.
const RECORD: &str = "record";

/// The key of the scope in `crawl`: written at each start, unlike the record.
const SCOPE: &str = "scope";

/// What the keys of cookies in `crawl` begin with; the domain follows.
const COOKIES: &str = "cookies/";

/// What becomes of what is there when a frontier is opened.
pub struct Opening<'o> {
    /// The record of the crawl if it begins here.
    pub new: CrawlRecord,
    /// Asked for the parsers of what is queued when the spider has changed.
    pub is_parser: &'o dyn Fn(&str) -> bool,
    /// Requests that were being parsed when a process ended, each with the epoch of that process.
    pub parsing: Vec<(DedupKey, u64)>,
    /// Whether to queue again what is done.
    pub rescan: bool,
    /// What a power failure may cost: the log is synced to disk this often; zero: with every commit.
    pub sync: Duration,
}

/// What an empty or existing folder holds.
pub enum Opened {
    /// A frontier that goes on, or begins, with its record as it is now.
    Ready(Box<DiskFrontier>, CrawlRecord),
    /// A crawl that is complete, as its record says; nothing was changed.
    Complete(CrawlRecord),
}

/// A frontier that is looked at.
pub struct Inspected {
    /// The frontier.
    pub frontier: DiskFrontier,
    /// Identity and counters.
    pub record: CrawlRecord,
    /// The scope of the last start, with the sites that have joined since; none if it ended before it had one.
    pub scope: Option<Scope>,
}

/// The keyspaces; see the module.
#[derive(Clone)]
struct Spaces {
    known: Keyspace,
    due: Keyspace,
    later: Keyspace,
    done: Keyspace,
    dead: Keyspace,
    rejected: Keyspace,
    send: Keyspace,
    robots: Keyspace,
    origins: Keyspace,
    alike: Keyspace,
    crawl: Keyspace,
}

/// See the module.
pub struct DiskStorage {
    database: Database,
    spaces: Spaces,
    record: CrawlRecord,
    batch: OwnedWriteBatch,
    group: OpenGroup,
    known: KnownKeys,
    origins: Origins,
    in_flight: HashMap<DedupKey, QueueKey>,
    taken: HashSet<QueueKey>,
    clock: Clock,
    syncer: Syncer,
}

impl Spaces {
    fn open(database: &Database) -> Result<Spaces, FrontierError> {
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let space = |name: &str| database.keyspace(name, options).map_err(failed);
        Ok(Spaces {
            known: space("known")?,
            due: space("due")?,
            later: space("later")?,
            done: space("done")?,
            dead: space("dead")?,
            rejected: space("rejected")?,
            send: space("send")?,
            robots: space("robots")?,
            origins: space("origins")?,
            alike: space("alike")?,
            crawl: space("crawl")?,
        })
    }

    /// The crawl's record, if one was written.
    fn record(&self) -> Result<Option<CrawlRecord>, FrontierError> {
        self.crawl.get(RECORD).map_err(failed)?.map(|bytes| CrawlRecord::decode(&bytes)).transpose()
    }

    /// The scope of the last start, if it got so far.
    fn scope(&self) -> Result<Option<Scope>, FrontierError> {
        let bytes = self.crawl.get(SCOPE).map_err(failed)?;
        bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))).transpose()
    }

    /// The queue a key belongs to.
    fn queue(&self, place: QueueKey) -> &Keyspace {
        if place.is_later() { &self.later } else { &self.due }
    }

    /// The request at a place of a queue.
    fn queued(&self, place: QueueKey) -> Result<Option<Request>, FrontierError> {
        self.queue(place).get(place.as_bytes()).map_err(failed)?.map(|bytes| record::decode_request(&bytes)).transpose()
    }
}

impl DiskFrontier {
    /// Opens the frontier of a crawl, or makes one in an empty folder. A frontier that goes on does so as the next epoch of its run. The
    /// caller holds the lock of the state directory.
    ///
    /// # Errors
    /// When the folder cannot be written, is damaged, or is in a format of another version or of another crawl; when the changed spider
    /// lacks parsers.
    pub fn open(path: &Path, opening: Opening<'_>) -> Result<Opened, FrontierError> {
        let Opening { new, is_parser, parsing, rescan, sync } = opening;
        let database = open_database(path)?;
        let spaces = Spaces::open(&database)?;
        let mut lost = Vec::new();
        let mut record = match spaces.record()? {
            None => new,
            Some(old) if old.crawl != new.crawl => return Err(FrontierError::OtherCrawl { found: old.crawl, wanted: new.crawl }),
            Some(old) if old.complete => return Ok(Opened::Complete(old)),
            Some(old) => {
                if old.spider != new.spider {
                    check_parsers(&[&spaces.due, &spaces.later], is_parser)?;
                }
                lost.extend(parsing.into_iter().filter(|(_, epoch)| *epoch == old.epoch).map(|(key, _)| key));
                CrawlRecord { epoch: old.epoch + 1, spider: new.spider, rescanning: old.rescanning || rescan, ..old }
            }
        };
        let known = KnownKeys::load(&spaces.known)?;
        let mut frontier = DiskFrontier::over(database, spaces, record.clone(), known, sync)?;
        let now_ms = frontier.storage().clock.millis_by(Instant::now());
        frontier.blame(&lost, now_ms)?;
        // The new epoch is durable before anybody hears of it, in one group with the losses that the last one ended with.
        frontier.apply_synced()?;
        if record.rescanning {
            frontier.rescan()?;
            frontier.storage_mut().record.rescanning = false;
            frontier.apply_synced()?;
        }
        record.clone_from(&frontier.storage().record);
        Ok(Opened::Ready(Box::new(frontier), record))
    }

    /// Opens the frontier that is in a folder, to look at it or to requeue: its epoch stays, and nothing is in flight.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn inspect(path: &Path) -> Result<Inspected, FrontierError> {
        let missing = || FrontierError::Missing(path.parent().unwrap_or(path).display().to_string());
        if !path.is_dir() {
            return Err(missing());
        }
        let database = open_database(path)?;
        let spaces = Spaces::open(&database)?;
        let record = spaces.record()?.ok_or_else(missing)?;
        let scope = spaces.scope()?.map(|mut scope: Scope| {
            record.sites.iter().for_each(|site| _ = scope.add_site(site.clone()));
            scope
        });
        let frontier = DiskFrontier::over(database, spaces, record.clone(), KnownKeys::on_disk(), Duration::ZERO)?;
        Ok(Inspected { frontier, record, scope })
    }

    /// The record of a folder, if there is one that can be read.
    pub fn peek(path: &Path) -> Option<CrawlRecord> {
        if !path.is_dir() {
            return None;
        }
        Spaces::open(&open_database(path).ok()?).ok()?.record().ok()?
    }

    fn over(
        database: Database,
        spaces: Spaces,
        record: CrawlRecord,
        known: KnownKeys,
        sync: Duration,
    ) -> Result<DiskFrontier, FrontierError> {
        let ledger = record.ledger.clone();
        let alike = Alike::new(read_alike(&spaces.alike)?);
        let storage = DiskStorage {
            batch: database.batch(),
            group: OpenGroup::default(),
            known,
            origins: Origins::read(&spaces.origins)?,
            in_flight: HashMap::new(),
            taken: HashSet::new(),
            clock: Clock::begin(record.at_ms),
            syncer: Syncer::start(database.clone(), sync).map_err(|error| FrontierError::Store(error.to_string()))?,
            record,
            database,
            spaces,
        };
        Ok(StoredFrontier::new(storage, ledger, alike))
    }

    /// Applies the open group and waits until it is on the disk.
    fn apply_synced(&mut self) -> Result<(), FrontierError> {
        let ledger = super::Frontier::ledger(self).clone();
        let storage = self.storage_mut();
        storage.record.ledger = ledger;
        storage.write(PersistMode::SyncAll)
    }
}

impl DiskStorage {
    /// Writes the open group with the record.
    fn write(&mut self, durability: PersistMode) -> Result<(), FrontierError> {
        let mut batch = std::mem::replace(&mut self.batch, self.database.batch());
        let entered = self.group.write(&mut batch, &self.spaces);
        self.origins.write(&mut batch, &self.spaces.origins);
        batch.insert(&self.spaces.crawl, RECORD, self.record.encode());
        batch.durability(Some(durability)).commit().map_err(failed)?;
        // A key is known from memory only now.
        entered.into_iter().for_each(|(key, parser)| self.known.keep(key, parser));
        Ok(())
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
        for entry in self.spaces.later.range(QueueKey::first_of(number).as_bytes()..QueueKey::end_of(number).as_bytes()) {
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

    /// One that is queued before what was handed out last is found again.
    fn look_back(&mut self, origin: &str, place: QueueKey) {
        if let Some(queue) = self.origins.queue_mut(origin)
            && !place.is_later()
            && queue.cursor.is_some_and(|cursor| place <= cursor)
        {
            queue.cursor = None;
        }
    }
}

impl Storage for DiskStorage {
    fn parser_of(&self, key: DedupKey) -> Result<Option<u32>, FrontierError> {
        match self.group.get(key).and_then(|row| row.known) {
            Some(url) => Ok(Some(url.parser)),
            None => self.known.parser_of(&self.spaces.known, key),
        }
    }

    fn is_in_flight(&self, key: DedupKey) -> bool {
        self.in_flight.contains_key(&key)
    }

    fn queue(&mut self, request: &Request, parser: u32, not_before: Option<Instant>) {
        let origin = request.url.origin_str();
        let queue = self.origins.change(origin, &mut self.record.next_origin);
        queue.record.queued += 1;
        let number = queue.record.number;
        self.record.next_sequence += 1;
        let place = match not_before {
            None => QueueKey::due(number, request.priority, self.record.next_sequence),
            Some(time) => QueueKey::later(number, self.clock.millis_from(time), self.record.next_sequence),
        };
        self.batch.insert(self.spaces.queue(place), place.as_bytes(), record::encode_request(request));
        self.group.row(request.key).known = Some(KnownUrl { parser, place });
        self.look_back(origin, place);
    }

    fn unqueue(&mut self, request: &Request) {
        let place = self.in_flight.remove(&request.key).expect("what is in flight has its place in a queue");
        self.taken.remove(&place);
        self.batch.remove(self.spaces.queue(place), place.as_bytes());
        self.origins.change(request.url.origin_str(), &mut self.record.next_origin).record.queued -= 1;
    }

    fn put_back(&mut self, request: &Request) {
        let place = self.in_flight.remove(&request.key).expect("what is in flight has its place in a queue");
        self.taken.remove(&place);
        self.look_back(request.url.origin_str(), place);
    }

    fn end(&mut self, story: Story) {
        let row = self.group.row(story.request.key);
        let bytes = Change::Put(record::encode_story(&story));
        match story.end {
            StoryEnd::Page(_) | StoryEnd::Redirected { .. } | StoryEnd::Skipped { .. } => row.done = bytes,
            StoryEnd::Dead { .. } => row.dead = bytes,
        }
    }

    fn reopen(&mut self, key: DedupKey) -> Result<Option<Story>, FrontierError> {
        let story = match self.group.get(key).map(|row| &row.done) {
            Some(Change::Put(bytes)) => Some(record::decode_story(bytes)?),
            Some(Change::Remove) => None,
            Some(Change::Nothing) | None => story(&self.spaces.done, key)?,
        };
        if story.is_some() {
            self.group.row(key).done = Change::Remove;
        }
        Ok(story)
    }

    fn reject(&mut self, item: RejectedItem) {
        self.group.set_rejected(item.place(), Some(item));
    }

    fn take_rejected(&mut self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        let mut found = BTreeMap::new();
        for entry in self.spaces.rejected.prefix(page.to_bytes()) {
            let item: RejectedItem = record::decode(&entry.value().map_err(failed)?)?;
            found.insert(item.place(), Some(item));
        }
        found.extend(self.group.rejected_of(page));
        found.keys().for_each(|place| self.group.set_rejected(*place, None));
        let mut items: Vec<RejectedItem> = found.into_values().flatten().collect();
        for entry in self.spaces.send.prefix(page.to_bytes()) {
            let item: RejectedItem = record::decode(&entry.value().map_err(failed)?)?;
            self.batch.remove(&self.spaces.send, record::encode_place(item.place()));
            items.push(item);
        }
        Ok(items)
    }

    fn count_page(&mut self, origin: &str) {
        self.origins.change(origin, &mut self.record.next_origin).record.pages += 1;
    }

    fn set_health(&mut self, origin: &Origin, health: &Health) {
        if self.origins.get(origin.as_str()).is_none() {
            return;
        }
        let clock = self.clock;
        let Health { answered, due, crawl_delay, pace, address, ill, pages: _ } = health;
        let record = &mut self.origins.change(origin.as_str(), &mut self.record.next_origin).record;
        record.answered = *answered;
        record.due_ms = due.map_or(0, |due| clock.millis_from(due));
        record.crawl_delay_ms = crawl_delay.map(millis_up);
        record.pace_ms = pace.map_or(0, millis_up);
        record.address = *address;
        record.ill = ill.as_ref().map(|ill| IllRecord {
            lasted_ms: ill.lasted.as_millis() as u64,
            failures: ill.failures,
            until_ms: clock.millis_from(ill.until),
        });
    }

    fn health(&self, origin: &Origin) -> Health {
        let Some(OriginQueue { record, .. }) = self.origins.get(origin.as_str()) else { return Health::default() };
        let ill = |ill: IllRecord| Ill {
            lasted: Duration::from_millis(ill.lasted_ms),
            failures: ill.failures,
            until: self.clock.to_instant(ill.until_ms),
        };
        Health {
            answered: record.answered,
            due: (record.due_ms > 0).then(|| self.clock.to_instant(record.due_ms)),
            crawl_delay: record.crawl_delay_ms.map(Duration::from_millis),
            pace: (record.pace_ms > 0).then(|| Duration::from_millis(record.pace_ms)),
            address: record.address,
            ill: record.ill.map(ill),
            pages: record.pages,
        }
    }

    fn set_robots(&mut self, origin: &Origin, robots: &KnownRobots) {
        let record = RobotsRecord { rules: Cow::Borrowed(&robots.rules), until_ms: self.clock.millis_from(robots.until) };
        self.batch.insert(&self.spaces.robots, origin.as_str(), record::encode(&record));
    }

    fn robots(&self, origin: &Origin) -> Result<Option<KnownRobots>, FrontierError> {
        let Some(bytes) = self.spaces.robots.get(origin.as_str()).map_err(failed)? else { return Ok(None) };
        // What cannot be read is fetched anew.
        let Ok(RobotsRecord { rules, until_ms }) = record::decode(&bytes) else { return Ok(None) };
        Ok(Some(KnownRobots { rules: Arc::new(rules.into_owned()), until: self.clock.to_instant(until_ms) }))
    }

    fn set_cookies(&mut self, domain: &str, cookies: &[Cookie]) {
        let key = [COOKIES, domain].concat();
        match cookies {
            [] => self.batch.remove(&self.spaces.crawl, key),
            cookies => self.batch.insert(&self.spaces.crawl, key, record::encode(&cookies)),
        }
    }

    fn cookies(&self) -> Result<Changes, FrontierError> {
        let mut all = Changes::new();
        for entry in self.spaces.crawl.prefix(COOKIES) {
            let (key, value) = entry.into_inner().map_err(failed)?;
            let domain = key.strip_prefix(COOKIES.as_bytes()).and_then(|domain| std::str::from_utf8(domain).ok());
            let domain = domain.ok_or_else(|| damaged("a domain of cookies is no text"))?;
            all.insert(domain.to_owned(), record::decode(&value)?);
        }
        Ok(all)
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        let Some(queue) = self.origins.get(origin.as_str()) else { return Ok(Taken::default()) };
        let number = queue.record.number;
        let from = queue.cursor.unwrap_or(QueueKey::first_of(number));
        let mut requests = Vec::new();
        let ripe = QueueKey::later(number, self.clock.millis_by(now) + 1, 0);
        let (found, more_ripe) = self.read(&self.spaces.later, &QueueKey::first_of(number), &ripe, most)?;
        self.hand_out(found, &mut requests);
        let (found, more_due) = self.read(&self.spaces.due, &from, &QueueKey::end_of(number), most - requests.len())?;
        if let Some((last, _)) = found.last() {
            self.origins.queue_mut(origin.as_str()).expect("looked up above").cursor = Some(*last);
        }
        self.hand_out(found, &mut requests);
        let later = if more_ripe { None } else { self.next_later(number)? };
        Ok(Taken { requests, more: more_due || more_ripe, later })
    }

    fn take_one(&mut self, key: DedupKey) -> Result<Option<Request>, FrontierError> {
        if self.is_in_flight(key) {
            return Ok(None);
        }
        let Some(KnownUrl { place, .. }) = known::read(&self.spaces.known, key)? else { return Ok(None) };
        // A request that has ended is not where it was.
        let Some(request) = self.spaces.queued(place)?.filter(|request| request.key == key) else { return Ok(None) };
        self.in_flight.insert(key, place);
        self.taken.insert(place);
        Ok(Some(request))
    }

    fn give_up(&mut self, origin: &Origin, reason: Option<&str>) -> u64 {
        let queue = self.origins.change(origin.as_str(), &mut self.record.next_origin);
        queue.record.given_up = reason.map(str::to_owned);
        queue.cursor = None;
        queue.record.queued
    }

    fn given_up(&self, origin: &str) -> Option<&str> {
        self.origins.get(origin)?.record.given_up.as_deref()
    }

    fn all_given_up(&self, reason: Option<&str>) -> Vec<Origin> {
        let is_meant = |why: &Option<String>| why.as_deref().is_some_and(|why| ledger::is_meant(reason, why));
        self.origins.iter().filter(|(_, record)| is_meant(&record.given_up)).map(|(origin, _)| origin.clone()).collect()
    }

    fn origins(&self) -> Vec<Origin> {
        let waits = self.origins.iter().filter(|(_, record)| record.queued > 0 && record.given_up.is_none());
        waits.map(|(origin, _)| origin.clone()).collect()
    }

    fn find(&self, key: DedupKey) -> Result<Option<Whereabouts>, FrontierError> {
        let Some(KnownUrl { place, .. }) = known::read(&self.spaces.known, key)? else { return Ok(None) };
        for keyspace in [&self.spaces.done, &self.spaces.dead] {
            if let Some(story) = story(keyspace, key)? {
                return Ok(Some(Whereabouts::Ended(story)));
            }
        }
        let request = self.spaces.queued(place)?.ok_or_else(|| damaged("a known URL is neither queued nor ended: run `engine check`"))?;
        Ok(Some(Whereabouts::Queued {
            given_up: self.given_up(request.url.origin_str()).map(str::to_owned),
            in_flight: self.is_in_flight(key),
            not_before_ms: place.is_later().then(|| place.millis()),
            request,
        }))
    }

    fn done(&self, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError> {
        stories(&self.spaces.done, after, most, &|_| true)
    }

    fn dead(&self, reason: Option<&str>, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError> {
        let is_meant = |story: &Story| matches!(&story.end, StoryEnd::Dead { reason: why } if ledger::is_meant(reason, why));
        stories(&self.spaces.dead, after, most, &is_meant)
    }

    fn dead_with_origin(&self, reason: Option<&str>, most: usize) -> Result<Vec<DeadLetter>, FrontierError> {
        let mut letters = Vec::new();
        for origin in self.all_given_up(reason) {
            let Some(queue) = self.origins.get(origin.as_str()) else { continue };
            let (from, to) = (QueueKey::first_of(queue.record.number), QueueKey::end_of(queue.record.number));
            for entry in
                self.spaces.due.range(from.as_bytes()..to.as_bytes()).chain(self.spaces.later.range(from.as_bytes()..to.as_bytes()))
            {
                if letters.len() == most {
                    return Ok(letters);
                }
                let request = record::decode_request(&entry.value().map_err(failed)?)?;
                letters.push(DeadLetter::of(request, queue.record.given_up.clone().unwrap_or_default()));
            }
        }
        Ok(letters)
    }

    fn revive(&mut self, key: DedupKey) {
        self.group.row(key).dead = Change::Remove;
    }

    fn rejected(&self, reason: Option<&str>, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        items(&self.spaces.rejected, after, most, &|item| ledger::is_meant(reason, &item.reason))
    }

    fn rejected_on(&self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        let values = self.spaces.rejected.prefix(page.to_bytes());
        values.map(|entry| record::decode(&entry.value().map_err(failed)?)).collect()
    }

    fn origin_states(&self) -> Vec<OriginState> {
        let is_told = |record: &OriginRecord| record.queued > 0 || record.given_up.is_some();
        let state = |(origin, record): (&Origin, &OriginRecord)| OriginState {
            origin: origin.clone(),
            queued: record.queued,
            pages: record.pages,
            given_up: record.given_up.clone(),
        };
        self.origins.iter().filter(|(_, record)| is_told(record)).map(state).collect()
    }

    fn keep_scope(&mut self, scope: &Scope) -> Result<(), FrontierError> {
        let bytes = serde_json::to_vec(scope).expect("a scope has a JSON form");
        self.batch.insert(&self.spaces.crawl, SCOPE, bytes);
        self.write(PersistMode::Buffer)
    }

    fn send_again(&mut self, item: RejectedItem) {
        self.group.set_rejected(item.place(), None);
        self.batch.insert(&self.spaces.send, record::encode_place(item.place()), record::encode(&item));
    }

    fn to_send(&self, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        items(&self.spaces.send, after, most, &|_| true)
    }

    fn sent(&mut self, place: ItemPlace) {
        self.batch.remove(&self.spaces.send, record::encode_place(place));
    }

    fn count_alike(&mut self, mark: u64, count: u32) {
        self.batch.insert(&self.spaces.alike, mark.to_be_bytes(), count.to_be_bytes());
    }

    fn apply(&mut self, ledger: &Ledger, notes: &Notes) -> Result<(), FrontierError> {
        self.record.ledger = ledger.clone();
        self.record.note(notes);
        self.write(self.syncer.durability())?;
        self.syncer.wake();
        Ok(())
    }

    fn begin_output(&mut self, output: Option<super::OutputMark>) -> Result<(), FrontierError> {
        self.record.output = output;
        self.write(PersistMode::SyncAll)
    }

    fn set_complete(&mut self, complete: bool) -> Result<(), FrontierError> {
        self.record.complete = complete;
        self.write(PersistMode::SyncAll)
    }
}

/// What was counted against traps.
fn read_alike(keyspace: &Keyspace) -> Result<Vec<(u64, u32)>, FrontierError> {
    let mut counts = Vec::new();
    for entry in keyspace.iter() {
        let (mark, count) = entry.into_inner().map_err(failed)?;
        let damaged = |_| damaged("a count has the wrong length");
        counts.push((u64::from_be_bytes((*mark).try_into().map_err(damaged)?), u32::from_be_bytes((*count).try_into().map_err(damaged)?)));
    }
    Ok(counts)
}

/// A pause in whole milliseconds, never shorter.
fn millis_up(pause: Duration) -> u64 {
    u64::try_from(pause.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn story(keyspace: &Keyspace, key: DedupKey) -> Result<Option<Story>, FrontierError> {
    keyspace.get(key.to_bytes()).map_err(failed)?.map(|bytes| record::decode_story(&bytes)).transpose()
}

/// The first stories after a key that are meant.
fn stories(
    keyspace: &Keyspace,
    after: Option<DedupKey>,
    most: usize,
    is_meant: &dyn Fn(&Story) -> bool,
) -> Result<Vec<Story>, FrontierError> {
    let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.to_bytes()));
    collect(keyspace.range((from, Bound::Unbounded)), most, &record::decode_story, is_meant)
}

/// The first refused items after a place that are meant.
fn items(
    keyspace: &Keyspace,
    after: Option<ItemPlace>,
    most: usize,
    is_meant: &dyn Fn(&RejectedItem) -> bool,
) -> Result<Vec<RejectedItem>, FrontierError> {
    let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(record::encode_place(after)));
    collect(keyspace.range((from, Bound::Unbounded)), most, &record::decode, is_meant)
}

fn collect<T>(
    entries: fjall::Iter,
    most: usize,
    decode: &dyn Fn(&[u8]) -> Result<T, FrontierError>,
    is_meant: &dyn Fn(&T) -> bool,
) -> Result<Vec<T>, FrontierError> {
    let mut found = Vec::new();
    for entry in entries {
        if found.len() == most {
            break;
        }
        let value = decode(&entry.value().map_err(failed)?)?;
        if is_meant(&value) {
            found.push(value);
        }
    }
    Ok(found)
}

fn open_database(path: &Path) -> Result<Database, FrontierError> {
    Database::builder(path).cache_size(CACHE_BYTES).open().map_err(failed)
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
