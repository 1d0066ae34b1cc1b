//! What an itemsaver is asked about the past of an item, and what it answers.

use serde::{Deserialize, Serialize};

use crate::crawl::CrawlName;
use crate::item::ItemType;
use crate::url::CrawlUrl;

/// Which item's past is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRequest {
    /// Its type.
    #[serde(rename = "type")]
    pub item_type: ItemType,
    /// Its id.
    pub id: String,
}

/// The answer to a [`HistoryRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryAnswer {
    /// The oldest kept first; none for an item that never changed, was never there, or whose store keeps no history.
    pub changes: Vec<Change>,
}

/// One change of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The item's changes are numbered from 1.
    pub number: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// Milliseconds since the Unix epoch when the page was fetched that brought it.
    pub at_ms: u64,
    /// The crawl of that page.
    pub crawl: CrawlName,
    /// That page; for an item that is gone, the page that had it and has it no more.
    pub page: CrawlUrl,
    /// The page's version.
    pub version: u64,
    /// When the page was fetched that said last what is in `before`.
    pub before_at_ms: u64,
    /// The fields that differ, in the order of the earlier contents; new ones after them.
    pub fields: Vec<FieldChange>,
    /// Fields that differ beyond those.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Its contents are otherwise.
    Changed,
    /// No page has it any longer.
    Gone,
    /// A page has it again; the fields are compared with those it had when it went.
    Back,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ChangeKind {
    /// Its name, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            ChangeKind::Changed => "changed",
            ChangeKind::Gone => "gone",
            ChangeKind::Back => "back",
            ChangeKind::Unknown => "unknown",
        }
    }
}

/// A field that is otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its name; within objects the names joined by dots.
    pub field: String,
    /// What it was, as JSON text; none if there was no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is, as JSON text; none if there is no such field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether the values were too large to be kept; neither is there then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub large: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}
