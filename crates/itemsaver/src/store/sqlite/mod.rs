//! Items in a SQLite database of this machine.
//!
//! One thread owns the connection that writes. Batches that wait while it works are stored together in its next transaction, which is
//! synced to disk before any of them is answered. After an error the connection is dropped, which rolls back, and opened anew for the
//! next call. Readers have connections of their own: in WAL mode neither waits for the other, and other processes may read, or even
//! write, at the same time.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use model::history::Change;
use model::save::{SaveAnswer, SaveBatch, StoreStats};
use model::schema::TypeSchema;
use rusqlite::Connection;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Cursor, ItemChunk, ItemFilter, Store, StoreError};
use crate::search::{Found, Search};
use failure::Failure;
use file::{DatabaseFile, FileIdentity};
use writer::Writer;

mod claims;
mod failure;
mod file;
mod history;
mod indexer;
mod reader;
mod schema;
mod search;
mod writer;

/// How long to wait for a lock that another process holds. Longer than any transaction of ours takes; shorter than a caller's patience.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Calls that wait for the writer: as many as a server lets in at a time ([`crate::CAPACITY`]); the next caller waits itself. With the
/// one being stored, these are also the most that one transaction stores.
const QUEUE: usize = 4;

/// How long no command comes before the index is brought up to date: a crawl at full speed is not slowed down by it.
const IDLE: Duration = Duration::from_millis(100);

/// How long a search lets the index catch up with what was stored before it, and saves wait.
const CATCH_UP: Duration = Duration::from_millis(100);

/// An item store in a SQLite file.
pub struct SqliteStore {
    name: String,
    queue: Mutex<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Set by a save that failed, cleared by one that did not.
    failing: Arc<AtomicBool>,
    reader: Arc<tokio::sync::Mutex<Option<Connection>>>,
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
    CatchUp(Answer<()>),
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

impl SqliteStore {
    /// Opens a database for writing; creates it where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] for a file that is no item store or of a newer version, [`StoreError::Unavailable`] for one that cannot
    /// be written.
    pub async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path, BUSY_TIMEOUT, false).await
    }

    /// The same, to keep the history of items while it is open.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub async fn open_with_history(path: &Path) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path, BUSY_TIMEOUT, true).await
    }

    /// Opens a database that exists, to read it.
    ///
    /// # Errors
    /// As [`SqliteStore::open`]; also when there is no such file.
    pub async fn open_to_read(path: &Path) -> Result<SqliteStore, StoreError> {
        let file = DatabaseFile { path: path.to_owned(), busy_timeout: BUSY_TIMEOUT };
        let name = name(path);
        let reader = blocking(&name, move || file.open_to_read()).await?;
        Ok(SqliteStore::new(name, Queue::ReadOnly, None, reader, Arc::default()))
    }

    async fn open_with(path: &Path, busy_timeout: Duration, keeps_history: bool) -> Result<SqliteStore, StoreError> {
        let file = DatabaseFile { path: path.to_owned(), busy_timeout };
        let name = name(path);
        let opening = file.clone();
        let (writer, reader) = blocking(&name, move || {
            let mut writer = Writer::open(&opening, None)?;
            writer.probe()?;
            Ok((writer, opening.open_to_read()?))
        })
        .await?;
        let (queue, commands) = mpsc::channel(QUEUE);
        let failing = Arc::<AtomicBool>::default();
        let identity = writer.identity().clone();
        let unavailable = |error: std::io::Error| StoreError::Unavailable { store: name.clone(), reason: error.to_string() };
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(unavailable)?;
        let (writer, is_indexed) = (Some(writer.with_history(keeps_history)), false);
        let desk = Desk { name: name.clone(), file, identity, writer, keeps_history, is_indexed, clock, failing: Arc::clone(&failing) };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || desk.work(commands));
        let thread = thread.map_err(unavailable)?;
        Ok(SqliteStore::new(name, Queue::Open(queue), Some(thread), reader, failing))
    }

    fn new(name: String, queue: Queue, thread: Option<JoinHandle<()>>, reader: Connection, failing: Arc<AtomicBool>) -> SqliteStore {
        let reader = Arc::new(tokio::sync::Mutex::new(Some(reader)));
        SqliteStore { name, queue: Mutex::new(queue), thread: Mutex::new(thread), failing, reader }
    }

    /// Has the writer do something and waits for its answer.
    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let queue = match &*lock(&self.queue) {
            Queue::Open(queue) => queue.clone(),
            Queue::ReadOnly => return Err(self.unusable("it was opened to read")),
            Queue::Closed => return Err(self.closed()),
        };
        // The writer outlives its queue unless it panicked, which its thread has reported.
        let ended = || self.unusable("its writer has ended; see the log");
        queue.send(command(answer)).await.map_err(|_| ended())?;
        drop(queue);
        answered.await.map_err(|_| ended())?
    }

    /// Reads on a thread that may block; one read at a time.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader).lock_owned().await;
        if reader.is_none() {
            return Err(self.closed());
        }
        blocking(&self.name, move || read(reader.as_ref().expect("looked at under the same lock"))).await
    }

    fn unusable(&self, reason: &str) -> StoreError {
        StoreError::Unusable { store: self.name.clone(), reason: reason.to_owned() }
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed { store: self.name.clone() }
    }
}

