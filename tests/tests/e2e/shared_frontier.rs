//! The frontier in a database: engines are killed, frozen and taken over from, the database is killed, and every page and item is there once.

use std::path::Path;
use std::time::Duration;

use engine::inquiry::status::CrawlState;
use services::postgres::{self, Postgres};
use tests::ask::{ask, ask_database, assert_sound, assert_sound_in, await_status, status, status_in};
use tests::crawl::{Crawl, Finished, Running};
use tests::exact::{assert_complete, assert_complete_report, assert_fetched, assert_fetched_once, assert_stored};
use tests::program::Program;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store::{self, StoredItem};
use tokio::time::Instant;

/// What the engine promises.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(15);

fn people(site: &PracticeSite, state: &Path, database: &str) -> Crawl {
    Crawl::in_state(state).frontier(database).spider("zhenai").arg(site.people_seed()).args(["--worker-count", "8"])
}

/// What two engines share.
struct World {
    site: PracticeSite,
    folder: tempfile::TempDir,
    database: String,
    _itemsaver: Server,
}

/// An engine with pages on their way, and another one that waits for its end, in state directories of their own, over one itemsaver.
fn engine_with_standby() -> (World, Running, Running) {
    engine_with_standby_told(&[])
}

/// The same with further flags for the standby.
fn engine_with_standby_told(flags: &[&str]) -> (World, Running, Running) {
    let (site, folder, database) = (PracticeSite::small(), tempfile::tempdir().unwrap(), postgres::database());
    let itemsaver = Server::itemsaver(&folder.path().join("items.db"));
    let crawl = |state: &str| people(&site, &folder.path().join(state), &database).itemsaver(&itemsaver);
    site.hold_after(60);
    let first = crawl("first").start();
    first.process.line("crawl zhenai from");
    site.await_held(8);
    let standby = crawl("standby").args(flags).start();
    let line = standby.process.line("standby: crawl zhenai is in the hands of the engine ");
    assert!(line.contains(&format!("process {};", first.process.id())), "{line}");
    (World { site, folder, database, _itemsaver: itemsaver }, first, standby)
}

impl World {
    fn stored(&self) -> Vec<StoredItem> {
        store::items(&self.folder.path().join("items.db"))
    }

    /// What the standby's crawl came to.
    fn assert_exact(&self, finished: &Finished) {
        assert_complete(finished, &self.site.people());
        assert_eq!(finished.report.restarts, 1);
        assert_fetched(&self.site, &self.site.people());
        assert_stored(&self.stored(), &self.site.people());
        assert_sound_in(&self.database);
    }
}

/// Waits until a standby has the crawl.
fn await_takeover(standby: &Running, since: Instant) {
    standby.process.line("crawl zhenai is taken over");
    assert!(since.elapsed() < TAKEN_OVER_WITHIN, "{:?}", since.elapsed());
    standby.process.line("crawl zhenai goes on where it was cut short");
}

#[test]
fn a_killed_engine_goes_on_from_its_database_and_fetches_only_what_was_not_committed() {
    let (site, folder, database) = (PracticeSite::small(), tempfile::tempdir().unwrap(), postgres::database());
    let state = folder.path().join("state");
    for pages in [0, 25, 30] {
        site.hold_after(pages);
        let engine = people(&site, &state, &database).start();
        engine.process.line("crawl zhenai");
        site.await_held(1);
        engine.process.kill();
        site.release();
    }
    assert!(!state.join("frontier").exists(), "nothing of it is here");
    // The lease has not lapsed, but its holder was of this very directory.
    let killed = status(&state);
    assert_eq!((killed.state, killed.balanced), (CrawlState::Stopped, true));
    assert_sound(&state);
    let finished = people(&site, &state, &database).run();
    assert!(!finished.exit.stderr.contains("standby"), "{}", finished.exit.stderr);
    assert_complete(&finished, &site.people());
    assert_fetched(&site, &site.people());
    assert_stored(&store::items(&state.join("items.db")), &site.people());
    assert_eq!(finished.report.restarts, 3);
    assert_eq!(finished.report.fetches, finished.report.pages - killed.urls.done);
    assert_sound(&state);
}

#[test]
fn a_standby_takes_over_from_a_killed_engine_and_every_page_and_item_is_there_once() {
    let (world, first, standby) = engine_with_standby();
    let killed = Instant::now();
    first.process.kill();
    await_takeover(&standby, killed);
    world.site.release();
    world.assert_exact(&standby.finish());
}

