//! Items in an index of Elasticsearch or OpenSearch.
//!
//! One task owns the writing; batches that wait while it works are stored together. The rules are applied here ([`claims`]), over the
//! documents that a group of batches is about, read by name and so as they are at that moment; the server only keeps documents. An
//! identity's document has all claims to it; a page's document, in a second index, names what the page claims. Every write carries a
//! version above all before it, so that one that arrives late changes nothing, and each writer an epoch, so that one which has been
//! replaced stores nothing more.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use model::history::Change;
use model::save::{SaveAnswer, SaveBatch, StoreStats};
use model::schema::TypeSchema;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::search::{Found, Search};

use super::{Cursor, ItemChunk, ItemFilter, Store, StoreError};
use client::{Client, LIMITS, Limits};
use index::Index;
use writer::Writer;

mod bulk;
mod claims;
mod client;
mod documents;
mod history;
mod index;
mod mapping;
mod place;
mod reader;
mod reindex;
mod search;
mod writer;

pub use place::{Access, Product, ServerSpec, StoreCredentials};
pub use reindex::{Reindexed, reindex};

/// Calls that wait for the writer: as many as a server lets in at a time ([`crate::CAPACITY`]). With the one being stored, these are also
/// the most that are stored together.
const QUEUE: usize = 4;

/// An item store in an index of a search server.
pub struct ElasticsearchStore {
    index: Index,
    queue: Mutex<Queue>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Set by a save that failed, cleared by one that did not.
    failing: Arc<AtomicBool>,
    /// How many items the next chunk of a listing should have.
    chunk: AtomicUsize,
}

enum Queue {
    Open(mpsc::Sender<Command>),
    ReadOnly,
    Closed,
}

enum Command {
    Save(SaveBatch, Answer<SaveAnswer>),
    PutSchema(Vec<TypeSchema>, Answer<()>),
    Probe(Answer<()>),
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

impl ElasticsearchStore {
    /// Opens an index for writing; makes it where there is none. Whoever had it open to write stores nothing more.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for an index that is no item store, [`StoreError::Unavailable`] for a server that is not there or lets
    /// nobody in.
    pub async fn open(spec: &ServerSpec) -> Result<ElasticsearchStore, StoreError> {
        ElasticsearchStore::open_with(spec, LIMITS, false).await
    }

    /// The same, to keep the history of items while it is open, in an index of its own.
    ///
    /// # Errors
    /// As [`ElasticsearchStore::open`].
    pub async fn open_with_history(spec: &ServerSpec) -> Result<ElasticsearchStore, StoreError> {
        ElasticsearchStore::open_with(spec, LIMITS, true).await
    }

    async fn open_with(spec: &ServerSpec, limits: Limits, keeps_history: bool) -> Result<ElasticsearchStore, StoreError> {
        let index = Index::new(Client::new(spec, limits)?, &spec.index);
        index.make(keeps_history).await?;
        let writer = Writer::new(index.clone(), keeps_history).await?;
        let (queue, commands) = mpsc::channel(QUEUE);
        let failing = Arc::<AtomicBool>::default();
        let desk = Desk { store: index.client.store.clone(), writer, failing: Arc::clone(&failing) };
        let task = tokio::spawn(desk.work(commands));
        Ok(ElasticsearchStore::new(index, Queue::Open(queue), Some(task), failing))
    }

    /// Opens an index that exists, to read it.
    ///
    /// # Errors
    /// As [`ElasticsearchStore::open`]; also when there is no such index.
    pub async fn open_to_read(spec: &ServerSpec) -> Result<ElasticsearchStore, StoreError> {
        let index = Index::new(Client::new(spec, LIMITS)?, &spec.index);
        index.check().await?;
        Ok(ElasticsearchStore::new(index, Queue::ReadOnly, None, Arc::default()))
    }

    fn new(index: Index, queue: Queue, task: Option<JoinHandle<()>>, failing: Arc<AtomicBool>) -> ElasticsearchStore {
        let chunk = AtomicUsize::new(reader::FIRST_CHUNK);
        ElasticsearchStore { index, queue: Mutex::new(queue), task: Mutex::new(task), failing, chunk }
    }

    /// Has the writer do something and waits for its answer. The work goes on when the caller does not wait.
    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = match &*lock(&self.queue) {
            Queue::Open(queue) => queue.clone(),
            Queue::ReadOnly => return Err(self.index.unusable("it was opened to read".to_owned())),
            Queue::Closed => return Err(self.closed()),
        };
        // The writer outlives its queue unless it panicked, which has been reported.
        let ended = || self.index.unusable("its writer has ended; see the log".to_owned());
        queue.send(command(answer)).await.map_err(|_| ended())?;
        drop(queue);
        answered.await.map_err(|_| ended())?
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if matches!(&*lock(&self.queue), Queue::Closed) { Err(self.closed()) } else { Ok(()) }
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed { store: self.index.client.store.clone() }
    }
}

