//! The engine loop: one task that owns the crawl.
//!
//! It owns scheduler, pool, scope and budgets; the others (the frontier's thread, request loops, worker members, saver, output) only send it
//! [`Event`]s. Everything that can wake it is in that one enum, a timer and the stop signals.
//!
//! **Invariant.** The loop awaits nobody who awaits the loop: it sends only into channels that have room by construction.
//! **Invariant.** A page is committed after its items are stored, and its links enter the frontier in that same commit.

mod ask;
mod commit;
mod cookie;
mod dispatch;
mod proxy;
mod resend;
mod robots;
mod settle;
mod stop;
mod tend;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use model::job::Proxy;
use model::{CrawlName, DedupKey, Origin, ParserRef};
use rpcsupport::PeerAddress;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::{Budgets, StopReason};
use crate::cookies::Jar;
use crate::event::Event;
use crate::frontier::{Ending, Frontier, FrontierError, FrontierThread, Notes, PageEnd, TAKEN_OVER_AFTER, Tenure};
use crate::ledger::Ledger;
use crate::limits::TimeLimits;
use crate::permits::NetPermits;
use crate::pool::member::{Joined, WorkerClient};
use crate::pool::{Pool, WorkerIndex};
use crate::progress::Snapshot;
use crate::proxies::Proxies;
use crate::request::Request;
use crate::request_loop::Dispatch;
use crate::retry::RetryPolicy;
use crate::saver::PageToSave;
use crate::scheduler::{Scheduler, Terms};
use crate::scope::Scope;

pub use resend::RESEND;
use resend::Resending;
use tend::Others;

/// How often the loop looks at the clock when nothing else wakes it: the precision of `--max-time`, of the grace and of the progress.
const TICK: Duration = Duration::from_millis(200);

/// What an engine had that died is another one's within 15 s: users rely on it.
const _: () = assert!(TAKEN_OVER_AFTER.as_millis() + TICK.as_millis() < 15_000);

/// Events handled before the loop looks at the rest, and endings of one group.
const GROUP: usize = 512;

/// Links of one group, from which on no ending is added: what a commit takes, it takes from the takes behind it.
const GROUP_LINKS: usize = 16 * 1024;

/// What the loop is told beforehand.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Most requests in flight, over all workers.
    pub worker_count: usize,
    /// What the crawl may cost.
    pub budgets: Budgets,
    /// When a URL is given up.
    pub retry: RetryPolicy,
    /// The time limits.
    pub limits: TimeLimits,
    /// The longest stretch without a worker.
    pub wait_for_workers: Duration,
    /// Whether requests of an earlier start are queued, which may lie outside the scope of this one.
    pub resumed: bool,
    /// The crawl's name.
    pub crawl: CrawlName,
    /// Times it was begun again.
    pub restarts: u64,
    /// What reads the pages of seeds that are added.
    pub start: Arc<ParserRef>,
    /// Whether the sitemaps that a robots.txt names are read.
    pub sitemaps: bool,
    /// Where jobs are fetched through; none: from the workers themselves.
    pub proxies: Vec<Arc<Proxy>>,
    /// Whether cookies are kept beyond the redirects that lead to one page.
    pub cookies: bool,
    /// The highest version that a page was given in earlier starts.
    pub versions: u64,
    /// Pages that may be between dispatch and commit.
    pub page_permits: usize,
    /// Bytes of outcomes that may wait for their commit before nothing more is dispatched.
    pub outcome_bytes: usize,
}

/// The channels to the other tasks.
pub struct Channels {
    /// To the request loops; has room for `worker_count`.
    pub dispatches: async_channel::Sender<Dispatch>,
    /// To the saver; has room for `page_permits`.
    pub pages: mpsc::Sender<PageToSave>,
    /// From everybody.
    pub events: mpsc::Receiver<Event>,
    /// The same from the other end, for the frontier's thread.
    pub frontier: mpsc::Sender<Event>,
    /// To the progress display.
    pub progress: watch::Sender<Snapshot>,
    /// To whoever makes tasks for workers that join.
    pub recruits: mpsc::Sender<Recruit>,
    /// What jobs may reach beyond public addresses, shared with the request loops.
    pub permits: Arc<RwLock<NetPermits>>,
}

