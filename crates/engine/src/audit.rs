//! `engine audit`: proves from a fetch log that no limit of a host was broken, or names each request that broke one. Pure.
//!
//! Between the end of a request and the next one under the same clock lies at least the pause in force; no host has more in flight than its
//! limit says; nothing was fetched that robots.txt disallows. What is in memory grows with the number of hosts, not of requests.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, Read};
use std::net::IpAddr;
use std::time::Duration;

use model::{CrawlUrl, RobotsRules};
use thiserror::Error;

use crate::domain;
use crate::fetch_log::{Came, FetchedRobots, Record, Sent, Start};
use crate::scheduler::PolitenessBy;

/// What is demanded beyond what the log itself says was in force.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditOptions {
    /// A pause that every clock should have kept at least.
    pub delay: Option<Duration>,
    /// Most requests in flight that a clock should have had.
    pub per_host: Option<usize>,
    /// What a clock belongs to.
    pub by: PolitenessBy,
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Requests that were sent.
    pub requests: u64,
    /// Clocks they were under.
    pub clocks: usize,
    /// Starts of the crawl.
    pub starts: u64,
    /// Requests of which the log does not say how they ended: their process was killed, or runs still.
    pub open: u64,
    /// Lines that a kill has cut short.
    pub cut: u64,
    /// All breaches.
    pub breached: u64,
    /// The first of them, at most [`TOLD`].
    pub breaches: Vec<Breach>,
}

/// Breaches that are named; all are counted.
pub const TOLD: usize = 1000;

/// A request that broke a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its line in the log, from 1.
    pub line: u64,
    /// Its clock: a host, a domain or an address.
    pub clock: String,
    /// What it fetched.
    pub url: String,
    /// The limit.
    pub kind: BreachKind,
}

/// Which limit was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreachKind {
    /// It came too soon after the last one had ended.
    TooSoon {
        /// The line where that ended.
        earlier: u64,
        /// Milliseconds between the two.
        after_ms: u64,
        /// Milliseconds that should have been.
        delay_ms: u64,
    },
    /// So many were in flight, with it.
    TooMany {
        /// How many.
        in_flight: usize,
        /// The limit.
        most: usize,
    },
    /// robots.txt disallows it.
    Robots,
    /// It ended without having been announced: the log is not whole.
    Unannounced,
}