#[test]
fn a_standby_that_was_to_begin_anew_goes_on_with_what_it_takes_over() {
    let (world, first, standby) = engine_with_standby_told(&["--fresh"]);
    let killed = Instant::now();
    first.process.kill();
    await_takeover(&standby, killed);
    world.site.release();
    world.assert_exact(&standby.finish());
}

#[test]
fn an_engine_that_was_frozen_is_taken_over_from_and_thawed_changes_nothing_and_says_so() {
    let (world, first, standby) = engine_with_standby();
    let frozen = Instant::now();
    first.process.freeze();
    await_takeover(&standby, frozen);
    // The answers that the frozen one waits for are there when it goes on.
    world.site.release();
    world.assert_exact(&standby.finish());
    let (before, stored) = (status_in(&world.database), world.stored());
    first.process.thaw();
    let exit = first.process.exit();
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains("error: another engine has taken over this crawl"), "{}", exit.stderr);
    assert_eq!((status_in(&world.database), world.stored()), (before, stored));
    assert_sound_in(&world.database);
}

#[test]
fn an_engine_that_is_stopped_gives_the_crawl_to_its_standby_and_every_page_is_fetched_once() {
    let (world, first, standby) = engine_with_standby();
    first.process.interrupt();
    first.process.line("stopping: interrupted");
    world.site.release();
    let stopped = first.process.exit();
    assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
    world.assert_exact(&standby.finish());
    assert_fetched_once(&world.site, &world.site.people());
}

#[test]
fn a_standby_of_a_crawl_that_is_completed_fetches_nothing_and_tells_how_it_ended() {
    let (world, first, standby) = engine_with_standby();
    world.site.release();
    assert_complete(&first.finish(), &world.site.people());
    let standby = standby.finish();
    assert_eq!(standby.exit.code, Some(0), "{}", standby.exit.stderr);
    assert!(standby.exit.stderr.contains("crawl zhenai was completed by the engine that had it"), "{}", standby.exit.stderr);
    assert_complete_report(&standby.report, &world.site.people());
    assert_eq!(standby.report.fetches, 0);
    assert_fetched_once(&world.site, &world.site.people());
}

#[test]
fn an_engine_whose_database_is_killed_hands_nothing_out_and_goes_on_when_that_is_back() {
    let (site, folder) = (PracticeSite::small(), tempfile::tempdir().unwrap());
    let (mut database, state) = (Postgres::start(), folder.path().join("state"));
    site.hold_after(60);
    let engine = people(&site, &state, &database.url()).start();
    site.await_held(8);
    database.kill();
    site.release();
    let line = engine.process.line("nothing is handed out until it is back");
    assert!(!line.contains(postgres::PASSWORD), "{line}");
    // Those that were on their way come in, and nothing else is asked for: that is seen from the engine's own answer.
    let away = await_status(&state, "nothing in flight", |status| status.in_flight == 0);
    assert!(away.waiting_for.is_some_and(|what| what.starts_with("the database (")), "it says what it waits for");
    let arrived = site.last_arrival();
    database.start_again();
    engine.process.line(" is back");
    let finished = engine.finish();
    assert!(site.last_arrival() > arrived, "the rest came after the database");
    assert_complete(&finished, &site.people());
    assert_fetched_once(&site, &site.people());
    assert_stored(&store::items(&state.join("items.db")), &site.people());
    assert_eq!((finished.report.restarts, finished.exit.stderr.matches("until it is back").count()), (0, 1), "{}", finished.exit.stderr);
    assert_sound_in(&database.url());
}

#[test]
fn an_engine_that_is_killed_together_with_its_database_loses_nothing_that_was_committed() {
    let (site, folder) = (PracticeSite::small(), tempfile::tempdir().unwrap());
    let (mut database, state) = (Postgres::start(), folder.path().join("state"));
    site.hold_after(60);
    let engine = people(&site, &state, &database.url()).start();
    site.await_held(8);
    let done = status(&state).urls.done;
    assert!(done > 0, "something was committed");
    database.kill();
    engine.process.kill();
    site.release();
    database.start_again();
    let kept = status(&state).urls.done;
    assert!(kept >= done, "{kept} of {done}");
    let finished = people(&site, &state, &database.url()).run();
    assert_complete(&finished, &site.people());
    assert_fetched(&site, &site.people());
    assert_eq!(finished.report.fetches, finished.report.pages - kept);
    assert_stored(&store::items(&state.join("items.db")), &site.people());
}

