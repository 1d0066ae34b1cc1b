//! What people ask of the index: counts, and items in order.

use elasticsearch::http::Method;
use model::save::StoreStats;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::Trouble;
use super::documents::ItemDocument;
use super::index::Index;
use crate::store::{Cursor, ItemChunk, ItemFilter, StoreError, StoredItem};

/// Most items of a chunk.
const CHUNK_ITEMS: usize = 1000;

/// Bytes that a chunk should have at most: what bounds the memory of a listing.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Items of a first chunk, of which nobody knows yet how large they are.
pub(super) const FIRST_CHUNK: usize = 100;

/// Types counted at a time.
const TYPES: usize = 1000;

/// An answer to a search.
#[derive(Deserialize)]
pub(super) struct Hits<'a> {
    #[serde(borrow)]
    hits: HitList<'a>,
}

#[derive(Deserialize)]
struct HitList<'a> {
    #[serde(borrow)]
    hits: Vec<Hit<'a>>,
}

/// One document found.
#[derive(Deserialize)]
pub(super) struct Hit<'a> {
    #[serde(rename = "_version", default)]
    pub(super) version: u64,
    #[serde(borrow, rename = "_source")]
    pub(super) source: &'a RawValue,
}

impl<'a> Hits<'a> {
    pub(super) fn into_hits(self) -> Vec<Hit<'a>> {
        self.hits.hits
    }
}

/// How many items there are of each type that has any.
pub(super) async fn stats(index: &Index) -> Result<StoreStats, StoreError> {
    #[derive(Deserialize)]
    struct Answer {
        aggregations: Aggregations,
    }
    #[derive(Deserialize)]
    struct Aggregations {
        types: Types,
    }
    #[derive(Deserialize)]
    struct Types {
        after_key: Option<Key>,
        buckets: Vec<Bucket>,
    }
    #[derive(Deserialize)]
    struct Bucket {
        key: Key,
        doc_count: u64,
    }
    #[derive(Deserialize)]
    struct Key {
        #[serde(rename = "type")]
        item_type: String,
    }
    index.refresh().await?;
    let mut items_by_type = Vec::new();
    let mut after: Option<Key> = None;
    loop {
        let mut composite = json!({ "size": TYPES, "sources": [{ "type": { "terms": { "field": "type" } } }] });
        if let Some(Key { item_type }) = &after {
            composite["after"] = json!({ "type": item_type });
        }
        let body = json!({ "size": 0, "track_total_hits": false, "aggs": { "types": { "composite": composite } } });
        let answer = search(index, &body.to_string()).await?;
        let Answer { aggregations: Aggregations { types } } = index.client.read(&answer).map_err(|trouble| index.told(trouble))?;
        let full = types.buckets.len() == TYPES;
        items_by_type.extend(types.buckets.into_iter().map(|bucket| (bucket.key.item_type, bucket.doc_count)));
        after = types.after_key;
        if !full || after.is_none() {
            return Ok(StoreStats { store: index.client.store.clone(), items_by_type });
        }
    }
}

/// At most `size` items after a cursor.
pub(super) async fn items(index: &Index, filter: &ItemFilter, after: Option<&Cursor>, size: usize) -> Result<ItemChunk, StoreError> {
    if after.is_none() {
        index.refresh().await?;
    }
    let terms = [("type", filter.item_type.as_deref()), ("crawl", filter.crawl.as_ref().map(|crawl| crawl.as_str()))];
    let terms: Vec<_> = terms.iter().filter_map(|(field, value)| Some(json!({ "term": { *field: (*value)? } }))).collect();
    let mut body = json!({ "size": size, "track_total_hits": false, "sort": ["type", "id"], "query": { "bool": { "filter": terms } } });
    if let Some(Cursor { item_type, id }) = after {
        body["search_after"] = json!([item_type, id]);
    }
    let answer = search(index, &body.to_string()).await?;
    let hits: Hits<'_> = index.client.read(&answer).map_err(|trouble| index.told(trouble))?;
    let hits = hits.into_hits();
    let full = hits.len() == size;
    let items: Vec<StoredItem> = hits.into_iter().map(|hit| stored(index, &hit)).collect::<Result<_, _>>()?;
    let last = items.last().map(|last| Cursor { item_type: last.item.item_type.clone(), id: last.item.id.clone() });
    Ok(ItemChunk { items, next: last.filter(|_| full) })
}

/// How many items the next chunk should have when this one had that many bytes.
pub(super) fn next_size(chunk: &ItemChunk) -> usize {
    let bytes: usize = chunk.items.iter().map(|stored| 512 + stored.item.payload.as_str().len()).sum();
    (CHUNK_BYTES * chunk.items.len().max(1) / bytes.max(1)).clamp(1, CHUNK_ITEMS)
}

fn stored(index: &Index, hit: &Hit<'_>) -> Result<StoredItem, StoreError> {
    let document = ItemDocument::of_json(hit.source.get());
    let document = document.map_err(|error| index.unusable(format!("a document is none of ours: {error}")))?;
    Ok(document.into_stored())
}

/// Searches the items.
pub(super) async fn search(index: &Index, body: &str) -> Result<Vec<u8>, StoreError> {
    let path = format!("{}/_search", index.items);
    let answer = index.client.ask(Method::Post, &path, body).await;
    answer.map_err(|trouble: Trouble| index.told(trouble))
}
