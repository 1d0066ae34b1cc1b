//! A worker and an itemsaver inside this process, without a socket.
//!
//! **Invariant.** Only this file runs them; the rest of the engine sees clients and cannot tell. (`output` borrows the itemsaver's way of
//! writing lines, and `practice` starts the practice site: neither is on a crawl's way.)

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use itemsaver::{ItemSaver, StoreError, StoreSpec};
use model::hello::{Hello, Role};
use rpcsupport::{Reception, memory};
use worker::{Config, ParseWatch, Registry, Worker};

use crate::pool::member::WorkerSource;
use crate::saver::SaverSource;

/// The name of embedded processes in logs and reports.
pub const EMBEDDED: &str = "embedded";

/// Parses that the embedded worker runs at once, at most.
pub fn parse_threads() -> NonZeroUsize {
    Config::standard().parse_threads
}

/// A worker in this process that takes `worker_count` jobs at a time and has these parsers. `watch` is told of each parse.
///
/// # Errors
/// When the operating system gives no threads to parse on.
pub fn worker(worker_count: usize, hello: Hello, registry: Registry, watch: Option<Arc<dyn ParseWatch>>) -> std::io::Result<WorkerSource> {
    let capacity = NonZeroU32::new(worker_count.try_into().unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
    let config = Config { capacity, parse_threads: parse_threads(), ..Config::standard() };
    let worker = Arc::new(Worker::watched(&config, registry, watch)?);
    let reception = Reception::new(Role::Worker, capacity);
    let dial = move || {
        let (worker, reception, hello) = (Arc::clone(&worker), reception.clone(), hello.clone());
        async move { memory::link_worker(&reception, worker, hello).await }.boxed()
    };
    Ok(WorkerSource { name: EMBEDDED.to_owned(), dial: Arc::new(dial) })
}

/// An itemsaver in this process, on SQLite in the file `items.db` of a folder.
#[derive(Debug)]
pub struct EmbeddedSaver {
    saver: ItemSaver,
}

impl EmbeddedSaver {
    /// Opens the store, to keep the history of items if that is wanted.
    ///
    /// # Errors
    /// When the file cannot be opened or another process writes it.
    pub async fn open(file: &Path, history: bool) -> Result<EmbeddedSaver, StoreError> {
        let spec = StoreSpec::Sqlite(file.to_owned());
        let saver = if history { ItemSaver::open_with_history(&spec).await } else { ItemSaver::open(&spec).await };
        Ok(EmbeddedSaver { saver: saver? })
    }

    /// How the engine reaches it.
    pub fn source(&self, hello: Hello) -> SaverSource {
        let saver = Arc::new(self.saver.clone());
        let reception = self.saver.reception();
        let dial = move || {
            let (saver, reception, hello) = (Arc::clone(&saver), reception.clone(), hello.clone());
            async move { memory::link_itemsaver(&reception, saver, hello).await }.boxed()
        };
        SaverSource { name: EMBEDDED.to_owned(), dial: Arc::new(dial) }
    }

    /// Finishes what is queued and closes the file.
    pub async fn close(self) {
        self.saver.close().await;
    }
}
