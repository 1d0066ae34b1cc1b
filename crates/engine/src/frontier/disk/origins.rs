//! Origins: their numbers, how much is queued for each, and why one was given up. All are in memory, at about 250 bytes each.

use std::collections::{HashMap, HashSet};

use fjall::{Keyspace, OwnedWriteBatch};
use model::Origin;

use super::failed;
use super::queue_key::QueueKey;
use super::record::{self, OriginRecord};
use crate::frontier::FrontierError;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Origins {
    all: HashMap<Origin, OriginQueue>,
    /// Those that changed in the open group.
    changed: HashSet<Origin>,
}

/// An origin's record, and how far its queue has been handed out.
#[derive(Debug, Default)]
pub(super) struct OriginQueue {
    pub(super) record: OriginRecord,
    /// Everything in `due` up to here is in flight or gone.
    pub(super) cursor: Option<QueueKey>,
}

impl Origins {
    pub(super) fn read(keyspace: &Keyspace) -> Result<Origins, FrontierError> {
        let mut origins = Origins::default();
        for entry in keyspace.iter() {
            let (name, value) = entry.into_inner().map_err(failed)?;
            let origin = Origin::from(String::from_utf8_lossy(&name).into_owned());
            let record = record::decode::<OriginRecord>(&value)?;
            origins.all.insert(origin, OriginQueue { record, cursor: None });
        }
        Ok(origins)
    }

    pub(super) fn get(&self, origin: &str) -> Option<&OriginQueue> {
        self.all.get(origin)
    }

    /// What is not part of a group: the cursor.
    pub(super) fn queue_mut(&mut self, origin: &str) -> Option<&mut OriginQueue> {
        self.all.get_mut(origin)
    }

    /// An origin's record, to be changed in the open group; a new one gets the next number.
    pub(super) fn change(&mut self, origin: &str, next_number: &mut u32) -> &mut OriginQueue {
        if !self.changed.contains(origin) {
            self.changed.insert(Origin::from(origin.to_owned()));
        }
        if !self.all.contains_key(origin) {
            let record = OriginRecord { number: *next_number, ..OriginRecord::default() };
            *next_number += 1;
            self.all.insert(Origin::from(origin.to_owned()), OriginQueue { record, cursor: None });
        }
        self.all.get_mut(origin).expect("it was just made if it was not there")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Origin, &OriginRecord)> {
        self.all.iter().map(|(origin, queue)| (origin, &queue.record))
    }

    pub(super) fn write(&mut self, batch: &mut OwnedWriteBatch, keyspace: &Keyspace) {
        for origin in self.changed.drain() {
            let record = &self.all[&origin].record;
            batch.insert(keyspace, origin.as_str(), record::encode(record));
        }
    }
}
