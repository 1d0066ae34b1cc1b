//! Random trouble that can be repeated, a handful of it; `cargo run -p tests --bin chaos` plays hundreds.

use tests::chaos;
use tests::chaos::schedule::{Plan, Shape};

fn ends_as_if_nothing_had_happened(seed: u64, is_meant: impl Fn(&Plan) -> bool) {
    assert!(is_meant(&Plan::of(seed)), "{}", Plan::of(seed));
    if let Err(failure) = chaos::try_seed(seed, false) {
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
