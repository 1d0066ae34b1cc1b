//! Judges a run: whatever happened, its crawl must be that of a run in which nothing did.

use std::time::Duration;

use mockserver::Arrival;

use super::run::Played;
use super::schedule::Plan;
use crate::ask::assert_sound;
use crate::exact::{assert_complete, assert_fetched, assert_stored};
use crate::store;

/// Compares everything, and returns how many requests were repetitions.
///
/// # Panics
/// When anything differs.
pub fn judge(plan: &Plan, played: &Played) -> u64 {
    let people = played.site.people();
    assert_complete(&played.finished, &people);
    assert!(played.finished.report.links_refused.is_empty(), "{:?}", played.finished.report.links_refused);
    assert!(played.finished.report.restarts < played.starts, "{} restarts", played.finished.report.restarts);
    let repeated = assert_fetched(&played.site, &people);
    let items = store::items(&played.store);
    assert_stored(&items, &people);
    assert!(items.iter().all(|item| item.source.crawl == "zhenai" && item.source.page == item.url), "{items:?}");
    if let Some(output) = &played.output {
        let text = std::fs::read_to_string(output).unwrap_or_else(|error| panic!("{}: {error}", output.display()));
        assert_stored(&store::of_lines(&text), &people);
    }
    if let Some(delay) = plan.delay {
        let stale = |arrival: &Arrival| plan.has_stale_jobs() && was_left(arrival, played.latency);
        let arrivals: Vec<Arrival> = played.site.all_arrivals().into_iter().filter(|arrival| !stale(arrival)).collect();
        assert_apart(&arrivals, delay, played.latency);
    }
    assert_sound(&played.state);
    repeated
}

/// No two requests came closer than the delay allows: it counts from the end of the one to the begin of the next.
fn assert_apart(arrivals: &[Arrival], delay: Duration, latency: Duration) {
    for pair in arrivals.windows(2) {
        let [first, second] = pair else { unreachable!("windows of two") };
        // One whose client left has ended when that client did, which may be at once.
        let least = milliseconds(delay) + if was_left(first, latency) { 0 } else { milliseconds(latency) };
        let apart = second.at_ms - first.at_ms;
        assert!(apart >= least, "{apart} ms instead of {least} ms between {first:?} and {second:?}");
    }
}

/// Whether the client left before the answer was due.
fn was_left(arrival: &Arrival, latency: Duration) -> bool {
    arrival.ended_ms.is_some_and(|ended| ended - arrival.at_ms < milliseconds(latency))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a delay is short")
}
