//! What is asked of an itemsaver about its items, and what it answers.

use serde::{Deserialize, Serialize};

use crate::item::{Item, Source};

/// Hits are counted up to this many, and no further; a page of hits begins within as many unless it goes on from a cursor.
pub const COUNTED: u64 = 10_000;

/// Most hits of an answer.
pub const MAX_HITS: u32 = 1_000;

/// A search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// What is looked for, as a person writes it. Empty: everything.
    pub query: String,
    /// Nothing for what was found last first; a field that holds numbers, with a `-` before it for the greatest first. Items without it
    /// are then left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// Hits to leave out at the beginning; less than [`COUNTED`].
    #[serde(default)]
    pub from: u32,
    /// Where an earlier answer to the same request ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Hits wanted, at most [`MAX_HITS`]; fewer come when they are large.
    pub limit: u32,
}

/// The answer to a [`SearchRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchAnswer {
    /// What is wrong with the request; all else is empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistake: Option<QueryMistake>,
    /// The hits in order.
    pub hits: Vec<Hit>,
    /// Where to go on; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many hits there are, or [`COUNTED`].
    pub count: u64,
    /// Whether there are more than `count`.
    #[serde(default)]
    pub more: bool,
    /// Hits by type, in order of the type's name; empty when there are more than were counted.
    #[serde(default)]
    pub types: Vec<(String, u64)>,
    /// Items stored a moment ago that cannot be found yet.
    #[serde(default)]
    pub behind: u64,
}

/// What is wrong with a query, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryMistake {
    /// The character it is about, counted from 0; the query's length for its end.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// One item found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The item.
    pub item: Item,
    /// The page whose contents it has.
    pub source: Source,
    /// Where what was looked for stands in it, at most a few.
    #[serde(default)]
    pub highlights: Vec<Highlight>,
}

/// A piece of a field's text with what was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Highlight {
    /// The field.
    pub field: String,
    /// The text, or the part of it around the first mark.
    pub text: String,
    /// Begin and end of each match, in characters of `text`.
    pub marks: Vec<(usize, usize)>,
}
