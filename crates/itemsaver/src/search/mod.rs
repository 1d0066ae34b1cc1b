//! Finding items: one language, one segmentation, the same answers from every store.
//!
//! A query is parsed (`parse`) into a tree (`query`) that each store translates; what stores index of an item is made here
//! (`entries`, `segment`); so is what is marked in a hit (`highlight`). There is no ranking by relevance: stores would differ.
//! Hits come last found first, or by a number.

use model::schema::{FieldKind, TypeSchema};
use model::search::{COUNTED, Hit, MAX_HITS, QueryMistake, SearchAnswer, SearchRequest};

use crate::store::{Store, StoreError, StoredItem};

pub(crate) mod entries;
mod highlight;
mod matches;
pub(crate) mod parse;
pub(crate) mod query;
pub(crate) mod segment;

pub use matches::ItemQuery;

use query::Query;

/// Bytes of payloads in one answer, from which on hits are left for the next: well below what a message may have.
pub(crate) const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A search that a store can do.
#[derive(Clone, Debug)]
pub struct Search {
    pub(crate) query: Query,
    pub(crate) sort: Sort,
    pub(crate) from: u32,
    pub(crate) after: Option<Position>,
    pub(crate) limit: u32,
}

/// The order of hits; what is equal comes last found first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// What was found last first.
    Newest,
    /// By a number of a field; items without it are left out.
    Number { field: String, descending: bool },
}

/// The place of a hit in an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    /// Its number in order of finding.
    pub(crate) number: u64,
    /// What it is sorted by, if by a field.
    pub(crate) value: Option<f64>,
}

/// What a store found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub(crate) items: Vec<(StoredItem, Position)>,
    /// Where to go on, if there may be more: also past what is found no longer.
    pub(crate) next: Option<Position>,
    /// How many there are, at most one more than [`COUNTED`].
    pub(crate) count: u64,
    /// By type, in order of its name.
    pub(crate) types: Vec<(String, u64)>,
    /// Items that cannot be found yet.
    pub(crate) behind: u64,
}

/// Answers a search; a request that cannot be understood is answered with its mistake.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn answer(store: &impl Store, request: &SearchRequest) -> Result<SearchAnswer, StoreError> {
    let search = match understood(request, &store.schemas().await?) {
        Ok(search) => search,
        Err(mistake) => return Ok(SearchAnswer { mistake: Some(mistake), ..SearchAnswer::default() }),
    };
    let mut found = store.search(&search).await?;
    let more = found.count > COUNTED;
    let kept = fitting(&found.items);
    if kept < found.items.len() {
        found.items.truncate(kept);
        found.next = found.items.last().map(|(_, position)| *position);
    }
    let hit = |(stored, _): (StoredItem, Position)| {
        let highlights = highlight::highlights(&search.query, &stored.item.payload);
        Hit { item: stored.item, source: stored.source, highlights }
    };
    Ok(SearchAnswer {
        mistake: None,
        hits: found.items.into_iter().map(hit).collect(),
        next: found.next.map(Position::to_text),
        count: found.count.min(COUNTED),
        more,
        types: if more { Vec::new() } else { found.types },
        behind: found.behind,
    })
}

/// How many of the first items fit into an answer; one at least.
fn fitting(items: &[(StoredItem, Position)]) -> usize {
    let mut bytes = 0;
    let fits = |(stored, _): &&(StoredItem, Position)| {
        bytes += stored.item.payload.as_str().len();
        bytes <= MAX_BYTES
    };
    items.iter().take_while(fits).count().max(items.len().min(1))
}

/// Checks a request.
///
/// # Errors
/// The first mistake. One that is not in the query stands at its end.
pub(crate) fn understood(request: &SearchRequest, schemas: &[TypeSchema]) -> Result<Search, QueryMistake> {
    let query = parse::parse(&request.query)?;
    let outside = |message: String| QueryMistake { at: request.query.chars().count(), message };
    let sort = match request.sort.as_deref().filter(|sort| !sort.is_empty()) {
        None => Sort::Newest,
        Some(sort) => {
            let name = sort.strip_prefix('-').unwrap_or(sort);
            let field =
                number_field(schemas, name).ok_or_else(|| outside(format!("cannot sort by {name}: no type has numbers of that name")))?;
            Sort::Number { field, descending: sort.starts_with('-') }
        }
    };
    if u64::from(request.from) + u64::from(request.limit) > COUNTED {
        return Err(outside(format!("hits past {COUNTED} are reached by a cursor, not by their number")));
    }
    let after = request.after.as_deref().map(|text| Position::read(text, &sort).ok_or_else(|| outside("the cursor is none".to_owned())));
    Ok(Search { query, sort, from: request.from, after: after.transpose()?, limit: request.limit.clamp(1, MAX_HITS) })
}

/// The name, in its own spelling, of a field that some type says is a number.
fn number_field(schemas: &[TypeSchema], name: &str) -> Option<String> {
    let wanted = name.strip_prefix("Payload.").unwrap_or(name).to_lowercase();
    let numbers =
        schemas.iter().flat_map(|schema| &schema.fields).filter(|field| matches!(field.kind, FieldKind::Integer | FieldKind::Float));
    numbers.map(|field| &field.name).find(|known| known.to_lowercase() == wanted).cloned()
}

impl Position {
    fn to_text(self) -> String {
        match self.value {
            None => format!("{:x}", self.number),
            Some(value) => format!("{:x}-{:x}", self.number, value.to_bits()),
        }
    }

    fn read(text: &str, sort: &Sort) -> Option<Position> {
        let digits = |text: &str| u64::from_str_radix(text, 16).ok();
        match (sort, text.split_once('-')) {
            (Sort::Newest, None) => Some(Position { number: digits(text)?, value: None }),
            (Sort::Number { .. }, Some((number, value))) => {
                let value = f64::from_bits(digits(value)?);
                Some(Position { number: digits(number)?, value: Some(value).filter(|value| value.is_finite()) })
            }
            (Sort::Newest, Some(_)) | (Sort::Number { .. }, None) => None,
        }
    }
}