/// A log that cannot be audited.
#[derive(Debug, Error)]
pub enum AuditError {
    /// It cannot be read.
    #[error("cannot read the fetch log: {0}")]
    Read(#[from] io::Error),
    /// A line is none of a fetch log.
    #[error("line {line} is no record of a fetch log: {error}")]
    Malformed {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        error: String,
    },
    /// There is no request in it.
    #[error("there is no request in the fetch log: nothing to prove")]
    Empty,
}

/// Longest line: the rules of a robots.txt of 500 KiB, each with its names, and the rest.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Audits a log.
///
/// # Errors
/// [`AuditError`] when it is no fetch log or nothing is in it.
pub fn audit(mut log: impl BufRead, options: AuditOptions) -> Result<Findings, AuditError> {
    let mut audit = Audit { options, ..Audit::default() };
    let mut text = Vec::new();
    // A line that is no record is forgiven if the process that wrote it ended there.
    let mut doubtful: Option<AuditError> = None;
    loop {
        text.clear();
        if log.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
        audit.line += 1;
        match (serde_json::from_slice::<Record<'_>>(&text), doubtful.take()) {
            (Ok(Record::Start(start)), was_cut) => {
                audit.found.cut += u64::from(was_cut.is_some());
                audit.start(&start);
            }
            (_, Some(error)) => return Err(error),
            (Ok(Record::Dispatch(sent)), None) => audit.sent(&sent),
            (Ok(Record::Outcome(came)), None) => audit.came(&came),
            (Err(error), None) => doubtful = Some(AuditError::Malformed { line: audit.line, error: error.to_string() }),
        }
    }
    match doubtful {
        Some(error) if text_is_whole(&error, audit.found.requests) => return Err(error),
        Some(_) => audit.found.cut += 1,
        None => {}
    }
    audit.finish()
}

/// Whether a line that is no record cannot be the end of a log that is being written.
fn text_is_whole(error: &AuditError, requests: u64) -> bool {
    match error {
        AuditError::Malformed { .. } => requests == 0,
        AuditError::Read(_) | AuditError::Empty => true,
    }
}

#[derive(Default)]
struct Audit {
    options: AuditOptions,
    line: u64,
    clocks: HashMap<String, Clock>,
    /// What was in flight, by number: its clock and its host.
    in_flight: HashMap<u64, (String, String)>,
    addresses: HashMap<String, IpAddr>,
    /// Robots rules, by origin.
    rules: HashMap<String, RobotsRules>,
    found: Findings,
}

#[derive(Default)]
struct Clock {
    in_flight: usize,
    /// When silent workers have ended at last.
    silent: Vec<u64>,
    /// When the last request ended, the line that says so, and its host.
    ended: Option<(u64, u64, String)>,
}

impl Audit {
    fn start(&mut self, start: &Start<'_>) {
        self.found.starts += 1;
        // What was in flight has ended with its process, at the latest when the next one began.
        self.found.open += self.in_flight.len() as u64;
        for (clock, host) in std::mem::take(&mut self.in_flight).into_values() {
            self.clock(clock).ended = Some((start.at_ms, self.line, host));
        }
        for clock in self.clocks.values_mut() {
            clock.in_flight = 0;
            clock.silent.clear();
        }
    }

    fn sent(&mut self, sent: &Sent<'_>) {
        self.found.requests += 1;
        let name = self.clock_of(&sent.host);
        let least = self.options.delay.map_or(0, |delay| delay.as_millis() as u64);
        let clock = self.clocks.entry(name.clone()).or_default();
        let mut kinds = Vec::new();
        // Judged by the rules in the log itself, whatever the crawler thought of them.
        let forbids = |url: &CrawlUrl| self.rules.get(url.origin_str()).is_some_and(|rules| !rules.judge(url.path_and_query()).allowed);
        if sent.robots_allow == Some(false) || CrawlUrl::parse(&sent.url).is_ok_and(|url| forbids(&url)) {
            kinds.push(BreachKind::Robots);
        }
        if let Some((ended, earlier, host)) = &clock.ended {
            // Hosts that share a clock may differ in their delays: that of the one before counts.
            let in_force = if *host == sent.host { sent.delay_ms } else { sent.shared_delay_ms.unwrap_or(0) };
            let (after_ms, delay_ms) = (sent.at_ms.saturating_sub(*ended), in_force.max(least));
            if after_ms < delay_ms {
                kinds.push(BreachKind::TooSoon { earlier: *earlier, after_ms, delay_ms });
            }
        }
        clock.silent.retain(|until| *until > sent.at_ms);
        clock.in_flight += 1;
        let in_flight = clock.in_flight + clock.silent.len();
        let by_delay = (least > 0).then_some(1);
        let most = [sent.most, self.options.per_host, by_delay].into_iter().flatten().min();
        if let Some(most) = most.filter(|most| in_flight > *most) {
            kinds.push(BreachKind::TooMany { in_flight, most });
        }
        self.in_flight.insert(sent.number, (name.clone(), sent.host.to_string()));
        kinds.into_iter().for_each(|kind| self.breach(name.clone(), &sent.url, kind));
    }

