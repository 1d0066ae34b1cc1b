//! The queue scheduler: which request is next, and when.
//!
//! Pure: `now` is an argument and nothing here waits. One queue per origin, one clock per host name, and an index of hosts by the time
//! they are due; priority orders within an origin, due time between hosts, so a host with a million requests holds up nobody. What several
//! hosts have in common, an IP address or (with [`PolitenessBy`]) a clock, is a gate that they pass one after the other.
//!
//! **Invariant.** A host with a delay has at most one request in flight, and two of its requests are at least the delay apart, counted
//! from the end of the first; so are those of hosts that share a clock.
//! **Invariant.** A host is listed under the earliest time at which [`Scheduler::next`] could take something from it, or waits at a gate
//! that is listed by the time it opens, or not at all.
//! **Invariant.** A host about which nothing matters any more is forgotten; what matters later is in its origins' [`Health`], which the
//! frontier keeps.
//! **Invariant.** A window is asked for at most once at a time, and all windows together hold no more than `HELD` requests and one each.

mod gate;
mod health;
mod host;
mod lane;
mod pace;
mod robots;
mod rules;
mod slots;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use model::{HostName, Origin};
use tokio::time::Instant;

pub use health::{Health, Ill};
pub use host::{Measured, Terms};
pub use lane::Trouble;
pub use pace::Throttle;
pub use robots::{KnownRobots, ROBOTS_HOPS, ROBOTS_KEPT, RobotsErrand};
pub use rules::{HostOverride, HostRules, LONGEST_CRAWL_DELAY, PER_ADDRESS, PUBLIC_DELAY, PolitenessBy};
pub use slots::Slot;

use crate::request::Request;
use gate::{Gate, GateName};
use host::{Given, Host, Turn};

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
    gates: HashMap<GateName, Gate>,
    listed: BTreeMap<(Instant, u64), Listed>,
    /// Hosts that wait at gates.
    parked: usize,
    /// Hosts without work, by the time at which they are forgotten unless something comes.
    idle: BTreeMap<(Instant, u64), HostName>,
    listings: u64,
    wants: VecDeque<Want>,
    /// Requests in windows, and those that were asked for.
    held: usize,
    changed: HashMap<Origin, Health>,
}

/// Who has its turn at a time.
#[derive(Clone, Debug)]
enum Listed {
    Host(HostName),
    /// The first host that waits there.
    Gate(GateName),
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Dispatch this request, on these terms; its host's slot is taken until [`Scheduler::ended`].
    Request(Box<Request>, Terms),
    /// Fetch this robots.txt, on these terms; the slot of the host that it lies on is taken until [`Scheduler::ended`].
    Robots(RobotsErrand, Terms),
    /// Do not dispatch this request: robots.txt forbids it. No slot is taken.
    Forbidden(Box<Request>),
    /// Nothing is due before this time; `None`: nothing at all until something ends, is found, or is [refilled](Scheduler::refill).
    Wait(Option<Instant>),
}

/// What [`Scheduler::withdraw`] comes to.
#[derive(Debug, PartialEq)]
pub struct Withdrawn {
    /// What waited in windows.
    pub requests: Vec<Request>,
    /// Whether something of those hosts is still in flight.
    pub is_busy: bool,
}

/// An origin's window that wants to be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The origin.
    pub origin: Origin,
    /// With at most so many requests.
    pub most: usize,
    /// Whether its robots rules are wanted too, for [`Scheduler::read_robots`].
    pub robots: bool,
}

impl Scheduler {
    /// A scheduler without hosts.
    pub fn new(rules: HostRules) -> Scheduler {
        Scheduler {
            rules,
            hosts: HashMap::new(),
            gates: HashMap::new(),
            parked: 0,
            listed: BTreeMap::new(),
            idle: BTreeMap::new(),
            listings: 0,
            wants: VecDeque::new(),
            held: 0,
            changed: HashMap::new(),
        }
    }

    /// Whether robots.txt is obeyed: what is handed out is allowed then.
    pub fn obeys_robots(&self) -> bool {
        !self.rules.ignore_robots
    }

    /// The frontier has something for this origin, and knows this of it.
    pub fn wake(&mut self, origin: &Origin, health: &Health, now: Instant) {
        self.change(&origin.host(), now, |host, rules| host.known_lane(origin, health, rules, now).has_more());
    }

