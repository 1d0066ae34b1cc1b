//! A crawl from start to end: read what is needed, reach everybody, run the engine, report.

mod announce;
mod crawl;
mod output;
mod seeds;
mod stored;

use anyhow::Context;
use model::hello::{CrawlIdentity, Hello, Role};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use worker::Registry;

use crate::args::Args;
use crate::config::{Config, SeedSource};
use crate::engine::{Ended, EngineError};
use crate::frontier::{CrawlRecord, Database, DiskPlace, FrontierError, Home, Inspected, Tenure};
use crate::interrupts::Interrupts;
use crate::lives::Lives;
use crate::practice::PracticeSite;
use crate::progress::Screen;
use crate::report::{DEAD_LETTERS, Places, Report};
use crate::state::{Beginning, CrawlToOpen, SharedFrontier, StateDir};
use announce::announce;
use crawl::{Start, crawl, write_report};
use output::{output_mark, resume_output};
use seeds::seed_source;
use stored::{Stored, places};

/// Why there is no report.
#[derive(Debug)]
pub enum StartError {
    /// What is wrong with the command line and the files it names, a sentence each. Nothing was fetched or stored.
    Mistakes(Vec<String>),
    /// Something that was needed is not there. Nothing was fetched or stored.
    Failed(anyhow::Error),
    /// It had begun, and cannot go on. What is committed is safe.
    BrokenOff(anyhow::Error),
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> StartError {
        StartError::Failed(error)
    }
}

/// A crawl that has ended, with what to tell.
#[derive(Debug)]
pub struct Done {
    /// What became of it.
    pub report: Report,
    /// Where things are.
    pub places: Places,
    /// Why the report could not be written to its file.
    pub report_problem: Option<anyhow::Error>,
}

/// Crawls as the arguments say. `registry` has the parsers of this program: those that a spider may name, and those of the embedded worker.
///
/// # Errors
/// [`StartError`] when nothing could be started; a crawl that began ends in a report, unless its frontier cannot be written, or others had gone on
/// with it and it could not, or was not to, join them again.
pub async fn run(args: &Args, registry: Registry, screen: Screen) -> Result<Done, StartError> {
    let practice = match args.urls.is_empty() && args.spider.is_none() && args.sitemap.is_empty() {
        true => Some(PracticeSite::start().await.context("cannot start the practice site")?),
        false => None,
    };
    let source = seed_source(args, practice.as_ref())?;
    let (mut args, mut lives, interrupts) = (args.clone(), Lives::begin(Instant::now()), Interrupts::default());
    loop {
        let starter = Starter {
            args: &args,
            source: source.clone(),
            practice: practice.as_ref(),
            registry: registry.clone(),
            screen: screen.clone(),
        };
        let had_begun = lives.opened();
        let error = match run_once(starter, &mut lives, &interrupts).await {
            // Whoever was told to end joins nobody again.
            Err(StartError::Failed(error)) if is_taken_over(&error) && !interrupts.any() => error,
            Err(StartError::Failed(error)) if had_begun || is_of_frontier(&error) => return Err(StartError::BrokenOff(error)),
            Err(StartError::Mistakes(mistakes)) if had_begun => return Err(StartError::BrokenOff(anyhow::anyhow!(mistakes.join("\n")))),
            ended => return ended,
        };
        if lives.opened() {
            // It was begun anew, and that once is enough.
            (args.fresh, args.rescan) = (false, false);
        }
        let pause = lives.end(Instant::now(), rand::random());
        match pause.is_zero() {
            true => tracing::warn!("{error:#}; joining them again"),
            false => tracing::warn!("{error:#}; joining them again in {:.1} s", pause.as_secs_f32()),
        }
        let wait = async {
            tokio::time::sleep(pause).await;
            Ok(())
        };
        let had_begun = lives.opened();
        unless_told_to_end(Some(&interrupts), wait).await.map_err(if had_begun { StartError::BrokenOff } else { StartError::Failed })?;
    }
}

/// Whether other engines have gone on without this one.
fn is_taken_over(error: &anyhow::Error) -> bool {
    let of_frontier = error.downcast_ref::<FrontierError>();
    let of_engine = error.downcast_ref::<EngineError>().and_then(|error| match error {
        EngineError::Frontier(error) => Some(error),
        EngineError::NoWorkers(_) | EngineError::Thread(_) => None,
    });
    matches!(of_frontier.or(of_engine), Some(FrontierError::TakenOver(_)))
}

/// Whether the engine was at work when its frontier failed.
fn is_of_frontier(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<EngineError>(), Some(EngineError::Frontier(_)))
}

/// What a life of an engine is started with.
struct Starter<'a> {
    args: &'a Args,
    source: SeedSource,
    practice: Option<&'a PracticeSite>,
    registry: Registry,
    screen: Screen,
}

