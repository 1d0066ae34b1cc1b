//! One origin's lane: the window of its next requests, and how well its server is.

use std::collections::VecDeque;
use std::time::Duration;

use model::Origin;
use tokio::time::Instant;

use super::HostRules;
use super::health::{Health, Ill};
use super::robots::{KnownRobots, Robots, RobotsErrand};
use crate::backoff;
use crate::request::Request;
use crate::retry;

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    origin: Origin,
    window: VecDeque<Request>,
    /// The window's length when it was filled last.
    filled: usize,
    /// The frontier has more that are due.
    more: bool,
    /// How many the frontier was asked for; none while nothing is asked.
    asked: Option<usize>,
    /// Something was found since it was asked.
    woken: bool,
    later: Option<Instant>,
    answered: bool,
    last_answer: Option<Instant>,
    ill: Option<Illness>,
    /// The pause that its robots.txt asks for.
    pub(super) crawl_delay: Option<Duration>,
    /// Whether it was made without anybody asking the frontier what is known of its origin.
    pub(super) is_stranger: bool,
    robots: Robots,
    /// Workers that were lost with its robots.txt.
    robots_losses: u32,
    /// What is fetched before its pages: a robots.txt, its own or one that a redirect leads to.
    errands: VecDeque<RobotsErrand>,
}

/// What a lane whose turn it is has to give.
pub(super) enum LaneTurn {
    /// A robots.txt.
    Errand,
    /// A page.
    Request,
    /// A page that robots.txt forbids.
    Forbidden,
    /// Nothing before its window is filled.
    Empty,
}

/// A stretch of time without a normal answer.
#[derive(Debug)]
struct Illness {
    /// Before `since`, in earlier processes.
    before: Duration,
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
    pub(super) fn new(origin: Origin, health: &Health, reads_robots: bool, now: Instant) -> Lane {
        let illness = |ill: &Ill| Illness { before: ill.lasted, since: now, failures: ill.failures, until: ill.until };
        Lane {
            origin,
            window: VecDeque::new(),
            filled: 0,
            more: false,
            asked: None,
            woken: false,
            later: None,
            answered: health.answered,
            last_answer: None,
            ill: health.ill.as_ref().map(illness),
            crawl_delay: None,
            is_stranger: false,
            robots: if reads_robots { Robots::NotRead } else { Robots::Ignored },
            robots_losses: 0,
            errands: VecDeque::new(),
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn last_answer(&self) -> Option<Instant> {
        self.last_answer
    }

    /// What of it outlives the process; the host knows the rest.
    pub(super) fn health(&self, now: Instant) -> Health {
        let ill = |ill: &Illness| Ill { lasted: ill.lasted(now), failures: ill.failures, until: ill.until };
        let ill = self.ill.as_ref().map(ill);
        Health { answered: self.answered, crawl_delay: self.crawl_delay, ill, ..Health::default() }
    }

    /// Until when it is left alone.
    pub(super) fn ill_until(&self) -> Option<Instant> {
        self.ill.as_ref().map(|ill| ill.until)
    }

    pub(super) fn has_more(&mut self) {
        self.more = true;
        self.woken |= self.asked.is_some();
    }

    /// Whether there is anything in it, or may be.
    pub(super) fn has_work(&self) -> bool {
        !self.errands.is_empty() || self.more || self.asked.is_some() || self.later.is_some() || !self.window.is_empty()
    }

    /// The frontier's answer. Returns how many it was asked for.
    pub(super) fn refill(&mut self, requests: Vec<Request>, more: bool, later: Option<Instant>) -> usize {
        match self.window.is_empty() {
            // As it is, without room for more.
            true => self.window = requests.into(),
            false => self.window.extend(requests),
        }
        self.filled = self.window.len();
        self.more = more || std::mem::take(&mut self.woken);
        self.later = later;
        self.asked.take().unwrap_or(0)
    }

    /// When something can be taken from it, or asked for.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let work = match (&self.asked, self.window.is_empty()) {
            _ if !self.errands.is_empty() => now,
            (_, false) if self.robots.are_awaited() => return None,
            (_, false) => now,
            (Some(_), true) => return None,
            (None, true) if self.more => now,
            (None, true) => self.later?,
        };
        Some(self.ill.as_ref().map_or(work, |ill| work.max(ill.until)))
    }

    /// Whether the frontier is asked to fill it.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// What it has to give, now that it is due. Rules that are wanted become an errand.
    pub(super) fn turn(&mut self, now: Instant) -> LaneTurn {
        let Some(next) = self.window.front().filter(|_| self.errands.is_empty()) else {
            return if self.errands.is_empty() { LaneTurn::Empty } else { LaneTurn::Errand };
        };
        if self.robots.are_wanted(now) {
            self.robots = Robots::Asked;
            self.errands.push_back(RobotsErrand::to(&self.origin));
            return LaneTurn::Errand;
        }
        if self.robots.forbid(next.url.path_and_query()) { LaneTurn::Forbidden } else { LaneTurn::Request }
    }

