//! The index of words and numbers, brought up to date after the items: no save waits for it, and a crash costs nothing, since what is still
//! to be indexed is noted with each item that changes.

use rusqlite::params;

use super::failure::Failure;
use super::writer::Writer;
use crate::search::entries::entries;

/// Items indexed in one transaction: a few milliseconds, which a save may have to wait.
const CHUNK_ITEMS: usize = 64;

/// Payload bytes after which a chunk ends early.
const CHUNK_BYTES: usize = 1024 * 1024;

/// An item to be indexed; `None` beside its row when it is gone.
type Changed = (i64, Option<Content>);

struct Content {
    item_type: String,
    id: String,
    url: String,
    crawl: String,
    payload: String,
}

impl Writer {
    /// Indexes some of what has changed; whether there was anything.
    pub(super) fn index_some(&mut self) -> Result<bool, Failure> {
        let mut any = self.connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM unindexed)")?;
        if !any.query_row([], |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
        drop(any);
        // Not synced: what a power failure undoes is still noted as changed.
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        let done = self.transaction(|writer| {
            // Read under the lock: another process may change the same items.
            let changed = writer.changed_items()?;
            changed.iter().try_for_each(|(item, content)| writer.index(*item, content.as_ref()))
        });
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        done.map(|()| true)
    }

    fn changed_items(&self) -> Result<Vec<Changed>, Failure> {
        let mut select = self.connection.prepare_cached(
            "SELECT unindexed.item, types.name, items.id, coalesce(items.url, pages.url), crawls.name, items.payload
             FROM unindexed LEFT JOIN items ON items.item = unindexed.item LEFT JOIN types ON types.id = items.type
             LEFT JOIN pages ON pages.id = items.page LEFT JOIN crawls ON crawls.id = pages.crawl
             ORDER BY unindexed.item",
        )?;
        let mut rows = select.query([])?;
        let (mut changed, mut bytes) = (Vec::new(), 0);
        while changed.len() < CHUNK_ITEMS
            && bytes < CHUNK_BYTES
            && let Some(row) = rows.next()?
        {
            let content = match row.get::<_, Option<String>>(1)? {
                None => None,
                Some(item_type) => {
                    let payload: String = row.get(5)?;
                    bytes += payload.len();
                    Some(Content { item_type, id: row.get(2)?, url: row.get(3)?, crawl: row.get(4)?, payload })
                }
            };
            changed.push((row.get(0)?, content));
        }
        Ok(changed)
    }

    fn index(&mut self, item: i64, content: Option<&Content>) -> Result<(), Failure> {
        let statement = |sql: &str| self.connection.prepare_cached(sql);
        statement("DELETE FROM search WHERE rowid = ?")?.execute([item])?;
        statement("DELETE FROM numbers WHERE item = ?")?.execute([item])?;
        if let Some(Content { item_type, id, url, crawl, payload }) = content {
            let entries = entries(item_type, id, url, crawl, payload);
            let mut insert = statement("INSERT INTO search (rowid, words, fielded) VALUES (?, ?, ?)")?;
            insert.execute(params![item, entries.words, entries.fielded])?;
            let mut insert = statement("INSERT OR IGNORE INTO numbers (item, field, value) VALUES (?, ?, ?)")?;
            for (field, value) in &entries.numbers {
                insert.execute(params![item, field.number(), value])?;
            }
        }
        statement("DELETE FROM unindexed WHERE item = ?")?.execute([item])?;
        Ok(())
    }
}
