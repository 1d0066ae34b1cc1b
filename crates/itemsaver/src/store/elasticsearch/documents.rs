//! What is in the indices: items, and what each page said last.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::item::Source;
use model::{CrawlName, CrawlUrl, Item, ItemId, PayloadJson, RunId, SpiderHash};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use super::search;
use crate::search::entries::entries;
use crate::store::StoredItem;

/// The name of a document: a hash, since a server takes no more than 512 bytes and an id may be longer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct DocumentId(String);

impl DocumentId {
    pub(super) fn of_item(item_type: &str, id: &str) -> DocumentId {
        DocumentId(format!("{:032x}", xxh3_128(format!("{}:{item_type}{id}", item_type.len()).as_bytes())))
    }

    pub(super) fn of_page(crawl: &CrawlName, page: &CrawlUrl) -> DocumentId {
        DocumentId(format!("{:032x}", xxh3_128(format!("{crawl} {page}").as_bytes())))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for DocumentId {
    fn from(text: String) -> DocumentId {
        DocumentId(text)
    }
}

/// What a page says of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) crawl: CrawlName,
    pub(super) page: CrawlUrl,
    pub(super) run: RunId,
    pub(super) version: u64,
    /// The number of the page write that said last what the page has.
    pub(super) written: u64,
    /// The number of the page write with which the page, in this run, first said it: least of the run's is owner.
    pub(super) since: u64,
    pub(super) fetched_at: u64,
    pub(super) spider: Option<SpiderHash>,
    pub(super) url: CrawlUrl,
    pub(super) payload: PayloadJson,
}

/// An identity with all claims to it: the shown one has the contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemDocument {
    pub(super) item_type: String,
    pub(super) id: ItemId,
    /// Grows with every identity that is new.
    pub(super) number: u64,
    /// The number of the last change of its history that counts; 0 when it has none.
    pub(super) changes: u64,
    pub(super) shown: Arc<Claim>,
    pub(super) rivals: Vec<Arc<Claim>>,
}

/// What a page of a crawl said last, also when it said that it has no items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PageDocument {
    pub(super) crawl: CrawlName,
    pub(super) page: CrawlUrl,
    pub(super) run: RunId,
    pub(super) version: u64,
    pub(super) written: u64,
    pub(super) fetched_at: u64,
    pub(super) spider: Option<SpiderHash>,
    /// At least what it claims: while a save is under way also what it has ceased to claim.
    pub(super) claims: BTreeSet<DocumentId>,
}

/// An item's document as the server keeps it: the fields that people search first.
#[derive(Serialize)]
struct ItemSource<'a> {
    #[serde(rename = "type")]
    item_type: &'a str,
    id: &'a str,
    url: &'a CrawlUrl,
    crawl: &'a CrawlName,
    page: &'a CrawlUrl,
    fetched_at: u64,
    version: u64,
    spider: &'a Option<SpiderHash>,
    number: u64,
    payload: &'a RawValue,
    saved: Saved<'a>,
    words: String,
    fielded: String,
    numbers: Vec<String>,
}

/// What is not searched.
#[derive(Serialize)]
struct Saved<'a> {
    run: RunId,
    written: u64,
    since: u64,
    #[serde(skip_serializing_if = "is_zero")]
    changes: u64,
    /// The payload to the letter, if it does not stand above as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    rivals: &'a [Arc<Claim>],
}

#[derive(Deserialize)]
struct StoredSource<'a> {
    #[serde(rename = "type")]
    item_type: String,
    id: ItemId,
    url: CrawlUrl,
    crawl: CrawlName,
    page: CrawlUrl,
    fetched_at: u64,
    version: u64,
    spider: Option<SpiderHash>,
    number: u64,
    #[serde(borrow)]
    payload: &'a RawValue,
    saved: StoredSaved,
}

#[derive(Deserialize)]
struct StoredSaved {
    run: RunId,
    written: u64,
    since: u64,
    exact: Option<String>,
    #[serde(default)]
    changes: u64,
    #[serde(default)]
    rivals: Vec<Arc<Claim>>,
}

impl ItemDocument {
    pub(super) fn document_id(&self) -> DocumentId {
        DocumentId::of_item(&self.item_type, self.id.as_str())
    }

    /// The document as JSON on one line.
    ///
    /// # Errors
    /// When the payload is no JSON, which is checked before.
    pub(super) fn to_json(&self) -> Result<String, serde_json::Error> {
        let Claim { crawl, page, run, version, written, since, fetched_at, spider, url, payload } = &*self.shown;
        let exact = payload.as_str();
        // A line break between tokens would end the line of a bulk; in a string it stands escaped.
        let is_spread = exact.contains(['\n', '\r']);
        let line = if is_spread { exact.replace(['\n', '\r'], " ") } else { exact.to_owned() };
        // What is around the object would not come back with it.
        let trimmed = line.trim_matches(' ').trim_matches('\t');
        let saved = Saved {
            run: *run,
            written: *written,
            since: *since,
            changes: self.changes,
            exact: (is_spread || trimmed.len() < exact.len()).then_some(exact),
            rivals: &self.rivals,
        };
        let entries = entries(&self.item_type, self.id.as_str(), url.as_str(), crawl.as_str(), exact);
        serde_json::to_string(&ItemSource {
            item_type: &self.item_type,
            id: self.id.as_str(),
            url,
            crawl,
            page,
            fetched_at: *fetched_at,
            version: *version,
            spider,
            number: self.number,
            payload: &RawValue::from_string(trimmed.to_owned())?,
            saved,
            words: entries.words,
            fielded: entries.fielded,
            numbers: entries.numbers.iter().map(|(field, number)| search::number_word(field, *number)).collect(),
        })
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it is none of ours.
    pub(super) fn of_json(json: &str) -> Result<ItemDocument, serde_json::Error> {
        let stored: StoredSource<'_> = serde_json::from_str(json)?;
        let StoredSaved { run, written, since, exact, changes, rivals } = stored.saved;
        let payload = PayloadJson::parse(exact.unwrap_or_else(|| stored.payload.get().to_owned()))?;
        let shown = Claim {
            crawl: stored.crawl,
            page: stored.page,
            run,
            version: stored.version,
            written,
            since,
            fetched_at: stored.fetched_at,
            spider: stored.spider,
            url: stored.url,
            payload,
        };
        let shown = Arc::new(shown);
        Ok(ItemDocument { item_type: stored.item_type, id: stored.id, number: stored.number, changes, shown, rivals })
    }

    /// All claims, the shown one first.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Arc<Claim>> {
        std::iter::once(&self.shown).chain(&self.rivals)
    }

    pub(super) fn into_stored(self) -> StoredItem {
        let shown = Arc::unwrap_or_clone(self.shown);
        StoredItem {
            item: Item { url: shown.url, item_type: self.item_type, id: self.id, payload: shown.payload },
            source: Source {
                crawl: shown.crawl,
                page: shown.page,
                fetched_at_ms: shown.fetched_at,
                version: shown.version,
                spider: shown.spider,
            },
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
