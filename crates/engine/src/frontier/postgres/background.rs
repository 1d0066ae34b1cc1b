//! The runtime that a database is spoken to from: of its own, so that the lease is renewed however busy the rest of the process is, and so
//! that a thread that is no task can wait for an answer.

use std::future::Future;
use std::io;
use std::sync::mpsc::sync_channel;

use tokio::runtime::{Builder, Handle, Runtime};

/// See the module. Dropping it cuts off what still runs.
#[derive(Debug)]
pub(super) struct Background {
    runtime: Option<Runtime>,
}

impl Background {
    pub(super) fn start() -> io::Result<Background> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("frontier-database").enable_all().build()?;
        Ok(Background { runtime: Some(runtime) })
    }

    /// Waits for what some work comes to. The work bounds its time itself.
    pub(super) fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        // Room for the one answer, so that the task is not held up.
        let (answer, waiting) = sync_channel(1);
        self.handle().spawn(async move {
            let come_to = work.await;
            // What the work held is dropped by now, so that none of it is dropped by this runtime last.
            let _ = answer.send(come_to);
        });
        waiting.recv().expect("the work ends with an answer, and the runtime outlives it")
    }

    /// To spawn what goes on beside.
    pub(super) fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("it is taken when this is dropped").handle()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for its end is not allowed where tasks run, and there is nothing to wait for.
            runtime.shutdown_background();
        }
    }
}
