use super::*;
use std::borrow::Cow;

use proptest::prelude::*;

fn sent(at_ms: u64, number: u64, host: &str, delay_ms: u64, most: Option<usize>) -> Record<'static> {
    let url = format!("http://{host}/{number}");
    Record::Dispatch(Sent {
        at_ms,
        number,
        host: host.to_owned().into(),
        url: url.into(),
        worker: "w".into(),
        attempt: 1,
        led_from: None,
        delay_ms,
        shared_delay_ms: Some(delay_ms),
        most,
        robots_allow: None,
    })
}

fn came(at_ms: u64, number: u64, host: &str) -> Record<'static> {
    Record::Outcome(Came {
        at_ms,
        number,
        host: host.to_owned().into(),
        url: format!("http://{host}/{number}").into(),
        worker: "w".into(),
        attempt: 1,
        verdict: "page".into(),
        status: Some(200),
        bytes: 9,
        proxy: None,
        late: false,
        address: Some([192, 0, 2, 1].into()),
        until_ms: None,
        robots: None,
    })
}

fn start(at_ms: u64) -> Record<'static> {
    Record::Start(Start { at_ms, crawl: "c".into(), epoch: 1 })
}

fn text(records: &[Record<'_>]) -> String {
    records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
}

fn line(line: u64) -> Place {
    Place { log: None, line }
}

fn audit_one(log: &str, options: AuditOptions) -> Result<Findings, AuditError> {
    audit(vec![("log".to_owned(), log.as_bytes())], options)
}

/// Lines and kinds of the breaches.
fn breaches(records: &[Record<'_>], options: AuditOptions) -> Vec<(u64, BreachKind)> {
    audit_one(&text(records), options).unwrap().breaches.into_iter().map(|breach| (breach.place.line, breach.kind)).collect()
}

/// The logs of engines, named `0` and so on.
fn audit_all(logs: &[&[Record<'_>]]) -> Findings {
    let texts: Vec<String> = logs.iter().map(|records| text(records)).collect();
    let named = texts.iter().enumerate().map(|(number, text)| (number.to_string(), text.as_bytes()));
    audit(named.collect(), AuditOptions::default()).unwrap()
}

#[test]
fn a_request_before_the_pause_is_over_is_named_with_its_lines() {
    let log = [
        start(0),
        sent(10, 1, "a", 1_000, Some(1)),
        sent(10, 2, "b", 1_000, Some(1)),
        came(300, 1, "a"),
        sent(1_300, 3, "a", 1_000, Some(1)),
        came(1_400, 3, "a"),
        sent(2_399, 4, "a", 1_000, Some(1)),
    ];
    let kind = BreachKind::TooSoon { earlier: line(6), after_ms: 999, delay_ms: 1_000 };
    assert_eq!(breaches(&log, AuditOptions::default()), [(7, kind)]);
    let findings = audit_one(&text(&log), AuditOptions::default()).unwrap();
    assert_eq!((findings.requests, findings.clocks, findings.starts, findings.open), (4, 2, 1, 2));
    let expected = "\
line 7: a: 999 ms after the end of the last request (line 6), 1000 ms are in force: http://a/4
4 requests under 2 clocks in 1 starts, 2 without an end, 0 lines cut short: 1 breaches
";
    assert_eq!(findings.screen(), expected);
    assert!(!findings.is_clean());
}

#[test]
fn too_many_in_flight_what_robots_disallows_and_what_was_never_announced_are_named() {
    let mut disallowed = sent(0, 3, "b", 0, None);
    if let Record::Dispatch(sent) = &mut disallowed {
        sent.robots_allow = Some(false);
    }
    let log = [sent(0, 1, "a", 0, Some(1)), sent(0, 2, "a", 0, Some(1)), disallowed, came(0, 9, "c")];
    let expected = [(2, BreachKind::TooMany { in_flight: 2, most: 1 }), (3, BreachKind::Robots), (4, BreachKind::Unannounced)];
    assert_eq!(breaches(&log, AuditOptions::default()), expected);
}

#[test]
fn a_page_that_the_rules_in_the_log_disallow_is_named_whatever_the_crawler_thought() {
    let mut fetched = came(5, 1, "a");
    if let Record::Outcome(came) = &mut fetched {
        let rules = Cow::Owned(RobotsRules::parse(b"User-agent: *\nDisallow: /3", "gossamer"));
        came.robots = Some(FetchedRobots { of: "http://a".into(), rules });
    }
    let mut allowed = sent(9, 3, "a", 0, None);
    if let Record::Dispatch(sent) = &mut allowed {
        sent.robots_allow = Some(true);
    }
    let log = [sent(0, 1, "a", 0, None), fetched, sent(7, 2, "a", 0, None), allowed, sent(9, 33, "b", 0, None)];
    assert_eq!(breaches(&log, AuditOptions::default()), [(4, BreachKind::Robots)]);
}

#[test]
fn a_crawl_without_a_clock_does_not_stand_up_to_a_demand() {
    let log = [sent(0, 1, "a", 0, None), came(5, 1, "a"), sent(5, 2, "a", 0, None), sent(6, 3, "a", 0, None)];
    assert_eq!(breaches(&log, AuditOptions::default()), []);
    let demand = AuditOptions { delay: Some(Duration::from_secs(1)), ..AuditOptions::default() };
    assert_eq!(breaches(&log, demand).len(), 3);
    assert_eq!(breaches(&log, AuditOptions { per_host: Some(1), ..AuditOptions::default() }).len(), 1);
}

#[test]
fn hosts_that_share_a_clock_are_looked_at_together() {
    let log = [sent(0, 1, "a.example.org", 50, Some(1)), came(5, 1, "a.example.org"), sent(10, 2, "b.example.org", 50, Some(1))];
    let by = |by| breaches(&log, AuditOptions { by, ..AuditOptions::default() }).len();
    // The address of the second is not known yet.
    assert_eq!([PolitenessBy::Host, PolitenessBy::Domain, PolitenessBy::Address].map(by), [0, 1, 0]);
    let log = [&log[..], &[came(20, 2, "b.example.org"), sent(30, 3, "a.example.org", 50, Some(1))]].concat();
    assert_eq!(breaches(&log, AuditOptions { by: PolitenessBy::Address, ..AuditOptions::default() }).len(), 1);
}

#[test]
fn what_a_kill_left_in_flight_has_ended_at_the_next_start_and_a_silent_worker_keeps_its_slot() {
    let log = [start(0), sent(10, 1, "a", 100, Some(1)), start(50), sent(149, 1, "a", 100, Some(1))];
    let kind = BreachKind::TooSoon { earlier: line(3), after_ms: 99, delay_ms: 100 };
    assert_eq!(breaches(&log, AuditOptions::default()), [(4, kind)]);
    let mut silent = came(20, 1, "a");
    if let Record::Outcome(came) = &mut silent {
        came.until_ms = Some(500);
    }
    let log = [sent(10, 1, "a", 10, Some(1)), silent, sent(499, 2, "a", 10, Some(1)), came(499, 2, "a"), sent(510, 3, "a", 10, Some(1))];
    assert_eq!(breaches(&log, AuditOptions::default()), [(3, BreachKind::TooMany { in_flight: 2, most: 1 })]);
}

#[test]
fn a_line_cut_short_by_a_kill_is_forgiven_and_any_other_is_not() {
    let whole = text(&[start(0), sent(1, 1, "a", 0, None)]);
    let cut = |after: &str| audit_one(&format!("{whole}{{\"event\":\"dis\n{after}"), AuditOptions::default());
    assert_eq!(cut("").unwrap().cut, 1);
    assert_eq!(cut(&text(&[start(5), sent(6, 1, "a", 0, None)])).unwrap().cut, 1);
    let error = cut(&text(&[sent(6, 2, "a", 0, None)])).unwrap_err();
    assert!(matches!(error, AuditError::Malformed { line: 3, .. }), "{error}");
    for bad in ["", "nonsense\n", &text(&[start(0)])] {
        assert!(audit_one(bad, AuditOptions::default()).is_err(), "{bad}");
    }
}

proptest! {
    /// Against a naive look at every pair of requests.
    #[test]
    fn it_finds_what_a_look_at_every_pair_finds(steps in proptest::collection::vec((0usize..3, 0u64..60, 1u64..40), 1..40)) {
        let (mut at, mut log, mut spans) = (0, Vec::new(), Vec::new());
        for (number, (host, pause, length)) in (1..).zip(steps) {
            let name = format!("h{host}");
            at += pause;
            log.push(sent(at, number, &name, 30, Some(1)));
            log.push(came(at + length, number, &name));
            spans.push((host, at, at + length));
            at += length;
        }
        let naive = spans.iter().enumerate().filter(|(n, (host, begin, _))| {
            spans[..*n].iter().any(|(other, _, end)| other == host && begin - end < 30)
        });
        let found = audit_one(&text(&log), AuditOptions::default()).unwrap();
        prop_assert_eq!(found.breached, naive.count() as u64);
    }
}

#[test]
fn a_clock_is_kept_over_the_logs_of_all_engines() {
    let one = [start(0), sent(10, 1, "a", 100, Some(1)), came(20, 1, "a"), sent(150, 2, "b", 100, Some(1)), came(160, 2, "b")];
    let other = [start(50), sent(119, 1, "a", 100, Some(1)), came(130, 1, "a"), sent(260, 2, "b", 100, Some(1))];
    let found = audit_all(&[&one, &other]);
    let expected = "\
1 line 2: a: 99 ms after the end of the last request (0 line 3), 100 ms are in force: http://a/1
4 requests under 2 clocks in 2 starts of 2 logs, 1 without an end, 0 lines cut short: 1 breaches
";
    assert_eq!(found.screen(), expected);
    // Alone each is without fault.
    assert_eq!((breaches(&one, AuditOptions::default()), breaches(&other, AuditOptions::default())), (vec![], vec![]));
}

#[test]
fn robots_that_one_engine_has_fetched_bind_the_others() {
    let mut robots = came(5, 1, "a");
    if let Record::Outcome(came) = &mut robots {
        let rules = RobotsRules::parse(b"User-agent: *\nDisallow: /2\n", "gossamer");
        came.robots = Some(FetchedRobots { of: "http://a".into(), rules: Cow::Owned(rules) });
    }
    let found = audit_all(&[&[sent(0, 1, "a", 0, None), robots], &[sent(9, 1, "a", 0, None), came(9, 1, "a"), sent(9, 2, "a", 0, None)]]);
    assert_eq!(found.breaches.iter().map(|breach| (&*breach.url, &breach.kind)).collect::<Vec<_>>(), [("http://a/2", &BreachKind::Robots)]);
}

#[test]
fn an_engine_that_was_given_up_may_end_what_it_had_and_join_again_but_sends_nothing_before() {
    let frozen = [start(0), sent(10, 1, "www.example.org", 100, Some(1)), sent(10, 2, "b", 100, Some(1))];
    // Hosts of a domain are taken over together.
    let other = [start(0), sent(10_500, 1, "example.org", 100, Some(1)), came(10_510, 1, "example.org")];
    // It wakes, hears the answers that were there, and joins.
    let woken = [came(20_000, 1, "www.example.org"), came(20_000, 2, "b"), start(20_001), sent(20_200, 1, "c", 100, Some(1))];
    let found = audit_all(&[&[&frozen[..], &woken].concat(), &other]);
    assert_eq!((found.breached, found.requests, found.open, found.starts), (0, 4, 1, 3));
    let zombie = [came(20_000, 1, "www.example.org"), sent(20_200, 3, "c", 100, Some(1))];
    let found = audit_all(&[&[&frozen[..], &zombie].concat(), &other]);
    let by = Place { log: Some("1".into()), line: 2 };
    let kind = BreachKind::GivenUp { host: "example.org".to_owned(), by };
    assert_eq!(found.breaches.iter().map(|breach| (breach.place.line, &breach.kind)).collect::<Vec<_>>(), [(5, &kind)]);
    let said =
        "0 line 5: c: sent by an engine that had been given up: another one had taken example.org over from it (1 line 2): http://c/3";
    assert_eq!(found.breaches[0].to_string(), said);
}

#[test]
fn an_end_that_is_heard_of_too_late_says_nothing_of_when_it_was() {
    let mut late = came(20_000, 1, "a");
    if let Record::Outcome(came) = &mut late {
        came.late = true;
    }
    let frozen = [start(0), sent(10, 1, "a", 100, Some(1)), late];
    let found = audit_all(&[&frozen, &[start(0), sent(20_001, 1, "a", 100, Some(1)), came(20_010, 1, "a")]]);
    assert_eq!((found.breached, found.open), (0, 0));
    // Its own engine goes by it, if nobody else has come.
    let kind = BreachKind::TooSoon { earlier: line(3), after_ms: 1, delay_ms: 100 };
    assert_eq!(breaches(&[&frozen[..], &[sent(20_001, 2, "a", 100, Some(1))]].concat(), AuditOptions::default()), [(4, kind)]);
}

#[test]
fn an_engine_that_is_started_again_does_not_hold_up_the_one_that_has_taken_over() {
    let killed = [start(0), sent(10, 1, "a", 10_000, Some(1)), start(15_000), sent(15_001, 1, "b", 0, None)];
    let other = [start(0), sent(20_000, 1, "a", 10_000, Some(1)), came(20_010, 1, "a")];
    let found = audit_all(&[&killed, &other]);
    assert_eq!((found.breached, found.open), (0, 2));
}

#[test]
fn the_silent_worker_of_one_engine_takes_no_slot_of_another() {
    let mut silent = came(20, 1, "a");
    if let Record::Outcome(came) = &mut silent {
        came.until_ms = Some(40_000);
    }
    let killed = [start(0), sent(10, 1, "a", 10, Some(1)), silent];
    assert_eq!(audit_all(&[&killed, &[sent(10_500, 1, "a", 10, Some(1))]]).breached, 0);
}

#[test]
fn whose_robots_txt_leads_to_a_host_of_another_engine_neither_takes_it_nor_is_given_up() {
    let mut led = sent(20, 1, "b.net", 0, None);
    if let Record::Dispatch(sent) = &mut led {
        sent.led_from = Some("a.com".into());
    }
    let one = [led, came(40, 1, "b.net"), sent(60, 2, "a.com", 0, None), came(70, 2, "a.com")];
    let other = [
        sent(10, 1, "b.net", 0, None),
        sent(30, 2, "b.net", 0, None),
        came(50, 1, "b.net"),
        came(50, 2, "b.net"),
        sent(60, 3, "b.net", 0, None),
    ];
    let found = audit_all(&[&one, &other]);
    assert_eq!((found.breached, found.open, found.requests), (0, 1, 5));
    // If it is killed there, it takes no slot of the host's own engine.
    let killed = [one[0].clone()];
    assert_eq!(audit_all(&[&killed, &[sent(30, 1, "b.net", 0, Some(1)), came(50, 1, "b.net")]]).breached, 0);
}

#[test]
fn what_was_lost_has_not_ended_before_it_was_sent() {
    let killed = [sent(19_990, 1, "a", 1_000, Some(1))];
    let found = audit_all(&[&killed, &[sent(20_005, 1, "a", 1_000, Some(1))]]);
    let earlier = Place { log: Some("0".into()), line: 1 };
    let kind = BreachKind::TooSoon { earlier, after_ms: 15, delay_ms: 1_000 };
    assert_eq!(found.breaches.iter().map(|breach| &breach.kind).collect::<Vec<_>>(), [&kind]);
}

#[test]
fn an_engine_that_was_killed_leaves_what_it_had_to_another_and_none_of_it_is_in_flight_any_more() {
    let killed = [start(0), sent(10, 1, "a", 0, Some(1)), sent(10, 2, "b", 0, Some(1))];
    let other = [start(0), sent(10_500, 1, "a", 0, Some(1)), came(10_510, 1, "a"), sent(10_510, 2, "a", 0, Some(1))];
    let found = audit_all(&[&killed, &other]);
    assert_eq!((found.breached, found.open, found.requests), (0, 3, 4));
}
