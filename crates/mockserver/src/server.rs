//! Serves a site on a bound listener until told to stop.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::site::Site;

/// More than any crawler opens to one host; beyond it, new connections wait in the listener's backlog.
const MOST_CONNECTIONS: usize = 10_000;
/// Pause after a failed accept (usually: no more file descriptors), so that it is not repeated in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the site until `shutdown` completes, then ends all connections at once, whatever they were doing, and returns
/// when they have ended. The caller may keep the site, to read its arrivals.
///
/// # Errors
///
/// None at present: a failed accept is logged and tried again.
pub async fn run(listener: TcpListener, site: Arc<Site>, shutdown: impl Future) -> io::Result<()> {
    let mut shutdown = std::pin::pin!(shutdown);
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < MOST_CONNECTIONS;
        tokio::select! {
            biased;
            _ = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection's task failed");
                }
            }
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, _peer)) => {
                    connections.spawn(serve(stream, Arc::clone(&site)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    connections.shutdown().await;
    Ok(())
}

/// Clients leave as they please: that is no error of the site.
async fn serve(stream: TcpStream, site: Arc<Site>) {
    let served = match Connection::new(stream, site) {
        Ok(connection) => connection.serve().await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}
