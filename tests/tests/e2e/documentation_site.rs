//! PostgreSQL's manual as Debian packages it (`apt-get install postgresql-doc-15`), crawled from its first page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use regex::Regex;
use services::postgres;
use tests::crawl::Crawl;
use tests::static_site::StaticSite;

const FOLDER: &str = "/usr/share/doc/postgresql-doc-15/html";

/// The pages that can be reached from the first, found without any of the code under test: links read with an expression, resolved by
/// hand in the one flat folder.
fn walk(folder: &Path) -> BTreeSet<String> {
    let link = Regex::new(r##"(?is)<(?:a|area)\s[^>]*?href\s*=\s*"([^"#]*)"##).unwrap();
    let mut waiting = vec!["index.html".to_owned()];
    let mut found: BTreeSet<String> = waiting.iter().cloned().collect();
    while let Some(page) = waiting.pop() {
        let text = std::fs::read_to_string(folder.join(&page)).unwrap();
        for capture in link.captures_iter(&text) {
            let target = capture[1].trim_start_matches("./").to_owned();
            let is_page = target.ends_with(".html") && !target.contains([':', '/']) && folder.join(&target).is_file();
            if is_page && found.insert(target.clone()) {
                waiting.push(target);
            }
        }
    }
    found
}

#[test]
fn a_manual_of_a_thousand_pages_is_found_to_the_page() {
    let folder = Path::new(FOLDER);
    assert!(folder.is_dir(), "{FOLDER} is missing: `apt-get install -y postgresql-doc-15` as root");
    let expected = walk(folder);
    let site = StaticSite::serve(folder);
    assert_found(&site, Crawl::new(), &expected);
}

#[test]
fn a_manual_of_a_thousand_pages_is_found_to_the_page_with_its_frontier_in_a_database() {
    let folder = Path::new(FOLDER);
    let expected = walk(folder);
    let site = StaticSite::serve(folder);
    assert_found(&site, Crawl::new().frontier(&postgres::database()), &expected);
}

/// A crawl of the site stores these pages and nothing else, and fetches each once.
fn assert_found(site: &StaticSite, crawl: Crawl, expected: &BTreeSet<String>) {
    let finished = crawl.arg(format!("{}/index.html", site.base())).run();
    assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
    assert!(finished.report.complete);

    let path = |url: &str| url.strip_prefix(site.base()).unwrap().trim_start_matches('/').to_owned();
    let found: BTreeSet<String> = finished.items().iter().map(|item| path(&item.url)).collect();
    let differing: Vec<_> = found.symmetric_difference(expected).collect();
    assert!(differing.is_empty(), "{differing:?}");
    let fetched: BTreeMap<String, u64> = site.fetched().into_iter().filter(|(path, _)| path.ends_with(".html")).collect();
    assert_eq!(fetched, expected.iter().map(|page| (format!("/{page}"), 1)).collect());
    let pages = expected.len() as u64;
    assert_eq!((finished.report.pages, finished.report.items.saved), (pages, pages));
    assert_eq!(pages, 1_169, "the number that the README names");
}
