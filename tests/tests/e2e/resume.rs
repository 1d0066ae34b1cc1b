//! Crawls that are cut short and go on: killed engines, budgets, changed scope and spiders.

use std::path::Path;

use tests::crawl::{Crawl, Finished, Running};
use tests::exact::{assert_complete, assert_fetched, assert_fetched_once, assert_stored};
use tests::program::Program;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store;

fn people(site: &PracticeSite, state: &Path) -> Crawl {
    Crawl::in_state(state).spider("zhenai").arg(site.people_seed())
}

/// Starts a crawl, lets so many pages pass, and kills the engine while others wait at the site.
fn killed_after(site: &PracticeSite, pages: u64, crawl: Crawl) {
    site.hold_after(pages);
    let engine: Running = crawl.start();
    // Said once it has its state: what is held may still be of the engine before.
    engine.process.line("crawl zhenai");
    site.await_held(1);
    engine.process.kill();
    engine.process.exit();
    site.release();
}

/// What the engine says it found when it went on.
fn done_before(finished: &Finished) -> u64 {
    let (before, _) = finished.exit.stderr.split_once(" URLs done").expect("it says that it goes on");
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number of URLs")
}

#[test]
fn a_killed_engine_goes_on_where_it_was_and_fetches_only_what_was_not_committed() {
    let (site, folder) = (PracticeSite::small(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    killed_after(&site, 60, people(&site, &state).args(["--worker-count", "8"]));
    let finished = people(&site, &state).run();
    assert_complete(&finished, &site.people());
    assert_fetched(&site, &site.people());
    assert_stored(&store::items(&state.join("items.db")), &site.people());
    assert_eq!(finished.report.restarts, 1);
    let done = done_before(&finished);
    assert!(done > 0 && done <= 60, "{done}");
    assert_eq!(finished.report.fetches, finished.report.pages - done);
}

#[test]
fn an_engine_killed_five_times_over_processes_loses_and_doubles_nothing_in_store_and_output() {
    let (site, folder) = (PracticeSite::small(), tempfile::tempdir().unwrap());
    let (state, output) = (folder.path().join("state"), folder.path().join("people.jsonl"));
    let stored = folder.path().join("items.db");
    let (workers, itemsaver) = (Server::workers(2), Server::itemsaver(&stored));
    let crawl = || people(&site, &state).workers(&workers).itemsaver(&itemsaver).args(["--worker-count", "6", "-o"]).arg(&output);
    for pages in [0, 5, 25, 20, 30] {
        killed_after(&site, pages, crawl());
    }
    let finished = crawl().run();
    assert_complete(&finished, &site.people());
    assert_eq!(finished.report.restarts, 5);
    assert_fetched(&site, &site.people());
    assert_stored(&store::items(&stored), &site.people());
    assert_stored(&store::of_lines(&std::fs::read_to_string(&output).unwrap()), &site.people());
}

#[test]
fn an_interrupted_crawl_goes_on_and_fetches_every_page_once() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    site.hold_after(PracticeSite::BEFORE);
    let engine = people(&site, &state).start();
    site.await_held(PracticeSite::IN_FLIGHT);
    engine.process.interrupt();
    engine.process.line("stopping: interrupted");
    site.release();
    assert_eq!(engine.finish().exit.code, Some(1));
    let finished = people(&site, &state).run();
    assert_complete(&finished, &site.people());
    assert_fetched_once(&site, &site.people());
    assert_stored(&store::items(&state.join("items.db")), &site.people());
}

#[test]
fn a_budget_that_is_spent_ends_the_crawl_at_once_and_one_that_is_raised_lets_it_go_on() {
    let (site, folder) = (PracticeSite::small(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    let run = |pages: &str| people(&site, &state).args(["--max-pages", pages]).run();
    for (budget, fetched) in [("5", 5), ("5", 0), ("40", 35)] {
        let finished = run(budget);
        assert_eq!((finished.exit.code, finished.report.stopped_by.as_deref()), (Some(0), Some("max-pages")), "{}", finished.exit.stderr);
        assert_eq!((finished.report.fetches, finished.report.pages.to_string().as_str()), (fetched, budget));
    }
    let finished = people(&site, &state).run();
    assert_complete(&finished, &site.people());
    assert_fetched_once(&site, &site.people());
}

#[test]
fn a_complete_crawl_begins_anew_over_the_same_items_and_says_so() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    for (run, says) in [(0, "crawl zhenai from "), (1, "crawl zhenai was complete")] {
        site.forget_arrivals();
        let finished = people(&site, &state).run();
        assert!(finished.exit.stderr.contains(says), "run {run}: {}", finished.exit.stderr);
        assert_complete(&finished, &site.people());
        assert_fetched_once(&site, &site.people());
        assert_eq!(finished.report.restarts, 0);
    }
    assert_stored(&store::items(&state.join("items.db")), &site.people());
}

#[test]
fn fresh_discards_what_was_begun_and_keeps_the_items() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    people(&site, &state).args(["--max-pages", "30"]).run();
    let kept = store::items(&state.join("items.db")).len();
    assert!(kept > 0);
    site.forget_arrivals();
    let finished = people(&site, &state).args(["--fresh", "--max-pages", "1"]).run();
    assert_eq!((finished.report.restarts, finished.report.pages, finished.report.fetches), (0, 1, 1));
    assert_eq!(store::items(&state.join("items.db")).len(), kept);
}

#[test]
fn a_state_directory_in_use_is_refused_with_the_process_that_has_it() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    site.hold_after(0);
    let first = people(&site, &state).start();
    site.await_held(1);
    let second = Program::new("engine").arg("--state").arg(&state).arg(site.people_seed()).run();
    let sentence = format!("is in use by the engine with process id {}", first.process.id());
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains(&sentence), "{}", second.stderr);
    site.release();
    assert_complete(&first.finish(), &site.people());
}

