//! The rules of [`super`] in their plainest form, in memory: what the stores are compared with.

use std::collections::BTreeMap;

use model::history::Change;
use model::item::Source;
use model::save::{ItemAnswer, ItemStatus, PageItems, SaveAnswer, SaveBatch};
use model::{CrawlName, CrawlUrl, Item, RunId, SpiderHash};

use super::StoredItem;
use super::check::check;
use super::history::{Bringer, Said, back, changed, gone, kept};

/// What each page says at present; all else follows from it.
#[derive(Debug, Default)]
pub(super) struct NaiveStore {
    pages: BTreeMap<(CrawlName, CrawlUrl), Statement>,
    sequence: u64,
    /// By identity, the oldest first.
    history: BTreeMap<Identity, Vec<Change>>,
}

#[derive(Clone, Debug)]
struct Statement {
    run: RunId,
    version: u64,
    written: u64,
    fetched_at_ms: u64,
    spider: Option<SpiderHash>,
    claims: BTreeMap<Identity, Claim>,
}

#[derive(Clone, Debug)]
struct Claim {
    since: u64,
    item: Item,
}

type Identity = (String, String);

fn identity(item: &Item) -> Identity {
    (item.item_type.clone(), item.id.to_string())
}

impl NaiveStore {
    pub(super) fn save(&mut self, batch: &SaveBatch) -> SaveAnswer {
        let (before, pages) = (self.items(), self.pages.clone());
        let answer = SaveAnswer { pages: batch.pages.iter().map(|page| self.save_page(batch, page)).collect() };
        self.note_changes(&before, &pages);
        answer
    }

    /// Compares all that is stored with all that was.
    fn note_changes(&mut self, before: &[StoredItem], pages: &BTreeMap<(CrawlName, CrawlUrl), Statement>) {
        let by_identity = |items: Vec<StoredItem>| -> BTreeMap<Identity, StoredItem> {
            items.into_iter().map(|stored| (identity(&stored.item), stored)).collect()
        };
        let (before, after) = (by_identity(before.to_vec()), by_identity(self.items()));
        let said = |stored: &StoredItem| (stored.item.payload.as_str().to_owned(), stored.source.fetched_at_ms);
        let bringer = |source: &Source| (source.crawl.clone(), source.page.clone(), source.version, source.fetched_at_ms);
        for id in before.keys().chain(after.keys().filter(|id| !before.contains_key(*id))) {
            let (was, is) = (before.get(id), after.get(id));
            let mut by = bringer(&is.or(was).expect("it is there before or after").source);
            if let (Some(_), None) = (was, is) {
                let page = &self.pages[&(by.0.clone(), by.1.clone())];
                (by.2, by.3) = (page.version, page.fetched_at_ms);
            }
            let by = Bringer { crawl: &by.0, page: &by.1, version: by.2, fetched_at_ms: by.3 };
            let shown = was.map(said);
            let shown = shown.as_ref().map(|(payload, fetched_at_ms)| Said { payload, fetched_at_ms: *fetched_at_ms });
            let known = self.history.entry(id.clone()).or_default();
            let change = match (shown, is) {
                (None, None) => None,
                (None, Some(is)) => back(known.last(), is.item.payload.as_str(), by),
                (Some(shown), None) => Some(gone(shown, by)),
                (Some(shown), Some(is)) => {
                    let page = pages.get(&(is.source.crawl.clone(), is.source.page.clone()));
                    let own = page.and_then(|page| Some((page, page.claims.get(id)?)));
                    let own = own.map(|(page, claim)| Said { payload: claim.item.payload.as_str(), fetched_at_ms: page.fetched_at_ms });
                    changed(shown, own, is.item.payload.as_str(), by)
                }
            };
            if let Some(change) = change {
                let number = known.last().map_or(0, |last| last.number) + 1;
                known.push(Change { number, ..change });
                let lengths = known.iter().rev().map(|change| serde_json::to_string(change).unwrap().len());
                let surplus = known.len() - kept(lengths);
                known.drain(..surplus);
            }
        }
    }

