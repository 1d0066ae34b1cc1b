use std::collections::HashMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use model::{CrawlUrl, ParserRef};
use proptest::prelude::*;

use super::*;

fn rules(delay: Option<u64>, per_host: Option<usize>) -> HostRules {
    HostRules {
        delay: delay.map(Duration::from_secs),
        per_host: per_host.and_then(NonZeroUsize::new),
        max_pages: None,
        jitter: 0.0,
        throttle: None,
        per_address: None,
        by: PolitenessBy::Host,
        ignore_robots: false,
        overrides: Vec::new(),
        backoff: Duration::from_secs(1),
        give_up: Duration::from_secs(3600),
        give_up_unanswered: Duration::from_secs(60),
    }
}

fn request(url: &str) -> Request {
    Request::seed(CrawlUrl::parse(url).unwrap(), Arc::new(ParserRef::named("page")))
}

fn origin(url: &str) -> Origin {
    request(url).url.origin()
}

fn fill(scheduler: &mut Scheduler, base: &str, n: usize, now: Instant) {
    let requests = (0..n).map(|i| request(&format!("{base}{i}"))).collect();
    refill(scheduler, &origin(base), requests, false, None, now);
}

/// Fills a window for whose origin everything is allowed.
fn refill(scheduler: &mut Scheduler, origin: &Origin, requests: Vec<Request>, more: bool, later: Option<Instant>, now: Instant) {
    let rules = Arc::new(model::RobotsRules::allow_all());
    scheduler.read_robots(origin, Some(KnownRobots { rules, until: now + 1000 * ROBOTS_KEPT }), now);
    scheduler.refill(origin, requests, more, later, now);
}

fn pop(scheduler: &mut Scheduler, now: Instant) -> String {
    match scheduler.next(now) {
        Next::Request(request, _) => request.url.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_public_host_gets_one_request_a_second_counted_from_the_end_of_the_last() {
    let mut scheduler = Scheduler::new(rules(None, None));
    let start = Instant::now();
    fill(&mut scheduler, "http://a.example/", 2, start);
    assert_eq!(pop(&mut scheduler, start), "http://a.example/0");
    assert_eq!(scheduler.next(start + 9 * PUBLIC_DELAY), Next::Wait(None));
    let end = start + Duration::from_millis(300);
    scheduler.ended(&origin("http://a.example/"), Slot::Free, None, end, 0.0);
    assert_eq!(scheduler.next(end), Next::Wait(Some(end + PUBLIC_DELAY)));
    assert_eq!(pop(&mut scheduler, end + PUBLIC_DELAY), "http://a.example/1");
}

#[test]
fn a_request_that_is_not_dispatched_costs_its_host_no_delay() {
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    let now = Instant::now();
    fill(&mut scheduler, "http://a/", 3, now);
    for n in 0..3 {
        assert_eq!(pop(&mut scheduler, now), format!("http://a/{n}"));
        assert_eq!(scheduler.next(now), Next::Wait(None));
        scheduler.returned(&origin("http://a/"), now);
    }
}

#[test]
fn this_machine_has_no_delay_and_per_host_limits_what_is_in_flight() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(None, Some(2)));
    fill(&mut scheduler, "http://127.0.0.1/", 3, now);
    pop(&mut scheduler, now);
    pop(&mut scheduler, now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    scheduler.ended(&origin("http://127.0.0.1/"), Slot::Free, None, now, 0.0);
    pop(&mut scheduler, now);
}

#[test]
fn hosts_take_turns_however_long_their_queues() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    fill(&mut scheduler, "http://a/", 50, now);
    fill(&mut scheduler, "http://b/", 2, now);
    let order: Vec<String> = (0..4).map(|_| pop(&mut scheduler, now)).collect();
    assert_eq!(order, ["http://a/0", "http://b/0", "http://a/1", "http://b/1"]);
}

#[test]
fn origins_of_one_host_share_its_clock_and_take_turns() {
    let start = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    fill(&mut scheduler, "http://a:1/", 2, start);
    fill(&mut scheduler, "http://a:2/", 2, start);
    let mut now = start;
    let mut order = Vec::new();
    for _ in 0..4 {
        let url = pop(&mut scheduler, now);
        assert_eq!(scheduler.next(now), Next::Wait(None));
        scheduler.ended(&origin(&url), Slot::Free, None, now, 0.0);
        order.push(url);
        now += Duration::from_secs(1);
    }
    assert_eq!(order, ["http://a:1/0", "http://a:2/0", "http://a:1/1", "http://a:2/1"]);
}

fn wake(scheduler: &mut Scheduler, url: &str, now: Instant) {
    scheduler.wake(&origin(url), &Health::default(), now);
}

/// What the scheduler asks the frontier for.
fn wants(scheduler: &mut Scheduler) -> Vec<(String, usize)> {
    std::iter::from_fn(|| scheduler.wants()).map(|Want { origin, most, .. }| (origin.to_string(), most)).collect()
}

#[test]
fn an_empty_window_is_asked_for_once_when_its_host_is_due_and_not_before() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    wake(&mut scheduler, "http://a/", now);
    assert_eq!(wants(&mut scheduler), []);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(wants(&mut scheduler), [("http://a".to_owned(), POLITE_WINDOW)]);
    let later = now + Duration::from_secs(7);
    refill(&mut scheduler, &origin("http://a/"), vec![], false, Some(later), now);
    assert_eq!(scheduler.next(now), Next::Wait(Some(later)));
    assert_eq!(wants(&mut scheduler), []);
    assert_eq!(scheduler.next(later), Next::Wait(None));
    assert_eq!(wants(&mut scheduler).len(), 1);
    refill(&mut scheduler, &origin("http://a/"), vec![], false, None, later);
    assert_eq!(scheduler.next(later), Next::Wait(None));
    assert_eq!(wants(&mut scheduler), []);
}

