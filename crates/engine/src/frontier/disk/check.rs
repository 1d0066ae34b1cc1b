//! Proves that a frontier on disk is what it says: every URL in exactly one state, every counter equal to a recount. Repairs what follows
//! from the rest.
//!
//! Reads each keyspace once, in the order of its keys, and asks one key for each request that is queued: memory does not grow with the
//! crawl, but for its origins. What is wrong is counted by kind, with the first few places.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::iter::Peekable;
use std::path::Path;

use fjall::{Keyspace, PersistMode};
use model::{DedupKey, Origin};

use super::known;
use super::queue_key::QueueKey;
use super::record::{self, KnownUrl, OriginRecord, RobotsRecord};
use super::{CrawlRecord, DiskFrontier, DiskStorage, Inspected, RECORD, failed};
use crate::frontier::rules;
use crate::frontier::{FrontierError, RejectedItem, Story, StoryEnd};
use crate::ledger::{self, Ledger, UrlCounts};
use crate::request::Request;

/// Places that are named of each kind of fault.
const EXAMPLES: usize = 5;

/// Changes of a repair that are written together.
const GROUP: usize = 4096;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A record that cannot be read.
    Damaged,
    /// A known URL that neither waits nor has ended.
    Lost,
    /// A URL that waits or has ended, and is not known.
    Unknown,
    /// A URL that has ended as done and as dead.
    EndedTwice,
    /// A URL that waits although it has ended, or twice.
    QueuedTwice,
    /// A URL in the queue of an origin that is not its own.
    WrongQueue,
    /// A page whose refused items are not all kept.
    RejectedItems,
    /// An origin whose counters are not what is there.
    OriginCounters,
    /// A counter of the crawl that is not what is there.
    Ledger,
}

impl Fault {
    /// What is wrong.
    pub fn sentence(self) -> &'static str {
        match self {
            Fault::Damaged => "cannot be read",
            Fault::Lost => "known, but neither queued nor ended",
            Fault::Unknown => "queued or ended, but not known",
            Fault::EndedTwice => "ended as done and as dead",
            Fault::QueuedTwice => "queued although ended, or twice",
            Fault::WrongQueue => "queued under another origin",
            Fault::RejectedItems => "items that were rejected are missing",
            Fault::OriginCounters => "an origin's counters are wrong",
            Fault::Ledger => "a counter is wrong",
        }
    }

    /// What a repair does about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Fault::Damaged => "removed; where a URL is lost with it, a crawl with --rescan finds it again",
            Fault::Lost => "forgotten: a crawl with --rescan finds it again",
            Fault::Unknown => "entered among the known",
            Fault::EndedTwice => "counts as done",
            Fault::QueuedTwice => "taken out of the queue",
            Fault::WrongQueue => "moved to its own",
            Fault::RejectedItems => "the page is queued again; items whose page has no story are removed",
            Fault::OriginCounters | Fault::Ledger => "set to the recount",
        }
    }
}

/// Faults of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// How many.
    pub count: u64,
    /// The first few: a URL, a key or a counter.
    pub examples: Vec<String>,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The crawl's record as it is now.
    pub record: CrawlRecord,
    /// Origins that are known.
    pub origins: u64,
    /// What is wrong, or was before the repair.
    pub faults: BTreeMap<Fault, Faults>,
}

