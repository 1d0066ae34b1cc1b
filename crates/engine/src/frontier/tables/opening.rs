//! Opening a frontier that is kept in tables: to crawl, or to look at it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use model::DedupKey;
use tokio::time::Instant;

use super::known::{KnownKeys, Room};
use super::origins::Origins;
use super::record::{self, CrawlRecord};
use super::storage::{RECORD, SCOPE, TableStorage};
use super::{Durability, Place, Table, Tables, damaged};
use crate::frontier::alike::Alike;
use crate::frontier::sharded::Territory;
use crate::frontier::{Frontier, FrontierError, StoredFrontier};
use crate::ledger::Ledger;
use crate::scope::Scope;

/// A frontier kept in tables.
pub type TableFrontier = StoredFrontier<TableStorage>;

/// What becomes of what is there when a frontier is opened.
pub struct Opening<'o> {
    /// The record of the crawl if it begins here.
    pub new: CrawlRecord,
    /// Asked for the parsers of what is queued when the spider has changed.
    pub is_parser: &'o dyn Fn(&str) -> bool,
    /// Requests that were being parsed when a process ended, each with the epoch of that process.
    pub parsing: Vec<(DedupKey, u64)>,
    /// Whether to queue again what is done.
    pub rescan: bool,
}

/// What a place holds.
pub enum Opened {
    /// A frontier that goes on, or begins, with its record as it is now.
    Ready(Box<TableFrontier>, CrawlRecord),
    /// A crawl that is complete, as its record says; nothing was changed.
    Complete(CrawlRecord),
}

/// A frontier that is looked at.
pub struct Inspected<F = TableFrontier> {
    /// The frontier.
    pub frontier: F,
    /// Identity and counters.
    pub record: CrawlRecord,
    /// The scope of the last start, with the sites that have joined since; none if it ended before it had one.
    pub scope: Option<Scope>,
}

impl TableFrontier {
    /// Opens the frontier of a crawl, or makes one where there is none. A frontier that goes on does so as the next epoch of its run.
    ///
    /// # Errors
    /// When the place cannot be used, is damaged, or is in a format of another version or of another crawl; when the changed spider
    /// lacks parsers.
    pub fn open(place: &dyn Place, opening: Opening<'_>) -> Result<Opened, FrontierError> {
        let Opening { new, is_parser, parsing, rescan } = opening;
        let tables = place.open()?;
        let mut lost = Vec::new();
        let mut record = match read_record(&*tables)? {
            None => new,
            Some(old) if old.crawl != new.crawl => return Err(FrontierError::OtherCrawl { found: old.crawl, wanted: new.crawl }),
            Some(old) if old.complete => return Ok(Opened::Complete(old)),
            Some(old) => {
                if old.spider != new.spider {
                    let mut unknown = BTreeMap::new();
                    check_parsers(&*tables, is_parser, &mut unknown)?;
                    if !unknown.is_empty() {
                        return Err(FrontierError::UnknownParsers(unknown));
                    }
                }
                lost.extend(parsing.into_iter().filter(|(_, epoch)| *epoch == old.epoch).map(|(key, _)| key));
                CrawlRecord { epoch: old.epoch + 1, spider: new.spider, rescanning: old.rescanning || rescan, ..old }
            }
        };
        let known = KnownKeys::load(&*tables, Room::of_crawl())?;
        let alike = Alike::new(read_alike(&*tables)?);
        let mut frontier = StoredFrontier::new(TableStorage::new(tables, record.clone(), known)?, record.ledger.clone(), alike);
        let now_ms = frontier.storage().clock.millis_by(Instant::now());
        frontier.blame(&lost, now_ms)?;
        // The new epoch is durable before anybody hears of it, in one group with the losses that the last one ended with.
        frontier.apply_synced()?;
        if record.rescanning {
            frontier.rescan()?;
            frontier.storage_mut().record.rescanning = false;
            frontier.apply_synced()?;
        }
        record.clone_from(&frontier.storage().record);
        Ok(Opened::Ready(Box::new(frontier), record))
    }

