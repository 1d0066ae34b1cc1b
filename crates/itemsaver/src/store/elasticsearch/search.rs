//! Searches in the language of the server.

use model::search::COUNTED;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::documents::ItemDocument;
use super::index::Index;
use super::reader;
use crate::search::entries::{FieldKey, exact};
use crate::search::query::{Bound, Bounds, Query, Text};
use crate::search::{Found, Position, Search, Sort};
use crate::store::StoreError;

/// Types told of at most: more types than anybody looks at.
const TYPES: u64 = 1000;

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    hits: Hits<'a>,
    aggregations: Aggregations,
}

#[derive(Deserialize)]
struct Hits<'a> {
    total: Total,
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

#[derive(Deserialize)]
struct Total {
    value: u64,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(borrow, rename = "_source")]
    source: &'a RawValue,
    sort: Vec<Value>,
}

#[derive(Deserialize)]
struct Aggregations {
    types: Types,
}

#[derive(Deserialize)]
struct Types {
    buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    key: String,
    doc_count: u64,
}

/// Finds items. What was saved is visible first.
pub(super) async fn search(index: &Index, search: &Search) -> Result<Found, StoreError> {
    index.refresh().await?;
    let answer = reader::search(index, &request(search).to_string()).await?;
    let answer: Answer<'_> = index.client.read(&answer).map_err(|trouble| index.told(trouble))?;
    let mut items = Vec::with_capacity(answer.hits.hits.len());
    for hit in answer.hits.hits {
        let document = ItemDocument::of_json(hit.source.get());
        let document = document.map_err(|error| index.unusable(format!("a document is none of ours: {error}")))?;
        let value = match search.sort {
            Sort::Newest => None,
            Sort::Number { .. } => hit.sort.first().and_then(Value::as_f64),
        };
        let position = Position { number: document.number, value };
        items.push((document.into_stored(), position));
    }
    let next = items.last().filter(|_| items.len() == search.limit as usize).map(|(_, position)| *position);
    let mut types: Vec<_> = answer.aggregations.types.buckets.into_iter().map(|bucket| (bucket.key, bucket.doc_count)).collect();
    types.sort();
    Ok(Found { items, next, count: answer.hits.total.value, types, behind: 0 })
}

fn request(search: &Search) -> Value {
    let mut filter = vec![condition(&search.query)];
    let sort = match &search.sort {
        Sort::Newest => json!([{ "number": "desc" }]),
        Sort::Number { field, descending } => {
            // A text of digits, which the server would sort by, is no number.
            filter.push(json!({ "range": { "numbers": range(&FieldKey::of(field), Bounds { low: Bound::Open, high: Bound::Open }) } }));
            let field = format!("payload.{field}");
            filter.push(json!({ "exists": { "field": field } }));
            json!([{ field: if *descending { "desc" } else { "asc" } }, { "number": "desc" }])
        }
    };
    let mut request = json!({
        "size": search.limit,
        "track_total_hits": COUNTED + 1,
        "query": { "bool": { "filter": filter } },
        "sort": sort,
        "aggs": { "types": { "terms": { "field": "type", "size": TYPES } } },
    });
    match search.after {
        Some(Position { number, value }) => {
            // The server reads no `30.0` as a whole number.
            let value = value.map(|value| if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) });
            request["search_after"] = Value::Array(value.into_iter().chain([json!(number)]).collect());
        }
        None => request["from"] = json!(search.from),
    }
    request
}

fn condition(query: &Query) -> Value {
    let each = |queries: &[Query]| queries.iter().map(condition).collect::<Vec<_>>();
    match query {
        Query::All => json!({ "match_all": {} }),
        Query::And(queries) => json!({ "bool": { "filter": each(queries) } }),
        Query::Or(queries) => json!({ "bool": { "should": each(queries), "minimum_should_match": 1 } }),
        Query::Not(query) => json!({ "bool": { "must_not": [condition(query)] } }),
        Query::Exact(attribute, value) => json!({ "term": { "fielded": exact(*attribute, value) } }),
        Query::Text(text) => text_condition(text),
        Query::Number(field, bounds) => json!({ "range": { "numbers": range(&field.key(), *bounds) } }),
    }
}

fn text_condition(text: &Text) -> Value {
    let stream = if text.field.is_some() { "fielded" } else { "words" };
    let words = text.indexed();
    match &words[..] {
        [word] if text.is_prefix => json!({ "prefix": { stream: word } }),
        [word] => json!({ "term": { stream: word } }),
        _ => json!({ "match_phrase": { stream: words.join(" ") } }),
    }
}

fn range(field: &FieldKey, bounds: Bounds) -> Value {
    let mut range = json!({});
    match bounds.low {
        Bound::Open => range["gte"] = json!(format!("{}{:016x}", field.as_str(), 0)),
        Bound::Including(number) => range["gte"] = json!(number_word(field, number)),
        Bound::Excluding(number) => range["gt"] = json!(number_word(field, number)),
    }
    match bounds.high {
        Bound::Open => range["lte"] = json!(format!("{}{:016x}", field.as_str(), u64::MAX)),
        Bound::Including(number) => range["lte"] = json!(number_word(field, number)),
        Bound::Excluding(number) => range["lt"] = json!(number_word(field, number)),
    }
    range
}

/// A number of a field as a word: words of one field are in the order of their numbers.
pub(super) fn number_word(field: &FieldKey, number: f64) -> String {
    // -0 is 0.
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    format!("{}{ordered:016x}", field.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_words_are_in_the_order_of_numbers() {
        let numbers = [f64::MIN, -1e9, -1.5, -1.0, -f64::MIN_POSITIVE, 0.0, 1e-9, 1.0, 1.5, 2.0, 1e300];
        let words = numbers.map(|number| number_word(&FieldKey::of("a"), number));
        assert!(words.is_sorted(), "{words:?}");
        assert_eq!(number_word(&FieldKey::of("a"), -0.0), number_word(&FieldKey::of("a"), 0.0));
    }
}
