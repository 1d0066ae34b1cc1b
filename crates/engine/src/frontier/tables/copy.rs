//! Copies a crawl: from the state directory into a database, back, or from one place to another of its kind.
//!
//! A row says the same wherever it is, but for one thing: on disk a crawl is one part, in a database it is divided by hosts, and each part has
//! numbers of its own for its origins. So each row is put as it is into the part that keeps its host, under the origin's number there. Tries,
//! times and the order of a queue stay as they are, to the byte. Counters are counted anew for each part, while its rows pass by, and must come
//! to those of the crawl.
//!
//! Reads each table once; memory does not grow with the crawl, but for its origins and its counts against traps.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::Origin;
use tokio::time::Instant;

use super::check::{Checked, differences};
use super::opening::read_alike;
use super::queue_key::QueueKey;
use super::record::{self, CrawlRecord, KnownUrl, OriginRecord};
use super::storage::{COOKIES, RECORD};
use super::{Batch, Durability, Rows, Table, Tables, beginning_with, damaged, read_record};
use crate::frontier::{FrontierError, RejectedItem, alike};
use crate::ledger::{self, Ledger};

/// Rows of a part that are written together.
const GROUP: usize = 1024;

/// Rows that are read at a time, where that matters.
const READ: usize = 4096;

/// A crawl that is to be copied. Nobody changes it as long as its home is held.
pub struct Original {
    /// Where it is, for a person.
    pub name: String,
    /// Identity and counters. Without a mark of `-o`: a file is continued only where it is.
    pub record: CrawlRecord,
    /// The scope of the last start, as it is stored.
    pub(in crate::frontier) scope: Option<Vec<u8>>,
    pub(in crate::frontier) parts: Vec<Arc<dyn Tables>>,
}

impl Original {
    /// Puts all of it but the scope into parts that are empty. `keeper` tells the part that keeps a host's URLs; `new` is what the record of each
    /// part begins with. The records are written last.
    pub(in crate::frontier) fn fill(
        &self,
        parts: Vec<Arc<dyn Tables>>,
        keeper: &dyn Fn(&str) -> usize,
        new: &CrawlRecord,
    ) -> Result<(), FrontierError> {
        let parts =
            parts.into_iter().map(|tables| Filling { tables, record: new.clone(), open: Batch::default(), rows: 0, is_used: false });
        let mut copy = Copy { parts: parts.collect(), keeper, alike: BTreeMap::new(), next_sequence: 0 };
        for part in &self.parts {
            copy.part(&**part)?;
        }
        copy.finish(self)
    }

    /// A copy that was checked, if nothing is wrong with it.
    pub(in crate::frontier) fn sound(&self, copy: Checked) -> Result<Checked, FrontierError> {
        match copy.first_fault() {
            None => Ok(copy),
            Some(why) => Err(self.not_copied(why)),
        }
    }

    /// An error that names it.
    fn not_copied(&self, why: String) -> FrontierError {
        FrontierError::NotCopied { name: self.name.clone(), why }
    }
}

/// A part that is being filled.
struct Filling {
    tables: Arc<dyn Tables>,
    record: CrawlRecord,
    /// What is not written yet.
    open: Batch,
    rows: usize,
    is_used: bool,
}

impl Filling {
    fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Result<(), FrontierError> {
        self.open.put(table, key, value);
        self.rows += 1;
        self.is_used = true;
        if self.rows == GROUP { self.write(Durability::Usual) } else { Ok(()) }
    }

    fn write(&mut self, durability: Durability) -> Result<(), FrontierError> {
        let mut batch = std::mem::take(&mut self.open);
        (batch.queued, batch.pages) = (self.record.ledger.urls.queued, self.record.ledger.pages);
        self.rows = 0;
        self.tables.write(batch, durability)
    }
}

/// Where an origin of the original is in the copy.
struct Moved {
    part: usize,
    number: u32,
    given_up: Option<String>,
}

/// A copy while it is made.
struct Copy<'c> {
    parts: Vec<Filling>,
    keeper: &'c dyn Fn(&str) -> usize,
    alike: BTreeMap<u64, u32>,
    next_sequence: u64,
}

fn all(tables: &dyn Tables, table: Table) -> Rows<'_> {
    tables.range(table, &[], None, READ)
}

