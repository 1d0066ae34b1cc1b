//! The rules of a frontier, the same for every storage: what an ending does, which requests are entered, what the counters say.

use std::collections::HashSet;

use model::{DedupKey, Origin, ParserRef};
use tokio::time::Instant;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::alike::Alike;
use super::storage::{ItemPlace, Storage};
use super::{
    Committed, DeadLetter, Ending, Fate, Frontier, FrontierError, Notes, OriginState, OutputMark, PageEnd, RejectedItem, Requeued, Resent,
    Story, StoryEnd, Taken, Tenure, Whereabouts,
};
use crate::cookies::Changes;
use crate::ledger::{ItemCounts, Ledger, count, uncount};
use crate::request::{Request, Tries};
use crate::retry;
use crate::scheduler::{Health, KnownRobots};
use crate::scope::{self, Scope};

/// Dead letters that are queued again in one group: so much is in memory at a time.
const REQUEUE_GROUP: usize = 4096;

/// A frontier over a storage.
#[derive(Debug)]
pub struct StoredFrontier<S> {
    storage: S,
    ledger: Ledger,
    alike: Alike,
}

impl<S: Storage> StoredFrontier<S> {
    /// A frontier that goes on where the storage was left.
    pub(super) fn new(storage: S, ledger: Ledger, alike: Alike) -> StoredFrontier<S> {
        StoredFrontier { storage, ledger, alike }
    }

    pub(super) fn storage(&self) -> &S {
        &self.storage
    }

    pub(super) fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    fn end(&mut self, ending: Ending, scope: &Scope, at_ms: u64, answer: &mut Answer) -> Result<(), FrontierError> {
        let Ending { request, fate } = ending;
        if !self.storage.is_in_flight(request.key) {
            answer.committed.stale += 1;
            return Ok(());
        }
        if let Fate::Unsent = fate {
            self.storage.put_back(&request);
            answer.wake(&request);
            return Ok(());
        }
        // Until now a request of an origin that was given up counted as dead with it. What it became in flight counts more.
        if let Some(reason) = self.storage.given_up(request.url.origin_str()) {
            self.ledger.urls.dead -= 1;
            self.ledger.urls.queued += 1;
            uncount(&mut self.ledger.dead_by_reason, reason, 1);
        }
        self.storage.unqueue(&request);
        match fate {
            Fate::Page(page) => self.page(*request, page, scope, at_ms, answer)?,
            Fate::Redirected { target, revisit } if revisit && target.key == request.key => self.queue(&target, None, answer),
            Fate::Redirected { target, revisit } => {
                self.settle(*request, StoryEnd::Redirected { target: target.url.clone() }, at_ms);
                if revisit { self.reopen(&target, answer)? } else { self.enter_new(&target, None, answer)? }
            }
            Fate::Skipped { reason } => self.settle(*request, StoryEnd::Skipped { reason }, at_ms),
            Fate::Dead { reason } => self.settle(*request, StoryEnd::Dead { reason }, at_ms),
            Fate::Again { not_before } => self.queue(&request, not_before, answer),
            Fate::Unsent => unreachable!("handled above"),
        }
        Ok(())
    }

    fn page(&mut self, request: Request, page: PageEnd, scope: &Scope, at_ms: u64, answer: &mut Answer) -> Result<(), FrontierError> {
        let PageEnd { links, refused, content, facts, rejected } = page;
        let is_repeated = !links.is_empty() && self.is_repeated(&request, content, scope);
        self.storage.count_page(request.url.origin_str());
        self.settle(request, StoryEnd::Page(facts), at_ms);
        for item in rejected {
            count(&mut self.ledger.rejected_by_reason, &item.reason, 1);
            self.storage.reject(item);
        }
        for (reason, links) in refused {
            self.ledger.refuse(reason, links);
        }
        for mut link in links {
            link.key = scope.key(&link.url, link.key);
            let admission = Some(Admission { scope, is_repeated });
            if self.storage.keeps(&link.url) {
                self.enter_new(&link, admission, answer)?;
            } else {
                self.pass_on(link, admission, answer);
            }
        }
        Ok(())
    }

    /// Counts a page's content. Answers whether so many pages of its host had the same that its links lead nowhere new.
    fn is_repeated(&mut self, request: &Request, content: Option<u64>, scope: &Scope) -> bool {
        let (Some(most), Some(content)) = (scope.links().same_content, content) else { return false };
        let is_repeated = self.alike.content(request.url.host_str(), content) > most.get();
        if is_repeated && self.alike.is_news(content) {
            tracing::warn!(example = %request.url, pages = most, "trap: so many pages have the same content; links of further ones are not followed");
        }
        is_repeated
    }

