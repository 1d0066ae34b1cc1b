//! One origin's lane: the window of its next requests, and how well its server is.

use std::collections::VecDeque;
use std::time::Duration;

use model::Origin;
use tokio::time::Instant;

use super::HostRules;
use crate::backoff;
use crate::request::Request;

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    origin: Origin,
    window: VecDeque<Request>,
    more: bool,
    later: Option<Instant>,
    last_answer: Option<Instant>,
    ill: Option<Illness>,
}

/// A stretch of time without a normal answer.
#[derive(Debug)]
struct Illness {
    since: Instant,
    failures: u32,
    until: Instant,
}

/// What trouble means for an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is left alone until then.
    Until(Instant),
    /// It is being left alone already: this request was in flight when that began.
    Known,
    /// It has been in trouble for too long: nothing more is sent to it.
    GiveUp,
}

/// Tries that an origin gets at least before it is given up.
const LEAST_TRIES: u32 = 3;

impl Lane {
    pub(super) fn new(origin: Origin) -> Lane {
        Lane { origin, window: VecDeque::new(), more: false, later: None, last_answer: None, ill: None }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn last_answer(&self) -> Option<Instant> {
        self.last_answer
    }

    pub(super) fn has_more(&mut self) {
        self.more = true;
    }

    pub(super) fn refill(&mut self, requests: Vec<Request>, more: bool, later: Option<Instant>) {
        self.window.extend(requests);
        self.more = more;
        self.later = later;
    }

    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let work = if self.more || !self.window.is_empty() { now } else { self.later? };
        Some(self.ill.as_ref().map_or(work, |ill| work.max(ill.until)))
    }

    pub(super) fn pop(&mut self) -> Option<Request> {
        self.window.pop_front()
    }

    pub(super) fn clear(&mut self) -> Vec<Request> {
        (self.more, self.later) = (false, None);
        self.window.drain(..).collect()
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.last_answer = Some(now);
        self.ill = None;
    }

    pub(super) fn trouble(&mut self, rules: &HostRules, retry_after: Option<Duration>, now: Instant, random: f64) -> Trouble {
        let ill = self.ill.get_or_insert(Illness { since: now, failures: 0, until: now });
        // What was in flight when the first of them failed fails with it: that is one failure.
        let counts = now >= ill.until;
        ill.failures += u32::from(counts);
        let patience = if self.last_answer.is_some() { rules.give_up } else { rules.give_up_unanswered };
        if ill.failures >= LEAST_TRIES && now.duration_since(ill.since) >= patience {
            return Trouble::GiveUp;
        }
        // An origin is tried once more at the moment its time is up, and then given up or not.
        let longest = (ill.since + patience).max(now + rules.backoff);
        let pause = backoff::pause(rules.backoff, ill.failures, random).max(retry_after.unwrap_or_default());
        // A time too far to name is cut to the same.
        ill.until = ill.until.max(now.checked_add(pause).map_or(longest, |until| until.min(longest)));
        if counts { Trouble::Until(ill.until) } else { Trouble::Known }
    }
}
