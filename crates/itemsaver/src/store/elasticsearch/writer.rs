//! Groups of batches made durable: read what they are about, apply the rules, write what has changed, in an order that a crash between
//! any two documents leaves repairable.
//!
//! A page's document names at least what the page claims: before its items are written it names what it claimed and what it will claim,
//! after that only the latter. What changes in items is written between the two, before the items ([`super::history`]). So a save that is cut off and sent again, even with another list, finds all that it has to take away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use elasticsearch::http::Method;
use model::save::{SaveAnswer, SaveBatch};
use model::schema::TypeSchema;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::bulk::{self, Write, Written};
use super::claims::{Documents, Numbers, Place, Refused, apply, items_of, pages_of, places_of};
use super::client::Trouble;
use super::documents::{DocumentId, ItemDocument, PageDocument};
use super::index::Index;
use crate::store::StoreError;

/// Documents asked for at a time.
const MAX_READ: usize = 1000;

/// Bits of a number below the epoch: page writes and identities of one process.
const EPOCH_SHIFT: u32 = 32;

/// The one that writes: it alone has its epoch.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) index: Index,
    epoch: u64,
    numbers: Numbers,
    keeps_history: bool,
}

impl Writer {
    /// Takes the turn to write.
    pub(super) async fn new(index: Index, keeps_history: bool) -> Result<Writer, StoreError> {
        let epoch = index.take_epoch().await?;
        Ok(Writer { index, epoch, numbers: Numbers(epoch << EPOCH_SHIFT), keeps_history })
    }

    /// Stores a group of batches. When it errs, some documents may be written; the same batches again make them right.
    pub(super) async fn save(&mut self, batches: &[SaveBatch]) -> Result<Vec<SaveAnswer>, StoreError> {
        let mut before = Documents::default();
        before.pages = self.read(&self.index.pages, pages_of(batches), |json| serde_json::from_str::<PageDocument>(json)).await?;
        before.items = self.read(&self.index.items, items_of(batches, &before), ItemDocument::of_json).await?;
        let mut there = before.clone();
        let mut refused = Refused::default();
        let start = self.numbers;
        loop {
            let mut wanted = before.clone();
            let mut numbers = start;
            let answers = apply(&mut wanted, batches, &refused, &mut numbers);
            // Each round has a version of its own, above all before it.
            self.numbers = Numbers(numbers.0.max(self.numbers.0 + 1));
            self.write_pages(&mut there, &intents(&before, &wanted)).await?;
            if self.keeps_history {
                self.write_history(&before, &mut wanted).await?;
            }
            let written = self.write_items(&mut there, &wanted).await?;
            if written.is_empty() {
                self.write_pages(&mut there, &wanted.pages).await?;
                return Ok(answers);
            }
            for (document, reason) in written {
                if !blame(&mut refused, batches, &before, &document, &reason) {
                    // What is there was taken before the mapping became what it is, and nobody here can say it otherwise.
                    let (item_type, id) = (&document.item_type, &document.id);
                    tracing::warn!(%item_type, %id, %reason, "an item that was stored earlier cannot be written again and stays as it is");
                    there.items.insert(document.document_id(), Some(document));
                }
            }
        }
    }

    /// Keeps schemas.
    pub(super) async fn put_schema(&self, types: &[TypeSchema]) -> Result<(), StoreError> {
        self.check_turn().await?;
        self.index.put_schemas(types).await
    }

