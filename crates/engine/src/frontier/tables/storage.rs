//! A storage over tables.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use model::{CrawlUrl, DedupKey, Origin};
use tokio::time::Instant;

use super::known::{self, KnownKeys, Told};
use super::origins::{OriginQueue, Origins};
use super::queue_key::QueueKey;
use super::record::{self, CrawlRecord, IllRecord, KnownUrl, OriginRecord, OutputMark, RobotsRecord};
use super::{Batch, Durability, Rows, Table, Tables, beginning_with, damaged};
use crate::clock::Clock;
use crate::cookies::{Changes, Cookie};
use crate::frontier::sharded::Territory;
use crate::frontier::storage::{ItemPlace, Storage};
use crate::frontier::{DeadLetter, FrontierError, Notes, OriginState, RejectedItem, Story, StoryEnd, Taken, Tenure, Whereabouts};
use crate::ledger::{self, Ledger};
use crate::request::Request;
use crate::scheduler::{Health, Ill, KnownRobots};
use crate::scope::Scope;

/// The key of the crawl's record.
pub(in crate::frontier) const RECORD: &str = "record";

/// The key of the scope: written at each start, unlike the record.
pub(in crate::frontier) const SCOPE: &str = "scope";

/// How often a URL is looked for that was moved meanwhile.
const LOOKS: u32 = 3;

/// What the keys of cookies begin with; the domain follows.
pub(super) const COOKIES: &str = "cookies/";

/// See the module.
pub struct TableStorage {
    pub(super) tables: Arc<dyn Tables>,
    pub(super) record: CrawlRecord,
    pub(super) batch: Batch,
    known: KnownKeys,
    pub(super) origins: Origins,
    in_flight: HashMap<DedupKey, QueueKey>,
    taken: HashSet<QueueKey>,
    pub(in crate::frontier) clock: Clock,
    /// The hosts whose URLs are kept here; none: all.
    territory: Option<Territory>,
}

/// A group that is closed: what is to be written, and what is known from memory once it is.
pub(in crate::frontier) struct Closed {
    pub(in crate::frontier) batch: Batch,
    pub(in crate::frontier) entered: Vec<(DedupKey, u32)>,
}

impl TableStorage {
    /// A storage that goes on where the tables were left.
    pub(super) fn new(tables: Arc<dyn Tables>, record: CrawlRecord, known: KnownKeys) -> Result<TableStorage, FrontierError> {
        let origins = Origins::read(&*tables)?;
        Ok(TableStorage::with(tables, record, known, origins, None))
    }

    /// The storage of a part of a crawl, with all that is known of it.
    pub(super) fn with(
        tables: Arc<dyn Tables>,
        record: CrawlRecord,
        known: KnownKeys,
        origins: Origins,
        territory: Option<Territory>,
    ) -> TableStorage {
        TableStorage {
            batch: Batch::default(),
            known,
            origins,
            territory,
            in_flight: HashMap::new(),
            taken: HashSet::new(),
            clock: Clock::begin(record.at_ms),
            record,
            tables,
        }
    }

    /// Writes the open group with the record.
    pub(super) fn write(&mut self, durability: Durability) -> Result<(), FrontierError> {
        let Closed { batch, entered } = self.close()?;
        self.tables.write(batch, durability)?;
        self.written(entered);
        Ok(())
    }

    /// Puts counters and notes into the record.
    pub(in crate::frontier) fn note(&mut self, ledger: &Ledger, notes: &Notes) {
        self.record.ledger = ledger.clone();
        self.record.note(notes);
    }

    /// Closes the open group: from here on it is written or the storage is of no use any more.
    pub(in crate::frontier) fn close(&mut self) -> Result<Closed, FrontierError> {
        let mut batch = std::mem::take(&mut self.batch);
        self.origins.write(&mut batch);
        batch.put(Table::Crawl, RECORD, self.record.encode());
        (batch.queued, batch.pages) = (self.record.ledger.urls.queued, self.record.ledger.pages);
        let entered = batch.entered()?;
        Ok(Closed { batch, entered })
    }

