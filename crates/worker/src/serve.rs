//! A worker process's life.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::hello::Role;
use rpcsupport::{Drained, Reception, serve_worker};
use tokio::net::TcpListener;

use crate::config::Config;
use crate::worker::Worker;

/// The front desk of a worker with this configuration, for serving it elsewhere than on a listener.
pub fn reception(config: &Config) -> Reception {
    Reception::new(Role::Worker, config.announced())
}

/// Serves a worker until `shutdown`, then finishes what is in flight, for at most `grace`, and tells how many jobs were cut off.
pub async fn run(listener: TcpListener, config: &Config, worker: Worker, shutdown: impl Future<Output = ()>, grace: Duration) -> Drained {
    serve_worker(listener, reception(config), Arc::new(worker), shutdown, grace).await
}
