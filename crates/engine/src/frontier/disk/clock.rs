//! Wall-clock times on disk, monotonic ones in the process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Runs with the wall clock, but never behind the last commit: where the wall clock was set back, it goes on from there, so that what
/// waits waits as long as it should.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    start_millis: u64,
}

impl Clock {
    /// A clock that begins now, and not before `least`, in milliseconds since the Unix epoch.
    pub(super) fn begin(least: u64) -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { start: Instant::now(), start_millis: least.max(since.as_millis() as u64) }
    }

    /// Whole milliseconds up to this time.
    pub(super) fn millis_by(self, time: Instant) -> u64 {
        self.start_millis + time.saturating_duration_since(self.start).as_millis() as u64
    }

    /// The first whole millisecond that is not before this time.
    pub(super) fn millis_from(self, time: Instant) -> u64 {
        self.start_millis + time.saturating_duration_since(self.start).as_nanos().div_ceil(1_000_000) as u64
    }

    /// The time, or the start for one that has passed.
    pub(super) fn to_instant(self, millis: u64) -> Instant {
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
}
