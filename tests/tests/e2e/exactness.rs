//! Every page once, every item once.

use std::io::{BufRead, BufReader};
use std::path::Path;

use mockserver::{Site, SiteConfig};
use tests::crawl::Crawl;
use tests::exact::{assert_complete, assert_fetched_once, assert_stored};
use tests::program::{self, Program};
use tests::report::Report;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store;

/// Which processes beside the engine.
#[derive(Clone, Copy, Debug)]
enum Processes {
    Embedded,
    Workers(usize),
}

/// Crawls one section of a small site and compares everything.
fn crawl_exactly(spider: &str, processes: Processes) {
    let site = PracticeSite::small();
    let section = if spider == "xcar" { site.cars() } else { site.people() };
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("items.db");
    let crawl = Crawl::new().spider(spider).arg(&section.seed);
    let finished = match processes {
        Processes::Embedded => crawl.run(),
        Processes::Workers(count) => {
            let (workers, itemsaver) = (Server::workers(count), Server::itemsaver(&store));
            let finished = crawl.workers(&workers).itemsaver(&itemsaver).run();
            for worker in &workers {
                let tally = finished.report.worker(worker.host());
                assert_eq!(tally.failed, 0);
                assert!(worker.process().is_running());
            }
            finished
        }
    };
    assert_complete(&finished, &section);
    assert_fetched_once(&site, &section);
    assert_eq!(finished.report.fetches, section.pages.len() as u64);
    assert_eq!(finished.report.workers.iter().map(|worker| worker.done).sum::<u64>(), section.pages.len() as u64);
    let items = match processes {
        Processes::Embedded => finished.items(),
        Processes::Workers(_) => store::items(&store),
    };
    assert_stored(&items, &section);
    assert!(items.iter().all(|item| item.source.crawl == spider && item.source.page == item.url));
}

#[test]
fn an_engine_alone_finds_every_person_once() {
    crawl_exactly("zhenai", Processes::Embedded);
}

#[test]
fn an_engine_alone_finds_every_car_once() {
    crawl_exactly("xcar", Processes::Embedded);
}

#[test]
fn one_worker_and_an_itemsaver_find_every_person_once() {
    crawl_exactly("zhenai", Processes::Workers(1));
}

#[test]
fn one_worker_and_an_itemsaver_find_every_car_once() {
    crawl_exactly("xcar", Processes::Workers(1));
}

#[test]
fn three_workers_and_an_itemsaver_find_every_person_once() {
    crawl_exactly("zhenai", Processes::Workers(3));
}

#[test]
fn three_workers_and_an_itemsaver_find_every_car_once() {
    crawl_exactly("xcar", Processes::Workers(3));
}

/// The parts, in percent, that so many workers have of a crawl in which all of them take part from the third page on.
fn shares(count: usize) -> Vec<u64> {
    // A list, a city, and its people.
    const PEOPLE: usize = 20;
    let site = PracticeSite::serve(SiteConfig { cities: 1, pages: Some(1), cars: 0, ..SiteConfig::practice() });
    // Together they can hold all people, and one fewer cannot.
    let workers = Server::workers_with_capacity(count, PEOPLE.div_ceil(count));
    site.hold_after(2);
    let engine = Crawl::of_people(&site.people_seed()).workers(&workers).start();
    site.await_held(PEOPLE);
    site.release();
    let finished = engine.finish();
    assert_complete(&finished, &site.people());
    assert_fetched_once(&site, &site.people());
    let pages = finished.report.pages;
    finished.report.workers.iter().map(|worker| worker.done * 100 / pages).collect()
}

#[test]
fn two_workers_do_about_half_each() {
    let shares = shares(2);
    assert!(shares.iter().all(|share| (35..=65).contains(share)), "{shares:?}");
}

#[test]
fn three_workers_do_about_a_third_each() {
    let shares = shares(3);
    assert!(shares.iter().all(|share| (20..=50).contains(share)), "{shares:?}");
}

#[test]
fn the_course_spellings_of_the_flags_work() {
    let site = PracticeSite::small();
    let folder = tempfile::tempdir().unwrap();
    let (worker, itemsaver) = (Server::worker(), Server::itemsaver(&folder.path().join("items.db")));
    let port = |server: &Server| server.host().replace("127.0.0.1", "");
    let crawl = Crawl::of_people(&site.people_seed()).arg(format!("--worker_hosts={}", port(&worker)));
    let finished = crawl.args(["--itemsaver_host", &port(&itemsaver)]).run();
    assert_complete(&finished, &site.people());
    for host in [worker.host(), itemsaver.host()] {
        assert!(finished.exit.stderr.contains(&format!("Connected to {host}")), "{}", finished.exit.stderr);
    }
}

#[test]
fn seeds_can_come_from_standard_input() {
    let site = PracticeSite::small();
    let finished = Crawl::of_people("-").input(&format!("# people\n\n  {}\n", site.people_seed())).run();
    assert_complete(&finished, &site.people());
    assert_fetched_once(&site, &site.people());
}

#[test]
fn a_site_can_be_crawled_by_its_name_as_well_as_by_its_address() {
    let site = PracticeSite::small();
    let by_name = |url: &str| url.replace("127.0.0.1", "localhost");
    let finished = Crawl::of_people(&by_name(&site.people_seed())).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert_fetched_once(&site, &site.people());
    let found: Vec<String> = finished.items().into_iter().map(|item| item.url).collect();
    let mut expected: Vec<String> = site.people().items.iter().map(|item| by_name(&item.url)).collect();
    expected.sort_by_key(|url| url.rsplit('/').next().unwrap().to_owned());
    assert_eq!(found, expected);
}

