//! Signals to the engine, and what they leave behind.

use tests::crawl::{Crawl, Finished, Running};
use tests::exact::{assert_complete, assert_fetched, assert_fetched_once, assert_stored};
use tests::process::Process;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store;

const BEFORE: u64 = PracticeSite::BEFORE;
const IN_FLIGHT: usize = PracticeSite::IN_FLIGHT;

fn stopped_at_the_site(site: &PracticeSite, crawl: Crawl) -> Running {
    site.hold_after(BEFORE);
    let engine = crawl.start();
    site.await_held(IN_FLIGHT);
    engine
}

/// What was in flight at the signal is finished and stored, and nothing more is fetched.
fn assert_drained(site: &PracticeSite, finished: &Finished) {
    let Finished { exit, report, .. } = finished;
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert_eq!(report.stopped_by.as_deref(), Some("interrupted"));
    assert!(!report.complete);
    assert_eq!(report.urls.done, BEFORE + IN_FLIGHT as u64);
    assert_eq!((report.urls.dead, report.urls.skipped), (0, 0));
    assert_eq!(site.fetched().values().copied().collect::<Vec<_>>(), vec![1; BEFORE as usize + IN_FLIGHT]);
    // All but the three pages of the city among those in flight are people.
    let items = finished.items();
    assert_eq!((items.len() as u64, report.items.saved), (20, 20));
    let people = site.people().items;
    assert!(items.iter().all(|item| people.iter().any(|person| person.id == item.id && person.url == item.url)));
}

fn drains_at(signal: fn(&Process)) {
    let site = PracticeSite::one_city();
    let engine = stopped_at_the_site(&site, Crawl::of_people(&site.people_seed()));
    signal(&engine.process);
    engine.process.line("stopping: interrupted");
    site.release();
    assert_drained(&site, &engine.finish());
}

#[test]
fn sigint_finishes_what_is_in_flight_and_reports() {
    drains_at(Process::interrupt);
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_reports() {
    drains_at(Process::terminate);
}

#[test]
fn a_second_signal_ends_at_once_with_a_report_that_adds_up() {
    let site = PracticeSite::one_city();
    let engine = stopped_at_the_site(&site, Crawl::of_people(&site.people_seed()));
    engine.process.interrupt();
    engine.process.line("stopping: interrupted");
    engine.process.interrupt();
    // The site still holds every page, so the end waits for none of them.
    let finished = engine.finish();
    assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
    assert_eq!(finished.report.stopped_by.as_deref(), Some("interrupted"));
    assert_eq!((finished.report.urls.done, finished.report.urls.queued), (BEFORE, IN_FLIGHT as u64));
    assert_eq!(finished.items(), []);
}

#[test]
fn a_killed_engine_leaves_its_workers_and_itemsaver_well_and_the_next_one_completes_exactly() {
    let site = PracticeSite::one_city();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("items.db");
    let (workers, itemsaver) = (Server::workers(2), Server::itemsaver(&store));
    let crawl = || Crawl::of_people(&site.people_seed()).workers(&workers).itemsaver(&itemsaver);
    let engine = stopped_at_the_site(&site, crawl());
    engine.process.kill();
    site.release();
    site.forget_arrivals();
    let finished = crawl().run();
    assert_complete(&finished, &site.people());
    // Arrivals of the killed engine were all before; its workers dropped what they had for it.
    assert_eq!(assert_fetched(&site, &site.people()), 0);
    assert_fetched_once(&site, &site.people());
    assert_stored(&store::items(&store), &site.people());
    for server in workers.iter().chain([&itemsaver]) {
        assert!(server.process().is_running());
        server.process().terminate();
        assert_eq!(server.process().exit().code, Some(0));
    }
}

#[test]
fn a_crawl_repeated_over_the_same_store_replaces_its_items_and_adds_none() {
    let site = PracticeSite::small();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("items.db");
    let itemsaver = Server::itemsaver(&store);
    for _ in 0..2 {
        site.forget_arrivals();
        let finished = Crawl::of_people(&site.people_seed()).itemsaver(&itemsaver).run();
        assert_complete(&finished, &site.people());
        assert_fetched_once(&site, &site.people());
        assert_stored(&store::items(&store), &site.people());
    }
}