    /// A request that is counted as queued, and in no queue any more, has ended.
    fn settle(&mut self, request: Request, end: StoryEnd, at_ms: u64) {
        self.ledger.urls.queued -= 1;
        self.ledger.add(&end);
        self.storage.end(Story { request, end, at_ms });
    }

    /// Enters a request whose key is not known; `admission` is asked only then. What another part of the crawl keeps is left to that.
    fn enter_new(&mut self, request: &Request, admission: Option<Admission<'_>>, answer: &mut Answer) -> Result<(), FrontierError> {
        if !self.storage.keeps(&request.url) {
            self.pass_on(request.clone(), admission, answer);
            return Ok(());
        }
        let parser = hash(&request.parser);
        if let Some(known) = self.storage.parser_of(request.key)? {
            self.ledger.parser_conflicts += u64::from(known != parser);
            return Ok(());
        }
        if let Some(reason) = admission.and_then(|admission| self.refusal(request, admission)) {
            self.ledger.refuse(reason, 1);
            return Ok(());
        }
        self.ledger.urls.discovered += 1;
        self.ledger.urls.queued += 1;
        self.queue(request, None, answer);
        Ok(())
    }

    /// Leaves a request to the part of the crawl that keeps its URL, if it is admitted.
    fn pass_on(&mut self, request: Request, admission: Option<Admission<'_>>, answer: &mut Answer) {
        if let Some(reason) = admission.and_then(|admission| judge(&request, admission)) {
            return self.ledger.refuse(reason, 1);
        }
        let manner = if admission.is_some() { Manner::Found } else { Manner::Named };
        answer.elsewhere.push(Entry { request, manner });
    }

    /// Why a link to an unknown URL is not followed.
    fn refusal(&mut self, request: &Request, admission: Admission<'_>) -> Option<&'static str> {
        judge(request, admission).or_else(|| self.trap(request, admission.scope))
    }

    /// Why one more URL like this is too many, if it is.
    fn trap(&mut self, request: &Request, scope: &Scope) -> Option<&'static str> {
        let (most, shape) = (scope.links().alike?, scope::shape(&request.url)?);
        if self.alike.admit(shape, most.get()) {
            return None;
        }
        if self.alike.is_news(shape) {
            tracing::warn!(example = %request.url, urls = most, "trap: so many URLs are alike; no more of them are followed");
        }
        Some(scope::TOO_MANY_ALIKE)
    }

    /// Queues a request of a redirect chain once more, if it ended as done. One that waits or was given up is left to that.
    fn reopen(&mut self, request: &Request, answer: &mut Answer) -> Result<(), FrontierError> {
        if !self.storage.keeps(&request.url) {
            answer.elsewhere.push(Entry { request: request.clone(), manner: Manner::Again });
            return Ok(());
        }
        if self.storage.parser_of(request.key)?.is_none() {
            return self.enter_new(request, None, answer);
        }
        if let Some(story) = self.storage.reopen(request.key)? {
            self.take_back(&story)?;
            self.queue(request, None, answer);
        }
        Ok(())
    }

    /// Enters a request that another part of the crawl came upon, and judged by its scope.
    pub(super) fn enter_from_elsewhere(&mut self, entry: &Entry, scope: &Scope, answer: &mut Answer) -> Result<(), FrontierError> {
        let Entry { request, manner } = entry;
        if *manner == Manner::Found
            && self.storage.parser_of(request.key)?.is_none()
            && let Some(reason) = self.trap(request, scope)
        {
            self.ledger.refuse(reason, 1);
            return Ok(());
        }
        match manner {
            Manner::Found | Manner::Named => self.enter_new(request, None, answer),
            Manner::Again => self.reopen(request, answer),
        }
    }

    /// Queues a request that is counted as queued. In the queue of an origin that was given up it is dead.
    fn queue(&mut self, request: &Request, not_before: Option<Instant>, answer: &mut Answer) {
        match self.storage.given_up(request.url.origin_str()) {
            Some(reason) => {
                self.ledger.urls.queued -= 1;
                self.ledger.urls.dead += 1;
                count(&mut self.ledger.dead_by_reason, reason, 1);
            }
            None => answer.wake(request),
        }
        self.storage.queue(request, hash(&request.parser), not_before);
    }

