//! An engine that is killed again and again on a large site.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::finish;
use crate::chaos::random::Random;
use crate::crawl::Crawl;
use crate::report::Report;
use crate::server::Server;
use crate::static_site::StaticSite;
use crate::store;

/// When the engine is killed, in milliseconds after its start.
const LEAST_MS: u64 = 300;
const MOST_MS: u64 = 2000;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Kills {
    /// The site's folder.
    pub folder: PathBuf,
    /// Where the crawls keep their state; none: a temporary folder.
    pub state: Option<PathBuf>,
    /// How often the engine is killed.
    pub times: u32,
    /// How much later each answer comes.
    pub latency_ms: u64,
    /// What the moments are drawn from.
    pub seed: u64,
}

/// How one crawl went, compared with one in peace.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which processes.
    pub name: &'static str,
    /// Pages of the crawl in peace.
    pub pages: usize,
    /// Times the engine was killed.
    pub killed: u32,
    /// Pages that are not stored.
    pub missing: Vec<String>,
    /// Pages that are stored and should not be.
    pub extra: Vec<String>,
    /// Pages that are stored otherwise.
    pub different: Vec<String>,
    /// Pages that are stored more than once.
    pub doubled: usize,
    /// Whether the last report says complete and agrees with the crawl in peace.
    pub report_agrees: bool,
    /// Requests at the site.
    pub requests: u64,
    /// Requests that were repetitions.
    pub repeated: u64,
}

/// A stored page by its URL.
type Pages = BTreeMap<String, Value>;

/// Crawls in peace, then killed with an engine alone, then killed with two workers and an itemsaver.
///
/// # Panics
/// When a process does not start or end as it must.
pub fn measure(kills: &Kills) -> [Told; 2] {
    let place = tempfile::tempdir().expect("there is a place for temporary files");
    let root = kills.state.clone().unwrap_or_else(|| place.path().to_owned());
    let site = StaticSite::serve_late(&kills.folder, Duration::from_millis(kills.latency_ms));
    let peace = finish(crawl(&site, &root.join("peace")).start());
    let (expected, _) = pages(&root.join("peace").join("items.db"));
    let alone = killed(kills, "embedded", &site, (&expected, &peace.report), &root, |state| (crawl(&site, state), state.join("items.db")));
    let stored = root.join("items.db");
    let (workers, itemsaver) = (Server::workers(2), Server::itemsaver(&stored));
    let fleet = killed(kills, "processes", &site, (&expected, &peace.report), &root, |state| {
        (crawl(&site, state).workers(&workers).itemsaver(&itemsaver), stored.clone())
    });
    [alone, fleet]
}

fn crawl(site: &StaticSite, state: &Path) -> Crawl {
    Crawl::in_state(state).arg(format!("{}/index.html", site.base())).args(["--worker-count", "16"])
}

fn killed(
    kills: &Kills,
    name: &'static str,
    site: &StaticSite,
    (expected, peace): (&Pages, &Report),
    root: &Path,
    begin: impl Fn(&Path) -> (Crawl, PathBuf),
) -> Told {
    let mut random = Random::new(kills.seed);
    let state = root.join(name);
    site.forget();
    let mut killed = 0;
    while killed < kills.times {
        let engine = begin(&state).0.start();
        // One that ends by itself before its time has crawled everything: the site is too small for more.
        if engine.process.ends_within(Duration::from_millis(random.between(LEAST_MS, MOST_MS))) {
            break;
        }
        engine.process.kill();
        killed += 1;
    }
    let (crawl, stored) = begin(&state);
    let finished = finish(crawl.start());
    let (found, doubled) = pages(&stored);
    let only_in = |these: &Pages, those: &Pages| these.keys().filter(|url| !those.contains_key(*url)).cloned().collect();
    let is_different = |(url, page): &(&String, &Value)| expected.get(*url).is_some_and(|other| other != *page);
    let fetched = site.fetched();
    let requests: u64 = fetched.values().sum();
    let report = &finished.report;
    Told {
        name,
        pages: expected.len(),
        killed,
        missing: only_in(expected, &found),
        extra: only_in(&found, expected),
        different: found.iter().filter(is_different).map(|(url, _)| url.clone()).collect(),
        doubled,
        report_agrees: report.complete && (report.urls, report.items) == (peace.urls, peace.items),
        requests,
        repeated: requests - fetched.len() as u64,
    }
}

/// The pages of a store, and how many of its items are repetitions.
fn pages(stored: &Path) -> (Pages, usize) {
    let items = store::items(stored);
    let count = items.len();
    let pages: Pages = items.into_iter().map(|item| (item.url, item.payload)).collect();
    let doubled = count - pages.len();
    (pages, doubled)
}

impl Told {
    /// Nothing is missing, doubled or other than in peace, and the engine was killed.
    pub fn is_well(&self) -> bool {
        let wrong = self.missing.len() + self.extra.len() + self.different.len() + self.doubled;
        wrong == 0 && self.report_agrees && self.killed > 0
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { name, pages, killed, missing, extra, different, doubled, report_agrees, requests, repeated } = self;
        let share = 100.0 * *repeated as f64 / (requests - repeated).max(1) as f64;
        write!(f, "{name:9}  {pages} pages, killed {killed} times: {} missing, {} extra, ", missing.len(), extra.len())?;
        write!(f, "{} different, {doubled} doubled; report {}; ", different.len(), if *report_agrees { "agrees" } else { "DIFFERS" })?;
        write!(f, "{requests} requests, {repeated} repeated ({share:.1} %)")?;
        let mut wrong = missing.iter().chain(extra).chain(different).take(10);
        wrong.try_for_each(|url| write!(f, "\n  {url}"))
    }
}
