//! Writes a state directory as this version does, with a URL in every state: `cargo run -p engine --example state_of_this_version DIR`.
//!
//! One is kept for every format there was (`tests/state/FORMAT`), so that later versions prove that they open it. Make a new one when the
//! format's number changes; never change an old one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engine::frontier::{
    CrawlRecord, DiskPlace, Ending, Fate, Frontier, Notes, Opened, Opening, PageEnd, PageFacts, RejectedItem, TableFrontier,
};
use engine::ledger::ItemCounts;
use engine::request::{Cost, Request};
use engine::scheduler::{Health, Ill};
use engine::scope::{Scope, Site, UrlRules};
use model::{CrawlName, CrawlUrl, Item, ItemId, ParserRef, PayloadJson, RunId};
use tokio::time::Instant;

/// Milliseconds since the Unix epoch at which it all happens: 2026-01-01.
const NOW_MS: u64 = 1_767_225_600_000;

fn request(url: &str) -> Request {
    Request::seed(CrawlUrl::parse(url).expect("a URL"), Arc::new(ParserRef::named("page")))
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("the directory to write"));
    std::fs::create_dir_all(&folder).expect("it can be made");
    let new = CrawlRecord::new(CrawlName::new("example").expect("a name"), RunId(7), None);
    let opening = Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false };
    let Opened::Ready(mut frontier, _) =
        TableFrontier::open(&DiskPlace::new(folder.join("frontier"), Duration::ZERO), opening).expect("a frontier")
    else {
        unreachable!("it is new")
    };
    let deny = regex::Regex::new("/private/").expect("an expression");
    let rules = UrlRules { allow: vec![], deny: vec![deny] };
    let seeds = ["a", "b", "c", "d", "e"].map(|path| request(&format!("http://h.example/{path}")));
    let gone = request("http://gone.example/");
    let scope = Scope::new([&seeds[0], &gone].map(|seed| Site::of(&seed.url)), vec![], vec![rules], Some(5));
    frontier.keep_scope(&scope).expect("a commit");
    frontier.seed(seeds.iter().cloned().chain([gone.clone()]).collect()).expect("a commit");

    let now = Instant::now();
    let taken = frontier.take(&seeds[0].url.origin(), 5, now).expect("it can be read").requests;
    let [page, skipped, mut dead, redirected, mut again]: [Box<Request>; 5] =
        taken.into_iter().map(Box::new).collect::<Vec<_>>().try_into().expect("all five are due");
    let items = ItemCounts { parsed: 2, saved: 1, rejected: 1, ..ItemCounts::default() };
    let facts = PageFacts {
        status: 200,
        bytes: 99,
        fetched_at_ms: NOW_MS,
        version: NOW_MS,
        links: 2,
        items,
        worker: ":9000".to_owned(),
        validators: None,
    };
    let item = Item {
        url: page.url.clone(),
        item_type: "thing".to_owned(),
        id: ItemId::given("1").expect("an id"),
        payload: PayloadJson::parse("{\"n\":1}".to_owned()).expect("JSON"),
    };
    let reason = "a reason".to_owned();
    let rejected = RejectedItem { page: page.url.clone(), fetched_at_ms: NOW_MS, version: NOW_MS, key: None, ordinal: 1, item, reason };
    let referrer = Arc::new(page.url.clone());
    let link = |path: &str| Request { depth: 1, referrer: Some(Arc::clone(&referrer)), ..request(&format!("http://h.example/{path}")) };
    let links = vec![link("found"), link("private/not")];
    dead.tries.keep(NOW_MS, Cost::End, "redirect loop");
    again.tries.keep(NOW_MS, Cost::Attempt, "wrong status code: 500");
    again.tries.attempts = 1;
    let target = Box::new(Request { depth: 0, referrer: None, ..link("target") });
    let group = vec![
        Ending { request: page, fate: Fate::Page(PageEnd { links, facts, rejected: vec![rejected], ..PageEnd::default() }) },
        Ending { request: skipped, fate: Fate::Skipped { reason: "wrong status code: 404".to_owned() } },
        Ending { request: dead, fate: Fate::Dead { reason: "redirect loop".to_owned() } },
        Ending { request: redirected, fate: Fate::Redirected { target, revisit: false } },
        Ending { request: again, fate: Fate::Again { not_before: Some(now + Duration::from_secs(60)) } },
    ];
    let ill = Some(Ill { lasted: Duration::from_secs(3), failures: 1, until: now + Duration::from_secs(9) });
    let health = vec![(seeds[0].url.origin(), Health { answered: true, due: Some(now), ill, ..Health::default() })];
    let notes = Notes { now_ms: NOW_MS, versions: NOW_MS, health, ..Notes::default() };
    frontier.commit(group, &notes, &scope).expect("a commit");
    frontier.give_up(&gone.url.origin(), "origin dead: connection refused").expect("a commit");
}