/// One life of an engine.
async fn run_once(starter: Starter<'_>, lives: &mut Lives, interrupts: &Interrupts) -> Result<Done, StartError> {
    let Starter { args, source, practice, registry, screen } = starter;
    let mut config = Config::build(args, source, &registry.names()).map_err(StartError::Mistakes)?;
    let state = StateDir::open(config.state.as_deref())?;
    // In a first life a signal ends the process by itself until it is at a crawl with others, or at work.
    let listens = (!lives.is_first()).then_some(interrupts);
    let home = unless_told_to_end(listens, find_home(&config, &state)).await?;
    let wanted = CrawlToOpen {
        crawl: &config.crawl,
        spider: config.spider.as_ref().map(|loaded| &loaded.file.hash),
        // The practice crawl begins anew whenever it is started, and that once.
        fresh: config.fresh && !lives.opened(),
        rescan: config.rescan,
        goes_on: lives.opened(),
    };
    let ear = listens.map(|interrupts| leave_when_told(interrupts, home.tenure()));
    let opened = state.open_frontier(&*home, &wanted, &|name| config.has_parser(name));
    if interrupts.any() {
        return Err(interrupted().into());
    }
    let Some(mut opened) = opened? else {
        return Ok(completed_by_others(&config, &state, &*home, lives.began())?);
    };
    lives.open();
    // Whoever is at a crawl with others parts from them before it ends.
    let tenure = opened.frontier.tenure();
    let listens = listens.or_else(|| tenure.is_shared().then_some(interrupts));
    let ear = ear.or_else(|| listens.map(|interrupts| leave_when_told(interrupts, tenure.clone())));
    // What was opened holds on to it, and is dropped at the end.
    drop(home);
    let resume_output_at = resume_output(&config, &opened)?;
    opened.frontier.begin_output(output_mark(&config, resume_output_at)).context("cannot begin")?;
    // As the user gave it: sites that have joined are noted beside it.
    opened.frontier.keep_scope(&config.scope).context("cannot begin")?;
    announce(&config, &opened, practice);
    for site in &opened.record.sites {
        config.scope.add_site(site.clone());
    }
    config.permits.extend(&opened.record.permits);
    config.engine.restarts = opened.record.restarts();
    config.engine.resumed = matches!(opened.beginning, Beginning::Resumed | Beginning::Joined);
    config.engine.versions = opened.record.versions;
    let CrawlRecord { crawl: name, run, epoch, .. } = opened.record.clone();
    let hello = Hello::new(Role::Engine, Some(CrawlIdentity { crawl: name, run, epoch }));
    let stored = unless_told_to_end(listens, Stored::open(&config, &state, &hello, &tenure)).await?;
    let (began, started, interrupts) = (lives.began(), lives.this_began(), interrupts.clone());
    let start = Start { stored, opened, resume_output_at, hello, registry, began, started, screen, interrupts, ear };
    let done = crawl(&config, &state, start).await?;
    drop(state);
    Ok(done)
}

/// Waits for something, or for a signal if anybody listens.
async fn unless_told_to_end<T>(listens: Option<&Interrupts>, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let told = async {
        match listens {
            Some(interrupts) => interrupts.reached(1).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        done = work => done,
        () = told => Err(interrupted()),
    }
}

/// The same where this task cannot look up: at a signal what waits for the database is cut off.
fn leave_when_told(interrupts: &Interrupts, tenure: Tenure) -> AbortOnDropHandle<()> {
    let told = interrupts.reached(1);
    AbortOnDropHandle::new(tokio::spawn(async move {
        told.await;
        tenure.leave();
    }))
}

fn interrupted() -> anyhow::Error {
    anyhow::anyhow!("interrupted before the crawl began or went on")
}

/// Where the frontier is, held by this process.
async fn find_home(config: &Config, state: &StateDir) -> anyhow::Result<Box<dyn Home>> {
    let Some((address, access)) = &config.frontier else {
        state.keep_place(None)?;
        return Ok(Box::new(DiskPlace::new(state.frontier(), config.sync)));
    };
    let holder = state.keep_place(Some(&SharedFrontier { address: address.clone(), crawl: config.crawl.clone() }))?;
    let (to, with, patience) = (address.clone(), access.clone(), config.engine.wait_for_workers);
    let database = tokio::task::spawn_blocking(move || Database::reach(to, with, patience)).await??;
    let waits = {
        let crawl = config.crawl.clone();
        move |holder: &str| tracing::info!("the engine {holder} is opening the crawl {crawl}: waiting for it")
    };
    Ok(Box::new(database.await_and_enter(config.crawl.clone(), holder, waits).await?))
}

/// What to tell when the engines that were at the crawl have completed it: there is nothing to go on with.
fn completed_by_others(config: &Config, state: &StateDir, home: &dyn Home, started: Instant) -> anyhow::Result<Done> {
    tracing::info!("crawl {} was completed by the other engines", config.crawl);
    let Inspected { frontier, record, .. } = home.inspect()?;
    let dead = frontier.dead(None, DEAD_LETTERS)?;
    let ended = Ended { ledger: frontier.ledger().clone(), stopped_by: None, fetches: 0, bytes: 0, workers: Vec::new(), abandoned: 0 };
    let report = Report::new(config.crawl.to_string(), &record, ended, dead, &config.engine.budgets, started.elapsed());
    let report_problem = write_report(config, &report);
    let places =
        config.itemsaver.as_ref().map_or_else(|| places(state), |host| Places { items: format!("the itemsaver at {host}"), export: None });
    Ok(Done { report, places, report_problem })
}
