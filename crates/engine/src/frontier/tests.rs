use super::memory::MemoryFrontier;
use super::testing::{Desk, in_each_place};
use super::*;
use crate::cookies::{Changes, Cookie};
use crate::ledger::{ItemCounts, UrlCounts};
use crate::request::{Cost, Request};
use crate::retry::LOST_ITS_WORKER;
use crate::scheduler::{Health, Ill};
use crate::scope::{KeyRules, LinkRules, Site};
use model::{CrawlName, CrawlUrl, Item, ItemId, ParserRef, PayloadJson, RunId, Secret, SpiderHash};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

fn request(path: &str) -> Request {
    Request::seed(CrawlUrl::parse(&format!("http://h/{path}")).unwrap(), Arc::new(ParserRef::named("page")))
}

fn scope() -> Scope {
    Scope::new([Site::of(&request("").url)], vec![], vec![], None)
}

fn ending(of: &str, fate: Fate) -> Ending {
    Ending { request: Box::new(request(of)), fate }
}

fn page(of: &str, links: &[&str]) -> Ending {
    let links = links.iter().map(|path| request(path)).collect();
    ending(of, Fate::Page(PageEnd { links, ..PageEnd::default() }))
}

fn origins(woken: Vec<(Origin, Health)>) -> Vec<Origin> {
    woken.into_iter().map(|(origin, _)| origin).collect()
}

fn take(frontier: &mut dyn Frontier, most: usize, now: Instant) -> Vec<String> {
    let taken = frontier.take(&request("").url.origin(), most, now).unwrap();
    taken.requests.iter().map(|request| request.url.path_and_query()[1..].to_owned()).collect()
}

fn a_url_is_handed_out_once_in_order_of_priority_then_discovery(frontier: &mut dyn Frontier) {
    let mut first = request("first");
    first.priority = 1;
    frontier.seed(vec![request("a"), request("b"), request("a"), first]).unwrap();
    let now = Instant::now();
    assert_eq!(take(frontier, 2, now), ["first", "a"]);
    frontier.commit(vec![page("a", &["b", "c", "a"]), page("first", &["c", "d"])], &Notes::default(), &scope()).unwrap();
    assert_eq!(take(frontier, 9, now), ["b", "c", "d"]);
    assert_eq!(take(frontier, 9, now), Vec::<String>::new());
}

fn a_second_ending_changes_nothing(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a")]).unwrap();
    take(frontier, 1, Instant::now());
    assert_eq!(frontier.commit(vec![page("a", &["b"])], &Notes::default(), &scope()).unwrap().stale, 0);
    let before = frontier.ledger().clone();
    assert_eq!(frontier.commit(vec![page("a", &["c"])], &Notes::default(), &scope()).unwrap().stale, 1);
    assert_eq!(*frontier.ledger(), before);
}

fn what_scope_refuses_is_counted_by_reason_and_asked_only_for_the_unknown(frontier: &mut dyn Frontier) {
    let mut other = request("x");
    other.url = CrawlUrl::parse("http://other/").unwrap();
    other.key = other.url.dedup_key();
    frontier.seed(vec![request("a")]).unwrap();
    take(frontier, 1, Instant::now());
    let end = PageEnd { links: vec![other.clone(), other, request("a")], refused: vec![("mailto", 3)], ..PageEnd::default() };
    frontier.commit(vec![ending("a", Fate::Page(end))], &Notes::default(), &scope()).unwrap();
    let refused: Vec<(&str, u64)> = frontier.ledger().links_refused.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    assert_eq!(refused, [("mailto", 3), ("other site", 2)]);
    assert_eq!(frontier.ledger().urls.discovered, 1);
}

