//! Runs with several engines at one crawl, over a database that is killed as well: what happens in them.

use std::time::Duration;

use super::random::Random;
use super::schedule::{Plan, Seat, Shape, Step, What, Who, choose};

/// The engines of such a run.
pub(super) const ENGINES: usize = 3;

/// Its workers.
pub(super) const WORKERS: usize = 4;

/// The hosts of its site: some for each engine.
pub(super) const HOSTS: u8 = 10;

/// Longest that a process is silent: beyond the 10 s after which engines are buried by the others, and the 8 s after which a worker is taken
/// for lost.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(12);

impl Plan {
    /// The run with several engines of this seed.
    pub fn of_engines(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let shape = Shape::Engines { late: random.one_of(&[0, 1, 1, 2]) };
        let delay = random.one_in(3).then_some(Duration::from_millis(50));
        let mut plan = Plan { seed, shape, delay, output: false, steps: Vec::new() };
        let mut long = random.one_in(3);
        let count = random.between(5, 10);
        let furthest = plan.pages() * 8 / 5 / count;
        let mut seats = shape.seats();
        for _ in 0..count {
            let is_meant: fn(Who) -> bool = match random.between(1, 10) {
                1..=5 => |who| matches!(who, Who::Engine(_)),
                6..=7 => |who| matches!(who, Who::Worker(_)),
                8 => |who| who == Who::Itemsaver,
                _ => |who| who == Who::Database,
            };
            let Some(at) = choose(&seats, is_meant, &mut random) else { continue };
            let what = what_happens(&seats[at], &mut long, &mut random);
            let who = seats[at].becomes(what);
            plan.steps.push(Step { after: random.between(0, furthest), who, what });
        }
        plan
    }
}

fn what_happens(seat: &Seat, long: &mut bool, random: &mut Random) -> What {
    if !seat.is_up() {
        return What::Start;
    }
    let what = random.between(0, 3);
    let is_silence = seat.who == Who::Database || what == 3;
    let time = match is_silence && std::mem::take(long) {
        true => LONGEST_SILENCE,
        false => Duration::from_millis(random.between(200, 2000)),
    };
    match (seat.who, what) {
        (Who::Database, _) => What::Outage(time),
        (_, 0 | 1) => What::Kill,
        (_, 2) => What::Terminate,
        _ => What::Freeze(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let plan = "\
seed 3: 3 engines, 1 of them late, 4 workers, an itemsaver, a database, --delay 50ms
  after  45 requests: kill worker 3
  after  24 requests: start engine 3
  after  10 requests: terminate engine 2
  after   6 requests: kill database for 12s
  after  43 requests: kill engine
  after  78 requests: start engine 2
  after  72 requests: freeze itemsaver for 1.678s
  after  69 requests: start engine
  after  97 requests: kill engine
  after  44 requests: terminate worker 1";
        assert_eq!(Plan::of_engines(3).to_string(), plan);
    }

    #[test]
    fn plans_harm_everybody_and_no_worker_too_often_and_one_is_silent_for_long_at_most() {
        let plans: Vec<Plan> = (0..400).map(Plan::of_engines).collect();
        let steps = |plan: &Plan, is: &dyn Fn(&Step) -> bool| plan.steps.iter().filter(|step| is(step)).count();
        let is_long = |step: &Step| matches!(step.what, What::Freeze(time) | What::Outage(time) if time == LONGEST_SILENCE);
        let is_harm_to_worker = |step: &Step| matches!(step.who, Who::Worker(_)) && step.what != What::Start;
        for plan in &plans {
            assert!(steps(plan, &is_long) <= 1 && steps(plan, &is_harm_to_worker) <= 5, "{plan}");
        }
        let count = |is: &dyn Fn(&Plan) -> bool| plans.iter().filter(|plan| is(plan)).count();
        assert!((100..170).contains(&count(&|plan| plan.delay.is_some())));
        let long = count(&|plan| steps(plan, &is_long) == 1);
        // A third may have one, and most of them come to it.
        assert!((67..=170).contains(&long), "{long}");
        assert!(count(&|plan| steps(plan, &|step| matches!(step.what, What::Outage(_))) > 0) > 150);
        // In more than a quarter of them engines are killed more than once, beside those that are told to end.
        assert!(count(&|plan| steps(plan, &|step| matches!((step.who, step.what), (Who::Engine(_), What::Kill))) > 1) > 100);
    }
}
