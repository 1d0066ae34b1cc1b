//! The history of items: what a transaction has changed is recorded in it.
//!
//! What is about to change is noted before it does, as it was when the transaction began; at its end it is compared with what is there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use model::history::Change;
use model::{CrawlName, CrawlUrl};
use rusqlite::{Connection, OptionalExtension, params};

use super::failure::Failure;
use super::writer::Writer;
use crate::store::history::{Bringer, Said, back, changed, gone, kept};

/// What the open transaction found before it changed anything: as much as its batches name, and what those pages had.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// By type and id: the claims to an item, the shown one first; none when it was not there.
    items: BTreeMap<(i64, String), Vec<Claim>>,
    /// When pages were fetched that are being written.
    pages: BTreeMap<i64, i64>,
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

    /// Notes what an item is before it is changed.
    pub(super) fn touch_item(&mut self, item_type: i64, id: &str) -> Result<(), Failure> {
        let Some(touched) = &mut self.touched else { return Ok(()) };
        if let Entry::Vacant(place) = touched.items.entry((item_type, id.to_owned())) {
            let mut claims = claims(&self.connection, item_type, id)?;
            for claim in &mut claims {
                claim.fetched_at_ms = *touched.pages.get(&claim.page).unwrap_or(&claim.fetched_at_ms);
            }
            place.insert(claims);
        }
        Ok(())
    }

    /// The same for an item by its row.
    pub(super) fn touch_row(&mut self, item: i64) -> Result<(), Failure> {
        if self.touched.is_none() {
            return Ok(());
        }
        let mut select = self.connection.prepare_cached("SELECT type, id FROM items WHERE item = ?")?;
        let (item_type, id): (i64, String) = select.query_row([item], |row| Ok((row.get(0)?, row.get(1)?)))?;
        drop(select);
        self.touch_item(item_type, &id)
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

    fn change(&self, item_type: i64, id: &str, before: &[Claim]) -> Result<Option<Change>, Failure> {
        let mut select = self.connection.prepare_cached("SELECT page, payload FROM items WHERE type = ? AND id = ?")?;
        let now: Option<(i64, String)> = select.query_row(params![item_type, id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(match (before.first(), now) {
            (None, None) => None,
            (None, Some((page, payload))) => {
                let last = last(&self.connection, item_type, id)?;
                back(last.as_ref(), &payload, self.page(page)?.bringer())
            }
            (Some(shown), None) => Some(gone(shown.said(), self.page(shown.page)?.bringer())),
            (Some(shown), Some((_, payload))) if shown.payload == payload => None,
            (Some(shown), Some((page, payload))) => {
                let own = before.iter().find(|claim| claim.page == page).map(Claim::said);
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

/// All claims to an item, the shown one first.
fn claims(connection: &Connection, item_type: i64, id: &str) -> Result<Vec<Claim>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT items.item, items.rivals, pages.id, pages.fetched_at_ms, items.payload
         FROM items CROSS JOIN pages ON pages.id = items.page WHERE items.type = ? AND items.id = ?",
    )?;
    let shown = select.query_row(params![item_type, id], |row| {
        let claim = Claim { page: row.get(2)?, fetched_at_ms: row.get(3)?, payload: row.get(4)? };
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, claim))
    });
    let Some((item, rivals, shown)) = shown.optional()? else { return Ok(Vec::new()) };
    let mut claims = vec![shown];
    if rivals > 0 {
        let mut select = connection.prepare_cached(
            "SELECT pages.id, pages.fetched_at_ms, rivals.payload FROM rivals CROSS JOIN pages ON pages.id = rivals.page
             WHERE rivals.item = ?",
        )?;
        let rows = select.query_map([item], |row| Ok(Claim { page: row.get(0)?, fetched_at_ms: row.get(1)?, payload: row.get(2)? }))?;
        for claim in rows {
            claims.push(claim?);
        }
    }
    Ok(claims)
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
