//! The same services without a socket: a worker and an itemsaver inside the engine's process.
//!
//! Messages are moved, not encoded. A call of a worker is a plain call, worked on by the task that makes it ([`crate::stub`]); an itemsaver's go over
//! tarpc's in-memory transport. All else is as over TCP: the hello, the reception, the deadlines, the cancellation. Only a call that panics is
//! told at once.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use model::WireError;
use model::hello::{Hello, Welcome};
use tarpc::client::{NewClient, RpcError};
use tarpc::server::Serve;
use tarpc::transport::channel;

use crate::dial::{DialError, Link, client_config, deadline};
use crate::handler::{Desk, ItemSaverHandler, WorkerHandler};
use crate::reception::Reception;
use crate::serve::answer_itemsaver;
use crate::service::{CrawlService, ItemSaverServiceClient};
use crate::stub::{Answer, CrawlClient, CrawlStub, Local};

/// Messages of one direction that wait to be taken: as many as over TCP wait for the socket.
const BUFFER: usize = 64;

/// Limit on a hello that crosses no network; only a runtime without a free thread reaches it.
const HELLO_LIMIT: Duration = Duration::from_secs(5);

/// Links to a worker in this process. Dropping the link drops what the worker has in flight for it.
///
/// # Errors
/// [`DialError::Refused`] when the reception refuses the hello.
pub async fn link_worker<H: WorkerHandler>(reception: &Reception, handler: Arc<H>, hello: Hello) -> Result<Link<CrawlClient>, DialError> {
    let desk = Desk::new(reception.session(), handler);
    let service = move |context, request| -> Answer {
        let desk = desk.clone();
        async move { CrawlService::serve(desk).serve(context, request).await }.boxed()
    };
    let (local, lifeline) = Local::new(Arc::new(service));
    let client = CrawlClient::from(CrawlStub::Local(local));
    let welcome = answered(client.hello(deadline(HELLO_LIMIT), hello).await)?;
    Ok(Link::local(client, welcome, lifeline))
}

/// Links to an itemsaver in this process; otherwise as [`link_worker`].
///
/// # Errors
/// As [`link_worker`].
pub async fn link_itemsaver<H: ItemSaverHandler>(
    reception: &Reception,
    handler: Arc<H>,
    hello: Hello,
) -> Result<Link<ItemSaverServiceClient>, DialError> {
    let (ours, theirs) = channel::bounded(BUFFER);
    let NewClient { client, dispatch } = ItemSaverServiceClient::new(client_config(), ours);
    let answering = answer_itemsaver(theirs, Desk::new(reception.session(), handler));
    // Either ends the other: a client without a server is a closed connection, and so is a server without a client.
    let task = tokio::spawn(async move {
        tokio::select! { _ = dispatch => {}, () = answering => {} }
    });
    let welcome = answered(client.hello(deadline(HELLO_LIMIT), hello).await)?;
    Ok(Link::new(client, welcome, task))
}

fn answered(answer: Result<Result<Welcome, WireError>, RpcError>) -> Result<Welcome, DialError> {
    answer.map_err(DialError::Foreign)?.map_err(DialError::Refused)
}
