//! Where the frontier of a whole crawl is: in the state directory, or in a database that engines share.

use std::sync::Arc;

use super::tables::storage::SCOPE;
use super::tables::{self, Batch, Checked, Durability, Inspected, Opened, Opening, Original, Place, Table, read_record};
use super::{CrawlRecord, DiskPlace, Frontier, FrontierError, Peer, TableFrontier, Tenure};
use crate::ledger::Ledger;

/// See the module. Whoever has one may use it: on disk the state directory's lock is held, in a database the lease under which it is opened.
pub trait Home {
    /// Opens the frontier, or makes one where there is none.
    ///
    /// # Errors
    /// When it cannot be used, is damaged, or is in a format of another version or of another crawl; when the changed spider lacks parsers; when
    /// other engines are at it with another spider, or it is to be rescanned.
    fn open(&self, opening: Opening<'_>) -> Result<Entrance, FrontierError>;

    /// Opens the frontier to look at it, or to requeue: its epoch stays, and nothing is in flight.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    fn inspect(&self) -> Result<Inspected<Box<dyn Frontier>>, FrontierError>;

    /// The right to open what is here. Whoever leaves it is not kept waiting by a store that does not answer.
    fn tenure(&self) -> Tenure;

    /// The record, if there is one that can be read.
    fn peek(&self) -> Option<CrawlRecord>;

    /// Discards what is here. Cut off at any moment, it leaves the whole of it or nothing.
    ///
    /// # Errors
    /// When it could not, or other engines are at it.
    fn discard(&self) -> Result<(), FrontierError>;

    /// Checks the frontier; with `repair` it also mends what can be derived. A repair that is cut short can be begun again.
    ///
    /// # Errors
    /// When there is none, its store cannot be read or, for a repair, written, or other engines are at it.
    fn check(&self, repair: bool) -> Result<Checked, FrontierError>;

    /// The crawl, to be copied.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or engines are at it.
    fn original(&self) -> Result<Original, FrontierError>;

    /// Makes a copy of a crawl here, and checks it. Cut off at any moment, or refused, it leaves the whole of it or nothing.
    ///
    /// # Errors
    /// [`FrontierError::Taken`] where there is a crawl; [`FrontierError::NotCopied`] where the copy would not be sound; when either place cannot be
    /// used.
    fn copy(&self, original: &Original) -> Result<Checked, FrontierError>;

    /// Where this is, for a person.
    fn name(&self) -> String;
}

/// How a frontier is found.
pub enum Entrance {
    /// It goes on, or begins, with this engine: its record as it is now.
    Alone(Box<dyn Frontier>, CrawlRecord),
    /// Other engines are at it, and this one joins them.
    Among(Box<dyn Frontier>, CrawlRecord, Vec<Peer>),
    /// It is complete, as its record says; nothing was changed.
    Complete {
        /// The record.
        record: CrawlRecord,
        /// Engines that were at it when this one came have completed it.
        by_others: bool,
    },
}

impl Home for DiskPlace {
    fn open(&self, opening: Opening<'_>) -> Result<Entrance, FrontierError> {
        Ok(match TableFrontier::open(self, opening)? {
            Opened::Ready(frontier, record) => Entrance::Alone(frontier, record),
            Opened::Complete(record) => Entrance::Complete { record, by_others: false },
        })
    }

    fn inspect(&self) -> Result<Inspected<Box<dyn Frontier>>, FrontierError> {
        let Inspected { frontier, record, scope } = TableFrontier::inspect(self)?;
        Ok(Inspected { frontier: Box::new(frontier), record, scope })
    }

    fn tenure(&self) -> Tenure {
        Tenure::unlimited()
    }

    fn peek(&self) -> Option<CrawlRecord> {
        TableFrontier::peek(self)
    }

    fn discard(&self) -> Result<(), FrontierError> {
        self.remove()
    }

    fn check(&self, repair: bool) -> Result<Checked, FrontierError> {
        tables::check(self, repair)
    }

    fn original(&self) -> Result<Original, FrontierError> {
        let missing = || FrontierError::Missing(Place::name(self));
        if !self.is_begun()? {
            return Err(missing());
        }
        let tables = Place::open(self)?;
        let record = CrawlRecord { output: None, ..read_record(&*tables)?.ok_or_else(missing)? };
        let scope = tables.get(Table::Crawl, SCOPE.as_bytes())?;
        Ok(Original { name: Place::name(self), record, scope, parts: vec![tables] })
    }

    fn copy(&self, original: &Original) -> Result<Checked, FrontierError> {
        if self.is_begun()? {
            return Err(FrontierError::Taken(Place::name(self)));
        }
        let draft = self.draft();
        draft.remove()?;
        let copied = write_draft(&draft, original).and_then(|checked| draft.move_to(self).map(|()| checked));
        if copied.is_err() {
            // What cannot be removed now is by whoever opens this place next.
            let _ = draft.remove();
        }
        copied
    }

    fn name(&self) -> String {
        Place::name(self)
    }
}

/// Copies a crawl into a folder that is not taken for one yet, and checks it there.
fn write_draft(draft: &DiskPlace, original: &Original) -> Result<Checked, FrontierError> {
    let tables = Place::open(draft)?;
    let new = CrawlRecord { ledger: Ledger::default(), next_origin: 0, ..original.record.clone() };
    original.fill(vec![Arc::clone(&tables)], &|_| 0, &new)?;
    if let Some(scope) = &original.scope {
        let mut batch = Batch::default();
        batch.put(Table::Crawl, SCOPE, scope.clone());
        tables.write(batch, Durability::Synced)?;
    }
    drop(tables);
    original.sound(tables::check(draft, false)?)
}
