//! A frontier kept in tables: rows of bytes in the order of their keys, written a group at a time. What a row means is known here; where
//! tables are is up to [`Tables`]: on disk or in a database.
//!
//! | table | key | value |
//! |---|---|---|
//! | `known` | a URL's | its parser's hash, and where it is or was queued |
//! | `due`, `later` | origin, priority or time, sequence: the queues, in the order they are handed out | the request |
//! | `done`, `dead` | a URL's | what became of it: its story |
//! | `rejected`, `send` | a page's and the place on it | an item that was refused; one of those that is to be sent again |
//! | `origins` | an origin | its number, how much is queued, its health |
//! | `robots` | an origin | its rules |
//! | `alike` | a mark | a count against traps |
//! | `crawl` | a word | identity and counters; the scope; the cookies of each domain |
//!
//! **Invariant.** A known URL is in exactly one of `due`, `later`, `done`, `dead`; in a queue it is at the place that `known` names.
//! **Invariant.** What is in flight is known to this process only: in the tables it is queued until the group that ends it.

mod batch;
mod check;
mod copy;
mod key_table;
mod known;
mod opening;
mod origins;
mod queue_key;
mod record;
pub(super) mod storage;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use batch::Batch;
pub(super) use check::check_frontier;
pub use check::{Checked, Fault, Faults, check};
pub use copy::Original;
pub(super) use known::{Room, Told, told};
pub use opening::{Inspected, Opened, Opening, TableFrontier};
pub(super) use opening::{Part, check_parsers, read_record, read_scope};
pub use record::{CrawlRecord, OutputMark};
pub(super) use record::{FORMAT, decode, decode_request, encode, encode_request};

use super::{FrontierError, Tenure};

/// Which table; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Every URL's key.
    Known,
    /// Requests whose turn comes.
    Due,
    /// Requests that wait for a time.
    Later,
    /// Stories of URLs that ended as done or skipped.
    Done,
    /// Stories of URLs that were given up.
    Dead,
    /// Items that were refused.
    Rejected,
    /// Those of them to be sent again.
    Send,
    /// Origins.
    Origins,
    /// Their robots rules.
    Robots,
    /// Counts against traps.
    Alike,
    /// The crawl itself.
    Crawl,
}

impl Table {
    /// All of them, in the order of their numbers.
    pub const ALL: [Table; 11] = [
        Table::Known,
        Table::Due,
        Table::Later,
        Table::Done,
        Table::Dead,
        Table::Rejected,
        Table::Send,
        Table::Origins,
        Table::Robots,
        Table::Alike,
        Table::Crawl,
    ];

    /// Its name in a store. Stored, so it must not change between versions.
    pub fn name(self) -> &'static str {
        match self {
            Table::Known => "known",
            Table::Due => "due",
            Table::Later => "later",
            Table::Done => "done",
            Table::Dead => "dead",
            Table::Rejected => "rejected",
            Table::Send => "send",
            Table::Origins => "origins",
            Table::Robots => "robots",
            Table::Alike => "alike",
            Table::Crawl => "crawl",
        }
    }
}

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows in the order of their keys.
pub type Rows<'t> = Box<dyn Iterator<Item = Result<Row, FrontierError>> + 't>;

/// How a group is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As the store was told to.
    Usual,
    /// It is on the disk before anything else happens.
    Synced,
}

/// The tables of one crawl.
pub trait Tables: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read; so do the others.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, FrontierError>;

    /// The rows from a key on and before another one; none: to the end. About `most` are wanted. Rows that are written meanwhile may or may
    /// not be among them.
    fn range(&self, table: Table, from: &[u8], to: Option<&[u8]>, most: usize) -> Rows<'_>;

    /// Shows every row of a table, in any order, until enough is seen.
    ///
    /// # Errors
    /// As [`get`](Tables::get), and with what `see` errs.
    fn each(&self, table: Table, see: &mut See<'_>) -> Result<(), FrontierError>;

    /// Makes a group durable, all or nothing.
    ///
    /// # Errors
    /// When it is not written, and will not be.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), FrontierError>;

    /// The right to work on the crawl.
    fn tenure(&self) -> Tenure;
}

/// Who is shown rows.
pub type See<'s> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, FrontierError> + 's;

/// Where the tables of one crawl are, or of a part of it. Whoever has one may use them.
pub trait Place {
    /// Whether a crawl was begun here.
    ///
    /// # Errors
    /// When that cannot be told.
    fn is_begun(&self) -> Result<bool, FrontierError>;

    /// Opens the tables; there are none yet where no crawl was begun.
    ///
    /// # Errors
    /// When the store cannot be used.
    fn open(&self) -> Result<Arc<dyn Tables>, FrontierError>;

    /// Where this is, for a person.
    fn name(&self) -> String;
}

/// The rows whose keys begin so.
pub(super) fn beginning_with<'t>(tables: &'t dyn Tables, table: Table, prefix: &[u8]) -> Rows<'t> {
    tables.range(table, prefix, end_of(prefix).as_deref(), PREFIX)
}

/// Rows that are mostly enough where a prefix is asked for.
const PREFIX: usize = 64;

/// The first key after all that begin so; none if there is no such key.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

pub(super) fn damaged(what: &str) -> FrontierError {
    FrontierError::Store(format!("it is damaged: {what}"))
}
