//! A running crawl is told what to do: pause, further seeds, workers that join and leave.

use std::path::PathBuf;

use engine::inquiry::status::CrawlState;
use tempfile::TempDir;
use tests::ask::{ask, assert_sound, await_status, status, told, why};
use tests::crawl::{Crawl, Running};
use tests::exact::{assert_complete, assert_fetched, assert_fetched_once, assert_stored};
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store;

const IN_FLIGHT: usize = PracticeSite::IN_FLIGHT;

/// A crawl of one city's people with [`IN_FLIGHT`] pages held at the site.
fn held(arrange: impl FnOnce(Crawl) -> Crawl) -> (PracticeSite, TempDir, PathBuf, Running) {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    site.hold_after(PracticeSite::BEFORE);
    let engine = arrange(Crawl::in_state(&state).spider("zhenai").arg(site.people_seed())).start();
    site.await_held(IN_FLIGHT);
    (site, folder, state, engine)
}

#[test]
fn a_paused_crawl_finishes_what_is_in_flight_and_asks_for_nothing_more() {
    let (site, _folder, state, engine) = held(|crawl| crawl);
    assert!(told(&state, ["pause"]).starts_with(&format!("paused with {IN_FLIGHT} in flight")));
    site.release();
    let paused = await_status(&state, "nothing in flight", |status| status.in_flight == 0 && status.unsaved == 0);
    assert_eq!(paused.state, CrawlState::Paused);
    assert!(paused.urls.queued > 0 && paused.waiting_for.is_some_and(|what| what.contains("engine resume")));
    assert_eq!(site.arrivals().len(), PracticeSite::BEFORE as usize + IN_FLIGHT);
    told(&state, ["resume"]);
    assert_complete(&engine.finish(), &site.people());
    assert_fetched_once(&site, &site.people());
}

#[test]
fn a_seed_that_is_added_brings_its_site_along_also_after_a_kill() {
    let other = PracticeSite::one_city();
    let (site, _folder, state, engine) = held(|crawl| crawl);
    assert_eq!(told(&state, ["add", &other.people_seed(), &site.people_seed()]), "1 seeds added, 1 were known\n");
    assert_eq!(why(&state, &other.url("/anything")).scope.belongs, Some(true));
    engine.process.kill();
    assert_sound(&state);
    site.release();
    let finished = Crawl::in_state(&state).spider("zhenai").arg(site.people_seed()).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    let (ours, theirs) = (site.people(), other.people());
    assert_eq!(finished.report.pages, (ours.pages.len() + theirs.pages.len()) as u64);
    assert_fetched(&other, &theirs);
    // Both sites have the same people, who collide; one of each is kept.
    assert_eq!(store::items(&state.join("items.db")).len(), ours.items.len());
}

#[test]
fn a_worker_that_is_told_to_leave_finishes_and_one_that_joins_takes_over() {
    let (first, second) = (Server::worker(), Server::worker());
    let (site, _folder, state, engine) = held(|crawl| crawl.workers([&first]));
    let listed = told(&state, ["workers", "--add", second.host()]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    engine.process.line(&format!("Connected to {}", second.host()));
    let listed = told(&state, ["workers", "--drain", first.host()]);
    assert!(listed.starts_with(&format!("{}: told to leave", first.host())), "{listed}");
    let again = ask(&state, ["workers", "--drain", first.host()]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains(&format!("there are: {}", second.host())), "{}", again.stderr);
    site.release();
    let finished = engine.finish();
    assert_complete(&finished, &site.people());
    assert_fetched_once(&site, &site.people());
    assert_stored(&store::items(&state.join("items.db")), &site.people());
    let (left, joined) = (finished.report.worker(first.host()), finished.report.worker(second.host()));
    assert_eq!((left.done, left.failed, joined.failed), (PracticeSite::BEFORE + IN_FLIGHT as u64, 0, 0));
    assert_eq!(joined.done, 85 - left.done);
}

#[test]
fn a_worker_that_joins_by_mistake_stops_nothing() {
    let worker = Server::worker();
    let (site, folder, state, engine) = held(|crawl| crawl.workers([&worker]));
    let itemsaver = Server::itemsaver(&folder.path().join("other.db"));
    told(&state, ["workers", "--add", itemsaver.host()]);
    engine.process.line("is an itemsaver, expected a worker");
    assert!(status(&state).workers[1].problem.as_ref().unwrap().contains("is an itemsaver"));
    site.release();
    assert_complete(&engine.finish(), &site.people());
}

#[test]
fn a_crawl_deep_in_the_file_system_is_controlled_all_the_same() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("a-folder-with-a-long-name/".repeat(6)).join("state");
    site.hold_after(0);
    let engine = Crawl::in_state(&state).spider("zhenai").arg(site.people_seed()).start();
    site.await_held(1);
    assert_eq!(status(&state).in_flight, 1);
    site.release();
    assert_complete(&engine.finish(), &site.people());
    assert!(!state.join("control").exists());
}
