//! The frontier: the record of every request of the crawl and its state.
//!
//! Its unit is one atomic [`commit`](Frontier::commit) of a group of pages: states, new links and counters together, or nothing. What
//! is in flight is not recorded: a request stays queued until the commit that ends it, so that whoever dies in between costs a fetch and
//! no page.
//!
//! **Invariant.** A request is in exactly one state, and every key has at most one request.
//! **Invariant.** Nothing outside this folder may assume how a frontier stores.

mod alike;
mod disk;
mod home;
mod postgres;
mod rules;
mod sharded;
mod storage;
mod story;
mod tables;
mod tenure;
mod thread;

#[cfg(test)]
mod memory;
#[cfg(test)]
pub(crate) use memory::MemoryFrontier;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::job::NetPermit;
use model::{CrawlName, DedupKey, Origin};
use thiserror::Error;
use tokio::time::Instant;

pub use disk::DiskPlace;
pub use home::{Entrance, Home};
pub use postgres::{Access, Address, AddressError, Database, Holder, Peer};
pub use rules::StoredFrontier;
pub use sharded::DatabaseHome;
pub(crate) use sharded::TAKEN_OVER_AFTER;
pub use storage::ItemPlace;
pub use story::{DeadLetter, OriginState, PageFacts, RejectedItem, Story, StoryEnd, Whereabouts};
pub use tables::{
    Batch, Checked, CrawlRecord, Durability, Fault, Faults, Inspected, Opened, Opening, Original, OutputMark, Place, Row, Rows, See, Table,
    TableFrontier, Tables, check,
};
pub use tenure::{TakenOver, Tenure};
pub use thread::{Change, Changed, FrontierEvent, FrontierThread, Group, Look, Order, TAKES};

use crate::cookies;
use crate::ledger::Ledger;
use crate::request::Request;
use crate::scheduler::{Health, KnownRobots};
use crate::scope::{Scope, Site};
use sharded::{Division, Shard};

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

    /// Enters further seeds that are not known yet, while the crawl runs, with what is noted of them; the origins of those are woken.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn enter(&mut self, seeds: Vec<Request>, notes: &Notes) -> Result<Committed, FrontierError>;

    /// Takes up to `most` requests of an origin that are due, in order of priority, then of discovery. They stay queued for the ledger
    /// and are not handed out again until an ending returns them.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError>;

    /// The robots rules of an origin, as they were noted last; none if they never were.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn robots(&self, origin: &Origin) -> Result<Option<KnownRobots>, FrontierError>;

    /// The cookies of each domain, as they were noted last.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn cookies(&self) -> Result<cookies::Changes, FrontierError>;

    /// Gives an origin up: everything queued for it, and all that will be found for it, is dead for this reason, by one record. Requests of
    /// it that are in flight end as they end.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn give_up(&mut self, origin: &Origin, reason: &str) -> Result<Committed, FrontierError>;

    /// Where a URL is that the crawl knows; none if it does not.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn find(&self, key: DedupKey) -> Result<Option<Whereabouts>, FrontierError>;

    /// Requests given up for this reason, or any, up to `most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn dead(&self, reason: Option<&str>, most: usize) -> Result<Vec<DeadLetter>, FrontierError>;

    /// Items refused for this reason, or any, up to `most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn rejected(&self, reason: Option<&str>, most: usize) -> Result<Vec<RejectedItem>, FrontierError>;

    /// Items of this page that were refused, in their order on it.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn rejected_on(&self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError>;

    /// Up to `most` origins that have something queued, the fullest first, then those given up.
    fn origin_states(&self, most: usize) -> Vec<OriginState>;

    /// Keeps the scope that links are judged by from here on, for whoever asks why later.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn keep_scope(&mut self, scope: &Scope) -> Result<(), FrontierError>;

    /// Queues again what was given up for this reason, or any, with all its attempts; and lets refused items be sent again.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn requeue(&mut self, reason: Option<&str>) -> Result<Requeued, FrontierError>;

    /// Items that are to be sent again, up to `most`, those after this one.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn to_send(&self, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError>;

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

    /// Sees to what other engines have to do with: takes what is free, enters what they have found. On disk there is nothing to see to.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn tend(&mut self, _scope: &Scope, _budget: Option<PageBudget>) -> Result<Tended, FrontierError> {
        Ok(Tended { engines: 1, over: self.ledger().urls.queued == 0, ..Tended::default() })
    }

    /// Gives back what [`Tended::leaving`] named and of which nothing is handed out any more.
    ///
    /// # Errors
    /// As [`commit`](Frontier::commit).
    fn give_back(&mut self) -> Result<(), FrontierError> {
        Ok(())
    }

    /// The counters, as of the last commit; those of other engines as they were looked at last.
    fn ledger(&self) -> &Ledger;

    /// The right to work on the crawl.
    fn tenure(&self) -> Tenure;
}