    /// An item that was sent again: its page's story and the counters follow.
    fn resent(&mut self, resent: Resent) -> Result<(), FrontierError> {
        let Resent { mut item, answer } = resent;
        let place = item.place();
        if !self.storage.is_to_send(place)? {
            // Another engine has sent it meanwhile.
            return Ok(());
        }
        self.storage.sent(place);
        uncount(&mut self.ledger.rejected_by_reason, &item.reason, 1);
        match answer {
            Err(reason) => {
                count(&mut self.ledger.rejected_by_reason, &reason, 1);
                item.reason = reason;
                self.storage.reject(item);
            }
            Ok(stored) => {
                let moved = |items: &mut ItemCounts| {
                    items.rejected -= 1;
                    items.saved += 1;
                    items.collided += u64::from(stored.collided);
                };
                moved(&mut self.ledger.items);
                if let Some(mut story) = self.storage.reopen(place.page)? {
                    if let StoryEnd::Page(facts) = &mut story.end {
                        moved(&mut facts.items);
                    }
                    self.storage.end(story);
                }
            }
        }
        Ok(())
    }

    /// Blames requests for the end of the process that was parsing them: each has lost its worker. Part of the open group.
    pub(super) fn blame(&mut self, keys: &[DedupKey], at_ms: u64) -> Result<(), FrontierError> {
        let mut answer = Answer::default();
        for key in keys {
            let Some(request) = self.storage.take_one(*key)? else { continue };
            let alone = retry::runs_alone(&request);
            let mut request = Box::new(request);
            let fate = retry::lost(&mut request, alone, "the process ended while it parsed this page", at_ms);
            self.end(Ending { request, fate }, &Scope::new([], vec![], vec![], None), at_ms, &mut answer)?;
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, notes: &Notes) -> Result<(), FrontierError> {
        self.note_alike();
        self.storage.apply(&self.ledger, notes)
    }

    /// Queues everything again that ended as done or skipped.
    pub(super) fn rescan(&mut self) -> Result<(), FrontierError> {
        let mut last = None;
        loop {
            let stories = self.storage.done(last, REQUEUE_GROUP)?;
            let Some(story) = stories.last() else { return Ok(()) };
            last = Some(story.request.key);
            for story in stories {
                if let Some(story) = self.storage.reopen(story.request.key)? {
                    self.begin_again(story, &mut Answer::default())?;
                }
            }
            self.apply(&Notes::default())?;
        }
    }

    /// Queues a request that had ended, with all its attempts. Its history stays.
    fn begin_again(&mut self, story: Story, answer: &mut Answer) -> Result<(), FrontierError> {
        self.take_back(&story)?;
        let Story { mut request, .. } = story;
        request.tries = Tries { history: request.tries.history, ..Tries::default() };
        self.queue(&request, None, answer);
        Ok(())
    }

    /// Counts a request as queued that had ended.
    fn take_back(&mut self, story: &Story) -> Result<(), FrontierError> {
        self.ledger.take_back(&story.end);
        self.ledger.urls.queued += 1;
        if let StoryEnd::Page(_) = story.end {
            self.storage.uncount_page(story.request.url.origin_str());
        }
        if let StoryEnd::Page(facts) = &story.end
            && facts.items.rejected > 0
        {
            for item in self.storage.take_rejected(story.request.key)? {
                uncount(&mut self.ledger.rejected_by_reason, &item.reason, 1);
            }
        }
        Ok(())
    }

    fn requeue_dead(&mut self, reason: Option<&str>, requeued: &mut Requeued, answer: &mut Answer) -> Result<(), FrontierError> {
        let mut last = None;
        loop {
            let stories = self.storage.dead(reason, last, REQUEUE_GROUP)?;
            let Some(story) = stories.last() else { return Ok(()) };
            last = Some(story.request.key);
            for story in stories {
                self.storage.revive(story.request.key);
                self.begin_again(story, answer)?;
                requeued.urls += 1;
            }
            self.apply(&Notes::default())?;
        }
    }

    fn requeue_origins(&mut self, reason: Option<&str>, requeued: &mut Requeued, answer: &mut Answer) -> Result<(), FrontierError> {
        for origin in self.storage.all_given_up(reason) {
            let reason = self.storage.given_up(origin.as_str()).unwrap_or_default().to_owned();
            let queued = self.storage.give_up(&origin, None);
            // It gets as much patience as a new one.
            let health = self.storage.health(&origin);
            self.storage.set_health(&origin, &Health { ill: None, ..health });
            self.ledger.urls.dead -= queued;
            self.ledger.urls.queued += queued;
            uncount(&mut self.ledger.dead_by_reason, &reason, queued);
            requeued.urls += queued;
            answer.woken.insert(origin);
        }
        self.apply(&Notes::default())
    }

    fn requeue_items(&mut self, reason: Option<&str>, requeued: &mut Requeued) -> Result<(), FrontierError> {
        let mut last = None;
        loop {
            let items = self.storage.rejected(reason, last, REQUEUE_GROUP)?;
            let Some(item) = items.last() else { return Ok(()) };
            last = Some(item.place());
            requeued.items += items.len() as u64;
            items.into_iter().for_each(|item| self.storage.send_again(item));
            self.apply(&Notes::default())?;
        }
    }
}

/// What decides whether a link becomes a request.
#[derive(Clone, Copy)]
struct Admission<'s> {
    scope: &'s Scope,
    /// Its page is one of very many with the same content.
    is_repeated: bool,
}