/// A worker that joins a running crawl.
#[derive(Debug)]
pub struct Recruit {
    /// Its place among the workers.
    pub worker: WorkerIndex,
    /// Where it is.
    pub host: PeerAddress,
    /// Cancelled when it is told to leave.
    pub dismissed: CancellationToken,
}

/// How a crawl ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The counters.
    pub ledger: Ledger,
    /// Why it ended before its frontier was empty; none: it is complete.
    pub stopped_by: Option<StopReason>,
    /// Answers of sites, good and bad.
    pub fetches: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// What each worker did.
    pub workers: Vec<WorkerTally>,
    /// Requests that were in flight when a second signal or the end of the grace cut them off; they are still queued.
    pub abandoned: usize,
}

/// What one worker did.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WorkerTally {
    /// As the user wrote it.
    pub host: String,
    /// Jobs answered.
    pub done: u64,
    /// Jobs lost or refused.
    pub failed: u64,
}

/// Why a crawl could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not one worker before the first dispatch; a sentence for each.
    #[error("no connections available{}", .0.iter().map(|error| format!("\n  {error}")).collect::<String>())]
    NoWorkers(Vec<String>),
    /// The frontier cannot be written; what is committed is safe.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// The operating system has no thread for the frontier.
    #[error("cannot start the frontier's thread: {0}")]
    Thread(std::io::Error),
}

/// See the module.
pub struct Engine {
    config: EngineConfig,
    scope: Arc<Scope>,
    frontier: FrontierThread,
    /// The right to work on the crawl.
    tenure: Tenure,
    /// The counters as of the last commit.
    ledger: Ledger,
    /// The group that is on its way to the disk.
    committing: Option<Committing>,
    /// Takes that are out.
    takes: usize,
    scheduler: Scheduler,
    proxies: Proxies,
    /// The cookies, if any are kept.
    jar: Option<Jar>,
    pool: Pool<WorkerClient>,
    channels: Channels,
    started: Instant,
    in_flight: usize,
    pages_begun: u64,
    /// Pages of earlier starts.
    pages_before: u64,
    /// Pages at the saver.
    unsaved: HashMap<DedupKey, Unsaved>,
    /// Those of them that wait until it is certain that this engine still has the crawl.
    withheld: Vec<PageToSave>,
    /// Bytes of what was answered and is not committed.
    uncommitted_bytes: usize,
    /// Those of them that have ended, with `endings`.
    ended_bytes: usize,
    /// A request that waits for a worker of its own.
    lonely: Option<(Box<Request>, Terms)>,
    resending: Resending,
    endings: Vec<Ending>,
    given_up: Vec<(Origin, String)>,
    notes: Notes,
    stopping: Option<Stopping>,
    /// Origins whose sitemaps were entered from rules of an earlier start.
    sitemaps_found: HashSet<Origin>,
    /// Other engines at the crawl.
    others: Others,
    /// Nothing is handed out until somebody says so.
    paused: bool,
    /// What was asked of the frontier's thread and is not answered.
    asks: usize,
    /// Workers that the command line named; the others joined later.
    named_workers: usize,
    /// Tell each worker's task to end.
    dismissals: Vec<CancellationToken>,
    dispatched_any: bool,
    workerless_since: Option<Instant>,
    worker_problems: Vec<Option<String>>,
    saver_problem: Option<String>,
    items_seen: u64,
    fetches: u64,
    bytes: u64,
}

/// A page whose items are at the saver.
#[derive(Debug)]
struct Unsaved {
    request: Box<Request>,
    end: PageEnd,
    bytes: usize,
}

