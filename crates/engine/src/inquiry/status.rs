//! How a crawl stands.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::instant;
use crate::frontier::{CrawlRecord, Frontier, OriginState};
use crate::ledger::{ItemCounts, Ledger, UrlCounts};

/// Origins that a status lists.
pub const ORIGINS: usize = 20;

/// How a crawl stands: one value for a running crawl and for one that is not. Keys are only ever added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrawlStatus {
    /// The crawl's name.
    pub crawl: String,
    /// What it is doing.
    pub state: CrawlState,
    /// The engine's process, if it runs.
    pub process: Option<u32>,
    /// Times this run of the crawl was begun again.
    pub restarts: u64,
    /// Seconds since the engine's process started.
    pub seconds: Option<f64>,
    /// When it last committed anything, in milliseconds since the Unix epoch; for a crawl that does not run.
    pub last_commit_ms: Option<u64>,
    /// Whether the counters add up.
    pub balanced: bool,
    /// Requests by state.
    pub urls: UrlCounts,
    /// Pages among those done.
    pub pages: u64,
    /// Items.
    pub items: ItemCounts,
    /// Engines that are at it, if it is shared: the counters are those of all, what is in flight and the workers those of the one that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engines: Option<usize>,
    /// Requests at the workers.
    pub in_flight: usize,
    /// Pages whose items are on their way to the store.
    pub unsaved: usize,
    /// What it waits for, if nothing is being fetched.
    pub waiting_for: Option<String>,
    /// The workers of a running crawl.
    pub workers: Vec<WorkerStatus>,
    /// Dead requests by reason.
    pub dead_by_reason: BTreeMap<String, u64>,
    /// Skipped requests by reason.
    pub skipped_by_reason: BTreeMap<String, u64>,
    /// Rejected items by reason.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Links that did not become requests, by reason.
    pub links_refused: BTreeMap<String, u64>,
    /// Sites with something queued, the fullest first, then those given up; at most [`ORIGINS`].
    pub origins: Vec<OriginState>,
}

/// What a crawl is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrawlState {
    /// An engine is at it.
    Running,
    /// An engine is at it, and hands nothing out until it is told to go on.
    Paused,
    /// An engine finishes what is in flight.
    Stopping,
    /// No engine is at it, and something is left to do.
    Stopped,
    /// Nothing is left to do.
    Complete,
}

/// How a worker stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// As the user named it.
    pub host: String,
    /// Whether it is connected and takes jobs.
    pub connected: bool,
    /// Whether it was told to leave.
    pub leaving: bool,
    /// Jobs it has.
    pub in_flight: u32,
    /// Jobs it has answered.
    pub done: u64,
    /// Jobs it has lost or refused.
    pub failed: u64,
    /// Why it is not connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl CrawlStatus {
    /// The status that follows from counters alone; the rest is to be filled in.
    pub fn of(crawl: String, state: CrawlState, ledger: &Ledger) -> CrawlStatus {
        CrawlStatus {
            crawl,
            state,
            process: None,
            restarts: 0,
            seconds: None,
            last_commit_ms: None,
            balanced: ledger.is_balanced(),
            urls: ledger.urls,
            pages: ledger.pages,
            items: ledger.items,
            engines: None,
            in_flight: 0,
            unsaved: 0,
            waiting_for: None,
            workers: Vec::new(),
            dead_by_reason: ledger.dead_by_reason.clone(),
            skipped_by_reason: ledger.skipped_by_reason.clone(),
            rejected_by_reason: ledger.rejected_by_reason.clone(),
            links_refused: ledger.links_refused.clone(),
            origins: Vec::new(),
        }
    }

    /// The status of a crawl that no engine is at.
    pub fn of_stopped(record: &CrawlRecord, frontier: &dyn Frontier) -> CrawlStatus {
        let state = if record.ledger.urls.queued == 0 && record.complete { CrawlState::Complete } else { CrawlState::Stopped };
        CrawlStatus {
            restarts: record.restarts(),
            last_commit_ms: (record.at_ms > 0).then_some(record.at_ms),
            origins: frontier.origin_states(ORIGINS),
            ..CrawlStatus::of(record.crawl.to_string(), state, &record.ledger)
        }
    }
}

/// For a person: one line.
impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerStatus { host, connected, leaving, in_flight, done, failed, problem } = self;
        let state = match (connected, leaving) {
            (_, true) => "told to leave",
            (true, false) => "connected",
            (false, false) => "away",
        };
        let problem = problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default();
        write!(f, "{host}: {state}, {in_flight} in flight, {done} done, {failed} failed{problem}")
    }
}

