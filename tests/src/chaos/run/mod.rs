//! Plays a plan with real processes against the practice site.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mockserver::{Section, SiteConfig};
use services::postgres::Postgres;
use tokio::time::Instant;

use super::lives::Life;
use super::schedule::{Plan, Shape, Step, What, Who};
use crate::crawl::Finished;
use crate::port;
use crate::process::Exit;
use crate::site::PracticeSite;

mod engine;

mod server;

use engine::EngineSeat;
use server::Seat;

/// How long no request may come before the next step is taken all the same: longer than an engine takes to start.
const QUIET: Duration = Duration::from_millis(500);

/// How long a process that was told to end may take before it is ended.
const DRAIN: Duration = Duration::from_secs(3);

/// How exactly the time of a frozen process and the end of an engine are noticed.
const LOOK: Duration = Duration::from_millis(10);

/// Each answer of the site comes this much later, so that some are on their way whenever something happens.
const LATENCY: Duration = Duration::from_millis(25);

/// The same on a site that is visited by one request at a time.
const LATENCY_BESIDE_A_DELAY: Duration = Duration::from_millis(10);

/// A run that has ended.
#[derive(Debug)]
pub struct Played {
    /// The site and who came to it.
    pub site: PracticeSite,
    /// How long its answers take.
    pub latency: Duration,
    /// The starts that completed the crawl: one, or one of each engine that was at it then.
    pub finished: Vec<Finished>,
    /// The state directory of the engine, or of the first.
    pub state: PathBuf,
    /// What each engine has noted of its requests.
    pub fetch_logs: Vec<PathBuf>,
    /// Where the frontier is, if it is in no state directory.
    pub database: Option<Postgres>,
    /// Each start of an engine that told the site who asks.
    pub lives: Vec<Life>,
    /// The store, of the itemsaver or the engine alone.
    pub store: PathBuf,
    /// What the engine wrote, if it was to.
    pub output: Option<PathBuf>,
    /// Starts of engines.
    pub starts: u64,
    /// Steps taken before the crawl was complete.
    pub steps: usize,
}

/// Everything that runs.
#[derive(Debug)]
struct Fleet<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    site: PracticeSite,
    seats: Vec<Seat>,
    engines: Vec<EngineSeat>,
    lives: Vec<Life>,
    database: Option<Postgres>,
    /// When the database is started again; none: it is there.
    database_back_at: Option<Instant>,
    finished: Vec<Finished>,
}

/// Plays a plan to the end of its crawl; `folder` gets the state, the store, the output and what the processes said.
///
/// # Panics
/// When something does not start or end as it must.
pub fn play(plan: &Plan, folder: &Path) -> Played {
    let mut fleet = Fleet::new(plan, folder);
    for engine in 0..fleet.engines.len() {
        if plan.shape.is_there(Who::Engine(engine)) {
            fleet.start_engine(engine);
        }
    }
    let mut steps = 0;
    for step in &plan.steps {
        fleet.wait(step.after);
        if !fleet.finished.is_empty() {
            break;
        }
        fleet.take(step);
        steps += 1;
    }
    fleet.mend();
    fleet.run_to_the_end();
    fleet.close();
    Played {
        latency: latency(plan),
        state: fleet.state(0),
        fetch_logs: (0..fleet.engines.len()).map(|engine| fleet.fetch_log(engine)).filter(|log| log.exists()).collect(),
        store: fleet.store(),
        output: fleet.output(),
        starts: fleet.engines.iter().map(|engine| engine.starts).sum(),
        finished: fleet.finished,
        database: fleet.database,
        lives: fleet.lives,
        steps,
        site: fleet.site,
    }
}

impl Played {
    /// What a crawl from all hosts finds.
    ///
    /// # Panics
    /// Never: the site is finite.
    pub fn people(&self, plan: &Plan) -> Section {
        let mut people = self.site.people();
        for host in 2..=plan.hosts() {
            // Each list is a page of its own; the cities and people that they lead to are the same.
            people.pages.push(self.site.people_seed_of(&self.site.base_of(host)));
        }
        people
    }
}

fn latency(plan: &Plan) -> Duration {
    if plan.delay.is_some() { LATENCY_BESIDE_A_DELAY } else { LATENCY }
}

