//! Dialling a peer: connect, say hello, check who answered.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use model::WireError;
use model::error::code;
use model::hello::{Hello, PROTOCOL, Role, SOFTWARE, Welcome};
use tarpc::client::{self, RpcError};
use tarpc::context::{self, Context};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::address::PeerAddress;
use crate::service::ItemSaverServiceClient;
use crate::stub::{CrawlClient, CrawlStub, Lifeline};
use crate::transport::frame;

/// Why a peer could not be dialled.
#[derive(Debug, Error)]
pub enum DialError {
    /// The name has no address.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's reason.
        source: io::Error,
    },
    /// No address of it accepted a connection; the last one's reason.
    #[error("{}", connect_reason(.0))]
    Connect(io::Error),
    /// It did not answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// It accepted the connection and closed or cut it, as a process does that is ending or killed, or a proxy with nothing behind it.
    #[error("it closed the connection at once")]
    HungUp,
    /// Something listens there that does not speak our protocol.
    #[error("it does not speak this protocol: is something else listening there? ({0})")]
    Foreign(RpcError),
    /// One of ours, but another kind.
    #[error("{address} is {found}, expected {expected}")]
    WrongRole {
        /// Who was dialled.
        address: String,
        /// What it is.
        found: Role,
        /// What was wanted.
        expected: Role,
    },
    /// One of ours that speaks another version of the protocol, and did not mind.
    #[error("it is {software} with protocol {protocol}, this is {SOFTWARE} with protocol {PROTOCOL}")]
    WrongVersion {
        /// What it is.
        software: String,
        /// The version it speaks.
        protocol: u32,
    },
    /// It refused the hello.
    #[error("it refused the connection: {0}")]
    Refused(WireError),
}

impl DialError {
    /// Whether dialling again later may help. A wrong role or version stays wrong until someone changes a command line.
    pub fn is_passing(&self) -> bool {
        match self {
            DialError::Resolve { .. } | DialError::Connect(_) | DialError::Timeout(_) | DialError::HungUp => true,
            DialError::Foreign(_) | DialError::WrongRole { .. } | DialError::WrongVersion { .. } | DialError::Refused(_) => false,
        }
    }

    /// Whether the crawl was opened once more since the caller opened it.
    pub fn is_stale(&self) -> bool {
        matches!(self, DialError::Refused(error) if error.code == code::STALE_EPOCH)
    }
}

/// A live connection to a peer that has said who it is. Dropping it closes the connection.
#[derive(Debug)]
pub struct Link<C> {
    /// Makes calls; cheap to clone.
    pub client: C,
    /// What the peer said of itself.
    pub welcome: Welcome,
    kept: Kept,
}

/// What a link lives by.
#[derive(Debug)]
enum Kept {
    /// The task that has the connection.
    Task(JoinHandle<()>),
    /// There is no connection.
    Lifeline { _held: Lifeline },
}

impl<C> Link<C> {
    pub(crate) fn new(client: C, welcome: Welcome, task: JoinHandle<()>) -> Link<C> {
        Link { client, welcome, kept: Kept::Task(task) }
    }

    pub(crate) fn local(client: C, welcome: Welcome, lifeline: Lifeline) -> Link<C> {
        Link { client, welcome, kept: Kept::Lifeline { _held: lifeline } }
    }

    /// Returns when the connection is gone: closed by the peer, broken, or its process killed. A peer that is frozen or unplugged does
    /// not close anything; only unanswered pings tell that.
    pub async fn closed(&mut self) {
        match &mut self.kept {
            // A task that panicked is as gone as one that ended.
            Kept::Task(task) => _ = task.await,
            Kept::Lifeline { .. } => std::future::pending().await,
        }
    }
}

impl<C> Drop for Link<C> {
    fn drop(&mut self) {
        if let Kept::Task(task) = &self.kept {
            task.abort();
        }
    }
}

/// Dials a worker within `limit`, hello included.
///
/// # Errors
/// [`DialError`]; [`DialError::is_passing`] says whether to try again.
pub async fn dial_worker(address: &PeerAddress, hello: Hello, limit: Duration) -> Result<Link<CrawlClient>, DialError> {
    let dialling = async {
        let transport = frame(connect(address, limit).await?).map_err(DialError::Connect)?;
        let client::NewClient { client, dispatch } = client::new(client_config(), transport);
        let client = CrawlClient::from(CrawlStub::Remote(client));
        let dispatch = Dispatch::spawn(dispatch);
        let welcome = client.hello(deadline(limit), hello).await.map_err(unanswered)?.map_err(DialError::Refused)?;
        check(address, &welcome, Role::Worker)?;
        Ok(Link::new(client, welcome, dispatch.keep()))
    };
    within(limit, dialling).await.unwrap_or(Err(DialError::Timeout(limit)))
}