    /// As [`wake`](Scheduler::wake), after a restart: a host that has a clock is not visited before its delay has passed once more, as
    /// nobody knows what the process before had in flight when it ended.
    pub fn restore(&mut self, origin: &Origin, health: &Health, now: Instant) {
        self.change(&origin.host(), now, |host, rules| {
            host.known_lane(origin, health, rules, now).has_more();
            host.rest(now);
        });
    }

    /// An origin's robots.txt asks for this pause between two requests to its host, or for none: a further lower bound, of at most
    /// [`LONGEST_CRAWL_DELAY`], wherever the host is. It is kept with the origin's health, and holds for the pause that has begun. Without
    /// effect where robots.txt is ignored.
    pub fn set_crawl_delay(&mut self, origin: &Origin, delay: Option<Duration>, now: Instant) {
        if self.rules.ignore_robots {
            return;
        }
        let name = origin.host();
        let (mut due, mut pause) = (now, Duration::ZERO);
        let is_news = self.change(&name, now, |host, _| {
            let is_news = host.set_crawl_delay(origin, delay, now);
            (due, pause) = (host.due_time(), host.delay());
            is_news
        });
        // The pause that has begun has the new length for those, too, who share the clock.
        self.pass(&name, now, |gate| {
            if gate.is_clock {
                gate.due = gate.due.max(due);
                gate.pause = gate.pause.max(pause);
            }
        });
        if is_news {
            self.changed(origin, now);
        }
    }

    /// What the frontier knows of an origin's robots rules, before its window is filled.
    pub fn read_robots(&mut self, origin: &Origin, known: Option<KnownRobots>, now: Instant) {
        if let Some(delay) = known.as_ref().and_then(|known| known.rules.crawl_delay()) {
            self.set_crawl_delay(origin, Some(delay), now);
        }
        self.change(&origin.host(), now, |host, _| host.lane(origin, now).read_robots(known));
    }

    /// An origin's robots.txt was fetched: from now on it is obeyed.
    pub fn set_robots(&mut self, origin: &Origin, known: KnownRobots, now: Instant) {
        self.set_crawl_delay(origin, known.rules.crawl_delay(), now);
        self.change(&origin.host(), now, |host, _| host.lane(origin, now).set_robots(Some(known)));
    }

    /// An origin's robots.txt could not be fetched: that is tried again, when its trouble allows.
    pub fn robots_failed(&mut self, origin: &Origin, now: Instant) {
        self.change(&origin.host(), now, |host, _| host.lane(origin, now).set_robots(None));
    }

    /// An origin's robots.txt was lost with the worker that was to fetch it. Answers whether that has happened so often that it is no accident.
    pub fn robots_lost(&mut self, origin: &Origin, now: Instant) -> bool {
        self.change(&origin.host(), now, |host, _| host.lane(origin, now).robots_lost())
    }

    /// A robots.txt lies elsewhere: it is fetched from there, under the clock of that host.
    pub fn send_for_robots(&mut self, errand: RobotsErrand, now: Instant) {
        let origin = errand.url.origin();
        self.change(&origin.host(), now, |host, _| host.lane_of_errand(&origin, now).push_errand(errand));
    }

    /// The next window to fill. It is filled by [`refill`](Scheduler::refill), which must come.
    pub fn wants(&mut self) -> Option<Want> {
        self.wants.pop_front()
    }

    /// Fills an origin's window. `more`: the frontier has further ones that are due; `later`: when the first of those is due that are not.
    pub fn refill(&mut self, origin: &Origin, requests: Vec<Request>, more: bool, later: Option<Instant>, now: Instant) {
        self.held += requests.len();
        let asked = self.change(&origin.host(), now, |host, _| host.lane(origin, now).refill(requests, more, later));
        self.held -= asked;
    }

