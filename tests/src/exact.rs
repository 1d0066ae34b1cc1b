//! Exact comparisons: the site's log, the report and the store against what the site holds.

use std::collections::BTreeMap;

use mockserver::Section;
use serde_json::Value;

use crate::crawl::Finished;
use crate::report::{Items, Report, Urls};
use crate::site::PracticeSite;
use crate::store::StoredItem;

/// The crawl ended well and complete, and its numbers are those of the section.
///
/// # Panics
/// When anything differs; so do the others.
pub fn assert_complete(finished: &Finished, section: &Section) {
    let Finished { exit, report, .. } = finished;
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert_complete_report(report, section);
    assert_eq!(exit.stdout, "", "standard output is for results");
}

/// The report is that of a complete crawl, and its numbers are those of the section.
pub fn assert_complete_report(report: &Report, section: &Section) {
    let (pages, items) = (section.pages.len() as u64, section.items.len() as u64);
    assert!(report.complete);
    assert_eq!(report.stopped_by, None);
    assert_eq!(report.urls, Urls { discovered: pages, done: pages, dead: 0, skipped: 0, queued: 0 });
    assert_eq!(report.pages, pages);
    assert_eq!(report.items, Items { parsed: items, saved: items, rejected: 0, collided: 0 });
}

/// Every page of the section was asked for exactly once, and nothing else was.
pub fn assert_fetched_once(site: &PracticeSite, section: &Section) {
    let expected: BTreeMap<String, u64> = section.pages.iter().map(|page| (page.clone(), 1)).collect();
    assert_same(&site.fetched(), &expected);
}

/// Every page of the section was asked for, and nothing else was. Returns how many requests were repetitions.
pub fn assert_fetched(site: &PracticeSite, section: &Section) -> u64 {
    let fetched = site.fetched();
    let once = |pages: &mut dyn Iterator<Item = &String>| pages.map(|page| (page.clone(), 1)).collect::<BTreeMap<_, u64>>();
    assert_same(&once(&mut fetched.keys()), &once(&mut section.pages.iter()));
    fetched.values().sum::<u64>() - fetched.len() as u64
}

/// The store holds the section's items, each once, with type, id and all fields, and nothing else.
pub fn assert_stored(items: &[StoredItem], section: &Section) {
    let stored = items.iter().map(|item| ((item.item_type.clone(), item.id.clone()), (item.url.clone(), item.payload.clone())));
    let stored: Vec<_> = stored.collect();
    let expected = section.items.iter().map(|item| {
        let payload: Value = serde_json::to_value(&item.payload).expect("a payload is plain data");
        ((item.item_type.clone(), item.id.clone()), (item.url.clone(), payload))
    });
    let expected: BTreeMap<_, _> = expected.collect();
    assert_eq!(stored.len(), section.items.len(), "each item is stored once");
    assert_same(&stored.into_iter().collect(), &expected);
}

/// Two tables are the same; if not, only what differs is shown.
pub fn assert_same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(found: &BTreeMap<K, V>, expected: &BTreeMap<K, V>) {
    let wrong: Vec<_> = found.iter().filter(|(key, value)| expected.get(key) != Some(value)).collect();
    let missing: Vec<_> = expected.iter().filter(|(key, _)| !found.contains_key(key)).collect();
    assert!(wrong.is_empty() && missing.is_empty(), "found and not expected so: {wrong:#?}\nmissing: {missing:#?}");
}