impl Store for SqliteStore {
    async fn put_schema(&self, types: Vec<TypeSchema>) -> Result<(), StoreError> {
        self.ask(|answer| Command::PutSchema(types, answer)).await
    }

    async fn save(&self, batch: SaveBatch) -> Result<SaveAnswer, StoreError> {
        self.ask(|answer| Command::Save(batch, answer)).await
    }

    async fn stats(&self) -> Result<StoreStats, StoreError> {
        if self.failing.load(Ordering::Acquire) {
            self.ask(Command::Probe).await?;
        }
        let name = self.name.clone();
        self.read(move |reader| reader::stats(reader, &name)).await
    }

    async fn schemas(&self) -> Result<Vec<TypeSchema>, StoreError> {
        self.read(reader::schemas).await
    }

    async fn items(&self, filter: &ItemFilter, after: Option<&Cursor>) -> Result<ItemChunk, StoreError> {
        let (filter, after) = (filter.clone(), after.cloned());
        self.read(move |reader| reader::items(reader, &filter, after.as_ref())).await
    }

    async fn search(&self, search: &Search) -> Result<Found, StoreError> {
        if matches!(&*lock(&self.queue), Queue::Open(_)) {
            self.ask(Command::CatchUp).await?;
        }
        let search = search.clone();
        self.read(move |reader| search::search(reader, &search)).await
    }

    async fn history(&self, item_type: &str, id: &str) -> Result<Vec<Change>, StoreError> {
        let (item_type, id) = (item_type.to_owned(), id.to_owned());
        self.read(move |reader| history::history(reader, &item_type, &id)).await
    }

