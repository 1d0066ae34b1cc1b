//! The frontier of a crawl that several engines share: a part of it for each shard, of which this engine has some.
//!
//! What an engine has is handed out and committed by it alone, under the shard's epoch; a group is one statement, over all the shards that it
//! changes. A link to a shard of another engine goes into that shard's inbox with the same statement, and the other enters it in one with
//! taking it out: so it is nowhere missing and nowhere doubled, whoever dies. The counters are kept by shard and add up to those of the crawl.
//!
//! **Invariant.** A host, with all of its registrable domain, belongs to one shard, and a shard to one engine at a time.
//! **Invariant.** A shard is given back only once nothing of it is handed out.
//! **Invariant.** A crawl is over when no shard has anything queued and no inbox has anything in it, seen in one look. Work comes from work, so
//! that stays true.

mod ahead;
mod copy;
mod home;
mod letter;
mod tend;
mod territory;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use model::job::NetPermit;
use model::{DedupKey, Origin};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::postgres::{Group, Line, PostgresTables, Sent, Shared};
use super::rules::{Answer, Entry, Manner};
use super::storage::{ItemPlace, Storage};
use super::tables::storage::{Closed, RECORD, SCOPE};
use super::tables::{Part, Room, Table, beginning_with, damaged, read_scope};
use super::{
    Committed, CrawlRecord, DeadLetter, Ending, Fate, Frontier, FrontierError, Notes, OriginState, OutputMark, PageBudget, RejectedItem,
    Requeued, TableFrontier, Taken, TakenOver, Tended, Tenure, Whereabouts,
};
use crate::cookies::Changes;
use crate::ledger::Ledger;
use crate::request::Request;
use crate::scheduler::KnownRobots;
use crate::scope::{Scope, Site};
use letter::Message;

pub use home::DatabaseHome;
pub(crate) use tend::TAKEN_OVER_AFTER;
pub(super) use territory::{Division, SUFFIXES, Shard, Territory};

/// Keys of URLs that were sent to other shards and need not be sent again, remembered up to so many; then all are forgotten.
const SENT: usize = 256 * 1024;

/// What the keys of sites that have joined begin with, of permits, and of where an engine's output stands.
const SITE: &str = "site/";
const PERMIT: &str = "permit/";
const OUTPUT: &str = "output/";

/// See the module.
pub(super) struct ShardedFrontier {
    shared: Arc<Shared>,
    /// The crawl's number; those of its shards follow.
    crawl: i32,
    division: Division,
    /// This engine's number; 0 for who only looks.
    engine: i64,
    /// The state directory, for what goes on there alone.
    place: String,
    /// The crawl's identity.
    record: CrawlRecord,
    held: BTreeMap<Shard, Held>,
    /// The counters of the shards that others have, or nobody, as they were when they were looked at last.
    elsewhere: BTreeMap<Shard, Ledger>,
    /// The sum of all.
    whole: Ledger,
    room: Room,
    sent: HashSet<DedupKey>,
    letters: u64,
    /// Rows of sites and permits that have joined, as many as were read.
    noted: i64,
    /// Whether other engines were at it when this one came.
    joined: bool,
    /// When the others were looked at last.
    looked: Option<Instant>,
}

/// A shard that this engine has.
struct Held {
    line: Line,
    tables: Arc<PostgresTables>,
    frontier: TableFrontier,
    /// Nothing more of it is handed out; it is given back when the last of it has ended.
    leaving: bool,
}

/// What a group does beside what changes in shards.
#[derive(Default)]
struct Beside {
    whole: Vec<(String, Vec<u8>)>,
    received: Vec<(i32, Vec<u8>)>,
    sent: Vec<Sent>,
    pages: u64,
}

impl ShardedFrontier {
    /// The number of a shard's rows.
    fn number(&self, shard: Shard) -> i32 {
        self.crawl + 1 + i32::from(shard)
    }

    fn shard_of_number(&self, number: i32) -> Shard {
        u16::try_from(number - self.crawl - 1).expect("the numbers of a crawl's shards follow its own")
    }

    fn shard_of(&self, origin: &Origin) -> Shard {
        self.division.shard(origin.host().as_str())
    }

    fn holder_of(&mut self, origin: &Origin) -> Option<&mut Held> {
        let shard = self.shard_of(origin);
        self.held.get_mut(&shard)
    }

