//! An itemsaver that is away for a while, at full rate.

use std::fmt;
use std::time::Duration;

use mockserver::SiteConfig;

use super::finish;
use crate::crawl::Crawl;
use crate::exact::{assert_complete, assert_fetched, assert_stored};
use crate::server::Server;
use crate::site::PracticeSite;
use crate::store;

/// Requests at the site after which the itemsaver is frozen: the crawl is at full rate by then.
const FULL_RATE: u64 = 2000;

/// Time to fill what is bounded, in which memory may grow.
const FILLING: u64 = 10;

/// How far memory may move after that, in percent of its least.
const MOST_PERCENT: f64 = 5.0;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// How long the itemsaver is frozen.
    pub seconds: u64,
    /// Cities of 10 pages.
    pub cities: u32,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Told {
    /// The engine's resident memory in KiB, each second but for the first ten.
    pub memory: Vec<u64>,
    /// Requests at the site while the itemsaver was frozen.
    pub requests: u64,
    /// Pages of the crawl that then completed.
    pub pages: u64,
    /// Requests that were repetitions.
    pub repeated: u64,
}

/// Freezes the itemsaver in the middle of a crawl, and lets the crawl complete.
///
/// # Panics
/// When the crawl does not end as one in peace does.
pub fn measure(outage: &Outage) -> Told {
    let site = PracticeSite::serve(SiteConfig { cities: outage.cities, pages: Some(10), cars: 0, ..SiteConfig::practice() });
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let stored = folder.path().join("items.db");
    let (workers, itemsaver) = (Server::workers(2), Server::itemsaver(&stored));
    let engine = Crawl::of_people(&site.people_seed()).workers(&workers).itemsaver(&itemsaver).start();
    assert!(site.arrival_within(FULL_RATE, crate::LIMIT), "the crawl does not get going");
    itemsaver.process().freeze();
    let before = site.last_arrival();
    let mut memory = Vec::new();
    for second in 1..=outage.seconds {
        assert!(!engine.process.ends_within(Duration::from_secs(1)), "the engine ended while it had no itemsaver");
        if second > FILLING {
            memory.push(engine.process.resident_kib());
        }
    }
    let requests = site.last_arrival() - before;
    itemsaver.process().thaw();
    let finished = finish(engine);
    let people = site.people();
    assert_complete(&finished, &people);
    assert_stored(&store::items(&stored), &people);
    Told { memory, requests, pages: finished.report.pages, repeated: assert_fetched(&site, &people) }
}

impl Told {
    /// Memory stayed where it was.
    pub fn is_well(&self) -> bool {
        self.moved_percent() <= MOST_PERCENT
    }

    fn moved_percent(&self) -> f64 {
        let (least, most) = self.extremes();
        100.0 * (most - least) as f64 / least.max(1) as f64
    }

    fn extremes(&self) -> (u64, u64) {
        (self.memory.iter().copied().min().unwrap_or(0), self.memory.iter().copied().max().unwrap_or(0))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.extremes();
        let (samples, moved) = (self.memory.len(), self.moved_percent());
        write!(f, "memory {least} to {most} KiB over {samples} s, {moved:.1} % (at most {MOST_PERCENT} %); ")?;
        write!(f, "{} requests while the itemsaver was away; then complete: ", self.requests)?;
        write!(f, "{} pages, none given up, {} fetched again, items exact", self.pages, self.repeated)
    }
}
