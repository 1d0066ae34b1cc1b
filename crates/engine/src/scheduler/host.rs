//! One host: its clock, its slots, and a lane for each of its origins.

use std::net::IpAddr;
use std::time::Duration;

use model::{HostName, Origin};
use tokio::time::Instant;

use super::gate::GateName;
use super::health::Health;
use super::lane::{Lane, LaneTurn};
use super::robots::RobotsErrand;
use super::rules::{LONGEST_CRAWL_DELAY, Treatment};
use super::slots::{Slot, Slots};
use super::{HostRules, PolitenessBy};
use crate::pool::WorkerIndex;
use crate::request::Request;

/// See the module.
#[derive(Debug)]
pub(super) struct Host {
    treatment: Treatment,
    /// The longest `Crawl-delay` of its origins.
    crawl_delay: Duration,
    /// What the throttle has found.
    pace: Duration,
    slots: Slots,
    due: Instant,
    /// When the last of its requests ended.
    last_end: Option<Instant>,
    /// Who had it last, while it has a delay: its connection lives there.
    worker: Option<WorkerIndex>,
    address: Option<IpAddr>,
    /// What it has in common with other hosts.
    pub(super) gates: Vec<GateName>,
    /// A gate that it is to pass from now on.
    pub(super) new_gate: Option<GateName>,
    /// Whether it is asked for its robots.txt.
    reads_robots: bool,
    /// Whether it waits at a gate.
    pub(super) parked: bool,
    /// Pages that are done, or may become some.
    pages_begun: u64,
    /// Few: one for each scheme and port that the crawl visits on this host.
    lanes: Vec<Lane>,
    /// Where the scheduler has this host in its index.
    pub(super) listed: Option<(Instant, u64)>,
    /// Where the scheduler has this host among those to be forgotten.
    pub(super) idle: Option<(Instant, u64)>,
    /// Whether it has had its turn since it was listed.
    pub(super) served: bool,
}

/// On which terms a request is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The pause that its host has after each request, without jitter.
    pub delay: Duration,
    /// The pause, without jitter, that began with the last request under the clock that its host shares with others; none if it shares
    /// none.
    pub shared_delay: Option<Duration>,
    /// Most requests in flight to its host; none: as many as the crawl has.
    pub most: Option<usize>,
    /// The worker that had its host last, if the host has a clock: it may still have a connection.
    pub worker: Option<WorkerIndex>,
}

/// What is known of an answer, for the clocks.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// How long the fetch took.
    pub took: Duration,
    /// Whether it was a page or a redirect.
    pub well: bool,
    /// The address that was connected to.
    pub address: Option<IpAddr>,
    /// Who fetched.
    pub worker: WorkerIndex,
}

/// What is handed out.
pub(super) enum Given {
    /// A page.
    Request(Box<Request>),
    /// A robots.txt.
    Errand(RobotsErrand),
}

/// What a host whose turn it is has to give.
pub(super) enum Turn {
    /// A request, or a robots.txt to fetch: [`Host::take`] takes it.
    Something,
    /// A request that robots.txt forbids.
    Forbidden(Box<Request>),
    /// Its lane has to be filled first.
    Empty(Origin),
    /// Nothing now.
    Nothing,
}

impl Host {
    pub(super) fn new(name: &HostName, rules: &HostRules, now: Instant) -> Host {
        let treatment = rules.of(name);
        let mut host = Host {
            slots: Slots::new(treatment.most),
            treatment,
            crawl_delay: Duration::ZERO,
            pace: Duration::ZERO,
            due: now,
            last_end: None,
            worker: None,
            address: None,
            gates: Vec::new(),
            new_gate: match rules.by {
                PolitenessBy::Domain => Some(GateName::of_domain(name)),
                PolitenessBy::Host | PolitenessBy::Address => None,
            },
            reads_robots: !rules.ignore_robots,
            parked: false,
            pages_begun: 0,
            lanes: Vec::new(),
            listed: None,
            idle: None,
            served: false,
        };
        host.set_slots();
        host
    }

    /// The pause after each of its requests, without jitter.
    pub(super) fn delay(&self) -> Duration {
        self.treatment.delay.max(self.crawl_delay).max(self.pace)
    }

    /// Whether it has a clock, and so one request at a time.
    pub(super) fn has_delay(&self) -> bool {
        self.treatment.throttle.is_some() || !self.delay().is_zero()
    }

    fn set_slots(&mut self) {
        self.slots.most = if self.has_delay() { 1 } else { self.treatment.most };
    }

    /// Most requests in flight while it has no delay.
    pub(super) fn most(&self) -> usize {
        self.treatment.most
    }

    pub(super) fn in_flight(&self) -> usize {
        self.slots.in_flight
    }

    pub(super) fn due_time(&self) -> Instant {
        self.due
    }