/// What is noted with a group, beside its endings.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The time, in milliseconds since the Unix epoch, for the stories.
    pub now_ms: u64,
    /// The highest version any page was given so far.
    pub versions: u64,
    /// How far `-o` is written; every page of this group and of those before is within.
    pub output: Option<OutputMark>,
    /// Sites that have joined the scope since the last group.
    pub sites: Vec<Site>,
    /// Addresses beyond the public ones that further seeds permit.
    pub permits: Vec<NetPermit>,
    /// What the scheduler learnt of origins since the last group; the pages are counted by the frontier itself.
    pub health: Vec<(Origin, Health)>,
    /// Robots rules that were fetched since the last group.
    pub robots: Vec<(Origin, KnownRobots)>,
    /// Further requests found outside of pages, such as sitemaps, to be entered if in scope and unknown.
    pub found: Vec<Request>,
    /// The cookies of domains that have changed since the last group.
    pub cookies: cookies::Changes,
    /// Items sent again since the last group, with what became of them.
    pub resent: Vec<Resent>,
}

/// An item that had been refused and was sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct Resent {
    /// The item, with the reason it was refused for before.
    pub item: RejectedItem,
    /// What became of it: stored, or refused again for this reason.
    pub answer: Result<Stored, String>,
}

/// An item that its store took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Whether another page of the run had written its identity first.
    pub collided: bool,
}

/// The end of one dispatch.
#[derive(Clone, Debug)]
pub struct Ending {
    /// The request, as it was handed out or with what was tried since.
    pub request: Box<Request>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a request that was dispatched.
#[derive(Clone, Debug)]
pub enum Fate {
    /// A page.
    Page(PageEnd),
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
        /// Not before this time; none: as soon as its turn comes.
        not_before: Option<Instant>,
    },
    /// Never sent: it is where it was.
    Unsent,
}

/// A page that is done: its links and what was counted.
#[derive(Clone, Debug, Default)]
pub struct PageEnd {
    /// Requests for its links, in page order, not yet looked up.
    pub links: Vec<Request>,
    /// Links that its worker already left out, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// A hash of its content, where there is one.
    pub content: Option<u64>,
    /// What is kept of it.
    pub facts: PageFacts,
    /// Those of its items that were refused.
    pub rejected: Vec<RejectedItem>,
}

/// What a commit did.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Origins that have requests to take now or later, each once, with what is known of them.
    pub woken: Vec<(Origin, Health)>,
    /// Endings that changed nothing because they came too late.
    pub stale: u64,
    /// Seeds that were left to the engines that have their hosts.
    pub sent: u64,
}

