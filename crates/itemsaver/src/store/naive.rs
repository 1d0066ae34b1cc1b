//! The rules of [`super`] in their plainest form, in memory: what the stores are compared with.

use std::collections::BTreeMap;

use model::item::Source;
use model::save::{ItemAnswer, ItemStatus, PageItems, SaveAnswer, SaveBatch};
use model::{CrawlName, CrawlUrl, Item, RunId, SpiderHash};

use super::StoredItem;
use super::check::check;

/// What each page says at present; all else follows from it.
#[derive(Debug, Default)]
pub(super) struct NaiveStore {
    pages: BTreeMap<(CrawlName, CrawlUrl), Statement>,
    sequence: u64,
}

#[derive(Debug)]
struct Statement {
    run: RunId,
    version: u64,
    written: u64,
    fetched_at_ms: u64,
    spider: Option<SpiderHash>,
    claims: BTreeMap<Identity, Claim>,
}

#[derive(Debug)]
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
        SaveAnswer { pages: batch.pages.iter().map(|page| self.save_page(batch, page)).collect() }
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