    pub(super) fn has_errand(&self) -> bool {
        !self.errands.is_empty()
    }

    pub(super) fn into_errands(self) -> VecDeque<RobotsErrand> {
        self.errands
    }

    pub(super) fn pop_errand(&mut self) -> Option<RobotsErrand> {
        self.errands.pop_front()
    }

    /// An errand to this origin.
    pub(super) fn push_errand(&mut self, errand: RobotsErrand) {
        self.errands.push_back(errand);
    }

    /// Whether the frontier should be asked for its rules.
    pub(super) fn wants_robots(&self) -> bool {
        matches!(self.robots, Robots::NotRead)
    }

    /// What the frontier knows of its rules.
    pub(super) fn read_robots(&mut self, known: Option<KnownRobots>) {
        if let Robots::NotRead = self.robots {
            self.robots = known.map_or(Robots::Wanted, Robots::Known);
        }
    }

    /// Its robots.txt was lost with a worker. Answers whether once too often.
    pub(super) fn robots_lost(&mut self) -> bool {
        self.set_robots(None);
        self.robots_losses += 1;
        self.robots_losses >= retry::LOSSES
    }

    /// Its rules were fetched, or could not be: then they are wanted still.
    pub(super) fn set_robots(&mut self, known: Option<KnownRobots>) {
        match self.robots {
            Robots::Ignored => {}
            Robots::NotRead | Robots::Wanted | Robots::Asked | Robots::Known(_) => {
                self.robots = known.map_or(Robots::Wanted, Robots::Known);
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<Request> {
        self.window.pop_front()
    }

    /// Forgets its rules while there is nothing to judge by them: they can be large. They come again with what its queue gets.
    pub(super) fn forget_robots(&mut self) {
        if !self.has_work()
            && let Robots::Known(_) = self.robots
        {
            self.robots = Robots::NotRead;
        }
    }

    /// Whether the window should be filled now: ahead of the time it is empty.
    pub(super) fn wants_more(&self) -> bool {
        self.asked.is_none() && self.more && self.window.len() <= self.filled / 2
    }

    pub(super) fn ask(&mut self, most: usize) {
        self.asked = Some(most);
    }

    pub(super) fn clear(&mut self) -> Vec<Request> {
        (self.more, self.woken, self.later, self.ill) = (false, false, None, None);
        let all = self.errands.len();
        self.errands.retain(|errand| errand.of != self.origin);
        if self.errands.len() < all {
            self.robots = Robots::Wanted;
        }
        self.window.drain(..).collect()
    }

    /// Forgets what waits in it; how well it is stays known. Answers its requests, and whose robots.txt is not fetched here after all.
    pub(super) fn withdraw(&mut self) -> (Vec<Request>, Vec<Origin>) {
        (self.more, self.woken, self.later) = (false, false, None);
        let errands = std::mem::take(&mut self.errands);
        (self.window.drain(..).collect(), errands.into_iter().map(|errand| errand.of).collect())
    }

    /// Returns whether that changes its health.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let news = !self.answered || self.ill.is_some();
        self.answered = true;
        self.last_answer = Some(now);
        self.ill = None;
        news
    }

    pub(super) fn trouble(&mut self, rules: &HostRules, retry_after: Option<Duration>, now: Instant, random: f64) -> Trouble {
        let patience = if self.answered { rules.give_up } else { rules.give_up_unanswered };
        let ill = self.ill.get_or_insert(Illness { before: Duration::ZERO, since: now, failures: 0, until: now });
        // What was in flight when the first of them failed fails with it: that is one failure.
        let counts = now >= ill.until;
        ill.failures += u32::from(counts);
        if ill.failures >= LEAST_TRIES && ill.lasted(now) >= patience {
            return Trouble::GiveUp;
        }
        // An origin is tried once more at the moment its time is up, and then given up or not.
        let longest = (now + patience.saturating_sub(ill.lasted(now))).max(now + rules.backoff);
        let pause = backoff::pause(rules.backoff, ill.failures, random).max(retry_after.unwrap_or_default());
        // A time too far to name is cut to the same.
        ill.until = ill.until.max(now.checked_add(pause).map_or(longest, |until| until.min(longest)));
        if counts { Trouble::Until(ill.until) } else { Trouble::Known }
    }
}

impl Illness {
    fn lasted(&self, now: Instant) -> Duration {
        self.before + now.saturating_duration_since(self.since)
    }
}