    /// The next request that is due.
    pub fn next(&mut self, now: Instant) -> Next {
        self.forget(now);
        loop {
            let Some((&(time, _), listed)) = self.listed.first_key_value() else { return Next::Wait(None) };
            if time > now {
                return Next::Wait(Some(time));
            }
            let (name, gate) = match listed {
                Listed::Host(name) => (name.clone(), None),
                Listed::Gate(gate) => {
                    let gate = gate.clone();
                    (self.let_in(&gate, now), Some(gate))
                }
            };
            let next = self.turn(&name, gate.as_ref(), now);
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// A host's turn: what it has to give, or it is listed again, asks for a window, or waits at a gate. `let_in`: it has waited there.
    fn turn(&mut self, name: &HostName, let_in: Option<&GateName>, now: Instant) -> Option<Next> {
        let host = self.hosts.get_mut(name).expect("a listed host exists");
        host.served = true;
        let is_due = host.due(now).is_some_and(|due| due <= now);
        match if is_due { host.turn(now) } else { Turn::Nothing } {
            Turn::Something => {
                if !host.gates.is_empty()
                    && let Some(gate) = self.closed_gate(name, let_in, now)
                {
                    self.park(name, gate, now);
                    return None;
                }
                let host = self.hosts.get_mut(name).expect("a listed host exists");
                let given = host.take(now).expect("its turn says that there is something");
                let terms = host.terms();
                let shared = host.gates.iter().map(|gate| &self.gates[gate]).filter(|gate| gate.is_clock).map(|gate| gate.pause).min();
                let terms = Terms { shared_delay: shared, ..terms };
                self.pass(name, now, |gate| gate.slots.in_flight += 1);
                let next = match given {
                    Given::Request(request) => {
                        self.held -= 1;
                        self.ask(name, &request.url.origin(), now);
                        Next::Request(request, terms)
                    }
                    Given::Errand(errand) => Next::Robots(errand, terms),
                };
                self.list(name, now);
                return Some(next);
            }
            Turn::Forbidden(request) => {
                self.held -= 1;
                self.ask(name, &request.url.origin(), now);
                self.list(name, now);
                return Some(Next::Forbidden(request));
            }
            Turn::Empty(origin) => {
                // Its time for later ones has come, or there are more: either way there is something.
                host.lane(&origin, now).has_more();
                self.ask(name, &origin, now);
            }
            Turn::Nothing => {}
        }
        self.list(name, now);
        None
    }

    /// The first of a host's gates that is closed, or where others were before it.
    fn closed_gate(&self, name: &HostName, let_in: Option<&GateName>, now: Instant) -> Option<GateName> {
        let is_closed = |name: &&GateName| {
            let gate = &self.gates[*name];
            let waits = !gate.waiting.is_empty() && Some(*name) != let_in;
            waits || gate.opens_at(now).is_none_or(|opens| opens > now)
        };
        self.hosts[name].gates.iter().find(is_closed).cloned()
    }

    /// Lets a host wait at a gate.
    fn park(&mut self, name: &HostName, gate: GateName, now: Instant) {
        let host = self.hosts.get_mut(name).expect("a listed host exists");
        host.parked = true;
        self.parked += 1;
        if let Some(key) = host.listed.take() {
            self.listed.remove(&key);
        }
        self.gates.get_mut(&gate).expect("a host's gate exists").waiting.push_back(name.clone());
        self.list_gate(&gate, now);
    }

    /// Takes the first host that waits at a listed gate.
    fn let_in(&mut self, gate: &GateName, now: Instant) -> HostName {
        let waiting = &mut self.gates.get_mut(gate).expect("a listed gate exists").waiting;
        let name = waiting.pop_front().expect("somebody waits at a listed gate");
        self.hosts.get_mut(&name).expect("a host that waits is not forgotten").parked = false;
        self.parked -= 1;
        self.list_gate(gate, now);
        self.drop_unused(gate);
        name
    }

    /// Changes the gates of a host.
    fn pass(&mut self, name: &HostName, now: Instant, change: impl Fn(&mut Gate)) {
        let host = &self.hosts[name];
        if host.gates.is_empty() {
            return;
        }
        let is_polite = host.has_delay();
        for name in host.gates.clone() {
            let gate = self.gates.get_mut(&name).expect("a host's gate exists");
            change(gate);
            if gate.is_clock && is_polite {
                gate.slots.most = 1;
            }
            self.list_gate(&name, now);
        }
    }

    /// Lists a gate under the time it opens, if somebody waits there.
    fn list_gate(&mut self, name: &GateName, now: Instant) {
        let gate = self.gates.get_mut(name).expect("listed after a change to it");
        if let Some(key) = gate.listed.take() {
            self.listed.remove(&key);
        }
        if gate.waiting.is_empty() {
            return;
        }
        if let Some(opens) = gate.opens_at(now) {
            self.listings += 1;
            let key = (opens.max(now), self.listings);
            gate.listed = Some(key);
            self.listed.insert(key, Listed::Gate(name.clone()));
        }
    }

    /// Makes a host pass a gate from now on, in place of another of that kind.
    fn join(&mut self, name: &HostName, gate_name: GateName, now: Instant) {
        let host = self.hosts.get_mut(name).expect("a host that was just changed");
        let of_kind = |gate: &GateName| std::mem::discriminant(gate) == std::mem::discriminant(&gate_name);
        let left = host.gates.iter().position(of_kind).map(|at| host.gates.remove(at));
        host.gates.reserve_exact(1);
        host.gates.push(gate_name.clone());
        let (in_flight, due, most) = (host.in_flight(), host.due_time(), host.most());
        let (is_clock, most) = match &gate_name {
            GateName::Domain(_) => (true, most),
            GateName::Address(address) => {
                let is_clock = self.rules.by == PolitenessBy::Address;
                (is_clock, self.rules.most_of(*address).unwrap_or(usize::MAX).min(if is_clock { most } else { usize::MAX }))
            }
        };
        let gate = self.gates.entry(gate_name).or_insert_with(|| Gate::new(most, is_clock, now));
        gate.members += 1;
        gate.slots.in_flight += in_flight;
        if is_clock {
            gate.due = gate.due.max(due);
        }
        if let Some(left) = left {
            self.stop_waiting(name, &left);
            self.leave(&left, in_flight, now);
        }
        self.pass(name, now, |_| {});
    }

    /// A host that waits at this gate waits no more: it leaves it. Few do.
    fn stop_waiting(&mut self, name: &HostName, gate: &GateName) {
        let waiting = &mut self.gates.get_mut(gate).expect("a host's gate exists").waiting;
        if let Some(at) = waiting.iter().position(|waits| waits == name) {
            waiting.remove(at);
            self.parked -= 1;
            self.hosts.get_mut(name).expect("a host that waits is not forgotten").parked = false;
        }
    }

    /// A host passes a gate no more, with so much of it in flight.
    fn leave(&mut self, name: &GateName, in_flight: usize, now: Instant) {
        let gate = self.gates.get_mut(name).expect("a host's gate exists");
        gate.members -= 1;
        gate.slots.in_flight -= in_flight;
        self.list_gate(name, now);
        self.drop_unused(name);
    }

    fn drop_unused(&mut self, name: &GateName) {
        if self.gates[name].members == 0 && self.gates[name].waiting.is_empty() {
            self.gates.remove(name);
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
        let robots = lane.wants_robots();
        self.held += most;
        self.wants.push_back(Want { origin: origin.clone(), most, robots });
    }

    /// A request's dispatch has ended; its slot is free, or will be (see [`Slot`]), and its host's pause begins. `measured` is what the answer
    /// showed, if there was one from the site; `random` is in 0..1.
    pub fn ended(&mut self, origin: &Origin, slot: Slot, measured: Option<Measured>, now: Instant, random: f64) {
        let name = origin.host();
        let (mut until, mut pause) = (now, Duration::ZERO);
        // Before the host may leave a gate for another.
        self.pass(&name, now, |gate| gate.slots.end(slot, now));
        let is_news = self.change(&name, now, |host, rules| {
            let (end, met) = host.ended(slot, measured, rules, now, random);
            (until, pause) = (end, host.delay());
            met || host.has_delay()
        });
        self.pass(&name, now, |gate| {
            if gate.is_clock {
                gate.due = gate.due.max(until);
                gate.pause = pause;
            }
        });
        if is_news {
            self.changed(origin, now);
        }
    }

    /// A request was taken and not dispatched: its slot is free, and its host's clock as it was.
    pub fn returned(&mut self, origin: &Origin, now: Instant) {
        let name = origin.host();
        self.change(&name, now, |host, _| host.returned());
        self.pass(&name, now, |gate| gate.slots.in_flight -= 1);
    }

    /// An outcome was no page: it does not count for its host's page budget.
    pub fn page_returned(&mut self, origin: &Origin, now: Instant) {
        self.change(&origin.host(), now, |host, _| host.page_returned());
    }

    /// The origin answered as a healthy server does.
    pub fn answered(&mut self, origin: &Origin, now: Instant) {
        if self.change(&origin.host(), now, |host, _| host.lane(origin, now).answered(now)) {
            self.changed(origin, now);
        }
    }

    /// When the origin last answered as a healthy server does.
    pub fn last_answer(&self, origin: &Origin) -> Option<Instant> {
        self.hosts.get(&origin.host())?.existing_lane(origin)?.last_answer()
    }

    /// The origin is in trouble: it is left alone for a while, longer with each time, or given up. `random` is in 0..1.
    pub fn trouble(&mut self, origin: &Origin, retry_after: Option<Duration>, now: Instant, random: f64) -> Trouble {
        let trouble = self.change(&origin.host(), now, |host, rules| host.lane(origin, now).trouble(rules, retry_after, now, random));
        self.changed(origin, now);
        trouble
    }

    /// Forgets what waits in the window of an origin that was given up, and its trouble: should someone queue it again, it gets as much
    /// patience as a new one. Returns those requests.
    pub fn clear(&mut self, origin: &Origin, now: Instant) -> Vec<Request> {
        let cleared = self.change(&origin.host(), now, |host, _| host.lane(origin, now).clear());
        self.held -= cleared.len();
        cleared
    }

    /// Forgets what waits on hosts that another engine is to have; nothing more of them is handed out before they are woken again.
    pub fn withdraw(&mut self, is_leaving: impl Fn(&HostName) -> bool, now: Instant) -> Withdrawn {
        let leaving: Vec<HostName> = self.hosts.keys().filter(|name| is_leaving(name)).cloned().collect();
        let mut withdrawn = Withdrawn { requests: Vec::new(), is_busy: false };
        for name in leaving {
            let (requests, errands) = self.change(&name, now, |host, _| host.withdraw());
            self.held -= requests.len();
            withdrawn.requests.extend(requests);
            // Whoever waits for one asks for it anew.
            errands.iter().filter(|origin| !is_leaving(&origin.host())).for_each(|origin| self.robots_failed(origin, now));
            if self.hosts[&name].is_at_work(now) {
                withdrawn.is_busy = true;
            } else {
                self.drop_host(&name, now);
            }
        }
        withdrawn
    }

    /// Origins whose health has changed since this was asked last, to be kept by the frontier. `pages` is not filled in.
    pub fn changes(&mut self) -> impl Iterator<Item = (Origin, Health)> + use<'_> {
        self.changed.drain()
    }

    /// The hosts that have work and a free slot, and wait for their time or at a gate.
    pub fn waiting_hosts(&self, now: Instant) -> usize {
        let hosts = self.listed.range((now, 0)..).filter(|(_, listed)| matches!(listed, Listed::Host(_)));
        hosts.count() + self.parked
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

    fn change<T>(&mut self, name: &HostName, now: Instant, act: impl FnOnce(&mut Host, &HostRules) -> T) -> T {
        let rules = &self.rules;
        let host = self.hosts.entry(name.clone()).or_insert_with(|| Host::new(name, rules, now));
        let answer = act(host, rules);
        if let Some(gate) = host.new_gate.take() {
            self.join(name, gate, now);
        }
        self.list(name, now);
        answer
    }

    /// Lists a host under the time it is due. One that is due already queues behind those that have waited longer, and one that waits at a
    /// gate keeps its place there.
    fn list(&mut self, name: &HostName, now: Instant) {
        let host = self.hosts.get_mut(name).expect("listed after a change to it");
        if host.parked {
            return;
        }
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
            self.listed.insert(key, Listed::Host(name.clone()));
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

    /// Forgets a host of which nothing is at work.
    fn drop_host(&mut self, name: &HostName, now: Instant) {
        for gate in self.hosts[name].gates.clone() {
            self.stop_waiting(name, &gate);
            self.leave(&gate, 0, now);
        }
        let Some(host) = self.hosts.remove(name) else { return };
        if let Some(key) = host.listed {
            self.listed.remove(&key);
        }
        if let Some(key) = host.idle {
            self.idle.remove(&key);
        }
    }

    /// Forgets hosts about which nothing matters any more.
    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.idle.first_entry().filter(|first| first.key().0 <= now) {
            let Some(host) = self.hosts.remove(&first.remove()) else { continue };
            for gate in &host.gates {
                self.leave(gate, 0, now);
            }
        }
    }
}

#[cfg(test)]
mod tests;
