//! One host: its clock, its slots, and a lane for each of its origins.

use std::num::NonZeroU64;
use std::time::Duration;

use model::{HostName, Origin};
use tokio::time::Instant;

use super::health::Health;
use super::lane::Lane;
use super::{HostRules, PUBLIC_DELAY};
use crate::request::Request;

/// See the module.
#[derive(Debug)]
pub(super) struct Host {
    delay: Duration,
    slots: usize,
    in_flight: usize,
    /// Slots that a silent worker may still use, and until when.
    silent: Vec<Instant>,
    due: Instant,
    max_pages: Option<NonZeroU64>,
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

/// What becomes of a host's slot when a dispatch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Free: there is an answer, or the connection to the worker closed and its fetch with it.
    Free,
    /// Free only at this time: the worker fell silent and may still be fetching.
    SilentUntil(Instant),
}

/// What a host whose turn it is has to give.
pub(super) enum Turn {
    /// A request; its slot is taken.
    Request(Box<Request>),
    /// Its lane has to be filled first.
    Empty(Origin),
    /// Nothing now.
    Nothing,
}

impl Host {
    pub(super) fn new(name: &HostName, rules: &HostRules, now: Instant) -> Host {
        let default = if name.is_loopback() { Duration::ZERO } else { PUBLIC_DELAY };
        let delay = rules.delay.unwrap_or(default);
        let slots = match rules.per_host {
            _ if !delay.is_zero() => 1,
            Some(most) => most.get(),
            None => usize::MAX,
        };
        Host {
            delay,
            slots,
            in_flight: 0,
            silent: Vec::new(),
            due: now,
            max_pages: rules.max_pages,
            pages_begun: 0,
            lanes: Vec::new(),
            listed: None,
            idle: None,
            served: false,
        }
    }

    pub(super) fn has_delay(&self) -> bool {
        !self.delay.is_zero()
    }

    pub(super) fn has_budget(&self) -> bool {
        self.max_pages.is_none_or(|max| self.pages_begun < max.get())
    }

    pub(super) fn has_work(&self) -> bool {
        self.lanes.iter().any(Lane::has_work)
    }

    pub(super) fn lane(&mut self, origin: &Origin, now: Instant) -> &mut Lane {
        self.known_lane(origin, &Health::default(), now)
    }

    /// The origin's lane; a new one begins with what is known of it.
    pub(super) fn known_lane(&mut self, origin: &Origin, health: &Health, now: Instant) -> &mut Lane {
        let at = self.lanes.iter().position(|lane| lane.origin() == origin).unwrap_or_else(|| {
            self.pages_begun += health.pages;
            self.due = health.due.map_or(self.due, |due| due.max(self.due));
            self.lanes.push(Lane::new(origin.clone(), health, now));
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    pub(super) fn existing_lane(&self, origin: &Origin) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.origin() == origin)
    }

    /// What is known of an origin and outlives the process.
    pub(super) fn health(&self, origin: &Origin, now: Instant) -> Option<Health> {
        let due = self.has_delay().then_some(self.due);
        self.existing_lane(origin).map(|lane| lane.health(due, now))
    }

    /// Waits its delay from now on, if it has one.
    pub(super) fn rest(&mut self, now: Instant) {
        self.due = self.due.max(now + self.delay);
    }

    /// The earliest time at which something may be taken; none while nothing waits or every slot is taken by a worker that answers.
    pub(super) fn due(&mut self, now: Instant) -> Option<Instant> {
        self.silent.retain(|until| *until > now);
        if !self.has_budget() {
            return None;
        }
        let work = self.lanes.iter().filter_map(|lane| lane.due(now)).min()?;
        let slot = if self.in_flight + self.silent.len() < self.slots {
            now
        } else if self.in_flight < self.slots {
            *self.silent.iter().min().expect("the slots that are not in flight are silent")
        } else {
            return None;
        };
        Some(work.max(self.due).max(slot))
    }

    /// When nothing about this host matters any more; none while it has work, or something of it is in flight. One with a page budget is
    /// kept: not all of its pages are committed.
    pub(super) fn forgettable_at(&self) -> Option<Instant> {
        if self.in_flight > 0 || self.has_work() || self.max_pages.is_some() {
            return None;
        }
        let ill = self.lanes.iter().filter_map(Lane::ill_until);
        self.silent.iter().copied().chain(ill).chain([self.due]).max()
    }

    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        self.served = true;
        let Some(at) = self.lanes.iter().position(|lane| lane.due(now).is_some_and(|due| due <= now)) else { return Turn::Nothing };
        // The lane that was served goes last, so that origins of one host take turns.
        let lane = self.lanes.remove(at);
        self.lanes.push(lane);
        let lane = self.lanes.last_mut().expect("just pushed");
        match lane.pop() {
            Some(request) => {
                self.in_flight += 1;
                self.pages_begun += 1;
                Turn::Request(Box::new(request))
            }
            None => Turn::Empty(lane.origin().clone()),
        }
    }

    pub(super) fn returned(&mut self) {
        self.in_flight -= 1;
        self.pages_begun -= 1;
    }

    pub(super) fn page_returned(&mut self) {
        self.pages_begun -= 1;
    }

    pub(super) fn ended(&mut self, slot: Slot, now: Instant) {
        self.in_flight -= 1;
        self.due = now + self.delay;
        if let Slot::SilentUntil(until) = slot
            && self.slots < usize::MAX
        {
            self.silent.push(until);
        }
    }
}