    pub(super) fn terms(&self) -> Terms {
        let most = (self.slots.most < usize::MAX).then_some(self.slots.most);
        Terms { delay: self.delay(), shared_delay: None, most, worker: self.worker }
    }

    pub(super) fn has_budget(&self) -> bool {
        self.treatment.max_pages.is_none_or(|max| self.pages_begun < max.get())
    }

    pub(super) fn has_work(&self) -> bool {
        self.lanes.iter().any(Lane::has_work)
    }

    pub(super) fn lane(&mut self, origin: &Origin, now: Instant) -> &mut Lane {
        let at = self.lanes.iter().position(|lane| lane.origin() == origin);
        let at = at.unwrap_or_else(|| self.add_lane(origin, &Health::default(), now));
        &mut self.lanes[at]
    }

    /// The origin's lane; a new one begins with what is known of it.
    pub(super) fn known_lane(&mut self, origin: &Origin, health: &Health, rules: &HostRules, now: Instant) -> &mut Lane {
        let known = self.lanes.iter().position(|lane| lane.origin() == origin);
        if let Some(at) = known.filter(|at| self.lanes[*at].is_stranger) {
            // It was made for a robots.txt, by somebody who knew nothing of it.
            let errands = self.lanes.remove(at).into_errands();
            let lane = self.known_lane(origin, health, rules, now);
            errands.into_iter().for_each(|errand| lane.push_errand(errand));
        }
        let at = self.lanes.iter().position(|lane| lane.origin() == origin);
        let at = at.unwrap_or_else(|| {
            self.pages_begun += health.pages;
            self.due = health.due.map_or(self.due, |due| due.max(self.due));
            if let (Some(pace), Some(throttle)) = (health.pace, self.treatment.throttle) {
                self.pace = self.pace.max(pace.min(throttle.longest));
            }
            if let (Some(address), None) = (health.address, self.address) {
                self.met(address, rules);
            }
            let at = self.add_lane(origin, health, now);
            if !rules.ignore_robots {
                self.lanes[at].crawl_delay = health.crawl_delay;
                self.look_at_crawl_delays();
            }
            at
        });
        &mut self.lanes[at]
    }

    /// The origin's lane for a robots.txt that lies there. What the frontier knows of the origin comes later, if it is woken.
    pub(super) fn lane_of_errand(&mut self, origin: &Origin, now: Instant) -> &mut Lane {
        if self.existing_lane(origin).is_none() {
            let at = self.add_lane(origin, &Health::default(), now);
            self.lanes[at].is_stranger = true;
        }
        self.lane(origin, now)
    }

    fn add_lane(&mut self, origin: &Origin, health: &Health, now: Instant) -> usize {
        // Most hosts have one: room for four would be most of what a host takes.
        self.lanes.reserve_exact(1);
        self.lanes.push(Lane::new(origin.clone(), health, self.reads_robots, now));
        self.lanes.len() - 1
    }