#[test]
fn a_state_directory_of_another_crawl_is_refused_by_name() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    people(&site, &state).args(["--max-pages", "1"]).run();
    let other = Program::new("engine").arg("--state").arg(&state).arg(site.people_seed()).run();
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("belongs to the crawl zhenai, not to 127.0.0.1_"), "{}", other.stderr);
}

#[test]
fn a_narrower_scope_applies_to_what_is_queued() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    // The list, the city's first page: its 20 people and 3 other pages are queued.
    people(&site, &state).args(["--max-pages", "2"]).run();
    let finished = people(&site, &state).args(["--deny", "/u/"]).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert_eq!(finished.report.skipped_by_reason, [("out of scope now".to_owned(), 20)].into());
    assert_eq!((finished.report.urls.done, finished.report.urls.queued, finished.report.items.saved), (5, 0, 0));
}

#[test]
fn a_spider_that_lost_a_parser_still_needed_is_refused_and_the_old_one_completes() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let (state, changed) = (folder.path().join("state"), folder.path().join("changed.toml"));
    people(&site, &state).args(["--max-pages", "2"]).run();
    let text = "name = \"zhenai\"\nstart = \"city-list\"\n[parsers.city-list]\nlinks = [{ css = \"a\", parser = \"city-list\" }]\n";
    std::fs::write(&changed, text).unwrap();
    let refused = Program::new("engine").arg("--state").arg(&state).arg("--spider").arg(&changed).arg(site.people_seed()).run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("3 for city, 20 for profile"), "{}", refused.stderr);
    let finished = people(&site, &state).run();
    assert_complete(&finished, &site.people());
    assert_fetched_once(&site, &site.people());
}

#[test]
fn fresh_does_not_discard_the_state_of_another_crawl() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    people(&site, &state).args(["--max-pages", "30"]).run();
    for arguments in [vec!["--fresh".to_owned(), site.url("/")], vec![site.url("/")]] {
        let refused = Program::new("engine").arg("--state").arg(&state).args(arguments).run();
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains("belongs to the crawl zhenai"), "{}", refused.stderr);
    }
    assert_complete(&people(&site, &state).run(), &site.people());
    assert_fetched_once(&site, &site.people());
}

#[test]
fn a_start_that_never_begins_leaves_the_output_as_it_was_and_the_next_one_continues_it() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let (state, output) = (folder.path().join("state"), folder.path().join("people.jsonl"));
    let crawl = || people(&site, &state).arg("-o").arg(&output);
    crawl().run();
    let whole = std::fs::read_to_string(&output).unwrap();
    let failed = crawl().args(["--worker-hosts", "127.0.0.1:1", "--wait-for-workers", "100ms"]).start().process.exit();
    assert_eq!(failed.code, Some(2), "{}", failed.stderr);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), whole);
    assert_complete(&crawl().run(), &site.people());
    assert_stored(&store::of_lines(&std::fs::read_to_string(&output).unwrap()), &site.people());
}

#[test]
fn an_output_left_out_of_one_start_is_not_continued_with_a_gap() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let (state, output) = (folder.path().join("state"), folder.path().join("people.jsonl"));
    people(&site, &state).args(["--max-pages", "10", "-o"]).arg(&output).run();
    people(&site, &state).args(["--max-pages", "30"]).run();
    let refused = people(&site, &state).arg("-o").arg(&output).start().process.exit();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("is there already and not empty"), "{}", refused.stderr);
}

#[test]
fn an_output_that_was_shortened_is_not_continued_as_if_it_were_whole() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let (state, output) = (folder.path().join("state"), folder.path().join("people.jsonl"));
    people(&site, &state).args(["--max-pages", "30", "-o"]).arg(&output).run();
    std::fs::write(&output, "").unwrap();
    let refused = people(&site, &state).arg("-o").arg(&output).start().process.exit();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("has 0 bytes, but"), "{}", refused.stderr);
}
