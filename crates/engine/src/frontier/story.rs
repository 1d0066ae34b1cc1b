//! Stories: what became of a request, kept so that any URL can say why.

use std::cmp::Reverse;

use model::job::Validators;
use model::{CrawlUrl, DedupKey, Item, Origin};
use serde::{Deserialize, Serialize};

use crate::ledger::ItemCounts;
use crate::request::{Request, Try};

/// A request that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// The request, with all that was tried.
    pub request: Request,
    /// How it ended.
    pub end: StoryEnd,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoryEnd {
    /// Fetched and parsed, its items stored.
    Page(PageFacts),
    /// It led elsewhere.
    Redirected {
        /// Where to.
        target: CrawlUrl,
    },
    /// Answered definitively without a page to parse.
    Skipped {
        /// The key in `skipped_by_reason`.
        reason: String,
    },
    /// Given up.
    Dead {
        /// The key in `dead_by_reason`.
        reason: String,
    },
}

/// What is kept of a page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PageFacts {
    /// The status it was answered with.
    pub status: u16,
    /// Bytes of its body, after decompression.
    pub bytes: u64,
    /// When it was fetched, in milliseconds since the Unix epoch.
    pub fetched_at_ms: u64,
    /// The version its items were saved under.
    pub version: u64,
    /// Links that its worker found on it.
    pub links: u64,
    /// What became of its items.
    pub items: ItemCounts,
    /// The worker that fetched it, as the user named it.
    pub worker: String,
    /// What names this version of it, as its server said, for whoever fetches it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<Box<Validators>>,
}

/// An item that its store refused, kept whole: a dead letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RejectedItem {
    /// The page it was found on.
    pub page: CrawlUrl,
    /// When that was fetched, in milliseconds since the Unix epoch.
    pub fetched_at_ms: u64,
    /// The version of the page.
    pub version: u64,
    /// The page's key, where that is not its URL's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<DedupKey>,
    /// Its place among the page's items.
    pub ordinal: u32,
    /// The item.
    pub item: Item,
    /// Why, in the store's words.
    pub reason: String,
}

/// Where a known URL is.
#[derive(Clone, Debug, PartialEq)]
pub enum Whereabouts {
    /// It waits, or is being fetched.
    Queued {
        /// The request.
        request: Request,
        /// The time it waits for, in milliseconds since the Unix epoch.
        not_before_ms: Option<u64>,
        /// Whether it is being fetched, or about to be.
        in_flight: bool,
        /// Why its origin was given up, if it was: then it is dead.
        given_up: Option<String>,
    },
    /// It has ended.
    Ended(Story),
}

/// A request given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What could not be fetched or read.
    pub url: CrawlUrl,
    /// Why: the key in `dead_by_reason`.
    pub reason: String,
    /// The page it was found on; none for a seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_on: Option<CrawlUrl>,
    /// What was tried last, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_try: Option<Try>,
}

impl DeadLetter {
    /// The letter of a request that was given up for this reason.
    pub fn of(mut request: Request, reason: String) -> DeadLetter {
        let found_on = request.referrer.map(|referrer| CrawlUrl::clone(&referrer));
        DeadLetter { url: request.url, reason, found_on, last_try: request.tries.history.pop() }
    }
}

/// What is known of an origin, for whoever looks at the crawl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginState {
    /// Scheme, host and port.
    pub origin: Origin,
    /// Its requests that wait or are in flight.
    pub queued: u64,
    /// Its pages that are done.
    pub pages: u64,
    /// Why it was given up, if it was: what is queued for it is dead then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<String>,
}

impl OriginState {
    /// Up to `most` of them: the fullest first, then those given up.
    pub(super) fn fullest(mut states: Vec<OriginState>, most: usize) -> Vec<OriginState> {
        states.sort_by(|a, b| {
            (a.given_up.is_some(), Reverse(a.queued), &a.origin).cmp(&(b.given_up.is_some(), Reverse(b.queued), &b.origin))
        });
        states.truncate(most);
        states
    }
}
