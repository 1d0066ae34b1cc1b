//! What a page's save does to the tables: the rules of [`crate::store`] in SQL.
//!
//! An identity's claims are its row in `items` (the *shown* claim: the page with the newest contents) and its rows in `rivals` (the
//! other pages, with the contents they would show); `items.rivals` counts the latter, so that the common case, no collision, costs one
//! lookup and one write. What is the same for all claims of a page (crawl, run, version, time, spider) is in its row of `pages`. A
//! claim's `since` is the number of the page write with which the page, in its present run, first made it: least of the run's is owner.

use std::collections::HashSet;

use model::Item;
use model::save::{ItemAnswer, ItemStatus, PageItems, SaveBatch};
use rusqlite::{OptionalExtension, params};

use super::failure::Failure;
use super::writer::Writer;
use crate::store::list::{answer_before, each_identity};

/// The page whose list is being stored.
struct Claimant<'a> {
    page: i64,
    url: &'a str,
    crawl: i64,
    run: i64,
    version: i64,
    /// The number of this write.
    write: i64,
    /// The number of the write that said last what the page has: this one, but for an addition.
    written: i64,
    /// Whether its former claims are of this run, so that they keep their place in the order.
    same_run: bool,
}

/// What `pages` says of a page.
struct KnownPage {
    page: i64,
    run: i64,
    version: i64,
    written: i64,
    fetched_at_ms: i64,
}

/// The row of an identity.
struct Shown {
    item: i64,
    page: i64,
    since: i64,
    rivals: i64,
    version: i64,
    written: i64,
}

impl Writer {
    /// Stores one page's list and takes away what it no longer has; or adds to it.
    pub(super) fn save_page(&mut self, crawl: i64, batch: &SaveBatch, page: &PageItems) -> Result<Vec<ItemAnswer>, Failure> {
        let (run, version) = (batch.run.0.cast_signed(), signed(page.version));
        let known = self.known_page(crawl, page.page.as_str())?;
        let mut answers: Vec<ItemAnswer> = page.items.iter().map(answer_before).collect();
        let each = each_identity(&page.items, &answers);
        if let Some(known) = known.as_ref().filter(|known| known.version > version) {
            for (first, _) in each {
                let collided = !page.addition && known.run == run && self.has_lost(crawl, known, &page.items[first])?;
                answers[first].status = if collided { ItemStatus::Collided } else { ItemStatus::Replaced };
            }
            return Ok(answers);
        }

        self.sequence += 1;
        let (url, write) = (page.page.as_str(), self.sequence);
        if let Some(known) = &known {
            self.touch_page(known.page, known.fetched_at_ms);
        }
        let claimant = match &known {
            Some(KnownPage { page: row, run, version, written, .. }) if page.addition => {
                Claimant { page: *row, url, crawl, run: *run, version: *version, write, written: *written, same_run: true }
            }
            _ => {
                let same_run = known.as_ref().is_some_and(|known| known.run == run);
                Claimant {
                    page: self.put_page(known.as_ref(), crawl, batch, page)?,
                    url,
                    crawl,
                    run,
                    version,
                    write,
                    written: write,
                    same_run,
                }
            }
        };
        let mut claimed = HashSet::with_capacity(each.len());
        for (first, last) in each {
            let (row, status) = self.claim(&claimant, &page.items[last])?;
            claimed.insert(row);
            answers[first].status = status;
        }
        if known.is_some() && !page.addition {
            self.release_others(claimant.page, &claimed)?;
        }
        Ok(answers)
    }

    fn known_page(&self, crawl: i64, url: &str) -> Result<Option<KnownPage>, Failure> {
        let mut select =
            self.connection.prepare_cached("SELECT id, run, version, written, fetched_at_ms FROM pages WHERE crawl = ? AND url = ?")?;
        let row = select.query_row(params![crawl, url], |row| {
            Ok(KnownPage { page: row.get(0)?, run: row.get(1)?, version: row.get(2)?, written: row.get(3)?, fetched_at_ms: row.get(4)? })
        });
        Ok(row.optional()?)
    }

