//! What happens in a run, drawn from its seed before it begins. Pure.

use std::fmt;
use std::time::Duration;

use super::random::Random;

/// Longest that a process stays frozen: beyond the 8 s after which an engine takes a worker for lost.
pub const LONGEST_FREEZE: Duration = Duration::from_secs(10);

/// How often one worker is killed, ended or frozen in a run, and how often all of them together: a page that three workers were lost with,
/// and then three more alone, is given up, so there are fewer than six in all.
const HARM_TO_A_WORKER: usize = 2;
const HARM_TO_WORKERS: usize = 5;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// Its processes.
    pub shape: Shape,
    /// The pause between two requests, if the engine keeps one.
    pub delay: Option<Duration>,
    /// Whether the engine writes items to a file too.
    pub output: bool,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
}

/// Which processes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An engine alone.
    Embedded,
    /// An engine, so many workers, an itemsaver. The last worker may not be there at the start.
    Fleet {
        /// How many workers.
        workers: usize,
        /// Whether the last comes late.
        late: bool,
    },
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// After so many further requests at the site, or when no more come.
    pub after: u64,
    /// To whom.
    pub who: Who,
    /// What.
    pub what: What,
}

/// A process of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The engine.
    Engine,
    /// One of the workers, from 0.
    Worker(usize),
    /// The itemsaver.
    Itemsaver,
}

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `kill -9`.
    Kill,
    /// `SIGTERM`; whoever has not ended when it is to start again is killed (the engine: signalled once more).
    Terminate,
    /// `SIGSTOP`, and `SIGCONT` this much later.
    Freeze(Duration),
    /// Started, for the first time or again, with the same command.
    Start,
}

/// What the steps so far have made of a process.
struct Seat {
    who: Who,
    is_up: bool,
    harm: usize,
}

impl Plan {
    /// The run of this seed.
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let shape = match random.one_in(4) {
            true => Shape::Embedded,
            false => Shape::Fleet { workers: random.one_of(&[2, 3]), late: random.one_in(3) },
        };
        let delay = random.one_in(4).then_some(Duration::from_millis(20));
        let output = random.one_in(3);
        let mut plan = Plan { seed, shape, delay, output, steps: Vec::new() };
        let mut long = random.one_in(12);
        let count = random.between(4, 9);
        // On average the steps are used up when four of five pages have been asked for once.
        let furthest = plan.pages() * 8 / 5 / count;
        let mut seats = shape.seats();
        for _ in 0..count {
            let Some(who) = choose(&seats, &mut random) else { break };
            let seat = &mut seats[who];
            let what = what_happens(seat, &mut long, &mut random);
            seat.is_up = matches!(what, What::Freeze(_) | What::Start);
            seat.harm += usize::from(what != What::Start);
            plan.steps.push(Step { after: random.between(0, furthest), who: seat.who, what });
        }
        plan
    }

    /// Cities and pages for each of them, on the site of this run.
    pub fn size(&self) -> (u32, u32) {
        if self.delay.is_some() { (1, 2) } else { (3, 2) }
    }

    /// How many pages that makes.
    pub fn pages(&self) -> u64 {
        let (cities, pages) = self.size();
        u64::from(1 + cities * pages * 21)
    }

    /// Whether a worker can be frozen while its engine ends. The job that then waits in its connection belongs to no engine any more: thawed,
    /// the worker may begin it, and drops it when it finds the connection closed.
    pub fn has_stale_jobs(&self) -> bool {
        let is_frozen = |step: &Step| matches!((step.who, step.what), (Who::Worker(_), What::Freeze(_)));
        let ends_engine = |step: &Step| matches!((step.who, step.what), (Who::Engine, What::Kill | What::Terminate));
        self.steps.iter().any(is_frozen) && self.steps.iter().any(ends_engine)
    }

    /// Whether some process is frozen for so long that its engine gives it up.
    pub fn has_long_freeze(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.what, What::Freeze(time) if time == LONGEST_FREEZE))
    }
}

impl Shape {
    /// The number of workers that are processes.
    pub fn workers(self) -> usize {
        match self {
            Shape::Embedded => 0,
            Shape::Fleet { workers, .. } => workers,
        }
    }

    /// Whether this process is there from the start.
    pub fn is_there(self, who: Who) -> bool {
        match (self, who) {
            (Shape::Fleet { workers, late: true }, Who::Worker(index)) => index + 1 < workers,
            (Shape::Fleet { .. } | Shape::Embedded, _) => true,
        }
    }

    fn seats(self) -> Vec<Seat> {
        let workers = (0..self.workers()).map(Who::Worker);
        let itemsaver = matches!(self, Shape::Fleet { .. }).then_some(Who::Itemsaver);
        let everybody = std::iter::once(Who::Engine).chain(workers).chain(itemsaver);
        everybody.map(|who| Seat { who, is_up: self.is_there(who), harm: 0 }).collect()
    }
}

