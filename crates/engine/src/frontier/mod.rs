//! The frontier: the record of every request of the crawl and its state.
//!
//! Its unit is one atomic [`commit`](Frontier::commit) of a group of pages: states, new links and counters together, or nothing. What
//! is in flight is not recorded: a request stays queued until the commit that ends it, so that whoever dies in between costs a fetch and
//! no page.
//!
//! **Invariant.** A request is in exactly one state, and every key has at most one request.
//! **Invariant.** Nothing outside this folder may assume how a frontier stores.

mod disk;
mod memory;
mod rules;
mod storage;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::{CrawlName, CrawlUrl, DedupKey, Origin};
use serde::Serialize;
use thiserror::Error;
use tokio::time::Instant;

pub use disk::{CrawlRecord, DiskFrontier, Opened, OutputMark};
pub use memory::MemoryFrontier;
pub use rules::StoredFrontier;

use crate::ledger::{ItemCounts, Ledger};
use crate::request::Request;
use crate::scope::{Scope, Site};

/// Where requests are kept.
pub trait Frontier: Send {
    /// Applies a group of endings as one: each ends its request's dispatch, and enters the new ones of its links that `scope` admits.
    ///
    /// An ending whose request is not in flight changes nothing: it is a second answer, or one too late.
    /// Links are looked up first and judged by scope only when unknown.
    ///
    /// # Errors
    /// When the group could not be made durable. The engine stops then; it never tries again in process.
    fn commit(&mut self, group: Vec<Ending>, notes: &Notes, scope: &Scope) -> Result<Committed, FrontierError>;

    /// Enters seeds that are not known yet, and wakes every origin that has something queued.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn seed(&mut self, seeds: Vec<Request>) -> Result<Committed, FrontierError>;

    /// Takes up to `most` requests of an origin that are due, in order of priority, then of discovery. They stay queued for the ledger
    /// and are not handed out again until an ending returns them.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError>;

    /// Gives an origin up: everything queued for it, and all that will be found for it, is dead for this reason. Requests of it that are
    /// in flight end as they end.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn give_up(&mut self, origin: &Origin, reason: &str) -> Result<Committed, FrontierError>;

    /// Notes where this start writes `-o`, and from which length on, before anything is written: a start that is cut short leaves a file
    /// that the next one knows as its own. None: this start writes none, so a file of an earlier one ends there.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn begin_output(&mut self, output: Option<OutputMark>) -> Result<(), FrontierError>;

    /// Notes that the crawl is complete and its report written: the next one over this state begins anew.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn complete(&mut self) -> Result<(), FrontierError>;

    /// The counters, as of the last commit.
    fn ledger(&self) -> &Ledger;
}

/// What is noted with a group, beside its endings.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The highest version any page was given so far.
    pub versions: u64,
    /// How far `-o` is written; every page of this group and of those before is within.
    pub output: Option<OutputMark>,
    /// Sites that have joined the scope since the last group.
    pub sites: Vec<Site>,
}

/// The end of one dispatch.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The request.
    pub key: DedupKey,
    /// Its URL, for a dead letter.
    pub url: CrawlUrl,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a request that was dispatched.
#[derive(Clone, Debug)]
pub enum Fate {
    /// A page: its links and what was counted.
    Page {
        /// Requests for its links, in page order, not yet looked up.
        links: Vec<Request>,
        /// What became of its items.
        items: ItemCounts,
        /// Links that its worker already left out, by reason.
        refused: Vec<(&'static str, u64)>,
    },
    /// A redirect that is followed.
    Redirected {
        /// Where to.
        target: Box<Request>,
        /// Whether the target is fetched even if known (see [`Step::Revisit`](crate::redirect::Step::Revisit)).
        revisit: bool,
    },
    /// A redirect out of scope, or another definitive answer.
    Skipped {
        /// The key in `skipped_by_reason`.
        reason: String,
    },
    /// Given up.
    Dead {
        /// The key in `dead_by_reason`.
        reason: String,
    },
    /// Queued again, with what was tried.
    Again {
        /// The request with its new counts.
        request: Box<Request>,
        /// Not before this time; none: as soon as its turn comes.
        not_before: Option<Instant>,
    },
}

/// What a commit did.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Origins that have requests to take now or later, each once.
    pub woken: Vec<Origin>,
    /// Endings that changed nothing because they came too late.
    pub stale: u64,
    /// Requests that died, with their reasons: the dead letters.
    pub dead: Vec<DeadLetter>,
}

/// A request given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// What could not be fetched or read.
    pub url: CrawlUrl,
    /// Why: the key in `dead_by_reason`.
    pub reason: String,
}

/// What [`Frontier::take`] found.
#[derive(Debug, Default)]
pub struct Taken {
    /// The requests, first one first.
    pub requests: Vec<Request>,
    /// Whether more are due now.
    pub more: bool,
    /// When the next one is due that is not due yet.
    pub later: Option<Instant>,
}

/// A frontier that cannot go on.
#[derive(Debug, Error)]
pub enum FrontierError {
    /// The store failed; what is committed is safe.
    #[error("cannot use the frontier: {0}")]
    Store(String),
    /// It is that of another crawl.
    #[error("the state belongs to the crawl {found}, not to {wanted}: name another directory with --state")]
    OtherCrawl {
        /// Whose it is.
        found: CrawlName,
        /// Who asks.
        wanted: CrawlName,
    },
    /// Requests are queued for parsers that the changed spider does not have; how many for each.
    #[error(
        "requests are queued for parsers that the spider lacks now: {}; give it these parsers, or begin anew with --fresh",
        .0.iter().map(|(parser, n)| format!("{n} for {parser}")).collect::<Vec<_>>().join(", ")
    )]
    UnknownParsers(BTreeMap<String, u64>),
    /// It was written by another version of this program.
    #[error(
        "the frontier is in format {found}, this version reads format {}: go on with the version that wrote it, or --fresh",
        disk::FORMAT
    )]
    Format {
        /// The format it is in.
        found: u32,
    },
}
