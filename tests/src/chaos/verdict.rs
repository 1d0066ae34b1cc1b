//! Judges a run: whatever happened, its crawl must be that of a run in which nothing did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mockserver::Arrival;

use super::lives::Life;
use super::run::Played;
use super::schedule::Plan;
use crate::ask::{assert_sound, assert_sound_in};
use crate::exact::{assert_complete, assert_fetched, assert_stored};
use crate::polite::audit_all;
use crate::store;

/// What there is to say of a run in which nothing was wrong.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Requests that were repetitions.
    pub repeated: u64,
    /// How often a host was served by another engine than before; none: there is one engine.
    pub handovers: Option<u64>,
}

/// Compares everything.
///
/// # Panics
/// When anything differs.
pub fn judge(plan: &Plan, played: &Played) -> Judged {
    let people = played.people(plan);
    for finished in &played.finished {
        assert_complete(finished, &people);
        assert!(finished.report.links_refused.is_empty(), "{:?}", finished.report.links_refused);
        assert!(finished.report.restarts < played.starts, "{} restarts", finished.report.restarts);
        assert!(!finished.exit.stderr.contains("was complete: beginning"), "it was begun anew:\n{}", finished.exit.stderr);
    }
    let repeated = assert_fetched(&played.site, &people);
    let items = store::items(&played.store);
    assert_stored(&items, &people);
    assert!(items.iter().all(|item| item.source.crawl == "zhenai" && item.source.page == item.url), "{items:?}");
    if let Some(output) = &played.output {
        let text = std::fs::read_to_string(output).unwrap_or_else(|error| panic!("{}: {error}", output.display()));
        assert_stored(&store::of_lines(&text), &people);
    }
    if let Some(delay) = plan.delay {
        let is_of_nobody = |arrival: &Arrival| match played.lives.is_empty() {
            true => plan.has_stale_jobs(),
            false => life_of(arrival, &played.lives).is_silent_at(arrival.number),
        };
        let stale = |arrival: &Arrival| is_of_nobody(arrival) && was_left(arrival, played.latency);
        for arrivals in by_host(played) {
            let arrivals: Vec<Arrival> = arrivals.into_iter().filter(|arrival| !stale(arrival)).collect();
            assert_apart(&arrivals, delay, played.latency);
        }
    }
    // The site has seen it; the engines' own logs must prove it too.
    let logs: Vec<&Path> = played.fetch_logs.iter().map(PathBuf::as_path).collect();
    let audit = audit_all(&logs, &[]);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
    let handovers = match &played.database {
        None => {
            assert_sound(&played.state);
            None
        }
        Some(database) => {
            assert_sound_in(&database.url());
            Some(by_host(played).iter().map(|arrivals| assert_served_by_one(arrivals, &played.lives)).sum())
        }
    };
    Judged { repeated, handovers }
}

/// What arrived at each host, in that order.
fn by_host(played: &Played) -> Vec<Vec<Arrival>> {
    let mut hosts: BTreeMap<String, Vec<Arrival>> = BTreeMap::new();
    for arrival in played.site.all_arrivals() {
        hosts.entry(arrival.host.clone()).or_default().push(arrival);
    }
    hosts.into_values().collect()
}

fn life_of<'l>(arrival: &Arrival, lives: &'l [Life]) -> &'l Life {
    let found = lives.iter().find(|life| life.name == arrival.user_agent);
    found.unwrap_or_else(|| panic!("nobody was started by that name: {arrival:?}"))
}

/// No two engines served the host at a time: none of its requests arrived while one of another engine was on its way. Returns how often it was
/// served by another engine than before.
///
/// Two requests may meet if one of the engines was silent when the second of them arrived: it had been killed or told twice to end, or was
/// frozen for longer than the others may wait. Such an engine asks for nothing any more, but workers may still be at what it handed out
/// before, and a worker that was frozen begins it only when it is thawed, until they find its connection closed. Where it was the silent one
/// whose request came second, that lay at such a worker; where it was the first, the request was on its way when the engine fell silent.
/// Nothing else is allowed: an engine that was asked once to end, one that was frozen for a moment, and one that could not reach its database
/// keep their hosts until the last answer is there.
fn assert_served_by_one(arrivals: &[Arrival], lives: &[Life]) -> u64 {
    let mut handovers = 0;
    for (at, second) in arrivals.iter().enumerate() {
        let is_silent = |arrival: &Arrival| life_of(arrival, lives).is_silent_at(second.number);
        let others = arrivals[..at].iter().filter(|first| first.user_agent != second.user_agent);
        for first in others.filter(|first| first.ended_ms.is_none_or(|ended| second.at_ms < ended)) {
            let what = "served by two engines at a time";
            assert!(is_silent(first) || is_silent(second), "{} was {what}: {first:?} and {second:?}\n{lives:#?}", second.host);
        }
        handovers += u64::from(at > 0 && arrivals[at - 1].user_agent != second.user_agent);
    }
    handovers
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
