//! One worker's task: dial, stay linked, notice its end, dial again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use model::hello::Welcome;
use model::parser::SpiderFile;
use rpcsupport::dial::deadline;
use rpcsupport::{CrawlServiceClient, DialError, Link};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::WorkerIndex;
use crate::backoff;
use crate::event::Event;
use crate::limits::{HEARTBEAT_LOST, PING_INTERVAL, PUT_SPIDER};

/// First pause before a worker is dialled again; doubles up to [`LONGEST_REDIAL`].
const REDIAL: Duration = Duration::from_millis(200);

/// Longest pause between two dials: a worker that comes back rejoins within this time.
const LONGEST_REDIAL: Duration = Duration::from_secs(5);

/// How long a worker that keeps refusing stays out of the rotation.
const TIME_OUT: Duration = Duration::from_secs(30);

/// How a worker is reached: over TCP, or in this process.
#[derive(Clone)]
pub struct WorkerSource {
    /// As the user wrote it, or `embedded`.
    pub name: String,
    /// Dials once, hello included.
    pub dial: Arc<dyn Fn() -> BoxFuture<'static, Result<Link<CrawlServiceClient>, DialError>> + Send + Sync>,
}

/// The client of one connection.
#[derive(Clone, Debug)]
pub struct WorkerClient {
    /// Makes calls.
    pub rpc: CrawlServiceClient,
    line: Arc<Line>,
}

/// What both ends of a connection's life know: the member task and the holders of leases.
#[derive(Debug, Default)]
struct Line {
    silent: AtomicBool,
    time_out: Notify,
}

impl WorkerClient {
    /// Whether the connection was given up because the worker fell silent. It may then still be fetching; a connection that closed took
    /// its fetches along.
    pub fn fell_silent(&self) -> bool {
        self.line.silent.load(Ordering::Acquire)
    }

    /// Takes the worker out of the rotation for a while.
    pub fn send_out(&self) {
        self.line.time_out.notify_one();
    }
}

/// What happens to a worker.
#[derive(Debug)]
pub enum WorkerEvent {
    /// Connected; its leases may join.
    Up {
        /// Which one.
        worker: WorkerIndex,
        /// Calls it.
        client: WorkerClient,
        /// What it said of itself.
        welcome: Welcome,
    },
    /// No new jobs to it: it is draining, gone or silent.
    Down {
        /// Which one.
        worker: WorkerIndex,
        /// Why, for the log.
        why: &'static str,
    },
    /// Could not be dialled; tried again.
    Failed {
        /// Which one.
        worker: WorkerIndex,
        /// Why.
        error: DialError,
    },
}

/// Keeps a worker linked until the events' receiver is gone.
pub async fn keep_linked(worker: WorkerIndex, source: WorkerSource, spider: Option<Arc<SpiderFile>>, events: mpsc::Sender<Event>) {
    let mut failures = 0;
    loop {
        let event = match (source.dial)().await {
            Ok(link) => {
                failures = 0;
                match stay(worker, link, spider.as_deref(), &events).await {
                    Ok(why) => WorkerEvent::Down { worker, why },
                    Err(EngineGone) => return,
                }
            }
            Err(error) => WorkerEvent::Failed { worker, error },
        };
        if events.send(Event::Worker(event)).await.is_err() {
            return;
        }
        failures += 1;
        tokio::time::sleep(backoff::pause(REDIAL, failures, rand::random()).min(LONGEST_REDIAL)).await;
    }
}

struct EngineGone;

async fn stay(
    worker: WorkerIndex,
    mut link: Link<CrawlServiceClient>,
    spider: Option<&SpiderFile>,
    events: &mpsc::Sender<Event>,
) -> Result<&'static str, EngineGone> {
    if let Some(spider) = spider {
        match link.client.put_spider(deadline(PUT_SPIDER), spider.clone()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the worker refuses the spider");
                return Ok("refused the spider");
            }
            Err(_) => return Ok("connection lost"),
        }
    }
    let line = Arc::new(Line::default());
    let client = WorkerClient { rpc: link.client.clone(), line: Arc::clone(&line) };
    let up = |client: WorkerClient, welcome| Event::Worker(WorkerEvent::Up { worker, client, welcome });
    let mut draining = link.welcome.draining;
    if !draining {
        events.send(up(client.clone(), link.welcome.clone())).await.map_err(|_| EngineGone)?;
    }
    let rpc = link.client.clone();
    let mut heard = Instant::now();
    let mut back_at: Option<Instant> = None;
    loop {
        let wake = (Instant::now() + PING_INTERVAL).min(back_at.unwrap_or_else(|| heard + PING_INTERVAL.max(HEARTBEAT_LOST)));
        tokio::select! {
            () = link.closed() => return Ok("connection closed"),
            () = events.closed() => return Err(EngineGone),
            () = line.time_out.notified() => {
                back_at = Some(Instant::now() + TIME_OUT);
                continue;
            }
            () = tokio::time::sleep_until(wake) => {}
        }
        if back_at.is_some_and(|at| at <= Instant::now()) && !draining {
            back_at = None;
            events.send(up(client.clone(), link.welcome.clone())).await.map_err(|_| EngineGone)?;
        }
        let left = (heard + HEARTBEAT_LOST).saturating_duration_since(Instant::now());
        let ping = tokio::select! {
            ping = rpc.ping(deadline(left.min(PING_INTERVAL))) => ping,
            () = link.closed() => return Ok("connection closed"),
        };
        match ping {
            Ok(pong) => {
                heard = Instant::now();
                if pong.draining && !draining {
                    draining = true;
                    // The link stays: what is in flight is finished over it.
                    let event = WorkerEvent::Down { worker, why: "draining" };
                    events.send(Event::Worker(event)).await.map_err(|_| EngineGone)?;
                }
            }
            Err(_) if heard.elapsed() >= HEARTBEAT_LOST => {
                line.silent.store(true, Ordering::Release);
                return Ok("silent");
            }
            Err(_) => {}
        }
    }
}