impl<'a> Fleet<'a> {
    fn new(plan: &'a Plan, folder: &'a Path) -> Fleet<'a> {
        let (cities, pages) = plan.size();
        let config =
            SiteConfig { cities, pages: Some(pages), cars: 0, latency: latency(plan), spread: plan.hosts(), ..SiteConfig::practice() };
        let itemsaver = matches!(plan.shape, Shape::Fleet { .. } | Shape::Engines { .. }).then_some(Who::Itemsaver);
        let servers = (0..plan.shape.workers()).map(Who::Worker).chain(itemsaver);
        let seat = |who| Seat { who, port: port::reserve(), server: None, told_to_end: false, thaw_at: None };
        let seats = servers.map(seat).collect();
        let engine = |index| EngineSeat {
            who: Who::Engine(index),
            running: None,
            told_to_end: false,
            is_opening: false,
            thaw_at: None,
            starts: 0,
            life: 0,
        };
        let mut fleet = Fleet {
            plan,
            folder,
            site: PracticeSite::serve_hosts(config, &(1..=plan.hosts()).collect::<Vec<_>>()),
            seats,
            engines: (0..plan.shape.engines()).map(engine).collect(),
            lives: Vec::new(),
            database: matches!(plan.shape, Shape::Engines { .. }).then(Postgres::start),
            database_back_at: None,
            finished: Vec::new(),
        };
        for at in 0..fleet.seats.len() {
            if plan.shape.is_there(fleet.seats[at].who) {
                fleet.start_server(at);
            }
        }
        fleet
    }

    fn state(&self, engine: usize) -> PathBuf {
        self.folder.join(if engine == 0 { "state".to_owned() } else { format!("state-{}", engine + 1) })
    }

    fn fetch_log(&self, engine: usize) -> PathBuf {
        self.folder.join(format!("fetches-{}.jsonl", engine + 1))
    }

    fn store(&self) -> PathBuf {
        match self.plan.shape {
            Shape::Embedded => self.state(0).join("items.db"),
            Shape::Fleet { .. } | Shape::Engines { .. } => self.folder.join("items.db"),
        }
    }

    fn output(&self) -> Option<PathBuf> {
        self.plan.output.then(|| self.folder.join("items.jsonl"))
    }

    /// Waits for so many further requests, for as long as any come, and sees meanwhile to what is due.
    fn wait(&mut self, requests: u64) {
        let mut last = self.site.last_arrival();
        let aim = last + requests;
        let mut quiet_since = Instant::now();
        loop {
            self.see_to_what_is_due();
            if last >= aim || !self.has_engine() || quiet_since.elapsed() >= QUIET {
                return;
            }
            if self.site.arrival_within(last + 1, LOOK) {
                last = self.site.last_arrival();
                quiet_since = Instant::now();
            }
        }
    }

    /// The same until there is nothing more of a kind, which takes a while at most.
    fn wait_out(&mut self, what: &str, is_there: impl Fn(&Fleet<'_>) -> bool) {
        let end = Instant::now() + crate::LIMIT;
        while is_there(self) {
            assert!(Instant::now() < end, "waited for {what}: {:#?}", self.engines);
            self.site.arrival_within(self.site.last_arrival() + 1, LOOK);
            self.see_to_what_is_due();
        }
    }

    /// Thaws who was frozen long enough, and notices who has ended and who is at the crawl.
    fn see_to_what_is_due(&mut self) {
        self.thaw(|at| at <= Instant::now());
        self.notice_ends();
        self.notice_openings();
    }

    fn thaw(&mut self, is_due: impl Fn(Instant) -> bool) {
        for seat in &mut self.seats {
            if seat.thaw_at.take_if(|at| is_due(*at)).is_some()
                && let Some(server) = &seat.server
            {
                server.process().thaw();
            }
        }
        for engine in 0..self.engines.len() {
            if self.engines[engine].thaw_at.is_some_and(&is_due) {
                self.thaw_engine(engine);
            }
        }
        if self.database_back_at.take_if(|at| is_due(*at)).is_some() {
            self.start_database_again();
        }
    }

    fn has_engine(&self) -> bool {
        self.engines.iter().any(|engine| engine.running.is_some())
    }

    fn take(&mut self, step: &Step) {
        let at = self.seats.iter().position(|seat| seat.who == step.who);
        match (step.who, step.what, at) {
            (Who::Engine(engine), What::Start, _) => self.start_engine(engine),
            (Who::Engine(engine), what, _) => self.harm_engine(engine, what),
            (Who::Database, what, _) => self.harm_database(what),
            (Who::Worker(_) | Who::Itemsaver, What::Start, Some(at)) => self.start_server(at),
            (Who::Worker(_) | Who::Itemsaver, what, Some(at)) => self.harm_server(at, what),
            (Who::Worker(_) | Who::Itemsaver, _, None) => unreachable!("a plan harms and starts those that it has"),
        }
    }

    /// All go on, and all are there; engines only as long as the crawl is certainly not complete.
    fn mend(&mut self) {
        if self.database.is_some() {
            // So that who is silent for long has been succeeded.
            self.wait_out("those that are silent", |fleet| {
                fleet.database_back_at.is_some() || fleet.engines.iter().any(|engine| engine.thaw_at.is_some())
            });
        }
        self.thaw(|_| true);
        for at in 0..self.seats.len() {
            self.start_server(at);
        }
        if self.database.is_some() {
            for engine in 0..self.engines.len() {
                self.start_engine(engine);
            }
            self.wait_out("engines to be at the crawl", |fleet| fleet.engines.iter().any(|engine| engine.is_opening));
        }
    }

    /// Waits until all engines have ended. If none has completed the crawl, one is started for that.
    fn run_to_the_end(&mut self) {
        for _ in 0..3 {
            for engine in &self.engines {
                if let Some(running) = &engine.running {
                    running.process.exit();
                }
            }
            self.notice_ends();
            if !self.finished.is_empty() {
                return;
            }
            self.start_engine(0);
        }
        panic!("nobody completes the crawl");
    }

    fn write_log(&self, name: &str, exit: &Exit) {
        let file = self.folder.join(format!("{}.log", name.replace(' ', "-")));
        std::fs::write(&file, &exit.stderr).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        assert!(!exit.stderr.contains("panicked at"), "{name} panicked:\n{}", exit.stderr);
    }
}
