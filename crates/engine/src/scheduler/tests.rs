use std::collections::HashMap;
use std::sync::Arc;

use model::{CrawlUrl, ParserRef};
use proptest::prelude::*;

use super::*;

fn rules(delay: Option<u64>, per_host: Option<usize>) -> HostRules {
    HostRules {
        delay: delay.map(Duration::from_secs),
        per_host: per_host.and_then(NonZeroUsize::new),
        max_pages: None,
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
    scheduler.refill(&origin(base), requests, false, None, now);
}

fn pop(scheduler: &mut Scheduler, now: Instant) -> String {
    match scheduler.next(now) {
        Next::Request(request) => request.url.to_string(),
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
    scheduler.ended(&origin("http://a.example/"), Slot::Free, end);
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
    scheduler.ended(&origin("http://127.0.0.1/"), Slot::Free, now);
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
        scheduler.ended(&origin(&url), Slot::Free, now);
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
    std::iter::from_fn(|| scheduler.wants()).map(|Want { origin, most }| (origin.to_string(), most)).collect()
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
    scheduler.refill(&origin("http://a/"), vec![], false, Some(later), now);
    assert_eq!(scheduler.next(now), Next::Wait(Some(later)));
    assert_eq!(wants(&mut scheduler), []);
    assert_eq!(scheduler.next(later), Next::Wait(None));
    assert_eq!(wants(&mut scheduler).len(), 1);
    scheduler.refill(&origin("http://a/"), vec![], false, None, later);
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
    scheduler.refill(&origin("http://a/"), vec![], false, None, now);
    assert_eq!(scheduler.next(now), Next::Wait(None));
    assert_eq!(wants(&mut scheduler), [("http://a".to_owned(), WINDOW)]);
}

#[test]
fn a_window_is_asked_for_again_when_half_of_it_is_left() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(0), None));
    let requests = (0..10).map(|i| request(&format!("http://a/{i}"))).collect();
    scheduler.refill(&origin("http://a/"), requests, true, None, now);
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
        scheduler.ended(&origin(&url), Slot::Free, start);
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
fn an_origin_never_visited_does_not_wait_after_a_restart() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(rules(Some(1), None));
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
    scheduler.ended(&a, Slot::Free, now);
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
    scheduler.ended(&origin("http://a/"), Slot::SilentUntil(until), now);
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
                scheduler.ended(&origin(&format!("http://{host}/")), Slot::Free, now);
                free_at.insert(host, now + Duration::from_secs(1));
            }
            match scheduler.next(now) {
                Next::Request(request) => {
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
}