impl Checked {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Checks the frontier in a folder; with `repair` it also mends what can be derived. The caller holds the lock of the state directory.
/// A repair that is cut short can be begun again.
///
/// # Errors
/// When there is no frontier, or its store cannot be read or, for a repair, written.
pub fn check(path: &Path, repair: bool) -> Result<Checked, FrontierError> {
    let Inspected { mut frontier, .. } = DiskFrontier::inspect(path)?;
    let mut check = Check { faults: BTreeMap::new(), repair, changes: Vec::new(), recount: Recount::default() };
    let storage = frontier.storage_mut();
    check.ends(storage)?;
    check.queues(storage)?;
    check.robots(storage)?;
    check.origins(storage)?;
    check.ledger(storage);
    if repair && !check.faults.is_empty() {
        check.write(storage)?;
        storage.write(PersistMode::SyncAll)?;
    }
    let origins = storage.origins.iter().count() as u64;
    Ok(Checked { record: storage.record.clone(), origins, faults: check.faults })
}

/// A check while it runs.
struct Check {
    faults: BTreeMap<Fault, Faults>,
    repair: bool,
    changes: Vec<Change>,
    recount: Recount,
}

/// What is counted anew.
#[derive(Default)]
struct Recount {
    ledger: Ledger,
    /// Queued requests, by the number of their origin.
    queued: HashMap<u32, u64>,
    /// Pages that are done, by origin.
    pages: HashMap<Origin, u64>,
}

/// One change of a repair.
enum Change {
    Put(Keyspace, Vec<u8>, Vec<u8>),
    Remove(Keyspace, Vec<u8>),
}

/// A key with its value.
type Entry = Result<(Vec<u8>, Vec<u8>), FrontierError>;

/// A keyspace in the order of its keys.
type Entries = Peekable<Box<dyn Iterator<Item = Entry>>>;

fn entries(keyspace: &Keyspace) -> Entries {
    let read = |entry: fjall::Guard| entry.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(failed);
    let entries: Box<dyn Iterator<Item = Entry>> = Box::new(keyspace.iter().map(read));
    entries.peekable()
}

/// The next entry's key.
fn next_key(entries: &mut Entries) -> Result<Option<Vec<u8>>, FrontierError> {
    match entries.peek() {
        Some(Ok((key, _))) => Ok(Some(key.clone())),
        Some(Err(_)) => Err(entries.next().and_then(Result::err).expect("it was looked at")),
        None => Ok(None),
    }
}

/// The value of a key, if it is the next one.
fn value_of(entries: &mut Entries, key: &[u8]) -> Result<Option<Vec<u8>>, FrontierError> {
    let is_it = next_key(entries)?.is_some_and(|next| next == key);
    if is_it { entries.next().transpose().map(|entry| entry.map(|(_, value)| value)) } else { Ok(None) }
}

impl Check {
    fn fault(&mut self, fault: Fault, place: impl fmt::Display) {
        let faults = self.faults.entry(fault).or_default();
        faults.count += 1;
        if faults.examples.len() < EXAMPLES {
            faults.examples.push(place.to_string());
        }
    }

    fn put(
        &mut self,
        storage: &mut DiskStorage,
        keyspace: &Keyspace,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), FrontierError> {
        self.change(storage, Change::Put(keyspace.clone(), key.into(), value.into()))
    }

    fn remove(&mut self, storage: &mut DiskStorage, keyspace: &Keyspace, key: impl Into<Vec<u8>>) -> Result<(), FrontierError> {
        self.change(storage, Change::Remove(keyspace.clone(), key.into()))
    }

    fn change(&mut self, storage: &mut DiskStorage, change: Change) -> Result<(), FrontierError> {
        if self.repair {
            self.changes.push(change);
            if self.changes.len() >= GROUP {
                self.write(storage)?;
            }
        }
        Ok(())
    }

    /// Writes the changes so far. What is being read is not touched by it: it is as of the begin.
    fn write(&mut self, storage: &mut DiskStorage) -> Result<(), FrontierError> {
        let mut batch = storage.database.batch();
        for change in self.changes.drain(..) {
            match change {
                Change::Put(keyspace, key, value) => batch.insert(&keyspace, key, value),
                Change::Remove(keyspace, key) => batch.remove(&keyspace, key),
            }
        }
        // Places and numbers that were given out are never given out again, wherever a repair is cut short.
        storage.origins.write(&mut batch, &storage.spaces.origins);
        batch.insert(&storage.spaces.crawl, RECORD, storage.record.encode());
        batch.commit().map_err(failed)
    }

