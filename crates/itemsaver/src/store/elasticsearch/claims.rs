//! The rules of [`crate::store`] over documents that were read. Pure: what is to be written follows from what has changed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use model::save::{ItemAnswer, ItemStatus, PageItems, SaveAnswer, SaveBatch};
use model::{Item, RunId};

use super::documents::{Claim, DocumentId, ItemDocument, PageDocument};
use crate::store::list::{answer_before, each_identity};

/// Documents by name; `None` for what is not there. Everything that batches are about must be in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Documents {
    pub(super) pages: HashMap<DocumentId, Option<Arc<PageDocument>>>,
    pub(super) items: HashMap<DocumentId, Option<Arc<ItemDocument>>>,
}

/// Where an item stands in a group of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) batch: usize,
    pub(super) page: usize,
    pub(super) item: usize,
}

/// What the server would not take.
#[derive(Clone, Debug, Default)]
pub(super) struct Refused {
    /// Items of the group, with its reason.
    pub(super) items: HashMap<Place, String>,
    /// What a page said earlier and which was not shown until now: item and page.
    pub(super) claims: HashSet<(DocumentId, DocumentId)>,
}

/// Numbers for page writes and new identities, ever growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// The documents that batches are about: their pages.
pub(super) fn pages_of(batches: &[SaveBatch]) -> BTreeSet<DocumentId> {
    let each = |batch| move |page: &PageItems| page_id(batch, page);
    batches.iter().flat_map(|batch| batch.pages.iter().map(each(batch))).collect()
}

/// The documents that batches are about: the items they name, and those that their pages have claimed before.
pub(super) fn items_of(batches: &[SaveBatch], documents: &Documents) -> BTreeSet<DocumentId> {
    let items = batches.iter().flat_map(|batch| &batch.pages).flat_map(|page| &page.items);
    let named = items.map(|item| DocumentId::of_item(&item.item_type, item.id.as_str()));
    let before = documents.pages.values().flatten().flat_map(|page| page.claims.iter().cloned());
    named.chain(before).collect()
}

fn page_id(batch: &SaveBatch, page: &PageItems) -> DocumentId {
    DocumentId::of_page(&batch.crawl, &page.page)
}

/// Says of documents what batches say, and answers.
pub(super) fn apply(documents: &mut Documents, batches: &[SaveBatch], refused: &Refused, numbers: &mut Numbers) -> Vec<SaveAnswer> {
    let mut work = Work { documents, refused, numbers };
    let each = |(at, batch): (usize, &SaveBatch)| SaveAnswer {
        pages: batch.pages.iter().enumerate().map(|(page, _)| work.save_page(batch, at, page)).collect(),
    };
    batches.iter().enumerate().map(each).collect()
}

/// Where the contents of a document come from: every item of the group that says what its shown claim says.
pub(super) fn places_of(batches: &[SaveBatch], document: &ItemDocument) -> Vec<Place> {
    let shown = &document.shown;
    let mut places = Vec::new();
    for (batch_at, batch) in batches.iter().enumerate().filter(|(_, batch)| batch.crawl == shown.crawl) {
        for (page_at, page) in batch.pages.iter().enumerate().filter(|(_, page)| page.page == shown.page) {
            let same = |item: &Item| {
                item.item_type == document.item_type && item.id == document.id && item.payload == shown.payload && item.url == shown.url
            };
            let found = page.items.iter().enumerate().filter(|(_, item)| same(item));
            places.extend(found.map(|(item, _)| Place { batch: batch_at, page: page_at, item }));
        }
    }
    places
}

struct Work<'a> {
    documents: &'a mut Documents,
    refused: &'a Refused,
    numbers: &'a mut Numbers,
}