    async fn close(&self) {
        let queue = std::mem::replace(&mut *lock(&self.queue), Queue::Closed);
        // The writer closes last, once its queue is dropped: the last connection moves the log into the database file, and a reader
        // may not write.
        drop(self.reader.lock().await.take());
        drop(queue);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            // Errs when the writer panicked, which its thread has reported.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where the writer's thread does what it is asked.
struct Desk {
    name: String,
    file: DatabaseFile,
    identity: FileIdentity,
    /// `None` after an error.
    writer: Option<Writer>,
    keeps_history: bool,
    /// Whether nothing was stored since the index was brought up to date, or could not be.
    is_indexed: bool,
    /// Measures pauses; nothing runs on it.
    clock: tokio::runtime::Runtime,
    failing: Arc<AtomicBool>,
}

impl Desk {
    /// Works until the queue is closed and empty.
    fn work(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut next = None;
        while let Some(command) = next.take().or_else(|| self.next(&mut commands)) {
            // A caller that no longer waits for its answer needs none.
            match command {
                Command::Save(batch, answer) => {
                    self.is_indexed = false;
                    let (mut batches, mut answers) = (vec![batch], vec![answer]);
                    while batches.len() <= QUEUE {
                        match commands.try_recv() {
                            Ok(Command::Save(batch, answer)) => {
                                batches.push(batch);
                                answers.push(answer);
                            }
                            Ok(other) => {
                                next = Some(other);
                                break;
                            }
                            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                        }
                    }
                    for (answer, result) in answers.into_iter().zip(self.save(&batches)) {
                        let _ = answer.send(result);
                    }
                }
                Command::PutSchema(types, answer) => drop(answer.send(self.attempt(|writer| writer.put_schema(&types)))),
                Command::Probe(answer) => drop(answer.send(self.attempt(Writer::probe))),
                Command::CatchUp(answer) => {
                    let until = Instant::now() + CATCH_UP;
                    while Instant::now() < until && self.index_some() {}
                    drop(answer.send(Ok(())));
                }
            }
        }
    }

    /// The next command; when there has been none for a while, the index is brought up to date until there is.
    fn next(&mut self, commands: &mut mpsc::Receiver<Command>) -> Option<Command> {
        if self.is_indexed {
            return commands.blocking_recv();
        }
        let waited = self.clock.block_on(async { tokio::time::timeout(IDLE, commands.recv()).await });
        if let Ok(command) = waited {
            return command;
        }
        loop {
            match commands.try_recv() {
                Ok(command) => return Some(command),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if self.index_some() => {}
                Err(TryRecvError::Empty) => {
                    self.is_indexed = true;
                    return commands.blocking_recv();
                }
            }
        }
    }

    /// Indexes some of what has changed; whether there may be more. What fails is left for later: nobody has been promised it.
    fn index_some(&mut self) -> bool {
        let Some(mut writer) = self.writer.take() else { return false };
        match writer.index_some() {
            Ok(more) => {
                self.writer = Some(writer);
                more
            }
            Err(failure) => {
                tracing::warn!(error = %failure.told(&self.name), "cannot index for searches; items are stored all the same");
                false
            }
        }
    }

    /// Stores batches together; if they cannot be for a reason that may lie in one of them, one by one. An answer for each.
    fn save(&mut self, batches: &[SaveBatch]) -> Vec<Result<SaveAnswer, StoreError>> {
        match self.attempt(|writer| writer.save(batches)) {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) if batches.len() == 1 || error.is_retryable() => vec![Err(error); batches.len()],
            Err(_) => batches.iter().flat_map(|batch| self.save(std::slice::from_ref(batch))).collect(),
        }
    }

    fn attempt<T>(&mut self, work: impl FnOnce(&mut Writer) -> Result<T, Failure>) -> Result<T, StoreError> {
        let open = || Writer::open(&self.file, Some(&self.identity)).map(|writer| writer.with_history(self.keeps_history));
        let writer = self.writer.take().map_or_else(open, Ok);
        let done = writer.and_then(|mut writer| work(&mut writer).map(|done| (writer, done)));
        let was_failing = self.failing.swap(done.is_err(), Ordering::AcqRel);
        match done {
            Ok((writer, done)) => {
                if was_failing {
                    tracing::info!(store = %self.name, "stores again");
                }
                self.writer = Some(writer);
                Ok(done)
            }
            Err(failure) => {
                let error = failure.told(&self.name);
                if !was_failing {
                    tracing::error!(%error, "cannot store; nothing is acknowledged until this is mended");
                }
                Err(error)
            }
        }
    }
}

fn name(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

async fn blocking<T: Send + 'static>(name: &str, work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|failure| failure.told(name)),
        // Cancelled when the runtime ends.
        Err(_) => Err(StoreError::Closed { store: name.to_owned() }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests;