#[test]
fn what_is_found_while_the_frontier_is_asked_is_not_forgotten() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    wake(&mut scheduler, "http://a/", now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(wants(&mut scheduler), [("http://a".to_owned(), WINDOW)]);
    wake(&mut scheduler, "http://a/", now);
    refill(&mut scheduler, &origin("http://a/"), vec![], false, None, now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(wants(&mut scheduler), [("http://a".to_owned(), WINDOW)]);
}

#[test]
fn a_window_is_asked_for_again_when_half_of_it_is_left() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    let requests = (0..10).map(|i| request(&format!("http://a/{i}"))).collect();
    refill(&mut scheduler, &origin("http://a/"), requests, true, None, now);
    for _ in 0..4 {
        pop(&mut scheduler, now);
    }
    assert_eq!(wants(&mut scheduler), []);
    for _ in 0..6 {
        pop(&mut scheduler, now);
    }
    assert_eq!(wants(&mut scheduler), [("http://a".to_owned(), WINDOW)]);
}

#[test]
fn windows_get_smaller_the_more_there_are_and_all_together_hold_a_bounded_number() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    let hosts = 100_000;
    for host in 0..hosts {
        wake(&mut scheduler, &format!("http://h{host}/"), now);
    }
    assert_eq!(scheduler.next(now), Next::Wait(None));
    let asked: usize = wants(&mut scheduler).into_iter().map(|(_, most)| most).sum();
    assert!(asked <= HELD + hosts, "{asked}");
}

#[test]
fn hosts_are_forgotten_once_nothing_about_them_matters() {
    let start = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    for host in 0..1_000 {
        fill(&mut scheduler, &format!("http://h{host}/"), 1, start);
    }
    for _ in 0..1_000 {
        let url = pop(&mut scheduler, start);
        scheduler.ended(&origin(&url), Slot::Free, None, start, 0.0);
        scheduler.answered(&origin(&url), start);
    }
    assert_eq!(scheduler.next(start), Next::Wait(None));
    assert_eq!(scheduler.hosts.len(), 1_000);
    let later = start + Duration::from_secs(1);
    assert_eq!(scheduler.next(later), Next::Wait(None));
    assert_eq!((scheduler.hosts.len(), scheduler.idle.len(), scheduler.listed.len()), (0, 0, 0));
    let health: Vec<Health> = scheduler.changes().map(|(_, health)| health).collect();
    assert_eq!(health, vec![Health { answered: true, due: Some(later), ..Health::default() }; 1_000]);
}

#[test]
fn a_host_that_comes_back_is_treated_by_what_is_known_of_it() {
    let start = Instant::now();
    let delay = Duration::from_secs(1);
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    let a = origin("http://a/");
    scheduler.answered(&a, start);
    let Trouble::Until(until) = scheduler.trouble(&a, None, start, 1.0) else { panic!() };
    let at = start + Duration::from_secs(100);
    scheduler.trouble(&a, Some(Duration::from_secs(5)), at, 1.0);
    let [(_, health)] = &scheduler.changes().collect::<Vec<_>>()[..] else { panic!() };
    let ill = health.ill.clone().unwrap();
    assert_eq!((health.answered, ill.failures, ill.lasted), (true, 2, at - start));
    assert!(until < at && ill.until >= at + Duration::from_secs(5));
    // The time between two processes counts for the clocks, not for the trouble.
    let again = at + Duration::from_secs(1_000);
    let mut restarted = Scheduler::new(rules(Some(1), None));
    restarted.restore(&a, health, again);
    assert_eq!(restarted.next(again), Next::Wait(Some(again + delay)));
    assert_eq!(restarted.next(again + delay), Next::Wait(None));
    assert_eq!(wants(&mut restarted).len(), 1);
    restarted.trouble(&a, None, again + delay, 1.0);
    let [(_, health)] = &restarted.changes().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(health.ill.as_ref().map(|ill| (ill.failures, ill.lasted)), Some((3, at - start + delay)));
}

#[test]
fn after_a_restart_every_host_waits_its_delay_since_nobody_knows_what_was_in_flight() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    scheduler.restore(&origin("http://a/"), &Health::default(), now);
    assert_eq!(scheduler.next(now), Next::Wait(Some(now + Duration::from_secs(1))));
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    scheduler.restore(&origin("http://a/"), &Health::default(), now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(wants(&mut scheduler).len(), 1);
}

#[test]
fn a_page_budget_holds_a_host_back_and_what_was_no_page_does_not_count() {
    let now = Instant::now();
    let rules = HostRules { max_pages: NonZeroU64::new(3), ..rules(Some(0), None) };
    let mut scheduler = Scheduler::new(rules);
    let (a, other) = (origin("http://a/"), origin("http://a:81/"));
    scheduler.restore(&a, &Health { pages: 1, ..Health::default() }, now);
    scheduler.restore(&other, &Health { pages: 1, ..Health::default() }, now);
    fill(&mut scheduler, "http://a/", 5, now);
    fill(&mut scheduler, "http://a:81/", 0, now);
    pop(&mut scheduler, now);
    assert!(scheduler.is_held_by_budget());
    assert_eq!(scheduler.next(now), Next::Wait(None));
    scheduler.ended(&a, Slot::Free, None, now, 0.0);
    scheduler.page_returned(&a, now);
    assert!(!scheduler.is_held_by_budget());
    pop(&mut scheduler, now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    fill(&mut scheduler, "http://b/", 1, now);
    assert!(!scheduler.is_held_by_budget());
}

#[test]
fn a_silent_worker_keeps_its_slot_until_its_job_must_have_ended() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    fill(&mut scheduler, "http://a/", 2, now);
    pop(&mut scheduler, now);
    let until = now + Duration::from_secs(45);
    scheduler.ended(&origin("http://a/"), Slot::SilentUntil(until), None, now, 0.0);
    assert_eq!(scheduler.next(now), Next::Wait(Some(until)));
    pop(&mut scheduler, until);
}

