//! One worker's task: dial, stay linked, notice its end, dial again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use model::hello::Welcome;
use model::parser::SpiderFile;
use rpcsupport::dial::{deadline, within};
use rpcsupport::{CrawlClient, DialError, Link};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::WorkerIndex;
use crate::backoff;
use crate::event::Event;
use crate::limits::{HEARTBEAT_LOST, PING_INTERVAL, PUT_SPIDER};

/// First pause before a worker is dialled again; doubles up to [`LONGEST_REDIAL`].
const REDIAL: Duration = Duration::from_millis(200);

/// Longest pause between two dials: a worker that comes back rejoins within this time.
const LONGEST_REDIAL: Duration = Duration::from_secs(5);

/// Least time that a ping gets to be answered, however late it is: an engine that was stopped itself must not blame its workers.
const LEAST_PING: Duration = Duration::from_secs(1);

/// How a worker is reached: over TCP, or in this process.
#[derive(Clone)]
pub struct WorkerSource {
    /// As the user wrote it, or `embedded`.
    pub name: String,
    /// Dials once, hello included.
    pub dial: Arc<dyn Fn() -> BoxFuture<'static, Result<Link<CrawlClient>, DialError>> + Send + Sync>,
}

/// The client of one connection.
#[derive(Clone, Debug)]
pub struct WorkerClient {
    /// Makes calls.
    pub rpc: CrawlClient,
    line: Arc<Line>,
}

/// What both ends of a connection's life know: the member task and the holders of leases.
#[derive(Debug)]
struct Line {
    silent: AtomicBool,
    name: String,
}

impl WorkerClient {
    /// The worker, as the user named it.
    pub fn name(&self) -> &str {
        &self.line.name
    }

    /// Whether the connection was given up because the worker fell silent. It may then still be fetching; a connection that closed took
    /// its fetches along.
    pub fn fell_silent(&self) -> bool {
        self.line.silent.load(Ordering::Acquire)
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
    /// It takes more or fewer jobs of this engine than before.
    Capacity {
        /// Which one.
        worker: WorkerIndex,
        /// Calls it.
        client: WorkerClient,
        /// How many it takes at a time by now.
        capacity: u32,
    },
    /// No new jobs to it: it is draining, gone or silent.
    Down {
        /// Which one.
        worker: WorkerIndex,
        /// Why, for the log.
        why: String,
    },
    /// Could not be dialled; tried again.
    Failed {
        /// Which one.
        worker: WorkerIndex,
        /// Why.
        error: DialError,
    },
}

/// A worker that has joined a crawl.
#[derive(Clone, Debug)]
pub struct Joined {
    /// As the user wrote it, or `embedded`.
    pub name: String,
    /// Cancelled, its task ends as soon as what it has is finished.
    pub dismissed: CancellationToken,
}

/// Keeps a worker linked until it is dismissed or the events' receiver is gone.
pub async fn keep_linked(
    worker: WorkerIndex,
    source: WorkerSource,
    spider: Option<Arc<SpiderFile>>,
    dismissed: CancellationToken,
    events: mpsc::Sender<Event>,
) {
    let mut failures = 0;
    loop {
        let dialled = tokio::select! {
            dialled = (source.dial)() => dialled,
            () = dismissed.cancelled() => return,
        };
        let event = match dialled {
            Ok(link) => {
                let since = Instant::now();
                let Ok(why) = stay((worker, &source.name), link, spider.as_deref(), &dismissed, &events).await else { return };
                // One that comes and goes at once is dialled less and less often.
                if since.elapsed() >= LONGEST_REDIAL {
                    failures = 0;
                }
                WorkerEvent::Down { worker, why }
            }
            Err(error) => WorkerEvent::Failed { worker, error },
        };
        if events.send(Event::Worker(event)).await.is_err() {
            return;
        }
        failures += 1;
        let pause = backoff::pause(REDIAL, failures, rand::random()).min(LONGEST_REDIAL);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = dismissed.cancelled() => return,
        }
    }
}

struct EngineGone;

