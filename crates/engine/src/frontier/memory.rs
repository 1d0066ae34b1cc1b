//! A storage in memory: the naive model that tests compare the storage on disk with.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;

use model::{DedupKey, Origin};
use tokio::time::Instant;

use super::alike::Alike;
use super::storage::{ItemPlace, Storage};
use super::{
    DeadLetter, FrontierError, Notes, OriginState, OutputMark, RejectedItem, StoredFrontier, Story, StoryEnd, Taken, Tenure, Whereabouts,
};
use crate::cookies::{Changes, Cookie};
use crate::ledger::{self, Ledger};
use crate::request::Request;
use crate::scheduler::{Health, KnownRobots};
use crate::scope::Scope;

/// A frontier in memory.
pub(crate) type MemoryFrontier = StoredFrontier<MemoryStorage>;

/// Everything in maps, nothing clever.
#[derive(Debug, Default)]
pub(crate) struct MemoryStorage {
    known: HashMap<DedupKey, u32>,
    waiting: BTreeMap<Place, Request>,
    sequence: u64,
    in_flight: HashSet<DedupKey>,
    given_up: BTreeMap<Origin, String>,
    health: HashMap<Origin, Health>,
    pages: HashMap<Origin, u64>,
    robots: HashMap<Origin, KnownRobots>,
    cookies: Changes,
    stories: BTreeMap<DedupKey, Story>,
    rejected: BTreeMap<ItemPlace, RejectedItem>,
    send: BTreeMap<ItemPlace, RejectedItem>,
}

/// What waits for a time goes by it, before the rest once it has come.
type Place = (Option<Instant>, Reverse<i32>, u64);

impl MemoryFrontier {
    /// An empty frontier.
    pub(crate) fn in_memory() -> MemoryFrontier {
        StoredFrontier::new(MemoryStorage::default(), Ledger::default(), Alike::default())
    }
}

impl MemoryStorage {
    fn place(&self, key: DedupKey) -> Option<Place> {
        self.waiting.iter().find(|(_, request)| request.key == key).map(|(place, _)| *place)
    }
}

impl Storage for MemoryStorage {
    fn parser_of(&self, key: DedupKey) -> Result<Option<u32>, FrontierError> {
        Ok(self.known.get(&key).copied())
    }

    fn is_in_flight(&self, key: DedupKey) -> bool {
        self.in_flight.contains(&key)
    }

    fn queue(&mut self, request: &Request, parser: u32, not_before: Option<Instant>) {
        self.sequence += 1;
        self.known.insert(request.key, parser);
        self.waiting.insert((not_before, Reverse(request.priority), self.sequence), request.clone());
    }

    fn unqueue(&mut self, request: &Request) {
        assert!(self.in_flight.remove(&request.key));
        let place = self.place(request.key).unwrap();
        self.waiting.remove(&place);
    }

    fn put_back(&mut self, request: &Request) {
        assert!(self.in_flight.remove(&request.key));
    }

    fn end(&mut self, story: Story) {
        self.stories.insert(story.request.key, story);
    }

    fn reopen(&mut self, key: DedupKey) -> Result<Option<Story>, FrontierError> {
        let is_done = self.stories.get(&key).is_some_and(|story| !matches!(story.end, StoryEnd::Dead { .. }));
        Ok(if is_done { self.stories.remove(&key) } else { None })
    }

    fn reject(&mut self, item: RejectedItem) {
        self.rejected.insert(item.place(), item);
    }

    fn take_rejected(&mut self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        let mut taken = Vec::new();
        for items in [&mut self.rejected, &mut self.send] {
            taken.extend(items.extract_if(.., |place, _| place.page == page).map(|(_, item)| item));
        }
        Ok(taken)
    }

    fn count_page(&mut self, origin: &str) {
        *self.pages.entry(Origin::from(origin.to_owned())).or_default() += 1;
    }

    fn uncount_page(&mut self, origin: &str) {
        *self.pages.get_mut(origin).unwrap() -= 1;
    }

    fn count_alike(&mut self, _: u64, _: u32) {}

    fn set_health(&mut self, origin: &Origin, health: &Health) {
        self.health.insert(origin.clone(), health.clone());
    }

    fn health(&self, origin: &Origin) -> Health {
        self.health.get(origin).cloned().unwrap_or_default()
    }

    fn set_robots(&mut self, origin: &Origin, robots: &KnownRobots) {
        self.robots.insert(origin.clone(), robots.clone());
    }

    fn robots(&self, origin: &Origin) -> Result<Option<KnownRobots>, FrontierError> {
        Ok(self.robots.get(origin).cloned())
    }

    fn set_cookies(&mut self, domain: &str, cookies: &[Cookie]) {
        self.cookies.insert(domain.to_owned(), cookies.to_vec());
        self.cookies.retain(|_, cookies| !cookies.is_empty());
    }

    fn cookies(&self) -> Result<Changes, FrontierError> {
        Ok(self.cookies.clone())
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        let open: Vec<(Place, Request)> = self
            .waiting
            .iter()
            .filter(|(_, request)| request.url.origin() == *origin && !self.in_flight.contains(&request.key))
            .map(|(place, request)| (*place, request.clone()))
            .collect();
        let (ripe, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|((time, _, _), _)| time.is_some_and(|time| time <= now));
        let (due, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|((time, _, _), _)| time.is_none());
        let mut requests: Vec<Request> = ripe.into_iter().chain(due).map(|(_, request)| request).collect();
        let more = requests.len() > most;
        requests.truncate(most);
        self.in_flight.extend(requests.iter().map(|request| request.key));
        Ok(Taken { requests, more, later: later.first().and_then(|((time, _, _), _)| *time) })
    }