#[test]
fn trouble_slows_its_origin_alone_and_what_failed_together_counts_once() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    fill(&mut scheduler, "http://a:1/", 9, now);
    fill(&mut scheduler, "http://a:2/", 9, now);
    let ill = origin("http://a:1/");
    let first = scheduler.trouble(&ill, None, now, 1.0);
    assert_eq!(first, Trouble::Until(now + Duration::from_secs(1)));
    assert_eq!(scheduler.trouble(&ill, None, now, 1.0), Trouble::Known);
    for _ in 0..9 {
        assert!(pop(&mut scheduler, now).starts_with("http://a:2/"));
    }
    let later = now + Duration::from_secs(1);
    assert_eq!(scheduler.next(now), Next::Wait(Some(later)));
    assert_eq!(scheduler.trouble(&ill, None, later, 1.0), Trouble::Until(later + Duration::from_secs(2)));
    scheduler.answered(&ill, later);
    assert!(pop(&mut scheduler, later).starts_with("http://a:1/"));
    assert_eq!(scheduler.last_answer(&ill), Some(later));
}

#[test]
fn retry_after_is_obeyed_up_to_the_moment_the_origin_would_be_given_up() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    let ill = origin("http://a/");
    let asked = Some(Duration::from_secs(40));
    assert_eq!(scheduler.trouble(&ill, asked, now, 0.5), Trouble::Until(now + Duration::from_secs(40)));
    let then = now + Duration::from_secs(40);
    assert_eq!(scheduler.trouble(&ill, asked, then, 0.5), Trouble::Until(now + Duration::from_secs(60)));
    let end = now + Duration::from_secs(60);
    assert_eq!(scheduler.trouble(&ill, asked, end, 0.5), Trouble::GiveUp);
}

#[test]
fn a_retry_after_of_nothing_does_not_switch_the_backoff_off() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    let trouble = scheduler.trouble(&origin("http://a/"), Some(Duration::ZERO), now, 1.0);
    assert_eq!(trouble, Trouble::Until(now + Duration::from_secs(1)));
    let endless = scheduler.trouble(&origin("http://b/"), Some(Duration::MAX), now, 1.0);
    assert_eq!(endless, Trouble::Until(now + Duration::from_secs(60)));
}

#[test]
fn an_origin_that_has_answered_is_given_up_only_after_the_longer_time() {
    let start = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    let ill = origin("http://a/");
    scheduler.answered(&ill, start);
    let mut now = start;
    let mut tries = 0;
    while let Trouble::Until(until) = scheduler.trouble(&ill, None, now, 1.0) {
        now = until;
        tries += 1;
    }
    assert_eq!(now, start + Duration::from_secs(3600));
    assert_eq!(tries, 20);
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a worker says of a page.
fn page(took: Duration, address: Option<[u8; 4]>, worker: usize) -> Option<Measured> {
    Some(Measured { took, well: true, address: address.map(Into::into), worker })
}

fn end(scheduler: &mut Scheduler, url: &str, measured: Option<Measured>, now: Instant) {
    scheduler.ended(&origin(url), Slot::Free, measured, now, 0.0);
}

fn terms(scheduler: &mut Scheduler, now: Instant) -> Terms {
    match scheduler.next(now) {
        Next::Request(_, terms) => terms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn jitter_makes_a_pause_longer_and_never_shorter() {
    let now = Instant::now();
    for (random, expected) in [(0.0, 1_000), (0.5, 1_100), (1.0, 1_200)] {
        let mut scheduler = Scheduler::new(HostRules { jitter: 0.2, ..rules(Some(1), None) });
        fill(&mut scheduler, "http://a/", 2, now);
        pop(&mut scheduler, now);
        scheduler.ended(&origin("http://a/"), Slot::Free, None, now, random);
        assert_eq!(scheduler.next(now), Next::Wait(Some(now + Duration::from_millis(expected))), "{random}");
    }
}

#[test]
fn a_crawl_delay_is_a_lower_bound_wherever_the_host_is_and_is_ignored_with_the_robots() {
    let now = Instant::now();
    let wait = |ignore_robots, delay, crawl_delay| {
        let mut scheduler = Scheduler::new(HostRules { ignore_robots, ..rules(Some(delay), None) });
        fill(&mut scheduler, "http://127.0.0.1/", 3, now);
        scheduler.set_crawl_delay(&origin("http://127.0.0.1/"), Some(secs(crawl_delay)), now);
        pop(&mut scheduler, now);
        end(&mut scheduler, "http://127.0.0.1/", None, now);
        scheduler.next(now)
    };
    assert_eq!(wait(false, 0, 3), Next::Wait(Some(now + secs(3))));
    assert_eq!(wait(false, 5, 3), Next::Wait(Some(now + secs(5))));
    assert_eq!(wait(false, 0, 999_999_999), Next::Wait(Some(now + LONGEST_CRAWL_DELAY)));
    assert!(matches!(wait(true, 0, 3), Next::Request(..)));
}

#[test]
fn a_crawl_delay_holds_for_the_pause_that_has_begun_and_is_known_again_later() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    fill(&mut scheduler, "http://a/", 3, now);
    pop(&mut scheduler, now);
    end(&mut scheduler, "http://a/", None, now);
    scheduler.set_crawl_delay(&origin("http://a/"), Some(secs(9)), now + secs(1));
    assert_eq!(scheduler.next(now + secs(1)), Next::Wait(Some(now + secs(9))));
    let [(_, health)] = &scheduler.changes().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((health.crawl_delay, health.due), (Some(secs(9)), Some(now + secs(9))));
    let mut other = Scheduler::new(rules(Some(1), None));
    other.wake(&origin("http://a/"), health, now);
    refill(&mut other, &origin("http://a/"), vec![request("http://a/x")], false, None, now);
    assert_eq!(terms(&mut other, now + secs(9)), Terms { delay: secs(9), shared_delay: None, most: Some(1), worker: None });
}

#[test]
fn a_crawl_delay_ends_what_was_many_at_a_time() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), Some(3)));
    fill(&mut scheduler, "http://a/", 9, now);
    assert_eq!(terms(&mut scheduler, now).most, Some(3));
    pop(&mut scheduler, now);
    scheduler.set_crawl_delay(&origin("http://a/"), Some(secs(2)), now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    end(&mut scheduler, "http://a/", None, now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    end(&mut scheduler, "http://a/", None, now);
    assert_eq!(scheduler.next(now), Next::Wait(Some(now + secs(2))));
}

#[test]
fn a_throttled_host_gets_one_at_a_time_and_a_pause_by_its_answers() {
    let now = Instant::now();
    let throttle = Some(Throttle { target: 0.5, longest: secs(60) });
    let mut scheduler = Scheduler::new(HostRules { throttle, ..rules(Some(0), None) });
    fill(&mut scheduler, "http://127.0.0.1/", 9, now);
    pop(&mut scheduler, now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    end(&mut scheduler, "http://127.0.0.1/", page(secs(2), None, 0), now);
    assert_eq!(scheduler.next(now), Next::Wait(Some(now + secs(4))));
    let later = now + secs(4);
    assert_eq!(terms(&mut scheduler, later).delay, secs(4));
    let refused = Measured { took: Duration::ZERO, well: false, address: None, worker: 0 };
    end(&mut scheduler, "http://127.0.0.1/", Some(refused), later);
    assert_eq!(scheduler.next(later), Next::Wait(Some(later + secs(4))));
    let [(_, health)] = &scheduler.changes().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!(health.pace, Some(secs(4)));
}

#[test]
fn a_host_with_a_clock_prefers_the_worker_that_had_it_last() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(None, None));
    for url in ["http://a/", "http://127.0.0.1/"] {
        fill(&mut scheduler, url, 2, now);
        assert_eq!(terms(&mut scheduler, now).worker, None);
        end(&mut scheduler, url, page(secs(0), None, 7), now);
    }
    assert_eq!(terms(&mut scheduler, now), Terms { delay: secs(0), shared_delay: None, most: None, worker: None });
    assert_eq!(terms(&mut scheduler, now + secs(1)), Terms { delay: secs(1), shared_delay: None, most: Some(1), worker: Some(7) });
}

