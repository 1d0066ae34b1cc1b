//! Limits that the user sets on a crawl.

use std::collections::{BTreeMap, BTreeSet};

use mockserver::SiteConfig;
use tests::LIMIT;
use tests::crawl::{Crawl, Finished};
use tests::site::PracticeSite;

fn assert_stopped_by(finished: &Finished, reason: &str) {
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert_eq!(finished.report.stopped_by.as_deref(), Some(reason));
    assert!(!finished.report.complete);
}

fn set(urls: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    urls.into_iter().collect()
}

fn fetched(site: &PracticeSite) -> BTreeSet<String> {
    let fetched = site.fetched();
    assert!(fetched.values().all(|times| *times == 1), "{fetched:?}");
    fetched.into_keys().collect()
}

#[test]
fn max_pages_is_met_to_the_page_on_a_site_without_end() {
    let site = PracticeSite::endless();
    let finished = Crawl::of_people(&site.people_seed()).args(["--max-pages", "500"]).run();
    assert_stopped_by(&finished, "max-pages");
    assert_eq!(fetched(&site).len(), 500);
    assert_eq!((finished.report.pages, finished.report.urls.done), (500, 500));
    assert_eq!(finished.items().len() as u64, finished.report.items.saved);
    assert!(finished.exit.stderr.contains("--max-pages"), "it says which flag to raise: {}", finished.exit.stderr);
}

#[test]
fn max_pages_counts_pages_and_not_what_else_is_answered() {
    let site = PracticeSite::small();
    let missing = (0..5).map(|n| site.misbehaving(&format!("status/404?{n}")));
    let finished = Crawl::of_people(&site.people_seed()).args(missing).args(["--max-pages", "10"]).run();
    assert_stopped_by(&finished, "max-pages");
    assert_eq!((finished.report.pages, finished.report.urls.skipped), (10, 5));
    assert_eq!(fetched(&site).len(), 15);
}

#[test]
fn a_budget_larger_than_the_site_leaves_the_crawl_complete() {
    let site = PracticeSite::small();
    let finished = Crawl::of_people(&site.people_seed()).args(["--max-pages", "127", "--max-items", "121", "--max-time", "1h"]).run();
    assert_eq!((finished.exit.code, finished.report.complete, finished.report.stopped_by), (Some(0), true, None));
    assert_eq!(fetched(&site), set(site.people().pages));
}

#[test]
fn max_items_ends_the_crawl_once_they_are_saved() {
    let site = PracticeSite::one_city();
    // Without a spider each page is an item; the first two come one after the other.
    let finished = Crawl::new().arg(site.people_seed()).args(["--max-items", "2"]).run();
    assert_stopped_by(&finished, "max-items");
    assert_eq!((finished.report.items.saved, finished.items().len(), fetched(&site).len()), (2, 2, 2));
    assert_eq!(finished.report.urls.queued, PracticeSite::IN_FLIGHT as u64);
}

#[test]
fn what_is_in_flight_when_max_items_is_reached_is_saved_whole_and_said() {
    let site = PracticeSite::one_city();
    site.hold_after(PracticeSite::BEFORE);
    let engine = Crawl::new().arg(site.people_seed()).args(["--max-items", "3"]).start();
    site.await_held(PracticeSite::IN_FLIGHT);
    site.release();
    let finished = engine.finish();
    assert_stopped_by(&finished, "max-items");
    assert_eq!((finished.report.items.saved, finished.items().len(), fetched(&site).len()), (25, 25, 25));
    let overshot = "22 items over the budget of 3, from pages in flight";
    assert!(finished.exit.stderr.contains(overshot), "{}", finished.exit.stderr);
}

#[test]
fn max_errors_ends_the_crawl_once_so_many_urls_are_given_up() {
    let site = PracticeSite::small();
    let dropped: Vec<String> = (0..10).map(|n| site.misbehaving(&format!("drop-before-headers?{n}"))).collect();
    let finished = Crawl::new().args(&dropped).args(["--max-errors", "3", "--attempts", "1", "--worker-count", "1"]).run();
    assert_eq!(finished.exit.code, Some(1), "URLs were given up: {}", finished.exit.stderr);
    assert_eq!(finished.report.stopped_by.as_deref(), Some("max-errors"));
    assert_eq!((finished.report.urls.dead, finished.report.urls.queued), (3, 7));
    assert_eq!(finished.report.dead_by_reason, BTreeMap::from([("connection reset".to_owned(), 3)]));
    assert_eq!(fetched(&site), set(dropped[..3].to_vec()));
}

#[test]
fn max_time_ends_a_crawl_without_end() {
    let site = PracticeSite::endless();
    let finished = Crawl::of_people(&site.people_seed()).args(["--max-time", "3s"]).run();
    assert_stopped_by(&finished, "max-time");
    assert!(finished.report.seconds >= 3.0, "{}", finished.report.seconds);
    assert_eq!(fetched(&site).len() as u64, finished.report.urls.done, "what was in flight is finished");
}

