//! The server: a store behind the itemsaver's part of the wire.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::WireError;
use model::hello::Role;
use model::history::{HistoryAnswer, HistoryRequest};
use model::save::{SaveAnswer, SaveBatch, StoreStats};
use model::schema::TypeSchema;
use model::search::{SearchAnswer, SearchRequest};
use rpcsupport::{Drained, ItemSaverHandler, Reception};
use tokio::net::TcpListener;

use crate::search;
use crate::store::{AnyStore, Store, StoreError, StoreSpec};

/// Batches worked on at a time. One is being synced while the next ones arrive, to share the sync after it; more would only wait, in
/// memory.
pub const CAPACITY: NonZeroU32 = NonZeroU32::new(4).expect("4 is not 0");

/// Stores what engines send. Clones are the same saver.
#[derive(Clone, Debug)]
pub struct ItemSaver {
    store: Arc<AnyStore>,
    received: Arc<AtomicU64>,
}

impl ItemSaver {
    /// Opens a store for writing; creates it where there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or written.
    pub async fn open(spec: &StoreSpec) -> Result<ItemSaver, StoreError> {
        Ok(ItemSaver { store: Arc::new(AnyStore::open(spec).await?), received: Arc::default() })
    }

    /// The same, to keep the history of items.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or written.
    pub async fn open_with_history(spec: &StoreSpec) -> Result<ItemSaver, StoreError> {
        Ok(ItemSaver { store: Arc::new(AnyStore::open_with_history(spec).await?), received: Arc::default() })
    }

    /// The store, to read from it in the same process.
    pub fn store(&self) -> &AnyStore {
        &self.store
    }

    /// The front desk for one process that serves this saver.
    pub fn reception(&self) -> Reception {
        Reception::new(Role::ItemSaver, CAPACITY)
    }

    /// Finishes what is queued and lets go of the store. Later saves are refused as `draining`.
    pub async fn close(&self) {
        self.store.close().await;
    }

    fn log(&self, batch: &SaveBatch) {
        for item in batch.pages.iter().flat_map(|page| &page.items) {
            let number = self.received.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::debug!(crawl = %batch.crawl, "Got item #{number}: {} {} {:?}", item.item_type, item.id, item.payload);
        }
    }
}

/// Ends every call by itself: the store's writer has a thread of its own, so a ping never waits for it.
impl ItemSaverHandler for ItemSaver {
    async fn put_schema(&self, types: Vec<TypeSchema>) -> Result<(), WireError> {
        Ok(self.store.put_schema(types).await?)
    }

    async fn save(&self, batch: SaveBatch) -> Result<SaveAnswer, WireError> {
        self.log(&batch);
        Ok(self.store.save(batch).await?)
    }

    async fn stats(&self) -> Result<StoreStats, WireError> {
        Ok(self.store.stats().await?)
    }

    async fn search(&self, request: SearchRequest) -> Result<SearchAnswer, WireError> {
        Ok(search::answer(&*self.store, &request).await?)
    }

    async fn history(&self, request: HistoryRequest) -> Result<HistoryAnswer, WireError> {
        Ok(HistoryAnswer { changes: self.store.history(&request.item_type, &request.id).await? })
    }
}

/// Serves a saver until `shutdown`, then finishes the batches in flight for at most `grace`, and closes the store.
pub async fn run(listener: TcpListener, saver: ItemSaver, shutdown: impl Future<Output = ()>, grace: Duration) -> Drained {
    let drained = rpcsupport::serve_itemsaver(listener, saver.reception(), Arc::new(saver.clone()), shutdown, grace).await;
    // A disk that hangs must not keep the process: what it has not synced was not acknowledged.
    if tokio::time::timeout(grace, saver.close()).await.is_err() {
        tracing::error!("the store did not close in time; what was not acknowledged will be sent again");
    }
    drained
}