    /// What was closed is durable. A key is known from memory only now.
    pub(in crate::frontier) fn written(&mut self, entered: Vec<(DedupKey, u32)>) {
        self.known.tell(Told::new());
        entered.into_iter().for_each(|(key, parser)| self.known.keep(key, parser));
    }

    /// Whether there may be URLs that [`must_ask`](TableStorage::must_ask) is true of.
    pub(in crate::frontier) fn is_partial(&self) -> bool {
        self.known.is_partial()
    }

    /// Whether only the store can say if a URL is known.
    pub(in crate::frontier) fn must_ask(&self, key: DedupKey) -> bool {
        self.known.must_ask(key) && self.batch.change(Table::Known, &key.to_bytes()).is_none()
    }

    #[cfg(test)]
    pub(in crate::frontier) fn asked_alone(&self) -> usize {
        self.known.asked_alone()
    }

    #[cfg(test)]
    pub(in crate::frontier) fn told(&self, key: DedupKey) -> Option<Option<u32>> {
        self.known.told(key)
    }

    /// What the store says of URLs that it must be asked about, so that it is not asked of each while the open group is made.
    pub(in crate::frontier) fn tell(&mut self, told: Told) {
        self.known.tell(told);
    }

    /// Whether nothing of it is handed out.
    pub(in crate::frontier) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Identity and counters, as they are written with the next group.
    pub(in crate::frontier) fn record(&self) -> &CrawlRecord {
        &self.record
    }