    /// Opens a shard that was taken.
    fn load(&mut self, line: Line) -> Result<Shard, FrontierError> {
        let shard = self.shard_of_number(line.number);
        let tables = Arc::new(PostgresTables::of_shard(Arc::clone(&self.shared), line));
        let part = Part {
            tables: Arc::<PostgresTables>::clone(&tables),
            territory: Territory::new(self.division, shard),
            new: CrawlRecord::new(self.record.crawl.clone(), self.record.run, self.record.spider.clone()),
            is_empty: line.groups == 0,
            room: Some(self.room.clone()),
        };
        let frontier = part.open()?;
        self.record.versions = self.record.versions.max(frontier.storage().record().versions);
        self.record.at_ms = self.record.at_ms.max(frontier.storage().record().at_ms);
        self.held.insert(shard, Held { line, tables, frontier, leaving: false });
        self.elsewhere.remove(&shard);
        Ok(shard)
    }

    /// Blames requests for the end of the last process here, which was parsing them: those that shards here know.
    fn blame(&mut self, keys: &[DedupKey]) -> Result<(), FrontierError> {
        let mut changed = BTreeSet::new();
        for (shard, held) in &mut self.held {
            let storage = held.frontier.storage();
            let mut known = Vec::new();
            for key in keys {
                if storage.parser_of(*key)?.is_some() {
                    known.push(*key);
                }
            }
            if !known.is_empty() {
                let now_ms = storage.clock.millis_by(Instant::now());
                held.frontier.blame(&known, now_ms)?;
                changed.insert(*shard);
            }
        }
        self.write(&changed, &Notes::default(), Beside::default())
    }

    /// A shard of others, or of nobody, to look at.
    fn view(&self, shard: Shard) -> Result<TableFrontier, FrontierError> {
        let tables = Arc::new(PostgresTables::to_look_at(Arc::clone(&self.shared), self.number(shard)));
        let territory = Territory::new(self.division, shard);
        Part { tables, territory, new: self.record.clone(), is_empty: false, room: None }.open()
    }

    /// The shard that knows a URL.
    fn knower(&self, key: DedupKey) -> Result<Option<Shard>, FrontierError> {
        for (shard, held) in &self.held {
            if held.frontier.storage().parser_of(key)?.is_some() {
                return Ok(Some(*shard));
            }
        }
        let others: Vec<i32> = self.elsewhere.keys().map(|shard| self.number(*shard)).collect();
        if others.is_empty() {
            return Ok(None);
        }
        Ok(self.shared.known_by(others, key.to_bytes())?.map(|number| self.shard_of_number(number)))
    }

    /// Asks every shard that may have something to tell, one's own and others'.
    fn ask<T>(
        &self,
        may_tell: impl Fn(&Ledger) -> bool,
        ask: impl Fn(&TableFrontier, usize) -> Result<Vec<T>, FrontierError>,
        most: usize,
    ) -> Result<Vec<T>, FrontierError> {
        let mut told = Vec::new();
        for held in self.held.values().filter(|held| may_tell(held.frontier.ledger())) {
            told.extend(ask(&held.frontier, most.saturating_sub(told.len()))?);
        }
        for (shard, _) in self.elsewhere.iter().filter(|(_, ledger)| may_tell(ledger)) {
            if told.len() >= most {
                break;
            }
            told.extend(ask(&self.view(*shard)?, most - told.len())?);
        }
        told.truncate(most);
        Ok(told)
    }

    /// Adds the counters up.
    fn count(&mut self) {
        let mut whole = Ledger::default();
        self.held.values().map(|held| held.frontier.ledger()).chain(self.elsewhere.values()).for_each(|ledger| whole.merge(ledger));
        self.whole = whole;
    }

    /// Enters what is kept by other shards than that which found it: at once where they are this engine's, by their inbox where not.
    fn forward(
        &mut self,
        answer: &mut Answer,
        scope: &Scope,
        changed: &mut BTreeSet<Shard>,
        beside: &mut Beside,
    ) -> Result<(), FrontierError> {
        for entry in std::mem::take(&mut answer.elsewhere) {
            let shard = self.division.shard(entry.request.url.host_str());
            match self.held.get_mut(&shard) {
                Some(held) => {
                    held.frontier.enter_from_elsewhere(&entry, scope, answer)?;
                    changed.insert(shard);
                }
                None => self.send_entry(shard, entry, beside),
            }
        }
        debug_assert!(answer.elsewhere.is_empty(), "what a shard enters is its own");
        Ok(())
    }

    fn send_entry(&mut self, shard: Shard, entry: Entry, beside: &mut Beside) {
        let key = entry.request.key;
        if entry.manner == Manner::Found {
            if self.sent.len() >= SENT {
                self.sent.clear();
            }
            if !self.sent.insert(key) {
                return;
            }
        }
        // One that is to be fetched once more is known there.
        let url = if entry.manner == Manner::Again { Vec::new() } else { key.to_bytes().to_vec() };
        self.send(shard, url, &Message::Enter(entry), beside);
    }