    fn put_page(&self, known: Option<&KnownPage>, crawl: i64, batch: &SaveBatch, page: &PageItems) -> Result<i64, Failure> {
        let spider = batch.spider.as_ref().map(|spider| spider.as_str());
        let (run, version, fetched) = (batch.run.0.cast_signed(), signed(page.version), signed(page.fetched_at_ms));
        // Two plain statements: one that does either, or returns the row, costs twice as much.
        match known {
            Some(KnownPage { page, .. }) => {
                let sql = "UPDATE pages SET run = ?2, version = ?3, written = ?4, fetched_at_ms = ?5, spider = ?6 WHERE id = ?1";
                self.connection.prepare_cached(sql)?.execute(params![page, run, version, self.sequence, fetched, spider])?;
                Ok(*page)
            }
            None => {
                let sql = "INSERT INTO pages (crawl, url, run, version, written, fetched_at_ms, spider) VALUES (?, ?, ?, ?, ?, ?, ?)";
                let mut insert = self.connection.prepare_cached(sql)?;
                Ok(insert.insert(params![crawl, page.page.as_str(), run, version, self.sequence, fetched, spider])?)
            }
        }
    }

    /// Enters a page's claim to an identity: the identity's row, and what to answer.
    fn claim(&mut self, claimant: &Claimant<'_>, item: &Item) -> Result<(i64, ItemStatus), Failure> {
        let item_type = self.type_id(&item.item_type)?;
        self.touch_item(item_type, item.id.as_str(), claimant.page)?;
        let url = Some(item.url.as_str()).filter(|url| *url != claimant.url);
        let payload = item.payload.as_str();
        let Some(shown) = self.shown(item_type, item)? else {
            let sql = "INSERT INTO items (type, id, page, since, url, payload) VALUES (?, ?, ?, ?, ?, ?)";
            let mut insert = self.connection.prepare_cached(sql)?;
            let row = insert.insert(params![item_type, item.id.as_str(), claimant.page, claimant.write, url, payload])?;
            *self.counts.entry(item_type).or_default() += 1;
            return Ok((row, ItemStatus::Created));
        };
        let held = if shown.page == claimant.page { Some(shown.since) } else { self.rival_since(&shown, claimant.page)? };
        let since = held.filter(|_| claimant.same_run).unwrap_or(claimant.write);
        if shown.page == claimant.page {
            let mut update = self.connection.prepare_cached("UPDATE items SET since = ?2, url = ?3, payload = ?4 WHERE item = ?1")?;
            update.execute(params![shown.item, since, url, payload])?;
        } else if (claimant.version, claimant.written) >= (shown.version, shown.written) {
            self.connection
                .prepare_cached("INSERT INTO rivals SELECT item, page, since, url, payload FROM items WHERE item = ?")?
                .execute([shown.item])?;
            self.connection
                .prepare_cached("UPDATE items SET rivals = rivals + 1, page = ?2, since = ?3, url = ?4, payload = ?5 WHERE item = ?1")?
                .execute(params![shown.item, claimant.page, since, url, payload])?;
            if held.is_some() {
                self.drop_rival(shown.item, claimant.page)?;
            }
        } else {
            let sql = "INSERT OR REPLACE INTO rivals (item, page, since, url, payload) VALUES (?, ?, ?, ?, ?)";
            self.connection.prepare_cached(sql)?.execute(params![shown.item, claimant.page, since, url, payload])?;
            if held.is_none() {
                self.connection.prepare_cached("UPDATE items SET rivals = rivals + 1 WHERE item = ?")?.execute([shown.item])?;
            }
        }
        let alone = shown.page == claimant.page && shown.rivals == 0;
        let collided = !alone && self.has_earlier_claim(shown.item, claimant.page, claimant.crawl, claimant.run, since)?;
        Ok((shown.item, if collided { ItemStatus::Collided } else { ItemStatus::Replaced }))
    }