fn urls_that_differ_in_what_does_not_count_are_one_request(frontier: &mut dyn Frontier) {
    let keys = KeyRules { tracking: true, sessions: true, ..KeyRules::default() };
    let scope = scope().with(LinkRules { keys, ..LinkRules::default() });
    frontier.seed(vec![request("a")]).unwrap();
    let now = Instant::now();
    take(frontier, 1, now);
    let links = ["a?utm_source=x", "b?utm_source=x&c", "b?c", "b;jsessionid=1?c", "b?d"];
    frontier.commit(vec![page("a", &links)], &Notes::default(), &scope).unwrap();
    // Each is fetched as it was found first.
    let taken = frontier.take(&request("").url.origin(), 9, now).unwrap().requests;
    assert_eq!(taken.iter().map(|request| request.url.path_and_query()).collect::<Vec<_>>(), ["/b?utm_source=x&c", "/b?d"]);
    assert_eq!(taken[0].key, request("b?c").key);
    let refused = RejectedItem { key: Some(taken[0].key), ..rejected("b?utm_source=x&c", 0, "bad") };
    let end = PageEnd {
        facts: PageFacts { items: ItemCounts { parsed: 1, rejected: 1, ..ItemCounts::default() }, ..PageFacts::default() },
        rejected: vec![refused.clone()],
        ..PageEnd::default()
    };
    frontier.commit(vec![Ending { request: Box::new(taken[0].clone()), fate: Fate::Page(end) }], &Notes::default(), &scope).unwrap();
    assert_eq!(frontier.rejected(None, 9).unwrap(), [refused]);
    assert_eq!(frontier.requeue(None).unwrap().items, 1);
    let items = frontier.to_send(None, 9).unwrap();
    let resent = items.into_iter().map(|item| Resent { item, answer: Ok(Stored { collided: false }) }).collect();
    frontier.commit(vec![], &Notes { resent, ..Notes::default() }, &scope).unwrap();
    assert_eq!(frontier.ledger().items, ItemCounts { parsed: 1, saved: 1, ..ItemCounts::default() });
    assert!(frontier.ledger().is_balanced());
}

fn traps() -> LinkRules {
    LinkRules { alike: std::num::NonZeroU32::new(3), same_content: std::num::NonZeroU32::new(2), ..LinkRules::default() }
}

fn of_refused(frontier: &dyn Frontier) -> Vec<(&str, u64)> {
    frontier.ledger().links_refused.iter().map(|(reason, n)| (reason.as_str(), *n)).collect()
}

fn urls_alike_have_a_budget_and_what_is_known_costs_none(frontier: &mut dyn Frontier) {
    let scope = scope().with(traps());
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    let now = Instant::now();
    take(frontier, 2, now);
    frontier.commit(vec![page("a", &["d/1", "d/2", "d/1", "x"])], &Notes::default(), &scope).unwrap();
    frontier.commit(vec![page("b", &["d/2", "d/3", "d/4", "d/5", "y"])], &Notes::default(), &scope).unwrap();
    assert_eq!(take(frontier, 9, now), ["d/1", "d/2", "x", "d/3", "y"]);
    assert_eq!(of_refused(frontier), [("trap: too many alike", 2)]);
}

fn pages_of_the_same_content_lead_nowhere_new_after_some(frontier: &mut dyn Frontier) {
    let scope = scope().with(traps());
    let seeds = ["a", "b", "c", "d", "e"];
    frontier.seed(seeds.iter().map(|path| request(path)).collect()).unwrap();
    let now = Instant::now();
    take(frontier, 9, now);
    for (path, content) in [("a", 7), ("b", 7), ("c", 7), ("d", 8), ("e", 7)] {
        let links = vec![request(&format!("{path}/x")), request("a/x")];
        let end = PageEnd { links, content: Some(content), ..PageEnd::default() };
        frontier.commit(vec![ending(path, Fate::Page(end))], &Notes::default(), &scope).unwrap();
    }
    assert_eq!(take(frontier, 9, now), ["a/x", "b/x", "d/x"]);
    assert_eq!(of_refused(frontier), [("trap: same content", 2)]);
}

fn a_retry_waits_for_its_time(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a")]).unwrap();
    let now = Instant::now();
    take(frontier, 1, now);
    let later = now + Duration::from_secs(5);
    frontier.commit(vec![ending("a", Fate::Again { not_before: Some(later) })], &Notes::default(), &scope()).unwrap();
    let taken = frontier.take(&request("").url.origin(), 9, now).unwrap();
    // On disk a time is a whole millisecond, never too early.
    let soon_after = later + Duration::from_millis(1);
    assert_eq!((taken.requests.len(), taken.more), (0, false));
    assert!(taken.later.is_some_and(|time| later <= time && time <= soon_after));
    assert_eq!(take(frontier, 9, soon_after), ["a"]);
}

