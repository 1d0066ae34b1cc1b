//! The request loops: each takes a request with its lease, makes the one call, and tells the engine what came of it.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use model::error::code;
use model::job::{FetchRules, Proxy};
use model::outcome::FetchFacts;
use model::parser::SpiderFile;
use model::{Job, Outcome, RetryClass, Secret, SpiderHash, Verdict, WireError};
use rpcsupport::dial::{deadline, within};
use tarpc::client::RpcError;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::event::Event;
use crate::fetch_log::FetchLog;
use crate::frontier::Tenure;
use crate::limits::PUT_SPIDER;
use crate::logins::Logins;
use crate::permits::NetPermits;
use crate::pool::Lease;
use crate::pool::member::WorkerClient;
use crate::proxies::Through;
use crate::request::Request;
use crate::scheduler::{RobotsErrand, Terms};

/// A request paired with the right to have it processed.
#[derive(Debug)]
pub struct Dispatch {
    /// What to process.
    pub request: Box<Request>,
    /// Whose robots.txt it is, if it is one.
    pub robots: Option<Box<RobotsErrand>>,
    /// How its host is treated.
    pub terms: Terms,
    /// Where.
    pub lease: Lease<WorkerClient>,
    /// Through which proxy, if there are any.
    pub proxy: Option<Through>,
    /// The `Cookie` header to send.
    pub cookie: Option<Secret>,
    /// When it was handed out.
    pub since: Instant,
    /// What robots.txt says of it; none where that is not known.
    pub robots_allow: Option<bool>,
}

impl Dispatch {
    /// Whether it is a robots.txt that was sought at another origin by a redirect: what that origin knows the crawl by is none of the
    /// business of the one that sent it there.
    fn is_led_away(&self) -> bool {
        self.robots.as_ref().is_some_and(|errand| errand.url.origin() != errand.of)
    }
}

/// The end of a dispatch. There is exactly one for each.
#[derive(Debug)]
pub struct Finished {
    /// What was processed.
    pub request: Box<Request>,
    /// Whose robots.txt it is, if it is one.
    pub robots: Option<Box<RobotsErrand>>,
    /// Where.
    pub lease: Lease<WorkerClient>,
    /// Through which proxy, if there are any.
    pub proxy: Option<Through>,
    /// When it was handed out.
    pub since: Instant,
    /// What came of it.
    pub end: End,
}

/// What came of a dispatch.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives in the box of its event, and nearly all are answers")]
pub enum End {
    /// The worker's answer.
    Answered(Outcome),
    /// No answer will come.
    Lost {
        /// Whether the whole connection is gone, rather than this one call.
        broken: bool,
        /// Whether the worker may still be at it.
        silent: bool,
    },
}

/// What all jobs of a crawl have in common.
#[derive(Debug)]
pub struct JobTemplate {
    /// How to fetch; its `allow_net` is empty and filled in from `permits`, its `auth` from `logins`.
    pub fetch: FetchRules,
    /// User names and passwords for hosts.
    pub logins: Logins,
    /// What may be reached beyond public addresses; seeds that are added later permit more.
    pub permits: Arc<RwLock<NetPermits>>,
    /// The spider, for workers that lack it.
    pub spider: Option<Arc<SpiderFile>>,
    /// How long a worker may take.
    pub deadline: Duration,
    /// Where requests are noted.
    pub log: Option<FetchLog>,
    /// Whether hosts are this engine's to visit.
    pub tenure: Tenure,
}

/// Runs one request loop until its channel is closed.
pub async fn run(dispatches: async_channel::Receiver<Dispatch>, template: Arc<JobTemplate>, events: mpsc::Sender<Event>) {
    while let Ok(dispatch) = dispatches.recv().await {
        let end = match &template.log {
            Some(log) => logged(&dispatch, &template, log).await,
            None => process(&dispatch, &template).await,
        };
        let Dispatch { request, robots, lease, proxy, since, .. } = dispatch;
        if events.send(Event::Finished(Box::new(Finished { request, robots, lease, proxy, since, end }))).await.is_err() {
            return;
        }
    }
}

