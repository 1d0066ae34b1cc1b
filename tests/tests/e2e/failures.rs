//! Processes come and go; pages and items do not.
//!
//! The site is stopped at an exact point, so that every worker has pages in flight when something happens to one of them.

use std::path::PathBuf;

use mockserver::Section;
use tempfile::TempDir;
use tests::crawl::{Crawl, Finished, Running};
use tests::exact::{assert_complete, assert_fetched, assert_fetched_once, assert_stored};
use tests::port;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store;

const BEFORE: u64 = PracticeSite::BEFORE;
const IN_FLIGHT: usize = PracticeSite::IN_FLIGHT;

/// A crawl of one city's people, stopped at the site with [`IN_FLIGHT`] pages on their way.
struct Stopped {
    site: PracticeSite,
    section: Section,
    folder: TempDir,
    engine: Running,
}

impl Stopped {
    fn new(workers: &[&str], itemsaver: impl FnOnce(PathBuf) -> Server) -> (Stopped, Server) {
        let site = PracticeSite::one_city();
        let folder = tempfile::tempdir().unwrap();
        let itemsaver = itemsaver(folder.path().join("items.db"));
        site.hold_after(BEFORE);
        let crawl = Crawl::of_people(&site.people_seed()).args(["--worker-hosts", &workers.join(",")]);
        let engine = crawl.itemsaver(&itemsaver).start();
        site.await_held(IN_FLIGHT);
        (Stopped { section: site.people(), site, folder, engine }, itemsaver)
    }

    /// Lets the site go on, and checks everything that holds whatever happened. Returns the end and how many requests were repeated.
    fn release(self) -> (Finished, u64) {
        self.site.release();
        let finished = self.engine.finish();
        assert_complete(&finished, &self.section);
        let repeated = assert_fetched(&self.site, &self.section);
        assert_stored(&store::items(&self.folder.path().join("items.db")), &self.section);
        if repeated == 0 {
            assert_fetched_once(&self.site, &self.section);
        }
        (finished, repeated)
    }
}

fn itemsaver(store: PathBuf) -> Server {
    Server::itemsaver(&store)
}

/// So many workers that each of them has its part of what is in flight, however late it was connected.
fn workers(count: usize) -> Vec<Server> {
    Server::workers_with_capacity(count, IN_FLIGHT.div_ceil(count))
}

fn hosts(workers: &[Server]) -> Vec<&str> {
    workers.iter().map(Server::host).collect()
}

#[test]
fn a_worker_killed_half_way_loses_no_page() {
    let workers = workers(3);
    let (stopped, _itemsaver) = Stopped::new(&hosts(&workers), itemsaver);
    workers[1].process().kill();
    stopped.engine.process.line(&format!("worker {} has left the rotation", workers[1].host()));
    let (finished, repeated) = stopped.release();
    let killed = finished.report.worker(workers[1].host());
    assert!(killed.failed > 0, "it had pages in flight: {killed:?}");
    assert_eq!(repeated, killed.failed, "what it had in flight, and nothing else, was asked for again");
    for other in [&workers[0], &workers[2]] {
        assert_eq!(finished.report.worker(other.host()).failed, 0);
    }
}

#[test]
fn the_only_worker_killed_and_started_again_loses_no_page() {
    let port = port::reserve();
    let first = Server::worker_on(port);
    let (stopped, _itemsaver) = Stopped::new(&[first.host()], itemsaver);
    first.process().kill();
    stopped.engine.process.line("has left the rotation");
    let second = Server::worker_on(port);
    let (finished, repeated) = stopped.release();
    assert_eq!(finished.report.worker(second.host()).failed, IN_FLIGHT as u64);
    assert_eq!(repeated, IN_FLIGHT as u64);
}

#[test]
fn a_worker_that_comes_late_joins_in() {
    let early = Server::worker();
    let port = port::reserve();
    let late = format!("127.0.0.1:{port}");
    let (stopped, _itemsaver) = Stopped::new(&[early.host(), &late], itemsaver);
    let worker = Server::worker_on(port);
    stopped.engine.process.line(&format!("Connected to {late}"));
    let (finished, repeated) = stopped.release();
    let tally = finished.report.worker(worker.host());
    assert!(tally.done > 0 && tally.failed == 0, "{tally:?}");
    assert_eq!(repeated, 0);
}

#[test]
fn a_worker_told_to_end_finishes_what_it_has_and_nothing_is_fetched_twice() {
    let workers = workers(2);
    let (stopped, _itemsaver) = Stopped::new(&hosts(&workers), itemsaver);
    workers[0].process().terminate();
    let line = stopped.engine.process.line(&format!("worker {} has left the rotation", workers[0].host()));
    assert!(line.contains("draining"), "{line}");
    let (finished, repeated) = stopped.release();
    assert_eq!(repeated, 0);
    assert_eq!(workers[0].process().exit().code, Some(0));
    let ended = finished.report.worker(workers[0].host());
    assert!(ended.done > 0 && ended.failed == 0, "{ended:?}");
}

#[test]
fn an_itemsaver_killed_and_started_again_loses_no_item() {
    let worker = Server::worker();
    let port = port::reserve();
    let (stopped, first) = Stopped::new(&[worker.host()], |store| Server::itemsaver_on(port, &store));
    first.process().kill();
    stopped.site.release();
    stopped.engine.process.line("pages wait for the itemsaver");
    let _second = Server::itemsaver_on(port, &stopped.folder.path().join("items.db"));
    let (finished, repeated) = stopped.release();
    assert_eq!(repeated, 0);
    assert!(finished.exit.stderr.contains("the itemsaver is back"), "{}", finished.exit.stderr);
}

#[test]
fn a_frozen_worker_leaves_the_rotation_and_loses_no_page() {
    let workers = workers(2);
    let (stopped, _itemsaver) = Stopped::new(&hosts(&workers), itemsaver);
    workers[0].process().freeze();
    let line = stopped.engine.process.line(&format!("worker {} has left the rotation", workers[0].host()));
    assert!(line.contains("silent"), "{line}");
    let (finished, repeated) = stopped.release();
    let frozen = finished.report.worker(workers[0].host());
    assert!(frozen.failed > 0, "{frozen:?}");
    assert_eq!(repeated, frozen.failed);
    assert_eq!(finished.report.worker(workers[1].host()).failed, 0);
}

#[test]
fn an_itemsaver_that_is_away_at_the_start_is_waited_for() {
    let site = PracticeSite::small();
    let folder = tempfile::tempdir().unwrap();
    let port = port::reserve();
    let engine = Crawl::of_people(&site.people_seed()).args(["--itemsaver-host", &format!(":{port}")]).start();
    engine.process.line(&format!("error connecting to 127.0.0.1:{port}"));
    let _itemsaver = Server::itemsaver_on(port, &folder.path().join("items.db"));
    assert_complete(&engine.finish(), &site.people());
    assert_fetched_once(&site, &site.people());
}

#[test]
fn a_crawl_whose_workers_are_all_gone_stops_and_says_so() {
    let site = PracticeSite::one_city();
    let worker = Server::worker();
    site.hold_after(BEFORE);
    let crawl = Crawl::of_people(&site.people_seed()).workers([&worker]).args(["--wait-for-workers", "5s"]);
    let engine = crawl.start();
    site.await_held(IN_FLIGHT);
    worker.process().kill();
    let finished = engine.finish();
    assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
    assert_eq!(finished.report.stopped_by.as_deref(), Some("stalled"));
    let urls = finished.report.urls;
    assert_eq!((urls.done, urls.queued, urls.dead), (BEFORE, IN_FLIGHT as u64, 0));
}
