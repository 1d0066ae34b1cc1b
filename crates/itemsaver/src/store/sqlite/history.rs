//! The history of items: what a transaction has changed is recorded in it.
//!
//! What is about to change is noted before it does, as it was when the transaction began; at its end it is compared with what is there.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use model::history::Change;
use model::{CrawlName, CrawlUrl};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failure::Failure;
use super::writer::Writer;
use crate::store::history::{Bringer, Said, back, changed, gone, kept};

/// What the open transaction found before it changed anything: as much as its batches name, and what those pages had.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// By type and id.
    items: BTreeMap<(i64, String), Before>,
    /// When pages were fetched that are being written.
    pages: BTreeMap<i64, i64>,
}

/// An item before. Of its claims only those that count are read: an item of every page of a site has as many as that has pages.
#[derive(Debug)]
struct Before {
    /// The one shown first, if it was there; then those of the pages that are being written.
    claims: Vec<Claim>,
    /// The pages that touched it.
    by: BTreeSet<i64>,
}

/// What a page said of an item.
#[derive(Debug)]
struct Claim {
    page: i64,
    fetched_at_ms: i64,
    payload: String,
}

/// The page that brings a change, as it is in the database now.
struct Page {
    crawl: CrawlName,
    url: CrawlUrl,
    version: u64,
    fetched_at_ms: u64,
}

impl Writer {
    /// Notes when a page was fetched before it is written.
    pub(super) fn touch_page(&mut self, page: i64, fetched_at_ms: i64) {
        if let Some(touched) = &mut self.touched {
            touched.pages.entry(page).or_insert(fetched_at_ms);
        }
    }

    /// Notes what an item is, and what this page says of it, before the page changes it.
    pub(super) fn touch_item(&mut self, item_type: i64, id: &str, page: i64) -> Result<(), Failure> {
        let Some(touched) = &mut self.touched else { return Ok(()) };
        let before = match touched.items.entry((item_type, id.to_owned())) {
            Entry::Occupied(before) => before.into_mut(),
            Entry::Vacant(place) => place.insert(Before { claims: shown(&self.connection, item_type, id)?, by: BTreeSet::new() }),
        };
        let first = before.claims.len();
        if before.by.insert(page) && !before.claims.is_empty() && !before.claims.iter().any(|claim| claim.page == page) {
            before.claims.extend(claim_of(&self.connection, item_type, id, page)?);
        }
        // The shown one is new with the first touch.
        let new = if before.by.len() == 1 { 0 } else { first };
        for claim in &mut before.claims[new..] {
            claim.fetched_at_ms = *touched.pages.get(&claim.page).unwrap_or(&claim.fetched_at_ms);
        }
        Ok(())
    }

    /// The same for an item by its row.
    pub(super) fn touch_row(&mut self, item: i64, page: i64) -> Result<(), Failure> {
        if self.touched.is_none() {
            return Ok(());
        }
        let mut select = self.connection.prepare_cached("SELECT type, id FROM items WHERE item = ?")?;
        let (item_type, id): (i64, String) = select.query_row([item], |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop(select);
        self.touch_item(item_type, &id, page)
    }

    /// Records what has changed in all items that were touched.
    pub(super) fn record_changes(&mut self) -> Result<(), Failure> {
        let Some(touched) = &mut self.touched else { return Ok(()) };
        for ((item_type, id), before) in std::mem::take(touched).items {
            if let Some(change) = self.change(item_type, &id, &before)? {
                append(&self.connection, item_type, &id, change)?;
            }
        }
        Ok(())
    }

    fn change(&self, item_type: i64, id: &str, before: &Before) -> Result<Option<Change>, Failure> {
        let mut select = self.connection.prepare_cached("SELECT page, payload FROM items WHERE type = ? AND id = ?")?;
        let now: Option<(i64, String)> = select.query_row(params![item_type, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match (before.claims.first(), now) {
            (None, None) => None,
            (None, Some((page, payload))) => {
                let last = last(&self.connection, item_type, id)?;
                back(last.as_ref(), &payload, self.page(page)?.bringer())
            }
            (Some(shown), None) => Some(gone(shown.said(), self.page(shown.page)?.bringer())),
            (Some(shown), Some((_, payload))) if shown.payload == payload => None,
            (Some(shown), Some((page, payload))) => {
                let own = before.claims.iter().find(|claim| claim.page == page).map(Claim::said);
                if own.is_none() && !before.by.contains(&page) {
                    // It takes the place of one that is gone, and says what it said.
                    return Ok(None);
                }
                changed(shown.said(), own, &payload, self.page(page)?.bringer())
            }
        })
    }

    fn page(&self, page: i64) -> Result<Page, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT crawls.name, pages.url, pages.version, pages.fetched_at_ms FROM pages JOIN crawls ON crawls.id = pages.crawl
             WHERE pages.id = ?",
        )?;
        let (crawl, url, version, fetched): (String, String, i64, i64) =
            select.query_row([page], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let damaged = |what: &str| Failure::Refused(format!("it is damaged: page {url} has {what}"));
        Ok(Page {
            crawl: CrawlName::new(crawl).map_err(|_| damaged("no crawl"))?,
            url: CrawlUrl::try_from(url.clone()).map_err(|_| damaged("no URL"))?,
            version: version.cast_unsigned(),
            fetched_at_ms: fetched.cast_unsigned(),
        })
    }
}

impl Claim {
    fn said(&self) -> Said<'_> {
        Said { payload: &self.payload, fetched_at_ms: self.fetched_at_ms.cast_unsigned() }
    }
}

