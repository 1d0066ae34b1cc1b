//! What an audit found, and how it is told.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Logs that were looked at together.
    pub logs: usize,
    /// Requests that were sent.
    pub requests: u64,
    /// Clocks they were under.
    pub clocks: usize,
    /// Starts of the crawl's engines.
    pub starts: u64,
    /// Requests of which no log says in time how they ended: their engine was killed, given up by the others, or runs still.
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

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which log, by its name; none where there is only one.
    pub log: Option<Arc<str>>,
    /// Which line, from 1.
    pub line: u64,
}

/// A request that broke a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Where it stands.
    pub place: Place,
    /// Its clock: a host, a domain or an address.
    pub clock: String,
    /// What it fetched.
    pub url: String,
    /// The limit.
    pub kind: BreachKind,
}

/// Which limit was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreachKind {
    /// It came too soon after the last one had ended.
    TooSoon {
        /// Where that ended.
        earlier: Place,
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
    /// Its engine had been given up: another one visited a host at which it had a request in flight. It may send nothing until it joins again.
    GivenUp {
        /// That host.
        host: String,
        /// Where the other one visited it.
        by: Place,
    },
    /// It ended without having been announced: the log is not whole.
    Unannounced,
}

impl Findings {
    /// Whether no limit was broken.
    pub fn is_clean(&self) -> bool {
        self.breached == 0
    }

    pub(super) fn breach(&mut self, breach: Breach) {
        self.breached += 1;
        if self.breaches.len() < TOLD {
            self.breaches.push(breach);
        }
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
        let Findings { logs, requests, clocks, starts, open, cut, breached, .. } = self;
        let of_logs = if *logs > 1 { format!(" of {logs} logs") } else { String::new() };
        let end = match breached {
            0 => "no limit was broken".to_owned(),
            n => format!("{n} breaches"),
        };
        let _ = writeln!(
            text,
            "{requests} requests under {clocks} clocks in {starts} starts{of_logs}, {open} without an end, {cut} lines cut short: {end}"
        );
        text
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.log {
            None => write!(f, "line {}", self.line),
            Some(log) => write!(f, "{log} line {}", self.line),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach { place, clock, url, kind } = self;
        write!(f, "{place}: {clock}: ")?;
        match kind {
            BreachKind::TooSoon { earlier, after_ms, delay_ms } => {
                write!(f, "{after_ms} ms after the end of the last request ({earlier}), {delay_ms} ms are in force")?;
            }
            BreachKind::TooMany { in_flight, most } => write!(f, "{in_flight} requests in flight, at most {most} are allowed")?,
            BreachKind::Robots => f.write_str("robots.txt disallows it")?,
            BreachKind::GivenUp { host, by } => {
                write!(f, "sent by an engine that had been given up: another one had taken {host} over from it ({by})")?;
            }
            BreachKind::Unannounced => f.write_str("a request ended that was never announced")?,
        }
        write!(f, ": {url}")
    }
}