    fn came(&mut self, came: &Came<'_>) {
        let Some((name, host)) = self.in_flight.remove(&came.number) else {
            return self.breach(came.host.to_string(), &came.url, BreachKind::Unannounced);
        };
        if let Some(FetchedRobots { of, rules }) = &came.robots {
            self.rules.insert(of.to_string(), RobotsRules::clone(rules));
        }
        if let Some(address) = came.address.filter(|_| self.options.by == PolitenessBy::Address) {
            self.addresses.insert(host.clone(), address.to_canonical());
        }
        let ended = Some((came.at_ms, self.line, host.clone()));
        let now = self.clock_of(&host);
        let clock = self.clock(name);
        clock.in_flight -= 1;
        clock.silent.extend(came.until_ms);
        clock.ended.clone_from(&ended);
        // A host whose address has become known is under that one's clock from now on.
        self.clock(now).ended = ended;
    }

    fn clock(&mut self, name: String) -> &mut Clock {
        self.clocks.entry(name).or_default()
    }

    fn clock_of(&self, host: &str) -> String {
        match self.options.by {
            PolitenessBy::Host => host.to_owned(),
            PolitenessBy::Domain => domain::registrable(host).unwrap_or(host).to_owned(),
            PolitenessBy::Address => self.addresses.get(host).map_or_else(|| host.to_owned(), IpAddr::to_string),
        }
    }

    fn breach(&mut self, clock: String, url: &str, kind: BreachKind) {
        self.found.breached += 1;
        if self.found.breaches.len() < TOLD {
            self.found.breaches.push(Breach { line: self.line, clock, url: url.to_owned(), kind });
        }
    }

    fn finish(mut self) -> Result<Findings, AuditError> {
        if self.found.requests == 0 {
            return Err(AuditError::Empty);
        }
        self.found.open += self.in_flight.len() as u64;
        self.found.clocks = self.clocks.len();
        Ok(self.found)
    }
}

impl Findings {
    /// Whether no limit was broken.
    pub fn is_clean(&self) -> bool {
        self.breached == 0
    }

    /// What is said to a person: the breaches with their lines, then the sum.
    pub fn screen(&self) -> String {
        let mut text = String::new();
        for breach in &self.breaches {
            // Writing into a String never fails.
            let _ = writeln!(text, "{breach}");
        }
        let left = self.breached - self.breaches.len() as u64;
        if left > 0 {
            let _ = writeln!(text, "… and {left} more");
        }
        let Findings { requests, clocks, starts, open, cut, breached, .. } = self;
        let end = match breached {
            0 => "no limit was broken".to_owned(),
            n => format!("{n} breaches"),
        };
        let _ = writeln!(
            text,
            "{requests} requests under {clocks} clocks in {starts} starts, {open} without an end, {cut} lines cut short: {end}"
        );
        text
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach { line, clock, url, kind } = self;
        write!(f, "line {line}: {clock}: ")?;
        match kind {
            BreachKind::TooSoon { earlier, after_ms, delay_ms } => {
                write!(f, "{after_ms} ms after the end of the last request (line {earlier}), {delay_ms} ms are in force")?;
            }
            BreachKind::TooMany { in_flight, most } => write!(f, "{in_flight} requests in flight, at most {most} are allowed")?,
            BreachKind::Robots => f.write_str("robots.txt disallows it")?,
            BreachKind::Unannounced => f.write_str("a request ended that was never announced")?,
        }
        write!(f, ": {url}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    use proptest::prelude::*;

    fn sent(at_ms: u64, number: u64, host: &str, delay_ms: u64, most: Option<usize>) -> Record<'static> {
        let url = format!("http://{host}/{number}");
        Record::Dispatch(Sent {
            at_ms,
            number,
            host: host.to_owned().into(),
            url: url.into(),
            worker: "w".into(),
            attempt: 1,
            delay_ms,
            shared_delay_ms: Some(delay_ms),
            most,
            robots_allow: None,
        })
    }

    fn came(at_ms: u64, number: u64, host: &str) -> Record<'static> {
        Record::Outcome(Came {
            at_ms,
            number,
            host: host.to_owned().into(),
            url: format!("http://{host}/{number}").into(),
            worker: "w".into(),
            attempt: 1,
            verdict: "page".into(),
            status: Some(200),
            bytes: 9,
            proxy: None,
            address: Some([192, 0, 2, 1].into()),
            until_ms: None,
            robots: None,
        })
    }