fn an_origin_given_up_takes_its_queue_and_its_future_along(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a"), request("b"), request("c")]).unwrap();
    let now = Instant::now();
    take(frontier, 1, now);
    let origin = request("").url.origin();
    frontier.give_up(&origin, "origin dead").unwrap();
    // What is in flight is dead with the rest, until it ends otherwise.
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 3, done: 0, dead: 3, skipped: 0, queued: 0 });
    frontier.commit(vec![page("a", &["d"])], &Notes::default(), &scope()).unwrap();
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 4, done: 1, dead: 3, skipped: 0, queued: 0 });
    assert!(frontier.ledger().is_balanced());
    assert_eq!(take(frontier, 9, now), Vec::<String>::new());
    let dead: BTreeSet<String> = frontier.dead(None, 9).unwrap().into_iter().map(|letter| letter.url.path_and_query().to_owned()).collect();
    assert_eq!(dead, ["/b", "/c", "/d"].map(str::to_owned).into());
    let requeued = frontier.requeue(Some("origin dead")).unwrap();
    assert_eq!((requeued.urls, origins(requeued.woken)), (3, vec![origin]));
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 4, done: 1, dead: 0, skipped: 0, queued: 3 });
    assert_eq!(take(frontier, 9, now), ["b", "c", "d"]);
}

fn what_was_never_sent_is_where_it_was(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a"), request("b"), request("c")]).unwrap();
    let now = Instant::now();
    assert_eq!(take(frontier, 2, now), ["a", "b"]);
    let committed = frontier.commit(vec![ending("a", Fate::Unsent)], &Notes::default(), &scope()).unwrap();
    assert_eq!(origins(committed.woken), [request("").url.origin()]);
    assert_eq!(take(frontier, 9, now), ["a", "c"]);
}

fn a_url_says_where_it_is(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    assert_eq!(frontier.find(request("x").key).unwrap(), None);
    take(frontier, 1, Instant::now());
    for (path, expected) in [("a", true), ("b", false)] {
        let whereabouts = frontier.find(request(path).key).unwrap();
        assert!(matches!(whereabouts, Some(Whereabouts::Queued { in_flight, .. }) if in_flight == expected), "{whereabouts:?}");
    }
    let notes = Notes { now_ms: 7, ..Notes::default() };
    frontier.commit(vec![ending("a", Fate::Skipped { reason: "why".to_owned() })], &notes, &scope()).unwrap();
    let story = Story { request: request("a"), end: StoryEnd::Skipped { reason: "why".to_owned() }, at_ms: 7 };
    assert_eq!(frontier.find(request("a").key).unwrap(), Some(Whereabouts::Ended(story)));
}

fn a_dead_url_is_requeued_with_all_its_attempts_and_its_history(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    let now = Instant::now();
    take(frontier, 2, now);
    let mut tried = request("a");
    tried.tries.attempts = 3;
    tried.tries.keep(7, Cost::Attempt, "why");
    let dead = |reason: &str| Fate::Dead { reason: reason.to_owned() };
    let group = vec![Ending { request: Box::new(tried.clone()), fate: dead("one") }, ending("b", dead("other"))];
    frontier.commit(group, &Notes::default(), &scope()).unwrap();
    assert_eq!(frontier.requeue(Some("none")).unwrap().urls, 0);
    assert_eq!(frontier.requeue(Some("one")).unwrap().urls, 1);
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 0, dead: 1, skipped: 0, queued: 1 });
    assert_eq!(frontier.ledger().dead_by_reason, [("other".to_owned(), 1)].into());
    let again = frontier.take(&request("").url.origin(), 9, now).unwrap().requests;
    tried.tries.attempts = 0;
    assert_eq!(again, [tried]);
    assert_eq!(frontier.dead(None, 9).unwrap(), [DeadLetter::of(request("b"), "other".to_owned())]);
}

fn rejected(page: &str, ordinal: u32, reason: &str) -> RejectedItem {
    let url = request(page).url;
    let item = Item {
        url: url.clone(),
        item_type: "t".to_owned(),
        id: ItemId::given("i").unwrap(),
        payload: PayloadJson::parse("{}".to_owned()).unwrap(),
    };
    RejectedItem { page: url, fetched_at_ms: 1, version: 2, key: None, ordinal, item, reason: reason.to_owned() }
}