    fn send(&mut self, shard: Shard, url: Vec<u8>, message: &Message, beside: &mut Beside) {
        self.letters += 1;
        let key = [self.engine.to_be_bytes(), self.letters.to_be_bytes()].concat();
        beside.sent.push(Sent { shard: self.number(shard), url, key, value: message.encode() });
    }

    /// Makes what has changed durable, all or nothing.
    fn write(&mut self, changed: &BTreeSet<Shard>, notes: &Notes, beside: Beside) -> Result<(), FrontierError> {
        let own = Notes { now_ms: notes.now_ms, versions: notes.versions, ..Notes::default() };
        let (mut tables, mut batches, mut entered) = (Vec::new(), Vec::new(), Vec::new());
        for shard in changed {
            let Some(held) = self.held.get_mut(shard) else { continue };
            held.frontier.note_alike();
            let ledger = held.frontier.ledger().clone();
            let storage = held.frontier.storage_mut();
            storage.note(&ledger, &own);
            let closed: Closed = storage.close()?;
            tables.push(Arc::clone(&held.tables));
            batches.push(closed.batch);
            entered.push((*shard, closed.entered));
        }
        let crawl = self.crawl;
        let whole = beside.whole.into_iter().map(|(key, value)| (crawl, key.into_bytes(), value)).collect();
        let shards = tables.iter().map(|tables| &**tables).zip(batches).collect();
        self.shared.write(Group { shards, whole, received: beside.received, sent: beside.sent, pages: beside.pages })?;
        for (shard, entered) in entered {
            if let Some(held) = self.held.get_mut(&shard) {
                held.frontier.storage_mut().written(entered);
            }
        }
        self.count();
        Ok(())
    }

    /// The rows of the crawl as a whole that a group's notes come to.
    fn rows_of(&self, notes: &Notes) -> Vec<(String, Vec<u8>)> {
        let mut rows = noted(&notes.sites, &notes.permits);
        if let Some(output) = &notes.output {
            rows.push((format!("{OUTPUT}{}", self.place), json(output)));
        }
        rows
    }

    /// The answer, with what is known of the origins that are handed out here.
    fn finish(&self, answer: Answer) -> Committed {
        answer.finish_by(|origin| {
            let held = self.held.get(&self.shard_of(origin)).filter(|held| !held.leaving)?;
            Some(held.frontier.storage().health(origin))
        })
    }

    /// Enters seeds, with what is noted of them. Answers how many were sent to the engines that have their hosts, too.
    fn enter_seeds(&mut self, seeds: Vec<Request>, notes: &Notes) -> Result<(Answer, u64), FrontierError> {
        let (mut answer, mut changed) = (Answer::default(), BTreeSet::new());
        let mut beside = Beside { whole: self.rows_of(notes), ..Beside::default() };
        self.ask_ahead(seeds.iter().map(ahead::of_request))?;
        answer.elsewhere = seeds.into_iter().map(|request| Entry { request, manner: Manner::Named }).collect();
        self.forward(&mut answer, &Scope::new([], vec![], vec![], None), &mut changed, &mut beside)?;
        let sent = beside.sent.len() as u64;
        self.write(&changed, notes, beside)?;
        Ok((answer, sent))
    }
}

/// What is written of a crawl's record: what has rows of its own is left out.
fn identity(record: &CrawlRecord) -> Vec<u8> {
    CrawlRecord { ledger: Ledger::default(), sites: Vec::new(), permits: Vec::new(), output: None, ..record.clone() }.encode()
}

/// The rows of what joins a crawl as a whole.
fn noted(sites: &[Site], permits: &[NetPermit]) -> Vec<(String, Vec<u8>)> {
    let row = |kind: &str, text: Vec<u8>| (format!("{kind}{}", String::from_utf8_lossy(&text)), text);
    let sites = sites.iter().map(|site| row(SITE, json(site)));
    sites.chain(permits.iter().map(|permit| row(PERMIT, json(permit)))).collect()
}

/// The sites and permits that have joined a crawl, out of the rows of [`noted`].
fn read_noted(whole: &PostgresTables) -> Result<(Vec<Site>, Vec<NetPermit>), FrontierError> {
    fn read<T: DeserializeOwned>(whole: &PostgresTables, kind: &str) -> Result<Vec<T>, FrontierError> {
        let parsed = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()));
        beginning_with(whole, Table::Crawl, kind.as_bytes()).map(|row| parsed(&row?.1)).collect()
    }
    Ok((read(whole, SITE)?, read(whole, PERMIT)?))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is noted has a JSON form")
}

