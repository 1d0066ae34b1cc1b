//! The keys of known URLs: all of them in memory while they fit, which answers nearly every look-up without the store.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::DedupKey;

use super::key_table::KeyTable;
use super::record::{self, KnownUrl};
use super::{Table, Tables};
use crate::frontier::FrontierError;

/// Keys kept in memory: about 210 MB. A crawl that knows more asks the store.
const MAX_KEPT: usize = 10_000_000;

/// How many more keys may be kept in memory, by all that share this.
#[derive(Clone, Debug)]
pub(in crate::frontier) struct Room(Arc<AtomicUsize>);

impl Room {
    /// That of a whole crawl.
    pub(in crate::frontier) fn of_crawl() -> Room {
        Room(Arc::new(AtomicUsize::new(MAX_KEPT)))
    }

    fn take_one(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn give_back(&self, keys: usize) {
        self.0.fetch_add(keys, Ordering::Relaxed);
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct KnownKeys {
    kept: KeyTable,
    room: Room,
    /// Some keys are in the store only.
    overflowed: bool,
}

impl Drop for KnownKeys {
    fn drop(&mut self) {
        self.room.give_back(self.kept.len());
    }
}

impl KnownKeys {
    /// None, where none are known yet.
    pub(super) fn none(room: Room) -> KnownKeys {
        KnownKeys { kept: KeyTable::new(), room, overflowed: false }
    }

    /// Reads them all, as far as they fit.
    pub(super) fn load(tables: &dyn Tables, room: Room) -> Result<KnownKeys, FrontierError> {
        let mut keys = KnownKeys::none(room);
        tables.each(Table::Known, &mut |key, value| {
            keys.keep(record::decode_key(key)?, KnownUrl::decode(value)?.parser);
            Ok(if keys.overflowed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(keys)
    }

    /// Keeps none: every look-up asks the store. For those who ask for a few.
    pub(super) fn in_store() -> KnownKeys {
        KnownKeys { kept: KeyTable::new(), room: Room::of_crawl(), overflowed: true }
    }

    /// The hash of the parser a URL was first found with.
    pub(super) fn parser_of(&self, tables: &dyn Tables, key: DedupKey) -> Result<Option<u32>, FrontierError> {
        match self.kept.get(key) {
            Some(parser) => Ok(Some(parser)),
            None if !self.overflowed => Ok(None),
            None => read(tables, key).map(|url| url.map(|url| url.parser)),
        }
    }

    /// A key that is in the store now.
    pub(super) fn keep(&mut self, key: DedupKey, parser: u32) {
        if self.room.take_one() {
            if !self.kept.insert(key, parser) {
                self.room.give_back(1);
            }
        } else if self.kept.get(key).is_none() {
            self.overflowed = true;
        }
    }
}

/// What the store says of a URL.
pub(super) fn read(tables: &dyn Tables, key: DedupKey) -> Result<Option<KnownUrl>, FrontierError> {
    tables.get(Table::Known, &key.to_bytes())?.map(|value| KnownUrl::decode(&value)).transpose()
}