    /// Whether the index can be written at all: writes what changes nothing.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        self.check_turn().await?;
        let path = format!("{}/_doc/probe", self.index.pages);
        let query = [("require_alias", "true")];
        match self.index.client.write(Method::Put, &path, &query, "{}").await {
            Ok(_) => Ok(()),
            Err(trouble) => Err(self.index.told(trouble)),
        }
    }

    /// Whether nobody has taken the turn since.
    async fn check_turn(&self) -> Result<(), StoreError> {
        self.read(&self.index.pages, BTreeSet::new(), |json| serde_json::from_str::<PageDocument>(json)).await.map(|_| ())
    }

    /// Documents by name, as they are at this moment. The first request also asks whose turn it is.
    pub(super) async fn read<T>(
        &self,
        alias: &str,
        ids: BTreeSet<DocumentId>,
        read: impl Fn(&str) -> Result<T, serde_json::Error>,
    ) -> Result<HashMap<DocumentId, Option<Arc<T>>>, StoreError> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            docs: Vec<Found<'a>>,
        }
        #[derive(Deserialize)]
        struct Found<'a> {
            #[serde(borrow, rename = "_source")]
            source: Option<&'a RawValue>,
            error: Option<super::client::ServerError>,
        }
        let ids: Vec<DocumentId> = ids.into_iter().collect();
        let mut documents = HashMap::with_capacity(ids.len());
        let mut chunks: Vec<&[DocumentId]> = ids.chunks(MAX_READ).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        for chunk in chunks {
            let (writer_index, writer) = self.index.writer();
            let asked = chunk.iter().map(|id| json!({ "_index": alias, "_id": id }));
            let asked: Vec<_> = std::iter::once(json!({ "_index": writer_index, "_id": writer })).chain(asked).collect();
            let body = json!({ "docs": asked }).to_string();
            let told = |trouble| self.index.told(trouble);
            let answer = self.index.client.write(Method::Post, "_mget", &[], &body).await.map_err(told)?;
            let answer: Answer<'_> = self.index.client.read(&answer).map_err(told)?;
            let mut found = answer.docs.into_iter().map(|found| match found.error {
                Some(error) if error.is_passing(0) => Err(told(Trouble::Passing(error.reasons()))),
                Some(error) => Err(self.index.unusable(error.reasons())),
                None => Ok(found.source.map(RawValue::get)),
            });
            let short = || told(Trouble::Passing("it answers for fewer documents than were asked for".to_owned()));
            if !Index::is_epoch(found.next().ok_or_else(short)??, self.epoch) {
                return Err(self.index.taken_over());
            }
            for id in chunk {
                let source = found.next().ok_or_else(short)??;
                let document = source.map(&read).transpose();
                let document =
                    document.map_err(|error| self.index.unusable(format!("document {} is none of ours: {error}", id.as_str())))?;
                documents.insert(id.clone(), document.map(Arc::new));
            }
        }
        Ok(documents)
    }

    async fn write_pages(&self, there: &mut Documents, wanted: &HashMap<DocumentId, Option<Arc<PageDocument>>>) -> Result<(), StoreError> {
        let changed = changed(&there.pages, wanted);
        let sources =
            changed.iter().map(|(id, page)| Ok(Write { id: id.clone(), source: page.as_deref().map(serde_json::to_string).transpose()? }));
        let writes: Vec<Write> =
            sources.collect::<Result<_, serde_json::Error>>().map_err(|error| self.index.unusable(error.to_string()))?;
        for ((id, page), written) in changed.into_iter().zip(self.bulk(&self.index.pages, &writes).await?) {
            match written {
                Written::Done | Written::Outdated => there.pages.insert(id, page),
                Written::Refused(reason) => return Err(self.index.unusable(format!("it refuses what is said of a page: {reason}"))),
            };
        }
        Ok(())
    }

    /// Writes what is not there yet: what the server refuses, with its reason.
    async fn write_items(&self, there: &mut Documents, wanted: &Documents) -> Result<Vec<(Arc<ItemDocument>, String)>, StoreError> {
        let changed = changed(&there.items, &wanted.items);
        let sources =
            changed.iter().map(|(id, item)| Ok(Write { id: id.clone(), source: item.as_deref().map(ItemDocument::to_json).transpose()? }));
        let writes: Vec<Write> =
            sources.collect::<Result<_, serde_json::Error>>().map_err(|error| self.index.unusable(error.to_string()))?;
        let mut refused = Vec::new();
        for ((id, item), written) in changed.into_iter().zip(self.bulk(&self.index.items, &writes).await?) {
            match (written, item) {
                (Written::Done | Written::Outdated, item) => drop(there.items.insert(id, item)),
                (Written::Refused(reason), Some(item)) => refused.push((item, reason)),
                (Written::Refused(reason), None) => return Err(self.index.unusable(format!("it refuses to take an item away: {reason}"))),
            }
        }
        Ok(refused)
    }

    pub(super) async fn bulk(&self, alias: &str, writes: &[Write]) -> Result<Vec<Written>, StoreError> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let written = bulk::write(&self.index.client, alias, self.numbers.0, writes).await.map_err(|trouble| self.index.told(trouble))?;
        // Newer than what the only writer writes is what its successor has written; otherwise it is saved.
        if written.contains(&Written::Outdated) {
            self.check_turn().await?;
        }
        Ok(written)
    }
}

