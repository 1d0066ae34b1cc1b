//! Where items are kept: one contract, several stores.
//!
//! # What every store keeps to
//!
//! A *page* is (crawl, page URL); an *identity* is (type, id). A page *claims* the identities of its latest accepted list.
//!
//! - **Union**: stored is exactly what some page claims. An identity that no page claims any longer is gone; one that another page
//!   claims too stays, with that page's contents.
//! - **Newest contents**: an identity has the contents of the claiming page with the greatest version; of equal versions the one
//!   written last.
//! - **Older loses**: a page's list of a lower version than the one there changes nothing and counts as saved. The same version again
//!   is applied again, which changes nothing either.
//! - **Additions belong to the list that is there**: an *addition* takes nothing away, and leaves what is said of its page (run, version,
//!   times) as it is: its items are claimed as if that list had had them, only later. One of a lower version than the page's is answered
//!   `Replaced` and changes nothing; one of a page that is not known is that page's list.
//! - **First writer owns**: within a run of a crawl, an identity belongs to the page that claimed it first and still does. The owner's
//!   saves are answered `Created` or `Replaced`, those of the run's other pages `Collided`, however often either is repeated. What an
//!   earlier run or another crawl wrote is merely replaced. When the owner ceases to claim it, the next page in order owns it.
//! - **One for one**: an identity twice in one list is one item; the later one has the contents and the repetition is answered
//!   `Collided`. So for a run from an empty store: stored = saved − collided (+ identities whose owner gave them up after another page
//!   had already been answered `Collided`).
//! - **Piece by piece**: an item that cannot be stored is answered `Rejected` with the reason; its siblings are stored.
//! - **History**, if it is kept: what a transaction changes in an item is recorded with it, once, however often a batch is sent again and
//!   wherever a process was killed. What is a change, and how much is kept, is told in `store::history`.
//! - **Whole**: a batch is stored wholly and durably before it is answered, or not at all.

use std::future::Future;

use model::history::Change;
use model::item::Source;
use model::save::{SaveAnswer, SaveBatch, StoreStats};
use model::schema::TypeSchema;
use model::{CrawlName, Item, ItemId, RetryClass, WireError};
use thiserror::Error;

use crate::search::{Found, Search};

mod check;
#[cfg(test)]
mod conformance;
mod elasticsearch;
mod history;
#[cfg(test)]
mod history_conformance;
mod list;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod search_conformance;
mod spec;
mod sqlite;

pub use check::{MAX_ID_BYTES, MAX_PAYLOAD_BYTES, MAX_TYPE_BYTES};
pub use elasticsearch::{Access, ElasticsearchStore, Product, Reindexed, ServerSpec, StoreCredentials, reindex};
pub use history::{MAX_CHANGES, MAX_HISTORY_BYTES, MAX_RECORD_BYTES};
pub use spec::{DEFAULT_STORE, StoreSpec, StoreSpecError};
pub use sqlite::SqliteStore;

/// A place that keeps items. See the module for what every store promises.
///
/// The futures are `Send`, so that a store may be a client of a server or a front for a thread; a caller that drops one gives up the
/// answer, not the work.
pub trait Store: Send + Sync + 'static {
    /// Keeps each type's fields: columns of tables and their types, mappings for stores that need them. The latest statement about a type stands.
    ///
    /// # Errors
    /// [`StoreError`] when nothing was kept.
    fn put_schema(&self, types: Vec<TypeSchema>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Stores a batch; when this returns, it is durable. Waits while the store's queue is full.
    ///
    /// # Errors
    /// [`StoreError`] when nothing of the batch counts as stored.
    fn save(&self, batch: SaveBatch) -> impl Future<Output = Result<SaveAnswer, StoreError>> + Send;

    /// How many items there are, of each type that has any. A store whose last save failed answers only when it can be written again.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read, or not be written after a failed save.
    fn stats(&self) -> impl Future<Output = Result<StoreStats, StoreError>> + Send;

    /// All schemas kept, in order of the types' names.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn schemas(&self) -> impl Future<Output = Result<Vec<TypeSchema>, StoreError>> + Send;

    /// The next items after a cursor (from the start without one), in byte order of type, then id: a chunk of bounded size.
    ///
    /// Saves go on meanwhile: each item is as stored when its chunk is read.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn items(&self, filter: &ItemFilter, after: Option<&Cursor>) -> impl Future<Output = Result<ItemChunk, StoreError>> + Send;

    /// The items that a search finds, in its order.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn search(&self, search: &Search) -> impl Future<Output = Result<Found, StoreError>> + Send;

    /// What has changed in an item since its history is kept, the oldest first; nothing for one that is not known.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn history(&self, item_type: &str, id: &str) -> impl Future<Output = Result<Vec<Change>, StoreError>> + Send;

    /// Finishes what is queued and lets go of the store; later calls err with [`StoreError::Closed`].
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// Which items are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// Only those of this type.
    pub item_type: Option<String>,
    /// Only those whose contents came from this crawl.
    pub crawl: Option<CrawlName>,
}

/// A place in the order of items: just after this identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    item_type: String,
    id: ItemId,
}

/// An item with its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredItem {
    /// The item.
    pub item: Item,
    /// The page whose contents it has.
    pub source: Source,
}