    /// What has changed in an item, the oldest first.
    pub(super) fn history(&self, item_type: &str, id: &str) -> Vec<Change> {
        self.history.get(&(item_type.to_owned(), id.to_owned())).cloned().unwrap_or_default()
    }

    fn save_page(&mut self, batch: &SaveBatch, page: &PageItems) -> Vec<ItemAnswer> {
        let key = (batch.crawl.clone(), page.page.clone());
        let before: Vec<Identity> = self.pages.values().flat_map(|statement| statement.claims.keys().cloned()).collect();
        let known = self.pages.get(&key);
        let stale = known.is_some_and(|known| known.version > page.version);
        let run = known.filter(|_| page.addition).map_or(batch.run, |known| known.run);
        if !stale {
            self.sequence += 1;
            let old = self.pages.remove(&key).filter(|old| old.run == run);
            let since = |id: &Identity| old.as_ref().and_then(|old| old.claims.get(id)).map_or(self.sequence, |claim| claim.since);
            let accepted = page.items.iter().filter(|item| check(item).is_ok());
            let claims: BTreeMap<_, _> =
                accepted.map(|item| (identity(item), Claim { since: since(&identity(item)), item: item.clone() })).collect();
            let statement = Statement {
                run,
                version: page.version,
                written: self.sequence,
                fetched_at_ms: page.fetched_at_ms,
                spider: batch.spider.clone(),
                claims,
            };
            let statement = match old {
                Some(mut old) if page.addition => {
                    old.claims.extend(statement.claims);
                    old
                }
                Some(_) | None => statement,
            };
            self.pages.insert(key.clone(), statement);
        }
        let mut answered: Vec<Identity> = Vec::new();
        let mut answers = Vec::new();
        for item in &page.items {
            if let Err(reason) = check(item) {
                answers.push(ItemAnswer::rejected(reason));
                continue;
            }
            let id = identity(item);
            answers.push(ItemAnswer::stored(if answered.contains(&id) {
                ItemStatus::Collided
            } else if !before.contains(&id) && !stale {
                ItemStatus::Created
            } else if !(stale && page.addition) && self.belongs_to_another(&key, run, &id) {
                ItemStatus::Collided
            } else {
                ItemStatus::Replaced
            }));
            answered.push(id);
        }
        answers
    }

    /// Whether a page claims an identity in this run that another page of the run claimed earlier.
    fn belongs_to_another(&self, page: &(CrawlName, CrawlUrl), run: RunId, id: &Identity) -> bool {
        let of_run = self.pages.iter().filter(|((crawl, _), statement)| *crawl == page.0 && statement.run == run);
        let claims: Vec<_> = of_run.filter_map(|(key, statement)| Some((key, statement.claims.get(id)?.since))).collect();
        claims.iter().any(|(key, _)| *key == page) && claims.iter().min_by_key(|(_, since)| *since).is_some_and(|(key, _)| *key != page)
    }

    /// All items, in byte order of type, then id.
    pub(super) fn items(&self) -> Vec<StoredItem> {
        let mut newest: BTreeMap<Identity, ((u64, u64), StoredItem)> = BTreeMap::new();
        for ((crawl, page), statement) in &self.pages {
            for (id, claim) in &statement.claims {
                let rank = (statement.version, statement.written);
                if newest.get(id).is_none_or(|(known, _)| *known < rank) {
                    let source = Source {
                        crawl: crawl.clone(),
                        page: page.clone(),
                        fetched_at_ms: statement.fetched_at_ms,
                        version: statement.version,
                        spider: statement.spider.clone(),
                    };
                    newest.insert(id.clone(), (rank, StoredItem { item: claim.item.clone(), source }));
                }
            }
        }
        newest.into_values().map(|(_, stored)| stored).collect()
    }
}
