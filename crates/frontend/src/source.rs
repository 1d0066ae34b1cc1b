//! The itemsaver as this process sees it: dialled when needed, and again when it was gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::WireError;
use model::hello::{Hello, Role};
use model::history::{HistoryAnswer, HistoryRequest};
use model::search::{SearchAnswer, SearchRequest};
use rpcsupport::dial::{deadline, within};
use rpcsupport::{ItemSaverServiceClient, Link, PeerAddress, dial_itemsaver};
use tarpc::client::RpcError;
use thiserror::Error;
use tokio::sync::Mutex;

/// Limit on dialling: a person waits for it.
const DIAL: Duration = Duration::from_secs(3);

/// Limit on an answer: longer than a store that is away is asked again.
const ANSWER: Duration = Duration::from_secs(30);

/// Why an itemsaver that answers searches may not answer this.
const OLDER: &str = " (one of an earlier version does not know what changed)";

/// Where items are searched. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    address: PeerAddress,
    connection: Arc<Mutex<Option<Connection>>>,
    /// Connections so far: the number of the next.
    dialled: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Connection {
    number: u64,
    link: Link<ItemSaverServiceClient>,
}

/// Why there is no answer; one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub(crate) struct Away(String);

impl Source {
    pub(crate) fn new(address: PeerAddress) -> Source {
        Source { address, connection: Arc::default(), dialled: Arc::default() }
    }

    /// Finds items.
    pub(crate) async fn search(&self, request: &SearchRequest) -> Result<SearchAnswer, Away> {
        self.ask(|client| async move { client.search(deadline(ANSWER), request.clone()).await }, "").await
    }

    /// Asks what has changed in an item. One that does not know this question hangs up.
    pub(crate) async fn history(&self, request: &HistoryRequest) -> Result<HistoryAnswer, Away> {
        self.ask(|client| async move { client.history(deadline(ANSWER), request.clone()).await }, OLDER).await
    }

    /// Asks. A connection that turns out to be gone is made anew once; when that does not help, the hint may. An answer that does not come in
    /// time is not asked for again, and leaves the connection to those who ask for less.
    async fn ask<T, F>(&self, call: impl Fn(ItemSaverServiceClient) -> F, hint: &str) -> Result<T, Away>
    where
        F: Future<Output = Result<Result<T, WireError>, RpcError>>,
    {
        let mut problem = String::new();
        for _ in 0..2 {
            let (number, client) = self.client().await?;
            match within(ANSWER, call(client)).await {
                Some(Ok(Ok(answer))) => return Ok(answer),
                Some(Ok(Err(error))) => return Err(Away(error.to_string())),
                Some(Err(RpcError::DeadlineExceeded)) | None => {
                    return Err(Away(format!("the itemsaver at {}: no answer within {} s", self.address, ANSWER.as_secs())));
                }
                Some(Err(error)) => problem = error.to_string(),
            }
            // Another call may have made it anew by now.
            self.connection.lock().await.take_if(|connection| connection.number == number);
        }
        Err(Away(format!("the itemsaver at {}: {problem}{hint}", self.address)))
    }

    /// A client, with the number of its connection.
    async fn client(&self) -> Result<(u64, ItemSaverServiceClient), Away> {
        let mut connection = self.connection.lock().await;
        if let Some(Connection { number, link }) = &*connection {
            return Ok((*number, link.client.clone()));
        }
        let dialled = dial_itemsaver(&self.address, Hello::new(Role::Frontend, None), DIAL).await;
        let link = dialled.map_err(|error| Away(format!("error connecting to {}: {error}", self.address)))?;
        let (number, client) = (self.dialled.fetch_add(1, Ordering::Relaxed), link.client.clone());
        *connection = Some(Connection { number, link });
        Ok((number, client))
    }
}