/// Tells that the worker is there, and returns why it is not any more.
async fn stay(
    (worker, name): (WorkerIndex, &str),
    mut link: Link<CrawlClient>,
    spider: Option<&SpiderFile>,
    dismissed: &CancellationToken,
    events: &mpsc::Sender<Event>,
) -> Result<String, EngineGone> {
    let tell = |event| async move { events.send(Event::Worker(event)).await.map_err(|_| EngineGone) };
    if let Some(spider) = spider {
        match within(PUT_SPIDER, link.client.put_spider(deadline(PUT_SPIDER), spider.clone())).await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return Ok(format!("it refuses the spider: {error}")),
            Some(Err(error)) => return Ok(format!("it did not take the spider: {error}")),
            None => return Ok("it did not take the spider in time".to_owned()),
        }
    }
    let line = Arc::new(Line { silent: AtomicBool::new(false), name: name.to_owned() });
    let rpc = link.client.clone();
    let client = || WorkerClient { rpc: rpc.clone(), line: Arc::clone(&line) };
    let mut draining = link.welcome.draining;
    let mut capacity = link.welcome.capacity;
    if !draining {
        tell(WorkerEvent::Up { worker, client: client(), welcome: link.welcome.clone() }).await?;
    }
    let mut heard = Instant::now();
    loop {
        // Whoever has a job of it holds a client, and with it the line: when nobody does, all is finished.
        if dismissed.is_cancelled() && Arc::strong_count(&line) == 1 {
            return Ok("it was told to leave, and has finished".to_owned());
        }
        tokio::select! {
            () = link.closed() => return Ok("the connection closed".to_owned()),
            () = events.closed() => return Err(EngineGone),
            () = tokio::time::sleep(PING_INTERVAL) => {}
        }
        let left = (heard + HEARTBEAT_LOST).saturating_duration_since(Instant::now()).clamp(LEAST_PING, PING_INTERVAL);
        let pong = tokio::select! {
            pong = within(left, rpc.ping(deadline(left))) => pong,
            () = link.closed() => return Ok("the connection closed".to_owned()),
        };
        match pong {
            Some(Ok(pong)) => {
                heard = Instant::now();
                if pong.draining && !draining {
                    draining = true;
                    // The link stays: what is in flight is finished over it.
                    tell(WorkerEvent::Down { worker, why: "it is draining".to_owned() }).await?;
                }
                if let Some(by_now) = pong.capacity.filter(|by_now| *by_now != capacity && !draining) {
                    capacity = by_now;
                    tell(WorkerEvent::Capacity { worker, client: client(), capacity }).await?;
                }
            }
            Some(Err(_)) | None if heard.elapsed() >= HEARTBEAT_LOST => {
                line.silent.store(true, Ordering::Release);
                return Ok(format!("silent for {} s", heard.elapsed().as_secs()));
            }
            Some(Err(_)) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use model::hello::{CrawlIdentity, Hello, Role};
    use model::{CrawlName, Job, Outcome, RunId, WireError};
    use rpcsupport::memory::link_worker;
    use rpcsupport::{Reception, WorkerHandler};
    use std::num::NonZeroU32;

    /// A worker that is never done.
    struct Busy;

    impl WorkerHandler for Busy {
        async fn put_spider(&self, _: SpiderFile) -> Result<(), WireError> {
            Ok(())
        }

        async fn process(&self, _: Job) -> Outcome {
            std::future::pending().await
        }
    }

    fn hello(run: u64) -> Hello {
        Hello::new(Role::Engine, Some(CrawlIdentity { crawl: CrawlName::new("c").unwrap(), run: RunId(run), epoch: 1 }))
    }

    async fn next(events: &mut mpsc::Receiver<Event>) -> WorkerEvent {
        match events.recv().await {
            Some(Event::Worker(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_tells_what_a_worker_takes_when_other_engines_come_and_go() {
        let reception = Reception::new(Role::Worker, NonZeroU32::new(10).unwrap());
        let desk = reception.clone();
        let dial = Arc::new(move || {
            let desk = desk.clone();
            async move { link_worker(&desk, Arc::new(Busy), hello(1)).await }.boxed()
        });
        let (sender, mut events) = mpsc::channel(1);
        let source = WorkerSource { name: "w".to_owned(), dial };
        let member = tokio::spawn(keep_linked(7, source, None, CancellationToken::new(), sender));
        let WorkerEvent::Up { worker: 7, client, welcome } = next(&mut events).await else { panic!("it is there") };
        assert_eq!((client.name(), welcome.capacity), ("w", 10));

        let other = link_worker(&reception, Arc::new(Busy), hello(2)).await.unwrap();
        let WorkerEvent::Capacity { worker: 7, client, capacity: 5 } = next(&mut events).await else { panic!("it is shared") };
        assert_eq!(client.name(), "w");
        // Said once, and not with each ping.
        tokio::time::sleep(PING_INTERVAL * 3).await;
        assert!(events.try_recv().is_err());

        drop(other);
        let WorkerEvent::Capacity { worker: 7, capacity: 10, .. } = next(&mut events).await else { panic!("it is alone again") };
        drop(events);
        member.await.unwrap();
    }
}
