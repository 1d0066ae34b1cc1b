//! Whom a worker's client calls: a process over a connection, or a worker in this very process.

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::future::BoxFuture;
use tarpc::ServerError;
use tarpc::client::stub::Stub;
use tarpc::client::{Channel, RpcError};
use tarpc::context::Context;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::service::{CrawlServiceClient, CrawlServiceRequest, CrawlServiceResponse};

/// Makes calls to a worker, wherever it is; cheap to clone.
pub type CrawlClient = CrawlServiceClient<CrawlStub>;

/// See the module.
#[derive(Clone, Debug)]
pub enum CrawlStub {
    /// Over a connection: a call is a message to the task that has it.
    Remote(Channel<CrawlServiceRequest, CrawlServiceResponse>),
    /// In this process: a call is a call, worked on by the task that makes it.
    Local(Local),
}

/// A worker's service in this process, for as long as its link is there.
#[derive(Clone)]
pub struct Local {
    service: Weak<Service>,
    gone: CancellationToken,
}

/// Answers a call.
pub(crate) type Service = dyn Fn(Context, CrawlServiceRequest) -> Answer + Send + Sync;

/// What a call comes to.
pub(crate) type Answer = BoxFuture<'static, Result<CrawlServiceResponse, ServerError>>;

/// Dropped, it cuts off what is at work for the clients of a [`Local`], and lets none of them call any more.
pub(crate) struct Lifeline {
    _service: Arc<Service>,
    _gone: DropGuard,
}

impl Local {
    /// Calls go to this service.
    pub(crate) fn new(service: Arc<Service>) -> (Local, Lifeline) {
        let gone = CancellationToken::new();
        let local = Local { service: Arc::downgrade(&service), gone: gone.clone() };
        (local, Lifeline { _service: service, _gone: gone.drop_guard() })
    }

    async fn call(&self, context: Context, request: CrawlServiceRequest) -> Result<CrawlServiceResponse, RpcError> {
        let answer = match self.service.upgrade() {
            Some(service) => service(context, request),
            None => return Err(RpcError::Shutdown),
        };
        tokio::select! {
            biased;
            answer = AssertUnwindSafe(answer).catch_unwind() => match answer {
                Ok(answer) => answer.map_err(RpcError::Server),
                // Over a connection there would be no answer, and the caller would wait for its deadline.
                Err(_) => Err(RpcError::Server(ServerError::new(io::ErrorKind::Other, "the call panicked".to_owned()))),
            },
            () = self.gone.cancelled() => Err(RpcError::Shutdown),
            () = tokio::time::sleep_until(Instant::from_std(context.deadline)) => Err(RpcError::DeadlineExceeded),
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Local")
    }
}

impl fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lifeline")
    }
}

impl Stub for CrawlStub {
    type Req = CrawlServiceRequest;
    type Resp = CrawlServiceResponse;

    async fn call(&self, context: Context, request: CrawlServiceRequest) -> Result<CrawlServiceResponse, RpcError> {
        match self {
            CrawlStub::Remote(channel) => channel.call(context, request).await,
            CrawlStub::Local(local) => local.call(context, request).await,
        }
    }
}
