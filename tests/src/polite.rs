//! A crawl of many hosts with delays and robots of their own, by a fleet in which workers die and join and the engine is killed: afterwards
//! the site's own log says whether every clock and every rule was kept, and the audit of the fetch log must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::Duration;

use mockserver::{Arrival, SiteConfig};
use tokio::time::Instant;

use crate::ask::{ask, assert_sound};
use crate::crawl::{Crawl, Finished};
use crate::port;
use crate::process::Exit;
use crate::program::Program;
use crate::server::Server;
use crate::site::PracticeSite;

/// Longest time that a crawl may take: some hundred pages of a host with a delay of 2 s.
const LONGEST: Duration = Duration::from_secs(900);

/// How late the site answers.
const LATENCY: Duration = Duration::from_millis(5);

/// Which hosts, and how much of the practice site each has.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// 127.0.0.N for each number; the number decides delay and robots (see the practice site).
    pub numbers: Vec<u8>,
    /// Cities of one page of 20 people each.
    pub cities: u32,
    /// Workers at the start.
    pub workers: usize,
}

/// What there is to say of a crawl in which nothing was breached.
#[derive(Clone, Debug)]
pub struct Told {
    /// Requests that arrived at the site, robots.txt included.
    pub requests: usize,
    /// Hosts that have a delay.
    pub delayed: usize,
    /// The least time between two requests of a host, as a part of its delay.
    pub closest: f64,
    /// URLs that robots.txt forbids, none of which arrived.
    pub forbidden: usize,
    /// Jobs that were lost with their workers.
    pub lost: u64,
    /// How long it took.
    pub took: Duration,
    /// What the audit says.
    pub audit: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { requests, delayed, closest, forbidden, lost, took, audit } = self;
        write!(f, "{requests} requests in {:.0} s, {lost} jobs lost with workers: 0 breaches. ", took.as_secs_f64())?;
        write!(
            f,
            "Closest: {closest:.3} of the delay, over {delayed} hosts with one. {forbidden} forbidden URLs, none fetched. Audit: {audit}"
        )
    }
}