fn a_refused_item_is_kept_whole_and_sent_again_without_a_fetch(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a")]).unwrap();
    take(frontier, 1, Instant::now());
    let items = ItemCounts { parsed: 3, saved: 1, rejected: 2, ..ItemCounts::default() };
    let refused = vec![rejected("a", 0, "one"), rejected("a", 2, "two")];
    let end = PageEnd { facts: PageFacts { items, ..PageFacts::default() }, rejected: refused.clone(), ..PageEnd::default() };
    frontier.commit(vec![ending("a", Fate::Page(end))], &Notes::default(), &scope()).unwrap();
    assert!(frontier.ledger().is_balanced());
    assert_eq!(frontier.rejected(None, 9).unwrap(), refused);
    let requeued = frontier.requeue(None).unwrap();
    assert_eq!((requeued.urls, requeued.items), (0, 2));
    assert_eq!((frontier.rejected(None, 9).unwrap(), frontier.to_send(None, 9).unwrap()), (vec![], refused.clone()));
    assert_eq!(frontier.to_send(Some(refused[0].place()), 9).unwrap(), refused[1..]);
    let resent = vec![
        Resent { item: refused[0].clone(), answer: Ok(Stored { collided: false }) },
        Resent { item: refused[1].clone(), answer: Err("three".to_owned()) },
    ];
    frontier.commit(vec![], &Notes { resent, ..Notes::default() }, &scope()).unwrap();
    let expected = ItemCounts { parsed: 3, saved: 2, rejected: 1, ..ItemCounts::default() };
    assert_eq!((frontier.ledger().items, frontier.to_send(None, 9).unwrap()), (expected, vec![]));
    assert_eq!(frontier.rejected(None, 9).unwrap(), [rejected("a", 2, "three")]);
    assert_eq!(frontier.ledger().rejected_by_reason, [("three".to_owned(), 1)].into());
    let Some(Whereabouts::Ended(Story { end: StoryEnd::Page(facts), .. })) = frontier.find(request("a").key).unwrap() else { panic!() };
    assert_eq!(facts.items, expected);
}

fn a_redirect_to_itself_is_the_same_request_and_one_back_reopens_its_source(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a")]).unwrap();
    let now = Instant::now();
    take(frontier, 1, now);
    let redirected = |of: &str, to: &str, revisit| ending(of, Fate::Redirected { target: Box::new(request(to)), revisit });
    frontier.commit(vec![redirected("a", "a", true)], &Notes::default(), &scope()).unwrap();
    assert_eq!(take(frontier, 9, now), ["a"]);
    frontier.commit(vec![redirected("a", "b", false)], &Notes::default(), &scope()).unwrap();
    assert_eq!(take(frontier, 9, now), ["b"]);
    frontier.commit(vec![redirected("b", "a", true)], &Notes::default(), &scope()).unwrap();
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 1, dead: 0, skipped: 0, queued: 1 });
    assert_eq!(take(frontier, 9, now), ["a"]);
    frontier.commit(vec![page("a", &[])], &Notes::default(), &scope()).unwrap();
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 2, dead: 0, skipped: 0, queued: 0 });
}

fn nothing_is_queued_again_for_an_origin_that_was_given_up(frontier: &mut dyn Frontier) {
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    take(frontier, 2, Instant::now());
    frontier.give_up(&request("").url.origin(), "origin dead").unwrap();
    let target = Box::new(request("a"));
    let group = vec![ending("a", Fate::Redirected { target, revisit: true }), ending("b", Fate::Again { not_before: None })];
    assert_eq!(frontier.commit(group, &Notes::default(), &scope()).unwrap().woken.len(), 0);
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 0, dead: 2, skipped: 0, queued: 0 });
}

fn another_parser_for_a_known_url_is_counted(frontier: &mut dyn Frontier) {
    let mut other = request("a");
    other.parser = Arc::new(ParserRef::named("other"));
    frontier.seed(vec![request("a"), other]).unwrap();
    assert_eq!(frontier.ledger().parser_conflicts, 1);
}

/// Every behaviour of a frontier, over each storage.
fn notes_with_cookies(domain: &str, values: &[&str]) -> Notes {
    let cookie = |(number, value): (usize, &&str)| Cookie {
        name: format!("n{number}"),
        value: Secret::new(*value),
        host_only: true,
        path: "/".to_owned(),
        secure: false,
        expires_ms: None,
        number: number as u64,
    };
    Notes { cookies: [(domain.to_owned(), values.iter().enumerate().map(cookie).collect())].into(), ..Notes::default() }
}

