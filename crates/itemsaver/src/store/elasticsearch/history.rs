//! The history of items, in an index of its own: a document for each item that has changed, with all its changes.
//!
//! It is written before the item itself, whose document says how many changes count. So a save that is cut off in between has changed
//! nothing that is shown, and the same save, or another one, begins from what the item says. Of an item that is not there all changes
//! count, but for one that says it is back.

use std::collections::HashMap;
use std::sync::Arc;

use elasticsearch::http::Method;
use model::history::{Change, ChangeKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::bulk::{Write, Written};
use super::claims::Documents;
use super::client::ServerError;
use super::documents::{Claim, DocumentId, ItemDocument, PageDocument};
use super::index::Index;
use super::writer::Writer;
use crate::store::StoreError;
use crate::store::history::{Bringer, Said, back, changed, gone, kept};

/// Items whose history is in memory at a time.
const CHUNK: usize = 50;

/// An item's changes as the server keeps them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HistoryDocument {
    #[serde(rename = "type")]
    item_type: String,
    id: String,
    /// The oldest first.
    changes: Vec<Recorded>,
}

/// A change, with the number of the item's document that says whether it counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Recorded {
    item: u64,
    change: Change,
}

impl HistoryDocument {
    /// Drops what does not count: the item was never written so.
    fn keep_what_counts(&mut self, item: Option<&ItemDocument>) {
        match item {
            Some(item) => self.changes.retain(|recorded| recorded.item != item.number || recorded.change.number <= item.changes),
            None => {
                let is_back = |recorded: &mut Recorded| recorded.change.kind == ChangeKind::Back;
                drop(self.changes.pop_if(is_back));
            }
        }
    }

    fn last(&self) -> Option<&Change> {
        self.changes.last().map(|recorded| &recorded.change)
    }

    /// Adds a change: its number.
    fn append(&mut self, item: u64, mut change: Change) -> Result<u64, serde_json::Error> {
        let number = self.last().map_or(0, |last| last.number) + 1;
        change.number = number;
        self.changes.push(Recorded { item, change });
        let mut lengths = Vec::with_capacity(self.changes.len());
        for recorded in self.changes.iter().rev() {
            lengths.push(serde_json::to_string(&recorded.change)?.len());
        }
        let surplus = self.changes.len() - kept(lengths);
        self.changes.drain(..surplus);
        Ok(number)
    }
}

impl Writer {
    /// Writes what is about to change in items, and notes in their documents how many changes count once they are written.
    pub(super) async fn write_history(&self, before: &Documents, wanted: &mut Documents) -> Result<(), StoreError> {
        let mut ids: Vec<DocumentId> =
            wanted.items.iter().filter(|(id, now)| may_have_changed(before, id, now)).map(|(id, _)| id.clone()).collect();
        ids.sort();
        for ids in ids.chunks(CHUNK) {
            let read = |json: &str| serde_json::from_str::<HistoryDocument>(json);
            let mut known = self.read(&self.index.history, ids.iter().cloned().collect(), read).await?;
            let mut writes = Vec::new();
            for id in ids {
                let unwritable = |error: serde_json::Error| self.index.unusable(error.to_string());
                if let Some(document) = record(id, before, wanted, known.remove(id).flatten()).map_err(unwritable)? {
                    writes.push(Write { id: id.clone(), source: Some(serde_json::to_string(&document).map_err(unwritable)?) });
                }
            }
            for written in self.bulk(&self.index.history, &writes).await? {
                if let Written::Refused(reason) = written {
                    return Err(self.index.unusable(format!("it refuses the history of an item: {reason}")));
                }
            }
        }
        Ok(())
    }
}

fn before_of<'a>(before: &'a Documents, id: &DocumentId) -> Option<&'a ItemDocument> {
    before.items.get(id).and_then(Option::as_deref)
}

/// Whether an item's history must be looked at: it is new, gone, or what is shown is written differently.
fn may_have_changed(before: &Documents, id: &DocumentId, now: &Option<Arc<ItemDocument>>) -> bool {
    match (before_of(before, id), now) {
        (None, None) => false,
        (Some(before), Some(now)) => before.shown.payload != now.shown.payload,
        (None, Some(_)) | (Some(_), None) => true,
    }
}

