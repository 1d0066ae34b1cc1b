//! What a server process has to write: the work itself. Hello, pings and admission are the same for all and live here.

use std::future::Future;
use std::sync::Arc;

use model::hello::{Hello, Pong, Welcome};
use model::history::{HistoryAnswer, HistoryRequest};
use model::outcome::FetchFacts;
use model::parser::SpiderFile;
use model::save::{SaveAnswer, SaveBatch, StoreStats};
use model::schema::TypeSchema;
use model::search::{SearchAnswer, SearchRequest};
use model::{Job, Outcome, Verdict, WireError};
use tarpc::context::Context;

use crate::reception::Session;
use crate::service::{CrawlService, ItemSaverService};

/// The work of a worker. Called only for callers and jobs that the reception let in.
pub trait WorkerHandler: Send + Sync + 'static {
    /// Keeps a spider file for the jobs to come. Errs when it does not match its hash or is no valid spider.
    fn put_spider(&self, spider: SpiderFile) -> impl Future<Output = Result<(), WireError>> + Send;

    /// Fetches and parses. The future is dropped when the caller gives up or its connection closes.
    fn process(&self, job: Job) -> impl Future<Output = Outcome> + Send;
}

/// The work of an itemsaver. Called only for callers and batches that the reception let in.
pub trait ItemSaverHandler: Send + Sync + 'static {
    /// Learns the fields of item types. Idempotent.
    fn put_schema(&self, types: Vec<TypeSchema>) -> impl Future<Output = Result<(), WireError>> + Send;

    /// Stores pages with their items; what is answered is durable. The future may be dropped at any point: a batch is then stored whole
    /// or not at all, and will be sent again.
    fn save(&self, batch: SaveBatch) -> impl Future<Output = Result<SaveAnswer, WireError>> + Send;

    /// What the store holds.
    fn stats(&self) -> impl Future<Output = Result<StoreStats, WireError>> + Send;

    /// Finds items.
    fn search(&self, request: SearchRequest) -> impl Future<Output = Result<SearchAnswer, WireError>> + Send;

    /// Tells what has changed in an item.
    fn history(&self, request: HistoryRequest) -> impl Future<Output = Result<HistoryAnswer, WireError>> + Send;
}

/// One connection's view of a server: its session and the work behind it.
#[derive(Debug)]
pub(crate) struct Desk<H> {
    session: Session,
    handler: Arc<H>,
}

impl<H> Desk<H> {
    pub(crate) fn new(session: Session, handler: Arc<H>) -> Desk<H> {
        Desk { session, handler }
    }
}

impl<H> Clone for Desk<H> {
    fn clone(&self) -> Desk<H> {
        Desk { session: self.session.clone(), handler: Arc::clone(&self.handler) }
    }
}

impl<H: WorkerHandler> CrawlService for Desk<H> {
    async fn hello(self, _: Context, hello: Hello) -> Result<Welcome, WireError> {
        self.session.hello(&hello)
    }

    async fn put_spider(self, _: Context, spider: SpiderFile) -> Result<(), WireError> {
        self.session.admit()?;
        self.handler.put_spider(spider).await
    }

    async fn process(self, context: Context, job: Job) -> Outcome {
        match self.session.enter(&context) {
            Ok(_entered) => self.handler.process(job).await,
            Err(refusal) => Outcome { verdict: Verdict::Failed(refusal), fetch: FetchFacts::default() },
        }
    }

    async fn ping(self, _: Context) -> Pong {
        self.session.pong()
    }
}

impl<H: ItemSaverHandler> ItemSaverService for Desk<H> {
    async fn hello(self, _: Context, hello: Hello) -> Result<Welcome, WireError> {
        self.session.hello(&hello)
    }

    async fn put_schema(self, _: Context, types: Vec<TypeSchema>) -> Result<(), WireError> {
        self.session.admit()?;
        self.handler.put_schema(types).await
    }

    async fn save(self, context: Context, batch: SaveBatch) -> Result<SaveAnswer, WireError> {
        let _entered = self.session.enter(&context)?;
        self.handler.save(batch).await
    }

    async fn stats(self, _: Context) -> Result<StoreStats, WireError> {
        self.session.admit()?;
        self.handler.stats().await
    }

    async fn search(self, _: Context, request: SearchRequest) -> Result<SearchAnswer, WireError> {
        self.session.admit()?;
        self.handler.search(request).await
    }

    async fn history(self, _: Context, request: HistoryRequest) -> Result<HistoryAnswer, WireError> {
        self.session.admit()?;
        self.handler.history(request).await
    }

    async fn ping(self, _: Context) -> Pong {
        self.session.pong()
    }
}