    fn start(at_ms: u64) -> Record<'static> {
        Record::Start(Start { at_ms, crawl: "c".into(), epoch: 1 })
    }

    fn text(records: &[Record<'_>]) -> String {
        records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
    }

    /// Lines and kinds of the breaches.
    fn breaches(records: &[Record<'_>], options: AuditOptions) -> Vec<(u64, BreachKind)> {
        audit(text(records).as_bytes(), options).unwrap().breaches.iter().map(|breach| (breach.line, breach.kind)).collect()
    }

    #[test]
    fn a_request_before_the_pause_is_over_is_named_with_its_lines() {
        let log = [
            start(0),
            sent(10, 1, "a", 1_000, Some(1)),
            sent(10, 2, "b", 1_000, Some(1)),
            came(300, 1, "a"),
            sent(1_300, 3, "a", 1_000, Some(1)),
            came(1_400, 3, "a"),
            sent(2_399, 4, "a", 1_000, Some(1)),
        ];
        let kind = BreachKind::TooSoon { earlier: 6, after_ms: 999, delay_ms: 1_000 };
        assert_eq!(breaches(&log, AuditOptions::default()), [(7, kind)]);
        let findings = audit(text(&log).as_bytes(), AuditOptions::default()).unwrap();
        assert_eq!((findings.requests, findings.clocks, findings.starts, findings.open), (4, 2, 1, 2));
        let expected = "\
line 7: a: 999 ms after the end of the last request (line 6), 1000 ms are in force: http://a/4
4 requests under 2 clocks in 1 starts, 2 without an end, 0 lines cut short: 1 breaches
";
        assert_eq!(findings.screen(), expected);
        assert!(!findings.is_clean());
    }

    #[test]
    fn too_many_in_flight_what_robots_disallows_and_what_was_never_announced_are_named() {
        let mut disallowed = sent(0, 3, "b", 0, None);
        if let Record::Dispatch(sent) = &mut disallowed {
            sent.robots_allow = Some(false);
        }
        let log = [sent(0, 1, "a", 0, Some(1)), sent(0, 2, "a", 0, Some(1)), disallowed, came(0, 9, "c")];
        let expected = [(2, BreachKind::TooMany { in_flight: 2, most: 1 }), (3, BreachKind::Robots), (4, BreachKind::Unannounced)];
        assert_eq!(breaches(&log, AuditOptions::default()), expected);
    }

    #[test]
    fn a_page_that_the_rules_in_the_log_disallow_is_named_whatever_the_crawler_thought() {
        let mut fetched = came(5, 1, "a");
        if let Record::Outcome(came) = &mut fetched {
            let rules = Cow::Owned(RobotsRules::parse(b"User-agent: *\nDisallow: /3", "gossamer"));
            came.robots = Some(FetchedRobots { of: "http://a".into(), rules });
        }
        let mut allowed = sent(9, 3, "a", 0, None);
        if let Record::Dispatch(sent) = &mut allowed {
            sent.robots_allow = Some(true);
        }
        let log = [sent(0, 1, "a", 0, None), fetched, sent(7, 2, "a", 0, None), allowed, sent(9, 33, "b", 0, None)];
        assert_eq!(breaches(&log, AuditOptions::default()), [(4, BreachKind::Robots)]);
    }

    #[test]
    fn a_crawl_without_a_clock_does_not_stand_up_to_a_demand() {
        let log = [sent(0, 1, "a", 0, None), came(5, 1, "a"), sent(5, 2, "a", 0, None), sent(6, 3, "a", 0, None)];
        assert_eq!(breaches(&log, AuditOptions::default()), []);
        let demand = AuditOptions { delay: Some(Duration::from_secs(1)), ..AuditOptions::default() };
        assert_eq!(breaches(&log, demand).len(), 3);
        assert_eq!(breaches(&log, AuditOptions { per_host: Some(1), ..AuditOptions::default() }).len(), 1);
    }

    #[test]
    fn hosts_that_share_a_clock_are_looked_at_together() {
        let log = [sent(0, 1, "a.example.org", 50, Some(1)), came(5, 1, "a.example.org"), sent(10, 2, "b.example.org", 50, Some(1))];
        let by = |by| breaches(&log, AuditOptions { by, ..AuditOptions::default() }).len();
        // The address of the second is not known yet.
        assert_eq!([PolitenessBy::Host, PolitenessBy::Domain, PolitenessBy::Address].map(by), [0, 1, 0]);
        let log = [&log[..], &[came(20, 2, "b.example.org"), sent(30, 3, "a.example.org", 50, Some(1))]].concat();
        assert_eq!(breaches(&log, AuditOptions { by: PolitenessBy::Address, ..AuditOptions::default() }).len(), 1);
    }

    #[test]
    fn what_a_kill_left_in_flight_has_ended_at_the_next_start_and_a_silent_worker_keeps_its_slot() {
        let log = [start(0), sent(10, 1, "a", 100, Some(1)), start(50), sent(149, 1, "a", 100, Some(1))];
        let kind = BreachKind::TooSoon { earlier: 3, after_ms: 99, delay_ms: 100 };
        assert_eq!(breaches(&log, AuditOptions::default()), [(4, kind)]);
        let mut silent = came(20, 1, "a");
        if let Record::Outcome(came) = &mut silent {
            came.until_ms = Some(500);
        }
        let log =
            [sent(10, 1, "a", 10, Some(1)), silent, sent(499, 2, "a", 10, Some(1)), came(499, 2, "a"), sent(510, 3, "a", 10, Some(1))];
        assert_eq!(breaches(&log, AuditOptions::default()), [(3, BreachKind::TooMany { in_flight: 2, most: 1 })]);
    }

    #[test]
    fn a_line_cut_short_by_a_kill_is_forgiven_and_any_other_is_not() {
        let whole = text(&[start(0), sent(1, 1, "a", 0, None)]);
        let cut = |after: &str| audit(format!("{whole}{{\"event\":\"dis\n{after}").as_bytes(), AuditOptions::default());
        assert_eq!(cut("").unwrap().cut, 1);
        assert_eq!(cut(&text(&[start(5), sent(6, 1, "a", 0, None)])).unwrap().cut, 1);
        let error = cut(&text(&[sent(6, 2, "a", 0, None)])).unwrap_err();
        assert!(matches!(error, AuditError::Malformed { line: 3, .. }), "{error}");
        for bad in ["", "nonsense\n", &text(&[start(0)])] {
            assert!(audit(bad.as_bytes(), AuditOptions::default()).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Against a naive look at every pair of requests.
        #[test]
        fn it_finds_what_a_look_at_every_pair_finds(steps in proptest::collection::vec((0usize..3, 0u64..60, 1u64..40), 1..40)) {
            let (mut at, mut log, mut spans) = (0, Vec::new(), Vec::new());
            for (number, (host, pause, length)) in (1..).zip(steps) {
                let name = format!("h{host}");
                at += pause;
                log.push(sent(at, number, &name, 30, Some(1)));
                log.push(came(at + length, number, &name));
                spans.push((host, at, at + length));
                at += length;
            }
            let naive = spans.iter().enumerate().filter(|(n, (host, begin, _))| {
                spans[..*n].iter().any(|(other, _, end)| other == host && begin - end < 30)
            });
            let found = audit(text(&log).as_bytes(), AuditOptions::default()).unwrap();
            prop_assert_eq!(found.breached, naive.count() as u64);
        }
    }
}
