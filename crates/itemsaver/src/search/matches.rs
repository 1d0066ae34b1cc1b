//! Whether one item is what a query looks for: the language in its plainest form. Exports are filtered by it, and stores compared with it.

use model::search::QueryMistake;

use super::entries::{Entries, entries, exact};
use super::parse::parse;
use super::query::{Bound, Bounds, Query, Text};
use crate::store::StoredItem;

/// A query to hold items against one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemQuery(Query);

impl ItemQuery {
    /// Reads a query.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(text: &str) -> Result<ItemQuery, QueryMistake> {
        parse(text).map(ItemQuery)
    }

    /// Whether a search for it would find this item.
    pub fn matches(&self, stored: &StoredItem) -> bool {
        let (item, crawl) = (&stored.item, stored.source.crawl.as_str());
        let entries = entries(&item.item_type, item.id.as_str(), item.url.as_str(), crawl, item.payload.as_str());
        matches(&self.0, &entries)
    }
}

pub(crate) fn matches(query: &Query, entries: &Entries) -> bool {
    match query {
        Query::All => true,
        Query::And(queries) => queries.iter().all(|query| matches(query, entries)),
        Query::Or(queries) => queries.iter().any(|query| matches(query, entries)),
        Query::Not(query) => !matches(query, entries),
        Query::Exact(attribute, value) => entries.fielded.split(' ').any(|word| word == exact(*attribute, value)),
        Query::Text(text) => has_text(text, entries),
        Query::Number(field, bounds) => {
            let key = field.key();
            entries.numbers.iter().any(|(field, number)| *field == key && is_within(*number, *bounds))
        }
    }
}

fn has_text(text: &Text, entries: &Entries) -> bool {
    let stream = if text.field.is_some() { &entries.fielded } else { &entries.words };
    let sought = text.indexed();
    let words: Vec<&str> = stream.split(' ').collect();
    if text.is_prefix {
        return words.iter().any(|word| word.starts_with(&sought[0]));
    }
    words.windows(sought.len()).any(|window| window == sought)
}

fn is_within(number: f64, bounds: Bounds) -> bool {
    let above = match bounds.low {
        Bound::Open => true,
        Bound::Including(low) => number >= low,
        Bound::Excluding(low) => number > low,
    };
    let below = match bounds.high {
        Bound::Open => true,
        Bound::Including(high) => number <= high,
        Bound::Excluding(high) => number < high,
    };
    above && below
}
