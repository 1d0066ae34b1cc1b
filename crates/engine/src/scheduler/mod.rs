//! The queue scheduler: which request is next, and when.
//!
//! Pure: `now` is an argument and nothing here waits. One queue per origin, one clock per host name, and an index of hosts by the time
//! they are due; priority orders within an origin, due time between hosts, so a host with a million requests holds up nobody.
//!
//! **Invariant.** A host with a delay has at most one request in flight, and two of its requests are at least the delay apart, counted
//! from the end of the first.
//! **Invariant.** A host is listed under the earliest time at which [`Scheduler::next`] could take something from it, or not at all.
//! **Invariant.** A host about which nothing matters any more is forgotten; what matters later is in its origins' [`Health`], which the
//! frontier keeps.
//! **Invariant.** A window is asked for at most once at a time, and all windows together hold no more than `HELD` requests and one each.

mod health;
mod host;
mod lane;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use model::{HostName, Origin};
use tokio::time::Instant;

pub use health::{Health, Ill};
pub use host::Slot;
pub use lane::Trouble;

use crate::request::Request;
use host::{Host, Turn};

/// How hosts are treated unless they say otherwise.
#[derive(Clone, Debug)]
pub struct HostRules {
    /// Pause between two requests to a host, wherever it is. None: [`PUBLIC_DELAY`] for public hosts, no pause for this machine.
    pub delay: Option<Duration>,
    /// Most requests in flight to one host that has no delay. None: as many as the crawl has.
    pub per_host: Option<NonZeroUsize>,
    /// Most pages of one host over the whole crawl.
    pub max_pages: Option<NonZeroU64>,
    /// First pause for an origin in trouble; doubles with each failure.
    pub backoff: Duration,
    /// Time in trouble without a single normal answer after which an origin is given up.
    pub give_up: Duration,
    /// The same for an origin that never answered in this crawl, after at least three tries.
    pub give_up_unanswered: Duration,
}

/// Pause between two requests to a public host, when the user says nothing.
pub const PUBLIC_DELAY: Duration = Duration::from_secs(1);

/// Requests in all windows together, beyond which a window gets one at a time: at some 500 bytes each, 16 MB.
const HELD: usize = 32 * 1024;

/// Most requests of one window: what a host without a delay uses up while a commit is in the way.
const WINDOW: usize = 1024;

/// The same for a host with a delay, which needs no more for the next seconds.
const POLITE_WINDOW: usize = 4;

/// Windows that may become as large at the same time.
const SHARES: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct Scheduler {
    rules: HostRules,
    hosts: HashMap<HostName, Host>,
    listed: BTreeMap<(Instant, u64), HostName>,
    /// Hosts without work, by the time at which they are forgotten unless something comes.
    idle: BTreeMap<(Instant, u64), HostName>,
    listings: u64,
    wants: VecDeque<Want>,
    /// Requests in windows, and those that were asked for.
    held: usize,
    changed: HashMap<Origin, Health>,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Dispatch this request; its host's slot is taken until [`Scheduler::ended`].
    Request(Box<Request>),
    /// Nothing is due before this time; `None`: nothing at all until something ends, is found, or is [refilled](Scheduler::refill).
    Wait(Option<Instant>),
}

/// An origin's window that wants to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The origin.
    pub origin: Origin,
    /// With at most so many requests.
    pub most: usize,
}

impl Scheduler {
    /// A scheduler without hosts.
    pub fn new(rules: HostRules) -> Scheduler {
        Scheduler {
            rules,
            hosts: HashMap::new(),
            listed: BTreeMap::new(),
            idle: BTreeMap::new(),
            listings: 0,
            wants: VecDeque::new(),
            held: 0,
            changed: HashMap::new(),
        }
    }

    /// The frontier has something for this origin, and knows this of it.
    pub fn wake(&mut self, origin: &Origin, health: &Health, now: Instant) {
        self.change(&origin.host(), now, |host| host.known_lane(origin, health, now).has_more());
    }

    /// As [`wake`](Scheduler::wake), after a restart: a host that has a clock is not visited before its delay has passed once more, as
    /// nobody knows when the process before has ended.
    pub fn restore(&mut self, origin: &Origin, health: &Health, now: Instant) {
        self.change(&origin.host(), now, |host| {
            host.known_lane(origin, health, now).has_more();
            if health.due.is_some() {
                host.rest(now);
            }
        });
    }

    /// The next window to fill. It is filled by [`refill`](Scheduler::refill), which must come.
    pub fn wants(&mut self) -> Option<Want> {
        self.wants.pop_front()
    }

    /// Fills an origin's window. `more`: the frontier has further ones that are due; `later`: when the first of those is due that are not.
    pub fn refill(&mut self, origin: &Origin, requests: Vec<Request>, more: bool, later: Option<Instant>, now: Instant) {
        self.held += requests.len();
        let asked = self.change(&origin.host(), now, |host| host.lane(origin, now).refill(requests, more, later));
        self.held -= asked;
    }

