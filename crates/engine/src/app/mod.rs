//! A crawl from start to end: read what is needed, reach everybody, run the engine, report.

use std::io::Read;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context, bail};
use model::CrawlName;
use model::hello::{CrawlIdentity, Hello, Role};
use model::parser::SpiderFile;
use model::schema::TypeSchema;
use rpcsupport::{ItemSaverServiceClient, Link};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use worker::Registry;

use crate::args::Args;
use crate::config::{Config, SeedSource, Workers};
use crate::control::server::Control;
use crate::embedded::EmbeddedSaver;
use crate::engine::{Channels, Ended, Engine, EngineError, RESEND, Recruit};
use crate::event::{EVENTS, Event};
use crate::fetch_log::{FetchLog, LogStart};
use crate::frontier::{CrawlRecord, Database, DiskPlace, FrontierError, Home, Inspected, OutputMark, TakenOver, Tenure};
use crate::interrupts::Interrupts;
use crate::ledger::UrlCounts;
use crate::limits::DIAL;
use crate::lives::Lives;
use crate::output::{self, Output, OutputConfig, OutputSource, OutputTarget};
use crate::parse_journal::ParseJournal;
use crate::pool::member::{self, Joined};
use crate::practice::{self, PracticeSite};
use crate::progress::{self, Screen, Show, Snapshot};
use crate::report::{DEAD_LETTERS, Places, Report};
use crate::request_loop::{self, JobTemplate};
use crate::saver::{self, IntroduceError, Saver, SaverIdentity, SaverSource};
use crate::scheduler::{PolitenessBy, Scheduler};
use crate::sources;
use crate::state::{Beginning, CrawlToOpen, OpenedFrontier, SharedFrontier, StateDir};

/// Pause between two tries to reach the itemsaver at start.
const REDIAL: Duration = Duration::from_millis(200);

/// Workers that may join at a time: more than anybody asks for before the first has its task.
const RECRUITS: usize = 64;