/// For a person: one screen.
impl fmt::Display for CrawlStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |label: &str, value: String| writeln!(f, "{label:<10}{value}");
        let state = match (self.state, self.process) {
            (CrawlState::Running, Some(process)) => format!("running, process {process}"),
            (CrawlState::Paused, Some(process)) => format!("paused, process {process}"),
            (CrawlState::Stopping, Some(process)) => format!("stopping, process {process}"),
            (CrawlState::Complete, _) => "complete".to_owned(),
            (CrawlState::Running | CrawlState::Paused | CrawlState::Stopping | CrawlState::Stopped, _) => {
                "stopped, not complete".to_owned()
            }
        };
        let since = match (self.seconds, self.last_commit_ms) {
            (Some(seconds), _) => format!(", for {seconds:.0} s"),
            (None, Some(at)) => format!(", last commit {}", instant(at)),
            (None, None) => String::new(),
        };
        let restarts = if self.restarts > 0 { format!(", begun again {} times", self.restarts) } else { String::new() };
        let engines = self.engines.filter(|engines| *engines > 1).map_or_else(String::new, |engines| format!(", one of {engines} engines"));
        line("crawl", format!("{}: {state}{engines}{since}{restarts}", self.crawl))?;
        let UrlCounts { discovered, done, dead, skipped, queued } = self.urls;
        let balance = if self.balanced { "" } else { " NOT BALANCED: run `engine check`" };
        line("urls", format!("{discovered} discovered = {done} done + {dead} dead + {skipped} skipped + {queued} queued{balance}"))?;
        line("pages", format!("{} done, {} in flight, {} waiting for the store", self.pages, self.in_flight, self.unsaved))?;
        let ItemCounts { parsed, saved, rejected, collided: _, noindex } = self.items;
        let noindex = if noindex > 0 { format!("; {noindex} not kept (noindex)") } else { String::new() };
        line("items", format!("{parsed} parsed = {saved} saved + {rejected} rejected{noindex}"))?;
        if let Some(what) = &self.waiting_for {
            line("waiting", format!("for {what}"))?;
        }
        for worker in &self.workers {
            line("worker", worker.to_string())?;
        }
        for (label, reasons) in [
            ("dead", &self.dead_by_reason),
            ("skipped", &self.skipped_by_reason),
            ("rejected", &self.rejected_by_reason),
            ("refused", &self.links_refused),
        ] {
            for (reason, count) in reasons {
                line(label, format!("{count} {reason}"))?;
            }
        }
        for OriginState { origin, queued, pages, given_up } in &self.origins {
            let state =
                given_up.as_ref().map_or_else(|| format!("{queued} queued"), |reason| format!("given up ({reason}) with {queued} URLs"));
            line("site", format!("{origin}: {state}, {pages} pages done"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_fits_a_screen_and_comes_back_from_json() {
        let urls = UrlCounts { discovered: 5, done: 2, dead: 0, skipped: 1, queued: 2 };
        let ledger = Ledger { urls, pages: 2, skipped_by_reason: [("gone".to_owned(), 1)].into(), ..Ledger::default() };
        let worker = WorkerStatus {
            host: ":9000".to_owned(),
            connected: false,
            leaving: false,
            in_flight: 0,
            done: 2,
            failed: 1,
            problem: Some("nothing listens there".to_owned()),
        };
        let origin = OriginState { origin: "http://h".to_owned().into(), queued: 2, pages: 2, given_up: None };
        let status = CrawlStatus {
            process: Some(7),
            engines: Some(3),
            seconds: Some(1.4),
            workers: vec![worker],
            origins: vec![origin],
            waiting_for: Some("a worker".to_owned()),
            ..CrawlStatus::of("c".to_owned(), CrawlState::Running, &ledger)
        };
        let expected = "\
crawl     c: running, process 7, one of 3 engines, for 1 s
urls      5 discovered = 2 done + 0 dead + 1 skipped + 2 queued
pages     2 done, 0 in flight, 0 waiting for the store
items     0 parsed = 0 saved + 0 rejected
waiting   for a worker
worker    :9000: away, 0 in flight, 2 done, 1 failed (nothing listens there)
skipped   1 gone
site      http://h: 2 queued, 2 pages done
";
        assert_eq!(status.to_string(), expected);
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<CrawlStatus>(&json).unwrap(), status);
    }
}