    /// Walks over what is known, done and dead side by side.
    fn ends(&mut self, storage: &mut DiskStorage) -> Result<(), FrontierError> {
        let spaces = storage.spaces.clone();
        let (mut known, mut done, mut dead) = (entries(&spaces.known), entries(&spaces.done), entries(&spaces.dead));
        let (mut rejected, mut send) = (entries(&spaces.rejected), entries(&spaces.send));
        loop {
            let next = [next_key(&mut known)?, next_key(&mut done)?, next_key(&mut dead)?].into_iter().flatten().min();
            let Some(bytes) = next else { break };
            let is_known = value_of(&mut known, &bytes)?;
            let done = value_of(&mut done, &bytes)?;
            let dead = value_of(&mut dead, &bytes)?;
            let done = self.story(storage, &spaces.done, &bytes, done)?;
            let dead = self.story(storage, &spaces.dead, &bytes, dead)?;
            let key = record::decode_key(&bytes)?;
            self.recount.ledger.urls.discovered += 1;
            let story = match (done, dead) {
                (Some(done), Some(_)) => {
                    self.fault(Fault::EndedTwice, &done.request.url);
                    self.remove(storage, &spaces.dead, bytes.clone())?;
                    Some(done)
                }
                (done, dead) => done.or(dead),
            };
            match (is_known, story) {
                (Some(value), None) => self.waiting(storage, key, &value)?,
                (None, None) => self.recount.ledger.urls.discovered -= 1,
                (is_known, Some(story)) => {
                    if is_known.is_none() {
                        self.fault(Fault::Unknown, &story.request.url);
                        let url = KnownUrl { parser: rules::hash(&story.request.parser), place: fresh_place(storage, &story.request) };
                        self.put(storage, &spaces.known, bytes.clone(), url.encode())?;
                    }
                    self.ended(storage, story, &mut rejected, &mut send)?;
                }
            }
        }
        for (leftover, keyspace) in [(rejected, &spaces.rejected), (send, &spaces.send)] {
            for entry in leftover {
                let (key, value) = entry?;
                let place = record::decode::<RejectedItem>(&value).map_or_else(|_| name(&key), |item| item.page.to_string());
                self.fault(Fault::RejectedItems, place);
                self.remove(storage, keyspace, key)?;
            }
        }
        // The queues are compared with what is known after it.
        self.write(storage)
    }

    fn story(
        &mut self,
        storage: &mut DiskStorage,
        keyspace: &Keyspace,
        key: &[u8],
        value: Option<Vec<u8>>,
    ) -> Result<Option<Story>, FrontierError> {
        let Some(value) = value else { return Ok(None) };
        match record::decode_story(&value) {
            Ok(story) => Ok(Some(story)),
            Err(_) => {
                self.fault(Fault::Damaged, format_args!("the end of {}", name(key)));
                self.remove(storage, keyspace, key)?;
                Ok(None)
            }
        }
    }

    /// A known URL that has not ended: it must wait where it says.
    fn waiting(&mut self, storage: &mut DiskStorage, key: DedupKey, value: &[u8]) -> Result<(), FrontierError> {
        let place = KnownUrl::decode(value).ok().map(|url| url.place);
        let request = match place {
            Some(place) => storage.spaces.queue(place).get(place.as_bytes()).map_err(failed)?,
            None => None,
        };
        let is_there = request.is_some_and(|bytes| record::decode_request(&bytes).is_ok_and(|request| request.key == key));
        if !is_there {
            self.fault(if place.is_none() { Fault::Damaged } else { Fault::Lost }, key);
            self.recount.ledger.urls.discovered -= 1;
            let known = storage.spaces.known.clone();
            self.remove(storage, &known, key.to_bytes())?;
        }
        Ok(())
    }