    /// The next request that is due.
    pub fn next(&mut self, now: Instant) -> Next {
        self.forget(now);
        loop {
            let Some((&(time, _), name)) = self.listed.first_key_value() else { return Next::Wait(None) };
            if time > now {
                return Next::Wait(Some(time));
            }
            let name = name.clone();
            let host = self.hosts.get_mut(&name).expect("a listed host exists");
            let turn = host.turn(now);
            let next = match turn {
                Turn::Request(request) => {
                    self.held -= 1;
                    self.ask(&name, &request.url.origin(), now);
                    Some(Next::Request(request))
                }
                Turn::Empty(origin) => {
                    // Its time for later ones has come, or there are more: either way there is something.
                    self.hosts.get_mut(&name).expect("a listed host exists").lane(&origin, now).has_more();
                    self.ask(&name, &origin, now);
                    None
                }
                Turn::Nothing => None,
            };
            self.list(&name, now);
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// Notes that a window wants to be filled, if it does.
    fn ask(&mut self, name: &HostName, origin: &Origin, now: Instant) {
        let host = self.hosts.get_mut(name).expect("a listed host exists");
        let (has_delay, has_budget) = (host.has_delay(), host.has_budget());
        let lane = host.lane(origin, now);
        if !has_budget || !lane.wants_more() {
            return;
        }
        let share = HELD.saturating_sub(self.held) / SHARES;
        let most = share.clamp(1, if has_delay { POLITE_WINDOW } else { WINDOW });
        lane.ask(most);
        self.held += most;
        self.wants.push_back(Want { origin: origin.clone(), most });
    }

    /// A request's dispatch has ended; its slot is free, or will be (see [`Slot`]).
    pub fn ended(&mut self, origin: &Origin, slot: Slot, now: Instant) {
        let has_delay = self.change(&origin.host(), now, |host| {
            host.ended(slot, now);
            host.has_delay()
        });
        if has_delay {
            self.changed(origin, now);
        }
    }

    /// A request was taken and not dispatched: its slot is free, and its host's clock as it was.
    pub fn returned(&mut self, origin: &Origin, now: Instant) {
        self.change(&origin.host(), now, Host::returned);
    }

    /// An outcome was no page: it does not count for its host's page budget.
    pub fn page_returned(&mut self, origin: &Origin, now: Instant) {
        self.change(&origin.host(), now, Host::page_returned);
    }

    /// The origin answered as a healthy server does.
    pub fn answered(&mut self, origin: &Origin, now: Instant) {
        if self.change(&origin.host(), now, |host| host.lane(origin, now).answered(now)) {
            self.changed(origin, now);
        }
    }

    /// When the origin last answered as a healthy server does.
    pub fn last_answer(&self, origin: &Origin) -> Option<Instant> {
        self.hosts.get(&origin.host())?.existing_lane(origin)?.last_answer()
    }

    /// The origin is in trouble: it is left alone for a while, longer with each time, or given up. `random` is in 0..1.
    pub fn trouble(&mut self, origin: &Origin, retry_after: Option<Duration>, now: Instant, random: f64) -> Trouble {
        let rules = self.rules.clone();
        let trouble = self.change(&origin.host(), now, |host| host.lane(origin, now).trouble(&rules, retry_after, now, random));
        self.changed(origin, now);
        trouble
    }

    /// Forgets what waits in the window of an origin that was given up, and its trouble: should someone queue it again, it gets as much
    /// patience as a new one. Returns those requests.
    pub fn clear(&mut self, origin: &Origin, now: Instant) -> Vec<Request> {
        let cleared = self.change(&origin.host(), now, |host| host.lane(origin, now).clear());
        self.held -= cleared.len();
        cleared
    }

    /// Origins whose health has changed since this was asked last, to be kept by the frontier. `pages` is not filled in.
    pub fn changes(&mut self) -> impl Iterator<Item = (Origin, Health)> + use<'_> {
        self.changed.drain()
    }

    /// The hosts that have work and a free slot, and wait for their time.
    pub fn waiting_hosts(&self, now: Instant) -> usize {
        self.listed.range((now, 0)..).count()
    }

    /// When the first host is due, of those that have work and a free slot.
    pub fn soonest(&self) -> Option<Instant> {
        self.listed.keys().next().map(|(time, _)| *time)
    }

    /// Whether nothing can be taken or will come, though hosts have work: their page budgets are used up.
    pub fn is_held_by_budget(&self) -> bool {
        let is_held = |host: &Host| host.has_work() && !host.has_budget();
        self.listed.is_empty() && self.hosts.values().any(is_held) && self.hosts.values().all(|host| is_held(host) || !host.has_work())
    }

    fn changed(&mut self, origin: &Origin, now: Instant) {
        if let Some(health) = self.hosts.get(&origin.host()).and_then(|host| host.health(origin, now)) {
            self.changed.insert(origin.clone(), health);
        }
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
        if let Some(key) = host.idle.take() {
            self.idle.remove(&key);
        }
        if let Some(time) = host.forgettable_at() {
            self.listings += 1;
            host.idle = Some((time, self.listings));
            self.idle.insert((time, self.listings), name.clone());
        }
    }

    /// Forgets hosts about which nothing matters any more.
    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.idle.first_entry().filter(|first| first.key().0 <= now) {
            self.hosts.remove(&first.remove());
        }
    }
}

#[cfg(test)]
mod tests;
