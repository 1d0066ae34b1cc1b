//! A crawl is asked while it runs and afterwards: a URL's story, how it stands, whether it is sound, what was given up.

use std::path::{Path, PathBuf};

use engine::inquiry::status::CrawlState;
use engine::inquiry::why::{Explanation, UrlState};
use tempfile::TempDir;
use tests::ask::{ask, assert_sound, status, told, why};
use tests::crawl::{Crawl, Running};
use tests::exact::assert_complete;
use tests::port;
use tests::process::Process;
use tests::program::Program;
use tests::site::PracticeSite;

/// A crawl of one city's people, held with its list and first page done.
fn held() -> (PracticeSite, TempDir, PathBuf, Running) {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    site.hold_after(PracticeSite::BEFORE);
    let engine = Crawl::in_state(&state).spider("zhenai").arg(site.people_seed()).start();
    site.await_held(PracticeSite::IN_FLIGHT);
    (site, folder, state, engine)
}

/// A person whose page is being held.
fn person(site: &PracticeSite) -> String {
    let arrivals = site.arrivals();
    site.url(&arrivals.iter().find(|arrival| arrival.path.contains("/u/")).unwrap().path)
}

#[test]
fn a_urls_story_is_told_while_the_crawl_runs_and_after_it() {
    let (site, _folder, state, engine) = held();
    let (seed, person) = (site.people_seed(), person(&site));
    let Explanation { state: of_seed, origin, scope, .. } = why(&state, &seed);
    assert!(matches!(&of_seed, UrlState::Page { facts, .. } if (facts.status, facts.links) == (200, 1)), "{of_seed:?}");
    assert_eq!((origin.unwrap().found_on, scope.rule.as_str()), (None, "it is a seed"));
    let in_flight = why(&state, &person);
    assert_eq!((&in_flight.state, in_flight.origin.as_ref().unwrap().depth), (&UrlState::InFlight, 2));
    assert_eq!(why(&state, &site.url("/elsewhere")).state, UrlState::Unknown);
    site.release();
    assert_complete(&engine.finish(), &site.people());
    let done = why(&state, &person);
    assert!(matches!(&done.state, UrlState::Page { facts, .. } if facts.items.saved == 1), "{done:?}");
    assert_eq!(done.origin, in_flight.origin);
    let text = told(&state, ["why", &person]);
    for part in
        ["state     done: a page", "1 parsed = 1 saved + 0 rejected", "found     on http", "parser    profile (", "in scope: 127.0.0.1:"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let elsewhere = why(&state, "https://example.org/");
    assert_eq!((elsewhere.scope.belongs, elsewhere.scope.rule.as_str()), (Some(false), "example.org is none of the crawl's sites"));
}

#[test]
fn a_killed_crawl_says_how_it_stands_and_is_sound() {
    let (site, _folder, state, engine) = held();
    let running = status(&state);
    assert_eq!(
        (running.state, running.process, running.in_flight),
        (CrawlState::Running, Some(engine.process.id()), PracticeSite::IN_FLIGHT)
    );
    let refused = ask(&state, ["check"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains(&format!("process id {}: stop it first", engine.process.id())), "{}", refused.stderr);
    engine.process.kill();
    let stopped = status(&state);
    assert_eq!((stopped.state, stopped.process, stopped.balanced), (CrawlState::Stopped, None, true));
    assert_eq!((stopped.urls, stopped.origins.len()), (running.urls, 1));
    assert_sound(&state);
    site.release();
    assert_complete(&Crawl::in_state(&state).spider("zhenai").arg(site.people_seed()).run(), &site.people());
    assert_eq!(status(&state).state, CrawlState::Complete);
    assert_sound(&state);
}

/// A practice site of one city and one page as a process, on this port.
fn site_on(port: u16) -> Process {
    let site = Program::new("mockserver").args(["--cities", "1", "--pages", "1", "--port", &port.to_string()]).start();
    site.line("Listening on");
    site
}

fn crawl_of(state: &Path, port: u16) -> Crawl {
    let seed = format!("http://127.0.0.1:{port}/mock/www.zhenai.com/zhenghun");
    Crawl::in_state(state).spider("zhenai").args([&seed, "--host-give-up", "10ms", "--retry-pause", "10ms"])
}

#[test]
fn a_site_that_was_given_up_is_listed_and_crawled_after_a_requeue() {
    let folder = tempfile::tempdir().unwrap();
    let (state, port) = (folder.path().join("state"), port::reserve());
    let given_up = crawl_of(&state, port).run();
    assert_eq!((given_up.exit.code, given_up.report.urls.dead), (Some(1), 1));
    let reason = "origin dead: connection refused";
    let letters = told(&state, ["dead"]);
    assert!(letters.starts_with(&format!("1 URLs given up\n  1 {reason}\n    http://127.0.0.1:{port}/mock/")), "{letters}");
    let refused = ask(&state, ["requeue", "--reason", "origin"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains(&format!("there are:\n  --reason {reason:?}")), "{}", refused.stderr);
    let requeued = told(&state, ["requeue", "--reason", reason]);
    assert!(requeued.starts_with("queued again: 1 URLs, 0 items"), "{requeued}");
    assert_eq!(told(&state, ["dead"]), "0 URLs given up\n0 items rejected\n");
    assert_sound(&state);
    let _site = site_on(port);
    let finished = crawl_of(&state, port).run();
    // The list, a page, and 20 people.
    assert_eq!((finished.exit.code, finished.report.pages, finished.report.urls.dead), (Some(0), 22, 0), "{}", finished.exit.stderr);
    assert_sound(&state);
}

#[test]
fn a_url_that_was_given_up_is_queued_again_while_the_crawl_runs() {
    let site = PracticeSite::one_city();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let broken = site.misbehaving("status/500");
    site.hold_after(0);
    let seeds = [broken.clone(), site.people_seed()];
    let crawl = Crawl::in_state(&state).spider("zhenai").args(seeds).args(["--attempts", "2", "--retry-pause", "1ms"]);
    let engine = crawl.start();
    site.await_held(1);
    let dead = tests::ask::await_status(&state, "a dead URL", |status| status.urls.dead == 1);
    assert_eq!(dead.dead_by_reason, [("wrong status code: 500".to_owned(), 1)].into());
    assert!(told(&state, ["requeue"]).starts_with("queued again: 1 URLs"));
    let again = tests::ask::await_status(&state, "a dead URL once more", |status| status.urls.dead == 1);
    assert_eq!(again.urls.discovered, 2);
    site.release();
    let finished = engine.finish();
    assert_eq!((finished.exit.code, finished.report.urls.dead, finished.report.pages), (Some(1), 1, 85));
    let arrivals = site.arrivals();
    let tries = arrivals.iter().filter(|arrival| site.url(&arrival.path) == broken).count();
    assert_eq!(tries, 4, "two attempts, twice");
    let Explanation { origin, .. } = why(&state, &broken);
    assert_eq!(origin.unwrap().tries.len(), 4, "the story of the first life is kept");
    assert_sound(&state);
}