impl Copy<'_> {
    /// Copies a part of the original.
    fn part(&mut self, from: &dyn Tables) -> Result<(), FrontierError> {
        let origins = self.origins(from)?;
        let moved = |place: QueueKey| origins.get(&place.origin()).ok_or_else(|| damaged("a URL is in the queue of an unknown origin"));
        for row in all(from, Table::Known) {
            let (key, value) = row?;
            let KnownUrl { parser, place } = KnownUrl::decode(&value)?;
            let to = moved(place)?;
            let part = &mut self.parts[to.part];
            part.record.ledger.urls.discovered += 1;
            part.put(Table::Known, key, KnownUrl { parser, place: place.under(to.number) }.encode())?;
        }
        for table in [Table::Due, Table::Later] {
            for row in all(from, table) {
                let (key, value) = row?;
                let place = QueueKey::from_bytes(&key)?;
                let to = moved(place)?;
                let part = &mut self.parts[to.part];
                let Ledger { urls, dead_by_reason, .. } = &mut part.record.ledger;
                match &to.given_up {
                    None => urls.queued += 1,
                    Some(reason) => {
                        urls.dead += 1;
                        ledger::count(dead_by_reason, reason, 1);
                    }
                }
                part.put(table, place.under(to.number).as_bytes(), value)?;
            }
        }
        for table in [Table::Done, Table::Dead] {
            for row in all(from, table) {
                let (key, value) = row?;
                let story = record::decode_story(&value)?;
                let part = self.keeper(story.request.url.host_str());
                part.record.ledger.add(&story.end);
                part.put(table, key, value)?;
            }
        }
        for table in [Table::Rejected, Table::Send] {
            for row in all(from, table) {
                let (key, value) = row?;
                let item = record::decode::<RejectedItem>(&value)?;
                let part = self.keeper(item.page.host_str());
                ledger::count(&mut part.record.ledger.rejected_by_reason, &item.reason, 1);
                part.put(table, key, value)?;
            }
        }
        for row in all(from, Table::Robots) {
            let (key, value) = row?;
            self.keeper(origin(&key).host().as_str()).put(Table::Robots, key, value)?;
        }
        for row in beginning_with(from, Table::Crawl, COOKIES.as_bytes()) {
            let (key, value) = row?;
            let domain = String::from_utf8_lossy(&key[COOKIES.len()..]).into_owned();
            self.keeper(&domain).put(Table::Crawl, key, value)?;
        }
        for (mark, count) in read_alike(from)? {
            // The part that goes on counting for a host has the most of it; the others have what they were given.
            if self.alike.len() < alike::MOST || self.alike.contains_key(&mark) {
                let most = self.alike.entry(mark).or_default();
                *most = count.max(*most);
            }
        }
        if let Some(record) = read_record(from)? {
            self.next_sequence = self.next_sequence.max(record.next_sequence);
        }
        Ok(())
    }

    fn keeper(&mut self, host: &str) -> &mut Filling {
        &mut self.parts[(self.keeper)(host)]
    }

    /// Copies the origins of a part, in their order. Answers where each is now, by its number.
    fn origins(&mut self, from: &dyn Tables) -> Result<HashMap<u32, Moved>, FrontierError> {
        let mut origins: Vec<(Origin, OriginRecord)> = Vec::new();
        for row in all(from, Table::Origins) {
            let (key, value) = row?;
            origins.push((origin(&key), record::decode(&value)?));
        }
        origins.sort_by_key(|(_, record)| record.number);
        let mut moved = HashMap::new();
        for (origin, record) in origins {
            let at = (self.keeper)(origin.host().as_str());
            let part = &mut self.parts[at];
            let number = part.record.next_origin;
            part.record.next_origin += 1;
            moved.insert(record.number, Moved { part: at, number, given_up: record.given_up.clone() });
            part.put(Table::Origins, origin.as_str(), record::encode(&OriginRecord { number, ..record }))?;
        }
        Ok(moved)
    }

    /// Compares the counters, and writes what is left, the records last.
    fn finish(mut self, original: &Original) -> Result<(), FrontierError> {
        // What no row tells: it is of no host, so that any part may have it.
        let first = &mut self.parts[0];
        first.record.ledger.links_refused.clone_from(&original.record.ledger.links_refused);
        first.record.ledger.parser_conflicts = original.record.ledger.parser_conflicts;
        first.is_used |= first.record.ledger != Ledger::default();
        let mut sum = Ledger::default();
        self.parts.iter().for_each(|part| sum.merge(&part.record.ledger));
        if let Some((name, is, should)) = differences(&original.record.ledger, &sum).first() {
            return Err(original.not_copied(format!("its counters are wrong ({name}: {is}, recounted {should})")));
        }
        let is_only = self.parts.len() == 1;
        for part in self.parts.iter_mut().filter(|part| part.is_used || is_only) {
            // A mark does not tell its host, so each part with hosts gets all of them: a mark is asked for by the hosts it is of alone.
            if part.record.next_origin > 0 {
                for (mark, count) in &self.alike {
                    part.put(Table::Alike, mark.to_be_bytes(), count.to_be_bytes())?;
                }
            }
            part.record.next_sequence = self.next_sequence;
            part.open.put(Table::Crawl, RECORD, part.record.encode());
            part.write(Durability::Synced)?;
        }
        // Had somebody else begun to work on the original meanwhile, what was read would be of two times.
        for tenure in original.parts.iter().map(|part| part.tenure()) {
            if !tenure.holds(Instant::now()) {
                return Err(tenure.lost().unwrap_or_else(|| original.not_copied("its database was away".to_owned())));
            }
        }
        Ok(())
    }
}