fn cookies_of_a_domain_take_the_place_of_those_it_had(frontier: &mut dyn Frontier) {
    assert_eq!(frontier.cookies().unwrap(), Changes::new());
    let (first, second) = (notes_with_cookies("a", &["1", "2"]), notes_with_cookies("b", &["3"]));
    for notes in [&notes_with_cookies("a", &["0"]), &first, &second] {
        frontier.commit(vec![], notes, &scope()).unwrap();
    }
    let both: Changes = first.cookies.into_iter().chain(second.cookies.clone()).collect();
    assert_eq!(frontier.cookies().unwrap(), both);
    frontier.commit(vec![], &notes_with_cookies("a", &[]), &scope()).unwrap();
    assert_eq!(frontier.cookies().unwrap(), second.cookies);
}

macro_rules! conformance {
    ($($behaviour:ident)*) => {
        mod memory {
            use super::*;
            $(#[test] fn $behaviour() { super::$behaviour(&mut MemoryFrontier::in_memory()); })*
        }
        mod kept {
            $(fn $behaviour(desk: &super::Desk) {
                super::$behaviour(&mut *super::open(desk));
                super::assert_sound(desk);
            })*
            super::in_each_place! { $($behaviour)* }
        }
    };
}

conformance! {
    a_url_is_handed_out_once_in_order_of_priority_then_discovery
    a_second_ending_changes_nothing
    cookies_of_a_domain_take_the_place_of_those_it_had
    what_scope_refuses_is_counted_by_reason_and_asked_only_for_the_unknown
    urls_that_differ_in_what_does_not_count_are_one_request
    urls_alike_have_a_budget_and_what_is_known_costs_none
    pages_of_the_same_content_lead_nowhere_new_after_some
    a_retry_waits_for_its_time
    an_origin_given_up_takes_its_queue_and_its_future_along
    a_redirect_to_itself_is_the_same_request_and_one_back_reopens_its_source
    what_was_never_sent_is_where_it_was
    a_url_says_where_it_is
    a_dead_url_is_requeued_with_all_its_attempts_and_its_history
    a_refused_item_is_kept_whole_and_sent_again_without_a_fetch
    nothing_is_queued_again_for_an_origin_that_was_given_up
    another_parser_for_a_known_url_is_counted
}

fn opening(new: CrawlRecord, is_parser: &dyn Fn(&str) -> bool) -> Opening<'_> {
    Opening { new, is_parser, parsing: Vec::new(), rescan: false }
}

fn assert_sound(desk: &Desk) {
    assert_eq!(check(&*desk.place(), false).unwrap().faults, BTreeMap::new());
}

/// Opens a frontier, as a process does that finds one or makes one.
fn open(desk: &Desk) -> Box<TableFrontier> {
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
    match TableFrontier::open(&*desk.place(), opening(new, &|_| true)).unwrap() {
        Opened::Ready(frontier, _) => frontier,
        Opened::Complete(_) => panic!("complete"),
    }
}

fn record(desk: &Desk) -> CrawlRecord {
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
    match TableFrontier::open(&*desk.place(), opening(new, &|_| true)).unwrap() {
        Opened::Ready(_, record) | Opened::Complete(record) => record,
    }
}

fn budgets_against_traps_go_on_after_a_restart(desk: &Desk) {
    let now = Instant::now();
    let scope = scope().with(traps());
    let mut frontier = open(desk);
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    take(&mut *frontier, 1, now);
    frontier.commit(vec![page("a", &["d/1", "d/2"])], &Notes::default(), &scope).unwrap();
    drop(frontier);
    let mut frontier = open(desk);
    take(&mut *frontier, 1, now);
    frontier.commit(vec![page("b", &["d/3", "d/4"])], &Notes::default(), &scope).unwrap();
    assert_eq!(take(&mut *frontier, 9, now), ["d/1", "d/2", "d/3"]);
    assert_eq!(of_refused(&*frontier), [("trap: too many alike", 1)]);
}