/// What [`Frontier::tend`] came to.
#[derive(Debug, Default)]
pub struct Tended {
    /// Engines that are at the crawl, this one included; 0: nobody has looked this time.
    pub engines: usize,
    /// Origins that have requests to take now or later, found by others.
    pub woken: Vec<(Origin, Health)>,
    /// Origins that were another engine's until now: nobody knows what that had in flight.
    pub restored: Vec<(Origin, Health)>,
    /// The cookies that came with them.
    pub cookies: cookies::Changes,
    /// Sites that have joined the scope, some of them known.
    pub sites: Vec<Site>,
    /// Addresses beyond the public ones that further seeds permit, some of them known.
    pub permits: Vec<NetPermit>,
    /// What is to be handed out no more, and given back.
    pub leaving: Leaving,
    /// There may be refused items that are to be sent again.
    pub items_to_send: bool,
    /// There is more to be seen to, now: more was found by others than was entered, or more is free than was taken.
    pub more: bool,
    /// Nothing that was found is on its way from one engine to another.
    pub is_quiet: bool,
    /// The highest version that a page of what is here was given.
    pub versions: u64,
    /// Pages that this engine may begin beyond those it has committed, if there is a budget.
    pub pages_left: u64,
    /// Nothing is left to do in the whole crawl.
    pub over: bool,
}

/// A budget of pages that engines share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageBudget {
    /// Pages that all engines together may commit.
    pub max: u64,
    /// About so many more this engine could do with now.
    pub wanted: u64,
}

/// Hosts that another engine is to have.
#[derive(Clone, Debug, Default)]
pub struct Leaving(Option<(Division, Vec<Shard>)>);

impl Leaving {
    fn of(division: Division, shards: impl Iterator<Item = Shard>) -> Leaving {
        let shards: Vec<Shard> = shards.collect();
        Leaving((!shards.is_empty()).then_some((division, shards)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a host is one of them.
    pub fn has(&self, host: &str) -> bool {
        self.0.as_ref().is_some_and(|(division, shards)| shards.contains(&division.shard(host)))
    }
}

/// What was queued again.
#[derive(Clone, Debug, Default)]
pub struct Requeued {
    /// Requests.
    pub urls: u64,
    /// Items, to be sent without a fetch.
    pub items: u64,
    /// Origins that have requests to take, each once, with what is known of them.
    pub woken: Vec<(Origin, Health)>,
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
#[derive(Clone, Debug, Error)]
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
    /// It is empty.
    #[error("there is no crawl in {0}")]
    Missing(String),
    /// There is a crawl where a copy of one was to be made.
    #[error("there is a crawl in {0} already: a copy needs a place without one")]
    Taken(String),
    /// A copy would not be what the original is; nothing of it is kept.
    #[error("the crawl in {name} cannot be copied: {why}; `engine check` tells all, and with --repair mends what follows from the rest")]
    NotCopied {
        /// Where the original is.
        name: String,
        /// Why.
        why: String,
    },
    /// It was written by another version of this program.
    #[error(
        "the frontier is in format {found}, this version reads format {}: go on with the version that wrote it, or --fresh",
        tables::FORMAT
    )]
    Format {
        /// The format it is in.
        found: u32,
    },
    /// Other engines are at it with another spider.
    #[error("other engines are at the crawl {0} with another version of its spider: give them all the same, or end them first")]
    OtherSpider(CrawlName),
    /// It was begun by a program with another public suffix list, by which its hosts are divided.
    #[error("the crawl {0} was begun by a program with another public suffix list: go on with that one, or --fresh")]
    OtherSuffixes(CrawlName),
    /// Other engines are at it with another scope.
    #[error("other engines are at the crawl {0} with other seeds or other rules for links: start all of them with the same arguments")]
    OtherScope(CrawlName),
    /// Another engine works on the crawl.
    #[error("the crawl {crawl} is in use by the engine {by}")]
    InUse {
        /// The crawl.
        crawl: CrawlName,
        /// That engine, in words for a person.
        by: String,
    },
    /// The other engines have given this one up and taken what it had.
    #[error("the other engines of the crawl {} have gone on without this one, which was silent for too long; nothing was changed since", .0.crawl)]
    TakenOver(TakenOver),
}
