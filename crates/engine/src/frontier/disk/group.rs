//! The open group: what is written next, in one batch. A batch must not name a key twice, so what may change again stays here until then.

use std::collections::HashMap;

use fjall::OwnedWriteBatch;
use model::DedupKey;

use super::Spaces;
use super::record::{self, KnownUrl};
use crate::frontier::{ItemPlace, RejectedItem};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OpenGroup {
    rows: HashMap<DedupKey, Row>,
    rejected: HashMap<ItemPlace, Option<RejectedItem>>,
}

/// What changes for one URL.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) known: Option<KnownUrl>,
    pub(super) done: Change,
    pub(super) dead: Change,
}

/// What becomes of a value.
#[derive(Debug, Default)]
pub(super) enum Change {
    /// It is as it is on disk.
    #[default]
    Nothing,
    /// It is written.
    Put(Vec<u8>),
    /// It is removed.
    Remove,
}

impl OpenGroup {
    pub(super) fn row(&mut self, key: DedupKey) -> &mut Row {
        self.rows.entry(key).or_default()
    }

    pub(super) fn get(&self, key: DedupKey) -> Option<&Row> {
        self.rows.get(&key)
    }

    /// An item that was refused, or none in its place any more.
    pub(super) fn set_rejected(&mut self, place: ItemPlace, item: Option<RejectedItem>) {
        self.rejected.insert(place, item);
    }

    /// What this group changes about the refused items of a page.
    pub(super) fn rejected_of(&self, page: DedupKey) -> Vec<(ItemPlace, Option<RejectedItem>)> {
        self.rejected.iter().filter(|(place, _)| place.page == page).map(|(place, item)| (*place, item.clone())).collect()
    }

    /// Moves everything into a batch. Answers what is known from then on.
    pub(super) fn write(&mut self, batch: &mut OwnedWriteBatch, spaces: &Spaces) -> Vec<(DedupKey, u32)> {
        for (place, item) in self.rejected.drain() {
            match item {
                Some(item) => batch.insert(&spaces.rejected, record::encode_place(place), record::encode(&item)),
                None => batch.remove(&spaces.rejected, record::encode_place(place)),
            }
        }
        let mut entered = Vec::with_capacity(self.rows.len());
        for (key, row) in self.rows.drain() {
            let bytes = key.to_bytes();
            if let Some(url) = row.known {
                batch.insert(&spaces.known, bytes, url.encode());
                entered.push((key, url.parser));
            }
            for (keyspace, change) in [(&spaces.done, row.done), (&spaces.dead, row.dead)] {
                match change {
                    Change::Nothing => {}
                    Change::Put(value) => batch.insert(keyspace, bytes, value),
                    Change::Remove => batch.remove(keyspace, bytes),
                }
            }
        }
        entered
    }
}