#[test]
fn a_host_with_a_million_urls_does_not_starve_one_with_a_single_one() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    let big = origin("http://big/");
    let mut left = 1_000_000;
    let mut order = Vec::new();
    scheduler.wake(&big, &Health::default(), now);
    for turn in 0..5_000 {
        while let Some(Want { origin, most, .. }) = scheduler.wants() {
            assert_eq!(origin, big);
            let taken = left.min(most);
            left -= taken;
            let requests = (0..taken).map(|n| request(&format!("http://big/{}", left + n))).collect();
            refill(&mut scheduler, &big, requests, left > 0, None, now);
        }
        if turn % 1_000 == 500 {
            fill(&mut scheduler, "http://small/", 1, now);
            order.push(turn + 1);
        }
        match scheduler.next(now) {
            other @ (Next::Robots(..) | Next::Forbidden(_)) => panic!("{other:?}"),
            Next::Request(request, _) if request.url.host_str() == "small" => assert_eq!(order.pop(), Some(turn)),
            Next::Request(request, _) => end(&mut scheduler, request.url.as_str(), None, now),
            Next::Wait(_) => {}
        }
    }
    assert!(order.is_empty());
}

#[test]
fn hosts_of_a_domain_share_its_clock_and_take_turns() {
    let start = Instant::now();
    let mut scheduler = Scheduler::new(HostRules { by: PolitenessBy::Domain, ..rules(Some(1), None) });
    for host in ["a.example.co.uk", "b.example.co.uk", "example.co.uk", "other.co.uk"] {
        fill(&mut scheduler, &format!("http://{host}/"), 2, start);
    }
    let mut now = start;
    let mut order = Vec::new();
    while order.len() < 8 {
        match scheduler.next(now) {
            other @ (Next::Robots(..) | Next::Forbidden(_)) => panic!("{other:?}"),
            Next::Request(request, _) => {
                order.push(format!("{} {}", (now - start).as_secs(), request.url.host_str()));
                end(&mut scheduler, request.url.as_str(), None, now);
            }
            Next::Wait(until) => now = until.unwrap(),
        }
    }
    let expected = [
        "0 a.example.co.uk",
        "0 other.co.uk",
        "1 other.co.uk",
        "1 b.example.co.uk",
        "2 example.co.uk",
        "3 a.example.co.uk",
        "4 b.example.co.uk",
        "5 example.co.uk",
    ];
    assert_eq!(order, expected);
    assert_eq!(scheduler.next(now + secs(1)), Next::Wait(None));
    assert_eq!((scheduler.hosts.len(), scheduler.gates.len(), scheduler.parked), (0, 0, 0));
}

#[test]
fn many_hosts_of_one_address_get_no_more_than_its_share_at_a_time() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    let host = |n: usize| format!("http://h{n}/");
    for n in 0..20 {
        fill(&mut scheduler, &host(n), 2, now);
        pop(&mut scheduler, now);
        end(&mut scheduler, &host(n), page(secs(0), Some([192, 0, 2, 1]), 0), now);
    }
    let later = now + secs(1);
    let first: Vec<String> = (0..PER_ADDRESS.get()).map(|_| pop(&mut scheduler, later)).collect();
    assert_eq!(first, (0..PER_ADDRESS.get()).map(|n| format!("http://h{n}/1")).collect::<Vec<_>>());
    assert_eq!(scheduler.next(later), Next::Wait(None));
    assert_eq!(scheduler.waiting_hosts(later), 12);
    end(&mut scheduler, &host(3), page(secs(0), Some([192, 0, 2, 1]), 0), later);
    assert_eq!(pop(&mut scheduler, later), "http://h8/1");
    assert_eq!(scheduler.next(later), Next::Wait(None));
}

#[test]
fn a_host_that_moves_to_another_address_leaves_the_gate_of_the_first() {
    let now = Instant::now();
    let per_address = NonZeroUsize::new(1);
    let mut scheduler = Scheduler::new(HostRules { per_address, ..rules(Some(0), None) });
    let (one, two) = (Some([192, 0, 2, 1]), Some([192, 0, 2, 2]));
    for url in ["http://a/", "http://b/"] {
        fill(&mut scheduler, url, 9, now);
    }
    for url in ["http://a/", "http://b/"] {
        assert_eq!(pop(&mut scheduler, now), format!("{url}0"));
        end(&mut scheduler, url, page(secs(0), one, 0), now);
    }
    assert_eq!(pop(&mut scheduler, now), "http://a/1");
    assert_eq!(scheduler.next(now), Next::Wait(None));
    end(&mut scheduler, "http://a/", page(secs(0), two, 0), now);
    assert_eq!(pop(&mut scheduler, now), "http://b/1");
    assert_eq!(pop(&mut scheduler, now), "http://a/2");
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(scheduler.gates.len(), 2);
}

