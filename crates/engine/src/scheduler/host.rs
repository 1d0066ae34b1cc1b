//! One host: its clock, its slots, and a lane for each of its origins.

use std::time::Duration;

use model::{HostName, Origin};
use tokio::time::Instant;

use super::lane::Lane;
use super::{HostRules, Next, PUBLIC_DELAY};

/// See the module.
#[derive(Debug)]
pub(super) struct Host {
    delay: Duration,
    slots: usize,
    in_flight: usize,
    /// Slots that a silent worker may still use, and until when.
    silent: Vec<Instant>,
    due: Instant,
    /// Few: one for each scheme and port that the crawl visits on this host.
    lanes: Vec<Lane>,
    /// Where the scheduler has this host in its index.
    pub(super) listed: Option<(Instant, u64)>,
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

impl Host {
    pub(super) fn new(name: &HostName, rules: &HostRules, now: Instant) -> Host {
        let default = if name.is_loopback() { Duration::ZERO } else { PUBLIC_DELAY };
        let delay = rules.delay.unwrap_or(default);
        let slots = match rules.per_host {
            _ if !delay.is_zero() => 1,
            Some(most) => most.get(),
            None => usize::MAX,
        };
        Host { delay, slots, in_flight: 0, silent: Vec::new(), due: now, lanes: Vec::new(), listed: None, served: false }
    }

    pub(super) fn lane(&mut self, origin: &Origin) -> &mut Lane {
        let at = self.lanes.iter().position(|lane| lane.origin() == origin).unwrap_or_else(|| {
            self.lanes.push(Lane::new(origin.clone()));
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }

    pub(super) fn existing_lane(&self, origin: &Origin) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.origin() == origin)
    }

    /// The earliest time at which something may be taken; none while nothing waits or every slot is taken by a worker that answers.
    pub(super) fn due(&mut self, now: Instant) -> Option<Instant> {
        self.silent.retain(|until| *until > now);
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

    pub(super) fn next(&mut self, now: Instant) -> Next {
        self.served = true;
        let Some(at) = self.lanes.iter().position(|lane| lane.due(now).is_some_and(|due| due <= now)) else {
            return Next::Wait(self.due(now));
        };
        // The lane that was served goes last, so that origins of one host take turns.
        let lane = self.lanes.remove(at);
        self.lanes.push(lane);
        let lane = self.lanes.last_mut().expect("just pushed");
        match lane.pop() {
            Some(request) => {
                self.in_flight += 1;
                Next::Request(Box::new(request))
            }
            None => Next::Refill(lane.origin().clone()),
        }
    }

    pub(super) fn returned(&mut self) {
        self.in_flight -= 1;
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