#[test]
fn max_depth_counts_links_from_the_seed() {
    let site = PracticeSite::small();
    let people = site.people();
    let is_first_page = |url: &&String| !url.contains("/u/") && !url.ends_with("/2");
    let first_pages = set(people.pages.iter().filter(is_first_page).cloned());
    assert_eq!(first_pages.len(), 4, "the list and three cities");
    for (depth, expected) in [("0", set([site.people_seed()])), ("1", first_pages.clone())] {
        site.forget_arrivals();
        let finished = Crawl::of_people(&site.people_seed()).args(["--max-depth", depth]).run();
        assert_eq!((finished.exit.code, finished.report.complete), (Some(0), true), "{}", finished.exit.stderr);
        assert_eq!(fetched(&site), expected, "depth {depth}");
    }
    site.forget_arrivals();
    let finished = Crawl::of_people(&site.people_seed()).args(["--max-depth", "2"]).run();
    let two = fetched(&site);
    assert_eq!(two.len(), 4 + 3 * 21, "and the people and the second page of each city");
    assert!(two.is_superset(&first_pages) && two.is_subset(&set(people.pages)));
    assert!(finished.report.links_refused["too deep"] > 0);
}

#[test]
fn deny_and_allow_bound_the_crawl_exactly() {
    let site = PracticeSite::small();
    let cities = set(site.people().pages.into_iter().filter(|url| !url.contains("/u/")));
    assert_eq!(cities.len(), 7);
    for (flag, pattern, reason) in [("--deny", "/u/[0-9]+$", "denied"), ("--allow", "zhenghun", "not allowed")] {
        site.forget_arrivals();
        let finished = Crawl::of_people(&site.people_seed()).args([flag, pattern]).run();
        assert_eq!((finished.exit.code, finished.report.complete), (Some(0), true), "{}", finished.exit.stderr);
        assert_eq!(fetched(&site), cities, "{flag}");
        // Twenty people on each of six pages; a link that a page repeats is one link.
        assert_eq!(finished.report.links_refused, BTreeMap::from([(reason.to_owned(), 120)]));
    }
}

#[test]
fn a_delay_lies_between_the_end_of_one_request_and_the_next() {
    const DELAY_MS: u64 = 60;
    const LATENCY_MS: u64 = 20;
    let latency = std::time::Duration::from_millis(LATENCY_MS);
    let site = PracticeSite::serve(SiteConfig { cities: 12, pages: Some(1), latency, ..SiteConfig::practice() });
    let finished = Crawl::of_people(&site.people_seed()).args(["--delay", "60ms", "--max-depth", "1"]).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    let arrivals = site.arrivals();
    assert_eq!(arrivals.len(), 13);
    for pair in arrivals.windows(2) {
        let apart = pair[1].at_ms - pair[0].at_ms;
        assert!(apart >= DELAY_MS + LATENCY_MS, "{apart} ms between {pair:?}");
    }
}

#[test]
fn per_host_bounds_the_requests_in_flight() {
    const PER_HOST: usize = 3;
    const ALL: usize = 9;
    let site = PracticeSite::small();
    let gates: Vec<String> = (0..ALL).map(|n| site.url(&format!("/gate/g{n}"))).collect();
    let engine = Crawl::new().args(&gates).args(["--per-host", "3"]).start();
    for opened in 0..=ALL - PER_HOST {
        let in_flight = opened..opened + PER_HOST;
        in_flight.clone().for_each(|n| site.await_gate(&format!("g{n}")));
        let arrived: Vec<String> = site.arrivals().iter().map(|arrival| site.url(&arrival.path)).collect();
        assert_eq!(set(arrived), set(gates[..in_flight.end].to_vec()), "after {opened} answers");
        site.open_gate(&format!("g{opened}"));
    }
    (0..ALL).for_each(|n| site.open_gate(&format!("g{n}")));
    let finished = engine.finish();
    assert_eq!(finished.report.urls.discovered, ALL as u64);
}

#[test]
fn worker_count_bounds_the_requests_in_flight() {
    let site = PracticeSite::small();
    site.hold_after(1);
    let engine = Crawl::of_people(&site.people_seed()).args(["--worker-count", "2"]).start();
    site.await_held(2);
    assert_eq!(site.arrivals().len(), 3, "the list, and two of three cities");
    site.release();
    assert_eq!(engine.finish().report.urls.done, 127);
    assert_eq!(fetched(&site), set(site.people().pages));
}

/// The engine's peak just before the last of so many pages, and how many URLs it knew in the end.
fn peak_kib(pages: u64) -> (u64, u64) {
    let site = PracticeSite::endless();
    site.hold_after(pages - 1);
    let engine = Crawl::of_people(&site.people_seed()).args(["--max-pages", &pages.to_string()]).start();
    for reached in (1_000..pages).step_by(1_000) {
        assert!(site.arrival_within(reached, LIMIT), "it came to {} of {pages} pages", site.last_arrival());
    }
    site.await_held(1);
    let peak = engine.process.peak_kib();
    site.release();
    let finished = engine.finish();
    assert_stopped_by(&finished, "max-pages");
    assert_eq!(finished.report.pages, pages);
    (peak, finished.report.urls.discovered)
}

#[test]
fn memory_grows_with_the_urls_found_and_by_little() {
    const MOST_KIB_A_URL: u64 = 4;
    let (few, many) = (peak_kib(FEW_PAGES), peak_kib(MANY_PAGES));
    let (memory, urls) = (many.0.saturating_sub(few.0), many.1 - few.1);
    assert!(urls > MANY_PAGES / 2, "{urls}");
    assert!(memory <= MOST_KIB_A_URL * urls, "{memory} KiB for {urls} URLs more: {few:?}, {many:?}");
}

const FEW_PAGES: u64 = 5_000;
const MANY_PAGES: u64 = 20_000;
