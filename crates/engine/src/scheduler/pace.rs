//! The adaptive throttle: a pause that follows how long a host takes to answer. Pure.

use std::time::Duration;

/// How far a host is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// How much of its time a host works for the crawl, as the time of an answer to the pause after it: at 1.0 it pauses as long as it
    /// works, at 0.5 twice as long. Above 0.
    pub target: f64,
    /// The longest pause that slowness alone may lead to. A longer configured delay or `Crawl-delay` holds all the same.
    pub longest: Duration,
}

impl Throttle {
    /// The next pause after an answer that took so long, with `current` being the last pause and `least` the one that holds in any case.
    ///
    /// A slow answer counts at once, a quick one moves the pause halfway. `well`: it was a page or a redirect; anything else may be quick
    /// because nothing was done, so it never makes the pause shorter. Between `least` and `longest`, where those two allow it.
    pub(super) fn next(self, current: Duration, least: Duration, took: Duration, well: bool) -> Duration {
        let wanted = Duration::try_from_secs_f64(took.as_secs_f64() / self.target).unwrap_or(self.longest);
        let halfway = (current.saturating_add(wanted)) / 2;
        let next = wanted.max(halfway);
        let next = if well { next } else { next.max(current) };
        next.min(self.longest).max(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn throttle(target: f64) -> Throttle {
        Throttle { target, longest: 60 * SECOND }
    }

    #[test]
    fn a_slow_answer_counts_at_once_and_quick_ones_by_and_by() {
        let slowed = throttle(1.0).next(SECOND, SECOND, 8 * SECOND, true);
        assert_eq!(slowed, 8 * SECOND);
        let mut pause = slowed;
        let mut pauses = Vec::new();
        for _ in 0..4 {
            pause = throttle(1.0).next(pause, SECOND, Duration::ZERO, true);
            pauses.push(pause);
        }
        assert_eq!(pauses, [4 * SECOND, 2 * SECOND, SECOND, SECOND]);
        assert_eq!(throttle(0.5).next(SECOND, SECOND, 3 * SECOND, true), 6 * SECOND);
        assert_eq!(throttle(1.0).next(SECOND, SECOND, 100 * SECOND, true), 60 * SECOND);
        assert_eq!(throttle(1.0).next(SECOND, 90 * SECOND, SECOND, true), 90 * SECOND);
        assert_eq!(throttle(f64::MIN_POSITIVE).next(SECOND, SECOND, SECOND, true), 60 * SECOND);
    }

    proptest! {
        #[test]
        fn a_pause_stays_between_its_bounds_and_bad_answers_never_shorten_it(
            target in 0.01f64..100.0,
            least in 0u64..5_000,
            answers in proptest::collection::vec((0u64..90_000, any::<bool>()), 0..50),
        ) {
            let (throttle, least) = (throttle(target), Duration::from_millis(least));
            let mut pause = least;
            for (took, well) in answers {
                let next = throttle.next(pause, least, Duration::from_millis(took), well);
                prop_assert!(next >= least && next <= throttle.longest);
                prop_assert!(well || next >= pause);
                pause = next;
            }
        }

        #[test]
        fn a_steady_host_gets_the_pause_that_it_earns(target in 0.1f64..10.0, took in 0u64..5_000, begin in 0u64..60_000) {
            let took = Duration::from_millis(took);
            let mut pause = Duration::from_millis(begin);
            for _ in 0..64 {
                pause = throttle(target).next(pause, Duration::ZERO, took, true);
            }
            let earned = took.div_f64(target);
            prop_assert!(pause.abs_diff(earned) < Duration::from_micros(1), "{:?} {:?}", pause, earned);
        }
    }
}