/// Dials an itemsaver within `limit`, hello included.
///
/// # Errors
/// As [`dial_worker`].
pub async fn dial_itemsaver(address: &PeerAddress, hello: Hello, limit: Duration) -> Result<Link<ItemSaverServiceClient>, DialError> {
    let dialling = async {
        let transport = frame(connect(address, limit).await?).map_err(DialError::Connect)?;
        let client::NewClient { client, dispatch } = ItemSaverServiceClient::new(client_config(), transport);
        let dispatch = Dispatch::spawn(dispatch);
        let welcome = client.hello(deadline(limit), hello).await.map_err(unanswered)?.map_err(DialError::Refused)?;
        check(address, &welcome, Role::ItemSaver)?;
        Ok(Link::new(client, welcome, dispatch.keep()))
    };
    within(limit, dialling).await.unwrap_or(Err(DialError::Timeout(limit)))
}

/// A call's context with a deadline set on purpose; tarpc's own is 10 s, for everything.
pub fn deadline(limit: Duration) -> Context {
    let mut context = context::current();
    context.deadline = (Instant::now() + limit).into_std();
    context
}

/// Requests one client may have in flight: the engine's leases bound them well below, so that this never queues. 64 calls wait for the
/// socket at most; the next caller waits for them.
pub(crate) fn client_config() -> client::Config {
    let mut config = client::Config::default();
    config.max_in_flight_requests = 100_000;
    config.pending_request_buffer = 64;
    config
}

fn check(address: &PeerAddress, welcome: &Welcome, expected: Role) -> Result<(), DialError> {
    if welcome.protocol != PROTOCOL {
        return Err(DialError::WrongVersion { software: welcome.software.clone(), protocol: welcome.protocol });
    }
    if welcome.role == expected {
        return Ok(());
    }
    Err(DialError::WrongRole { address: address.to_string(), found: welcome.role, expected })
}

/// A call's answer, or none after `limit`. A call's own deadline counts from when it is written to the socket; this also bounds the wait
/// for a socket whose other end has stopped reading.
pub async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, call).await.ok()
}

/// What a hello that got no answer says of the peer.
fn unanswered(error: RpcError) -> DialError {
    match error {
        RpcError::Shutdown => DialError::HungUp,
        error if was_cut(&error) => DialError::HungUp,
        error => DialError::Foreign(error),
    }
}

/// Whether the connection was cut, as that of a process that is killed just then, rather than answered with something else.
fn was_cut(error: &RpcError) -> bool {
    use tarpc::ChannelError::{Close, Flush, Read, Ready, Write};
    let RpcError::Channel(Read(cause) | Ready(cause) | Write(cause) | Flush(cause) | Close(cause)) = error else { return false };
    let mut cause = cause.downcast_ref::<io::Error>();
    while let Some(error) = cause {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        if matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected | UnexpectedEof) {
            return true;
        }
        // One in another is not its source, but what it is made of.
        cause = error.get_ref().and_then(|inner| inner.downcast_ref());
    }
    false
}

async fn connect(address: &PeerAddress, limit: Duration) -> Result<TcpStream, DialError> {
    let resolved = tokio::net::lookup_host((address.host(), address.port())).await;
    let addresses = resolved.map_err(|source| DialError::Resolve { host: address.host().to_owned(), source })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let addresses: Vec<SocketAddr> = addresses.collect();
    // Each gets its share, so that one that swallows packets does not cost the others their turn.
    let share = limit / (addresses.len() as u32 + 1);
    for candidate in addresses {
        match tokio::time::timeout(share, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(DialError::Connect(last))
}

fn connect_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there".to_owned(),
        _ => error.to_string(),
    }
}

/// A client's dispatch task while the dial may still fail; dropped, it ends the task.
struct Dispatch(Option<JoinHandle<()>>);

impl Dispatch {
    fn spawn<E>(dispatch: impl Future<Output = Result<(), E>> + Send + 'static) -> Dispatch
    where
        E: std::fmt::Display,
    {
        Dispatch(Some(tokio::spawn(async move {
            if let Err(error) = dispatch.await {
                tracing::debug!(%error, "connection lost");
            }
        })))
    }

    fn keep(mut self) -> JoinHandle<()> {
        self.0.take().expect("taken once")
    }
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