/// A host as the naive model sees it.
#[derive(Default)]
struct Known {
    delay: Duration,
    left: usize,
    in_flight: bool,
    /// When its last request ended, and the pause that began then.
    ended: Option<(Instant, Duration)>,
    address: Option<u8>,
}

/// Why the model would not let a host go now.
fn forbids(hosts: &[Known], host: usize, by: PolitenessBy, per_address: usize, now: Instant) -> Option<String> {
    let own = &hosts[host];
    let at_address = |other: &&Known| other.address.is_some() && other.address == own.address;
    if hosts.iter().filter(at_address).filter(|other| other.in_flight).count() >= per_address {
        return Some("its address has its share".to_owned());
    }
    if own.ended.is_some_and(|(at, _)| at + own.delay > now) {
        return Some("its own pause".to_owned());
    }
    for (n, other) in hosts.iter().enumerate() {
        let shares = n == host
            || match by {
                PolitenessBy::Host => false,
                PolitenessBy::Domain => n % 2 == host % 2,
                PolitenessBy::Address => at_address(&other),
            };
        if shares && (other.in_flight || other.ended.is_some_and(|(at, pause)| at + pause > now)) {
            return Some(format!("the clock it shares with {n}"));
        }
    }
    None
}

proptest! {
    /// Against a naive model: every request comes out once, in order within its host, and never sooner than its host's clock allows.
    #[test]
    fn any_sequence_keeps_every_hosts_clock(
        sizes in proptest::collection::vec(0usize..6, 1..5),
        steps in proptest::collection::vec((0u64..3_000, any::<bool>()), 1..200),
    ) {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(rules(Some(1), None));
        for (host, size) in sizes.iter().enumerate() {
            fill(&mut scheduler, &format!("http://h{host}/"), *size, start);
        }
        let mut now = start;
        let mut in_flight: Vec<String> = Vec::new();
        let mut free_at: HashMap<String, Instant> = HashMap::new();
        let mut served: HashMap<String, usize> = HashMap::new();
        let mut steps = steps.into_iter().cycle();
        let total: usize = sizes.iter().sum();
        let mut stuck = false;
        while served.values().sum::<usize>() < total || !in_flight.is_empty() {
            let (millis, end) = steps.next().unwrap();
            now += Duration::from_millis(millis.max(1));
            if (end || std::mem::take(&mut stuck)) && !in_flight.is_empty() {
                let host = in_flight.remove(0);
                scheduler.ended(&origin(&format!("http://{host}/")), Slot::Free, None, now, 0.0);
                free_at.insert(host, now + Duration::from_secs(1));
            }
            match scheduler.next(now) {
                other @ (Next::Robots(..) | Next::Forbidden(_)) => panic!("{other:?}"),
                Next::Request(request, _) => {
                    let host = request.url.host().to_string();
                    prop_assert!(!in_flight.contains(&host));
                    prop_assert!(free_at.get(&host).is_none_or(|at| *at <= now));
                    let n = served.entry(host.clone()).or_default();
                    prop_assert_eq!(request.url.path_and_query(), format!("/{n}"));
                    *n += 1;
                    in_flight.push(host);
                }
                // Nothing due: then no host that has work and no request in flight has its time.
                Next::Wait(until) => {
                    prop_assert!(until.is_none_or(|until| until > now));
                    stuck = until.is_none();
                    for (host, size) in sizes.iter().enumerate() {
                        let name = format!("h{host}");
                        let left = served.get(&name).copied().unwrap_or_default() < *size;
                        prop_assert!(!left || in_flight.contains(&name) || free_at.get(&name).is_some_and(|at| *at > now));
                    }
                }
            }
        }
        prop_assert_eq!(scheduler.next(now + Duration::from_secs(9)), Next::Wait(None));
    }

    /// Against a naive model: whatever a clock belongs to, two requests of one are never closer than the delay in force, no address gets
    /// more than its share, what may go goes, and nobody starves.
    #[test]
    fn any_sequence_keeps_every_clock_and_every_share(
        by in prop_oneof![Just(PolitenessBy::Host), Just(PolitenessBy::Domain), Just(PolitenessBy::Address)],
        per_address in 1usize..4,
        hosts in proptest::collection::vec((1usize..6, 1u64..4), 1..7),
        steps in proptest::collection::vec((0u64..1_500, any::<bool>(), 0u8..12, 0u64..6), 1..200),
    ) {
        let start = Instant::now();
        let name = |n: usize| format!("h{n}.d{}.example", n % 2);
        let url = |n: usize| format!("http://{}/", name(n));
        let overrides = hosts.iter().enumerate().map(|(n, (_, delay))| HostOverride {
            pattern: spider::HostPattern::parse(&name(n)).unwrap(),
            delay: Some(secs(*delay)),
            jitter: None,
            throttle: None,
            per_host: None,
            max_pages: None,
        });
        let rules = HostRules { by, per_address: NonZeroUsize::new(per_address), overrides: overrides.collect(), ..rules(Some(9), None) };
        let mut scheduler = Scheduler::new(rules);
        let mut known: Vec<Known> = Vec::new();
        for (n, (left, delay)) in hosts.iter().enumerate() {
            fill(&mut scheduler, &url(n), *left, start);
            known.push(Known { delay: secs(*delay), left: *left, ..Known::default() });
        }
        let mut now = start;
        let mut steps = steps.into_iter().cycle();
        let mut in_flight: Vec<usize> = Vec::new();
        let mut rounds = 0;
        while known.iter().any(|host| host.left > 0) || !in_flight.is_empty() {
            rounds += 1;
            prop_assert!(rounds < 5_000, "somebody starves");
            let (millis, ends, address, crawl_delay) = steps.next().unwrap();
            now += Duration::from_millis(millis);
            if (ends || rounds % 7 == 0) && !in_flight.is_empty() {
                let n = in_flight.remove(usize::from(address) % in_flight.len());
                // Most hosts stay where they are; some move.
                let address = if address > 9 { Some(address) } else { Some(n as u8 / 3) };
                end(&mut scheduler, &url(n), page(secs(0), address.map(|last| [192, 0, 2, last]), 0), now);
                let Known { delay, .. } = known[n];
                known[n] = Known { in_flight: false, ended: Some((now, delay)), address, ..std::mem::take(&mut known[n]) };
                // As in the engine: the answer ends the request, then it is read. The pause that has begun has the new length.
                if crawl_delay > 3 {
                    scheduler.set_crawl_delay(&origin(&url(n)), Some(secs(crawl_delay)), now);
                    known[n].delay = secs(crawl_delay.max(hosts[n].1));
                    known[n].ended = Some((now, delay.max(known[n].delay)));
                }
            }
            match scheduler.next(now) {
                other @ (Next::Robots(..) | Next::Forbidden(_)) => panic!("{other:?}"),
                Next::Request(request, terms) => {
                    let n = (0..known.len()).find(|n| request.url.host_str() == name(*n)).unwrap();
                    prop_assert_eq!(forbids(&known, n, by, per_address, now), None);
                    prop_assert_eq!(terms.delay, known[n].delay);
                    known[n].in_flight = true;
                    known[n].left -= 1;
                    in_flight.push(n);
                }
                Next::Wait(until) => {
                    prop_assert!(until.is_none_or(|until| until > now));
                    for n in 0..known.len() {
                        prop_assert!(known[n].left == 0 || forbids(&known, n, by, per_address, now).is_some(), "{} could go", n);
                    }
                    prop_assert!(until.is_some() || !in_flight.is_empty() || known.iter().all(|host| host.left == 0));
                }
            }
        }
        let later = now + secs(99);
        prop_assert_eq!(scheduler.next(later), Next::Wait(None));
        prop_assert_eq!((scheduler.hosts.len(), scheduler.gates.len(), scheduler.parked, scheduler.listed.len()), (0, 0, 0, 0));
    }
}