/// As [`process`], between two records of the fetch log.
async fn logged(dispatch: &Dispatch, template: &JobTemplate, log: &FetchLog) -> End {
    if !template.tenure.holds(Instant::now()) {
        return not_sent(NOT_OURS);
    }
    let Ok(number) = log.sent(dispatch).await else {
        // The engine stops.
        return not_sent("no fetch log");
    };
    let end = process(dispatch, template).await;
    // An end that could not be noted is one all the same; the engine hears of the log.
    let _ = log.came(number, dispatch, &end, !template.tenure.holds(Instant::now())).await;
    end
}

/// Why nothing is sent while the tenure does not hold.
const NOT_OURS: &str = "the lease has lapsed, or the database does not answer";

/// As if the worker had no time: it costs the request nothing.
fn not_sent(why: &str) -> End {
    let verdict = Verdict::Failed(WireError::new(code::BUSY, RetryClass::Peer, why));
    End::Answered(Outcome { verdict, fetch: FetchFacts::default() })
}

/// One limit for all that a dispatch may need, so that it ends before its host's slot is taken for free.
async fn process(dispatch: &Dispatch, template: &JobTemplate) -> End {
    // This process may have been frozen since it was handed out, and the host be another engine's by now.
    if !template.tenure.holds(Instant::now()) {
        return not_sent(NOT_OURS);
    }
    // In a box, for it is large, and is moved into the limit's own.
    match within(template.deadline, Box::pin(attempt(dispatch, template))).await {
        Some(Ok(outcome)) => End::Answered(outcome),
        None | Some(Err(RpcError::DeadlineExceeded)) => End::Lost { broken: false, silent: true },
        // This one call could not be sent or was dropped by its server; the connection is well.
        Some(Err(RpcError::Send(_) | RpcError::Server(_))) => End::Lost { broken: false, silent: false },
        Some(Err(error @ (RpcError::Shutdown | RpcError::Channel(_)))) => {
            tracing::debug!(url = %dispatch.request.url, %error, "lease lost");
            End::Lost { broken: true, silent: dispatch.lease.client.fell_silent() }
        }
    }
}

async fn attempt(dispatch: &Dispatch, template: &JobTemplate) -> Result<Outcome, RpcError> {
    let outcome = call(dispatch, template).await?;
    match &template.spider {
        // The worker has been restarted, or has had many spiders since: it is handed the file and asked once more.
        Some(spider) if needs_spider(&outcome) => {
            // If it refuses, it will say again that it needs one.
            let _ = dispatch.lease.client.rpc.put_spider(deadline(PUT_SPIDER), SpiderFile::clone(spider)).await?;
            call(dispatch, template).await
        }
        Some(_) | None => Ok(outcome),
    }
}

async fn call(dispatch: &Dispatch, template: &JobTemplate) -> Result<Outcome, RpcError> {
    let Dispatch { request, lease, .. } = dispatch;
    let allow_net = template.permits.read().expect("nobody panics while permits are changed").of(&request.url);
    let job = Job {
        url: request.url.clone(),
        key: request.key,
        parser: (*request.parser).clone(),
        spider: template.spider.as_ref().map(|spider| SpiderHash::clone(&spider.hash)),
        cookie: dispatch.cookie.as_ref().map(|cookie| cookie.reveal().to_owned()),
        validators: None,
        fetch: FetchRules {
            allow_net,
            proxy: dispatch.proxy.as_ref().map(|through| Proxy::clone(&through.proxy)),
            auth: template.logins.of(request.url.host_str()).filter(|_| !dispatch.is_led_away()).cloned(),
            ..template.fetch.clone()
        },
    };
    lease.client.rpc.process(deadline(template.deadline), job).await
}

fn needs_spider(outcome: &Outcome) -> bool {
    matches!(&outcome.verdict, Verdict::Failed(error) if error.code == code::NEED_SPIDER)
}
