//! Serving over a bound listener until told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use tarpc::server::{BaseChannel, Channel, Config};
use tarpc::{ClientMessage, Response, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::handler::{Desk, ItemSaverHandler, WorkerHandler};
use crate::hangup::{HungUp, telling};
use crate::reception::{Reception, Session};
use crate::service::{
    CrawlService, CrawlServiceRequest, CrawlServiceResponse, ItemSaverService, ItemSaverServiceRequest, ItemSaverServiceResponse,
};
use crate::transport::frame;

/// Connections of one server at a time. An engine holds one to each worker; the rest is room for tools and for connections whose peer
/// vanished without a word.
const MAX_CONNECTIONS: usize = 256;

/// How long an accept that failed for want of file descriptors waits before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long callers may take to fetch their last answers and hang up once everything is finished.
const FAREWELL: Duration = Duration::from_millis(500);

/// Answers waiting to be written: as many as a connection may have jobs in flight without a handler waiting for the socket.
const PENDING_ANSWERS: usize = 256;

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Calls that were cut off because the grace was over.
    pub left: u32,
}

/// Serves a worker.
///
/// Returns once `shutdown` has come and what was in flight is finished, or `grace` later. Meanwhile new jobs are refused as `draining`
/// and pings answered.
pub async fn serve_worker<H: WorkerHandler>(
    listener: TcpListener,
    reception: Reception,
    handler: Arc<H>,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) -> Drained {
    let answer = |stream, session| {
        let desk = Desk::new(session, Arc::clone(&handler));
        async move {
            if let Ok(transport) = frame(stream) {
                answer_worker(transport, desk).await;
            }
        }
    };
    accept(listener, reception, answer, shutdown, grace).await
}

/// Serves an itemsaver; otherwise as [`serve_worker`].
pub async fn serve_itemsaver<H: ItemSaverHandler>(
    listener: TcpListener,
    reception: Reception,
    handler: Arc<H>,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) -> Drained {
    let answer = |stream, session| {
        let desk = Desk::new(session, Arc::clone(&handler));
        async move {
            if let Ok(transport) = frame(stream) {
                answer_itemsaver(transport, desk).await;
            }
        }
    };
    accept(listener, reception, answer, shutdown, grace).await
}

/// Answers one worker connection until it closes; what is in flight then is dropped.
async fn answer_worker<H, T>(transport: T, desk: Desk<H>)
where
    H: WorkerHandler,
    T: Transport<Response<CrawlServiceResponse>, ClientMessage<CrawlServiceRequest>> + Send + 'static,
{
    let config = Config { pending_response_buffer: PENDING_ANSWERS };
    let (transport, hung_up) = telling(transport);
    each(BaseChannel::new(config, transport).execute(CrawlService::serve(desk)), hung_up).await;
}

/// Answers one itemsaver connection until it closes; what is in flight then is dropped.
pub(crate) async fn answer_itemsaver<H, T>(transport: T, desk: Desk<H>)
where
    H: ItemSaverHandler,
    T: Transport<Response<ItemSaverServiceResponse>, ClientMessage<ItemSaverServiceRequest>> + Send + 'static,
{
    let config = Config { pending_response_buffer: PENDING_ANSWERS };
    let (transport, hung_up) = telling(transport);
    each(BaseChannel::new(config, transport).execute(ItemSaverService::serve(desk)), hung_up).await;
}

/// Runs every call of a connection as a task of its own, so that a ping never waits behind a job. How many there are is bounded by the
/// caller's leases, and by the reception, which refuses what is too much at no cost.
///
/// Once the caller has hung up, what is still running is dropped: nobody waits for it.
async fn each<F: Future<Output = ()> + Send + 'static>(calls: impl Stream<Item = F>, mut hung_up: HungUp) {
    let mut calls = std::pin::pin!(calls);
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            // First, so that the connection is looked at when nothing else of it is ready, and its answers go out together. A call that panicked
            // answers nothing and its caller's deadline tells it; handlers catch what they can.
            Some(_) = running.join_next() => {}
            call = calls.next() => match call {
                Some(call) => { running.spawn(call); }
                None => break,
            },
            () = hung_up.wait() => break,
        }
    }
}

async fn accept<F>(
    listener: TcpListener,
    reception: Reception,
    answer: impl Fn(TcpStream, Session) -> F,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) -> Drained
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut shutdown = std::pin::pin!(shutdown);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    tracing::debug!(%peer, "connection accepted");
                    connections.spawn(answer(stream, reception.session()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    // Connections stay open while draining, so that callers get their answers and are refused by name.
    drop(listener);
    if tokio::time::timeout(grace, reception.drain()).await.is_ok() {
        // A finished handler has handed its answer to the connection's task, which may not have written it yet.
        let _ = tokio::time::timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    }
    let left = reception.in_flight();
    connections.shutdown().await;
    Drained { left }
}