/// Crawls, and judges by the site's log.
///
/// # Panics
/// When anything was breached, is missing or was fetched that may not be.
pub fn crawl(hosts: &Hosts, folder: &Path) -> Told {
    let config = SiteConfig {
        cities: hosts.cities,
        pages: Some(1),
        cars: 0,
        latency: LATENCY,
        robots_by_host: true,
        recorded_arrivals: 1_000_000,
        ..SiteConfig::practice()
    };
    let site = PracticeSite::serve_hosts(config, &hosts.numbers);
    let (state, log) = (folder.join("state"), folder.join("fetches.jsonl"));
    let mut workers = Server::workers(hosts.workers);
    let late = port::reserve();
    let began = Instant::now();
    let start = |workers: &[Server]| {
        let seeds = hosts.numbers.iter().map(|host| site.people_seed_of(&site.base_of(*host)));
        // A silent worker keeps its slots for this and 10 s more.
        let crawl = Crawl::in_state(&state).spider("zhenai").workers(workers).args(["--fetch-timeout", "3s"]);
        crawl.arg("--fetch-log").arg(&log).args(seeds).start()
    };
    let all = site.truth().people.expect("the site is finite").pages.len() * hosts.numbers.len();
    let arrived = |part: usize| {
        let reached = site.arrival_within((all * part / 10) as u64, crate::LIMIT);
        assert!(reached, "only {} requests arrived", site.last_arrival());
    };
    // Every host has begun. A worker dies, another joins.
    let engine = start(&workers);
    arrived(3);
    workers[0].process().kill();
    let joined = Server::worker_on(late);
    let said = ask(&state, ["workers", "--add", joined.host()]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    arrived(4);
    engine.process.kill();
    // The engine goes on with the others; one of them freezes for longer than its heart may stand still.
    workers.remove(0);
    workers.push(joined);
    let engine = start(&workers);
    arrived(5);
    workers[1].process().freeze();
    // As long as the slowest host needs.
    assert!(engine.process.ends_within(LONGEST), "the crawl does not end");
    let finished = engine.finish();
    assert_sound(&state);
    judge(hosts, &site, &finished, &audit(&log, &[]), began.elapsed())
}

/// Audits a fetch log with further demands.
pub fn audit(log: &Path, demands: &[&str]) -> Exit {
    audit_all(&[log], demands)
}

/// Audits the fetch logs of a crawl's engines together.
pub fn audit_all(logs: &[&Path], demands: &[&str]) -> Exit {
    Program::new("engine").arg("audit").args(logs).args(demands).run()
}

fn judge(hosts: &Hosts, site: &PracticeSite, finished: &Finished, audit: &Exit, took: Duration) -> Told {
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert_eq!(audit.code, Some(0), "{}{}", audit.stdout, audit.stderr);
    let mut by_host: BTreeMap<String, Vec<Arrival>> = BTreeMap::new();
    let arrivals = site.all_arrivals();
    for arrival in &arrivals {
        by_host.entry(format!("http://{}", arrival.host)).or_default().push(arrival.clone());
    }
    assert_eq!(by_host.len(), hosts.numbers.len());
    let (mut delayed, mut forbidden, mut closest) = (0, 0, f64::MAX);
    for (base, arrivals) in &by_host {
        let truth = site.truth_of(base);
        let rules = truth.robots.expect("each host has rules");
        let pages: BTreeSet<String> = truth.people.expect("the site is finite").pages.into_iter().collect();
        let disallowed: BTreeSet<String> = rules.disallowed.into_iter().filter(|page| pages.contains(page)).collect();
        let fetched: BTreeSet<String> =
            arrivals.iter().map(|arrival| format!("{base}{}", arrival.path)).filter(|url| !url.contains("/robots")).collect();
        let expected: BTreeSet<String> = pages.difference(&disallowed).cloned().collect();
        assert_eq!(fetched, expected, "{base}");
        assert!(arrivals[0].path == "/robots.txt", "{base} was asked for {} first", arrivals[0].path);
        forbidden += disallowed.len();
        if let Some(delay) = rules.crawl_delay_ms {
            delayed += 1;
            closest = closest.min(assert_apart(base, arrivals, delay, LATENCY));
        }
    }
    let skipped = finished.report.skipped_by_reason.get("disallowed by robots.txt").copied().unwrap_or_default();
    assert_eq!(skipped, forbidden as u64);
    let lost = finished.report.workers.iter().map(|worker| worker.failed).sum();
    Told { requests: arrivals.len(), delayed, closest, forbidden, lost, took, audit: audit.stdout.trim().to_owned() }
}

/// No two requests to a host came closer than its delay, from the end of the one to the begin of the next. Returns how close they came, as a
/// part of the delay. The first two are apart, too: the pause that had begun has the length that the rules ask for.
///
/// # Panics
/// When they came closer, or one has not ended.
pub fn assert_apart(base: &str, arrivals: &[Arrival], delay_ms: u64, latency: Duration) -> f64 {
    let mut closest = f64::MAX;
    for pair in arrivals.windows(2) {
        let [first, second] = pair else { unreachable!("windows of two") };
        // Where the rules have moved to is looked up before anybody knows them.
        if second.path == "/robots-moved.txt" {
            continue;
        }
        let ended = first.ended_ms.expect("all have ended").min(second.at_ms);
        // Where the worker was killed before the answer was due, the engine may have heard of it before the site did.
        let ended = if u128::from(ended - first.at_ms) < latency.as_millis() { first.at_ms } else { ended };
        let apart = second.at_ms - ended;
        assert!(apart >= delay_ms, "{base}: {apart} ms instead of {delay_ms} ms between {first:?} and {second:?}");
        closest = closest.min(apart as f64 / delay_ms as f64);
    }
    closest
}