    fn ended(&mut self, storage: &mut DiskStorage, story: Story, rejected: &mut Entries, send: &mut Entries) -> Result<(), FrontierError> {
        let key = story.request.key.to_bytes();
        let mut kept = 0;
        let mut reasons = BTreeMap::new();
        for (entries, keyspace) in [(rejected, storage.spaces.rejected.clone()), (send, storage.spaces.send.clone())] {
            while let Some(next) = next_key(entries)?.filter(|next| next.get(..key.len()).is_some_and(|page| page <= &key[..])) {
                let value = value_of(entries, &next)?.expect("it is the next");
                match record::decode::<RejectedItem>(&value) {
                    Ok(item) if next.starts_with(&key) => {
                        kept += 1;
                        *reasons.entry(item.reason).or_default() += 1;
                    }
                    Ok(item) => {
                        // Its page has no story that could have it.
                        self.fault(Fault::RejectedItems, item.page);
                        self.remove(storage, &keyspace, next)?;
                    }
                    Err(_) => {
                        self.fault(Fault::Damaged, format_args!("a rejected item of {}", name(&next)));
                        self.remove(storage, &keyspace, next)?;
                    }
                }
            }
        }
        let expected = match &story.end {
            StoryEnd::Page(facts) => facts.items.rejected,
            StoryEnd::Redirected { .. } | StoryEnd::Skipped { .. } | StoryEnd::Dead { .. } => 0,
        };
        if kept != expected {
            self.fault(Fault::RejectedItems, &story.request.url);
            if self.repair {
                return self.fetch_again(storage, story);
            }
        }
        for (reason, n) in &reasons {
            ledger::count(&mut self.recount.ledger.rejected_by_reason, reason, *n);
        }
        if let StoryEnd::Page(_) = story.end {
            *self.recount.pages.entry(story.request.url.origin()).or_default() += 1;
        }
        self.recount.ledger.add(&story.end);
        Ok(())
    }

    /// Queues a page again that has ended; it is counted with the queues.
    fn fetch_again(&mut self, storage: &mut DiskStorage, story: Story) -> Result<(), FrontierError> {
        let (key, spaces) = (story.request.key.to_bytes(), storage.spaces.clone());
        let place = fresh_place(storage, &story.request);
        let url = KnownUrl { parser: rules::hash(&story.request.parser), place };
        for entry in spaces.rejected.prefix(key).chain(spaces.send.prefix(key)) {
            let item = entry.key().map_err(failed)?;
            self.remove(storage, &spaces.rejected, item.to_vec())?;
            self.remove(storage, &spaces.send, item.to_vec())?;
        }
        self.remove(storage, &spaces.done, key)?;
        self.put(storage, &spaces.known, key, url.encode())?;
        self.put(storage, &spaces.due, place.as_bytes(), record::encode_request(&story.request))
    }

    /// Walks over the queues: each request must be known to wait just there.
    fn queues(&mut self, storage: &mut DiskStorage) -> Result<(), FrontierError> {
        let spaces = storage.spaces.clone();
        let numbers: HashMap<u32, Origin> = storage.origins.iter().map(|(origin, record)| (record.number, origin.clone())).collect();
        for keyspace in [&spaces.due, &spaces.later] {
            for entry in entries(keyspace) {
                let (bytes, value) = entry?;
                let (Ok(place), Ok(request)) = (QueueKey::from_bytes(&bytes), record::decode_request(&value)) else {
                    // Its URL was found lost before.
                    self.fault(Fault::Damaged, "a request in a queue");
                    self.remove(storage, keyspace, bytes)?;
                    continue;
                };
                let known = known::read(&spaces.known, request.key)?;
                let key = request.key.to_bytes();
                let has_ended = spaces.done.contains_key(key).map_err(failed)? || spaces.dead.contains_key(key).map_err(failed)?;
                if has_ended || known.is_some_and(|known| known.place != place) {
                    self.fault(Fault::QueuedTwice, &request.url);
                    self.remove(storage, keyspace, bytes)?;
                    continue;
                }
                let mut place = place;
                if numbers.get(&place.origin()).map(Origin::as_str) != Some(request.url.origin_str()) {
                    self.fault(Fault::WrongQueue, &request.url);
                    self.remove(storage, keyspace, bytes)?;
                    place = fresh_place(storage, &request);
                    self.put(storage, &spaces.due, place.as_bytes(), value)?;
                    let url = KnownUrl { parser: rules::hash(&request.parser), place };
                    self.put(storage, &spaces.known, key, url.encode())?;
                } else if known.is_none() {
                    self.fault(Fault::Unknown, &request.url);
                    let url = KnownUrl { parser: rules::hash(&request.parser), place };
                    self.put(storage, &spaces.known, key, url.encode())?;
                }
                self.recount.ledger.urls.discovered += u64::from(known.is_none());
                *self.recount.queued.entry(place.origin()).or_default() += 1;
                match storage.origins.get(request.url.origin_str()).and_then(|queue| queue.record.given_up.as_deref()) {
                    Some(reason) => {
                        self.recount.ledger.urls.dead += 1;
                        ledger::count(&mut self.recount.ledger.dead_by_reason, reason, 1);
                    }
                    None => self.recount.ledger.urls.queued += 1,
                }
            }
        }
        Ok(())
    }

