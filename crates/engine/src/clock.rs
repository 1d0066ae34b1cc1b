//! Wall-clock times on disk and in logs, monotonic ones in the process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch, by the wall clock as it is.
pub(crate) fn wall_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Runs with the wall clock, but never behind the last commit: where the wall clock was set back, it goes on from there, so that what
/// waits waits as long as it should.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_millis: u64,
}

impl Clock {
    /// A clock that begins now, and not before `least`, in milliseconds since the Unix epoch.
    pub(crate) fn begin(least: u64) -> Clock {
        Clock { start: Instant::now(), start_millis: least.max(wall_clock()) }
    }

    /// Whole milliseconds up to this time, which may lie before the clock began.
    pub(crate) fn millis_by(self, time: Instant) -> u64 {
        match time.checked_duration_since(self.start) {
            Some(after) => self.start_millis + after.as_millis() as u64,
            None => self.start_millis.saturating_sub((self.start - time).as_nanos().div_ceil(1_000_000) as u64),
        }
    }

    /// The first whole millisecond that is not before this time.
    pub(crate) fn millis_from(self, time: Instant) -> u64 {
        self.start_millis + time.saturating_duration_since(self.start).as_nanos().div_ceil(1_000_000) as u64
    }

    /// The time, or the start for one that has passed.
    pub(crate) fn to_instant(self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis.saturating_sub(self.start_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_goes_on_from_the_last_commit() {
        let ahead = Clock::begin(0).millis_by(Instant::now()) + 3_600_000;
        let clock = Clock::begin(ahead);
        let now = Instant::now();
        assert!(clock.millis_by(now) >= ahead && clock.millis_by(now) < ahead + 60_000);
        assert!(clock.to_instant(ahead + 1_000) <= now + Duration::from_secs(1));
    }

    #[test]
    fn a_time_before_the_base_is_known_too_and_never_told_too_late() {
        let clock = Clock::begin(u64::MAX / 2);
        assert_eq!(clock.millis_by(clock.start), u64::MAX / 2);
        assert_eq!(clock.millis_by(clock.start + Duration::from_micros(1_999)), u64::MAX / 2 + 1);
        assert_eq!(clock.millis_by(clock.start - Duration::from_micros(1)), u64::MAX / 2 - 1);
    }
}