impl Frontier for ShardedFrontier {
    fn commit(&mut self, group: Vec<Ending>, notes: &Notes, scope: &Scope) -> Result<Committed, FrontierError> {
        self.ask_ahead(ahead::of_group(&group, notes, scope))?;
        let mut answer = Answer::default();
        let mut parts: BTreeMap<Shard, (Vec<Ending>, Notes)> = BTreeMap::new();
        let division = self.division;
        let mut pages = 0;
        for ending in group {
            pages += u64::from(matches!(ending.fate, Fate::Page(_)));
            parts.entry(division.shard(ending.request.url.host_str())).or_default().0.push(ending);
        }
        for (origin, health) in &notes.health {
            parts.entry(self.shard_of(origin)).or_default().1.health.push((origin.clone(), health.clone()));
        }
        for (origin, robots) in &notes.robots {
            parts.entry(self.shard_of(origin)).or_default().1.robots.push((origin.clone(), robots.clone()));
        }
        for (domain, cookies) in &notes.cookies {
            parts.entry(division.shard(domain)).or_default().1.cookies.insert(domain.clone(), cookies.clone());
        }
        for resent in &notes.resent {
            parts.entry(division.shard(resent.item.page.host_str())).or_default().1.resent.push(resent.clone());
        }
        for request in &notes.found {
            // What belongs to others is judged, and counted if it is refused, by any shard that is here.
            let own = Some(division.shard(request.url.host_str())).filter(|shard| self.held.contains_key(shard));
            if let Some(shard) = own.or_else(|| self.held.keys().next().copied()) {
                parts.entry(shard).or_default().1.found.push(request.clone());
            }
        }
        let mut changed: BTreeSet<Shard> = BTreeSet::new();
        for (shard, (endings, mut part)) in parts {
            part.now_ms = notes.now_ms;
            match self.held.get_mut(&shard) {
                Some(held) => {
                    held.frontier.work(endings, &part, scope, &mut answer)?;
                    changed.insert(shard);
                }
                None => answer.committed.stale += endings.len() as u64,
            }
        }
        let mut beside = Beside { whole: self.rows_of(notes), pages, ..Beside::default() };
        self.forward(&mut answer, scope, &mut changed, &mut beside)?;
        self.write(&changed, notes, beside)?;
        Ok(self.finish(answer))
    }

    fn seed(&mut self, seeds: Vec<Request>) -> Result<Committed, FrontierError> {
        let (mut answer, _) = self.enter_seeds(seeds, &Notes::default())?;
        answer.woken.extend(self.held.values().flat_map(|held| held.frontier.storage().origins()));
        Ok(self.finish(answer))
    }

    fn enter(&mut self, seeds: Vec<Request>, notes: &Notes) -> Result<Committed, FrontierError> {
        let (answer, sent) = self.enter_seeds(seeds, notes)?;
        Ok(Committed { sent, ..self.finish(answer) })
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        match self.holder_of(origin).filter(|held| !held.leaving) {
            Some(held) => held.frontier.take(origin, most, now),
            None => Ok(Taken::default()),
        }
    }

    fn tend(&mut self, scope: &Scope, budget: Option<PageBudget>) -> Result<Tended, FrontierError> {
        self.tend_shards(scope, budget)
    }

    fn give_back(&mut self) -> Result<(), FrontierError> {
        self.give_shards_back()
    }

    fn robots(&self, origin: &Origin) -> Result<Option<KnownRobots>, FrontierError> {
        self.held.get(&self.shard_of(origin)).map_or(Ok(None), |held| held.frontier.robots(origin))
    }

    fn cookies(&self) -> Result<Changes, FrontierError> {
        let mut all = Changes::new();
        for held in self.held.values() {
            all.extend(held.frontier.cookies()?);
        }
        Ok(all)
    }

    fn give_up(&mut self, origin: &Origin, reason: &str) -> Result<Committed, FrontierError> {
        if let Some(held) = self.holder_of(origin) {
            held.frontier.give_up(origin, reason)?;
            self.count();
        }
        Ok(Committed::default())
    }

    fn find(&self, key: DedupKey) -> Result<Option<Whereabouts>, FrontierError> {
        let Some(shard) = self.knower(key)? else { return Ok(None) };
        match self.held.get(&shard) {
            Some(held) => held.frontier.find(key),
            None => self.view(shard)?.find(key),
        }
    }

