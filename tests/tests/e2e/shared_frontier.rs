//! The frontier in a database: engines are killed, frozen and taken over from, the database is killed, and every page and item is there once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::inquiry::status::{CrawlState, CrawlStatus};
use mockserver::{Arrival, SiteConfig};
use services::postgres::{self, Postgres};
use tests::ask::{ask, ask_database, assert_sound, assert_sound_in, await_status, status, status_in};
use tests::crawl::{Crawl, Finished, Running};
use tests::exact::{assert_complete, assert_fetched, assert_fetched_once, assert_stored};
use tests::polite::{assert_apart, audit_all};
use tests::port;
use tests::program::Program;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store::{self, StoredItem};

fn people(site: &PracticeSite, state: &Path, database: &str) -> Crawl {
    Crawl::in_state(state).frontier(database).spider("zhenai").arg(site.people_seed()).args(["--worker-count", "8"])
}

/// What two engines share.
struct World {
    site: PracticeSite,
    folder: tempfile::TempDir,
    database: String,
    itemsaver: Server,
}

impl World {
    fn new() -> World {
        let (folder, database) = (tempfile::tempdir().unwrap(), postgres::database());
        let itemsaver = Server::itemsaver(&folder.path().join("items.db"));
        World { site: PracticeSite::small(), folder, database, itemsaver }
    }

    /// An engine with a state directory of this name.
    fn engine(&self, state: &str) -> Crawl {
        people(&self.site, &self.folder.path().join(state), &self.database).itemsaver(&self.itemsaver)
    }

    /// An engine with pages on their way, and another one that has joined it. All is on one host, so that the first has it.
    fn two_engines(&self) -> (Running, Running) {
        self.site.hold_after(60);
        let first = self.engine("first").start();
        first.process.line("crawl zhenai from");
        self.site.await_held(8);
        let second = self.engine("second").start();
        let line = second.process.line("crawl zhenai is joined: ");
        assert!(line.contains(&format!("process {}", first.process.id())), "{line}");
        (first, second)
    }

    fn stored(&self) -> Vec<StoredItem> {
        store::items(&self.folder.path().join("items.db"))
    }

    /// What the crawl of an engine came to.
    fn assert_exact(&self, finished: &Finished) {
        assert_complete(finished, &self.site.people());
        assert_eq!(finished.report.restarts, 0);
        assert_fetched(&self.site, &self.site.people());
        assert_stored(&self.stored(), &self.site.people());
    }
}

/// Waits until an engine has what another one had.
fn await_takeover(engine: &Running) {
    engine.process.line("is silent: what it had is taken over");
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
    // Nobody has buried it, but it was of this very directory.
    let killed = status(&state);
    assert_eq!((killed.state, killed.balanced), (CrawlState::Stopped, true));
    assert_sound(&state);
    // A commit that was under way in the database when its engine was killed is there by now, or never will be.
    let killed = status(&state);
    let finished = people(&site, &state, &database).run();
    assert!(finished.exit.stderr.contains("goes on where it was cut short"), "{}", finished.exit.stderr);
    assert_complete(&finished, &site.people());
    assert_fetched(&site, &site.people());
    assert_stored(&store::items(&state.join("items.db")), &site.people());
    assert_eq!(finished.report.restarts, 3);
    assert_eq!(finished.report.fetches, finished.report.pages - killed.urls.done);
    assert_sound(&state);
}

#[test]
fn an_engine_takes_over_from_a_killed_one_and_every_page_and_item_is_there_once() {
    let world = World::new();
    let (first, second) = world.two_engines();
    first.process.kill();
    await_takeover(&second);
    world.site.release();
    world.assert_exact(&second.finish());
    assert_sound_in(&world.database);
}

#[test]
fn an_engine_that_was_frozen_is_taken_over_from_and_thawed_changes_nothing_and_joins_again() {
    let world = World::new();
    let (first, second) = world.two_engines();
    first.process.freeze();
    await_takeover(&second);
    // The answers that the frozen one waits for are there when it goes on.
    world.site.release();
    world.assert_exact(&second.finish());
    let (before, stored) = (status_in(&world.database), world.stored());
    first.process.thaw();
    let first = first.finish();
    assert!(
        first.exit.stderr.contains("which was silent for too long; nothing was changed since; joining them again"),
        "{}",
        first.exit.stderr
    );
    assert!(first.exit.stderr.contains("crawl zhenai was completed by the other engines"), "{}", first.exit.stderr);
    assert_complete(&first, &world.site.people());
    assert_eq!((status_in(&world.database), world.stored()), (before, stored));
    assert_sound_in(&world.database);
}