fn what_is_committed_is_there_after_a_restart_and_what_was_in_flight_is_queued(desk: &Desk) {
    let now = Instant::now();
    let mut frontier = open(desk);
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    assert_eq!(take(&mut *frontier, 1, now), ["a"]);
    let mut tried = request("b");
    tried.tries.attempts = 2;
    tried.referrer = Some(Arc::new(request("a").url));
    let output = Some(OutputMark { file: "f".to_owned(), bytes: 7 });
    let cookies = notes_with_cookies("h", &["1"]).cookies;
    let notes = Notes { versions: 9, output, sites: vec![Site::of(&request("").url)], cookies: cookies.clone(), ..Notes::default() };
    frontier.commit(vec![page("a", &["c"])], &notes, &scope()).unwrap();
    assert_eq!(take(&mut *frontier, 1, now), ["b"]);
    let again = Fate::Again { not_before: Some(now + Duration::from_secs(3600)) };
    let group = vec![Ending { request: Box::new(tried.clone()), fate: again }];
    frontier.commit(group, &Notes::default(), &scope()).unwrap();
    assert_eq!(take(&mut *frontier, 9, now), ["c"]);
    let ledger = frontier.ledger().clone();
    drop(frontier);

    let mut frontier = open(desk);
    assert_eq!(frontier.cookies().unwrap(), cookies);
    assert_eq!(*frontier.ledger(), ledger);
    let woken = frontier.seed(vec![request("a")]).unwrap().woken;
    assert_eq!(origins(woken), [request("").url.origin()]);
    assert_eq!(take(&mut *frontier, 9, now), ["c"]);
    let later = Instant::now() + Duration::from_secs(3601);
    let taken = frontier.take(&request("").url.origin(), 9, later).unwrap().requests;
    assert_eq!(taken, [tried]);
    drop(frontier);
    let record = record(desk);
    assert_eq!((record.epoch, record.restarts(), record.versions, record.output.unwrap().bytes), (3, 2, 9, 7));
    assert_eq!(record.sites, [Site::of(&request("").url)]);
}

fn the_health_of_an_origin_is_there_after_a_restart(desk: &Desk) {
    let (now, origin) = (Instant::now(), request("").url.origin());
    let mut frontier = open(desk);
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    take(&mut *frontier, 1, now);
    let (due, until) = (now + Duration::from_secs(60), now + Duration::from_secs(90));
    let ill = Some(Ill { lasted: Duration::from_secs(5), failures: 2, until });
    let health = vec![(
        origin.clone(),
        Health {
            answered: true,
            due: Some(due),
            crawl_delay: Some(Duration::from_secs(3)),
            pace: Some(Duration::from_millis(1500)),
            address: Some([192, 0, 2, 7].into()),
            ill,
            pages: 0,
        },
    )];
    frontier.commit(vec![page("a", &[])], &Notes { health, ..Notes::default() }, &scope()).unwrap();
    drop(frontier);
    let mut frontier = open(desk);
    let [(found, health)] = &frontier.seed(vec![]).unwrap().woken[..] else { panic!() };
    let ill = health.ill.as_ref().unwrap();
    assert_eq!((found, health.answered, health.pages, ill.lasted, ill.failures), (&origin, true, 1, Duration::from_secs(5), 2));
    // A millisecond is the precision on disk.
    for (kept, was) in [(health.due.unwrap(), due), (ill.until, until)] {
        assert!(kept.max(was) - kept.min(was) <= Duration::from_millis(2));
    }
}

fn a_page_that_was_being_parsed_when_its_process_ended_has_a_loss_once(desk: &Desk) {
    let now = Instant::now();
    let mut frontier = open(desk);
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    drop(frontier);
    let open_after = |epoch| {
        let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
        let parsing = vec![(request("a").key, epoch), (request("x").key, epoch)];
        match TableFrontier::open(&*desk.place(), Opening { parsing, ..opening(new, &|_| true) }).unwrap() {
            Opened::Ready(frontier, _) => frontier,
            Opened::Complete(_) => panic!("complete"),
        }
    };
    let losses = |frontier: &mut TableFrontier| {
        let requests = frontier.take(&request("").url.origin(), 9, now).unwrap().requests;
        requests
            .iter()
            .map(|request| (request.url.path_and_query().to_owned(), request.tries.losses, request.tries.losses_alone))
            .collect::<Vec<_>>()
    };
    let row = |path: &str, losses, alone| (path.to_owned(), losses, alone);
    // Epoch 1 was parsing it; a journal that was not begun anew since says so again, and that is no news.
    assert_eq!(losses(&mut open_after(1)), [row("/b", 0, 0), row("/a", 1, 0)]);
    assert_eq!(losses(&mut open_after(1)), [row("/b", 0, 0), row("/a", 1, 0)]);
    for (epoch, expected) in [(3, (2, 0)), (4, (3, 0)), (5, (4, 1)), (6, (5, 2))] {
        assert_eq!(losses(&mut open_after(epoch)), [row("/b", 0, 0), row("/a", expected.0, expected.1)]);
    }
    let frontier = open_after(7);
    assert_eq!(frontier.ledger().dead_by_reason, [(LOST_ITS_WORKER.to_owned(), 1)].into());
    assert_eq!(frontier.ledger().urls.queued, 1);
}

