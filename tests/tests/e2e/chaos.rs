//! Random trouble that can be repeated, a handful of it; `cargo run -p tests --bin chaos` plays hundreds.

use tests::chaos;
use tests::chaos::engines::LONGEST_SILENCE;
use tests::chaos::schedule::{Plan, Shape, What, Who};

fn ends_as_if_nothing_had_happened(seed: u64, is_meant: impl Fn(&Plan) -> bool) {
    plays_as_if_nothing_had_happened(Plan::of(seed), is_meant);
}

fn plays_as_if_nothing_had_happened(plan: Plan, is_meant: impl Fn(&Plan) -> bool) {
    assert!(is_meant(&plan), "{plan}");
    if let Err(failure) = chaos::try_plan(plan, false) {
        panic!("{failure}");
    }
}

fn is_fleet(plan: &Plan) -> bool {
    matches!(plan.shape, Shape::Fleet { .. })
}

#[test]
fn an_engine_alone_that_is_killed_again_and_again_crawls_exactly() {
    ends_as_if_nothing_had_happened(9, |plan| plan.shape == Shape::Embedded && plan.output);
}

#[test]
fn an_engine_alone_that_comes_and_goes_keeps_its_delay() {
    ends_as_if_nothing_had_happened(39, |plan| plan.shape == Shape::Embedded && plan.delay.is_some());
}

#[test]
fn a_fleet_in_trouble_crawls_exactly() {
    ends_as_if_nothing_had_happened(34, |plan| is_fleet(plan) && plan.delay.is_none());
}

#[test]
fn a_fleet_in_trouble_keeps_its_delay() {
    ends_as_if_nothing_had_happened(8, |plan| is_fleet(plan) && plan.delay.is_some());
}

#[test]
fn a_fleet_in_trouble_with_a_worker_that_comes_late_crawls_and_writes_exactly() {
    ends_as_if_nothing_had_happened(13, |plan| matches!(plan.shape, Shape::Fleet { late: true, .. }) && plan.output);
}

fn has_step(plan: &Plan, is: impl Fn(Who, What) -> bool) -> bool {
    plan.steps.iter().any(|step| is(step.who, step.what))
}

#[test]
fn engines_that_are_killed_told_to_end_and_succeeded_while_frozen_crawl_exactly_and_keep_their_delay() {
    plays_as_if_nothing_had_happened(Plan::of_engines(7), |plan| {
        plan.delay.is_some() && has_step(plan, |who, what| matches!((who, what), (Who::Engine(_), What::Freeze(LONGEST_SILENCE))))
    });
}

#[test]
fn engines_that_come_and_go_over_a_database_that_does_too_crawl_exactly() {
    plays_as_if_nothing_had_happened(Plan::of_engines(1), |plan| has_step(plan, |_, what| matches!(what, What::Outage(_))));
}

#[test]
fn an_engine_that_waits_for_the_itemsaver_while_others_go_on_without_it_joins_them_again() {
    plays_as_if_nothing_had_happened(Plan::of_engines(6), |plan| {
        has_step(plan, |who, _| who == Who::Itemsaver) && has_step(plan, |_, what| what == What::Outage(LONGEST_SILENCE))
    });
}