fn origin(key: &[u8]) -> Origin {
    Origin::from(String::from_utf8_lossy(key).into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use model::job::NetPermit;
    use model::{CrawlName, CrawlUrl, Item, ItemId, ParserRef, PayloadJson, RobotsRules, RunId, Secret, SpiderHash};
    use proptest::prelude::*;

    use super::*;
    use crate::cookies::Cookie;
    use crate::frontier::tables::Place;
    use crate::frontier::testing::{Desk, database, holder, home};
    use crate::frontier::{DiskPlace, Ending, Entrance, Fate, Frontier, Home, Notes, Opening, OutputMark, PageEnd, PageFacts, Whereabouts};
    use crate::ledger::ItemCounts;
    use crate::request::{Cost, Request};
    use crate::scheduler::{Health, Ill, KnownRobots};
    use crate::scope::{Breadth, LinkRules, Scope, Site};

    /// Two origins of one domain, with a port of its own, without a domain.
    const ORIGINS: [&str; 5] =
        ["http://site0.example", "http://www.site0.example", "https://site1.example:8443", "http://site2.example", "http://10.0.0.1"];

    const PATHS: usize = 12;

    /// Long after everything that waits.
    const LONG: Duration = Duration::from_secs(1_000_000);

    fn request(at: usize, path: usize) -> Request {
        let url = format!("{}/{}{path}", ORIGINS[at % ORIGINS.len()], if path.is_multiple_of(2) { "" } else { "page" });
        Request::seed(CrawlUrl::parse(&url).unwrap(), Arc::new(ParserRef::named("page")))
    }

    fn requests() -> impl Iterator<Item = Request> {
        (0..ORIGINS.len()).flat_map(|at| (0..PATHS).map(move |path| request(at, path)))
    }

    fn scope() -> Scope {
        let rules = LinkRules { breadth: Breadth::Any, alike: std::num::NonZeroU32::new(4), ..LinkRules::default() };
        Scope::new([], vec![], vec![], None).with(rules)
    }

    fn opening(crawl: &CrawlName) -> Opening<'static> {
        let new = CrawlRecord::new(crawl.clone(), RunId(7), Some(SpiderHash::of(b"spider")));
        Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false }
    }

    fn open(home: &dyn Home, crawl: &CrawlName) -> (Box<dyn Frontier>, CrawlRecord) {
        match home.open(opening(crawl)).unwrap() {
            Entrance::Alone(frontier, record) => (frontier, record),
            Entrance::Among(..) | Entrance::Complete { .. } => panic!("somebody else is at it, or it is complete"),
        }
    }

    fn disk(folder: &tempfile::TempDir, name: &str) -> DiskPlace {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        DiskPlace::new(path.join("frontier"), Duration::from_secs(1))
    }

    fn new_crawl() -> CrawlName {
        let Desk::Database(crawl) = Desk::database() else { panic!() };
        crawl
    }

    /// Something that befalls a crawl: what, at which origin, and a number for the rest.
    type Step = (usize, usize, usize);

    fn befall(frontier: &mut dyn Frontier, (what, at, n): Step, now_ms: u64) {
        let (now, origin) = (Instant::now(), request(at, 0).url.origin());
        match what {
            0 => _ = frontier.seed((0..3).map(|k| Request { priority: (n % 3) as i32 - 1, ..request(at + k, n + k) }).collect()).unwrap(),
            // In flight when the crawl is stopped.
            1 => _ = frontier.take(&origin, n % 3, now).unwrap(),
            2 => _ = frontier.give_up(&origin, ["origin dead", "other"][n % 2]).unwrap(),
            3 if n % 4 == 0 => _ = frontier.requeue(None).unwrap(),
            4 => {
                let ill =
                    (n % 2 == 0).then(|| Ill { lasted: Duration::from_secs(5), failures: 2, until: now + Duration::from_secs(n as u64) });
                let due = Some(now + Duration::from_millis(n as u64));
                let health = Health { answered: n % 2 == 1, due, pace: Some(Duration::from_millis(7)), ill, ..Health::default() };
                let rules = Arc::new(RobotsRules::allow_all());
                let robots = KnownRobots { rules, until: now + Duration::from_secs(n as u64) };
                let cookie = Cookie {
                    name: "c".to_owned(),
                    value: Secret::new(n.to_string()),
                    host_only: true,
                    path: "/".to_owned(),
                    secure: false,
                    expires_ms: None,
                    number: n as u64,
                };
                let notes = Notes {
                    health: vec![(origin.clone(), health)],
                    robots: vec![(origin.clone(), robots)],
                    cookies: [(origin.host().as_str().to_owned(), vec![cookie])].into(),
                    sites: vec![Site::of(&request(at, n).url)],
                    permits: vec![NetPermit { host: format!("10.0.0.{at}"), port: None }],
                    output: Some(OutputMark { file: "f".to_owned(), bytes: n as u64 }),
                    ..Notes::default()
                };
                frontier.commit(vec![], &notes, &scope()).unwrap();
            }
            _ => {
                let after = if what == 5 { LONG } else { Duration::ZERO };
                let taken = frontier.take(&origin, 2, now + after).unwrap().requests;
                let group = taken.into_iter().enumerate().map(|(k, request)| ending(request, at, n + k, now)).collect();
                frontier.commit(group, &Notes { now_ms, versions: now_ms, ..Notes::default() }, &scope()).unwrap();
            }
        }
    }

    fn ending(mut request: Request, at: usize, n: usize, now: Instant) -> Ending {
        request.tries.attempts += 1;
        request.tries.keep(n as u64, Cost::Attempt, "why");
        let target = || Box::new(self::request(at + n, n));
        let fate = match n % 9 {
            0 => Fate::Skipped { reason: "gone".to_owned() },
            1 => Fate::Dead { reason: "bad".to_owned() },
            2 => Fate::Again { not_before: None },
            3 => Fate::Again { not_before: Some(now + Duration::from_secs(n as u64)) },
            4 => Fate::Redirected { target: target(), revisit: n.is_multiple_of(2) },
            _ => {
                let other = Request { parser: Arc::new(ParserRef::named("other")), ..self::request(at + 1, n) };
                let links = (0..4).map(|k| Request { priority: k, ..self::request(at + k as usize, n + 3 * k as usize) }).chain([other]);
                let item = Item {
                    url: request.url.clone(),
                    item_type: "t".to_owned(),
                    id: ItemId::given("i").unwrap(),
                    payload: PayloadJson::parse("{}".to_owned()).unwrap(),
                };
                let (page, key) = (request.url.clone(), Some(request.key));
                let rejected = RejectedItem { page, fetched_at_ms: 1, version: 2, key, ordinal: 0, item, reason: format!("no{}", n % 2) };
                let items = ItemCounts { parsed: 3, saved: 2, rejected: 1, collided: 1, noindex: 2 };
                Fate::Page(PageEnd {
                    links: links.collect(),
                    refused: vec![("mailto", 3)],
                    facts: PageFacts { status: 200, items, version: n as u64, ..PageFacts::default() },
                    rejected: vec![rejected],
                    ..PageEnd::default()
                })
            }
        };
        Ending { request: Box::new(request), fate }
    }

    /// Every row of a crawl, origins by name in the place of their numbers.
    fn rows(original: &Original) -> BTreeSet<(&'static str, String, Vec<u8>, Vec<u8>)> {
        let mut rows = BTreeSet::new();
        let mut alike = BTreeMap::new();
        for part in &original.parts {
            let mut names = HashMap::new();
            for row in all(&**part, Table::Origins) {
                let (name, value) = row.unwrap();
                let record = record::decode::<OriginRecord>(&value).unwrap();
                names.insert(record.number, origin(&name).to_string());
                rows.insert(("origins", String::new(), name, record::encode(&OriginRecord { number: 0, ..record })));
            }
            for table in [Table::Known, Table::Due, Table::Later, Table::Done, Table::Dead, Table::Rejected, Table::Send, Table::Robots] {
                for row in all(&**part, table) {
                    let (key, value) = row.unwrap();
                    let name = |place: QueueKey| (names[&place.origin()].clone(), place.under(0).as_bytes().to_vec());
                    let (name, key, value) = match table {
                        Table::Known => {
                            let KnownUrl { parser, place } = KnownUrl::decode(&value).unwrap();
                            let (name, place) = name(place);
                            (name, key, [&parser.to_be_bytes()[..], &place].concat())
                        }
                        Table::Due | Table::Later => {
                            let (name, place) = name(QueueKey::from_bytes(&key).unwrap());
                            (name, place, value)
                        }
                        _ => (String::new(), key, value),
                    };
                    assert!(rows.insert((table.name(), name, key, value)), "a row is in one part");
                }
            }
            for row in beginning_with(&**part, Table::Crawl, COOKIES.as_bytes()) {
                let (key, value) = row.unwrap();
                rows.insert(("cookies", String::new(), key, value));
            }
            for (mark, count) in read_alike(&**part).unwrap() {
                let most: &mut u32 = alike.entry(mark).or_default();
                *most = count.max(*most);
            }
        }
        rows.extend(alike.into_iter().map(|(mark, count)| ("alike", String::new(), mark.to_be_bytes().into(), count.to_be_bytes().into())));
        rows
    }

    /// What the record says of the crawl, in a stated order.
    fn told(original: &Original) -> String {
        let CrawlRecord { crawl, run, epoch, complete, spider, ledger, versions, sites, permits, at_ms, output, .. } = &original.record;
        let sorted = |texts: Vec<String>| texts.into_iter().collect::<BTreeSet<_>>();
        let (sites, permits) = (sites.iter().map(|site| format!("{site:?}")), permits.iter().map(|permit| format!("{permit:?}")));
        let (sites, permits) = (sorted(sites.collect()), sorted(permits.collect()));
        format!("{crawl} {run:?} {epoch} {complete} {spider:?} {ledger:?} {versions} {sites:?} {permits:?} {at_ms} {output:?}")
    }

    /// What an engine finds that goes on: each URL, the counters, and what is handed out, in its order.
    fn found(home: &dyn Home, crawl: &CrawlName) -> (Vec<Option<Whereabouts>>, Ledger, Vec<Vec<Request>>) {
        let (mut frontier, record) = open(home, crawl);
        assert_eq!(record.ledger, *frontier.ledger());
        let whereabouts = requests().map(|request| frontier.find(request.key).unwrap()).collect();
        let ledger = frontier.ledger().clone();
        let later = Instant::now() + LONG;
        let taken = (0..ORIGINS.len()).map(|at| frontier.take(&request(at, 0).url.origin(), 1000, later).unwrap().requests).collect();
        (whereabouts, ledger, taken)
    }

    fn copied(from: &dyn Home, to: &dyn Home) -> Ledger {
        let checked = to.copy(&from.original().unwrap()).unwrap();
        assert!(checked.is_clean());
        checked.record.ledger
    }

    fn some_crawl(home: &dyn Home, crawl: &CrawlName, steps: &[Step]) {
        let (mut frontier, _) = open(home, crawl);
        frontier.keep_scope(&scope()).unwrap();
        for (now_ms, step) in (1..).zip(steps) {
            befall(&mut *frontier, *step, now_ms);
        }
        assert!(frontier.ledger().is_balanced());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn any_crawl_goes_on_where_it_was_after_a_way_over_databases_and_disk(
            steps in proptest::collection::vec((0usize..12, 0usize..5, 0usize..PATHS), 1..60),
        ) {
            let (folder, crawl, other) = (tempfile::tempdir().unwrap(), new_crawl(), new_crawl());
            let [first, last] = ["first", "last"].map(|name| disk(&folder, name));
            some_crawl(&first, &crawl, &steps);
            let told = |original: &Original| (rows(original), told(original), original.scope.clone());
            let (expected, ledger) = first.original().map(|original| (told(&original), original.record.ledger)).unwrap();
            let eight_shards = || home(&crawl, "eight");
            let three_shards = || database().enter_in(other.clone(), 3, holder("three")).unwrap();
            let check = |from: &dyn Home, to: &dyn Home| {
                assert_eq!(copied(from, to), ledger);
                assert_eq!(told(&to.original().unwrap()), expected);
                assert_eq!(told(&from.original().unwrap()), expected);
            };
            check(&first, &eight_shards());
            check(&eight_shards(), &three_shards());
            check(&three_shards(), &last);
            let expected = found(&first, &crawl);
            prop_assert_eq!(found(&eight_shards(), &crawl), expected.clone());
            prop_assert_eq!(found(&last, &crawl), expected);
        }
    }

    const STEPS: [Step; 6] = [(0, 0, 1), (0, 2, 5), (6, 0, 5), (6, 2, 7), (4, 0, 3), (6, 3, 3)];

    #[test]
    fn a_copy_needs_a_place_without_a_crawl() {
        let (folder, crawl) = (tempfile::tempdir().unwrap(), new_crawl());
        let [one, two] = ["one", "two"].map(|name| disk(&folder, name));
        some_crawl(&one, &crawl, &STEPS);
        some_crawl(&two, &crawl, &STEPS[..2]);
        let before = rows(&two.original().unwrap());
        assert!(matches!(two.copy(&one.original().unwrap()), Err(FrontierError::Taken(_))));
        assert_eq!(rows(&two.original().unwrap()), before);
        let database = home(&crawl, "here");
        copied(&two, &database);
        assert!(matches!(database.copy(&one.original().unwrap()), Err(FrontierError::Taken(_))));
        assert_eq!(rows(&database.original().unwrap()), before);
    }

    #[test]
    fn a_crawl_that_does_not_add_up_is_not_copied_and_nothing_of_it_is_kept() {
        let (folder, crawl) = (tempfile::tempdir().unwrap(), new_crawl());
        let [one, two] = ["one", "two"].map(|name| disk(&folder, name));
        some_crawl(&one, &crawl, &STEPS);
        // A URL is nowhere; then a counter is wrong.
        let damages: [fn(&dyn Tables); 2] = [
            |tables| {
                let (key, _) = all(tables, Table::Due).next().unwrap().unwrap();
                let mut batch = Batch::default();
                batch.remove(Table::Due, key);
                tables.write(batch, Durability::Synced).unwrap();
            },
            |tables| {
                let mut record = read_record(tables).unwrap().unwrap();
                record.ledger.urls.queued -= 1;
                let mut batch = Batch::default();
                batch.put(Table::Crawl, RECORD, record.encode());
                tables.write(batch, Durability::Synced).unwrap();
            },
        ];
        for (damage, sentence) in damages.into_iter().zip(["its counters are wrong (queued: ", "known, but neither queued nor ended"]) {
            damage(&*one.original().unwrap().parts[0]);
            for to in [&two as &dyn Home, &home(&crawl, "here")] {
                let refused = to.copy(&one.original().unwrap()).err().unwrap().to_string();
                assert!(refused.contains(sentence), "{refused}");
                assert!(to.peek().is_none());
            }
            assert_eq!(std::fs::read_dir(folder.path().join("two")).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_copy_that_was_cut_off_is_no_crawl_and_whoever_comes_next_begins_without_it() {
        let (folder, crawl) = (tempfile::tempdir().unwrap(), new_crawl());
        let [one, two] = ["one", "two"].map(|name| disk(&folder, name));
        some_crawl(&one, &crawl, &STEPS);
        let original = one.original().unwrap();
        let cut_off = || {
            let draft = Place::open(&two.draft()).unwrap();
            original.fill(vec![draft], &|_| 0, &opening(&crawl).new).unwrap();
            home(&crawl, "here").fill_and_die(&original);
        };
        cut_off();
        assert!(two.peek().is_none() && home(&crawl, "here").peek().is_none());
        for to in [&two as &dyn Home, &home(&crawl, "here")] {
            assert!(to.copy(&original).unwrap().is_clean());
            assert_eq!(rows(&to.original().unwrap()), rows(&original));
            to.discard().unwrap();
        }
        cut_off();
        for to in [&two as &dyn Home, &home(&crawl, "here")] {
            let (frontier, record) = open(to, &crawl);
            assert_eq!((frontier.ledger(), record.epoch), (&Ledger::default(), 1));
        }
        assert!(!two.draft().is_begun().unwrap());
        assert!(home(&crawl, "here").check(false).unwrap().is_clean());
    }
}