fn a_rescan_queues_again_what_is_done_and_takes_its_counts_back(desk: &Desk) {
    let mut frontier = open(desk);
    frontier.seed(vec![request("a"), request("b"), request("c"), request("d")]).unwrap();
    take(&mut *frontier, 3, Instant::now());
    let items = ItemCounts { parsed: 2, saved: 1, rejected: 1, ..ItemCounts::default() };
    let end = PageEnd { facts: PageFacts { items, ..PageFacts::default() }, rejected: vec![rejected("a", 0, "one")], ..PageEnd::default() };
    let group = vec![
        ending("a", Fate::Page(end)),
        ending("b", Fate::Skipped { reason: "why".to_owned() }),
        ending("c", Fate::Dead { reason: "why".to_owned() }),
    ];
    frontier.commit(group, &Notes::default(), &scope()).unwrap();
    drop(frontier);
    let new = CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None);
    let opening = Opening { rescan: true, ..opening(new, &|_| true) };
    let Opened::Ready(mut frontier, record) = TableFrontier::open(&*desk.place(), opening).unwrap() else { panic!() };
    let mut expected = Ledger { urls: UrlCounts { discovered: 4, done: 0, dead: 1, skipped: 0, queued: 3 }, ..Ledger::default() };
    expected.dead_by_reason = [("why".to_owned(), 1)].into();
    assert_eq!((frontier.ledger(), &record.ledger, record.rescanning), (&expected, &expected, false));
    assert_eq!(frontier.rejected(None, 9).unwrap(), []);
    let mut again = take(&mut *frontier, 9, Instant::now());
    again.sort();
    assert_eq!(again, ["a", "b", "d"]);
    drop(frontier);
    assert_sound(desk);
}

fn a_complete_crawl_says_so_and_is_left_alone(desk: &Desk) {
    let mut frontier = open(desk);
    frontier.seed(vec![request("a")]).unwrap();
    take(&mut *frontier, 1, Instant::now());
    frontier.commit(vec![page("a", &[])], &Notes::default(), &scope()).unwrap();
    frontier.complete().unwrap();
    drop(frontier);
    for _ in 0..2 {
        let record = record(desk);
        assert_eq!((record.complete, record.epoch, record.ledger.urls.done), (true, 1, 1));
    }
}

fn an_origin_given_up_stays_given_up_after_a_restart(desk: &Desk) {
    let mut frontier = open(desk);
    frontier.seed(vec![request("a")]).unwrap();
    frontier.give_up(&request("").url.origin(), "origin dead").unwrap();
    drop(frontier);
    let mut frontier = open(desk);
    frontier.seed(vec![request("b")]).unwrap();
    assert_eq!(frontier.ledger().urls, UrlCounts { discovered: 2, done: 0, dead: 2, skipped: 0, queued: 0 });
}

fn a_changed_spider_without_the_parsers_that_are_queued_is_refused_with_their_numbers(desk: &Desk) {
    let mut frontier = open(desk);
    frontier.seed(vec![request("a"), request("b")]).unwrap();
    drop(frontier);
    let new = || CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(2), Some(SpiderHash::of(b"changed")));
    for _ in 0..2 {
        let refused = TableFrontier::open(&*desk.place(), opening(new(), &|name| name != "page")).err().unwrap();
        assert!(refused.to_string().contains("2 for page"), "{refused}");
    }
    assert!(TableFrontier::open(&*desk.place(), opening(new(), &|name| name == "page")).is_ok());
}

in_each_place! {
    budgets_against_traps_go_on_after_a_restart
    what_is_committed_is_there_after_a_restart_and_what_was_in_flight_is_queued
    the_health_of_an_origin_is_there_after_a_restart
    a_page_that_was_being_parsed_when_its_process_ended_has_a_loss_once
    a_rescan_queues_again_what_is_done_and_takes_its_counts_back
    a_complete_crawl_says_so_and_is_left_alone
    an_origin_given_up_stays_given_up_after_a_restart
    a_changed_spider_without_the_parsers_that_are_queued_is_refused_with_their_numbers
}

