//! The lives of an engine at a crawl: one, unless other engines give it up. Then it drops what it has and joins them anew, in the same process.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff;

/// A life that was shorter came to nothing.
const SHORT: Duration = Duration::from_secs(30);

/// Pause after the second life in a row that came to nothing, doubled with each, and the longest. After the first there is none: it was given up
/// after ten silent seconds, which is pause enough.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct Lives {
    began: Instant,
    this_began: Instant,
    is_first: bool,
    opened: bool,
    short: u32,
}

impl Lives {
    /// The first life begins.
    pub fn begin(now: Instant) -> Lives {
        Lives { began: now, this_began: now, is_first: true, opened: false, short: 0 }
    }

    /// When the first one began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// When this one began.
    pub fn this_began(&self) -> Instant {
        self.this_began
    }

    /// Whether this is the first one.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Whether any of them has opened the crawl, so that what is asked for its beginning was done.
    pub fn opened(&self) -> bool {
        self.opened
    }

    /// The crawl is open.
    pub fn open(&mut self) {
        self.opened = true;
    }

    /// This life is over. Answers the pause before the next one, which begins then. `random` is in 0..1.
    pub fn end(&mut self, now: Instant, random: f64) -> Duration {
        self.is_first = false;
        self.short = if now.duration_since(self.this_began) < SHORT { self.short + 1 } else { 0 };
        let pause = match self.short {
            0 | 1 => Duration::ZERO,
            short => backoff::pause(PAUSE, short - 1, random).min(LONGEST_PAUSE),
        };
        self.this_began = now + pause;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_that_come_to_nothing_follow_each_other_slower_and_slower_and_a_long_one_makes_up_for_them() {
        let mut now = Instant::now();
        let mut lives = Lives::begin(now);
        assert!(lives.is_first() && !lives.opened());
        lives.open();
        let mut lasting = |time: Duration| {
            now += time;
            let pause = lives.end(now, 1.0);
            now += pause;
            assert!(!lives.is_first() && lives.opened() && lives.this_began() == now);
            pause.as_millis()
        };
        let moment = Duration::from_secs(1);
        assert_eq!([(); 4].map(|()| lasting(moment)), [0, 250, 500, 1_000]);
        assert_eq!([(); 40].map(|()| lasting(moment)).last(), Some(&30_000));
        assert_eq!([SHORT, moment, moment].map(lasting), [0, 0, 250]);
    }
}
