//! Syncs the log to the disk from time to time, on a thread of its own: a sync takes milliseconds, and nothing waits for it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use fjall::{Database, PersistMode};

/// The thread, if there is one: with an interval of zero every commit syncs for itself. Dropping it waits for its end, so that whoever opens
/// the database next finds it free.
#[derive(Debug)]
pub(super) struct Syncer {
    interval: Duration,
    line: Option<Line>,
    thread: Option<JoinHandle<()>>,
}

/// The thread's orders.
#[derive(Debug)]
struct Line {
    wake: SyncSender<()>,
    /// Never sent on: its end is the order to stop.
    _stop: SyncSender<()>,
}

impl Syncer {
    /// `interval` is what a power failure may cost.
    pub(super) fn start(database: Database, interval: Duration) -> io::Result<Syncer> {
        if interval.is_zero() {
            return Ok(Syncer { interval, line: None, thread: None });
        }
        // One wake-up in store says all there is to say.
        let (wake, woken) = sync_channel(1);
        let (stop, stopped) = sync_channel(1);
        let thread =
            std::thread::Builder::new().name("frontier-sync".to_owned()).spawn(move || run(&database, interval, &woken, &stopped))?;
        Ok(Syncer { interval, line: Some(Line { wake, _stop: stop }), thread: Some(thread) })
    }

    /// How durable a commit is by itself.
    pub(super) fn durability(&self) -> PersistMode {
        if self.interval.is_zero() { PersistMode::SyncData } else { PersistMode::Buffer }
    }

    /// Something was written.
    pub(super) fn wake(&self) {
        if let Some(line) = &self.line {
            // Full: the thread knows already. Closed: it could not sync, and the next commit fails for the same reason.
            let _ = line.wake.try_send(());
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.line = None;
        if let Some(thread) = self.thread.take() {
            // Its panic would have been told already.
            let _ = thread.join();
        }
    }
}

fn run(database: &Database, interval: Duration, woken: &Receiver<()>, stopped: &Receiver<()>) {
    while woken.recv().is_ok() {
        // Rests first, so that what is written within the interval shares one sync.
        if stopped.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        if let Err(error) = database.persist(PersistMode::SyncData) {
            tracing::error!(%error, "cannot sync the frontier");
            return;
        }
    }
}