impl Page {
    fn bringer(&self) -> Bringer<'_> {
        let Page { crawl, url, version, fetched_at_ms } = self;
        Bringer { crawl, page: url, version: *version, fetched_at_ms: *fetched_at_ms }
    }
}

/// The claim to an item that is shown, if it is there.
fn shown(connection: &Connection, item_type: i64, id: &str) -> Result<Vec<Claim>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT pages.id, pages.fetched_at_ms, items.payload
         FROM items CROSS JOIN pages ON pages.id = items.page WHERE items.type = ? AND items.id = ?",
    )?;
    let rows = select.query_map(params![item_type, id], claim_of_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A page's claim to an item that another one shows, or showed until a moment ago.
fn claim_of(connection: &Connection, item_type: i64, id: &str, page: i64) -> Result<Option<Claim>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT pages.id, pages.fetched_at_ms, coalesce(rivals.payload, items.payload)
         FROM items CROSS JOIN pages ON pages.id = ?3 LEFT JOIN rivals ON rivals.item = items.item AND rivals.page = ?3
         WHERE items.type = ?1 AND items.id = ?2 AND (items.page = ?3 OR rivals.page IS NOT NULL)",
    )?;
    Ok(select.query_row(params![item_type, id, page], claim_of_row).optional()?)
}

fn claim_of_row(row: &Row<'_>) -> Result<Claim, rusqlite::Error> {
    Ok(Claim { page: row.get(0)?, fetched_at_ms: row.get(1)?, payload: row.get(2)? })
}

/// Adds a change to an item's history, and drops what is more than is kept.
fn append(connection: &Connection, item_type: i64, id: &str, mut change: Change) -> Result<(), Failure> {
    change.number = last_number(connection, item_type, id)? + 1;
    let text = serde_json::to_string(&change).map_err(|error| Failure::Refused(format!("a change cannot be written: {error}")))?;
    let number = change.number.cast_signed();
    let mut insert = connection.prepare_cached("INSERT INTO history (type, id, number, change) VALUES (?, ?, ?, ?)")?;
    insert.execute(params![item_type, id, number, text])?;
    let mut select =
        connection.prepare_cached("SELECT octet_length(change) FROM history WHERE type = ? AND id = ? ORDER BY number DESC")?;
    let rows = select.query_map(params![item_type, id], |row| row.get::<_, i64>(0))?;
    let lengths = rows.map(|length| Ok(usize::try_from(length?).unwrap_or(usize::MAX))).collect::<Result<Vec<_>, rusqlite::Error>>()?;
    // Numbers have no gap: what is dropped is always the oldest.
    let oldest = number - i64::try_from(kept(lengths)).unwrap_or(i64::MAX) + 1;
    connection.prepare_cached("DELETE FROM history WHERE type = ? AND id = ? AND number < ?")?.execute(params![item_type, id, oldest])?;
    Ok(())
}

fn last_number(connection: &Connection, item_type: i64, id: &str) -> Result<u64, Failure> {
    let mut select = connection.prepare_cached("SELECT coalesce(max(number), 0) FROM history WHERE type = ? AND id = ?")?;
    Ok(select.query_row(params![item_type, id], |row| row.get::<_, i64>(0))?.cast_unsigned())
}

fn last(connection: &Connection, item_type: i64, id: &str) -> Result<Option<Change>, Failure> {
    let sql = "SELECT change FROM history WHERE type = ? AND id = ? ORDER BY number DESC LIMIT 1";
    let mut select = connection.prepare_cached(sql)?;
    let text: Option<String> = select.query_row(params![item_type, id], |row| row.get(0)).optional()?;
    text.map(|text| read(&text)).transpose()
}

/// What has changed in an item, the oldest first.
pub(super) fn history(connection: &Connection, item_type: &str, id: &str) -> Result<Vec<Change>, Failure> {
    let mut select = connection
        .prepare_cached("SELECT change FROM history WHERE type = (SELECT id FROM types WHERE name = ?) AND id = ? ORDER BY number")?;
    let rows = select.query_map(params![item_type, id], |row| row.get::<_, String>(0))?;
    rows.map(|text| read(&text?)).collect()
}

fn read(text: &str) -> Result<Change, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Refused(format!("it is damaged: a change of an item cannot be read: {error}")))
}
