//! The keys of known URLs: all of them in memory while they fit, which answers nearly every look-up without the store.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::DedupKey;

use super::key_table::KeyTable;
use super::record::{self, KnownUrl};
use super::{Row, Table, Tables};
use crate::frontier::FrontierError;

/// Keys kept in memory: about 210 MB. A crawl that knows more asks the store.
const MAX_KEPT: usize = 10_000_000;

/// What the store says of URLs: the hash of the parser that each was first found with; none: it is not known.
pub(in crate::frontier) type Told = HashMap<DedupKey, Option<u32>>;

/// How many more keys may be kept in memory, by all that share this.
#[derive(Clone, Debug)]
pub(in crate::frontier) struct Room(Arc<AtomicUsize>);

impl Room {
    /// That of a whole crawl.
    pub(in crate::frontier) fn of_crawl() -> Room {
        Room::of(MAX_KEPT)
    }

    /// For so many keys.
    pub(in crate::frontier) fn of(keys: usize) -> Room {
        Room(Arc::new(AtomicUsize::new(keys)))
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
    /// What the store was asked ahead, in one go. Nobody else writes to it, so it holds until the next group is written.
    told: Told,
    /// How often the store was asked for a single key.
    #[cfg(test)]
    asked_alone: std::cell::Cell<usize>,
}

impl Drop for KnownKeys {
    fn drop(&mut self) {
        self.room.give_back(self.kept.len());
    }
}

impl KnownKeys {
    /// None, where none are known yet.
    pub(super) fn none(room: Room) -> KnownKeys {
        KnownKeys {
            kept: KeyTable::new(),
            room,
            overflowed: false,
            told: Told::new(),
            #[cfg(test)]
            asked_alone: std::cell::Cell::default(),
        }
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
        let mut keys = KnownKeys::none(Room::of(0));
        keys.overflowed = true;
        keys
    }

    /// The hash of the parser a URL was first found with.
    pub(super) fn parser_of(&self, tables: &dyn Tables, key: DedupKey) -> Result<Option<u32>, FrontierError> {
        match self.kept.get(key) {
            Some(parser) => Ok(Some(parser)),
            None if !self.overflowed => Ok(None),
            None => match self.told.get(&key) {
                Some(told) => Ok(*told),
                None => {
                    #[cfg(test)]
                    self.asked_alone.set(self.asked_alone.get() + 1);
                    read(tables, key).map(|url| url.map(|url| url.parser))
                }
            },
        }
    }

    /// Whether only the store knows about some key.
    pub(super) fn is_partial(&self) -> bool {
        self.overflowed
    }

    /// Whether only the store knows about this key.
    pub(super) fn must_ask(&self, key: DedupKey) -> bool {
        self.overflowed && self.kept.get(key).is_none()
    }

    #[cfg(test)]
    pub(super) fn asked_alone(&self) -> usize {
        self.asked_alone.get()
    }

    /// What the store said of a key ahead.
    #[cfg(test)]
    pub(super) fn told(&self, key: DedupKey) -> Option<Option<u32>> {
        self.told.get(&key).copied()
    }

    /// What the store says; what it was asked before is forgotten.
    pub(super) fn tell(&mut self, told: Told) {
        self.told = told;
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

/// What a row of the store says of a URL, as [`Told`] has it.
pub(in crate::frontier) fn told((key, value): &Row) -> Result<(DedupKey, Option<u32>), FrontierError> {
    Ok((record::decode_key(key)?, Some(KnownUrl::decode(value)?.parser)))
}

/// What the store says of a URL.
pub(super) fn read(tables: &dyn Tables, key: DedupKey) -> Result<Option<KnownUrl>, FrontierError> {
    tables.get(Table::Known, &key.to_bytes())?.map(|value| KnownUrl::decode(&value)).transpose()
}