/// Rules that were fetched now.
fn robots(text: &str, now: Instant) -> KnownRobots {
    KnownRobots { rules: Arc::new(model::RobotsRules::parse(text.as_bytes(), "gossamer")), until: now + ROBOTS_KEPT }
}

/// The robots.txt that is to be fetched next.
fn errand(scheduler: &mut Scheduler, now: Instant) -> RobotsErrand {
    match scheduler.next(now) {
        Next::Robots(errand, _) => errand,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_handed_out_before_robots_txt_is_known_and_fetching_it_takes_the_hosts_slot_and_clock() {
    let mut now = Instant::now();
    let (mut scheduler, of) = (Scheduler::new(rules(Some(1), None)), origin("http://a/"));
    wake(&mut scheduler, "http://a/", now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(scheduler.wants(), Some(Want { origin: of.clone(), most: POLITE_WINDOW, robots: true }));
    scheduler.read_robots(&of, None, now);
    scheduler.refill(&of, vec![request("http://a/private/x"), request("http://a/y"), request("http://a/z")], false, None, now);
    let asked = errand(&mut scheduler, now);
    assert_eq!((asked.url.as_str(), &asked.of, asked.hops), ("http://a/robots.txt", &of, 0));
    assert_eq!(scheduler.next(now), Next::Wait(None), "its slot is taken");
    scheduler.ended(&of, Slot::Free, None, now, 0.0);
    assert_eq!(scheduler.next(now + secs(1)), Next::Wait(None), "nothing is known yet");
    scheduler.set_robots(&of, robots("User-agent: *\nDisallow: /private/\nCrawl-delay: 3", now), now);
    assert_eq!(scheduler.next(now), Next::Wait(Some(now + secs(3))), "the pause has the length that it asks for");
    now += secs(3);
    assert_eq!(scheduler.next(now), Next::Forbidden(Box::new(request("http://a/private/x"))));
    assert_eq!(pop(&mut scheduler, now), "http://a/y");
    scheduler.ended(&of, Slot::Free, None, now, 0.0);
    assert_eq!(scheduler.next(now), Next::Wait(Some(now + secs(3))));
    assert_eq!(pop(&mut scheduler, now + secs(3)), "http://a/z");
}

#[test]
fn robots_txt_is_fetched_anew_when_a_day_has_passed() {
    let now = Instant::now();
    let (mut scheduler, of) = (Scheduler::new(rules(Some(0), Some(1))), origin("http://a/"));
    scheduler.read_robots(&of, Some(robots("", now)), now);
    scheduler.refill(&of, vec![request("http://a/x"), request("http://a/y")], false, None, now);
    assert_eq!(pop(&mut scheduler, now), "http://a/x");
    scheduler.ended(&of, Slot::Free, None, now, 0.0);
    let later = now + ROBOTS_KEPT;
    assert_eq!(errand(&mut scheduler, later).url.as_str(), "http://a/robots.txt");
    scheduler.ended(&of, Slot::Free, None, later, 0.0);
    scheduler.set_robots(&of, robots("User-agent: *\nDisallow: /", later), later);
    assert_eq!(scheduler.next(later), Next::Forbidden(Box::new(request("http://a/y"))));
}

#[test]
fn a_robots_txt_elsewhere_is_fetched_under_the_clock_of_that_host() {
    let now = Instant::now();
    let (mut scheduler, of, there) = (Scheduler::new(rules(Some(1), None)), origin("http://a/"), origin("http://b/"));
    fill(&mut scheduler, "http://b/", 2, now);
    assert_eq!(pop(&mut scheduler, now), "http://b/0");
    scheduler.ended(&there, Slot::Free, None, now, 0.0);
    scheduler.read_robots(&of, None, now);
    scheduler.refill(&of, vec![request("http://a/x")], false, None, now);
    errand(&mut scheduler, now);
    scheduler.ended(&of, Slot::Free, None, now, 0.0);
    let elsewhere = RobotsErrand { of: of.clone(), url: CrawlUrl::parse("http://b/r.txt").unwrap(), hops: 1 };
    scheduler.send_for_robots(elsewhere.clone(), now);
    assert_eq!(scheduler.next(now), Next::Wait(Some(now + secs(1))), "b has its pause");
    assert_eq!(errand(&mut scheduler, now + secs(1)), elsewhere);
    assert_eq!(scheduler.next(now + secs(1)), Next::Wait(None), "b is busy, and of a nothing is known");
    scheduler.ended(&there, Slot::Free, None, now + secs(1), 0.0);
    scheduler.set_robots(&of, robots("", now), now + secs(1));
    assert_eq!(pop(&mut scheduler, now + secs(1)), "http://a/x");
    assert_eq!(pop(&mut scheduler, now + secs(2)), "http://b/1");
}

#[test]
fn hosts_that_another_engine_is_to_have_give_nothing_until_they_are_woken_and_say_what_is_at_work() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
    for base in ["http://a/", "http://b/", "http://c/"] {
        fill(&mut scheduler, base, 2, now);
    }
    assert_eq!(pop(&mut scheduler, now), "http://a/0");
    let leaves = |scheduler: &mut Scheduler, now| {
        let Withdrawn { requests, is_busy } = scheduler.withdraw(|host| host.as_str() != "c", now);
        let mut urls: Vec<String> = requests.iter().map(|request| request.url.to_string()).collect();
        urls.sort();
        (urls, is_busy)
    };
    let urls = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
    assert_eq!(leaves(&mut scheduler, now), (urls(&["http://a/1", "http://b/0", "http://b/1"]), true));
    assert_eq!(leaves(&mut scheduler, now), (vec![], true));
    assert_eq!(pop(&mut scheduler, now), "http://c/0");
    scheduler.ended(&origin("http://a/"), Slot::Free, None, now, 0.0);
    assert_eq!(leaves(&mut scheduler, now), (vec![], false));
    scheduler.ended(&origin("http://c/"), Slot::Free, None, now, 0.0);
    let later = now + Duration::from_secs(1);
    assert_eq!(pop(&mut scheduler, later), "http://c/1");
    assert_eq!(scheduler.next(later), Next::Wait(None));
    // It is kept after all: as from another engine, so that it waits its delay once more.
    scheduler.restore(&origin("http://b/"), &Health::default(), later);
    assert_eq!(scheduler.next(later), Next::Wait(Some(later + Duration::from_secs(1))));
    let then = later + Duration::from_secs(1);
    scheduler.next(then);
    assert_eq!(scheduler.wants().map(|want| want.origin), Some(origin("http://b/")));
    refill(&mut scheduler, &origin("http://b/"), vec![request("http://b/0")], false, None, then);
    assert_eq!(pop(&mut scheduler, then), "http://b/0");
}

#[test]
fn a_robots_txt_elsewhere_whose_host_goes_to_another_engine_is_asked_for_anew() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    scheduler.read_robots(&origin("http://a/"), None, now);
    scheduler.refill(&origin("http://a/"), vec![request("http://a/0")], false, None, now);
    let asked = errand(&mut scheduler, now);
    scheduler.ended(&origin("http://a/"), Slot::Free, None, now, 0.0);
    scheduler.send_for_robots(RobotsErrand { url: request("http://b/robots.txt").url, ..asked.clone() }, now);
    let withdrawn = scheduler.withdraw(|host| host.as_str() == "b", now);
    assert_eq!(withdrawn, Withdrawn { requests: vec![], is_busy: false });
    assert_eq!(errand(&mut scheduler, now), asked);
}

#[test]
fn a_robots_txt_that_cannot_be_fetched_keeps_its_origin_waiting_until_it_is_tried_again_or_given_up() {
    let mut now = Instant::now();
    let (mut scheduler, of) = (Scheduler::new(rules(Some(0), None)), origin("http://a/"));
    scheduler.read_robots(&of, None, now);
    scheduler.refill(&of, vec![request("http://a/x"), request("http://a/y")], false, None, now);
    let mut tries = 0;
    let cleared = loop {
        tries += 1;
        errand(&mut scheduler, now);
        scheduler.ended(&of, Slot::Free, None, now, 0.0);
        scheduler.robots_failed(&of, now);
        match scheduler.trouble(&of, None, now, 1.0) {
            Trouble::Until(until) => {
                assert_eq!(scheduler.next(now), Next::Wait(Some(until)));
                now = until;
            }
            Trouble::Known => panic!("one try at a time"),
            Trouble::GiveUp => break scheduler.clear(&of, now),
        }
    };
    assert!(tries >= 3);
    assert_eq!(cleared.len(), 2);
    assert_eq!(scheduler.next(now + secs(9)), Next::Wait(None));
}

#[test]
fn a_robots_txt_that_takes_its_worker_along_is_fetched_again_and_the_third_time_it_is_no_accident() {
    let now = Instant::now();
    let (mut scheduler, of) = (Scheduler::new(rules(Some(0), None)), origin("http://a/"));
    scheduler.read_robots(&of, None, now);
    scheduler.refill(&of, vec![request("http://a/x")], false, None, now);
    let lost: Vec<bool> = (0..3)
        .map(|_| {
            errand(&mut scheduler, now);
            scheduler.ended(&of, Slot::Free, None, now, 0.0);
            scheduler.robots_lost(&of, now)
        })
        .collect();
    assert_eq!(lost, [false, false, true]);
}

#[test]
fn a_robots_txt_on_a_host_whose_page_budget_is_used_up_is_fetched_all_the_same() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(HostRules { max_pages: NonZeroU64::new(1), ..rules(Some(0), None) });
    let (of, there) = (origin("http://a/"), origin("http://b/"));
    fill(&mut scheduler, "http://b/", 2, now);
    pop(&mut scheduler, now);
    scheduler.ended(&there, Slot::Free, None, now, 0.0);
    scheduler.read_robots(&of, None, now);
    scheduler.refill(&of, vec![request("http://a/x")], false, None, now);
    errand(&mut scheduler, now);
    scheduler.ended(&of, Slot::Free, None, now, 0.0);
    let elsewhere = RobotsErrand { of: of.clone(), url: CrawlUrl::parse("http://b/robots.txt").unwrap(), hops: 1 };
    scheduler.send_for_robots(elsewhere.clone(), now);
    assert_eq!(errand(&mut scheduler, now), elsewhere);
    scheduler.ended(&there, Slot::Free, None, now, 0.0);
    scheduler.set_robots(&of, robots("", now), now);
    assert_eq!(pop(&mut scheduler, now), "http://a/x");
    scheduler.ended(&of, Slot::Free, None, now, 0.0);
    assert!(scheduler.is_held_by_budget());
}

