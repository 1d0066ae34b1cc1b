//! Many hosts with clocks and robots of their own.

use tests::crawl::Crawl;
use tests::polite::{self, Hosts, audit};
use tests::site::PracticeSite;

#[test]
fn a_fleet_in_which_workers_die_and_join_keeps_every_clock_and_every_robots_rule() {
    let folder = tempfile::tempdir().unwrap();
    // Delays of 0.1 to 1 s; one host without robots.txt, one whose robots.txt is elsewhere.
    let told = polite::crawl(&Hosts { numbers: vec![1, 2, 3, 4, 5, 8, 9, 20, 21, 22, 23, 24], cities: 1, workers: 4 }, folder.path());
    assert_eq!((told.delayed, told.forbidden), (11, 20));
}

#[test]
fn a_crawl_whose_clock_is_off_fails_the_audit() {
    let (site, folder) = (PracticeSite::one_city(), tempfile::tempdir().unwrap());
    let log = folder.path().join("fetches.jsonl");
    let crawl = || Crawl::of_people(&site.people_seed()).arg("--fetch-log").arg(&log);
    assert_eq!(crawl().args(["--delay", "0s", "--max-pages", "20"]).run().exit.code, Some(0));
    let as_it_was = audit(&log, &[]);
    assert_eq!(as_it_was.code, Some(0), "{}{}", as_it_was.stdout, as_it_was.stderr);
    let demanded = audit(&log, &["--delay", "100ms"]);
    assert_eq!(demanded.code, Some(1), "{}{}", demanded.stdout, demanded.stderr);
    assert!(demanded.stdout.contains("100 ms are in force"), "{}", demanded.stdout);
}