    /// Rules that cannot be read are fetched anew.
    fn robots(&mut self, storage: &mut DiskStorage) -> Result<(), FrontierError> {
        let keyspace = storage.spaces.robots.clone();
        for entry in entries(&keyspace) {
            let (origin, value) = entry?;
            if record::decode::<RobotsRecord<'_>>(&value).is_err() {
                self.fault(Fault::Damaged, format_args!("the robots rules of {}", String::from_utf8_lossy(&origin)));
                self.remove(storage, &keyspace, origin)?;
            }
        }
        Ok(())
    }

    fn origins(&mut self, storage: &mut DiskStorage) -> Result<(), FrontierError> {
        let mut wrong = Vec::new();
        for (origin, OriginRecord { number, queued, pages, .. }) in storage.origins.iter() {
            let recount =
                (self.recount.queued.get(number).copied().unwrap_or_default(), self.recount.pages.get(origin).copied().unwrap_or_default());
            if (*queued, *pages) != recount {
                wrong.push((origin.clone(), (*queued, *pages), recount));
            }
        }
        wrong.sort();
        for (origin, (queued, pages), recount) in wrong {
            self.fault(
                Fault::OriginCounters,
                format_args!("{origin}: {queued} queued and {pages} pages, recounted {} and {}", recount.0, recount.1),
            );
            if self.repair {
                let record = &mut storage.origins.change(origin.as_str(), &mut storage.record.next_origin).record;
                (record.queued, record.pages) = recount;
            }
        }
        Ok(())
    }

    fn ledger(&mut self, storage: &mut DiskStorage) {
        let Recount { ledger: recount, .. } = &self.recount;
        let mut recount = recount.clone();
        let record = &mut storage.record;
        recount.links_refused.clone_from(&record.ledger.links_refused);
        recount.parser_conflicts = record.ledger.parser_conflicts;
        for (name, is, should) in differences(&record.ledger, &recount) {
            self.fault(Fault::Ledger, format_args!("{name}: {is}, recounted {should}"));
        }
        if self.repair && self.faults.contains_key(&Fault::Ledger) {
            record.ledger = recount;
        }
        // A repair may have found something to do.
        record.complete &= !self.repair || record.ledger.urls.queued == 0;
    }
}

