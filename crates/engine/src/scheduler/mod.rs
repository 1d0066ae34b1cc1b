//! The queue scheduler: which request is next, and when.
//!
//! Pure: `now` is an argument and nothing here waits. One queue per origin, one clock per host name, and an index of hosts by the time
//! they are due; priority orders within an origin, due time between hosts, so a host with a million requests holds up nobody.
//!
//! **Invariant.** A host with a delay has at most one request in flight, and two of its requests are at least the delay apart, counted
//! from the end of the first.
//! **Invariant.** A host is listed under the earliest time at which [`Scheduler::next`] could take something from it, or not at all.

mod host;
mod lane;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::time::Duration;

use model::{HostName, Origin};
use tokio::time::Instant;

pub use host::Slot;
pub use lane::Trouble;

use crate::request::Request;
use host::Host;

/// How hosts are treated unless they say otherwise.
#[derive(Clone, Debug)]
pub struct HostRules {
    /// Pause between two requests to a host, wherever it is. None: [`PUBLIC_DELAY`] for public hosts, no pause for this machine.
    pub delay: Option<Duration>,
    /// Most requests in flight to one host that has no delay. None: as many as the crawl has.
    pub per_host: Option<NonZeroUsize>,
    /// First pause for an origin in trouble; doubles with each failure.
    pub backoff: Duration,
    /// Time in trouble without a single normal answer after which an origin is given up.
    pub give_up: Duration,
    /// The same for an origin that never answered in this crawl, after at least three tries.
    pub give_up_unanswered: Duration,
}

/// Pause between two requests to a public host, when the user says nothing.
pub const PUBLIC_DELAY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Scheduler {
    rules: HostRules,
    hosts: HashMap<HostName, Host>,
    listed: BTreeMap<(Instant, u64), HostName>,
    listings: u64,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Dispatch this request; its host's slot is taken until [`Scheduler::ended`].
    Request(Box<Request>),
    /// This origin may be visited but its window is empty: [`refill`](Scheduler::refill) it from the frontier and ask again.
    Refill(Origin),
    /// Nothing is due before this time; `None`: nothing at all until something ends or is found.
    Wait(Option<Instant>),
}

/// Requests taken from the frontier for one origin at a time: enough that a refill is rare, few enough that memory is bounded by hosts.
pub const WINDOW: usize = 64;

impl Scheduler {
    /// A scheduler without hosts.
    pub fn new(rules: HostRules) -> Scheduler {
        Scheduler { rules, hosts: HashMap::new(), listed: BTreeMap::new(), listings: 0 }
    }

    /// The frontier has something for this origin.
    pub fn wake(&mut self, origin: &Origin, now: Instant) {
        self.change(&origin.host(), now, |host| host.lane(origin).has_more());
    }

    /// Fills an origin's window. `more`: the frontier has further ones that are due; `later`: when the first of those is due that are not.
    pub fn refill(&mut self, origin: &Origin, requests: Vec<Request>, more: bool, later: Option<Instant>, now: Instant) {
        self.change(&origin.host(), now, |host| host.lane(origin).refill(requests, more, later));
    }

    /// The next request that is due.
    pub fn next(&mut self, now: Instant) -> Next {
        let Some((&(time, _), name)) = self.listed.first_key_value() else { return Next::Wait(None) };
        if time > now {
            return Next::Wait(Some(time));
        }
        let name = name.clone();
        let host = self.hosts.get_mut(&name).expect("a listed host exists");
        let next = host.next(now);
        self.list(&name, now);
        next
    }

    /// A request's dispatch has ended; its slot is free, or will be (see [`Slot`]).
    pub fn ended(&mut self, origin: &Origin, slot: Slot, now: Instant) {
        self.change(&origin.host(), now, |host| host.ended(slot, now));
    }

    /// A request was taken and not dispatched: its slot is free, and its host's clock as it was.
    pub fn returned(&mut self, origin: &Origin, now: Instant) {
        self.change(&origin.host(), now, Host::returned);
    }

    /// The origin answered as a healthy server does.
    pub fn answered(&mut self, origin: &Origin, now: Instant) {
        self.change(&origin.host(), now, |host| host.lane(origin).answered(now));
    }

    /// When the origin last answered as a healthy server does.
    pub fn last_answer(&self, origin: &Origin) -> Option<Instant> {
        self.hosts.get(&origin.host())?.existing_lane(origin)?.last_answer()
    }

    /// The origin is in trouble: it is left alone for a while, longer with each time, or given up. `random` is in 0..1.
    pub fn trouble(&mut self, origin: &Origin, retry_after: Option<Duration>, now: Instant, random: f64) -> Trouble {
        let rules = self.rules.clone();
        self.change(&origin.host(), now, |host| host.lane(origin).trouble(&rules, retry_after, now, random))
    }

    /// Forgets what waits in the window of an origin that was given up. Returns those requests.
    pub fn clear(&mut self, origin: &Origin, now: Instant) -> Vec<Request> {
        self.change(&origin.host(), now, |host| host.lane(origin).clear())
    }

    /// The hosts that have work and a free slot, and wait for their time.
    pub fn waiting_hosts(&self, now: Instant) -> usize {
        self.listed.range((now, 0)..).count()
    }

    /// When the first host is due, of those that have work and a free slot.
    pub fn soonest(&self) -> Option<Instant> {
        self.listed.keys().next().map(|(time, _)| *time)
    }

    fn change<T>(&mut self, name: &HostName, now: Instant, act: impl FnOnce(&mut Host) -> T) -> T {
        let rules = &self.rules;
        let host = self.hosts.entry(name.clone()).or_insert_with(|| Host::new(name, rules, now));
        let answer = act(host);
        self.list(name, now);
        answer
    }

    /// Lists a host under the time it is due. One that is due already queues behind those that have waited longer.
    fn list(&mut self, name: &HostName, now: Instant) {
        let host = self.hosts.get_mut(name).expect("listed after a change to it");
        let due = host.due(now);
        match (host.listed, due) {
            // Keeps its place in the queue of those that are due.
            (Some((time, _)), Some(due)) if !host.served && time <= now && due <= now => return,
            (Some(key), _) => {
                self.listed.remove(&key);
            }
            (None, _) => {}
        }
        host.served = false;
        host.listed = due.map(|due| {
            self.listings += 1;
            (due.max(now), self.listings)
        });
        if let Some(key) = host.listed {
            self.listed.insert(key, name.clone());
        }
    }
}

#[cfg(test)]
mod tests;