type Changed<T> = Vec<(DocumentId, Option<Arc<T>>)>;

/// What is otherwise than wanted, in order of name.
fn changed<T: PartialEq>(there: &HashMap<DocumentId, Option<Arc<T>>>, wanted: &HashMap<DocumentId, Option<Arc<T>>>) -> Changed<T> {
    let differs = |(id, document): &(&DocumentId, &Option<Arc<T>>)| there.get(*id).unwrap_or(&None) != *document;
    let changed: BTreeMap<_, _> = wanted.iter().filter(differs).map(|(id, document)| (id.clone(), document.clone())).collect();
    changed.into_iter().collect()
}

/// What pages will say, with all they said.
fn intents(before: &Documents, wanted: &Documents) -> HashMap<DocumentId, Option<Arc<PageDocument>>> {
    let intent = |(id, page): (&DocumentId, &Option<Arc<PageDocument>>)| {
        let claimed = before.pages.get(id).and_then(Option::as_ref).map(|page| &page.claims);
        let page = match (page, claimed) {
            (Some(page), Some(claimed)) if !claimed.is_subset(&page.claims) => {
                let mut intent = PageDocument::clone(page);
                intent.claims.extend(claimed.iter().cloned());
                Some(Arc::new(intent))
            }
            (page, _) => page.clone(),
        };
        (id.clone(), page)
    };
    wanted.pages.iter().map(intent).collect()
}

/// Finds what a refused document comes from: items of the group, which are then rejected, or what a page said long ago. False when it is
/// neither.
fn blame(refused: &mut Refused, batches: &[SaveBatch], before: &Documents, document: &ItemDocument, reason: &str) -> bool {
    let places: Vec<Place> = places_of(batches, document).into_iter().filter(|place| !refused.items.contains_key(place)).collect();
    if !places.is_empty() {
        refused.items.extend(places.into_iter().map(|place| (place, reason.to_owned())));
        return true;
    }
    let id = document.document_id();
    let shown_before = before.items.get(&id).and_then(Option::as_ref).is_some_and(|before| before.shown == document.shown);
    let by = DocumentId::of_page(&document.shown.crawl, &document.shown.page);
    if !shown_before && refused.claims.insert((id, by)) {
        let (item_type, id, page) = (&document.item_type, &document.id, &document.shown.page);
        tracing::warn!(%item_type, %id, %page, %reason, "what this page says of an item cannot be shown and is dropped");
        return true;
    }
    // It was there already: whatever the group says of this identity cannot be added to it.
    let known = refused.items.len();
    for (batch_at, batch) in batches.iter().enumerate() {
        for (page_at, page) in batch.pages.iter().enumerate() {
            let same = page.items.iter().enumerate().filter(|(_, item)| item.item_type == document.item_type && item.id == document.id);
            refused.items.extend(same.map(|(item, _)| (Place { batch: batch_at, page: page_at, item }, reason.to_owned())));
        }
    }
    refused.items.len() > known
}