    fn shown(&self, item_type: i64, item: &Item) -> Result<Option<Shown>, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT items.item, items.page, items.since, items.rivals, pages.version, pages.written
             FROM items CROSS JOIN pages ON pages.id = items.page WHERE items.type = ? AND items.id = ?",
        )?;
        let shown = select.query_row(params![item_type, item.id.as_str()], |row| {
            Ok(Shown {
                item: row.get(0)?,
                page: row.get(1)?,
                since: row.get(2)?,
                rivals: row.get(3)?,
                version: row.get(4)?,
                written: row.get(5)?,
            })
        });
        Ok(shown.optional()?)
    }

    fn rival_since(&self, shown: &Shown, page: i64) -> Result<Option<i64>, Failure> {
        if shown.rivals == 0 {
            return Ok(None);
        }
        let mut select = self.connection.prepare_cached("SELECT since FROM rivals WHERE item = ? AND page = ?")?;
        Ok(select.query_row([shown.item, page], |row| row.get(0)).optional()?)
    }

    /// Whether another page of the run claimed an identity before `since`.
    fn has_earlier_claim(&self, item: i64, page: i64, crawl: i64, run: i64, since: i64) -> Result<bool, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM (SELECT page, since FROM items WHERE item = ?1 UNION ALL SELECT page, since FROM rivals WHERE item = ?1)
                     AS claims CROSS JOIN pages ON pages.id = claims.page
                 WHERE claims.page <> ?2 AND pages.crawl = ?3 AND pages.run = ?4 AND claims.since < ?5)",
        )?;
        Ok(select.query_row([item, page, crawl, run, since], |row| row.get(0))?)
    }

    /// Whether a page claims an identity that another page of its run owns.
    fn has_lost(&mut self, crawl: i64, page: &KnownPage, item: &Item) -> Result<bool, Failure> {
        let item_type = self.type_id(&item.item_type)?;
        let Some(shown) = self.shown(item_type, item)? else { return Ok(false) };
        let since = if shown.page == page.page { Some(shown.since) } else { self.rival_since(&shown, page.page)? };
        match since {
            Some(since) => self.has_earlier_claim(shown.item, page.page, crawl, page.run, since),
            None => Ok(false),
        }
    }

    /// Gives up all claims of a page but those to the given identities.
    fn release_others(&mut self, page: i64, claimed: &HashSet<i64>) -> Result<(), Failure> {
        for (item, item_type, rivals) in self.rows("SELECT item, type, rivals FROM items WHERE page = ?", page)? {
            if claimed.contains(&item) {
                continue;
            }
            self.touch_row(item, page)?;
            if rivals > 0 {
                self.show_newest_rival(item)?;
            } else {
                self.connection.prepare_cached("DELETE FROM items WHERE item = ?")?.execute([item])?;
                *self.counts.entry(item_type).or_default() -= 1;
            }
        }
        for (item, _, _) in self.rows("SELECT item, 0, 0 FROM rivals WHERE page = ?", page)? {
            if !claimed.contains(&item) {
                self.touch_row(item, page)?;
                self.drop_rival(item, page)?;
            }
        }
        Ok(())
    }

    fn show_newest_rival(&self, item: i64) -> Result<(), Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT rivals.page FROM rivals JOIN pages ON pages.id = rivals.page WHERE rivals.item = ?
             ORDER BY pages.version DESC, pages.written DESC LIMIT 1",
        )?;
        let page: i64 = select.query_row([item], |row| row.get(0))?;
        self.connection
            .prepare_cached(
                "UPDATE items SET page = rivals.page, since = rivals.since, url = rivals.url, payload = rivals.payload
                 FROM rivals WHERE items.item = ?1 AND rivals.item = ?1 AND rivals.page = ?2",
            )?
            .execute([item, page])?;
        self.drop_rival(item, page)
    }

    fn drop_rival(&self, item: i64, page: i64) -> Result<(), Failure> {
        self.connection.prepare_cached("DELETE FROM rivals WHERE item = ? AND page = ?")?.execute([item, page])?;
        self.connection.prepare_cached("UPDATE items SET rivals = rivals - 1 WHERE item = ?")?.execute([item])?;
        Ok(())
    }

    fn rows(&self, sql: &str, page: i64) -> Result<Vec<(i64, i64, i64)>, Failure> {
        let mut select = self.connection.prepare_cached(sql)?;
        let rows = select.query_map([page], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// SQLite's integers have a sign. Times and versions reach its limit in 292 million years; beyond it they are equal.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