/// Why a page's link is not followed, wherever its URL is kept.
fn judge(request: &Request, Admission { scope, is_repeated }: Admission<'_>) -> Option<&'static str> {
    if let Err(refusal) = scope.judge_request(request) {
        return Some(refusal.code());
    }
    is_repeated.then_some(scope::SAME_CONTENT)
}

/// A request for a URL that another part of the crawl keeps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) request: Request,
    pub(super) manner: Manner,
}

/// How a request comes to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As a link that the scope admits: entered if it is not known, and within the budgets against traps.
    Found,
    /// As a seed, or as where a redirect leads: entered if it is not known.
    Named,
    /// As a step of a redirect chain that is fetched once more if it is done.
    Again,
}

/// A commit's answer while it is made.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) committed: Committed,
    pub(super) woken: HashSet<Origin>,
    /// What other parts of the crawl are to enter.
    pub(super) elsewhere: Vec<Entry>,
}

impl Answer {
    fn wake(&mut self, request: &Request) {
        if !self.woken.contains(request.url.origin_str()) {
            self.woken.insert(request.url.origin());
        }
    }

    fn finish(self, storage: &impl Storage) -> Committed {
        self.finish_by(|origin| Some(storage.health(origin)))
    }

    /// The answer, with what is known of the origins; those of which nothing is are left out.
    pub(super) fn finish_by(mut self, health: impl Fn(&Origin) -> Option<Health>) -> Committed {
        let mut woken: Vec<Origin> = self.woken.into_iter().collect();
        // A stated order, so that the same crawl takes the same course.
        woken.sort();
        self.committed.woken = woken.into_iter().filter_map(|origin| health(&origin).map(|health| (origin, health))).collect();
        self.committed
    }
}

impl<S: Storage> StoredFrontier<S> {
    /// What a group changes, as part of the open one.
    pub(super) fn work(&mut self, group: Vec<Ending>, notes: &Notes, scope: &Scope, answer: &mut Answer) -> Result<(), FrontierError> {
        for ending in group {
            self.end(ending, scope, notes.now_ms, answer)?;
        }
        for (origin, health) in &notes.health {
            self.storage.set_health(origin, health);
        }
        for (origin, robots) in &notes.robots {
            self.storage.set_robots(origin, robots);
        }
        for (domain, cookies) in &notes.cookies {
            self.storage.set_cookies(domain, cookies);
        }
        for found in &notes.found {
            self.enter_new(found, Some(Admission { scope, is_repeated: false }), answer)?;
        }
        for resent in notes.resent.clone() {
            self.resent(resent)?;
        }
        Ok(())
    }

    /// Puts what is counted against traps into the open group.
    pub(super) fn note_alike(&mut self) {
        for (mark, count) in self.alike.changes() {
            self.storage.count_alike(mark, count);
        }
    }
}

impl<S: Storage> Frontier for StoredFrontier<S> {
    fn commit(&mut self, group: Vec<Ending>, notes: &Notes, scope: &Scope) -> Result<Committed, FrontierError> {
        let mut answer = Answer::default();
        self.work(group, notes, scope, &mut answer)?;
        self.apply(notes)?;
        Ok(answer.finish(&self.storage))
    }

    fn seed(&mut self, seeds: Vec<Request>) -> Result<Committed, FrontierError> {
        let mut answer = Answer::default();
        for seed in &seeds {
            self.enter_new(seed, None, &mut answer)?;
        }
        self.apply(&Notes::default())?;
        answer.woken.extend(self.storage.origins());
        Ok(answer.finish(&self.storage))
    }