#[test]
fn a_site_without_a_spider_yields_an_item_for_every_page_of_it() {
    let site = PracticeSite::small();
    let finished = Crawl::new().arg(site.people_seed()).run();
    let people = site.people();
    let pages = people.pages.len() as u64;
    assert_eq!((finished.exit.code, finished.report.urls.done, finished.report.items.saved), (Some(0), pages, pages));
    assert_fetched_once(&site, &people);
    let mut urls: Vec<String> = finished.items().into_iter().map(|item| item.url).collect();
    urls.sort();
    assert_eq!(urls, people.pages);
}

#[test]
fn an_engine_given_nothing_crawls_the_whole_practice_site() {
    let folder = tempfile::tempdir().unwrap();
    let exit = Program::new("engine").within(folder.path()).args(["--report", "report.json"]).run();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let report = Report::read(&folder.path().join("report.json"));
    let items = store::items(&folder.path().join("gossamer-state/practice/items.db"));
    let base = items[0].url.split("/mock/").next().unwrap().to_owned();
    let people = Site::new(SiteConfig::practice()).unwrap().truth(&base).people.unwrap();
    assert_stored(&items, &people);
    assert!(report.complete);
    assert_eq!((report.urls.discovered, report.urls.done), (people.pages.len() as u64, people.pages.len() as u64));
    // The report ends with the command that exports the items, ready to be typed.
    let command = exit.stderr.lines().find_map(|line| line.strip_prefix("export ")).unwrap().trim();
    let path = format!("{}:{}", program::folder().display(), std::env::var("PATH").unwrap());
    let bash = Program::of_file("bash", Path::new("/bin/bash")).args(["-c", command]).env("PATH", path);
    let export = bash.within(folder.path()).run();
    assert_eq!(export.code, Some(0), "{command}: {}", export.stderr);
    let exported = std::fs::read_to_string(folder.path().join("items.jsonl")).unwrap();
    assert_stored(&store::of_lines(&exported), &people);
}

#[test]
fn an_engine_given_hosts_alone_crawls_the_practice_site_through_them() {
    let folder = tempfile::tempdir().unwrap();
    let (workers, itemsaver) = (Server::workers(2), Server::itemsaver(&folder.path().join("items.db")));
    let finished = Crawl::new().workers(&workers).itemsaver(&itemsaver).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    let items = store::items(&folder.path().join("items.db"));
    let base = items[0].url.split("/mock/").next().unwrap().to_owned();
    let people = Site::new(SiteConfig::practice()).unwrap().truth(&base).people.unwrap();
    assert_complete(&finished, &people);
    assert_stored(&items, &people);
}

#[test]
fn the_output_as_json_lines_is_what_an_export_of_the_store_writes() {
    let site = PracticeSite::small();
    let finished = Crawl::of_people(&site.people_seed()).args(["-o", "people.jsonl"]).run();
    assert_complete(&finished, &site.people());
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let output = finished.read("people.jsonl");
    assert_eq!(sorted(&output), sorted(&store::export(&finished.store(), "jsonl")));
    assert_stored(&store::of_lines(&output), &site.people());
}

#[test]
fn the_output_as_a_table_agrees_with_the_store() {
    let site = PracticeSite::small();
    let finished = Crawl::new().spider("xcar").arg(&site.cars().seed).args(["-o", "cars.csv"]).run();
    assert_complete(&finished, &site.cars());
    assert_eq!(rows(&finished.read("cars.csv")), rows(&store::export(&finished.store(), "csv")));
}

/// The cells of a table with their headings, row by row in order of the id. The output has a last column that is empty where every
/// field has a column; a store's table is made with all columns known.
fn rows(table: &str) -> Vec<Vec<(String, String)>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let headings = reader.headers().unwrap().clone();
    let cells = |row: csv::StringRecord| {
        let cells = headings.iter().zip(row.iter()).map(|(heading, cell)| (heading.to_owned(), cell.to_owned()));
        cells.filter(|cell| *cell != ("extra".to_owned(), String::new())).collect()
    };
    let mut rows: Vec<Vec<(String, String)>> = reader.records().map(|row| cells(row.unwrap())).collect();
    rows.sort_by_key(|row| row[2].1.clone());
    rows
}

#[test]
fn items_stream_to_standard_output_and_a_reader_who_leaves_ends_the_crawl_in_peace() {
    let site = PracticeSite::endless();
    let (folder, program) = Crawl::of_people(&site.people_seed()).args(["-o", "-"]).into_parts();
    let (engine, stdout) = program.start_reading();
    let mut lines = BufReader::new(stdout);
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    drop(lines);
    assert_eq!(store::of_lines(&first)[0].item_type, "zhenai");
    let exit = engine.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let lower = exit.stderr.to_lowercase();
    assert!(!lower.contains("pipe") && !lower.contains("panic") && !lower.contains("error"), "{}", exit.stderr);
    let report = Report::read(&folder.path().join("report.json"));
    assert_eq!(report.stopped_by.as_deref(), Some("output-closed"));
}

#[test]
fn standard_output_holds_every_item_and_nothing_else() {
    let site = PracticeSite::small();
    let finished = Crawl::of_people(&site.people_seed()).args(["-o", "-"]).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert_stored(&store::of_lines(&finished.exit.stdout), &site.people());
}