#[test]
fn an_engine_that_is_thawed_while_the_crawl_goes_on_joins_it_and_ends_with_it() {
    let world = World::new();
    let (first, second) = world.two_engines();
    first.process.freeze();
    await_takeover(&second);
    first.process.thaw();
    let line = first.process.line("crawl zhenai is joined: ");
    assert!(line.contains(&format!("process {}", second.process.id())), "{line}");
    world.site.release();
    for finished in [first.finish(), second.finish()] {
        world.assert_exact(&finished);
    }
    assert_sound_in(&world.database);
}

#[test]
fn an_engine_that_began_anew_joins_again_without_beginning_anew_once_more_and_goes_on_with_its_output() {
    let world = World::new();
    let output = world.folder.path().join("items.jsonl");
    world.site.hold_after(60);
    let first = world.engine("first").args(["--fresh", "-o"]).arg(&output).start();
    world.site.await_held(8);
    let second = world.engine("second").start();
    second.process.line("crawl zhenai is joined: ");
    first.process.freeze();
    await_takeover(&second);
    first.process.thaw();
    first.process.line("crawl zhenai is joined: ");
    world.site.release();
    for finished in [first.finish(), second.finish()] {
        world.assert_exact(&finished);
    }
    let items = store::of_lines(&std::fs::read_to_string(output).unwrap());
    let distinct: BTreeSet<&str> = items.iter().map(|item| item.id.as_str()).collect();
    assert!(!items.is_empty() && distinct.len() == items.len(), "{} of {} items are there once", distinct.len(), items.len());
}

#[test]
fn an_engine_that_was_given_up_and_is_told_to_end_ends_and_joins_nobody() {
    let world = World::new();
    let (first, second) = world.two_engines();
    first.process.freeze();
    await_takeover(&second);
    // Both are there when it wakes: the signal, and soon the news of the takeover.
    first.process.interrupt();
    first.process.thaw();
    let ended = first.process.exit();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: the other engines of the crawl zhenai have gone on without this one"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("joining them again"), "{}", ended.stderr);
    world.site.release();
    world.assert_exact(&second.finish());
    assert_sound_in(&world.database);
}

#[test]
fn an_engine_that_is_told_to_end_while_it_waits_for_the_itemsaver_leaves_the_crawl_to_others_at_once() {
    let (site, folder, database) = (PracticeSite::small(), tempfile::tempdir().unwrap(), postgres::database());
    let itemsaver = format!(":{}", port::reserve());
    let engine = people(&site, &folder.path().join("state"), &database).args(["--itemsaver-host", &itemsaver]).start();
    engine.process.line("error connecting to 127.0.0.1");
    engine.process.interrupt();
    let ended = engine.process.exit();
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: interrupted before the crawl began or went on"), "{}", ended.stderr);
    // What is refused while an engine is at the crawl.
    assert_sound_in(&database);
}

#[test]
fn an_engine_that_is_stopped_leaves_the_crawl_to_the_others_and_every_page_is_fetched_once() {
    let world = World::new();
    let (first, second) = world.two_engines();
    first.process.interrupt();
    first.process.line("stopping: interrupted");
    world.site.release();
    let stopped = first.process.exit();
    assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
    world.assert_exact(&second.finish());
    assert_fetched_once(&world.site, &world.site.people());
    assert_sound_in(&world.database);
}

#[test]
fn an_engine_whose_hosts_have_nothing_says_what_it_waits_for_and_ends_with_the_others() {
    let world = World::new();
    let (first, second) = world.two_engines();
    let state = world.folder.path().join("second");
    // By then it can be asked.
    second.process.line("Connected to embedded");
    let waits = |status: &CrawlStatus| status.waiting_for.as_ref().is_some_and(|what| what.starts_with("the other engine: "));
    let idle = await_status(&state, "it says that it waits for the other", waits);
    assert_eq!((idle.engines, idle.in_flight), (Some(2), 0));
    world.site.release();
    let (first, second) = (first.finish(), second.finish());
    for finished in [&first, &second] {
        world.assert_exact(finished);
    }
    assert_eq!((first.report.fetches, second.report.fetches), (first.report.pages, 0));
    assert_fetched_once(&world.site, &world.site.people());
    assert_sound_in(&world.database);
}

