//! What the engine sends an itemsaver, and what comes back.

use serde::{Deserialize, Serialize};

use crate::crawl::{CrawlName, RunId};
use crate::item::Item;
use crate::parser::SpiderHash;
use crate::url::CrawlUrl;

/// Pages with all their items, to be made durable before the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveBatch {
    /// The crawl that owns the pages.
    pub crawl: CrawlName,
    /// The run of that crawl, within which collisions are counted.
    pub run: RunId,
    /// The spider that read the pages, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spider: Option<SpiderHash>,
    /// The pages; each page at most once.
    pub pages: Vec<PageItems>,
}

/// All items of one page. They replace what an earlier version of the page had; an empty list is a statement too. Or, as an addition, some
/// that belong to those it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageItems {
    /// The page.
    pub page: CrawlUrl,
    /// Milliseconds since the Unix epoch when it was fetched.
    pub fetched_at_ms: u64,
    /// Grows with every fetch of the page.
    pub version: u64,
    /// Its items, all of them.
    pub items: Vec<Item>,
    /// The page's other items stay: these are added to what it has. For items that were refused once and are sent again without a fetch.
    #[serde(default)]
    pub addition: bool,
}

/// One answer for each item of a [`SaveBatch`], in its order: outer list pages, inner list items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveAnswer {
    /// Per page, per item.
    pub pages: Vec<Vec<ItemAnswer>>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemAnswer {
    /// Whether it is stored.
    pub status: ItemStatus,
    /// Why not, when rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ItemAnswer {
    /// An item that is stored.
    pub fn stored(status: ItemStatus) -> ItemAnswer {
        ItemAnswer { status, reason: None }
    }

    /// An item that will never be stored, and why.
    pub fn rejected(reason: impl Into<String>) -> ItemAnswer {
        ItemAnswer { status: ItemStatus::Rejected, reason: Some(reason.into()) }
    }
}

/// Whether an item is stored, and what it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ItemStatus {
    /// Stored; its identity is new.
    Created,
    /// Stored over what was there, or not needed because something newer of the same page is there.
    Replaced,
    /// Stored, but another page of this run wrote the identity first and owns it: one stored item fewer than saved.
    Collided,
    /// Not stored; the reason says why.
    Rejected,
    /// An answer that this version does not know; counted as rejected.
    #[serde(other)]
    Unknown,
}

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStats {
    /// Where, in words a person can use: `sqlite:items.db`.
    pub store: String,
    /// Items by type, in order of the type's name.
    pub items_by_type: Vec<(String, u64)>,
}

impl StoreStats {
    /// All items of all types.
    pub fn items(&self) -> u64 {
        self.items_by_type.iter().map(|(_, count)| count).sum()
    }
}