/// Who is next. Those that are down are as likely together as those that are up.
fn choose(seats: &[Seat], random: &mut Random) -> Option<usize> {
    let harm_to_workers: usize = seats.iter().filter(|seat| matches!(seat.who, Who::Worker(_))).map(|seat| seat.harm).sum();
    let may_be_harmed = |seat: &Seat| match seat.who {
        Who::Worker(_) => seat.harm < HARM_TO_A_WORKER && harm_to_workers < HARM_TO_WORKERS,
        Who::Engine | Who::Itemsaver => true,
    };
    let places = |is_up: bool| -> Vec<usize> {
        (0..seats.len()).filter(|at| seats[*at].is_up == is_up && (!is_up || may_be_harmed(&seats[*at]))).collect()
    };
    let (up, down) = (places(true), places(false));
    match (up.is_empty(), down.is_empty()) {
        (true, true) => None,
        (false, true) => Some(random.one_of(&up)),
        (true, false) => Some(random.one_of(&down)),
        (false, false) => Some(if random.one_in(2) { random.one_of(&down) } else { random.one_of(&up) }),
    }
}

fn what_happens(seat: &Seat, long: &mut bool, random: &mut Random) -> What {
    if !seat.is_up {
        return What::Start;
    }
    match random.between(0, 3) {
        0 | 1 => What::Kill,
        2 => What::Terminate,
        _ if std::mem::take(long) => What::Freeze(LONGEST_FREEZE),
        _ => What::Freeze(Duration::from_millis(random.between(200, 2000))),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: ", self.seed)?;
        match self.shape {
            Shape::Embedded => write!(f, "an engine alone")?,
            Shape::Fleet { workers, late } => write!(f, "{workers} workers{}, an itemsaver", if late { ", the last late" } else { "" })?,
        }
        if let Some(delay) = self.delay {
            write!(f, ", --delay {delay:?}")?;
        }
        if self.output {
            write!(f, ", --output")?;
        }
        self.steps.iter().try_for_each(|step| write!(f, "\n  {step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:3} requests: ", self.after)?;
        match self.what {
            What::Kill => write!(f, "kill {}", self.who),
            What::Terminate => write!(f, "terminate {}", self.who),
            What::Freeze(time) => write!(f, "freeze {} for {time:?}", self.who),
            What::Start => write!(f, "start {}", self.who),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Engine => write!(f, "engine"),
            Who::Worker(index) => write!(f, "worker {index}"),
            Who::Itemsaver => write!(f, "itemsaver"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let plan = "\
seed 3: 3 workers, the last late, an itemsaver, --output
  after   6 requests: start worker 2
  after  10 requests: freeze engine for 1.889s
  after   7 requests: terminate worker 1
  after  20 requests: kill engine";
        assert_eq!(Plan::of(3).to_string(), plan);
    }

    #[test]
    fn no_plan_harms_workers_so_often_that_a_page_could_be_given_up() {
        for seed in 0..2000 {
            let mut harm: BTreeMap<usize, usize> = BTreeMap::new();
            for step in Plan::of(seed).steps {
                if let (Who::Worker(index), What::Kill | What::Terminate | What::Freeze(_)) = (step.who, step.what) {
                    *harm.entry(index).or_default() += 1;
                }
            }
            assert!(harm.values().all(|times| *times <= HARM_TO_A_WORKER), "seed {seed}: {harm:?}");
            assert!(harm.values().sum::<usize>() <= HARM_TO_WORKERS, "seed {seed}: {harm:?}");
        }
    }

    #[test]
    fn only_who_is_up_is_harmed_and_only_who_is_down_is_started() {
        for seed in 0..2000 {
            let plan = Plan::of(seed);
            let mut up: Vec<Who> = plan.shape.seats().iter().filter(|seat| seat.is_up).map(|seat| seat.who).collect();
            for step in &plan.steps {
                assert_eq!(up.contains(&step.who), step.what != What::Start, "{plan}");
                match step.what {
                    What::Kill | What::Terminate => up.retain(|who| *who != step.who),
                    What::Start => up.push(step.who),
                    What::Freeze(_) => {}
                }
            }
        }
    }

    #[test]
    fn plans_are_of_every_kind_and_few_wait_long() {
        let plans: Vec<Plan> = (0..400).map(Plan::of).collect();
        let count = |is: &dyn Fn(&Plan) -> bool| plans.iter().filter(|plan| is(plan)).count();
        assert!((70..130).contains(&count(&|plan| plan.shape == Shape::Embedded)));
        assert!((70..130).contains(&count(&|plan| plan.delay.is_some())));
        assert!((100..170).contains(&count(&|plan| plan.output)));
        assert!((60..130).contains(&count(&|plan| matches!(plan.shape, Shape::Fleet { late: true, .. }))));
        assert!((5..40).contains(&count(&Plan::has_long_freeze)));
        assert!(plans.iter().all(|plan| plan.steps.len() >= 4));
    }
}