/// The history of an item with what has changed; `None` when nothing has.
fn record(
    id: &DocumentId,
    before: &Documents,
    wanted: &mut Documents,
    known: Option<Arc<HistoryDocument>>,
) -> Result<Option<HistoryDocument>, serde_json::Error> {
    let was = before_of(before, id);
    let now = wanted.items.get(id).cloned().flatten();
    let mut document = known.map(Arc::unwrap_or_clone);
    if let Some(document) = &mut document {
        document.keep_what_counts(was);
    }
    let change = match (was, now.as_deref()) {
        (None, None) => None,
        (None, Some(now)) => {
            let last = document.as_ref().and_then(HistoryDocument::last);
            back(last, now.shown.payload.as_str(), by_claim(&now.shown))
        }
        (Some(was), None) => Some(gone(said(&was.shown), by_page(&was.shown, wanted))),
        (Some(was), Some(now)) => {
            let is_own = |claim: &&Arc<Claim>| claim.page == now.shown.page && claim.crawl == now.shown.crawl;
            let own = was.claims().find(is_own).map(|claim| said(claim));
            changed(said(&was.shown), own, now.shown.payload.as_str(), by_claim(&now.shown))
        }
    };
    let (Some(change), Some(item)) = (change, now.as_deref().or(was)) else { return Ok(None) };
    let empty = || HistoryDocument { item_type: item.item_type.clone(), id: item.id.to_string(), changes: Vec::new() };
    let mut document = document.unwrap_or_else(empty);
    let number = document.append(item.number, change)?;
    if let Some(now) = now {
        let now = ItemDocument { changes: number, ..Arc::unwrap_or_clone(now) };
        wanted.items.insert(id.clone(), Some(Arc::new(now)));
    }
    Ok(Some(document))
}

fn said(claim: &Claim) -> Said<'_> {
    Said { payload: claim.payload.as_str(), fetched_at_ms: claim.fetched_at }
}

fn by_claim(claim: &Claim) -> Bringer<'_> {
    Bringer { crawl: &claim.crawl, page: &claim.page, version: claim.version, fetched_at_ms: claim.fetched_at }
}

/// The page of a claim as it is now, which has given the claim up.
fn by_page<'a>(claim: &'a Claim, wanted: &'a Documents) -> Bringer<'a> {
    match wanted.pages.get(&DocumentId::of_page(&claim.crawl, &claim.page)) {
        Some(Some(page)) => {
            let PageDocument { crawl, page, version, fetched_at, .. } = &**page;
            Bringer { crawl, page, version: *version, fetched_at_ms: *fetched_at }
        }
        Some(None) | None => by_claim(claim),
    }
}

/// What has changed in an item, the oldest first.
pub(super) async fn history(index: &Index, item_type: &str, id: &str) -> Result<Vec<Change>, StoreError> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        docs: Vec<Found<'a>>,
    }
    #[derive(Deserialize)]
    struct Found<'a> {
        #[serde(borrow, rename = "_source")]
        source: Option<&'a RawValue>,
        error: Option<ServerError>,
    }
    let name = DocumentId::of_item(item_type, id);
    // The item first: what is written to both in between does not count yet.
    let asked: Vec<_> = [&index.items, &index.history].iter().map(|alias| json!({ "_index": alias, "_id": name })).collect();
    let answer = index.client.ask(Method::Post, "_mget", &json!({ "docs": asked }).to_string()).await;
    let answer = answer.map_err(|trouble| index.told(trouble))?;
    let Answer { docs } = index.client.read(&answer).map_err(|trouble| index.told(trouble))?;
    let mut sources: HashMap<usize, &str> = HashMap::new();
    for (at, found) in docs.into_iter().enumerate() {
        match found.error {
            // No history was ever kept here.
            Some(error) if at == 1 && error.kind == "index_not_found_exception" => {}
            Some(error) if error.is_passing(0) => {
                return Err(StoreError::Unavailable { store: index.client.store.clone(), reason: error.reasons() });
            }
            Some(error) => return Err(index.unusable(error.reasons())),
            None => drop(found.source.map(|source| sources.insert(at, source.get()))),
        }
    }
    let foreign = |error: serde_json::Error| index.unusable(format!("a document is none of ours: {error}"));
    let item = sources.get(&0).map(|json| ItemDocument::of_json(json)).transpose().map_err(foreign)?;
    let Some(json) = sources.get(&1) else { return Ok(Vec::new()) };
    let mut document: HistoryDocument = serde_json::from_str(json).map_err(foreign)?;
    document.keep_what_counts(item.as_ref());
    Ok(document.changes.into_iter().map(|recorded| recorded.change).collect())
}