    fn enter(&mut self, seeds: Vec<Request>, notes: &Notes) -> Result<Committed, FrontierError> {
        let mut answer = Answer::default();
        for seed in &seeds {
            self.enter_new(seed, None, &mut answer)?;
        }
        self.apply(notes)?;
        Ok(answer.finish(&self.storage))
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        if self.storage.given_up(origin.as_str()).is_some() {
            return Ok(Taken::default());
        }
        self.storage.take(origin, most, now)
    }

    fn give_up(&mut self, origin: &Origin, reason: &str) -> Result<Committed, FrontierError> {
        if self.storage.given_up(origin.as_str()).is_none() {
            let queued = self.storage.give_up(origin, Some(reason));
            self.ledger.urls.queued -= queued;
            self.ledger.urls.dead += queued;
            count(&mut self.ledger.dead_by_reason, reason, queued);
            self.apply(&Notes::default())?;
        }
        Ok(Committed::default())
    }

    fn robots(&self, origin: &Origin) -> Result<Option<KnownRobots>, FrontierError> {
        self.storage.robots(origin)
    }

    fn cookies(&self) -> Result<Changes, FrontierError> {
        self.storage.cookies()
    }

    fn find(&self, key: DedupKey) -> Result<Option<Whereabouts>, FrontierError> {
        self.storage.find(key)
    }

    fn dead(&self, reason: Option<&str>, most: usize) -> Result<Vec<DeadLetter>, FrontierError> {
        let mut letters = Vec::new();
        for Story { request, end, .. } in self.storage.dead(reason, None, most)? {
            if let StoryEnd::Dead { reason } = end {
                letters.push(DeadLetter::of(request, reason));
            }
        }
        letters.extend(self.storage.dead_with_origin(reason, most - letters.len())?);
        Ok(letters)
    }

    fn rejected(&self, reason: Option<&str>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        self.storage.rejected(reason, None, most)
    }

    fn rejected_on(&self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError> {
        self.storage.rejected_on(page)
    }

    fn origin_states(&self, most: usize) -> Vec<OriginState> {
        OriginState::fullest(self.storage.origin_states(), most)
    }

    fn keep_scope(&mut self, scope: &Scope) -> Result<(), FrontierError> {
        self.storage.keep_scope(scope)
    }

    fn requeue(&mut self, reason: Option<&str>) -> Result<Requeued, FrontierError> {
        let (mut requeued, mut answer) = (Requeued::default(), Answer::default());
        if self.dead(reason, 1)?.is_empty() && self.rejected(reason, 1)?.is_empty() {
            return Ok(requeued);
        }
        // First, so that a crawl that is cut short in between is not taken for a complete one.
        self.storage.set_complete(false)?;
        self.requeue_dead(reason, &mut requeued, &mut answer)?;
        self.requeue_origins(reason, &mut requeued, &mut answer)?;
        self.requeue_items(reason, &mut requeued)?;
        requeued.woken = answer.finish(&self.storage).woken;
        Ok(requeued)
    }

    fn to_send(&self, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError> {
        self.storage.to_send(after, most)
    }

    fn begin_output(&mut self, output: Option<OutputMark>) -> Result<(), FrontierError> {
        self.storage.begin_output(output)
    }

    fn complete(&mut self) -> Result<(), FrontierError> {
        self.storage.set_complete(true)
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn tenure(&self) -> Tenure {
        self.storage.tenure()
    }
}

/// Tells parsers apart, by name and arguments. Stored, so it must not change between versions.
pub(super) fn hash(parser: &ParserRef) -> u32 {
    // The same in one go, many times cheaper: it is asked of every link.
    if parser.args.is_empty() {
        return xxh3_64(parser.name.as_bytes()) as u32;
    }
    let mut hasher = Xxh3::new();
    hasher.update(parser.name.as_bytes());
    for (name, value) in &parser.args {
        hasher.update(&[0]);
        hasher.update(name.as_bytes());
        hasher.update(&[0]);
        hasher.update(value.as_bytes());
    }
    hasher.digest() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parsers_hash_is_the_same_in_every_version() {
        let with = |args: &[(&str, &str)]| ParserRef {
            args: args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..ParserRef::named("page")
        };
        assert_eq!(hash(&with(&[])), 1_665_516_546);
        assert_eq!(hash(&with(&[("follow", "none"), ("text", "true")])), 1_307_620_785);
        // XXH3 takes another way for each of these lengths.
        for length in [0, 3, 4, 8, 16, 17, 128, 129, 240, 241, 2000] {
            let name = "x".repeat(length);
            let mut hasher = Xxh3::new();
            hasher.update(name.as_bytes());
            assert_eq!(hash(&ParserRef::named(&name)), hasher.digest() as u32, "{length}");
        }
    }
}