/// How long the saver and the output may take to end after the engine has: all their work is done by then, or given up.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a crawl did not start. Nothing was fetched or stored.
#[derive(Debug)]
pub enum StartError {
    /// What is wrong with the command line and the files it names, a sentence each.
    Mistakes(Vec<String>),
    /// Something that was needed is not there.
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
/// [`StartError`] when nothing could be started; a crawl that began always ends in a report, unless its frontier cannot be written.
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
        unless_told_to_end(Some(&interrupts), wait).await.map_err(StartError::BrokenOff)?;
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
    anyhow::anyhow!("interrupted before anything was handed out")
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

/// Writes the report where the user wants it. Answers why it could not.
fn write_report(config: &Config, report: &Report) -> Option<anyhow::Error> {
    let path = config.report.as_ref()?;
    report.write(path).with_context(|| format!("cannot write the report {}", path.display())).err()
}

/// Everything that was made ready.
struct Start {
    stored: Stored,
    opened: OpenedFrontier,
    resume_output_at: Option<u64>,
    hello: Hello,
    registry: Registry,
    /// When the process began with it, and when this life did.
    began: Instant,
    started: Instant,
    screen: Screen,
    interrupts: Interrupts,
    /// Who listens until the engine does.
    ear: Option<AbortOnDropHandle<()>>,
}

/// The work between the start and the report.
async fn crawl(config: &Config, state: &StateDir, start: Start) -> anyhow::Result<Done> {
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

/// What the command line names, with its files read.
fn seed_source(args: &Args, practice: Option<&PracticeSite>) -> anyhow::Result<SeedSource> {
    if let Some(site) = practice {
        return Ok(SeedSource::Practice { text: practice::SPIDER.to_owned(), urls: site.seeds() });
    }
    let urls = match args.urls.iter().any(|url| url == "-") {
        true => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read URLs from standard input")?;
            let typed = args.urls.iter().filter(|url| *url != "-").cloned();
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            typed.chain(lines.map(str::to_owned)).collect()
        }
        false => args.urls.clone(),
    };
    match &args.spider {
        Some(place) => {
            let text = std::fs::read_to_string(place).with_context(|| format!("cannot read the spider {place}"))?;
            Ok(SeedSource::Spider { place: place.clone(), text, urls })
        }
        None => Ok(SeedSource::Urls(urls)),
    }
}

/// The effective configuration, as the first lines a person reads.
fn announce(config: &Config, opened: &OpenedFrontier, practice: Option<&PracticeSite>) {
    let Config { crawl, seeds, engine, hosts, .. } = config;
    if let Some(site) = practice {
        tracing::info!("no URL and no spider: crawling the practice site at {}", site.base());
    }
    let first = seeds.first().map(|seed| seed.url.to_string()).unwrap_or_default();
    let others = if seeds.len() > 1 { format!(" and {} more", seeds.len() - 1) } else { String::new() };
    let UrlCounts { done, queued, .. } = opened.record.ledger.urls;
    match opened.beginning {
        Beginning::New => tracing::info!("crawl {crawl} from {first}{others}"),
        Beginning::Resumed => {
            tracing::info!("crawl {crawl} goes on where it was cut short: {done} URLs done, {queued} queued; --fresh begins anew");
        }
        Beginning::Joined => {
            let peers: Vec<&str> = opened.peers.iter().map(|peer| peer.name.as_str()).collect();
            tracing::info!("crawl {crawl} is joined: {done} URLs done, {queued} queued; at it already: {}", peers.join("; "));
        }
        Beginning::Again => tracing::info!("crawl {crawl} was complete: beginning a new one from {first}{others}, over the same items"),
    }
    let workers = match &config.workers {
        Workers::Embedded => "in this process".to_owned(),
        Workers::Hosts(hosts) => hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let show = humantime::format_duration;
    let unit = match hosts.by {
        PolitenessBy::Host => "host",
        PolitenessBy::Domain => "domain",
        PolitenessBy::Address => "IP address",
    };
    let delay = match hosts.delay {
        Some(delay) => format!("{} for every {unit}", show(delay)),
        None => format!("1s for every public {unit}, none for this machine"),
    };
    let throttle = hosts.throttle.map_or_else(String::new, |throttle| {
        format!(", more for slow ones (--throttle {}, at most {})", throttle.target, show(throttle.longest))
    });
    let own = match hosts.overrides.len() {
        0 => String::new(),
        n => format!(", {n} [[host]] sections"),
    };
    tracing::info!(
        "workers: {workers}; at most {} requests in flight; delay: {delay}{throttle}{own}; {} attempts; fetch timeout {}",
        engine.worker_count,
        engine.retry.attempts,
        show(engine.limits.fetch),
    );
    if let Some(first) = engine.proxies.first() {
        let others = if engine.proxies.len() > 1 { format!(" and {} more", engine.proxies.len() - 1) } else { String::new() };
        tracing::warn!(
            "through the proxy {}{others}: only their own addresses can be checked, where they connect to is up to them",
            first.url
        );
    }
    if config.ignore_robots {
        tracing::warn!("--ignore-robots: NO robots.txt IS READ OR OBEYED; that is for sites of your own");
    }
}

/// Where the items of an embedded itemsaver are.
fn places(state: &StateDir) -> Places {
    if !state.is_kept() {
        return Places { items: "the output alone (--state DIR keeps them too)".to_owned(), export: None };
    }
    let store = format!("sqlite:{}", state.items().display());
    Places { export: Some(format!("itemsaver export --store '{store}' --format jsonl -o items.jsonl")), items: store }
}

/// The length at which `-o` is continued; none: it is begun anew.
fn resume_output(config: &Config, opened: &OpenedFrontier) -> Result<Option<u64>, StartError> {
    let Some(OutputConfig { target: OutputTarget::File(path), format }) = &config.output else { return Ok(None) };
    let mistake = |sentence: String| StartError::Mistakes(vec![sentence]);
    let name = path.display().to_string();
    let resumed = matches!(opened.beginning, Beginning::Resumed | Beginning::Joined);
    let mark = opened.record.output.as_ref().filter(|mark| resumed && mark.file == name);
    let length = path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    match (mark, length) {
        (Some(mark), Some(length)) if length >= mark.bytes => {
            if mark.bytes > 0 {
                output::refuse_other_columns(path, *format, &config.schema()).map_err(mistake)?;
            }
            return Ok(Some(mark.bytes));
        }
        (Some(mark), _) if mark.bytes > 0 && !config.overwrite && !is_device(path) => {
            return Err(mistake(format!(
                "--output {name} has {} bytes, but {} were written before the crawl was cut short: put the file back, name another one, \
                 or add --overwrite to go on with what comes from here on",
                length.unwrap_or(0),
                mark.bytes
            )));
        }
        (Some(_), _) => {}
        (None, _) => {
            let own = opened.written_before.as_ref() == Some(&name);
            if !config.overwrite && !own {
                output::refuse_taken(path).map_err(mistake)?;
            }
        }
    }
    if resumed && opened.record.ledger.items.saved > 0 {
        tracing::warn!("--output {name} gets the items from here on; those before are in the store");
    }
    Ok(None)
}

/// Whether a path is there and is no file: a pipe, a terminal, `/dev/null`.
fn is_device(path: &std::path::Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// Where this start writes its output, and from which length on.
fn output_mark(config: &Config, resume_at: Option<u64>) -> Option<OutputMark> {
    match &config.output {
        Some(OutputConfig { target: OutputTarget::File(path), .. }) if !is_device(path) => {
            Some(OutputMark { file: path.display().to_string(), bytes: resume_at.unwrap_or(0) })
        }
        Some(_) | None => None,
    }
}

/// An itemsaver that was reached, and what it leaves behind.
struct Stored {
    link: Link<ItemSaverServiceClient>,
    source: SaverSource,
    embedded: Option<EmbeddedSaver>,
    places: Places,
}

impl Stored {
    async fn open(config: &Config, state: &StateDir, hello: &Hello, tenure: &Tenure) -> anyhow::Result<Stored> {
        let schema = config.schema();
        let (source, embedded, places) = match &config.itemsaver {
            None => {
                let file = state.items();
                let saver = EmbeddedSaver::open(&file, config.history).await.with_context(|| format!("cannot open {}", file.display()))?;
                (saver.source(hello.clone()), Some(saver), places(state))
            }
            Some(host) => (sources::itemsaver(host, hello), None, Places { items: format!("the itemsaver at {host}"), export: None }),
        };
        let link = reach(&source, &schema, config.engine.wait_for_workers, tenure, &config.crawl).await?;
        if embedded.is_none() {
            tracing::info!(software = link.welcome.software, "Connected to {}", source.name);
        }
        let places = match config.itemsaver {
            Some(_) => Places { items: format!("{} ({})", places.items, store_of(&link).await), export: places.export },
            None => places,
        };
        Ok(Stored { link, source, embedded, places })
    }
}

async fn store_of(link: &Link<ItemSaverServiceClient>) -> String {
    match link.client.stats(rpcsupport::dial::deadline(DIAL)).await {
        Ok(Ok(stats)) => stats.store,
        Ok(Err(_)) | Err(_) => "it does not say where it stores".to_owned(),
    }
}

/// Dials the itemsaver until it answers and knows what will come, or `patience` is over, or others have gone on with the crawl.
async fn reach(
    source: &SaverSource,
    schema: &[TypeSchema],
    patience: Duration,
    tenure: &Tenure,
    crawl: &CrawlName,
) -> anyhow::Result<Link<ItemSaverServiceClient>> {
    let end = Instant::now() + patience;
    let mut told = false;
    loop {
        let problem = match (source.dial)().await {
            Ok(link) => match saver::introduce(&link, schema).await {
                Ok(()) => return Ok(link),
                Err(error @ IntroduceError::Refused(_)) => bail!("{}: {error}", source.name),
                Err(IntroduceError::Gone(problem)) => problem,
            },
            Err(error) if error.is_passing() => error.to_string(),
            // Whoever opens a crawl at which others are joins them: so by then this engine was not among them any more.
            Err(error) if error.is_stale() && tenure.is_shared() => {
                return Err(FrontierError::TakenOver(TakenOver { crawl: crawl.to_string() }).into());
            }
            Err(error) => bail!("error connecting to {}: {error}", source.name),
        };
        if Instant::now() >= end {
            bail!("error connecting to {}: {problem}", source.name);
        }
        if !told {
            told = true;
            tracing::warn!("error connecting to {}: {problem}; trying for {}", source.name, humantime::format_duration(patience));
        }
        tokio::time::sleep(REDIAL).await;
    }
}

fn start_output(config: &Config, resume_at: Option<u64>, events: mpsc::Sender<Event>) -> anyhow::Result<Option<Output>> {
    let Some(output) = &config.output else { return Ok(None) };
    let spider = config.spider.as_ref().map(|loaded| loaded.file.hash.clone());
    let source = OutputSource { crawl: config.crawl.clone(), spider };
    Output::start(output, resume_at, &config.schema(), source, events)
        .with_context(|| format!("cannot open the output {}", output.target))
        .map(Some)
}

fn saver_identity(config: &Config, hello: &Hello) -> SaverIdentity {
    let CrawlIdentity { crawl, run, .. } = hello.crawl.clone().expect("an engine says for which crawl it calls");
    SaverIdentity { crawl, run, spider: config.spider.as_ref().map(|loaded| loaded.file.hash.clone()), schema: config.schema() }
}
