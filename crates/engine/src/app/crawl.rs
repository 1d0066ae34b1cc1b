//! The work between the start and the report: everybody is started, the engine runs, everybody ends.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Context;
use model::hello::Hello;
use model::parser::SpiderFile;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use worker::Registry;

use super::Done;
use super::output::start_output;
use super::stored::{Stored, saver_identity};
use crate::config::Config;
use crate::control::server::Control;
use crate::engine::{Channels, Engine, EngineError, RESEND, Recruit};
use crate::event::{EVENTS, Event};
use crate::fetch_log::{FetchLog, LogStart};
use crate::interrupts::Interrupts;
use crate::parse_journal::ParseJournal;
use crate::pool::member::{self, Joined};
use crate::progress::{self, Screen, Show, Snapshot};
use crate::report::{DEAD_LETTERS, Report};
use crate::request_loop::{self, JobTemplate};
use crate::saver::Saver;
use crate::scheduler::Scheduler;
use crate::sources;
use crate::state::{OpenedFrontier, StateDir};

/// Workers that may join at a time: more than anybody asks for before the first has its task.
const RECRUITS: usize = 64;

/// How long the saver and the output may take to end after the engine has: all their work is done by then, or given up.
const FAREWELL: Duration = Duration::from_secs(2);

/// Everything that was made ready.
pub(super) struct Start {
    pub(super) stored: Stored,
    pub(super) opened: OpenedFrontier,
    pub(super) resume_output_at: Option<u64>,
    pub(super) hello: Hello,
    pub(super) registry: Registry,
    /// When the process began with it, and when this life did.
    pub(super) began: Instant,
    pub(super) started: Instant,
    pub(super) screen: Screen,
    pub(super) interrupts: Interrupts,
    /// Who listens until the engine does.
    pub(super) ear: Option<AbortOnDropHandle<()>>,
}

