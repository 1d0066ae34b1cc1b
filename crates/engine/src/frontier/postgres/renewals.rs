//! A right that lapses unless it is renewed: by a task over a connection of its own, until somebody else has it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::Connection;
use super::failure::Failure;
use super::session::Session;
use crate::frontier::TakenOver;

/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(2);

/// The pause before it is tried again.
const RENEW_AGAIN: Duration = Duration::from_millis(300);

/// Time for a renewal.
const RENEW_LIMIT: Duration = Duration::from_secs(3);

/// How long it lasts in the database. Whoever died is succeeded no later than this after the last renewal.
pub(in crate::frontier) const LASTS: Duration = Duration::from_secs(10);

/// How long it is relied on, from before a renewal is asked for: shorter, in case the clocks run at different speeds.
pub(super) const RELIED_ON: Duration = Duration::from_secs(8);

/// See the module. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Renewals {
    task: JoinHandle<()>,
}

impl Renewals {
    /// Renews for this crawl. `renew` answers how many lines it has renewed: none, once the right is somebody else's.
    pub(super) fn start<R, F>(handle: &Handle, connection: Connection, crawl: String, renew: R) -> Renewals
    where
        R: Fn(Arc<Session>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<u64, tokio_postgres::Error>> + Send,
    {
        let task = handle.spawn(async move {
            let keeper = connection.keeper();
            let mut failures = 0;
            loop {
                let sent = Instant::now();
                let pause = match connection.attempt(&renew, RENEW_LIMIT).await {
                    Ok(0) => return keeper.lost(TakenOver { crawl }),
                    Ok(_) => {
                        failures = 0;
                        keeper.renewed(sent + RELIED_ON);
                        connection.note(None);
                        RENEW
                    }
                    Err(Failure::Passing(why) | Failure::Lasting(why)) => {
                        failures += 1;
                        // A connection that broke while nobody looked is no news.
                        if failures > 1 {
                            connection.note(Some(&why));
                        }
                        RENEW_AGAIN
                    }
                };
                tokio::time::sleep(pause).await;
            }
        });
        Renewals { task }
    }

    /// Renews no more.
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Renewals {
    fn drop(&mut self) {
        self.stop();
    }
}
