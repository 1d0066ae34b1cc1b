//! Every known key with a number of 32 bits, in about 20 bytes each: ten million are some 200 MB.
//!
//! A slot is 16 bytes: 96 bits of the key, then the number. Eight further bits choose one of 256 shards; the last 24 are not used. A key's
//! first slot follows from the bits in the slot, so that a shard can grow without the keys. Two keys are thus confused only if they agree
//! in 104 bits: among n keys the odds are n²/2¹⁰⁵, at ten million about 10⁻¹⁸.
//!
//! **Invariant.** A slot in use is not zero: the one key of a shard whose 96 bits are zero is kept aside.
//! **Invariant.** Between the first slot of a key and the one it is in, every slot is in use.

use model::DedupKey;

/// Tables that grow each alone: only one of them is copied at a time, so that memory has no peaks.
const SHARDS: usize = 256;

/// Bits of a key that a slot holds.
const KEPT_BITS: u32 = 96;

/// Slots of the smallest shard that is not empty.
const LEAST_SLOTS: usize = 64;

/// See the module. Nothing is ever removed: a key that is known stays known.
#[derive(Debug)]
pub(super) struct KeyTable {
    shards: Vec<Shard>,
}

/// A table with open addressing and linear probing.
#[derive(Clone, Debug, Default)]
struct Shard {
    slots: Vec<u128>,
    used: usize,
    /// The number of the key that cannot be told from a free slot.
    of_zero: Option<u32>,
}

impl KeyTable {
    /// A table without keys.
    pub(super) fn new() -> KeyTable {
        KeyTable { shards: vec![Shard::default(); SHARDS] }
    }

    /// The number of a key that is known.
    pub(super) fn get(&self, key: DedupKey) -> Option<u32> {
        let (shard, kept) = split(key);
        self.shards[shard].get(kept)
    }

    /// Enters a key. Returns whether it is new; one that is known keeps its number.
    pub(super) fn insert(&mut self, key: DedupKey, number: u32) -> bool {
        let (index, kept) = split(key);
        let shard = &mut self.shards[index];
        if shard.is_full() {
            shard.grow(index);
        }
        shard.insert(kept, number)
    }

    /// Keys that are known.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.used + usize::from(shard.of_zero.is_some())).sum()
    }

    /// Bytes that it takes, free slots included.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| size_of::<Shard>() + shard.slots.capacity() * size_of::<u128>()).sum()
    }
}

/// The shard of a key, and the bits a slot holds.
fn split(key: DedupKey) -> (usize, u128) {
    let bits = u128::from_be_bytes(key.to_bytes());
    ((bits >> 120) as usize, bits & ((1 << KEPT_BITS) - 1))
}

/// The bits of the key in a slot.
fn kept(slot: u128) -> u128 {
    slot >> (u128::BITS - KEPT_BITS)
}

impl Shard {
    fn get(&self, key: u128) -> Option<u32> {
        if key == 0 {
            return self.of_zero;
        }
        let slot = *self.slots.get(self.find(key))?;
        (slot != 0).then_some(slot as u32)
    }

    fn insert(&mut self, key: u128, number: u32) -> bool {
        if key == 0 {
            let is_new = self.of_zero.is_none();
            self.of_zero.get_or_insert(number);
            return is_new;
        }
        let at = self.find(key);
        let is_new = self.slots[at] == 0;
        if is_new {
            self.slots[at] = key << (u128::BITS - KEPT_BITS) | u128::from(number);
            self.used += 1;
        }
        is_new
    }

    /// The slot with this key, or the free one where it would be.
    fn find(&self, key: u128) -> usize {
        // Places are spread evenly over any number of slots, in their order.
        let place = (key >> (KEPT_BITS - u32::BITS)) as u64;
        let first = ((place * self.slots.len() as u64) >> u32::BITS) as usize;
        let (before, after) = self.slots.split_at(first);
        let is_end = |slot: &u128| *slot == 0 || kept(*slot) == key;
        match after.iter().position(is_end) {
            Some(n) => first + n,
            // Only a shard without slots has no end before either.
            None => before.iter().position(is_end).unwrap_or(0),
        }
    }

