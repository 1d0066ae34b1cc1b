//! What a frontier's rules need of a storage. A change belongs to the open group until [`Storage::apply`] makes the group durable; what
//! is asked meanwhile sees the open group.
//!
//! A request is where it is: waiting in a queue, or ended with its story. There is no state beside that could disagree.

use model::{CrawlUrl, DedupKey, Origin};
use tokio::time::Instant;

use super::{DeadLetter, FrontierError, Notes, OriginState, OutputMark, RejectedItem, Story, Taken, Tenure, Whereabouts};
use crate::cookies::{Changes, Cookie};
use crate::ledger::Ledger;
use crate::request::Request;
use crate::scheduler::{Health, KnownRobots};
use crate::scope::Scope;

/// Where a frontier keeps its requests.
pub trait Storage: Send {
    /// Which parser a URL was first found with: a hash of name and arguments; none for a URL that is not known.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn parser_of(&self, key: DedupKey) -> Result<Option<u32>, FrontierError>;

    /// Whether a URL is kept here, and not in another part of the crawl.
    fn keeps(&self, _url: &CrawlUrl) -> bool {
        true
    }

    /// Whether a request is handed out by this process. That is never stored: a process that dies leaves it waiting.
    fn is_in_flight(&self, key: DedupKey) -> bool;

    /// Puts a request into its origin's queue, behind those of its priority, or aside until a time. From then on its URL is known.
    fn queue(&mut self, request: &Request, parser: u32, not_before: Option<Instant>);

    /// Takes a request that is in flight out of its queue for good.
    fn unqueue(&mut self, request: &Request);

    /// Puts a request that is in flight back where it was, as if it had not been taken.
    fn put_back(&mut self, request: &Request);

    /// Keeps what became of a request that is queued no more.
    fn end(&mut self, story: Story);

    /// Takes back what became of a request, if it ended as done or skipped; it is queued next, or ends anew.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn reopen(&mut self, key: DedupKey) -> Result<Option<Story>, FrontierError>;

    /// Keeps an item that was refused.
    fn reject(&mut self, item: RejectedItem);

    /// Takes back the items of a page that were refused, those to be sent again included: the page is fetched once more.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn take_rejected(&mut self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError>;

    /// Counts a page that was committed for an origin.
    fn count_page(&mut self, origin: &str);

    /// Takes a page back that was counted: it is fetched once more.
    fn uncount_page(&mut self, origin: &str);

    /// Keeps what the scheduler learnt of an origin. Origins that have nothing in the crawl are passed over.
    fn set_health(&mut self, origin: &Origin, health: &Health);

    /// What is known of an origin: as it was kept, with the pages that were counted.
    fn health(&self, origin: &Origin) -> Health;

    /// Keeps an origin's robots rules.
    fn set_robots(&mut self, origin: &Origin, robots: &KnownRobots);

    /// An origin's robots rules; as of the last group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn robots(&self, origin: &Origin) -> Result<Option<KnownRobots>, FrontierError>;

    /// Keeps the cookies of a domain in place of those it had; none: it has none any more.
    fn set_cookies(&mut self, domain: &str, cookies: &[Cookie]);

    /// The cookies of each domain; as of the last group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn cookies(&self) -> Result<Changes, FrontierError>;

    /// Hands out; see [`Frontier::take`](super::Frontier::take). Needs no [`apply`](Storage::apply).
    ///
    /// # Errors
    /// When the store cannot be read.
    fn take(&mut self, origin: &Origin, most: usize, now: Instant) -> Result<Taken, FrontierError>;

    /// Hands out one request that waits, wherever in its queue it is; none if it is not waiting.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn take_one(&mut self, key: DedupKey) -> Result<Option<Request>, FrontierError>;

    /// Notes why an origin is given up, or that it no longer is. Answers how many of its requests are queued, those in flight included.
    fn give_up(&mut self, origin: &Origin, reason: Option<&str>) -> u64;

    /// Why an origin was given up.
    fn given_up(&self, origin: &str) -> Option<&str>;

    /// The origins that are given up for this reason; for none: for any.
    fn all_given_up(&self, reason: Option<&str>) -> Vec<Origin>;

    /// The origins that have something queued and are not given up.
    fn origins(&self) -> Vec<Origin>;

    /// Where a known URL is, as of the last group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn find(&self, key: DedupKey) -> Result<Option<Whereabouts>, FrontierError>;

    /// The stories of requests that ended as done or skipped, in the order of their keys, those after this one, up to `most`; as of the
    /// last group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn done(&self, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError>;

    /// The same of those that ended as dead, for this reason or any.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn dead(&self, reason: Option<&str>, after: Option<DedupKey>, most: usize) -> Result<Vec<Story>, FrontierError>;

    /// Requests of origins that were given up, for this reason or any, up to `most`; as of the last group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn dead_with_origin(&self, reason: Option<&str>, most: usize) -> Result<Vec<DeadLetter>, FrontierError>;

    /// Takes back the story of a request that ended as dead; it is queued next.
    fn revive(&mut self, key: DedupKey);

    /// Items that were refused, for this reason or any, in the order of their places, those after this one, up to `most`; as of the last
    /// group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn rejected(&self, reason: Option<&str>, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError>;

    /// Items of this page that were refused, in their order on it; as of the last group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn rejected_on(&self, page: DedupKey) -> Result<Vec<RejectedItem>, FrontierError>;

    /// Every origin that has something queued or was given up, in any order.
    fn origin_states(&self) -> Vec<OriginState>;

    /// Keeps the scope.
    ///
    /// # Errors
    /// When it could not be written.
    fn keep_scope(&mut self, scope: &Scope) -> Result<(), FrontierError>;

    /// Marks a refused item to be sent again.
    fn send_again(&mut self, item: RejectedItem);

    /// Items to be sent again, up to `most`, those after this one; as of the last group.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn to_send(&self, after: Option<ItemPlace>, most: usize) -> Result<Vec<RejectedItem>, FrontierError>;

    /// Whether an item is to be sent again.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_to_send(&self, place: ItemPlace) -> Result<bool, FrontierError>;

    /// Takes an item out of those to be sent again.
    fn sent(&mut self, place: ItemPlace);

    /// Keeps how often something was counted that budgets against traps go by.
    fn count_alike(&mut self, mark: u64, count: u32);

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

    /// Notes that the crawl is complete and its report written, or that it no longer is.
    ///
    /// # Errors
    /// When it could not be written.
    fn set_complete(&mut self, complete: bool) -> Result<(), FrontierError>;

    /// The right to work on the crawl.
    fn tenure(&self) -> Tenure;
}

/// Which item of which page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemPlace {
    /// The page's key.
    pub page: DedupKey,
    /// The item's place among the page's items.
    pub ordinal: u32,
}

impl RejectedItem {
    /// Which item it is.
    pub fn place(&self) -> ItemPlace {
        ItemPlace { page: self.key.unwrap_or_else(|| self.page.dedup_key()), ordinal: self.ordinal }
    }
}