impl Work<'_> {
    fn save_page(&mut self, batch: &SaveBatch, batch_at: usize, page_at: usize) -> Vec<ItemAnswer> {
        let page = &batch.pages[page_at];
        let id = page_id(batch, page);
        let known = self.documents.pages.get(&id).cloned().flatten();
        let answer = |(at, item)| match self.refused.items.get(&Place { batch: batch_at, page: page_at, item: at }) {
            Some(reason) => ItemAnswer::rejected(reason.clone()),
            None => answer_before(item),
        };
        let mut answers: Vec<ItemAnswer> = page.items.iter().enumerate().map(answer).collect();
        let each = each_identity(&page.items, &answers);
        if let Some(known) = known.as_ref().filter(|known| known.version > page.version) {
            for (first, _) in each {
                let collided = !page.addition && known.run == batch.run && self.has_lost(known, &page.items[first]);
                answers[first].status = if collided { ItemStatus::Collided } else { ItemStatus::Replaced };
            }
            return answers;
        }
        let write = self.numbers.next();
        let says = match known.as_deref() {
            Some(known) if page.addition => known.clone(),
            _ => PageDocument {
                crawl: batch.crawl.clone(),
                page: page.page.clone(),
                run: batch.run,
                version: page.version,
                written: write,
                fetched_at: page.fetched_at_ms,
                spider: batch.spider.clone(),
                claims: BTreeSet::new(),
            },
        };
        let mut claims = BTreeSet::new();
        for (first, last) in each {
            let item = &page.items[last];
            answers[first].status = self.claim(&says, write, item);
            claims.insert(DocumentId::of_item(&item.item_type, item.id.as_str()));
        }
        match known {
            Some(known) if page.addition => claims.extend(known.claims.iter().cloned()),
            Some(known) => self.release_others(&known, &id, &claims),
            None => {}
        }
        self.documents.pages.insert(id, Some(Arc::new(PageDocument { claims, ..says })));
        answers
    }

    /// Enters a page's claim to an identity: what to answer.
    fn claim(&mut self, page: &PageDocument, write: u64, item: &Item) -> ItemStatus {
        let id = DocumentId::of_item(&item.item_type, item.id.as_str());
        let mut claim = Claim {
            crawl: page.crawl.clone(),
            page: page.page.clone(),
            run: page.run,
            version: page.version,
            written: page.written,
            since: write,
            fetched_at: page.fetched_at,
            spider: page.spider.clone(),
            url: item.url.clone(),
            payload: item.payload.clone(),
        };
        let Some(document) = self.documents.items.get(&id).cloned().flatten() else {
            let (item_type, item_id, number) = (item.item_type.clone(), item.id.clone(), self.numbers.next());
            let document = ItemDocument { item_type, id: item_id, number, changes: 0, shown: Arc::new(claim), rivals: Vec::new() };
            self.documents.items.insert(id, Some(Arc::new(document)));
            return ItemStatus::Created;
        };
        let mut document = (*document).clone();
        let held = document.claims().find(|held| is_by(held, page)).filter(|held| held.run == page.run);
        claim.since = held.map_or(write, |held| held.since);
        let collided = document.claims().any(|other| !is_by(other, page) && is_earlier(other, &claim));
        let claim = Arc::new(claim);
        document.rivals.retain(|rival| !is_by(rival, page));
        if is_by(&document.shown, page) {
            document.shown = claim;
        } else if (claim.version, claim.written) >= (document.shown.version, document.shown.written) {
            document.rivals.push(std::mem::replace(&mut document.shown, claim));
        } else {
            document.rivals.push(claim);
        }
        self.documents.items.insert(id, Some(Arc::new(document)));
        if collided { ItemStatus::Collided } else { ItemStatus::Replaced }
    }

    /// Whether a page claims an identity that another page of its run owns.
    fn has_lost(&self, page: &PageDocument, item: &Item) -> bool {
        let id = DocumentId::of_item(&item.item_type, item.id.as_str());
        let Some(document) = self.documents.items.get(&id).cloned().flatten() else { return false };
        document
            .claims()
            .find(|claim| is_by(claim, page))
            .is_some_and(|own| document.claims().any(|other| !is_by(other, page) && is_earlier(other, own)))
    }

    /// Gives up all claims of a page but these.
    fn release_others(&mut self, page: &PageDocument, page_id: &DocumentId, claimed: &BTreeSet<DocumentId>) {
        for id in page.claims.difference(claimed) {
            let Some(document) = self.documents.items.get(id).cloned().flatten() else { continue };
            let mut document = (*document).clone();
            document.rivals.retain(|rival| !is_by(rival, page));
            if is_by(&document.shown, page) {
                // What the server would not show is of no use to anybody.
                let refused = |claim: &Claim| {
                    let by = DocumentId::of_page(&claim.crawl, &claim.page);
                    by != *page_id && self.refused.claims.contains(&(id.clone(), by))
                };
                document.rivals.retain(|rival| !refused(rival));
                let newest = (0..document.rivals.len()).max_by_key(|at| (document.rivals[*at].version, document.rivals[*at].written));
                let Some(newest) = newest else {
                    self.documents.items.insert(id.clone(), None);
                    continue;
                };
                document.shown = document.rivals.swap_remove(newest);
            }
            self.documents.items.insert(id.clone(), Some(Arc::new(document)));
        }
    }
}

fn is_by(claim: &Claim, page: &PageDocument) -> bool {
    claim.page == page.page && claim.crawl == page.crawl
}

/// Whether a claim came before another one in the other's run.
fn is_earlier(claim: &Claim, than: &Claim) -> bool {
    let same_run = |run: RunId| claim.crawl == than.crawl && run == than.run;
    same_run(claim.run) && claim.since < than.since
}
