//! The open group: what is written next, all at once. Each key has its last change alone, and what is asked meanwhile looks here first.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use model::DedupKey;

use super::Table;
use super::record::{self, KnownUrl};
use crate::frontier::FrontierError;

/// What becomes of a value: it is put, or, for none, removed.
pub(in crate::frontier) type Change = Option<Vec<u8>>;

/// What changes in a table. It is looked into for every link of a page.
pub(in crate::frontier) type Changes = HashMap<Vec<u8>, Change, RandomState>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: [Changes; Table::ALL.len()],
    /// Requests that are queued once this is written, and pages that are done: what engines that have parts of a crawl must know of the whole
    /// before they end it.
    pub(in crate::frontier) queued: u64,
    pub(in crate::frontier) pages: u64,
}

impl Batch {
    /// Puts a value in the place of what a key has.
    pub(in crate::frontier) fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes[table as usize].insert(key.into(), Some(value.into()));
    }

    /// Removes what a key has, if anything.
    pub(in crate::frontier) fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.changes[table as usize].insert(key.into(), None);
    }

    /// What becomes of a key; none: it is as it is in the store.
    pub(super) fn change(&self, table: Table, key: &[u8]) -> Option<&Change> {
        self.changes[table as usize].get(key)
    }

    /// What becomes of the keys that begin so.
    pub(super) fn changes_beginning_with(&self, table: Table, prefix: &[u8]) -> impl Iterator<Item = (&Vec<u8>, &Change)> {
        self.changes[table as usize].iter().filter(move |(key, _)| key.starts_with(prefix))
    }

    /// Keys of a table that change.
    pub fn len(&self, table: Table) -> usize {
        self.changes[table as usize].len()
    }

    /// The URLs that are known once this is written, each with its parser's hash.
    pub(super) fn entered(&self) -> Result<Vec<(DedupKey, u32)>, FrontierError> {
        let known = self.changes[Table::Known as usize].iter();
        let entered = known.filter_map(|(key, change)| change.as_ref().map(|value| (key, value)));
        entered.map(|(key, value)| Ok((record::decode_key(key)?, KnownUrl::decode(value)?.parser))).collect()
    }

    /// Every change, a table after the other.
    pub(in crate::frontier) fn into_changes(self) -> impl Iterator<Item = (Table, Changes)> {
        Table::ALL.into_iter().zip(self.changes)
    }
}
