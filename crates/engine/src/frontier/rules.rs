//! The rules of a frontier, the same for every storage: what an ending does, which requests are entered, what the counters say.

use std::collections::{HashMap, HashSet};

use model::{CrawlUrl, DedupKey, Origin, ParserRef};
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

use super::storage::{Known, State, Storage};
use super::{Committed, DeadLetter, Ending, Fate, Frontier, FrontierError, Notes, OutputMark, Taken};
use crate::ledger::{Ledger, count};
use crate::request::Request;
use crate::scope::Scope;

/// A frontier over a storage.
#[derive(Debug)]
pub struct StoredFrontier<S> {
    storage: S,
    given_up: HashMap<Origin, String>,
    ledger: Ledger,
}

impl<S: Storage> StoredFrontier<S> {
    /// A frontier that goes on where the storage was left.
    pub(super) fn new(storage: S, ledger: Ledger, given_up: HashMap<Origin, String>) -> StoredFrontier<S> {
        StoredFrontier { storage, given_up, ledger }
    }

    pub(super) fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    fn end(&mut self, ending: Ending, scope: &Scope, answer: &mut Answer) -> Result<(), FrontierError> {
        let Some(known) = self.storage.known(ending.key)?.filter(|known| known.state == State::InFlight) else {
            answer.committed.stale += 1;
            return Ok(());
        };
        self.storage.unqueue(ending.key);
        match ending.fate {
            Fate::Page { links, items, refused } => {
                self.settle(ending.key, known, State::Done);
                self.ledger.urls.done += 1;
                self.ledger.pages += 1;
                self.ledger.items.add(items);
                for (reason, links) in refused {
                    self.ledger.refuse(reason, links);
                }
                for link in links {
                    self.enter(link, Some(scope), answer)?;
                }
            }
            Fate::Redirected { target, revisit } if revisit && target.key == ending.key => self.queue_again(*target, None, answer),
            Fate::Redirected { target, revisit } => {
                self.settle(ending.key, known, State::Done);
                self.ledger.urls.done += 1;
                if revisit { self.reopen(*target, answer)? } else { self.enter(*target, None, answer)? }
            }
            Fate::Skipped { reason } => {
                self.settle(ending.key, known, State::Skipped);
                self.ledger.urls.skipped += 1;
                count(&mut self.ledger.skipped_by_reason, &reason, 1);
            }
            Fate::Dead { reason } => {
                self.ledger.urls.queued -= 1;
                self.die(ending.key, known.parser, ending.url, &reason, answer);
            }
            Fate::Again { request, not_before } => self.queue_again(*request, not_before, answer),
        }
        Ok(())
    }

    /// Takes a request out of the queue into an end state.
    fn settle(&mut self, key: DedupKey, known: Known, state: State) {
        self.storage.set(key, Known { state, ..known });
        self.ledger.urls.queued -= 1;
    }

    /// Enters a request whose key is not known; `scope` is asked only then.
    fn enter(&mut self, request: Request, scope: Option<&Scope>, answer: &mut Answer) -> Result<(), FrontierError> {
        let parser = hash(&request.parser);
        if let Some(known) = self.storage.known(request.key)? {
            self.ledger.parser_conflicts += u64::from(known.parser != parser);
            return Ok(());
        }
        if let Some(Err(refusal)) = scope.map(|scope| scope.judge(&request.url, request.depth)) {
            self.ledger.refuse(refusal.code(), 1);
            return Ok(());
        }
        self.ledger.urls.discovered += 1;
        self.ledger.urls.queued += 1;
        self.queue_again(request, None, answer);
        Ok(())
    }

    /// Queues a request of a redirect chain once more, whatever became of it. One that waits or was given up is left to that.
    fn reopen(&mut self, request: Request, answer: &mut Answer) -> Result<(), FrontierError> {
        match self.storage.known(request.key)?.map(|known| known.state) {
            None => return self.enter(request, None, answer),
            Some(State::Done) => {
                self.ledger.urls.done -= 1;
                self.ledger.urls.queued += 1;
                self.queue_again(request, None, answer);
            }
            Some(State::Waiting | State::InFlight | State::Dead | State::Skipped) => {}
        }
        Ok(())
    }

    /// Queues a request that is counted as queued, unless its origin was given up meanwhile.
    fn queue_again(&mut self, request: Request, not_before: Option<Instant>, answer: &mut Answer) {
        let origin = request.url.origin();
        let parser = hash(&request.parser);
        if let Some(reason) = self.given_up.get(&origin).cloned() {
            self.ledger.urls.queued -= 1;
            return self.die(request.key, parser, request.url, &reason, answer);
        }
        self.storage.set(request.key, Known { state: State::Waiting, parser });
        self.storage.queue(&origin, request, not_before);
        answer.woken.insert(origin);
    }

    /// Marks a request dead that is counted as discovered and, by now, no longer as queued.
    fn die(&mut self, key: DedupKey, parser: u32, url: CrawlUrl, reason: &str, answer: &mut Answer) {
        self.storage.set(key, Known { state: State::Dead, parser });
        self.ledger.urls.dead += 1;
        count(&mut self.ledger.dead_by_reason, reason, 1);
        answer.committed.dead.push(DeadLetter { url, reason: reason.to_owned() });
    }
}

/// A commit's answer while it is made.
#[derive(Default)]
struct Answer {
    committed: Committed,
    woken: HashSet<Origin>,
}

impl Answer {
    fn finish(mut self) -> Committed {
        self.committed.woken = self.woken.into_iter().collect();
        // A stated order, so that the same crawl takes the same course.
        self.committed.woken.sort();
        self.committed
    }
}

impl<S: Storage> Frontier for StoredFrontier<S> {
    fn commit(&mut self, group: Vec<Ending>, notes: &Notes, scope: &Scope) -> Result<Committed, FrontierError> {
        let mut answer = Answer::default();
        for ending in group {
            self.end(ending, scope, &mut answer)?;
        }
        self.storage.apply(&self.ledger, notes)?;
        Ok(answer.finish())
    }

    fn seed(&mut self, seeds: Vec<Request>) -> Result<Committed, FrontierError> {
        let mut answer = Answer::default();
        for seed in seeds {
            self.enter(seed, None, &mut answer)?;
        }
        self.storage.apply(&self.ledger, &Notes::default())?;
        answer.woken.extend(self.storage.origins()?);
        Ok(answer.finish())
    }

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        self.storage.take(origin, most, now)
    }

    fn give_up(&mut self, origin: &Origin, reason: &str) -> Result<Committed, FrontierError> {
        self.given_up.insert(origin.clone(), reason.to_owned());
        let mut answer = Answer::default();
        for request in self.storage.drain(origin)? {
            self.ledger.urls.queued -= 1;
            self.die(request.key, hash(&request.parser), request.url, reason, &mut answer);
        }
        self.storage.give_up(origin, reason);
        self.storage.apply(&self.ledger, &Notes::default())?;
        Ok(answer.finish())
    }

    fn begin_output(&mut self, output: Option<OutputMark>) -> Result<(), FrontierError> {
        self.storage.begin_output(output)
    }

    fn complete(&mut self) -> Result<(), FrontierError> {
        self.storage.complete()
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// Tells parsers apart, by name and arguments. Stored, so it must not change between versions.
fn hash(parser: &ParserRef) -> u32 {
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