    /// The first requests of a range that are not in flight, up to `most`, and whether there are more.
    fn read(&self, table: Table, from: &QueueKey, to: &QueueKey, most: usize) -> Result<(Vec<(QueueKey, Request)>, bool), FrontierError> {
        let mut found = Vec::new();
        for row in self.tables.range(table, from.as_bytes(), Some(to.as_bytes()), most + 1) {
            let (key, value) = row?;
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

    /// The time of the first request put aside that is not in flight, and whether anything is put aside at all.
    fn next_later(&self, number: u32) -> Result<(Option<Instant>, bool), FrontierError> {
        let mut any = false;
        for row in self.tables.range(Table::Later, QueueKey::first_of(number).as_bytes(), Some(QueueKey::end_of(number).as_bytes()), 1) {
            any = true;
            let key = QueueKey::from_bytes(&row?.0)?;
            if !self.taken.contains(&key) {
                return Ok((Some(self.clock.to_instant(key.millis())), any));
            }
        }
        Ok((None, any))
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
        let Some(queue) = self.origins.queue_mut(origin) else { return };
        if place.is_later() {
            queue.none_later = false;
        } else if queue.cursor.is_some_and(|cursor| place <= cursor) {
            queue.cursor = None;
        }
    }

    /// The request at a place of a queue.
    pub(super) fn queued(&self, place: QueueKey) -> Result<Option<Request>, FrontierError> {
        self.tables.get(place.table(), place.as_bytes())?.map(|bytes| record::decode_request(&bytes)).transpose()
    }

    /// The items of a page that a table holds, with what the open group changes, in their order.
    fn items_of(&self, table: Table, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        let mut found = BTreeMap::new();
        for row in beginning_with(&*self.tables, table, &page.to_bytes()) {
            let (key, value) = row?;
            found.insert(key, Some(value));
        }
        found.extend(self.batch.changes_beginning_with(table, &page.to_bytes()).map(|(key, change)| (key.clone(), change.clone())));
        found.into_values().flatten().map(|value| record::decode(&value)).collect()
    }
}

impl Storage for TableStorage {
    fn parser_of(&self, key: DedupKey) -> Result<Option<u32>, FrontierError> {
        match self.batch.change(Table::Known, &key.to_bytes()) {
            Some(Some(value)) => Ok(Some(KnownUrl::decode(value)?.parser)),
            Some(None) | None => self.known.parser_of(&*self.tables, key),
        }
    }

    fn keeps(&self, url: &CrawlUrl) -> bool {
        self.territory.as_ref().is_none_or(|territory| territory.has(url.host_str()))
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
        self.batch.put(place.table(), place.as_bytes(), record::encode_request(request));
        self.batch.put(Table::Known, request.key.to_bytes(), KnownUrl { parser, place }.encode());
        self.look_back(origin, place);
    }

    fn unqueue(&mut self, request: &Request) {
        let place = self.in_flight.remove(&request.key).expect("what is in flight has its place in a queue");
        self.taken.remove(&place);
        self.batch.remove(place.table(), place.as_bytes());
        self.origins.change(request.url.origin_str(), &mut self.record.next_origin).record.queued -= 1;
    }

    fn put_back(&mut self, request: &Request) {
        let place = self.in_flight.remove(&request.key).expect("what is in flight has its place in a queue");
        self.taken.remove(&place);
        self.look_back(request.url.origin_str(), place);
    }

    fn end(&mut self, story: Story) {
        let table = match story.end {
            StoryEnd::Page(_) | StoryEnd::Redirected { .. } | StoryEnd::Skipped { .. } => Table::Done,
            StoryEnd::Dead { .. } => Table::Dead,
        };
        self.batch.put(table, story.request.key.to_bytes(), record::encode_story(&story));
    }

    fn reopen(&mut self, key: DedupKey) -> Result<Option<Story>, FrontierError> {
        let story = match self.batch.change(Table::Done, &key.to_bytes()) {
            Some(Some(bytes)) => Some(record::decode_story(bytes)?),
            Some(None) => None,
            None => story(&*self.tables, Table::Done, key)?,
        };
        if story.is_some() {
            self.batch.remove(Table::Done, key.to_bytes());
        }
        Ok(story)
    }

    fn reject(&mut self, item: RejectedItem) {
        self.batch.put(Table::Rejected, record::encode_place(item.place()), record::encode(&item));
    }

    fn take_rejected(&mut self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        let mut taken = Vec::new();
        for table in [Table::Rejected, Table::Send] {
            let items = self.items_of(table, page)?;
            items.iter().for_each(|item| self.batch.remove(table, record::encode_place(item.place())));
            taken.extend(items);
        }
        Ok(taken)
    }

    fn count_page(&mut self, origin: &str) {
        self.origins.change(origin, &mut self.record.next_origin).record.pages += 1;
    }

    fn uncount_page(&mut self, origin: &str) {
        let pages = &mut self.origins.change(origin, &mut self.record.next_origin).record.pages;
        // Earlier versions counted a page again that a rescan had fetched once more, and never took one back.
        *pages = pages.saturating_sub(1);
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
        self.batch.put(Table::Robots, origin.as_str(), record::encode(&record));
    }

    fn robots(&self, origin: &Origin) -> Result<Option<KnownRobots>, FrontierError> {
        let Some(bytes) = self.tables.get(Table::Robots, origin.as_str().as_bytes())? else { return Ok(None) };
        // What cannot be read is fetched anew.
        let Ok(RobotsRecord { rules, until_ms }) = record::decode(&bytes) else { return Ok(None) };
        Ok(Some(KnownRobots { rules: Arc::new(rules.into_owned()), until: self.clock.to_instant(until_ms) }))
    }

    fn set_cookies(&mut self, domain: &str, cookies: &[Cookie]) {
        let key = [COOKIES, domain].concat();
        match cookies {
            [] => self.batch.remove(Table::Crawl, key),
            cookies => self.batch.put(Table::Crawl, key, record::encode(&cookies)),
        }
    }

    fn cookies(&self) -> Result<Changes, FrontierError> {
        let mut all = Changes::new();
        for row in beginning_with(&*self.tables, Table::Crawl, COOKIES.as_bytes()) {
            let (key, value) = row?;
            let domain = key.strip_prefix(COOKIES.as_bytes()).and_then(|domain| std::str::from_utf8(domain).ok());
            let domain = domain.ok_or_else(|| damaged("a domain of cookies is no text"))?;
            all.insert(domain.to_owned(), record::decode(&value)?);
        }
        Ok(all)
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        let Some(queue) = self.origins.get(origin.as_str()) else { return Ok(Taken::default()) };
        let (number, none_later) = (queue.record.number, queue.none_later);
        let from = queue.cursor.unwrap_or(QueueKey::first_of(number));
        let (mut requests, mut more_ripe, mut later) = (Vec::new(), false, None);
        if !none_later {
            let ripe = QueueKey::later(number, self.clock.millis_by(now) + 1, 0);
            let found;
            (found, more_ripe) = self.read(Table::Later, &QueueKey::first_of(number), &ripe, most)?;
            self.hand_out(found, &mut requests);
            if !more_ripe {
                let any;
                (later, any) = self.next_later(number)?;
                self.origins.queue_mut(origin.as_str()).expect("looked up above").none_later = !any;
            }
        }
        let (found, more_due) = self.read(Table::Due, &from, &QueueKey::end_of(number), most - requests.len())?;
        if let Some((last, _)) = found.last() {
            self.origins.queue_mut(origin.as_str()).expect("looked up above").cursor = Some(*last);
        }
        self.hand_out(found, &mut requests);
        Ok(Taken { requests, more: more_due || more_ripe, later })
    }

    fn take_one(&mut self, key: DedupKey) -> Result<Option<Request>, FrontierError> {
        if self.is_in_flight(key) {
            return Ok(None);
        }
        let Some(KnownUrl { place, .. }) = known::read(&*self.tables, key)? else { return Ok(None) };
        // A request that has ended is not where it was.
        let Some(request) = self.queued(place)?.filter(|request| request.key == key) else { return Ok(None) };
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
        // An engine elsewhere may move it while it is looked for: where it is, it is found by looking again.
        for _ in 0..LOOKS {
            let Some(KnownUrl { place, .. }) = known::read(&*self.tables, key)? else { return Ok(None) };
            for table in [Table::Done, Table::Dead] {
                if let Some(story) = story(&*self.tables, table, key)? {
                    return Ok(Some(Whereabouts::Ended(story)));
                }
            }
            if let Some(request) = self.queued(place)? {
                return Ok(Some(Whereabouts::Queued {
                    given_up: self.given_up(request.url.origin_str()).map(str::to_owned),
                    in_flight: self.is_in_flight(key),
                    not_before_ms: place.is_later().then(|| place.millis()),
                    request,
                }));
            }
        }
        Err(damaged("a known URL is neither queued nor ended: run `engine check`"))
    }

    fn done(&self, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError> {
        stories(&*self.tables, Table::Done, after, most, &|_| true)
    }

    fn dead(&self, reason: Option<&str>, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError> {
        let is_meant = |story: &Story| matches!(&story.end, StoryEnd::Dead { reason: why } if ledger::is_meant(reason, why));
        stories(&*self.tables, Table::Dead, after, most, &is_meant)
    }

    fn dead_with_origin(&self, reason: Option<&str>, most: usize) -> Result<Vec<DeadLetter>, FrontierError> {
        let mut letters = Vec::new();
        for origin in self.all_given_up(reason) {
            let Some(queue) = self.origins.get(origin.as_str()) else { continue };
            let (from, to) = (QueueKey::first_of(queue.record.number), QueueKey::end_of(queue.record.number));
            let rows = |table| self.tables.range(table, from.as_bytes(), Some(to.as_bytes()), most);
            for row in rows(Table::Due).chain(rows(Table::Later)) {
                if letters.len() == most {
                    return Ok(letters);
                }
                let request = record::decode_request(&row?.1)?;
                letters.push(DeadLetter::of(request, queue.record.given_up.clone().unwrap_or_default()));
            }
        }
        Ok(letters)
    }

    fn revive(&mut self, key: DedupKey) {
        self.batch.remove(Table::Dead, key.to_bytes());
    }

    fn rejected(&self, reason: Option<&str>, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        items(&*self.tables, Table::Rejected, after, most, &|item| ledger::is_meant(reason, &item.reason))
    }

    fn rejected_on(&self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        beginning_with(&*self.tables, Table::Rejected, &page.to_bytes()).map(|row| record::decode(&row?.1)).collect()
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
        self.batch.put(Table::Crawl, SCOPE, bytes);
        self.write(Durability::Usual)
    }

    fn send_again(&mut self, item: RejectedItem) {
        let place = record::encode_place(item.place());
        self.batch.remove(Table::Rejected, place);
        self.batch.put(Table::Send, place, record::encode(&item));
    }

    fn to_send(&self, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        items(&*self.tables, Table::Send, after, most, &|_| true)
    }

    fn is_to_send(&self, place: ItemPlace) -> Result<bool, FrontierError> {
        let key = record::encode_place(place);
        match self.batch.change(Table::Send, &key) {
            Some(change) => Ok(change.is_some()),
            None => Ok(self.tables.get(Table::Send, &key)?.is_some()),
        }
    }

    fn sent(&mut self, place: ItemPlace) {
        self.batch.remove(Table::Send, record::encode_place(place));
    }

    fn count_alike(&mut self, mark: u64, count: u32) {
        self.batch.put(Table::Alike, mark.to_be_bytes(), count.to_be_bytes());
    }

    fn apply(&mut self, ledger: &Ledger, notes: &Notes) -> Result<(), FrontierError> {
        self.note(ledger, notes);
        self.write(Durability::Usual)
    }

    fn begin_output(&mut self, output: Option<OutputMark>) -> Result<(), FrontierError> {
        self.record.output = output;
        self.write(Durability::Synced)
    }

    fn set_complete(&mut self, complete: bool) -> Result<(), FrontierError> {
        self.record.complete = complete;
        self.write(Durability::Synced)
    }

    fn tenure(&self) -> Tenure {
        self.tables.tenure()
    }
}

/// A pause in whole milliseconds, never shorter.
fn millis_up(pause: Duration) -> u64 {
    u64::try_from(pause.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn story(tables: &dyn Tables, table: Table, key: DedupKey) -> Result<Option<Story>, FrontierError> {
    tables.get(table, &key.to_bytes())?.map(|bytes| record::decode_story(&bytes)).transpose()
}

/// The first stories after a key that are meant.
fn stories(
    tables: &dyn Tables,
    table: Table,
    after: Option<DedupKey>,
    most: usize,
    is_meant: &dyn Fn(&Story) -> bool,
) -> Result<Vec<Story>, FrontierError> {
    let after = after.map(|key| key.to_bytes().to_vec());
    collect(rows_after(tables, table, after, most), most, &record::decode_story, is_meant)
}

/// The first refused items after a place that are meant.
fn items(
    tables: &dyn Tables,
    table: Table,
    after: Option<ItemPlace>,
    most: usize,
    is_meant: &dyn Fn(&RejectedItem) -> bool,
) -> Result<Vec<RejectedItem>, FrontierError> {
    let after = after.map(|place| record::encode_place(place).to_vec());
    collect(rows_after(tables, table, after, most), most, &record::decode, is_meant)
}

/// The rows whose keys come after this one.
fn rows_after(tables: &dyn Tables, table: Table, after: Option<Vec<u8>>, most: usize) -> Rows<'_> {
    // Nothing lies between a key and the same with a zero more.
    let from = after.map_or_else(Vec::new, |key| [&key[..], &[0]].concat());
    tables.range(table, &from, None, most)
}

fn collect<T>(
    rows: Rows<'_>,
    most: usize,
    decode: &dyn Fn(&[u8]) -> Result<T, FrontierError>,
    is_meant: &dyn Fn(&T) -> bool,
) -> Result<Vec<T>, FrontierError> {
    let mut found = Vec::new();
    for row in rows {
        if found.len() == most {
            break;
        }
        let value = decode(&row?.1)?;
        if is_meant(&value) {
            found.push(value);
        }
    }
    Ok(found)
}