    /// Opens the frontier of a place, to look at it or to requeue: its epoch stays, and nothing is in flight.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn inspect(place: &dyn Place) -> Result<Inspected, FrontierError> {
        let missing = || FrontierError::Missing(place.name());
        if !place.is_begun()? {
            return Err(missing());
        }
        let tables = place.open()?;
        let record = read_record(&*tables)?.ok_or_else(missing)?;
        let scope = read_scope(&*tables)?.map(|mut scope: Scope| {
            record.sites.iter().for_each(|site| _ = scope.add_site(site.clone()));
            scope
        });
        let alike = Alike::new(read_alike(&*tables)?);
        let storage = TableStorage::new(tables, record.clone(), KnownKeys::in_store())?;
        Ok(Inspected { frontier: StoredFrontier::new(storage, record.ledger.clone(), alike), record, scope })
    }

    /// The record of a place, if there is one that can be read.
    pub fn peek(place: &dyn Place) -> Option<CrawlRecord> {
        if !place.is_begun().ok()? {
            return None;
        }
        read_record(&*place.open().ok()?).ok()?
    }

    /// Applies the open group and waits until it is on the disk.
    fn apply_synced(&mut self) -> Result<(), FrontierError> {
        let ledger = Frontier::ledger(self).clone();
        let storage = self.storage_mut();
        storage.record.ledger = ledger;
        storage.write(Durability::Synced)
    }
}

/// A part of a crawl, to be opened.
pub(in crate::frontier) struct Part {
    /// Its tables.
    pub(in crate::frontier) tables: Arc<dyn Tables>,
    /// The hosts whose URLs it keeps.
    pub(in crate::frontier) territory: Territory,
    /// Its record if it begins here.
    pub(in crate::frontier) new: CrawlRecord,
    /// Whether nothing was ever written to it: then nothing is read.
    pub(in crate::frontier) is_empty: bool,
    /// Where its known URLs are kept in memory; none: the store is asked for each.
    pub(in crate::frontier) room: Option<Room>,
}

impl Part {
    /// The part's frontier. Nothing is written.
    pub(in crate::frontier) fn open(self) -> Result<TableFrontier, FrontierError> {
        let Part { tables, territory, new, is_empty, room } = self;
        if is_empty {
            let known = room.map_or_else(KnownKeys::in_store, KnownKeys::none);
            let storage = TableStorage::with(tables, new, known, Origins::default(), Some(territory));
            return Ok(StoredFrontier::new(storage, Ledger::default(), Alike::default()));
        }
        let record = read_record(&*tables)?.unwrap_or(new);
        let known = room.map_or_else(|| Ok(KnownKeys::in_store()), |room| KnownKeys::load(&*tables, room))?;
        let (origins, alike, ledger) = (Origins::read(&*tables)?, Alike::new(read_alike(&*tables)?), record.ledger.clone());
        Ok(StoredFrontier::new(TableStorage::with(tables, record, known, origins, Some(territory)), ledger, alike))
    }
}

/// The crawl's record, if one was written.
pub(in crate::frontier) fn read_record(tables: &dyn Tables) -> Result<Option<CrawlRecord>, FrontierError> {
    tables.get(Table::Crawl, RECORD.as_bytes())?.map(|bytes| CrawlRecord::decode(&bytes)).transpose()
}

/// The scope of the last start, if it got so far.
pub(in crate::frontier) fn read_scope(tables: &dyn Tables) -> Result<Option<Scope>, FrontierError> {
    let bytes = tables.get(Table::Crawl, SCOPE.as_bytes())?;
    bytes.map(|bytes| serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))).transpose()
}

/// What was counted against traps.
pub(super) fn read_alike(tables: &dyn Tables) -> Result<Vec<(u64, u32)>, FrontierError> {
    let mut counts = Vec::new();
    tables.each(Table::Alike, &mut |mark, count| {
        let damaged = |_| damaged("a count has the wrong length");
        counts.push((u64::from_be_bytes(mark.try_into().map_err(damaged)?), u32::from_be_bytes(count.try_into().map_err(damaged)?)));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(counts)
}

pub(in crate::frontier) fn check_parsers(
    tables: &dyn Tables,
    is_parser: &dyn Fn(&str) -> bool,
    unknown: &mut BTreeMap<String, u64>,
) -> Result<(), FrontierError> {
    for table in [Table::Due, Table::Later] {
        tables.each(table, &mut |_, value| {
            let request = record::decode_request(value)?;
            if !is_parser(&request.parser.name) {
                *unknown.entry(request.parser.name.clone()).or_default() += 1;
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(())
}