/// A group that is on its way to the disk.
#[derive(Debug)]
struct Committing {
    endings: usize,
    counts: EndingCounts,
    bytes: usize,
    given_up: Vec<Origin>,
}

/// What endings add to the counters that budgets are about.
#[derive(Clone, Copy, Debug, Default)]
struct EndingCounts {
    saved: u64,
    dead: u64,
    pages: u64,
}

/// Nothing more is dispatched; what is in flight is finished.
#[derive(Clone, Copy, Debug)]
struct Stopping {
    reason: StopReason,
    since: Instant,
}

impl Engine {
    /// An engine with these parts, about to crawl from these seeds; `workers` are the names the user gave.
    ///
    /// # Errors
    /// When the frontier cannot be written.
    #[allow(clippy::too_many_arguments, reason = "each is a part of its own, made elsewhere")]
    pub fn new(
        config: EngineConfig,
        scope: Scope,
        mut frontier: Box<dyn Frontier>,
        seeds: Vec<Request>,
        scheduler: Scheduler,
        workers: Vec<Joined>,
        channels: Channels,
        started: Instant,
    ) -> Result<Engine, EngineError> {
        let pages_before = frontier.ledger().pages;
        let seeded = frontier.seed(seeds)?;
        let ledger = frontier.ledger().clone();
        let jar = if config.cookies { Some(Jar::restore(frontier.cookies()?)) } else { None };
        let notes = Notes { versions: config.versions, ..Notes::default() };
        let (workers, dismissals): (Vec<String>, Vec<CancellationToken>) =
            workers.into_iter().map(|Joined { name, dismissed }| (name, dismissed)).unzip();
        let mut engine = Engine {
            worker_problems: vec![None; workers.len()],
            pool: Pool::new(workers),
            jar,
            proxies: Proxies::new(config.proxies.iter().cloned()),
            config,
            scope: Arc::new(scope),
            tenure: frontier.tenure(),
            frontier: FrontierThread::start(frontier, channels.frontier.clone()).map_err(EngineError::Thread)?,
            ledger,
            committing: None,
            takes: 0,
            scheduler,
            channels,
            started,
            in_flight: 0,
            pages_begun: pages_before,
            pages_before,
            unsaved: HashMap::new(),
            withheld: Vec::new(),
            uncommitted_bytes: 0,
            ended_bytes: 0,
            lonely: None,
            resending: Resending::default(),
            endings: Vec::new(),
            given_up: Vec::new(),
            notes,
            stopping: None,
            sitemaps_found: HashSet::new(),
            others: Others::default(),
            paused: false,
            asks: 0,
            named_workers: dismissals.len(),
            dismissals,
            dispatched_any: false,
            workerless_since: Some(Instant::now()),
            saver_problem: None,
            items_seen: 0,
            fetches: 0,
            bytes: 0,
        };
        // As of now: whoever had the crawl before may have been at it until this moment.
        let now = Instant::now();
        for (origin, health) in &seeded.woken {
            match engine.config.resumed {
                true => engine.scheduler.restore(origin, health, now),
                false => engine.scheduler.wake(origin, health, now),
            }
        }
        Ok(engine)
    }

    /// Crawls to the end. `interrupted` resolves once there were so many signals: the first lets what is in flight finish, the second ends at once.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn run<S, Fut>(mut self, interrupted: S) -> Result<(Ended, Box<dyn Frontier>), EngineError>
    where
        S: Fn(u32) -> Fut,
        Fut: Future<Output = ()> + Send + 'static,
    {
        if let Err(error) = self.work(&interrupted).await {
            self.let_frontier_go();
            return Err(error);
        }
        self.publish();
        // What is left is the frontier's, and whoever does not want to wait for that says so as before.
        let signals = if self.is_interrupted() { 2 } else { 1 };
        let (tenure, signal) = (self.tenure.clone(), interrupted(signals));
        tokio::spawn(async move {
            signal.await;
            tenure.leave();
        });
        self.ended()
    }

