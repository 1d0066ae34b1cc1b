//! A search server that dies in the middle of a large crawl, and whose mapping one item in a thousand breaks.

use std::fmt;
use std::time::Duration;

use mockserver::SiteConfig;
use services::{Node, Server as Product};

use super::finish;
use crate::ask::{assert_sound, rejected_items, told};
use crate::crawl::{Crawl, Finished};
use crate::exact::assert_fetched;
use crate::mapping;
use crate::program::Program;
use crate::report::Items;
use crate::server::Server;
use crate::site::PracticeSite;
use crate::store;

/// Requests at the site after which the server is killed: the crawl is at full rate by then, and many of its bulks are under way.
const FULL_RATE: u64 = 20_000;

/// Time to fill what is bounded, in which memory may grow.
const FILLING: u64 = 10;

/// Whose `Tag` the mapping does not take.
const ENDING: &str = "777";

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct SearchServer {
    /// Cities of 10 pages with 20 people each.
    pub cities: u32,
    /// How long the server is away.
    pub seconds: u64,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Told {
    /// Resident memory in KiB of the engine and of the itemsaver, each second that the server was away but for the first ten.
    pub memory: [Vec<u64>; 2],
    /// The most that each ever had, in KiB.
    pub peak: [u64; 2],
    /// Items stored at first, then those that were refused, sent again and stored.
    pub items: (u64, u64),
    /// Requests that were repetitions.
    pub repeated: u64,
    /// How long the crawl took, in seconds, the time that the server was away included.
    pub seconds: f64,
}

/// Crawls people into a real Elasticsearch node through three processes, kills the node, mends its mapping, and compares everything.
///
/// # Panics
/// When anything is not as it must be.
pub fn measure(wanted: &SearchServer) -> Told {
    let config = SiteConfig { cities: wanted.cities, pages: Some(10), cars: 0, recorded_arrivals: 1_000_000, ..SiteConfig::practice() };
    let site = PracticeSite::serve(config);
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let state = folder.path().join("state");
    let mut node = Node::start(Product::Elasticsearch, &folder.path().join("node"));
    let index = format!("{}/people", node.url());
    let stored = format!("elasticsearch:{index}");
    let saver = || Server::of(Program::new("itemsaver").args(["--store", &stored]));
    let (worker, itemsaver) = (Server::worker(), saver());
    let crawl = |itemsaver: &Server| {
        let spider = mapping::spider(folder.path(), ENDING);
        Crawl::in_state(&state).arg("--spider").arg(spider).arg(site.people_seed()).workers([&worker]).itemsaver(itemsaver).start()
    };
    mapping::break_with_text(&index);

    let engine = crawl(&itemsaver);
    assert!(site.arrival_within(FULL_RATE, crate::LIMIT), "the crawl does not get going");
    node.kill();
    let mut memory = [Vec::new(), Vec::new()];
    for second in 1..=wanted.seconds {
        assert!(!engine.process.ends_within(Duration::from_secs(1)), "the engine ended while it had no store");
        if second > FILLING {
            memory[0].push(engine.process.resident_kib());
            memory[1].push(itemsaver.process().resident_kib());
        }
    }
    node.start_again();
    let peak_of = |engine: u64| [engine, itemsaver.process().peak_kib()];
    let (finished, engine_peak) = {
        let mut peak = 0;
        while !engine.process.ends_within(Duration::from_secs(1)) {
            peak = engine.process.peak_kib().max(peak);
        }
        (finish(engine), peak)
    };
    let peak = peak_of(engine_peak);
    let people = site.people();
    let (fitting, broken) = mapping::split(&people, ENDING);
    let (saved, rejected) = (fitting.len() as u64, broken.len() as u64);
    assert_eq!(finished.report.items, Items { parsed: saved + rejected, saved, rejected, collided: 0 });
    assert_pages(&finished, people.pages.len() as u64);
    let repeated = assert_fetched(&site, &people);
    mapping::assert_stored(exported(&stored), fitting, ENDING);
    assert_eq!(rejected_items(&state, mapping::REASON), broken.into_iter().map(|item| item.id).collect());
    assert_sound(&state);

    itemsaver.process().terminate();
    assert_eq!(itemsaver.process().exit().code, Some(0));
    let moved = Program::new("itemsaver").args(["reindex", "--store", &stored]).run();
    assert_eq!(moved.code, Some(0), "{}", moved.stderr);
    told(&state, ["requeue", "--reason", mapping::REASON]);
    let mended = finish(crawl(&saver()));
    assert_eq!(mended.report.items, Items { parsed: saved + rejected, saved: saved + rejected, rejected: 0, collided: 0 });
    mapping::assert_stored(exported(&stored), people.items, ENDING);
    assert_sound(&state);
    Told { memory, peak, items: (saved, rejected), repeated, seconds: finished.report.seconds }
}

fn assert_pages(finished: &Finished, pages: u64) {
    assert!(finished.report.complete && finished.report.balanced);
    assert_eq!((finished.report.pages, finished.report.urls.done, finished.report.urls.discovered), (pages, pages, pages));
}

fn exported(stored: &str) -> Vec<store::StoredItem> {
    let export = Program::new("itemsaver").args(["export", "--store", stored]).run();
    assert_eq!(export.code, Some(0), "{}", export.stderr);
    store::of_lines(&export.stdout)
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |memory: &[u64]| (memory.iter().copied().min().unwrap_or(0), memory.iter().copied().max().unwrap_or(0));
        let ([engine, saver], (saved, rejected)) = (&self.memory, self.items);
        let ((least, most), (saver_least, saver_most)) = (range(engine), range(saver));
        write!(
            f,
            "{saved} items stored and {rejected} rejected in {:.0} s, {} pages fetched again; while the server ",
            self.seconds, self.repeated
        )?;
        write!(f, "was away engine {least} to {most} KiB, itemsaver {saver_least} to {saver_most} KiB; ")?;
        write!(f, "peaks {} and {} KiB; then {rejected} items sent again, and all {} exact", self.peak[0], self.peak[1], saved + rejected)
    }
}