    fn dead(&self, reason: Option<&str>, most: usize) -> Result<Vec<DeadLetter>, FrontierError> {
        self.ask(|ledger| ledger.urls.dead > 0, |part, most| part.dead(reason, most), most)
    }

    fn rejected(&self, reason: Option<&str>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        self.ask(|ledger| ledger.items.rejected > 0, |part, most| part.rejected(reason, most), most)
    }

    fn rejected_on(&self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        let Some(shard) = self.knower(page)? else { return Ok(Vec::new()) };
        match self.held.get(&shard) {
            Some(held) => held.frontier.rejected_on(page),
            None => self.view(shard)?.rejected_on(page),
        }
    }

    fn origin_states(&self, most: usize) -> Vec<OriginState> {
        let may_tell = |ledger: &Ledger| ledger.urls.queued > 0 || ledger.urls.dead > 0;
        let states = self.ask(may_tell, |part, _| Ok(part.storage().origin_states()), usize::MAX);
        // What others have is told as far as it can be read.
        let own = || self.held.values().flat_map(|held| held.frontier.storage().origin_states()).collect();
        OriginState::fullest(states.unwrap_or_else(|_| own()), most)
    }

    fn keep_scope(&mut self, scope: &Scope) -> Result<(), FrontierError> {
        let whole = PostgresTables::to_look_at(Arc::clone(&self.shared), self.crawl);
        if self.joined {
            if read_scope(&whole)?.is_some_and(|kept| json(&kept) != json(scope)) {
                return Err(FrontierError::OtherScope(self.record.crawl.clone()));
            }
        } else {
            let whole = vec![(SCOPE.to_owned(), json(scope))];
            self.write(&BTreeSet::new(), &Notes::default(), Beside { whole, ..Beside::default() })?;
        }
        // Only now may others join.
        self.shared.give_lease_back();
        Ok(())
    }

    fn requeue(&mut self, reason: Option<&str>) -> Result<Requeued, FrontierError> {
        if self.whole.urls.dead == 0 && self.whole.items.rejected == 0 {
            return Ok(Requeued::default());
        }
        if self.record.complete {
            // First, so that a crawl that is cut short in between is not taken for a complete one.
            self.record.complete = false;
            self.write_record()?;
        }
        let mut requeued = Requeued::default();
        for held in self.held.values_mut() {
            let Requeued { urls, items, woken } = held.frontier.requeue(reason)?;
            requeued.urls += urls;
            requeued.items += items;
            // Nobody here hands out what is being left: its next engine finds it.
            if !held.leaving {
                requeued.woken.extend(woken);
            }
        }
        let may_have = |ledger: &&Ledger| ledger.urls.dead > 0 || ledger.items.rejected > 0;
        let others: Vec<Shard> = self.elsewhere.iter().filter(|(_, ledger)| may_have(ledger)).map(|(shard, _)| *shard).collect();
        let mut beside = Beside::default();
        for shard in others {
            self.send(shard, Vec::new(), &Message::Requeue(reason.map(str::to_owned)), &mut beside);
        }
        if !beside.sent.is_empty() {
            self.write(&BTreeSet::new(), &Notes::default(), beside)?;
        }
        self.count();
        Ok(requeued)
    }

    fn to_send(&self, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        let mut items = Vec::new();
        for held in self.held.values() {
            items.extend(held.frontier.to_send(after, most)?);
        }
        items.sort_by_key(RejectedItem::place);
        items.truncate(most);
        Ok(items)
    }

    fn begin_output(&mut self, output: Option<OutputMark>) -> Result<(), FrontierError> {
        let whole = vec![(format!("{OUTPUT}{}", self.place), json(&output))];
        self.write(&BTreeSet::new(), &Notes::default(), Beside { whole, ..Beside::default() })
    }

    fn complete(&mut self) -> Result<(), FrontierError> {
        self.record.complete = true;
        if !self.shared.complete(self.crawl, self.engine, identity(&self.record))? {
            tracing::info!("more was found meanwhile: the crawl goes on with the other engines, or with the next start");
        }
        Ok(())
    }

    fn ledger(&self) -> &Ledger {
        &self.whole
    }

    fn tenure(&self) -> Tenure {
        self.shared.tenure()
    }
}

impl ShardedFrontier {
    fn write_record(&mut self) -> Result<(), FrontierError> {
        let whole = vec![(RECORD.to_owned(), identity(&self.record))];
        self.write(&BTreeSet::new(), &Notes::default(), Beside { whole, ..Beside::default() })
    }

    fn taken_over(&self) -> FrontierError {
        FrontierError::TakenOver(TakenOver { crawl: self.record.crawl.to_string() })
    }
}
