//! Plays a plan with real processes against the practice site.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mockserver::SiteConfig;
use tokio::time::Instant;

use super::schedule::{Plan, Shape, Step, What, Who};
use crate::crawl::{Crawl, Finished, Running};
use crate::port;
use crate::process::Exit;
use crate::server::Server;
use crate::site::PracticeSite;

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
    /// The last start of the engine.
    pub finished: Finished,
    /// The state directory.
    pub state: PathBuf,
    /// The store, of the itemsaver or the engine alone.
    pub store: PathBuf,
    /// What the engine wrote, if it was to.
    pub output: Option<PathBuf>,
    /// Starts of the engine.
    pub starts: u64,
    /// Steps taken before the crawl was complete.
    pub steps: usize,
}

/// A worker or the itemsaver.
#[derive(Debug)]
struct Seat {
    who: Who,
    port: u16,
    server: Option<Server>,
    told_to_end: bool,
    thaw_at: Option<Instant>,
}

/// Everything that runs.
#[derive(Debug)]
struct Fleet<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    site: PracticeSite,
    seats: Vec<Seat>,
    engine: Option<Running>,
    engine_told_to_end: bool,
    engine_thaw_at: Option<Instant>,
    starts: u64,
    finished: Option<Finished>,
}

/// Plays a plan to the end of its crawl; `folder` gets the state, the store, the output and what the processes said.
///
/// # Panics
/// When something does not start or end as it must.
pub fn play(plan: &Plan, folder: &Path) -> Played {
    let mut fleet = Fleet::new(plan, folder);
    fleet.start_engine();
    let mut steps = 0;
    for step in &plan.steps {
        fleet.wait(step.after);
        if fleet.finished.is_some() {
            break;
        }
        fleet.take(step);
        steps += 1;
    }
    fleet.mend();
    let finished = fleet.run_to_the_end();
    fleet.close();
    Played {
        latency: latency(plan),
        finished,
        state: fleet.state(),
        store: fleet.store(),
        output: fleet.output(),
        starts: fleet.starts,
        steps,
        site: fleet.site,
    }
}

fn latency(plan: &Plan) -> Duration {
    if plan.delay.is_some() { LATENCY_BESIDE_A_DELAY } else { LATENCY }
}

impl<'a> Fleet<'a> {
    fn new(plan: &'a Plan, folder: &'a Path) -> Fleet<'a> {
        let (cities, pages) = plan.size();
        let config = SiteConfig { cities, pages: Some(pages), cars: 0, latency: latency(plan), ..SiteConfig::practice() };
        let itemsaver = matches!(plan.shape, Shape::Fleet { .. }).then_some(Who::Itemsaver);
        let servers = (0..plan.shape.workers()).map(Who::Worker).chain(itemsaver);
        let seat = |who| Seat { who, port: port::reserve(), server: None, told_to_end: false, thaw_at: None };
        let seats = servers.map(seat).collect();
        let mut fleet = Fleet {
            plan,
            folder,
            site: PracticeSite::serve(config),
            seats,
            engine: None,
            engine_told_to_end: false,
            engine_thaw_at: None,
            starts: 0,
            finished: None,
        };
        for at in 0..fleet.seats.len() {
            if plan.shape.is_there(fleet.seats[at].who) {
                fleet.start_server(at);
            }
        }
        fleet
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn store(&self) -> PathBuf {
        match self.plan.shape {
            Shape::Embedded => self.state().join("items.db"),
            Shape::Fleet { .. } => self.folder.join("items.db"),
        }
    }

    fn output(&self) -> Option<PathBuf> {
        self.plan.output.then(|| self.folder.join("items.jsonl"))
    }

    /// Waits for so many further requests, for as long as any come, and thaws who was frozen long enough.
    fn wait(&mut self, requests: u64) {
        let mut last = self.site.last_arrival();
        let aim = last + requests;
        let mut quiet_since = Instant::now();
        loop {
            self.thaw(|at| at <= Instant::now());
            self.notice_end();
            if last >= aim || self.engine.is_none() || quiet_since.elapsed() >= QUIET {
                return;
            }
            if self.site.arrival_within(last + 1, LOOK) {
                last = self.site.last_arrival();
                quiet_since = Instant::now();
            }
        }
    }

    fn thaw(&mut self, is_due: impl Fn(Instant) -> bool) {
        for seat in &mut self.seats {
            if seat.thaw_at.take_if(|at| is_due(*at)).is_some()
                && let Some(server) = &seat.server
            {
                server.process().thaw();
            }
        }
        if self.engine_thaw_at.take_if(|at| is_due(*at)).is_some()
            && let Some(engine) = &self.engine
        {
            engine.process.thaw();
        }
    }

    fn take(&mut self, step: &Step) {
        let at = self.seats.iter().position(|seat| seat.who == step.who);
        match (step.what, at) {
            (What::Start, None) => self.start_engine(),
            (What::Start, Some(at)) => self.start_server(at),
            (what, None) => self.harm_engine(what),
            (what, Some(at)) => self.harm_server(at, what),
        }
    }

    fn harm_engine(&mut self, what: What) {
        let Some(engine) = &self.engine else { return };
        match what {
            What::Kill => {
                engine.process.kill();
                self.engine_told_to_end = true;
                self.notice_end();
            }
            What::Terminate => {
                engine.process.terminate();
                self.engine_told_to_end = true;
            }
            What::Freeze(time) => {
                engine.process.freeze();
                self.engine_thaw_at = Some(Instant::now() + time);
            }
            What::Start => unreachable!("to start is no harm"),
        }
    }

