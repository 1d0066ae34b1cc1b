//! A rate of fetches, for the whole worker.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Hands out moments, evenly spaced. One that nobody took is not made up for.
#[derive(Debug)]
pub(crate) struct Ticks {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Ticks {
    /// So many a second; more than 0.
    pub(crate) fn per_second(rate: f64) -> Ticks {
        Ticks { interval: Duration::from_secs_f64(1.0 / rate), next: Mutex::new(None) }
    }

    /// Waits for the next free moment. Callers are served in the order they came.
    pub(crate) async fn tick(&self) {
        sleep_until(self.take(Instant::now())).await;
    }

    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().expect("no holder of this lock panics");
        let moment = next.map_or(now, |next| next.max(now));
        *next = Some(moment + self.interval);
        moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_evenly_spaced_and_idle_ones_are_lost() {
        let ticks = Ticks::per_second(10.0);
        let start = Instant::now();
        let after = |millis: u64| start + Duration::from_millis(millis);
        assert_eq!([ticks.take(start), ticks.take(start), ticks.take(start)], [after(0), after(100), after(200)]);
        assert_eq!([ticks.take(after(1000)), ticks.take(after(1001))], [after(1000), after(1100)]);
    }
}