    fn take_one(&mut self, key: DedupKey) -> Result<Option<Request>, FrontierError> {
        if self.in_flight.contains(&key) {
            return Ok(None);
        }
        let found = self.place(key).map(|place| self.waiting[&place].clone());
        self.in_flight.extend(found.iter().map(|request| request.key));
        Ok(found)
    }

    fn give_up(&mut self, origin: &Origin, reason: Option<&str>) -> u64 {
        match reason {
            Some(reason) => self.given_up.insert(origin.clone(), reason.to_owned()),
            None => self.given_up.remove(origin),
        };
        self.waiting.values().filter(|request| request.url.origin() == *origin).count() as u64
    }

    fn given_up(&self, origin: &str) -> Option<&str> {
        self.given_up.get(origin).map(String::as_str)
    }

    fn all_given_up(&self, reason: Option<&str>) -> Vec<Origin> {
        self.given_up.iter().filter(|(_, why)| ledger::is_meant(reason, why)).map(|(origin, _)| origin.clone()).collect()
    }

    fn origins(&self) -> Vec<Origin> {
        let origins: HashSet<Origin> = self.waiting.values().map(|request| request.url.origin()).collect();
        origins.into_iter().filter(|origin| !self.given_up.contains_key(origin)).collect()
    }

    fn find(&self, key: DedupKey) -> Result<Option<Whereabouts>, FrontierError> {
        if let Some(story) = self.stories.get(&key) {
            return Ok(Some(Whereabouts::Ended(story.clone())));
        }
        let Some(place) = self.place(key) else { return Ok(None) };
        let request = self.waiting[&place].clone();
        let given_up = self.given_up.get(&request.url.origin()).cloned();
        Ok(Some(Whereabouts::Queued { in_flight: self.in_flight.contains(&key), not_before_ms: None, given_up, request }))
    }

    fn done(&self, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError> {
        let done = self.stories.range((bound(after), Bound::Unbounded)).map(|(_, story)| story);
        Ok(done.filter(|story| !matches!(story.end, StoryEnd::Dead { .. })).take(most).cloned().collect())
    }

    fn dead(&self, reason: Option<&str>, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError> {
        let is_meant = |story: &&Story| matches!(&story.end, StoryEnd::Dead { reason: why } if ledger::is_meant(reason, why));
        let stories = self.stories.range((bound(after), Bound::Unbounded)).map(|(_, story)| story);
        Ok(stories.filter(is_meant).take(most).cloned().collect())
    }

    fn dead_with_origin(&self, reason: Option<&str>, most: usize) -> Result<Vec<DeadLetter>, FrontierError> {
        let letter = |request: &Request| {
            let why = self.given_up.get(&request.url.origin()).filter(|why| ledger::is_meant(reason, why))?;
            Some(DeadLetter::of(request.clone(), why.clone()))
        };
        Ok(self.waiting.values().filter_map(letter).take(most).collect())
    }

    fn revive(&mut self, key: DedupKey) {
        self.stories.remove(&key).unwrap();
    }

    fn rejected(&self, reason: Option<&str>, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        let items = self.rejected.range((bound(after), Bound::Unbounded)).map(|(_, item)| item);
        Ok(items.filter(|item| ledger::is_meant(reason, &item.reason)).take(most).cloned().collect())
    }

    fn rejected_on(&self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        Ok(self.rejected.iter().filter(|(place, _)| place.page == page).map(|(_, item)| item.clone()).collect())
    }

    fn origin_states(&self) -> Vec<OriginState> {
        let mut origins: BTreeSet<Origin> = self.waiting.values().map(|request| request.url.origin()).collect();
        origins.extend(self.given_up.keys().cloned());
        let state = |origin: Origin| OriginState {
            queued: self.waiting.values().filter(|request| request.url.origin() == origin).count() as u64,
            pages: self.pages.get(&origin).copied().unwrap_or_default(),
            given_up: self.given_up.get(&origin).cloned(),
            origin,
        };
        origins.into_iter().map(state).collect()
    }

    fn keep_scope(&mut self, _: &Scope) -> Result<(), FrontierError> {
        Ok(())
    }

    fn send_again(&mut self, item: RejectedItem) {
        self.rejected.remove(&item.place());
        self.send.insert(item.place(), item);
    }

    fn to_send(&self, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        Ok(self.send.range((bound(after), Bound::Unbounded)).map(|(_, item)| item.clone()).take(most).collect())
    }

    fn is_to_send(&self, place: ItemPlace) -> Result<bool, FrontierError> {
        Ok(self.send.contains_key(&place))
    }

    fn sent(&mut self, place: ItemPlace) {
        self.send.remove(&place);
    }

    fn apply(&mut self, _: &Ledger, _: &Notes) -> Result<(), FrontierError> {
        Ok(())
    }

    fn begin_output(&mut self, _: Option<OutputMark>) -> Result<(), FrontierError> {
        Ok(())
    }

    fn set_complete(&mut self, _: bool) -> Result<(), FrontierError> {
        Ok(())
    }

    fn tenure(&self) -> Tenure {
        Tenure::unlimited()
    }
}

fn bound<T>(after: Option<T>) -> Bound<T> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}