#[test]
fn a_robots_txt_elsewhere_neither_hides_nor_overwrites_what_is_known_of_that_origin() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(HostRules { max_pages: NonZeroU64::new(5), ..rules(Some(1), None) });
    let there = origin("http://b/");
    let elsewhere = RobotsErrand { of: origin("http://a/"), url: CrawlUrl::parse("http://b/robots.txt").unwrap(), hops: 1 };
    scheduler.send_for_robots(elsewhere, now);
    errand(&mut scheduler, now);
    scheduler.ended(&there, Slot::Free, None, now, 0.0);
    assert_eq!(scheduler.changes().count(), 0);
    let ill = Some(Ill { lasted: secs(9), failures: 2, until: now + secs(60) });
    scheduler.wake(&there, &Health { answered: true, crawl_delay: Some(secs(3)), ill, pages: 5, ..Health::default() }, now);
    assert_eq!(scheduler.next(now + secs(99)), Next::Wait(None), "its five pages are known");
    scheduler.answered(&there, now);
    let [(_, health)] = &scheduler.changes().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((health.answered, health.crawl_delay), (true, Some(secs(3))));
}

#[test]
fn a_crawl_delay_holds_for_all_who_share_the_clock_also_for_the_pause_that_has_begun() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(HostRules { by: PolitenessBy::Domain, ..rules(Some(1), None) });
    let (one, other) = (origin("http://a.example.org/"), origin("http://b.example.org/"));
    scheduler.read_robots(&one, None, now);
    scheduler.refill(&one, vec![request("http://a.example.org/x")], false, None, now);
    errand(&mut scheduler, now);
    refill(&mut scheduler, &other, vec![request("http://b.example.org/x")], false, None, now);
    // In the order of the engine: the answer ends the request, then its rules are read.
    scheduler.ended(&one, Slot::Free, None, now, 0.0);
    scheduler.set_robots(&one, robots("User-agent: *\nCrawl-delay: 10", now), now);
    assert_eq!(scheduler.next(now + secs(1)), Next::Wait(Some(now + secs(10))));
}

