//! Keys of the queues: sorted as bytes, they are in the order in which requests are handed out.

use super::{Table, damaged};
use crate::frontier::FrontierError;

/// Origin number, then what orders within it, then a sequence that makes it unique: 4 + 8 + 8 bytes, big endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct QueueKey([u8; 20]);

/// Set in the order of a request that waits for a time. Priorities stay below.
const LATER: u64 = 1 << 63;

impl QueueKey {
    /// A request that is due: higher priorities first, then the order of discovery.
    pub(super) fn due(origin: u32, priority: i32, sequence: u64) -> QueueKey {
        // From 0 for the highest priority to 2³²−1 for the lowest.
        let order = u64::from((i64::from(i32::MAX) - i64::from(priority)) as u32);
        QueueKey::new(origin, order, sequence)
    }

    /// A request that waits for a time, in milliseconds since the Unix epoch.
    pub(super) fn later(origin: u32, millis: u64, sequence: u64) -> QueueKey {
        QueueKey::new(origin, LATER | millis, sequence)
    }

    /// Not after any key of the origin.
    pub(super) fn first_of(origin: u32) -> QueueKey {
        QueueKey::new(origin, 0, 0)
    }

    /// After every key of the origin.
    pub(super) fn end_of(origin: u32) -> QueueKey {
        QueueKey::new(origin, u64::MAX, u64::MAX)
    }

    fn new(origin: u32, order: u64, sequence: u64) -> QueueKey {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&origin.to_be_bytes());
        bytes[4..12].copy_from_slice(&order.to_be_bytes());
        bytes[12..].copy_from_slice(&sequence.to_be_bytes());
        QueueKey(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<QueueKey, FrontierError> {
        bytes.try_into().map(QueueKey).map_err(|_| damaged("a key of a queue has the wrong length"))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same place in the queue of the origin by another number.
    pub(super) fn under(mut self, origin: u32) -> QueueKey {
        self.0[..4].copy_from_slice(&origin.to_be_bytes());
        self
    }

    /// The number of the origin whose queue it belongs to.
    pub(super) fn origin(&self) -> u32 {
        u32::from_be_bytes(self.0[..4].try_into().expect("4 of 20 bytes"))
    }

    pub(super) fn is_later(&self) -> bool {
        self.order() & LATER != 0
    }

    /// The queue it belongs to.
    pub(super) fn table(&self) -> Table {
        if self.is_later() { Table::Later } else { Table::Due }
    }

    /// The time a request waits for.
    pub(super) fn millis(&self) -> u64 {
        self.order() & !LATER
    }

    fn order(&self) -> u64 {
        u64::from_be_bytes(self.0[4..12].try_into().expect("8 of 20 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_requests_are_handed_out(a: (u32, i32, u64), b: (u32, i32, u64)) {
            let key = |(origin, priority, sequence)| QueueKey::due(origin, priority, sequence);
            let rank = |(origin, priority, sequence): (u32, i32, u64)| (origin, -i64::from(priority), sequence);
            prop_assert_eq!(key(a).cmp(&key(b)), rank(a).cmp(&rank(b)));
            prop_assert!(QueueKey::first_of(a.0) <= key(a) && key(a) < QueueKey::end_of(a.0));
            prop_assert!(!key(a).is_later());
        }

        #[test]
        fn a_time_is_kept(origin: u32, millis in 0u64..1 << 62, sequence: u64) {
            let key = QueueKey::later(origin, millis, sequence);
            prop_assert_eq!((key.millis(), key.is_later()), (millis, true));
            prop_assert!(key > QueueKey::due(origin, i32::MIN, u64::MAX) && key < QueueKey::end_of(origin));
        }
    }
}