    async fn work<S, Fut>(&mut self, interrupted: &S) -> Result<(), EngineError>
    where
        S: Fn(u32) -> Fut,
        Fut: Future<Output = ()>,
    {
        self.look_at_the_budgets();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut signal = Box::pin(interrupted(1));
        loop {
            self.order_resend();
            let wake = self.dispatch();
            if self.is_over() {
                return Ok(());
            }
            tokio::select! {
                event = self.channels.events.recv() => match event {
                    Some(event) => self.handle_all(event)?,
                    None => unreachable!("the tasks that send hold their senders until the engine has ended"),
                },
                () = sleep_until(wake) => {}
                _ = tick.tick() => self.look_at_the_clock()?,
                () = &mut signal => {
                    if self.is_interrupted() {
                        return Ok(());
                    }
                    self.stop(StopReason::Interrupted);
                    signal = Box::pin(interrupted(2));
                }
            }
            self.look_at_the_budgets();
            self.let_go();
            self.commit();
        }
    }

    /// Handles an event and all others that wait, up to a group.
    fn handle_all(&mut self, first: Event) -> Result<(), EngineError> {
        self.handle(first, Instant::now())?;
        for _ in 1..GROUP {
            match self.channels.events.try_recv() {
                // Read anew each time: a host's pause begins when its answer is here, not before.
                Ok(event) => self.handle(event, Instant::now())?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event, now: Instant) -> Result<(), EngineError> {
        match event {
            Event::Finished(finished) => self.finished(*finished, now),
            Event::Frontier(event) => self.frontier(event, now)?,
            Event::Saved { pages, output } => {
                pages.into_iter().for_each(|page| self.saved(page));
                if output.is_some() {
                    self.notes.output = output;
                }
            }
            Event::Worker(event) => self.worker(event, now)?,
            Event::Saver(event) => self.saver(event),
            Event::Ask(ask) => self.asked(ask),
            Event::Output(error) => self.output_ended(&error),
            Event::FetchLog(error) => self.fetch_log_ended(&error),
        }
        Ok(())
    }

    /// Waits until the frontier has parted from the other engines, so that they need not wait for this one. On disk there are none, and a disk that
    /// hangs must not keep the process.
    fn let_frontier_go(mut self) {
        if !self.tenure.is_shared() {
            return;
        }
        self.channels.events.close();
        self.tenure.leave();
        // What is wrong with it was told, or does not matter any more.
        let _ = tokio::task::block_in_place(|| self.frontier.finish());
    }

    fn ended(mut self) -> Result<(Ended, Box<dyn Frontier>), EngineError> {
        // Whoever still sends is not waited for; what the frontier was ordered to do is done.
        self.channels.events.close();
        if self.stopping.is_some() {
            self.tenure.leave();
        }
        let frontier = tokio::task::block_in_place(|| self.frontier.finish())?;
        let ledger = frontier.ledger().clone();
        let complete = self.stopping.is_none() || ledger.urls.queued == 0 && !self.tenure.is_shared();
        let tally = |member: &crate::pool::Member| WorkerTally { host: member.name.clone(), done: member.done, failed: member.failed };
        let mut workers: Vec<WorkerTally> = Vec::new();
        for tally in self.pool.members().iter().map(tally) {
            // One that left and joined again is one worker.
            match workers.iter_mut().find(|known| known.host == tally.host) {
                Some(known) => (known.done, known.failed) = (known.done + tally.done, known.failed + tally.failed),
                None => workers.push(tally),
            }
        }
        let ended = Ended {
            ledger,
            stopped_by: self.stopping.map(|stopping| stopping.reason).filter(|_| !complete),
            fetches: self.fetches,
            bytes: self.bytes,
            workers,
            abandoned: self.in_flight,
        };
        Ok((ended, frontier))
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
