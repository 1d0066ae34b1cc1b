//! Control of a running crawl: what can be asked of it and told to it, over HTTP on a Unix socket in its state directory.
//!
//! The [`server`] turns each request into an [`Ask`] for the engine loop, which answers it; [`client`] is the other end, for the commands of
//! the engine's own binary. Any HTTP client will do: `curl --unix-socket gossamer-state/NAME/control http://crawl/status`.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | [`CrawlStatus`] |
//! | `GET /why?url=URL` | [`Explanation`] |
//! | `GET /dead?reason=R&most=N` | [`DeadLetters`] |
//! | `POST /pause`, `POST /resume` | [`CrawlStatus`] |
//! | `POST /seeds` with `{"urls": [URL…]}` | [`Seeded`] |
//! | `POST /requeue` with `{"reason": R}` or `{}` | [`Requeue`] |
//! | `POST /workers` with `{"host": "HOST:PORT"}` | [`CrawlStatus`] |
//! | `POST /workers/drain` with `{"host": "HOST:PORT"}` | [`CrawlStatus`] |
//!
//! An error is `{"error": "why"}` with 400 (what was asked makes no sense), 404 (there is no such thing), 503 (the crawl is ending or too
//! busy). The socket belongs to the user who crawls; nobody else may open it. The same API will later be served over TCP.

pub mod client;
pub mod place;
pub mod server;

use model::CrawlUrl;
use rpcsupport::PeerAddress;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::inquiry::dead::DeadLetters;
use crate::inquiry::status::CrawlStatus;
use crate::inquiry::why::Explanation;

/// Where an answer goes. Whoever asked may be gone by then.
pub type Reply<T> = oneshot::Sender<Result<T, Refused>>;

/// What is asked of the engine loop.
#[derive(Debug)]
pub enum Ask {
    /// How the crawl stands.
    Status(Reply<CrawlStatus>),
    /// All about a URL.
    Why(CrawlUrl, Reply<Explanation>),
    /// What was given up.
    Dead {
        /// For this reason, or any.
        reason: Option<String>,
        /// Up to so many of each kind.
        most: usize,
        /// The answer.
        reply: Reply<DeadLetters>,
    },
    /// Hand nothing out until told to go on. What is in flight is finished.
    Pause(Reply<CrawlStatus>),
    /// Go on.
    Resume(Reply<CrawlStatus>),
    /// Enter further seeds; their sites join the scope.
    Seed(Vec<CrawlUrl>, Reply<Seeded>),
    /// Queue again what was given up for this reason, or any.
    Requeue(Option<String>, Reply<Requeue>),
    /// Dial a further worker.
    AddWorker(PeerAddress, Reply<CrawlStatus>),
    /// Hand a worker nothing more, and let it go when it has finished.
    DrainWorker(String, Reply<CrawlStatus>),
}

/// What became of seeds that were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeded {
    /// New requests.
    pub entered: u64,
    /// URLs that the crawl knew already.
    pub known: u64,
    /// URLs on hosts that other engines have: those enter them, unless they are known there.
    #[serde(default)]
    pub sent: u64,
}

/// What was queued again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requeue {
    /// Requests.
    pub urls: u64,
    /// Items, to be sent without a fetch.
    pub items: u64,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The frontier cannot be read, or the crawl is ending.
    #[error("{0}")]
    Unavailable(String),
}

/// Most that is asked at a time; further ones are refused until one is answered.
pub const ASKS: usize = 8;