#[test]
fn a_complete_crawl_begins_anew_and_fresh_discards_what_was_begun() {
    let (site, folder, database) = (PracticeSite::one_city(), tempfile::tempdir().unwrap(), postgres::database());
    let state = folder.path().join("state");
    for says in ["crawl zhenai from ", "crawl zhenai was complete"] {
        site.forget_arrivals();
        let finished = people(&site, &state, &database).run();
        assert!(finished.exit.stderr.contains(says), "{}", finished.exit.stderr);
        assert_complete(&finished, &site.people());
        assert_fetched_once(&site, &site.people());
    }
    for (arguments, pages, restarts) in
        [(&["--max-pages", "30"][..], 30, 0), (&["--fresh", "--max-pages", "1"], 1, 0), (&["--max-pages", "3"], 3, 1)]
    {
        let finished = people(&site, &state, &database).args(arguments).run();
        assert_eq!((finished.report.pages, finished.report.restarts), (pages, restarts), "{}", finished.exit.stderr);
    }
    let finished = people(&site, &state, &database).arg("--rescan").run();
    assert_complete(&finished, &site.people());
    assert_sound_in(&database);
}

#[test]
fn crawls_in_one_database_are_told_apart_by_name_and_asked_from_anywhere() {
    let (site, folder, database) = (PracticeSite::one_city(), tempfile::tempdir().unwrap(), postgres::database());
    let broken = site.misbehaving("status/500");
    let seeds = [broken.clone(), site.people_seed()];
    let state = folder.path().join("state");
    let finished = Crawl::in_state(&state).frontier(&database).spider("zhenai").args(seeds).args(["--attempts", "1"]).run();
    assert_eq!((finished.report.urls.dead, finished.report.pages), (1, 85), "{}", finished.exit.stderr);
    let pages = Crawl::in_state(&folder.path().join("pages")).frontier(&database).args([&site.url("/"), "--max-pages", "1"]).run();
    assert_eq!(pages.exit.code, Some(0), "{}", pages.exit.stderr);
    let which = ask_database(&database, ["status"]);
    assert_eq!(which.code, Some(2));
    assert!(which.stderr.contains("which crawl is meant?\n  --crawl 127.0.0.1_"), "{}", which.stderr);
    assert!(which.stderr.contains("\n  --crawl zhenai"), "{}", which.stderr);
    let of_people = |command: &[&str]| {
        let exit = ask_database(&database, command.iter().copied().chain(["--crawl", "zhenai"]));
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        exit.stdout
    };
    assert!(of_people(&["why", &broken]).contains("wrong status code: 500"));
    assert!(of_people(&["dead"]).starts_with("1 URLs given up\n"));
    assert!(of_people(&["requeue"]).starts_with("queued again: 1 URLs"));
    assert!(of_people(&["check"]).contains("crawl zhenai: sound. 86 URLs"));
    // Its own directory knows where the frontier is.
    let told = ask(&state, ["status"]);
    assert!(told.stdout.contains("1 queued"), "{}{}", told.stdout, told.stderr);
}

#[test]
fn a_frontier_elsewhere_than_the_directory_says_and_a_wrong_or_visible_password_are_refused() {
    let (site, folder, database) = (PracticeSite::one_city(), tempfile::tempdir().unwrap(), postgres::database());
    let state = folder.path().join("state");
    people(&site, &state, &database).args(["--max-pages", "1"]).run();
    let refused = |arguments: &[&str], password: &str, sentence: &str| {
        let engine = Program::new("engine").env("GOSSAMER_FRONTIER_PASSWORD", password).args(arguments).arg("--state").arg(&state);
        let exit = engine.arg(site.people_seed()).arg("--spider").arg(tests::program::workspace().join("spiders/zhenai.toml")).run();
        assert_eq!(exit.code, Some(2), "{}", exit.stderr);
        assert!(exit.stderr.contains(sentence), "{}", exit.stderr);
        assert!(!exit.stderr.contains("visible") && !exit.stderr.contains("wrong one"), "{}", exit.stderr);
    };
    refused(&[], "", "add --frontier, or name another directory with --state");
    refused(&["--frontier", &database], "wrong one", "password authentication failed");
    refused(&["--frontier", &database.replace("@", ":visible@")], "", "--frontier: there is a password in it");
    refused(&["--frontier", &database, "--sync", "1s"], postgres::PASSWORD, "--sync is for a frontier in the state directory");
    let other = Crawl::in_state(&state).frontier(&database).arg(site.url("/")).start().process.exit();
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("belongs to the crawl zhenai"), "{}", other.stderr);
    let embedded = folder.path().join("embedded");
    Crawl::in_state(&embedded).spider("zhenai").args([&site.people_seed(), "--max-pages", "1"]).run();
    let moved = people(&site, &embedded, &database).start().process.exit();
    assert_eq!(moved.code, Some(2));
    assert!(moved.stderr.contains("leave --frontier out"), "{}", moved.stderr);
}
