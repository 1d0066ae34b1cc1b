//! A storage in memory: as long-lived as its process. For crawls whose state is thrown away, and the model that tests compare with.
//!
//! A known URL costs its key, its state and a parser's hash (21 bytes, about 40 in the table); one that waits also costs its request.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

use model::{DedupKey, Origin};
use tokio::time::Instant;

use super::storage::{Known, State, Storage};
use super::{FrontierError, Notes, OutputMark, StoredFrontier, Taken};
use crate::ledger::Ledger;
use crate::request::Request;

/// A frontier in memory.
pub type MemoryFrontier = StoredFrontier<MemoryStorage>;

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    known: HashMap<DedupKey, Known>,
    queues: HashMap<Origin, Queue>,
}

/// What waits for one origin.
#[derive(Debug, Default)]
struct Queue {
    due: BTreeMap<Reverse<i32>, VecDeque<Request>>,
    /// Requests that wait for a time; the second part of the key keeps equal times apart, in order.
    later: BTreeMap<(Instant, u64), Request>,
    delayed: u64,
}

impl MemoryFrontier {
    /// An empty frontier.
    pub fn in_memory() -> MemoryFrontier {
        StoredFrontier::new(MemoryStorage::default(), Ledger::default(), HashMap::new())
    }
}

impl Storage for MemoryStorage {
    fn known(&self, key: DedupKey) -> Result<Option<Known>, FrontierError> {
        Ok(self.known.get(&key).copied())
    }

    fn set(&mut self, key: DedupKey, known: Known) {
        self.known.insert(key, known);
    }

    fn queue(&mut self, origin: &Origin, request: Request, not_before: Option<Instant>) {
        let queue = self.queues.entry(origin.clone()).or_default();
        match not_before {
            Some(time) => {
                queue.delayed += 1;
                queue.later.insert((time, queue.delayed), request);
            }
            None => queue.due.entry(Reverse(request.priority)).or_default().push_back(request),
        }
    }

    /// Handing out has taken it from its queue already.
    fn unqueue(&mut self, _: DedupKey) {}

    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError> {
        let Some(queue) = self.queues.get_mut(origin) else { return Ok(Taken::default()) };
        while let Some(first) = queue.later.first_entry().filter(|first| first.key().0 <= now) {
            let request = first.remove();
            queue.due.entry(Reverse(request.priority)).or_default().push_back(request);
        }
        let mut requests = Vec::new();
        while requests.len() < most
            && let Some(mut first) = queue.due.first_entry()
        {
            let room = most - requests.len();
            let level = first.get_mut();
            requests.extend(level.drain(..room.min(level.len())));
            if level.is_empty() {
                first.remove();
            }
        }
        let taken = Taken { requests, more: !queue.due.is_empty(), later: queue.later.keys().next().map(|(time, _)| *time) };
        if !taken.more && taken.later.is_none() {
            self.queues.remove(origin);
        }
        for request in &taken.requests {
            self.known.get_mut(&request.key).expect("every queued request is known").state = State::InFlight;
        }
        Ok(taken)
    }

    fn drain(&mut self, origin: &Origin) -> Result<Vec<Request>, FrontierError> {
        let queue = self.queues.remove(origin).unwrap_or_default();
        Ok(queue.due.into_values().flatten().chain(queue.later.into_values()).collect())
    }

    fn give_up(&mut self, _: &Origin, _: &str) {}

    fn origins(&self) -> Result<Vec<Origin>, FrontierError> {
        Ok(self.queues.keys().cloned().collect())
    }

    fn apply(&mut self, _: &Ledger, _: &Notes) -> Result<(), FrontierError> {
        Ok(())
    }

    fn begin_output(&mut self, _: Option<OutputMark>) -> Result<(), FrontierError> {
        Ok(())
    }

    fn complete(&mut self) -> Result<(), FrontierError> {
        Ok(())
    }
}
