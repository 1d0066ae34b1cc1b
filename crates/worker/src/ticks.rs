//! A rate of fetches, for the whole worker.

use std::time::Duration;

use tokio::sync::Mutex;
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

    /// Waits for the next free moment. Callers are served in the order they came; one that gives up waiting takes no moment.
    pub(crate) async fn tick(&self) {
        // A caller that queued while a moment passed may still have it: timers are late, and that must not lower the rate.
        let came = Instant::now();
        // Held while waiting: the lock's queue is the order of callers, and only who reached its moment has taken it.
        let mut next = self.next.lock().await;
        let moment = free_from(*next, came);
        sleep_until(moment).await;
        *next = Some(moment + self.interval);
    }
}

/// The first moment that is free for a caller.
fn free_from(next: Option<Instant>, came: Instant) -> Instant {
    next.map_or(came, |next| next.max(came))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_that_is_past_is_lost_to_those_who_come_later() {
        let start = Instant::now();
        let after = |millis: u64| start + Duration::from_millis(millis);
        assert_eq!(free_from(None, start), start);
        assert_eq!(free_from(Some(after(100)), start), after(100));
        assert_eq!(free_from(Some(after(100)), after(1000)), after(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn moments_are_evenly_spaced_and_idle_ones_are_lost() {
        let ticks = Ticks::per_second(10.0);
        let start = Instant::now();
        let moment = async || {
            ticks.tick().await;
            start.elapsed().as_millis()
        };
        assert_eq!(futures::join!(moment(), moment(), moment()), (0, 100, 200));
        sleep_until(start + Duration::from_secs(1)).await;
        assert_eq!(futures::join!(moment(), moment()), (1000, 1100));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_takes_no_moment() {
        let ticks = Ticks::per_second(0.5);
        let start = Instant::now();
        ticks.tick().await;
        for _ in 0..10 {
            assert!(futures::poll!(std::pin::pin!(ticks.tick())).is_pending());
        }
        ticks.tick().await;
        assert_eq!(start.elapsed().as_secs(), 2);
    }
}
