//! What a frontier's rules need of a storage. A change belongs to the open group until [`Storage::apply`] makes the group durable; what
//! is asked meanwhile sees the open group.

use model::{DedupKey, Origin};
use tokio::time::Instant;

use super::{FrontierError, Notes, OutputMark, Taken};
use crate::ledger::Ledger;
use crate::request::Request;

/// What is known of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its state.
    pub state: State,
    /// Which parser it was first found with: a hash of name and arguments.
    pub parser: u32,
}

/// The state of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Queued.
    Waiting,
    /// Queued, and handed out by this process. Never stored: a process that dies leaves it waiting.
    InFlight,
    /// Fetched and parsed, or redirected.
    Done,
    /// Given up.
    Dead,
    /// Answered definitively without a page to parse.
    Skipped,
}

/// Where a frontier keeps its requests.
pub trait Storage: Send {
    /// What is known of a URL, the open group included.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn known(&self, key: DedupKey) -> Result<Option<Known>, FrontierError>;

    /// Notes what is known of a URL; never [`State::InFlight`].
    fn set(&mut self, key: DedupKey, known: Known);

    /// Puts a request into its origin's queue, behind those of its priority, or aside until a time.
    fn queue(&mut self, origin: &Origin, request: Request, not_before: Option<Instant>);

    /// Takes a request that is in flight out of the queue for good.
    fn unqueue(&mut self, key: DedupKey);

    /// Hands out; see [`Frontier::take`](super::Frontier::take). Needs no [`apply`](Storage::apply).
    ///
    /// # Errors
    /// When the store cannot be read.
    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError>;

    /// Empties an origin's queue, but for what is in flight.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn drain(&mut self, origin: &Origin) -> Result<Vec<Request>, FrontierError>;

    /// Notes that an origin is given up.
    fn give_up(&mut self, origin: &Origin, reason: &str);

    /// The origins that have something queued.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn origins(&self) -> Result<Vec<Origin>, FrontierError>;

    /// Makes the open group durable, with the counters as they are after it, all or nothing.
    ///
    /// # Errors
    /// When it could not be written.
    fn apply(&mut self, ledger: &Ledger, notes: &Notes) -> Result<(), FrontierError>;

    /// Notes where this start writes its output, before it does.
    ///
    /// # Errors
    /// When it could not be written.
    fn begin_output(&mut self, output: Option<OutputMark>) -> Result<(), FrontierError>;

    /// Notes that the crawl is complete and its report written.
    ///
    /// # Errors
    /// When it could not be written.
    fn complete(&mut self) -> Result<(), FrontierError>;
}