impl Store for ElasticsearchStore {
    async fn put_schema(&self, types: Vec<TypeSchema>) -> Result<(), StoreError> {
        self.ask(|answer| Command::PutSchema(types, answer)).await
    }

    async fn save(&self, batch: SaveBatch) -> Result<SaveAnswer, StoreError> {
        self.ask(|answer| Command::Save(batch, answer)).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        self.check_open()?;
        if self.failing.load(Ordering::Acquire) {
            self.ask(Command::Probe).await?;
        }
        reader::stats(&self.index).await
    }

    async fn schemas(&self) -> Result<Vec<TypeSchema>, StoreError> {
        self.check_open()?;
        self.index.schemas().await
    }

    async fn items(&self, filter: &ItemFilter, after: Option<&Cursor>) -> Result<ItemChunk, StoreError> {
        self.check_open()?;
        let chunk = reader::items(&self.index, filter, after, self.chunk.load(Ordering::Relaxed)).await?;
        self.chunk.store(reader::next_size(&chunk), Ordering::Relaxed);
        Ok(chunk)
    }

    async fn search(&self, search: &Search) -> Result<Found, StoreError> {
        self.check_open()?;
        search::search(&self.index, search).await
    }

    async fn history(&self, item_type: &str, id: &str) -> Result<Vec<Change>, StoreError> {
        self.check_open()?;
        history::history(&self.index, item_type, id).await
    }

    async fn close(&self) {
        drop(std::mem::replace(&mut *lock(&self.queue), Queue::Closed));
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // Errs when the writer panicked, which has been reported.
            let _ = task.await;
        }
    }
}

impl fmt::Debug for ElasticsearchStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticsearchStore").field("store", &self.index.client.store).finish_non_exhaustive()
    }
}

/// Where the writer does what it is asked.
struct Desk {
    store: String,
    writer: Writer,
    failing: Arc<AtomicBool>,
}

impl Desk {
    /// Works until the queue is closed and empty.
    async fn work(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut next = None;
        loop {
            let command = match next.take() {
                Some(command) => command,
                None => match commands.recv().await {
                    Some(command) => command,
                    None => return,
                },
            };
            // A caller that no longer waits for its answer needs none.
            match command {
                Command::Save(batch, answer) => {
                    let (mut batches, mut answers) = (vec![batch], vec![answer]);
                    while batches.len() <= QUEUE
                        && let Ok(command) = commands.try_recv()
                    {
                        match command {
                            Command::Save(batch, answer) => {
                                batches.push(batch);
                                answers.push(answer);
                            }
                            other @ (Command::PutSchema(..) | Command::Probe(_)) => {
                                next = Some(other);
                                break;
                            }
                        }
                    }
                    for (answer, result) in answers.into_iter().zip(self.save(&batches).await) {
                        let _ = answer.send(result);
                    }
                }
                Command::PutSchema(types, answer) => drop(answer.send(self.writer.put_schema(&types).await)),
                Command::Probe(answer) => {
                    let probed = self.writer.probe().await;
                    drop(answer.send(self.note(probed)));
                }
            }
        }
    }

    /// Stores batches together; if they cannot be for a reason that may lie in one of them, one by one. An answer for each.
    async fn save(&mut self, batches: &[SaveBatch]) -> Vec<Result<SaveAnswer, StoreError>> {
        let saved = self.writer.save(batches).await;
        match self.note(saved) {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) if batches.len() == 1 || error.is_retryable() => vec![Err(error); batches.len()],
            Err(_) => {
                let mut answers = Vec::with_capacity(batches.len());
                for batch in batches {
                    let saved = self.writer.save(std::slice::from_ref(batch)).await.map(|mut answers| answers.remove(0));
                    answers.push(self.note(saved));
                }
                answers
            }
        }
    }

    fn note<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        let was_failing = self.failing.swap(done.is_err(), Ordering::AcqRel);
        match &done {
            Ok(_) if was_failing => tracing::info!(store = %self.store, "stores again"),
            Err(error) if !was_failing => tracing::error!(%error, "cannot store; nothing is acknowledged until this is mended"),
            Ok(_) | Err(_) => {}
        }
        done
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests;