    /// Whether one more would take it beyond 85 of 100 slots: the runs become too long.
    fn is_full(&self) -> bool {
        (self.used + 1) * 100 > self.slots.len() * 85
    }

    /// Makes a quarter more slots.
    fn grow(&mut self, index: usize) {
        // All shards hold about as many keys: they begin with different sizes, so as not to grow all at the same time.
        let first = LEAST_SLOTS + LEAST_SLOTS / 4 * index / SHARDS;
        let slots = (self.slots.len() * 5 / 4).max(first);
        for slot in std::mem::replace(&mut self.slots, vec![0; slots]) {
            if slot != 0 {
                let at = self.find(kept(slot));
                self.slots[at] = slot;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::collections::hash_map::Entry;

    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn key(bits: u128) -> DedupKey {
        DedupKey::from_bytes(bits.to_be_bytes())
    }

    /// Any key, and many that collide: in all bits, in their shard, in their first slot at either end of it, with nothing beside.
    fn any_key() -> impl Strategy<Value = DedupKey> {
        let crowded = (0u128..3, prop_oneof![Just(0u128), Just(u128::from(u32::MAX))], 0u128..100);
        prop_oneof![
            any::<[u8; 16]>().prop_map(DedupKey::from_bytes),
            crowded.prop_map(|(shard, place, rest)| key(shard << 120 | place << 64 | rest)),
        ]
    }

    proptest! {
        /// Against a map: the first number of a key stays, and every other key is unknown.
        #[test]
        fn it_is_a_map_that_forgets_nothing(
            inserted in proptest::collection::vec((any_key(), prop_oneof![Just(0u32), any::<u32>()]), 0..800),
            asked in proptest::collection::vec(any_key(), 0..50),
        ) {
            let (mut table, mut model) = (KeyTable::new(), HashMap::new());
            for (key, number) in &inserted {
                prop_assert_eq!(table.get(*key), model.get(key).copied());
                let is_new = match model.entry(*key) {
                    Entry::Vacant(entry) => {
                        entry.insert(*number);
                        true
                    }
                    Entry::Occupied(_) => false,
                };
                prop_assert_eq!(table.insert(*key, *number), is_new);
                prop_assert_eq!(table.len(), model.len());
            }
            for key in inserted.iter().map(|(key, _)| key).chain(&asked) {
                prop_assert_eq!(table.get(*key), model.get(key).copied());
            }
        }
    }

    #[test]
    fn a_million_keys_take_less_than_22_bytes_each_and_no_growth_takes_much_more() {
        let (mut table, mut random) = (KeyTable::new(), StdRng::seed_from_u64(1));
        for number in 0..1_000_000 {
            let before = table.bytes();
            assert!(table.insert(key(random.random()), number));
            let known = number as usize + 1;
            if known >= 100_000 {
                let each = table.bytes() as f64 / known as f64;
                assert!(each < 22.0, "{each} bytes at {known} keys");
                assert!(table.bytes() - before < before / 256, "one shard grows at a time, by a quarter");
            }
        }
        assert_eq!(table.len(), 1_000_000);
    }

    #[test]
    fn what_was_entered_in_a_large_table_is_found_with_its_number() {
        let (mut table, mut random) = (KeyTable::new(), StdRng::seed_from_u64(2));
        let keys: Vec<DedupKey> = (0..200_000).map(|_| key(random.random())).collect();
        for (number, key) in (0..).zip(&keys) {
            table.insert(*key, number);
        }
        assert!((0..).zip(&keys).all(|(number, key)| table.get(*key) == Some(number)));
        assert!((0..100_000).all(|_| table.get(key(random.random())).is_none()));
    }
}