/// The work between the start and the report.
pub(super) async fn crawl(config: &Config, state: &StateDir, start: Start) -> anyhow::Result<Done> {
    let Start { stored, opened, resume_output_at, hello, registry, began, started, screen, interrupts, ear } = start;
    let OpenedFrontier { frontier, record, .. } = opened;
    let (event_sender, events) = mpsc::channel(EVENTS);
    let (dispatches, dispatch_queue) = async_channel::bounded(config.engine.worker_count);
    let (pages, page_queue) = mpsc::channel(config.engine.page_permits + RESEND);
    let (progress, snapshots) = watch::channel(Snapshot::default());
    let (recruits, recruited) = mpsc::channel(RECRUITS);
    let output = start_output(config, resume_output_at, event_sender.clone())?;
    let show = if config.verbosity < 0 { Show::Nothing } else { Show::Auto };
    let shown = tokio::spawn(progress::show(snapshots, show, screen));

    // Members and request loops end with the engine; the saver and the output first finish what they have.
    let mut helpers = JoinSet::new();
    let sources = sources::workers(config, state, record.epoch, &hello, registry)?;
    let spider = config.spider.as_ref().map(|loaded| Arc::clone(&loaded.file));
    let mut joined = Vec::new();
    for (worker, source) in sources.into_iter().enumerate() {
        let dismissed = CancellationToken::new();
        joined.push(Joined { name: source.name.clone(), dismissed: dismissed.clone() });
        helpers.spawn(member::keep_linked(worker, source, spider.clone(), dismissed, event_sender.clone()));
    }
    helpers.spawn(recruit(recruited, hello.clone(), spider.clone(), event_sender.clone()));
    match Control::bind(state.path()) {
        Ok(control) => _ = helpers.spawn(control.serve(event_sender.clone())),
        Err(error) => tracing::warn!(%error, "this crawl cannot be controlled while it runs: no socket in {}", state.path().display()),
    }
    let deadline = config.engine.limits.job_deadline();
    let fetch = config.fetch.clone();
    let (log, log_ended) = match &config.fetch_log {
        None => (None, None),
        Some(path) => {
            let start = LogStart { crawl: config.crawl.as_str(), epoch: record.epoch, started, least_ms: record.at_ms, deadline };
            let opened = FetchLog::start(path, start, event_sender.clone());
            let (log, ended) = opened.with_context(|| format!("cannot write the fetch log {}", path.display()))?;
            (Some(log), Some(ended))
        }
    };
    let permits = Arc::new(RwLock::new(config.permits.clone()));
    let template = Arc::new(JobTemplate {
        fetch,
        logins: config.logins.clone(),
        permits: Arc::clone(&permits),
        spider: spider.clone(),
        deadline,
        log,
        tenure: frontier.tenure(),
    });
    for _ in 0..config.engine.worker_count {
        helpers.spawn(request_loop::run(dispatch_queue.clone(), Arc::clone(&template), event_sender.clone()));
    }
    let Stored { link, source, embedded, places } = stored;
    let frontier_events = event_sender.clone();
    let saver = Saver {
        source,
        identity: saver_identity(config, &hello),
        pages: page_queue,
        output: output.as_ref().map(|output| output.sender.clone()),
        events: event_sender,
    };
    let saver = tokio::spawn(saver.run(link));

    let channels = Channels { dispatches, pages, events, progress, frontier: frontier_events, recruits, permits };
    let scheduler = Scheduler::new(config.hosts.clone());
    let (settings, scope) = (config.engine.clone(), config.scope.clone());
    let ended = match Engine::new(settings, scope, frontier, config.seeds.clone(), scheduler, joined, channels, began) {
        Ok(engine) => {
            drop(ear);
            // As a task: what wakes it is then mostly on the same thread, which the one that waits for the whole crawl never is.
            match tokio::spawn(engine.run(move |count| interrupts.reached(count))).await {
                Ok(ended) => ended,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        Err(error) => Err(error),
    };
    let elapsed = began.elapsed();

    helpers.shutdown().await;
    drop(template);
    if let Some(ended) = log_ended {
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
    // A reader that has stopped reading, or a disk that hangs, must not keep the process: what they hold was not committed.
    let _ = tokio::time::timeout(FAREWELL, saver).await;
    if let Some(output) = output {
        let _ = tokio::time::timeout(FAREWELL, output.finish(ended.is_ok())).await;
    }
    if let Some(embedded) = embedded
        && tokio::time::timeout(FAREWELL, embedded.close()).await.is_err()
    {
        tracing::warn!("the store did not close in time; what it has acknowledged is safe");
    }
    let _ = shown.await;
    let (ended, mut frontier) = ended?;
    // What is still being parsed here was given up in order: no loss.
    let journal = state.parse_journal();
    if let Err(error) = ParseJournal::remove(&journal) {
        tracing::warn!(%error, "cannot remove {}", journal.display());
    }
    if ended.abandoned > 0 {
        tracing::warn!(in_flight = ended.abandoned, "ended at once: these pages were cut off");
    }
    let dead = frontier.dead(None, DEAD_LETTERS).map_err(EngineError::Frontier)?;
    let report = Report::new(config.crawl.to_string(), &record, ended, dead, &config.engine.budgets, elapsed);
    let mut report_problem = write_report(config, &report);
    // Only now: killed before, the next start finds nothing queued, writes the report and ends.
    if report.complete && report_problem.is_none() {
        report_problem = frontier.complete().context("the crawl is complete, but that could not be noted").err();
    }
    Ok(Done { report, places, report_problem })
}

/// Makes a task for each worker that joins, until the engine has ended.
async fn recruit(mut recruits: mpsc::Receiver<Recruit>, hello: Hello, spider: Option<Arc<SpiderFile>>, events: mpsc::Sender<Event>) {
    let mut members = JoinSet::new();
    while let Some(Recruit { worker, host, dismissed }) = recruits.recv().await {
        while members.try_join_next().is_some() {}
        members.spawn(member::keep_linked(worker, sources::worker(&host, &hello), spider.clone(), dismissed, events.clone()));
    }
}

/// Writes the report where the user wants it. Answers why it could not.
pub(super) fn write_report(config: &Config, report: &Report) -> Option<anyhow::Error> {
    let path = config.report.as_ref()?;
    report.write(path).with_context(|| format!("cannot write the report {}", path.display())).err()
}
