//! Proves that a frontier is what its tables say: every URL in exactly one state, every counter equal to a recount. Repairs what follows
//! from the rest.
//!
//! Reads each table once, in the order of its keys, and asks one key for each request that is queued: memory does not grow with the
//! crawl, but for its origins. What is wrong is counted by kind, with the first few places.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

use model::{DedupKey, Origin};

use super::known;
use super::queue_key::QueueKey;
use super::record::{self, CrawlRecord, KnownUrl, OriginRecord, RobotsRecord};
use super::storage::{RECORD, TableStorage};
use super::{Batch, Durability, Inspected, Place, Row, Rows, Table, TableFrontier, Tables, beginning_with};
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

impl Faults {
    /// Adds those of another part of the crawl.
    pub(in crate::frontier) fn add(&mut self, others: Faults) {
        self.count += others.count;
        let room = EXAMPLES - self.examples.len();
        self.examples.extend(others.examples.into_iter().take(room));
    }
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

    /// What was found first, in words.
    pub(in crate::frontier) fn first_fault(&self) -> Option<String> {
        let (fault, faults) = self.faults.first_key_value()?;
        Some(format!("{}: {}", fault.sentence(), faults.examples.join(", ")))
    }
}

/// Checks the frontier of a place; with `repair` it also mends what can be derived. A repair that is cut short can be begun again.
///
/// # Errors
/// When there is no frontier, or its store cannot be read or, for a repair, written.
pub fn check(place: &dyn Place, repair: bool) -> Result<Checked, FrontierError> {
    let Inspected { mut frontier, .. } = TableFrontier::inspect(place)?;
    check_frontier(&mut frontier, repair)
}

/// As [`check`], of a frontier that is open.
pub(in crate::frontier) fn check_frontier(frontier: &mut TableFrontier, repair: bool) -> Result<Checked, FrontierError> {
    let mut check = Check { faults: BTreeMap::new(), repair, changes: Batch::default(), recount: Recount::default() };
    let storage = frontier.storage_mut();
    check.ends(storage)?;
    check.queues(storage)?;
    check.robots(storage)?;
    check.origins(storage)?;
    check.ledger(storage);
    if repair && !check.faults.is_empty() {
        check.write(storage)?;
        storage.write(Durability::Synced)?;
    }
    let origins = storage.origins.iter().count() as u64;
    Ok(Checked { record: storage.record.clone(), origins, faults: check.faults })
}

/// A check while it runs.
struct Check {
    faults: BTreeMap<Fault, Faults>,
    repair: bool,
    changes: Batch,
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

/// A table in the order of its keys.
type Entries<'t> = Peekable<Rows<'t>>;

fn entries(tables: &dyn Tables, table: Table) -> Entries<'_> {
    tables.range(table, &[], None, GROUP).peekable()
}

/// The next entry's key.
fn next_key(entries: &mut Entries<'_>) -> Result<Option<Vec<u8>>, FrontierError> {
    match entries.peek() {
        Some(Ok((key, _))) => Ok(Some(key.clone())),
        Some(Err(_)) => Err(entries.next().and_then(Result::err).expect("it was looked at")),
        None => Ok(None),
    }
}