    pub(super) fn existing_lane(&self, origin: &Origin) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.origin() == origin)
    }

    /// What is known of an origin and outlives the process.
    pub(super) fn health(&self, origin: &Origin, now: Instant) -> Option<Health> {
        let known = self.existing_lane(origin).filter(|lane| !lane.is_stranger)?.health(now);
        let due = self.has_delay().then_some(self.due);
        Some(Health { due, pace: (!self.pace.is_zero()).then_some(self.pace), address: self.address, ..known })
    }

    /// Waits its delay from now on, if it has one.
    pub(super) fn rest(&mut self, now: Instant) {
        self.due = self.due.max(now + self.delay());
    }

    /// An origin's robots.txt asks for this pause. Returns whether that is news.
    pub(super) fn set_crawl_delay(&mut self, origin: &Origin, delay: Option<Duration>, now: Instant) -> bool {
        let delay = delay.map(|delay| delay.min(LONGEST_CRAWL_DELAY));
        let lane = self.lane(origin, now);
        let news = lane.crawl_delay != delay;
        lane.crawl_delay = delay;
        self.look_at_crawl_delays();
        news
    }

    fn look_at_crawl_delays(&mut self) {
        self.crawl_delay = self.lanes.iter().filter_map(|lane| lane.crawl_delay).max().unwrap_or_default();
        self.set_slots();
        // The pause that has begun is of the new length.
        if let Some(end) = self.last_end {
            self.due = self.due.max(end + self.delay());
        }
    }

    /// Notes the address a worker connected to. Returns whether that is news that somebody wants.
    fn met(&mut self, address: IpAddr, rules: &HostRules) -> bool {
        let address = address.to_canonical();
        let is_wanted = rules.by == PolitenessBy::Address || rules.most_of(address).is_some();
        if !is_wanted || self.address == Some(address) {
            return false;
        }
        self.address = Some(address);
        self.new_gate = Some(GateName::Address(address));
        true
    }

    /// The earliest time at which something may be taken; none while nothing waits or every slot is taken by a worker that answers.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let work = self.open_lanes().filter_map(|(_, lane)| lane.due(now)).min()?;
        Some(work.max(self.due).max(self.slots.free_at(now)?))
    }

    /// The lanes that may give something: without a budget for pages only those with a robots.txt to fetch, which is none.
    fn open_lanes(&self) -> impl Iterator<Item = (usize, &Lane)> {
        let has_budget = self.has_budget();
        self.lanes.iter().enumerate().filter(move |(_, lane)| has_budget || lane.has_errand())
    }

    fn first_due(&self, now: Instant) -> Option<usize> {
        self.open_lanes().find(|(_, lane)| lane.due(now).is_some_and(|due| due <= now)).map(|(at, _)| at)
    }

    /// When nothing about this host matters any more; none while it has work, or something of it is in flight. One with a page budget is
    /// kept: not all of its pages are committed.
    pub(super) fn forgettable_at(&self) -> Option<Instant> {
        if self.slots.in_flight > 0 || self.parked || self.has_work() || self.treatment.max_pages.is_some() {
            return None;
        }
        let ill = self.lanes.iter().filter_map(Lane::ill_until);
        self.slots.silent().chain(ill).chain([self.due]).max()
    }

    /// Looks at what it has to give. The lane whose turn it is goes last, so that origins of one host take turns.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        let Some(at) = self.first_due(now) else { return Turn::Nothing };
        match self.lanes[at].turn(now) {
            LaneTurn::Errand | LaneTurn::Request => return Turn::Something,
            LaneTurn::Forbidden => return self.lanes[at].pop().map_or(Turn::Nothing, |request| Turn::Forbidden(Box::new(request))),
            LaneTurn::Empty => {}
        }
        let lane = self.lanes.remove(at);
        let origin = lane.origin().clone();
        self.lanes.push(lane);
        Turn::Empty(origin)
    }

    /// Takes what a turn has to give, with its host's slot.
    pub(super) fn take(&mut self, now: Instant) -> Option<Given> {
        let at = self.first_due(now)?;
        let mut lane = self.lanes.remove(at);
        let given = match lane.pop_errand() {
            Some(errand) => Some(Given::Errand(errand)),
            None => lane.pop().map(|request| Given::Request(Box::new(request))),
        };
        self.lanes.push(lane);
        let given = given?;
        self.slots.in_flight += 1;
        self.pages_begun += u64::from(matches!(given, Given::Request(_)));
        Some(given)
    }

    /// Forgets what waits in its lanes. Answers its requests, and whose robots.txt is not fetched here after all.
    pub(super) fn withdraw(&mut self) -> (Vec<Request>, Vec<Origin>) {
        let (requests, errands): (Vec<_>, Vec<_>) = self.lanes.iter_mut().map(Lane::withdraw).unzip();
        (requests.into_iter().flatten().collect(), errands.into_iter().flatten().collect())
    }

    /// Whether something of it is in flight, may still be with a silent worker, or is asked of the frontier.
    pub(super) fn is_at_work(&self, now: Instant) -> bool {
        self.slots.in_flight > 0 || self.slots.silent().any(|until| until > now) || self.lanes.iter().any(Lane::is_asked)
    }

    pub(super) fn returned(&mut self) {
        self.slots.in_flight -= 1;
        self.pages_begun -= 1;
    }

    pub(super) fn page_returned(&mut self) {
        self.pages_begun -= 1;
    }

    /// A request has ended; from now on the host has its pause, `random` (in 0..1) of the jitter longer than its delay. Returns the end of
    /// the pause, and whether it met an address that somebody wants to know.
    pub(super) fn ended(
        &mut self,
        slot: Slot,
        measured: Option<Measured>,
        rules: &HostRules,
        now: Instant,
        random: f64,
    ) -> (Instant, bool) {
        self.slots.end(slot, now);
        // A host with a page budget is remembered for as long as the crawl; its rules need not be.
        if self.treatment.max_pages.is_some() {
            self.lanes.iter_mut().for_each(Lane::forget_robots);
        }
        let mut met = false;
        if let Some(Measured { took, well, address, worker }) = measured {
            if let Some(throttle) = self.treatment.throttle {
                let least = self.treatment.delay.max(self.crawl_delay);
                self.pace = throttle.next(self.delay(), least, took, well);
            }
            met = address.is_some_and(|address| self.met(address, rules));
            self.worker = self.has_delay().then_some(worker);
        }
        self.last_end = Some(now);
        let delay = self.delay();
        let pause = if delay.is_zero() { delay } else { delay.mul_f64(1.0 + self.treatment.jitter * random.clamp(0.0, 1.0)) };
        let until = now + pause;
        self.due = self.due.max(until);
        (until, met)
    }
}
