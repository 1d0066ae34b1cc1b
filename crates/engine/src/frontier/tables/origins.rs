//! Origins: their numbers, how much is queued for each, and why one was given up. All are in memory, at about 250 bytes each.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use model::Origin;

use super::queue_key::QueueKey;
use super::record::{self, OriginRecord};
use super::{Batch, Table, Tables};
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
    /// Nothing is in `later`, as far as is known: it need not be asked for.
    pub(super) none_later: bool,
}

impl Origins {
    pub(super) fn read(tables: &dyn Tables) -> Result<Origins, FrontierError> {
        let mut origins = Origins::default();
        tables.each(Table::Origins, &mut |name, value| {
            let origin = Origin::from(String::from_utf8_lossy(name).into_owned());
            let record = record::decode::<OriginRecord>(value)?;
            origins.all.insert(origin, OriginQueue { record, ..OriginQueue::default() });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(origins)
    }

    pub(super) fn get(&self, origin: &str) -> Option<&OriginQueue> {
        self.all.get(origin)
    }

    /// What is not part of a group: how far it was handed out.
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
            self.all.insert(Origin::from(origin.to_owned()), OriginQueue { record, cursor: None, none_later: true });
        }
        self.all.get_mut(origin).expect("it was just made if it was not there")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Origin, &OriginRecord)> {
        self.all.iter().map(|(origin, queue)| (origin, &queue.record))
    }

    /// Puts what has changed into the open group.
    pub(super) fn write(&mut self, batch: &mut Batch) {
        for origin in self.changed.drain() {
            let record = &self.all[&origin].record;
            batch.put(Table::Origins, origin.as_str(), record::encode(record));
        }
    }
}
