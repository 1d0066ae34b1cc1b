//! How the other processes are reached: over TCP, or in this process.

use std::sync::Arc;

use anyhow::Context;
use futures::FutureExt;
use model::hello::Hello;
use rpcsupport::{PeerAddress, dial_itemsaver, dial_worker};
use worker::Registry;

use crate::config::{Config, Workers};
use crate::embedded;
use crate::limits::DIAL;
use crate::parse_journal::ParseJournal;
use crate::pool::member::WorkerSource;
use crate::saver::SaverSource;
use crate::state::StateDir;

/// An itemsaver elsewhere.
pub(crate) fn itemsaver(host: &PeerAddress, hello: &Hello) -> SaverSource {
    let (host, hello) = (host.clone(), hello.clone());
    let name = host.to_string();
    let dial = move || {
        let (host, hello) = (host.clone(), hello.clone());
        async move { dial_itemsaver(&host, hello, DIAL).await }.boxed()
    };
    SaverSource { name, dial: Arc::new(dial) }
}

/// A worker elsewhere. Its name is looked up at each dial.
pub(crate) fn worker(host: &PeerAddress, hello: &Hello) -> WorkerSource {
    let (name, host, hello) = (host.to_string(), host.clone(), hello.clone());
    let dial = move || {
        let (host, hello) = (host.clone(), hello.clone());
        async move { dial_worker(&host, hello, DIAL).await }.boxed()
    };
    WorkerSource { name, dial: Arc::new(dial) }
}

/// The crawl's workers; without any of the user's own, one in this process, whose parses are noted in a journal of the state directory.
///
/// # Errors
/// When the operating system gives no threads to parse on, or the journal cannot be written.
pub(crate) fn workers(
    config: &Config,
    state: &StateDir,
    epoch: u64,
    hello: &Hello,
    registry: Registry,
) -> anyhow::Result<Vec<WorkerSource>> {
    if let Workers::Hosts(hosts) = &config.workers {
        return Ok(hosts.iter().map(|host| worker(host, hello)).collect());
    }
    let path = state.parse_journal();
    let journal = ParseJournal::create(&path, embedded::parse_threads().get(), epoch);
    let journal = journal.with_context(|| format!("cannot write {}", path.display()))?;
    let source = embedded::worker(config.engine.worker_count, hello.clone(), registry, Some(Arc::new(journal)));
    Ok(vec![source.context("cannot start the worker")?])
}