/// A piece of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemChunk {
    /// The items in order; empty only when there are no more.
    pub items: Vec<StoredItem>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// Why a store did not do what it was asked, by what the caller can do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The place is in trouble that may pass or be mended (disk full, locked, read-only): the same call may work later.
    #[error("{store} is unavailable: {reason}")]
    Unavailable {
        /// Which store, such as `sqlite:/srv/items.db`.
        store: String,
        /// What happened.
        reason: String,
    },
    /// The store cannot be used as it is (damaged, of a newer version, not a store): trying again is useless.
    #[error("{store} cannot be used: {reason}")]
    Unusable {
        /// Which store.
        store: String,
        /// What happened.
        reason: String,
    },
    /// It was closed: this process is ending.
    #[error("{store} is closed")]
    Closed {
        /// Which store.
        store: String,
    },
}

impl StoreError {
    /// Whether the same call may work later.
    pub fn is_retryable(&self) -> bool {
        match self {
            StoreError::Unavailable { .. } | StoreError::Closed { .. } => true,
            StoreError::Unusable { .. } => false,
        }
    }
}

/// Codes `store unavailable` ([`RetryClass::Attempt`]: keep the batch and try again), `store unusable` ([`RetryClass::Dead`]: this
/// itemsaver will never store it) and `draining` ([`RetryClass::Peer`]).
impl From<StoreError> for WireError {
    fn from(error: StoreError) -> WireError {
        let (code, retry) = match &error {
            StoreError::Unavailable { .. } => ("store unavailable", RetryClass::Attempt),
            StoreError::Unusable { .. } => ("store unusable", RetryClass::Dead),
            StoreError::Closed { .. } => (model::error::code::DRAINING, RetryClass::Peer),
        };
        WireError::new(code, retry, error.to_string())
    }
}

/// Any of the stores there are.
#[derive(Debug)]
pub enum AnyStore {
    /// A SQLite database of this machine.
    Sqlite(SqliteStore),
    /// An index of Elasticsearch or OpenSearch.
    Elasticsearch(ElasticsearchStore),
}

impl AnyStore {
    /// Opens a store for writing; creates it where there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or written.
    pub async fn open(spec: &StoreSpec) -> Result<AnyStore, StoreError> {
        match spec {
            StoreSpec::Sqlite(path) => SqliteStore::open(path).await.map(AnyStore::Sqlite),
            StoreSpec::Server(server) => ElasticsearchStore::open(server).await.map(AnyStore::Elasticsearch),
        }
    }

    /// The same, to keep the history of items while it is open.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened or written.
    pub async fn open_with_history(spec: &StoreSpec) -> Result<AnyStore, StoreError> {
        match spec {
            StoreSpec::Sqlite(path) => SqliteStore::open_with_history(path).await.map(AnyStore::Sqlite),
            StoreSpec::Server(server) => ElasticsearchStore::open_with_history(server).await.map(AnyStore::Elasticsearch),
        }
    }

    /// Opens a store that exists, to read what is in it; saves are refused.
    ///
    /// # Errors
    /// [`StoreError`] when there is none or it cannot be read.
    pub async fn open_to_read(spec: &StoreSpec) -> Result<AnyStore, StoreError> {
        match spec {
            StoreSpec::Sqlite(path) => SqliteStore::open_to_read(path).await.map(AnyStore::Sqlite),
            StoreSpec::Server(server) => ElasticsearchStore::open_to_read(server).await.map(AnyStore::Elasticsearch),
        }
    }
}

impl Store for AnyStore {
    async fn put_schema(&self, types: Vec<TypeSchema>) -> Result<(), StoreError> {
        match self {
            AnyStore::Sqlite(store) => store.put_schema(types).await,
            AnyStore::Elasticsearch(store) => store.put_schema(types).await,
        }
    }

    async fn save(&self, batch: SaveBatch) -> Result<SaveAnswer, StoreError> {
        match self {
            AnyStore::Sqlite(store) => store.save(batch).await,
            AnyStore::Elasticsearch(store) => store.save(batch).await,
        }
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        match self {
            AnyStore::Sqlite(store) => store.stats().await,
            AnyStore::Elasticsearch(store) => store.stats().await,
        }
    }

    async fn schemas(&self) -> Result<Vec<TypeSchema>, StoreError> {
        match self {
            AnyStore::Sqlite(store) => store.schemas().await,
            AnyStore::Elasticsearch(store) => store.schemas().await,
        }
    }

    async fn items(&self, filter: &ItemFilter, after: Option<&Cursor>) -> Result<ItemChunk, StoreError> {
        match self {
            AnyStore::Sqlite(store) => store.items(filter, after).await,
            AnyStore::Elasticsearch(store) => store.items(filter, after).await,
        }
    }

    async fn search(&self, search: &Search) -> Result<Found, StoreError> {
        match self {
            AnyStore::Sqlite(store) => store.search(search).await,
            AnyStore::Elasticsearch(store) => store.search(search).await,
        }
    }

    async fn history(&self, item_type: &str, id: &str) -> Result<Vec<Change>, StoreError> {
        match self {
            AnyStore::Sqlite(store) => store.history(item_type, id).await,
            AnyStore::Elasticsearch(store) => store.history(item_type, id).await,
        }
    }

    async fn close(&self) {
        match self {
            AnyStore::Sqlite(store) => store.close().await,
            AnyStore::Elasticsearch(store) => store.close().await,
        }
    }
}