proptest! {
    /// Whatever becomes of robots.txt files, wherever they lead, and whoever is given up: no page waits for ever.
    #[test]
    fn no_page_waits_for_ever_for_a_robots_txt(
        ends in proptest::collection::vec((0u8..6, 0usize..3), 1..40),
        delay in 0u64..2,
        budget in proptest::option::of(1u64..4),
    ) {
        let urls = ["http://a.example/", "http://b.example/", "https://a.example/"];
        let mut scheduler = Scheduler::new(HostRules { max_pages: budget.and_then(NonZeroU64::new), ..rules(Some(delay), None) });
        let mut now = Instant::now();
        let mut left: HashMap<Origin, Vec<Request>> = HashMap::new();
        for url in urls {
            left.insert(origin(url), (0..3).map(|n| request(&format!("{url}{n}"))).collect());
            scheduler.wake(&origin(url), &Health::default(), now);
        }
        let mut ends = ends.into_iter();
        let mut waiting = 9;
        for _ in 0..500 {
            match scheduler.next(now) {
                Next::Request(request, _) => {
                    waiting -= 1;
                    scheduler.ended(&request.url.origin(), Slot::Free, None, now, 0.0);
                }
                Next::Forbidden(_) => waiting -= 1,
                Next::Robots(RobotsErrand { of, url, hops }, _) => {
                    scheduler.ended(&url.origin(), Slot::Free, None, now, 0.0);
                    match ends.next().unwrap_or((0, 0)) {
                        (0 | 1, _) => scheduler.set_robots(&of, robots("User-agent: *\nDisallow: /1", now), now),
                        (2, to) if hops < ROBOTS_HOPS => {
                            let url = CrawlUrl::parse(&format!("{}r", urls[to])).unwrap();
                            scheduler.send_for_robots(RobotsErrand { of, url, hops: hops + 1 }, now);
                        }
                        (3, _) => _ = scheduler.robots_lost(&of, now),
                        (4, _) => {
                            scheduler.robots_failed(&of, now);
                            if scheduler.trouble(&of, None, now, 0.5) == Trouble::GiveUp {
                                waiting -= scheduler.clear(&of, now).len();
                            }
                        }
                        // Given up by a page of it, and queued again at once.
                        (5, _) => {
                            scheduler.robots_failed(&of, now);
                            let cleared = scheduler.clear(&of, now);
                            left.entry(of.clone()).or_default().extend(cleared);
                            scheduler.wake(&of, &Health::default(), now);
                        }
                        _ => scheduler.set_robots(&of, robots("", now), now),
                    }
                }
                Next::Wait(until) => match scheduler.wants() {
                    Some(Want { origin, most, robots }) => {
                        if robots {
                            scheduler.read_robots(&origin, None, now);
                        }
                        let queue = left.entry(origin.clone()).or_default();
                        let taken: Vec<Request> = queue.drain(..most.min(queue.len())).collect();
                        let more = !queue.is_empty();
                        scheduler.refill(&origin, taken, more, None, now);
                    }
                    None => match until {
                        Some(until) => now = until.max(now),
                        None => break,
                    },
                },
            }
        }
        let unserved: usize = left.values().map(Vec::len).sum();
        prop_assert!(waiting == 0 || scheduler.is_held_by_budget(), "{waiting} wait, {unserved} of them in the frontier");
    }
}