proptest! {
    /// Any order of takes and endings hands every reachable URL out exactly once per life and keeps the ledger balanced.
    #[test]
    fn any_crawl_of_any_graph_visits_what_a_walk_visits(
        graph in proptest::collection::vec(proptest::collection::vec(0usize..12, 0..5), 12),
        choices in proptest::collection::vec((0usize..3, 0usize..4), 1..80),
    ) {
        let mut reachable = BTreeSet::from([0]);
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            for next in &graph[node] {
                if reachable.insert(*next) { open.push(*next); }
            }
        }
        let mut frontier = MemoryFrontier::in_memory();
        frontier.seed(vec![request("0")]).unwrap();
        let now = Instant::now();
        let mut in_flight: VecDeque<String> = VecDeque::new();
        let mut fetched: Vec<usize> = Vec::new();
        let mut failed = BTreeSet::new();
        let mut choices = choices.into_iter().cycle();
        while frontier.ledger().urls.queued > 0 {
            let (most, fate) = choices.next().unwrap();
            in_flight.extend(take(&mut frontier, most + 1, now));
            let Some(path) = in_flight.pop_front() else { continue };
            let node: usize = path.parse().unwrap();
            if fate == 0 && failed.insert(node) {
                frontier.commit(vec![ending(&path, Fate::Again { not_before: None })], &Notes::default(), &scope()).unwrap();
            } else {
                fetched.push(node);
                let links: Vec<String> = graph[node].iter().map(ToString::to_string).collect();
                let links: Vec<&str> = links.iter().map(String::as_str).collect();
                frontier.commit(vec![page(&path, &links)], &Notes::default(), &scope()).unwrap();
            }
            prop_assert!(frontier.ledger().is_balanced());
        }
        fetched.sort_unstable();
        prop_assert_eq!(fetched, reachable.into_iter().collect::<Vec<_>>());
    }
}

/// A crawl with a kill at any moment: what was in flight is fetched again, and every URL is committed exactly once.
fn crawl_with_kills(desk: &Desk, graph: &[Vec<usize>], steps: Vec<(usize, bool, bool)>) {
    let mut reachable = BTreeSet::from([0]);
    let mut open_nodes = vec![0];
    while let Some(node) = open_nodes.pop() {
        for next in &graph[node] {
            if reachable.insert(*next) {
                open_nodes.push(*next);
            }
        }
    }
    let mut frontier = open(desk);
    frontier.seed(vec![request("0")]).unwrap();
    let mut in_flight: VecDeque<String> = VecDeque::new();
    let mut committed: Vec<usize> = Vec::new();
    let mut kills = 0;
    let mut steps = steps.into_iter().cycle();
    while frontier.ledger().urls.queued > 0 {
        let (most, kill, late) = steps.next().unwrap();
        if kill && kills < 4 {
            kills += 1;
            drop(frontier);
            frontier = open(desk);
            in_flight.clear();
            frontier.seed(vec![request("0")]).unwrap();
        }
        in_flight.extend(take(&mut *frontier, most + 1, Instant::now()));
        let Some(path) = (if late { in_flight.pop_back() } else { in_flight.pop_front() }) else { continue };
        let node: usize = path.parse().unwrap();
        let links: Vec<String> = graph[node].iter().map(ToString::to_string).collect();
        let links: Vec<&str> = links.iter().map(String::as_str).collect();
        let answer = frontier.commit(vec![page(&path, &links)], &Notes::default(), &scope()).unwrap();
        assert_eq!(answer.stale, 0);
        committed.push(node);
        assert!(frontier.ledger().is_balanced());
    }
    committed.sort_unstable();
    assert_eq!(committed, reachable.into_iter().collect::<Vec<_>>());
    drop(frontier);
    assert_sound(desk);
}

proptest! {
    // A frontier is opened some thousand times.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_crawl_survives_kills_at_any_moment(
        graph in proptest::collection::vec(proptest::collection::vec(0usize..8, 0..4), 8),
        steps in proptest::collection::vec((0usize..3, any::<bool>(), any::<bool>()), 1..30),
    ) {
        for desk in [Desk::disk(), Desk::database()] {
            crawl_with_kills(&desk, &graph, steps.clone());
        }
    }
}