#[test]
fn a_crawl_that_others_are_at_is_neither_discarded_nor_joined_with_another_scope() {
    let world = World::new();
    world.site.hold_after(60);
    let first = world.engine("first").start();
    world.site.await_held(8);
    for (flag, sentence) in [
        ("--fresh", "the crawl zhenai is in use by the engine "),
        ("--rescan", "the crawl zhenai is in use by the engine "),
        ("--max-depth=1", "start all of them with the same arguments"),
    ] {
        let refused = world.engine("second").arg(flag).start().process.exit();
        assert_eq!(refused.code, Some(2), "{flag}: {}", refused.stderr);
        assert!(refused.stderr.contains(sentence), "{flag}: {}", refused.stderr);
    }
    let check = ask_database(&world.database, ["check"]);
    assert_eq!(check.code, Some(2), "{}{}", check.stdout, check.stderr);
    assert!(check.stderr.contains("in use by the engine"), "{}", check.stderr);
    world.site.release();
    world.assert_exact(&first.finish());
}

/// How late their site answers.
const LATENCY: Duration = Duration::from_millis(5);

/// Hosts with the same 22 pages and 20 items each, for engines to share.
const HOSTS: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/// What engines share that have some of many hosts each.
struct WideWorld {
    site: PracticeSite,
    folder: tempfile::TempDir,
    database: String,
    itemsaver: Server,
    workers: Vec<Server>,
}

impl WideWorld {
    fn new() -> WideWorld {
        let config = SiteConfig { cities: 1, pages: Some(1), cars: 0, latency: LATENCY, ..SiteConfig::practice() };
        let (site, folder) = (PracticeSite::serve_hosts(config, &HOSTS), tempfile::tempdir().unwrap());
        let itemsaver = Server::itemsaver(&folder.path().join("items.db"));
        WideWorld { site, folder, database: postgres::database(), itemsaver, workers: Server::workers(2) }
    }

    fn engine(&self, name: &str) -> Crawl {
        let seeds = HOSTS.map(|host| self.site.people_seed_of(&self.site.base_of(host)));
        let crawl = Crawl::in_state(&self.folder.path().join(name)).frontier(&self.database).spider("zhenai").args(seeds);
        let crawl = crawl.itemsaver(&self.itemsaver).workers(&self.workers).args(["--worker-count", "16"]);
        crawl.arg("--fetch-log").arg(self.log(name))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(name).with_extension("jsonl")
    }

    /// Two engines, of which the second has come while the first has so many pages on their way, which the site holds.
    fn two_engines(&self, on_their_way: usize, flags: &[&str]) -> [Running; 2] {
        self.site.hold_after(30);
        let first = self.engine("first").args(flags).start();
        self.site.await_held(on_their_way);
        let second = self.engine("second").args(flags).start();
        second.process.line("crawl zhenai is joined: ");
        // From then on the first leaves half of the hosts, and hands out nothing more of them: by itself it cannot end the crawl any more.
        for engine in [&first, &second] {
            engine.process.line("2 engines are at this crawl now");
        }
        // What the first has on its way is on hosts that it may be leaving: they come to the second once that has ended.
        [first, second]
    }

    /// Every page that was fetched, once for each time.
    fn fetched(&self) -> Vec<String> {
        let mut fetched: Vec<String> =
            self.site.arrivals().iter().map(|arrival| format!("http://{}{}", arrival.host, arrival.path)).collect();
        fetched.sort();
        fetched
    }

    fn pages(&self) -> Vec<String> {
        let mut pages = HOSTS.map(|host| self.site.truth_of(&self.site.base_of(host)).people.unwrap().pages).concat();
        pages.sort();
        pages
    }
}

