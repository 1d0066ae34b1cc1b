//! Copying a crawl out of a database, and into one.

use std::sync::Arc;

use model::RunId;

use super::{DatabaseHome, SCOPE, ShardedFrontier, identity, noted};
use crate::frontier::postgres::Stand;
use crate::frontier::tables::storage::RECORD;
use crate::frontier::tables::{Table, Tables, read_record, read_scope};
use crate::frontier::{Checked, CrawlRecord, Frontier, FrontierError, Home, Original, Tended};
use crate::scope::Scope;

impl DatabaseHome {
    /// The crawl with all its shards. What engines have sent each other is entered first, as by the next start: only in a database there is
    /// such.
    pub(super) fn crawl_to_copy(&self) -> Result<Original, FrontierError> {
        let (stand, mut frontier) = self.open_whole()?;
        let whole = self.whole(stand.number);
        let scope = read_scope(&whole)?.unwrap_or_else(|| Scope::new([], vec![], vec![], None));
        while frontier.receive(&scope, &mut Tended::default())? {}
        Ok(Original {
            name: self.name(),
            record: CrawlRecord { ledger: frontier.ledger().clone(), output: None, ..frontier.record.clone() },
            scope: whole.get(Table::Crawl, SCOPE.as_bytes())?,
            parts: tables(&frontier),
        })
    }

    pub(super) fn copy_crawl(&self, original: &Original) -> Result<Checked, FrontierError> {
        let (stand, frontier) = self.open_empty()?;
        let copied = fill(frontier, original).and_then(|()| {
            self.shared.put(stand.number, rows_of_whole(original))?;
            original.sound(self.check(false)?)
        });
        if copied.is_err() {
            // What cannot be discarded now is by whoever opens the crawl next.
            let _ = self.shared.discard();
        }
        copied
    }

    /// A crawl that was not begun, with all its shards.
    fn open_empty(&self) -> Result<(Stand, ShardedFrontier), FrontierError> {
        if read_record(&self.whole(self.shared.stand()?.number))?.is_some() {
            return Err(FrontierError::Taken(self.name()));
        }
        let (stand, lines) = self.not_begun()?;
        let new = CrawlRecord::new(self.shared.crawl.clone(), RunId(0), None);
        let mut frontier = self.frontier(&stand, new)?;
        self.join(&mut frontier, &lines, lines.len())?;
        Ok((stand, frontier))
    }

    /// A copy that is cut off before its last step.
    #[cfg(test)]
    pub(in crate::frontier) fn fill_and_die(&self, original: &Original) {
        let (_, frontier) = self.open_empty().unwrap();
        fill(frontier, original).unwrap();
    }
}

/// Copies what shards have into shards that are empty.
fn fill(frontier: ShardedFrontier, original: &Original) -> Result<(), FrontierError> {
    let CrawlRecord { crawl, run, spider, versions, at_ms, .. } = original.record.clone();
    let new = CrawlRecord { versions, at_ms, ..CrawlRecord::new(crawl, run, spider) };
    let division = frontier.division;
    original.fill(tables(&frontier), &|host| usize::from(division.shard(host)), &new)
}

/// The rows of the crawl as a whole. Its record makes it a crawl, so they are put all at once, and last.
fn rows_of_whole(original: &Original) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Original { record, scope, .. } = original;
    let mut rows = vec![(RECORD.to_owned(), identity(record))];
    rows.extend(scope.clone().map(|scope| (SCOPE.to_owned(), scope)));
    rows.extend(noted(&record.sites, &record.permits));
    rows.into_iter().map(|(key, value)| (key.into_bytes(), value)).collect()
}

/// The tables of all shards, in the order of their numbers.
fn tables(frontier: &ShardedFrontier) -> Vec<Arc<dyn Tables>> {
    frontier.held.values().map(|held| Arc::clone(&held.tables) as Arc<dyn Tables>).collect()
}
