//! Several engines have one worker: what it takes is divided among them, and all of it is for the last one.

use std::path::PathBuf;

use tempfile::TempDir;
use tests::ask::{await_status, status, told};
use tests::crawl::{Crawl, Finished, Running};
use tests::exact::{assert_complete, assert_fetched_once, assert_stored};
use tests::server::Server;
use tests::site::PracticeSite;

/// Jobs that the worker takes at a time: fewer than one crawl could have in flight.
const CAPACITY: usize = 10;

/// The share of each of two.
const SHARE: usize = CAPACITY / 2;

/// A crawl of a site of its own.
struct Sharing {
    site: PracticeSite,
    folder: TempDir,
    engine: Running,
}

impl Sharing {
    /// Starts it; its first page is held at the site.
    fn new(worker: &Server) -> Sharing {
        let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
        site.hold_after(0);
        let engine = Crawl::in_state(&folder.path().join("state")).spider("zhenai").arg(site.people_seed()).workers([worker]).start();
        site.await_held(1);
        Sharing { site, folder, engine }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Returns once the worker has said that it takes another number of jobs of this crawl, and this one.
    fn await_capacity(&self, worker: &Server, capacity: usize) {
        let line = self.engine.process.line(&format!("worker {} takes another number of jobs", worker.host()));
        assert!(line.ends_with(&format!("capacity={capacity}")), "{line}");
    }

    /// Lets the first page go and holds those after the second, all of them that the worker takes. Paused meanwhile, so that nothing is
    /// asked for between the two.
    fn go_on_to(&self, in_flight: usize) {
        told(&self.state(), ["pause"]);
        self.site.release();
        await_status(&self.state(), "nothing in flight", |status| status.in_flight == 0 && status.unsaved == 0);
        self.site.hold_after(PracticeSite::BEFORE - 1);
        told(&self.state(), ["resume"]);
        self.site.await_held(in_flight);
    }

    /// What has been asked for, and what the engine waits for: exactly this is in flight.
    fn assert_in_flight(&self, in_flight: usize) {
        assert_eq!(self.site.arrivals().len(), PracticeSite::BEFORE as usize + in_flight);
        assert_eq!(status(&self.state()).in_flight, in_flight);
    }

    /// Lets all go. The crawl ends complete, and no job of it was refused.
    fn finish(self, worker: &Server) {
        self.site.release();
        let section = self.site.people();
        let state = self.state();
        let finished: Finished = self.engine.finish();
        assert_complete(&finished, &section);
        assert_fetched_once(&self.site, &section);
        assert_stored(&tests::store::items(&state.join("items.db")), &section);
        let tally = finished.report.worker(worker.host());
        assert_eq!((tally.done, tally.failed), (section.pages.len() as u64, 0));
    }
}

#[test]
fn a_worker_is_divided_between_two_engines_and_is_wholly_the_second_ones_when_the_first_is_done() {
    let workers = Server::workers_with_capacity(1, CAPACITY);
    let worker = &workers[0];
    let first = Sharing::new(worker);
    let second = Sharing::new(worker);
    first.await_capacity(worker, SHARE);
    first.go_on_to(SHARE);
    second.go_on_to(SHARE);
    first.assert_in_flight(SHARE);
    second.assert_in_flight(SHARE);

    first.finish(worker);
    second.await_capacity(worker, CAPACITY);
    second.site.await_held(CAPACITY);
    second.assert_in_flight(CAPACITY);
    second.finish(worker);
}

#[test]
fn an_engine_that_is_killed_leaves_its_share_to_the_other() {
    let workers = Server::workers_with_capacity(1, CAPACITY);
    let worker = &workers[0];
    let first = Sharing::new(worker);
    let second = Sharing::new(worker);
    first.await_capacity(worker, SHARE);
    first.go_on_to(SHARE);
    second.go_on_to(SHARE);

    first.engine.process.kill();
    second.await_capacity(worker, CAPACITY);
    second.site.await_held(CAPACITY);
    second.assert_in_flight(CAPACITY);
    second.finish(worker);
}