/// The counters that differ.
fn differences(is: &Ledger, should: &Ledger) -> Vec<(String, u64, u64)> {
    let urls = |urls: &UrlCounts| [urls.discovered, urls.done, urls.dead, urls.skipped, urls.queued];
    let names = ["discovered", "done", "dead", "skipped", "queued"];
    let mut all: Vec<(String, u64, u64)> =
        names.iter().zip(urls(&is.urls).into_iter().zip(urls(&should.urls))).map(|(name, (a, b))| ((*name).to_owned(), a, b)).collect();
    all.push(("pages".to_owned(), is.pages, should.pages));
    let (a, b) = (is.items, should.items);
    let items = [
        ("parsed", a.parsed, b.parsed),
        ("saved", a.saved, b.saved),
        ("rejected", a.rejected, b.rejected),
        ("collided", a.collided, b.collided),
        ("noindex", a.noindex, b.noindex),
    ];
    all.extend(items.map(|(name, a, b)| (format!("items {name}"), a, b)));
    for (what, a, b) in [
        ("dead", &is.dead_by_reason, &should.dead_by_reason),
        ("skipped", &is.skipped_by_reason, &should.skipped_by_reason),
        ("rejected", &is.rejected_by_reason, &should.rejected_by_reason),
    ] {
        // Beyond so many reasons, which of them are counted together depends on the order they came in.
        if a.len() > ledger::MAX_REASONS || b.len() > ledger::MAX_REASONS {
            all.push((format!("{what}, all reasons"), a.values().sum(), b.values().sum()));
            continue;
        }
        let mut reasons: Vec<&String> = a.keys().chain(b.keys()).collect();
        reasons.sort();
        reasons.dedup();
        let count = |reasons: &BTreeMap<String, u64>, reason: &str| reasons.get(reason).copied().unwrap_or_default();
        all.extend(reasons.into_iter().map(|reason| (format!("{what}, {reason}"), count(a, reason), count(b, reason))));
    }
    all.retain(|(_, a, b)| a != b);
    all
}

/// A place at the end of a request's own queue; makes its origin if that is gone.
fn fresh_place(storage: &mut DiskStorage, request: &Request) -> QueueKey {
    let number = storage.origins.change(request.url.origin_str(), &mut storage.record.next_origin).record.number;
    storage.record.next_sequence += 1;
    QueueKey::due(number, request.priority, storage.record.next_sequence)
}