/// The value of a key, if it is the next one.
fn value_of(entries: &mut Entries<'_>, key: &[u8]) -> Result<Option<Vec<u8>>, FrontierError> {
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
        storage: &mut TableStorage,
        table: Table,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) -> Result<(), FrontierError> {
        if self.repair {
            self.changes.put(table, key, value);
        }
        self.changed(storage)
    }

    fn remove(&mut self, storage: &mut TableStorage, table: Table, key: impl Into<Vec<u8>>) -> Result<(), FrontierError> {
        if self.repair {
            self.changes.remove(table, key);
        }
        self.changed(storage)
    }

    fn changed(&mut self, storage: &mut TableStorage) -> Result<(), FrontierError> {
        let all: usize = Table::ALL.into_iter().map(|table| self.changes.len(table)).sum();
        if all >= GROUP { self.write(storage) } else { Ok(()) }
    }

    /// Writes the changes so far. What is being read may show them: they are of rows that have been passed, or were noted as moved.
    fn write(&mut self, storage: &mut TableStorage) -> Result<(), FrontierError> {
        let mut batch = std::mem::take(&mut self.changes);
        // Places and numbers that were given out are never given out again, wherever a repair is cut short.
        storage.origins.write(&mut batch);
        batch.put(Table::Crawl, RECORD, storage.record.encode());
        (batch.queued, batch.pages) = (storage.record.ledger.urls.queued, storage.record.ledger.pages);
        storage.tables.write(batch, Durability::Usual)
    }

    /// Walks over what is known, done and dead side by side.
    fn ends(&mut self, storage: &mut TableStorage) -> Result<(), FrontierError> {
        let tables = Arc::clone(&storage.tables);
        let all = |table| entries(&*tables, table);
        let (mut known, mut done, mut dead) = (all(Table::Known), all(Table::Done), all(Table::Dead));
        let (mut rejected, mut send) = (all(Table::Rejected), all(Table::Send));
        loop {
            let next = [next_key(&mut known)?, next_key(&mut done)?, next_key(&mut dead)?].into_iter().flatten().min();
            let Some(bytes) = next else { break };
            let is_known = value_of(&mut known, &bytes)?;
            let done = value_of(&mut done, &bytes)?;
            let dead = value_of(&mut dead, &bytes)?;
            let done = self.story(storage, Table::Done, &bytes, done)?;
            let dead = self.story(storage, Table::Dead, &bytes, dead)?;
            let key = record::decode_key(&bytes)?;
            self.recount.ledger.urls.discovered += 1;
            let story = match (done, dead) {
                (Some(done), Some(_)) => {
                    self.fault(Fault::EndedTwice, &done.request.url);
                    self.remove(storage, Table::Dead, bytes.clone())?;
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
                        self.put(storage, Table::Known, bytes.clone(), url.encode())?;
                    }
                    self.ended(storage, story, &mut rejected, &mut send)?;
                }
            }
        }
        for (leftover, table) in [(rejected, Table::Rejected), (send, Table::Send)] {
            for entry in leftover {
                let (key, value) = entry?;
                let place = record::decode::<RejectedItem>(&value).map_or_else(|_| name(&key), |item| item.page.to_string());
                self.fault(Fault::RejectedItems, place);
                self.remove(storage, table, key)?;
            }
        }
        // The queues are compared with what is known after it.
        if self.repair { self.write(storage) } else { Ok(()) }
    }

    fn story(
        &mut self,
        storage: &mut TableStorage,
        table: Table,
        key: &[u8],
        value: Option<Vec<u8>>,
    ) -> Result<Option<Story>, FrontierError> {
        let Some(value) = value else { return Ok(None) };
        match record::decode_story(&value) {
            Ok(story) => Ok(Some(story)),
            Err(_) => {
                self.fault(Fault::Damaged, format_args!("the end of {}", name(key)));
                self.remove(storage, table, key)?;
                Ok(None)
            }
        }
    }

    /// A known URL that has not ended: it must wait where it says.
    fn waiting(&mut self, storage: &mut TableStorage, key: DedupKey, value: &[u8]) -> Result<(), FrontierError> {
        let place = KnownUrl::decode(value).ok().map(|url| url.place);
        let request = match place {
            Some(place) => storage.tables.get(place.table(), place.as_bytes())?,
            None => None,
        };
        let is_there = request.is_some_and(|bytes| record::decode_request(&bytes).is_ok_and(|request| request.key == key));
        if !is_there {
            self.fault(if place.is_none() { Fault::Damaged } else { Fault::Lost }, key);
            self.recount.ledger.urls.discovered -= 1;
            self.remove(storage, Table::Known, key.to_bytes())?;
        }
        Ok(())
    }

    fn ended<'t>(
        &mut self,
        storage: &mut TableStorage,
        story: Story,
        rejected: &mut Entries<'t>,
        send: &mut Entries<'t>,
    ) -> Result<(), FrontierError> {
        let key = story.request.key.to_bytes();
        let mut kept = 0;
        let mut reasons = BTreeMap::new();
        for (entries, table) in [(rejected, Table::Rejected), (send, Table::Send)] {
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
                        self.remove(storage, table, next)?;
                    }
                    Err(_) => {
                        self.fault(Fault::Damaged, format_args!("a rejected item of {}", name(&next)));
                        self.remove(storage, table, next)?;
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
    fn fetch_again(&mut self, storage: &mut TableStorage, story: Story) -> Result<(), FrontierError> {
        let (key, tables) = (story.request.key.to_bytes(), Arc::clone(&storage.tables));
        let place = fresh_place(storage, &story.request);
        let url = KnownUrl { parser: rules::hash(&story.request.parser), place };
        for table in [Table::Rejected, Table::Send] {
            for row in beginning_with(&*tables, table, &key) {
                self.remove(storage, table, row?.0)?;
            }
        }
        self.remove(storage, Table::Done, key)?;
        self.put(storage, Table::Known, key, url.encode())?;
        self.put(storage, Table::Due, place.as_bytes(), record::encode_request(&story.request))
    }

    /// Walks over the queues: each request must be known to wait just there.
    fn queues(&mut self, storage: &mut TableStorage) -> Result<(), FrontierError> {
        let tables = Arc::clone(&storage.tables);
        let mut moved = HashSet::new();
        let numbers: HashMap<u32, Origin> = storage.origins.iter().map(|(origin, record)| (record.number, origin.clone())).collect();
        for table in [Table::Due, Table::Later] {
            for row in entries(&*tables, table) {
                let (bytes, value): Row = row?;
                let (Ok(place), Ok(request)) = (QueueKey::from_bytes(&bytes), record::decode_request(&value)) else {
                    // Its URL was found lost before.
                    self.fault(Fault::Damaged, "a request in a queue");
                    self.remove(storage, table, bytes)?;
                    continue;
                };
                if moved.contains(&place) {
                    continue;
                }
                let known = known::read(&*tables, request.key)?;
                let key = request.key.to_bytes();
                let has_ended = tables.get(Table::Done, &key)?.is_some() || tables.get(Table::Dead, &key)?.is_some();
                if has_ended || known.is_some_and(|known| known.place != place) {
                    self.fault(Fault::QueuedTwice, &request.url);
                    self.remove(storage, table, bytes)?;
                    continue;
                }
                let mut place = place;
                if numbers.get(&place.origin()).map(Origin::as_str) != Some(request.url.origin_str()) {
                    self.fault(Fault::WrongQueue, &request.url);
                    self.remove(storage, table, bytes)?;
                    place = fresh_place(storage, &request);
                    moved.insert(place);
                    self.put(storage, Table::Due, place.as_bytes(), value)?;
                    let url = KnownUrl { parser: rules::hash(&request.parser), place };
                    self.put(storage, Table::Known, key, url.encode())?;
                } else if known.is_none() {
                    self.fault(Fault::Unknown, &request.url);
                    let url = KnownUrl { parser: rules::hash(&request.parser), place };
                    self.put(storage, Table::Known, key, url.encode())?;
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
    fn robots(&mut self, storage: &mut TableStorage) -> Result<(), FrontierError> {
        let tables = Arc::clone(&storage.tables);
        for row in entries(&*tables, Table::Robots) {
            let (origin, value) = row?;
            if record::decode::<RobotsRecord<'_>>(&value).is_err() {
                self.fault(Fault::Damaged, format_args!("the robots rules of {}", String::from_utf8_lossy(&origin)));
                self.remove(storage, Table::Robots, origin)?;
            }
        }
        Ok(())
    }

    fn origins(&mut self, storage: &mut TableStorage) -> Result<(), FrontierError> {
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

    fn ledger(&mut self, storage: &mut TableStorage) {
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
pub(super) fn differences(is: &Ledger, should: &Ledger) -> Vec<(String, u64, u64)> {
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
fn fresh_place(storage: &mut TableStorage, request: &Request) -> QueueKey {
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
    use std::time::Duration;

    use model::{CrawlName, CrawlUrl, Item, ItemId, ParserRef, PayloadJson, RunId};
    use tokio::time::Instant;

    use super::super::{Opened, Opening};
    use super::*;
    use crate::frontier::testing::{Desk, in_each_place};
    use crate::frontier::{Ending, Fate, Frontier, Notes, PageEnd, PageFacts};
    use crate::ledger::ItemCounts;
    use crate::scope::{Scope, Site};

    fn request(url: &str) -> Request {
        Request::seed(CrawlUrl::parse(url).unwrap(), Arc::new(ParserRef::named("page")))
    }

    fn open(desk: &Desk) -> Box<TableFrontier> {
        let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
        let opening = Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false };
        let Opened::Ready(frontier, _) = TableFrontier::open(&*desk.place(), opening).unwrap() else { panic!("complete") };
        frontier
    }

    fn check(desk: &Desk, repair: bool) -> Checked {
        super::check(&*desk.place(), repair).unwrap()
    }

    /// Damages a crawl behind its frontier's back.
    fn damaged(desk: &Desk, damage: impl FnOnce(&mut TableStorage)) {
        let mut inspected = TableFrontier::inspect(&*desk.place()).unwrap();
        let storage = inspected.frontier.storage_mut();
        damage(storage);
        storage.write(Durability::Synced).unwrap();
    }

    /// A crawl with a URL in every state: `a` a page with a refused item, `b` skipped, `c` dead, `d` put aside, `e` and `f` queued, and
    /// two of an origin that was given up.
    fn crawl(desk: &Desk) {
        let mut frontier = open(desk);
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
    }

    fn key(url: &str) -> [u8; 16] {
        request(url).key.to_bytes()
    }

    fn place(storage: &TableStorage, url: &str) -> QueueKey {
        known::read(&*storage.tables, request(url).key).unwrap().unwrap().place
    }

    fn take_out(storage: &mut TableStorage, url: &str) -> Vec<u8> {
        let place = place(storage, url);
        storage.batch.remove(place.table(), place.as_bytes());
        storage.tables.get(place.table(), place.as_bytes()).unwrap().unwrap()
    }

    fn faults(checked: &Checked) -> Vec<(Fault, u64)> {
        checked.faults.iter().map(|(fault, faults)| (*fault, faults.count)).collect()
    }

    /// Damages a crawl; a check says just these faults, a repair too, and after it nothing is wrong and the frontier opens.
    fn finds(desk: &Desk, damage: impl FnOnce(&mut TableStorage), expected: &[(Fault, u64)]) -> Ledger {
        crawl(desk);
        damaged(desk, damage);
        assert_eq!(faults(&check(desk, false)), expected);
        assert_eq!(faults(&check(desk, true)), expected);
        let checked = check(desk, false);
        assert_eq!(checked.faults, BTreeMap::new());
        assert!(checked.record.ledger.is_balanced());
        let mut frontier = open(desk);
        frontier.seed(vec![]).unwrap();
        frontier.ledger().clone()
    }

    const WHOLE: UrlCounts = UrlCounts { discovered: 8, done: 1, dead: 3, skipped: 1, queued: 3 };

    fn a_crawl_with_urls_in_every_state_is_clean(desk: &Desk) {
        assert_eq!(finds(desk, |_| {}, &[]).urls, WHOLE);
    }

    fn counters_that_are_wrong_are_set_to_the_recount(desk: &Desk) {
        let damage = |storage: &mut TableStorage| {
            storage.record.ledger.urls.done += 1;
            storage.record.ledger.items.saved -= 1;
            storage.record.ledger.dead_by_reason.insert("other".to_owned(), 1);
            storage.origins.change("http://h", &mut storage.record.next_origin).record.queued += 5;
        };
        let ledger = finds(desk, damage, &[(Fault::OriginCounters, 1), (Fault::Ledger, 3)]);
        assert_eq!((ledger.urls, ledger.items.saved), (WHOLE, 1));
    }

    fn a_url_that_is_nowhere_is_forgotten_so_that_it_can_be_found_again(desk: &Desk) {
        let damage = |storage: &mut TableStorage| _ = take_out(storage, "http://h/e");
        let ledger = finds(desk, damage, &[(Fault::Lost, 1), (Fault::OriginCounters, 1), (Fault::Ledger, 2)]);
        assert_eq!(ledger.urls, UrlCounts { discovered: 7, queued: 2, ..WHOLE });
    }

    fn a_url_that_is_not_known_is_entered_wherever_it_is(desk: &Desk) {
        let damage = |storage: &mut TableStorage| {
            for url in ["http://h/a", "http://h/f"] {
                storage.batch.remove(Table::Known, key(url));
            }
        };
        assert_eq!(finds(desk, damage, &[(Fault::Unknown, 2)]).urls, WHOLE);
    }

    fn a_url_that_ended_is_not_queued_and_not_dead_beside(desk: &Desk) {
        let damage = |storage: &mut TableStorage| {
            let done = record::decode_story(&storage.tables.get(Table::Done, &key("http://h/b")).unwrap().unwrap()).unwrap();
            let dead = Story { end: StoryEnd::Dead { reason: "why".to_owned() }, ..done.clone() };
            storage.batch.put(Table::Dead, key("http://h/b"), record::encode_story(&dead));
            let again = place(storage, "http://h/a");
            storage.batch.put(Table::Due, again.as_bytes(), record::encode_request(&request("http://h/a")));
            let other = fresh_place(storage, &done.request);
            storage.batch.put(Table::Due, other.as_bytes(), record::encode_request(&request("http://h/e")));
        };
        assert_eq!(finds(desk, damage, &[(Fault::EndedTwice, 1), (Fault::QueuedTwice, 2)]).urls, WHOLE);
    }

    fn a_request_in_a_queue_of_another_origin_is_moved_to_its_own(desk: &Desk) {
        let damage = |storage: &mut TableStorage| {
            let value = take_out(storage, "http://h/e");
            let elsewhere = fresh_place(storage, &request("http://x/1"));
            storage.batch.put(Table::Due, elsewhere.as_bytes(), value);
            let url = KnownUrl { parser: rules::hash(&request("http://h/e").parser), place: elsewhere };
            storage.batch.put(Table::Known, key("http://h/e"), url.encode());
        };
        // Without the repair the queue it is in is counted as it is.
        crawl(desk);
        damaged(desk, damage);
        assert!(check(desk, true).faults.contains_key(&Fault::WrongQueue));
        assert_eq!(check(desk, false).faults, BTreeMap::new());
        assert_eq!(open(desk).ledger().urls, WHOLE);
    }

    fn what_cannot_be_read_is_removed(desk: &Desk) {
        let damage = |storage: &mut TableStorage| {
            storage.batch.put(Table::Dead, key("http://h/c"), b"nonsense");
            let place = place(storage, "http://h/e");
            storage.batch.put(Table::Due, place.as_bytes(), b"nonsense");
        };
        let expected = [(Fault::Damaged, 2), (Fault::Lost, 2), (Fault::OriginCounters, 1), (Fault::Ledger, 4)];
        assert_eq!(finds(desk, damage, &expected).urls, UrlCounts { discovered: 6, done: 1, dead: 2, skipped: 1, queued: 2 });
    }

    fn a_page_whose_refused_items_are_gone_is_fetched_again(desk: &Desk) {
        let damage = |storage: &mut TableStorage| {
            let place = crate::frontier::ItemPlace { page: request("http://h/a").key, ordinal: 0 };
            storage.batch.remove(Table::Rejected, record::encode_place(place));
        };
        crawl(desk);
        damaged(desk, damage);
        let found = check(desk, false);
        assert_eq!(faults(&found), [(Fault::RejectedItems, 1), (Fault::Ledger, 1)]);
        assert_eq!(found.faults[&Fault::RejectedItems].examples, ["http://h/a"]);
        check(desk, true);
        assert_eq!(check(desk, false).faults, BTreeMap::new());
        let frontier = open(desk);
        assert_eq!(frontier.ledger().urls, UrlCounts { done: 0, queued: 4, ..WHOLE });
        assert_eq!(frontier.ledger().items, ItemCounts::default());
    }

    in_each_place! {
        a_crawl_with_urls_in_every_state_is_clean
        counters_that_are_wrong_are_set_to_the_recount
        a_url_that_is_nowhere_is_forgotten_so_that_it_can_be_found_again
        a_url_that_is_not_known_is_entered_wherever_it_is
        a_url_that_ended_is_not_queued_and_not_dead_beside
        a_request_in_a_queue_of_another_origin_is_moved_to_its_own
        what_cannot_be_read_is_removed
        a_page_whose_refused_items_are_gone_is_fetched_again
    }
}
