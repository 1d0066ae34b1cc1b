//! Items from JSON lines, as [`crate::export`] writes them: how a store is moved, or two are made one.
//!
//! What a line does not say is not made up: each item is added to what its page has in the store, with its version, so that nothing newer is
//! overwritten and no page loses anything. Of two pages that had the same item only the one whose contents were shown is known.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use model::save::{ItemStatus, PageItems, SaveBatch};
use model::{CrawlName, CrawlUrl, Item, ItemId, PayloadJson, RunId, SpiderHash};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::export::milliseconds;
use crate::store::{Store, StoreError};

/// Lines of one batch.
const BATCH_LINES: usize = 1000;

/// Bytes of lines after which a batch is saved.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The run that imported items are of: no crawl's.
const RUN: RunId = RunId(0);

/// Items not stored, of which the reasons are told.
const TOLD: usize = 10;

/// Why an import is not complete. What came before is stored.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The store did not take a batch.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The input could not be read.
    #[error("cannot read {input}: {source}")]
    Read {
        /// What was read.
        input: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A line is no item.
    #[error("line {line} of {input} is no item: {why}")]
    Line {
        /// What was read.
        input: String,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Items stored, or not needed because something newer is there.
    pub items: u64,
    /// Items that the store rejects.
    pub rejected: u64,
    /// The first of these with their reasons.
    pub first: Vec<String>,
}

#[derive(Deserialize)]
struct Line<'a> {
    url: CrawlUrl,
    #[serde(rename = "type")]
    item_type: String,
    id: ItemId,
    #[serde(borrow)]
    payload: &'a RawValue,
    source: LineSource,
}

#[derive(Deserialize)]
struct LineSource {
    crawl: CrawlName,
    page: CrawlUrl,
    fetched_at: String,
    version: u64,
    spider: Option<SpiderHash>,
}

/// Stores all items of an input, in memory that does not grow with it. Empty lines are passed over. `input` names it in errors.
///
/// # Errors
/// [`ImportError`]; the same import again stores what is missing.
pub async fn import(store: &impl Store, input: &mut impl BufRead, name: &str) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let mut batches = Batches::default();
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let length = input.read_line(&mut text).map_err(|source| ImportError::Read { input: name.to_owned(), source })?;
        if length > 0 && !text.trim().is_empty() {
            batches.add(&text).map_err(|why| ImportError::Line { input: name.to_owned(), line, why })?;
        }
        if length == 0 || batches.lines >= BATCH_LINES || batches.bytes >= BATCH_BYTES {
            batches.save(store, &mut imported).await?;
        }
        if length == 0 {
            break;
        }
    }
    Ok(imported)
}

/// Items of one crawl that one spider read, by page and version.
struct Waiting {
    crawl: CrawlName,
    spider: Option<SpiderHash>,
    pages: BTreeMap<(CrawlUrl, u64), PageItems>,
}

/// Items waiting to be saved, by what a batch has in common.
#[derive(Default)]
struct Batches {
    waiting: BTreeMap<(CrawlName, Option<String>), Waiting>,
    lines: usize,
    bytes: usize,
}

impl Batches {
    fn add(&mut self, text: &str) -> Result<(), String> {
        let Line { url, item_type, id, payload, source } = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let payload = PayloadJson::parse(payload.get().to_owned()).map_err(|error| error.to_string())?;
        let fetched_at_ms = milliseconds(&source.fetched_at).ok_or_else(|| format!("{:?} is no time", source.fetched_at))?;
        let LineSource { crawl, page, version, spider, .. } = source;
        let key = (crawl.clone(), spider.as_ref().map(|spider| spider.as_str().to_owned()));
        let waiting = self.waiting.entry(key).or_insert_with(|| Waiting { crawl, spider, pages: BTreeMap::new() });
        let place = (page.clone(), version);
        let of_page =
            waiting.pages.entry(place).or_insert_with(|| PageItems { page, fetched_at_ms, version, items: Vec::new(), addition: true });
        of_page.items.push(Item { url, item_type, id, payload });
        self.lines += 1;
        self.bytes += text.len();
        Ok(())
    }

    async fn save(&mut self, store: &impl Store, imported: &mut Imported) -> Result<(), StoreError> {
        for Waiting { crawl, spider, pages } in std::mem::take(self).waiting.into_values() {
            let pages: Vec<PageItems> = pages.into_values().collect();
            let answer = store.save(SaveBatch { crawl, run: RUN, spider, pages: pages.clone() }).await?;
            let items = pages.iter().flat_map(|page| &page.items);
            for (item, answer) in items.zip(answer.pages.into_iter().flatten()) {
                match answer.status {
                    ItemStatus::Created | ItemStatus::Replaced | ItemStatus::Collided => imported.items += 1,
                    ItemStatus::Rejected | ItemStatus::Unknown => {
                        imported.rejected += 1;
                        if imported.first.len() < TOLD {
                            let reason = answer.reason.unwrap_or_default();
                            imported.first.push(format!("{} {}: {reason}", item.item_type, item.id));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
