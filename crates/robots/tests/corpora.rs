//! Our verdicts against what well-known parsers expect in the tests that they publish with their packages, and on robots.txt files of real
//! sites.
//!
//! `tests/run` puts both in place with `corpora/fetch.py`, which says where they come from. Where we differ, `corpora/differences.txt` says so,
//! with the reason; a difference that is not in it fails, and so does one in it that is none any more.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use robots::{MAX_BODY_BYTES, RobotsRules, product_token};
use robotstxt::DefaultMatcher;
use serde_json::Value;
use url::Url;

const DIFFERENCES: &str = include_str!("corpora/differences.txt");

fn corpora() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/corpora/robots");
    assert!(folder.exists(), "the published tests are not there: tests/run fetches them");
    folder
}

/// The path and query that would be asked for, if the text is a URL at all.
fn path_and_query(text: &str) -> Option<String> {
    let base = Url::parse("http://site.example/").unwrap();
    let url = base.join(text).ok()?;
    Some(url[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

/// A case's answer as we have it; the delay in seconds.
fn ours(case: &Value) -> Value {
    let token = product_token(case["agent"].as_str().unwrap_or_default());
    let rules = RobotsRules::parse(case["robots"].as_str().unwrap_or_default().as_bytes(), token);
    match case["kind"].as_str().unwrap() {
        "allowed" => path_and_query(case["url"].as_str().unwrap()).map_or(Value::Null, |path| rules.judge(&path).allowed.into()),
        "delay" => rules.crawl_delay().map_or(Value::Null, |delay| delay.as_secs_f64().into()),
        "sitemaps" => rules.sitemaps().into(),
        other => panic!("a case of kind {other}"),
    }
}

fn is_same(ours: &Value, expected: &Value) -> bool {
    match (ours.as_f64(), expected.as_f64()) {
        (Some(ours), Some(expected)) => ours == expected,
        _ => ours == expected,
    }
}

/// The listed differences: test and number of each case. Lines that begin with a space or `#` are reasons and remarks.
fn listed() -> BTreeSet<String> {
    let lines = DIFFERENCES.lines().filter(|line| !line.is_empty() && !line.starts_with([' ', '#']));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_published_tests_pass_but_for_the_listed_differences() {
    let cases = fs::read_to_string(corpora().join("cases.jsonl")).unwrap();
    let mut by_source: BTreeMap<String, usize> = BTreeMap::new();
    let mut differences = BTreeMap::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let test = case["test"].as_str().unwrap();
        *by_source.entry(test.split(':').next().unwrap().to_owned()).or_default() += 1;
        let ours = ours(&case);
        if !is_same(&ours, &case["expected"]) {
            differences.insert(format!("{test} {}", case["number"]), format!("{ours} instead of {case}"));
        }
    }
    let expected = [("google", 140), ("protego", 526), ("robots-parser", 167)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(by_source, BTreeMap::from(expected));
    let listed = listed();
    let unlisted: Vec<_> = differences.iter().filter(|(case, _)| !listed.contains(*case)).collect();
    assert!(unlisted.is_empty(), "not in differences.txt: {unlisted:#?}");
    let unexpected: Vec<_> = listed.iter().filter(|case| !differences.contains_key(*case)).collect();
    assert!(unexpected.is_empty(), "in differences.txt and no difference: {unexpected:#?}");
}

/// Files that the other parser, a port of an early version of Google's to Rust, reads in another way, and why.
const OTHERWISE: [(&str, &str); 9] = [
    ("stockcharts.com", INDEX_HTML),
    ("theweek.com", STAR_AND_REPEAT),
    ("www.cancerresearchuk.org", INDEX_HTML),
    ("www.jimmyjohns.com", SITEMAP_IN_GROUP),
    ("www.lacourt.org", STAR_AND_REPEAT),
    ("www.pcworld.co.uk", STAR_AND_REPEAT),
    ("www.telstra.com.au", INDEX_HTML),
    ("www.toyoko-inn.com", INDEX_HTML),
    ("www.wsbtv.com", SITEMAP_IN_GROUP),
];
const INDEX_HTML: &str = "it takes an index.html that is allowed for its folder, of which the RFC knows nothing";
const STAR_AND_REPEAT: &str = "it does not find `*xml` in `xxml`";
const SITEMAP_IN_GROUP: &str =
    "a Sitemap line between two User-agent lines parts them there; Google's later tests want one group, as the RFC does";

#[test]
fn real_files_mean_what_googles_parser_says_they_mean() {
    let (mut files, mut asked) = (0, 0);
    let mut differing = BTreeMap::new();
    for entry in fs::read_dir(corpora().join("files")).unwrap() {
        let entry = entry.unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        // The other parser takes text, and neither long lines that are not ASCII nor a byte order mark.
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let text = text.trim_start_matches('\u{feff}');
        if text.split(['\n', '\r']).any(|line| line.len() > 16_000) {
            continue;
        }
        files += 1;
        let token = if files % 2 == 0 { "Googlebot" } else { "Gossamer" };
        let rules = RobotsRules::parse(text.as_bytes(), token);
        let paths = rules.rules().iter().take(15).map(|rule| rule.pattern.replace('*', "x").replace('$', ""));
        // It encodes fewer characters than the RFC asks for, so paths in which any are encoded are left out; and it has no rule for
        // robots.txt itself.
        let paths = paths.filter(|path| path.starts_with('/') && !path.contains('%') && path != "/robots.txt");
        for path in paths.chain(["/".to_owned(), "/x?y=z".to_owned()]) {
            asked += 1;
            let theirs = DefaultMatcher::default().one_agent_allowed_by_robots(text, token, &format!("http://h{path}"));
            let ours = rules.judge(&path);
            if ours.allowed != theirs {
                differing.insert(entry.file_name().into_string().unwrap(), format!("{token} {path}: {ours:?}"));
            }
        }
    }
    assert!(files > 4_000 && asked > 40_000, "{files} files, {asked} questions");
    assert_eq!(differing.keys().map(String::as_str).collect::<Vec<_>>(), OTHERWISE.map(|(file, _)| file), "{differing:#?}");
}

#[test]
fn a_file_of_the_largest_size_is_read_and_asked_in_no_time() {
    let patterns: String = (0..MAX_BODY_BYTES / 20).map(|n| format!("Disallow:*a*{n}\n")).collect();
    let robots = format!("User-agent: *\n{patterns}");
    let begun = SystemTime::now();
    let rules = RobotsRules::parse(robots.as_bytes(), "x");
    assert!(rules.judge(&format!("/{}", "a".repeat(8_000))).allowed);
    let took = begun.elapsed().unwrap_or_default();
    assert!(took < Duration::from_secs(30), "{took:?}");
}