    fn harm_server(&mut self, at: usize, what: What) {
        let seat = &mut self.seats[at];
        let Some(server) = &seat.server else { return };
        match what {
            What::Kill => {
                server.process().kill();
                self.keep_log(at);
                self.seats[at].server = None;
            }
            What::Terminate => {
                server.process().terminate();
                seat.told_to_end = true;
            }
            What::Freeze(time) => {
                server.process().freeze();
                seat.thaw_at = Some(Instant::now() + time);
            }
            What::Start => unreachable!("to start is no harm"),
        }
    }

    /// Starts the engine unless it runs. One that was told to end gets its time, and then the second signal that ends it at once.
    fn start_engine(&mut self) {
        self.notice_end();
        if let Some(engine) = self.engine.as_ref().filter(|_| self.engine_told_to_end) {
            self.engine_thaw_at = None;
            engine.process.thaw();
            if !engine.process.ends_within(DRAIN) {
                engine.process.terminate();
                engine.process.exit();
            }
            self.notice_end();
        }
        if self.engine.is_some() || self.finished.is_some() {
            return;
        }
        let mut crawl = Crawl::in_state(&self.state()).spider("zhenai").args(["--worker-count", "6"]);
        let hosts = |is_worker: bool| -> Vec<String> {
            let those = self.seats.iter().filter(|seat| matches!(seat.who, Who::Worker(_)) == is_worker);
            those.map(|seat| format!("127.0.0.1:{}", seat.port)).collect()
        };
        if let Shape::Fleet { .. } = self.plan.shape {
            crawl = crawl.args(["--worker-hosts", &hosts(true).join(","), "--itemsaver-host", &hosts(false).join(",")]);
        }
        if let Some(delay) = self.plan.delay {
            crawl = crawl.args(["--delay", &format!("{}ms", delay.as_millis())]);
            if self.plan.has_long_freeze() {
                // The slot of a page that a silent worker has stays taken for this long and 10 s more.
                crawl = crawl.args(["--fetch-timeout", "3s"]);
            }
        }
        if let Some(output) = self.output() {
            crawl = crawl.arg("--output").arg(output);
        }
        self.engine = Some(crawl.arg(self.site.people_seed()).start());
        self.engine_told_to_end = false;
        self.starts += 1;
    }

    /// Notices that the engine has ended: with the crawl, or because it was told or made to.
    fn notice_end(&mut self) {
        if self.engine.as_ref().is_none_or(|engine| engine.process.is_running()) {
            return;
        }
        let engine = self.engine.take().expect("just seen");
        let exit = engine.process.exit();
        self.write_log(&format!("engine-{}", self.starts), &exit);
        self.engine_thaw_at = None;
        match exit.code {
            Some(0) => self.finished = Some(engine.finish()),
            Some(1) | None if self.engine_told_to_end => {}
            code => panic!("the engine ended by itself with {code:?}:\n{}", exit.stderr),
        }
    }

    /// Starts a worker or the itemsaver unless it runs. One that was told to end gets its time, and is killed then.
    fn start_server(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        if let Some(server) = seat.server.as_ref().filter(|_| seat.told_to_end) {
            seat.thaw_at = None;
            server.process().thaw();
            let in_time = server.process().ends_within(DRAIN);
            if !in_time {
                server.process().kill();
            }
            let exit = server.process().exit();
            assert!(!in_time || exit.code == Some(0), "{} ended with {:?}:\n{}", seat.who, exit.code, exit.stderr);
            self.keep_log(at);
            self.seats[at].server = None;
        }
        let store = self.store();
        let seat = &mut self.seats[at];
        seat.told_to_end = false;
        if seat.server.is_none() {
            seat.server = Some(match seat.who {
                Who::Itemsaver => Server::itemsaver_on(seat.port, &store),
                Who::Worker(_) | Who::Engine => Server::worker_on(seat.port),
            });
        }
    }

    /// All go on, and all are there.
    fn mend(&mut self) {
        self.thaw(|_| true);
        for at in 0..self.seats.len() {
            self.start_server(at);
        }
    }

    fn run_to_the_end(&mut self) -> Finished {
        for _ in 0..2 {
            if let Some(engine) = &self.engine {
                engine.process.exit();
            }
            self.notice_end();
            match self.finished.take() {
                Some(finished) => return finished,
                None => self.start_engine(),
            }
        }
        let engine = self.engine.take().expect("just started");
        let exit = engine.process.exit();
        self.write_log(&format!("engine-{}", self.starts), &exit);
        engine.finish()
    }

    /// Ends all servers, which must be there still and well.
    fn close(&mut self) {
        for at in 0..self.seats.len() {
            let Seat { who, server, .. } = &self.seats[at];
            let process = server.as_ref().expect("all are there").process();
            assert!(process.is_running(), "{who} ended by itself:\n{}", process.exit().stderr);
            process.terminate();
            let exit = process.exit();
            assert_eq!(exit.code, Some(0), "{who}:\n{}", exit.stderr);
            self.keep_log(at);
        }
    }

    fn keep_log(&self, at: usize) {
        let Seat { who, server, .. } = &self.seats[at];
        let process = server.as_ref().expect("who ended was there").process();
        self.write_log(&format!("{who}-{}", process.id()), &process.exit());
    }

    fn write_log(&self, name: &str, exit: &Exit) {
        let file = self.folder.join(format!("{}.log", name.replace(' ', "-")));
        std::fs::write(&file, &exit.stderr).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        assert!(!exit.stderr.contains("panicked at"), "{name} panicked:\n{}", exit.stderr);
    }
}
