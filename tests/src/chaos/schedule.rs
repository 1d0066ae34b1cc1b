//! What happens in a run, drawn from its seed before it begins. Pure.

use std::fmt;
use std::time::Duration;

use super::engines::{ENGINES, HOSTS, WORKERS};
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
    /// Several engines over a database, on a site of several hosts; see [`super::engines`]. Of the engines so many may not be there at the
    /// start.
    Engines {
        /// How many come late.
        late: usize,
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
    /// One of the engines, from 0; most plans have one.
    Engine(usize),
    /// One of the workers, from 0.
    Worker(usize),
    /// The itemsaver.
    Itemsaver,
    /// The database.
    Database,
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
    /// `kill -9`, and started again this much later: what happens to a database.
    Outage(Duration),
    /// Started, for the first time or again, with the same command.
    Start,
}

/// What the steps so far have made of a process.
pub(super) struct Seat {
    pub(super) who: Who,
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
            let Some(at) = choose(&seats, |_| true, &mut random) else { break };
            let what = what_happens(&seats[at], &mut long, &mut random);
            let who = seats[at].becomes(what);
            plan.steps.push(Step { after: random.between(0, furthest), who, what });
        }
        plan
    }

    /// Cities and pages for each of them, on the site of this run.
    pub fn size(&self) -> (u32, u32) {
        match (self.shape, self.delay) {
            (Shape::Engines { .. }, _) => (u32::from(HOSTS), 3),
            (Shape::Embedded | Shape::Fleet { .. }, Some(_)) => (1, 2),
            (Shape::Embedded | Shape::Fleet { .. }, None) => (3, 2),
        }
    }

    /// The hosts of its site: 127.0.0.N from 1 to this. Each is a seed, with a list of all cities.
    pub fn hosts(&self) -> u8 {
        if let Shape::Engines { .. } = self.shape { HOSTS } else { 1 }
    }

    /// How many pages that makes.
    pub fn pages(&self) -> u64 {
        let (cities, pages) = self.size();
        u64::from(u32::from(self.hosts()) + cities * pages * 21)
    }

    /// Whether a worker can be frozen while its engine ends. The job that then waits in its connection belongs to no engine any more: thawed,
    /// the worker may begin it, and drops it when it finds the connection closed.
    pub fn has_stale_jobs(&self) -> bool {
        let is_frozen = |step: &Step| matches!((step.who, step.what), (Who::Worker(_), What::Freeze(_)));
        let ends_engine = |step: &Step| matches!((step.who, step.what), (Who::Engine(_), What::Kill | What::Terminate));
        self.steps.iter().any(is_frozen) && self.steps.iter().any(ends_engine)
    }

    /// Whether some process is frozen for so long that its engine gives it up.
    pub fn has_long_freeze(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.what, What::Freeze(time) if time >= LONGEST_FREEZE))
    }
}

impl Shape {
    /// The number of workers that are processes.
    pub fn workers(self) -> usize {
        match self {
            Shape::Embedded => 0,
            Shape::Fleet { workers, .. } => workers,
            Shape::Engines { .. } => WORKERS,
        }
    }

    /// The number of engines.
    pub fn engines(self) -> usize {
        if let Shape::Engines { .. } = self { ENGINES } else { 1 }
    }

    /// Whether this process is there from the start.
    pub fn is_there(self, who: Who) -> bool {
        match (self, who) {
            (Shape::Fleet { workers, late: true }, Who::Worker(index)) => index + 1 < workers,
            (Shape::Engines { late }, Who::Engine(index)) => index + late < ENGINES,
            (Shape::Fleet { .. } | Shape::Embedded | Shape::Engines { .. }, _) => true,
        }
    }

    pub(super) fn seats(self) -> Vec<Seat> {
        let engines = (0..self.engines()).map(Who::Engine);
        let workers = (0..self.workers()).map(Who::Worker);
        let itemsaver = matches!(self, Shape::Fleet { .. } | Shape::Engines { .. }).then_some(Who::Itemsaver);
        let database = matches!(self, Shape::Engines { .. }).then_some(Who::Database);
        let everybody = engines.chain(workers).chain(itemsaver).chain(database);
        everybody.map(|who| Seat { who, is_up: self.is_there(who), harm: 0 }).collect()
    }
}

impl Seat {
    /// What a step makes of it. Answers who it is.
    pub(super) fn becomes(&mut self, what: What) -> Who {
        self.is_up = matches!(what, What::Freeze(_) | What::Outage(_) | What::Start);
        self.harm += usize::from(what != What::Start);
        self.who
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }
}

/// Who is next, of those that are meant. Those that are down are as likely together as those that are up.
pub(super) fn choose(seats: &[Seat], is_meant: impl Fn(Who) -> bool, random: &mut Random) -> Option<usize> {
    let harm_to_workers: usize = seats.iter().filter(|seat| matches!(seat.who, Who::Worker(_))).map(|seat| seat.harm).sum();
    let may_be_harmed = |seat: &Seat| match seat.who {
        Who::Worker(_) => seat.harm < HARM_TO_A_WORKER && harm_to_workers < HARM_TO_WORKERS,
        Who::Engine(_) | Who::Itemsaver | Who::Database => true,
    };
    let places = |is_up: bool| -> Vec<usize> {
        let is_there = |seat: &Seat| is_meant(seat.who) && seat.is_up == is_up && (!is_up || may_be_harmed(seat));
        (0..seats.len()).filter(|at| is_there(&seats[*at])).collect()
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
            Shape::Engines { late } => write!(f, "{ENGINES} engines, {late} of them late, {WORKERS} workers, an itemsaver, a database")?,
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
            What::Outage(time) => write!(f, "kill {} for {time:?}", self.who),
            What::Start => write!(f, "start {}", self.who),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Engine(0) => write!(f, "engine"),
            Who::Engine(index) => write!(f, "engine {}", index + 1),
            Who::Worker(index) => write!(f, "worker {index}"),
            Who::Itemsaver => write!(f, "itemsaver"),
            Who::Database => write!(f, "database"),
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
                    What::Freeze(_) | What::Outage(_) => {}
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