/// A key in words, where nothing better is left.
fn name(key: &[u8]) -> String {
    key.get(..16).and_then(|key| record::decode_key(key).ok()).map_or_else(|| "an unreadable key".to_owned(), |key| key.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use model::{CrawlName, CrawlUrl, Item, ItemId, ParserRef, PayloadJson, RunId};
    use tempfile::TempDir;
    use tokio::time::Instant;

    use super::super::{Opened, Opening, Spaces};
    use super::*;
    use crate::frontier::{Ending, Fate, Frontier, Notes, PageEnd, PageFacts};
    use crate::ledger::ItemCounts;
    use crate::scope::{Scope, Site};

    fn request(url: &str) -> Request {
        Request::seed(CrawlUrl::parse(url).unwrap(), Arc::new(ParserRef::named("page")))
    }

    fn open(path: &Path) -> Box<DiskFrontier> {
        let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
        let opening = Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false, sync: Duration::from_secs(1) };
        let Opened::Ready(frontier, _) = DiskFrontier::open(path, opening).unwrap() else { panic!("complete") };
        frontier
    }

    /// A crawl with a URL in every state: `a` a page with a refused item, `b` skipped, `c` dead, `d` put aside, `e` and `f` queued, and
    /// two of an origin that was given up.
    fn crawl() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut frontier = open(folder.path());
        let now = Instant::now();
        let on_h = ["a", "b", "c", "d", "e", "f"].map(|path| request(&format!("http://h/{path}")));
        let given_up = [request("http://x/1"), request("http://x/2")];
        frontier.seed(on_h.iter().chain(&given_up).cloned().collect()).unwrap();
        let mut taken = frontier.take(&on_h[0].url.origin(), 4, now).unwrap().requests.into_iter().map(Box::new);
        let mut ending = |fate| Ending { request: taken.next().unwrap(), fate };
        let items = ItemCounts { parsed: 2, saved: 1, rejected: 1, ..ItemCounts::default() };
        let item = Item {
            url: on_h[0].url.clone(),
            item_type: "t".to_owned(),
            id: ItemId::given("i").unwrap(),
            payload: PayloadJson::parse("{}".to_owned()).unwrap(),
        };
        let page = on_h[0].url.clone();
        let rejected = vec![RejectedItem { page, fetched_at_ms: 1, version: 2, key: None, ordinal: 0, item, reason: "no".to_owned() }];
        let page = PageEnd { facts: PageFacts { items, ..PageFacts::default() }, rejected, ..PageEnd::default() };
        let group = vec![
            ending(Fate::Page(page)),
            ending(Fate::Skipped { reason: "gone".to_owned() }),
            ending(Fate::Dead { reason: "why".to_owned() }),
            ending(Fate::Again { not_before: Some(now + Duration::from_secs(60)) }),
        ];
        frontier.commit(group, &Notes::default(), &Scope::new([Site::of(&on_h[0].url)], vec![], vec![], None)).unwrap();
        frontier.give_up(&given_up[0].url.origin(), "origin dead").unwrap();
        folder
    }

    fn key(url: &str) -> [u8; 16] {
        request(url).key.to_bytes()
    }

    fn place(spaces: &Spaces, url: &str) -> QueueKey {
        known::read(&spaces.known, request(url).key).unwrap().unwrap().place
    }

    fn take_out(spaces: &Spaces, url: &str) -> Vec<u8> {
        let place = place(spaces, url);
        let value = spaces.queue(place).get(place.as_bytes()).unwrap().unwrap().to_vec();
        spaces.queue(place).remove(place.as_bytes()).unwrap();
        value
    }

    fn faults(checked: &Checked) -> Vec<(Fault, u64)> {
        checked.faults.iter().map(|(fault, faults)| (*fault, faults.count)).collect()
    }

    /// Damages a crawl; a check says just these faults, a repair too, and after it nothing is wrong and the frontier opens.
    fn finds(damage: impl FnOnce(&mut DiskStorage), expected: &[(Fault, u64)]) -> Ledger {
        let folder = crawl();
        let mut inspected = DiskFrontier::inspect(folder.path()).unwrap();
        damage(inspected.frontier.storage_mut());
        inspected.frontier.storage_mut().write(PersistMode::SyncAll).unwrap();
        drop(inspected);
        assert_eq!(faults(&check(folder.path(), false).unwrap()), expected);
        assert_eq!(faults(&check(folder.path(), true).unwrap()), expected);
        let checked = check(folder.path(), false).unwrap();
        assert_eq!(checked.faults, BTreeMap::new());
        assert!(checked.record.ledger.is_balanced());
        let mut frontier = open(folder.path());
        frontier.seed(vec![]).unwrap();
        frontier.ledger().clone()
    }

    const WHOLE: UrlCounts = UrlCounts { discovered: 8, done: 1, dead: 3, skipped: 1, queued: 3 };

    #[test]
    fn a_crawl_with_urls_in_every_state_is_clean() {
        assert_eq!(finds(|_| {}, &[]).urls, WHOLE);
    }

    #[test]
    fn counters_that_are_wrong_are_set_to_the_recount() {
        let damage = |storage: &mut DiskStorage| {
            storage.record.ledger.urls.done += 1;
            storage.record.ledger.items.saved -= 1;
            storage.record.ledger.dead_by_reason.insert("other".to_owned(), 1);
            storage.origins.change("http://h", &mut storage.record.next_origin).record.queued += 5;
        };
        let ledger = finds(damage, &[(Fault::OriginCounters, 1), (Fault::Ledger, 3)]);
        assert_eq!((ledger.urls, ledger.items.saved), (WHOLE, 1));
    }

    #[test]
    fn a_url_that_is_nowhere_is_forgotten_so_that_it_can_be_found_again() {
        let damage = |storage: &mut DiskStorage| _ = take_out(&storage.spaces, "http://h/e");
        let ledger = finds(damage, &[(Fault::Lost, 1), (Fault::OriginCounters, 1), (Fault::Ledger, 2)]);
        assert_eq!(ledger.urls, UrlCounts { discovered: 7, queued: 2, ..WHOLE });
    }

    #[test]
    fn a_url_that_is_not_known_is_entered_wherever_it_is() {
        let damage = |storage: &mut DiskStorage| {
            for url in ["http://h/a", "http://h/f"] {
                storage.spaces.known.remove(key(url)).unwrap();
            }
        };
        assert_eq!(finds(damage, &[(Fault::Unknown, 2)]).urls, WHOLE);
    }

    #[test]
    fn a_url_that_ended_is_not_queued_and_not_dead_beside() {
        let damage = |storage: &mut DiskStorage| {
            let spaces = storage.spaces.clone();
            let done = record::decode_story(&spaces.done.get(key("http://h/b")).unwrap().unwrap()).unwrap();
            let dead = Story { end: StoryEnd::Dead { reason: "why".to_owned() }, ..done.clone() };
            spaces.dead.insert(key("http://h/b"), record::encode_story(&dead)).unwrap();
            spaces.due.insert(place(&spaces, "http://h/a").as_bytes(), record::encode_request(&request("http://h/a"))).unwrap();
            let other = fresh_place(storage, &done.request);
            spaces.due.insert(other.as_bytes(), record::encode_request(&request("http://h/e"))).unwrap();
        };
        assert_eq!(finds(damage, &[(Fault::EndedTwice, 1), (Fault::QueuedTwice, 2)]).urls, WHOLE);
    }

    #[test]
    fn a_request_in_a_queue_of_another_origin_is_moved_to_its_own() {
        let damage = |storage: &mut DiskStorage| {
            let value = take_out(&storage.spaces, "http://h/e");
            let elsewhere = fresh_place(storage, &request("http://x/1"));
            storage.spaces.due.insert(elsewhere.as_bytes(), value).unwrap();
            let url = KnownUrl { parser: rules::hash(&request("http://h/e").parser), place: elsewhere };
            storage.spaces.known.insert(key("http://h/e"), url.encode()).unwrap();
        };
        // Without the repair the queue it is in is counted as it is.
        let folder = crawl();
        let mut inspected = DiskFrontier::inspect(folder.path()).unwrap();
        damage(inspected.frontier.storage_mut());
        drop(inspected);
        assert!(check(folder.path(), true).unwrap().faults.contains_key(&Fault::WrongQueue));
        assert_eq!(check(folder.path(), false).unwrap().faults, BTreeMap::new());
        assert_eq!(open(folder.path()).ledger().urls, WHOLE);
    }

    #[test]
    fn what_cannot_be_read_is_removed() {
        let damage = |storage: &mut DiskStorage| {
            storage.spaces.dead.insert(key("http://h/c"), b"nonsense").unwrap();
            let place = place(&storage.spaces, "http://h/e");
            storage.spaces.due.insert(place.as_bytes(), b"nonsense").unwrap();
        };
        let expected = [(Fault::Damaged, 2), (Fault::Lost, 2), (Fault::OriginCounters, 1), (Fault::Ledger, 4)];
        assert_eq!(finds(damage, &expected).urls, UrlCounts { discovered: 6, done: 1, dead: 2, skipped: 1, queued: 2 });
    }

    #[test]
    fn a_page_whose_refused_items_are_gone_is_fetched_again() {
        let damage = |storage: &mut DiskStorage| {
            let place = crate::frontier::ItemPlace { page: request("http://h/a").key, ordinal: 0 };
            storage.spaces.rejected.remove(record::encode_place(place)).unwrap();
        };
        let folder = crawl();
        let mut inspected = DiskFrontier::inspect(folder.path()).unwrap();
        damage(inspected.frontier.storage_mut());
        drop(inspected);
        let found = check(folder.path(), false).unwrap();
        assert_eq!(faults(&found), [(Fault::RejectedItems, 1), (Fault::Ledger, 1)]);
        assert_eq!(found.faults[&Fault::RejectedItems].examples, ["http://h/a"]);
        check(folder.path(), true).unwrap();
        assert_eq!(check(folder.path(), false).unwrap().faults, BTreeMap::new());
        let frontier = open(folder.path());
        assert_eq!(frontier.ledger().urls, UrlCounts { done: 0, queued: 4, ..WHOLE });
        assert_eq!(frontier.ledger().items, ItemCounts::default());
    }
}