#[test]
fn engines_share_the_hosts_of_a_crawl_and_every_page_is_fetched_once() {
    let world = WideWorld::new();
    let engines = world.two_engines(16, &[]);
    world.site.release();
    let finished = engines.map(Running::finish);
    assert_eq!(world.fetched(), world.pages());
    for finished in &finished {
        assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
        assert_eq!((finished.report.pages, finished.report.urls.discovered, finished.report.complete), (264, 264, true));
        // The same people live on each host.
        assert_eq!((finished.report.items.saved, finished.report.items.collided), (240, 220));
        assert!(finished.report.fetches > 0, "each has some of the hosts");
    }
    assert_eq!(finished.iter().map(|finished| finished.report.fetches).sum::<u64>(), 264);
    assert_sound_in(&world.database);
}

#[test]
fn the_fetch_logs_of_two_engines_prove_that_a_takeover_keeps_every_clock() {
    let world = WideWorld::new();
    let [first, second] = world.two_engines(HOSTS.len(), &["--delay", "50ms"]);
    // With a page of every host on its way.
    first.process.freeze();
    world.site.release();
    await_takeover(&second);
    let second = second.finish();
    first.process.thaw();
    assert!(first.finish().exit.stderr.contains("nothing was changed since; joining them again"));
    assert_eq!((second.exit.code, second.report.pages), (Some(0), 264), "{}", second.exit.stderr);

    let arrivals = world.site.all_arrivals();
    for host in HOSTS.map(|host| world.site.base_of(host)) {
        let of_host: Vec<Arrival> = arrivals.iter().filter(|arrival| host.ends_with(&arrival.host)).cloned().collect();
        assert_apart(&host, &of_host, 50, LATENCY);
    }
    let logs = ["first", "second"].map(|name| world.log(name));
    let [one, other] = [&*logs[0], &*logs[1]];
    let proof = audit_all(&[one, other], &[]);
    assert_eq!(proof.code, Some(0), "{}{}", proof.stdout, proof.stderr);
    let sum = format!("{} requests under {} clocks in 2 starts of 2 logs, ", arrivals.len(), HOSTS.len());
    assert!(proof.stdout.starts_with(&sum), "{}", proof.stdout);
    let demanded = audit_all(&[one, other], &["--delay", "10s"]);
    assert_eq!(demanded.code, Some(1), "{}", demanded.stdout);
    assert!(demanded.stdout.contains("second.jsonl line "), "{}", demanded.stdout);
    let twice = audit_all(&[one, one], &[]);
    assert_eq!(twice.code, Some(2), "{}", twice.stdout);
    assert!(twice.stderr.contains("first.jsonl is given twice"), "{}", twice.stderr);
}

#[test]
fn a_budget_of_pages_is_never_overshot_by_engines_that_share_it_and_goes_on_from_there() {
    let world = WideWorld::new();
    let engines = world.two_engines(16, &["--max-pages", "100"]);
    world.site.release();
    for finished in engines.map(Running::finish) {
        assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
        assert_eq!((finished.report.pages, finished.report.stopped_by.as_deref()), (100, Some("max-pages")));
    }
    assert_eq!(world.fetched().len(), 100);
    let finished = world.engine("first").run();
    assert_eq!((finished.exit.code, finished.report.pages, finished.report.complete), (Some(0), 264, true), "{}", finished.exit.stderr);
    assert_eq!(world.fetched(), world.pages());
    assert_sound_in(&world.database);
}

#[test]
fn an_engine_whose_database_is_killed_hands_nothing_out_and_goes_on_when_that_is_back() {
    let (site, folder) = (PracticeSite::small(), tempfile::tempdir().unwrap());
    let (mut database, state) = (Postgres::start(), folder.path().join("state"));
    site.hold_after(60);
    let engine = people(&site, &state, &database.url()).start();
    site.await_held(8);
    database.kill();
    let line = engine.process.line("nothing is handed out until it is back");
    assert!(!line.contains(postgres::PASSWORD), "{line}");
    site.release();
    // Those that were on their way come in, and nothing else is asked for: that is seen from the engine's own answer.
    let away = await_status(&state, "nothing in flight", |status| status.in_flight == 0);
    assert!(away.waiting_for.is_some_and(|what| what.starts_with("the database (")), "it says what it waits for");
    let arrived = site.last_arrival();
    database.start_again();
    engine.process.line("/postgres is back");
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
