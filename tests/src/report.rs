//! The report of a crawl, as a script reads it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// What `engine --report` writes.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    /// Times the crawl was begun again.
    pub restarts: u64,
    /// Nothing is queued any more.
    pub complete: bool,
    /// The counters add up.
    pub balanced: bool,
    /// Why it ended before it was complete.
    pub stopped_by: Option<String>,
    /// Since the process started.
    pub seconds: f64,
    /// Requests by state.
    pub urls: Urls,
    /// Requests that were pages.
    pub pages: u64,
    /// Items.
    pub items: Items,
    /// Answers of sites.
    pub fetches: u64,
    /// What each worker did.
    pub workers: Vec<Worker>,
    /// Dead requests by reason.
    pub dead_by_reason: BTreeMap<String, u64>,
    /// Skipped requests by reason.
    pub skipped_by_reason: BTreeMap<String, u64>,
    /// Links that did not become requests.
    pub links_refused: BTreeMap<String, u64>,
    /// URLs given up.
    pub dead: Vec<Dead>,
}

/// Requests by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Urls {
    /// All of them.
    pub discovered: u64,
    /// Pages and redirects.
    pub done: u64,
    /// Given up.
    pub dead: u64,
    /// Definitive answers that are no page.
    pub skipped: u64,
    /// Still to be fetched.
    pub queued: u64,
}

/// Items by fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Items {
    /// Found on pages.
    pub parsed: u64,
    /// Stored.
    pub saved: u64,
    /// Refused by the store.
    pub rejected: u64,
    /// Stored over another page's.
    pub collided: u64,
}

/// What one worker did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Worker {
    /// As the command line named it.
    pub host: String,
    /// Jobs answered.
    pub done: u64,
    /// Jobs lost or refused.
    pub failed: u64,
}

/// A URL given up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Dead {
    /// Which one.
    pub url: String,
    /// Why.
    pub reason: String,
}

impl Report {
    /// Reads a report, and checks the equations that hold for every one.
    ///
    /// # Panics
    /// When there is none or it does not add up.
    pub fn read(file: &Path) -> Report {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("no report {}: {error}", file.display()));
        let report: Report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in the report {text}"));
        let Report { urls, items, .. } = &report;
        assert!(report.balanced, "{text}");
        assert_eq!(urls.discovered, urls.done + urls.dead + urls.skipped + urls.queued, "{text}");
        assert_eq!(items.parsed, items.saved + items.rejected, "{text}");
        assert_eq!(report.complete, urls.queued == 0, "{text}");
        assert_eq!(report.dead_by_reason.values().sum::<u64>(), urls.dead, "{text}");
        assert_eq!(report.skipped_by_reason.values().sum::<u64>(), urls.skipped, "{text}");
        assert!(report.dead.len() as u64 == urls.dead.min(1000), "{text}");
        report
    }

    /// The line of one worker.
    ///
    /// # Panics
    /// When it is not there.
    pub fn worker(&self, host: &str) -> &Worker {
        self.workers.iter().find(|worker| worker.host == host).unwrap_or_else(|| panic!("no worker {host} in {:?}", self.workers))
    }
}
