//! How many URLs of a shape were entered, and how many pages had the same content: what the budgets against traps go by.
//!
//! The counts are committed with the group that changes them, so that a restart changes nothing. What is not: which contents were seen once.
//! A repetition is only known within one process, so a restart gives each repeated content one page more.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::Xxh3;

/// Counts in memory and on disk: at some 16 bytes each, 4 MB. Beyond them nothing new is counted, and so nothing new is cut.
pub(super) const MOST: usize = 256 * 1024;

/// Contents that are remembered as seen once; a later one takes the place of another. 512 KB, once there is one.
const SEEN: usize = 64 * 1024;

/// Shapes whose first cut is told.
const TOLD: usize = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Alike {
    counts: HashMap<u64, u32>,
    /// Those that changed in the open group.
    changed: HashSet<u64>,
    seen: Vec<u64>,
    told: HashSet<u64>,
}

impl Alike {
    /// What was counted so far.
    pub(super) fn new(counts: impl IntoIterator<Item = (u64, u32)>) -> Alike {
        Alike { counts: counts.into_iter().collect(), ..Alike::default() }
    }

    /// Counts one more of a shape, unless there are `most` already. Returns whether it was within.
    pub(super) fn admit(&mut self, shape: u64, most: u32) -> bool {
        let count = self.counts.get(&shape).copied().unwrap_or(0);
        let is_within = count < most;
        if is_within {
            self.set(shape, count + 1);
        }
        is_within
    }

    /// Counts a page with this content. Returns how many of its host had it, as far as is known.
    pub(super) fn content(&mut self, host: &str, content: u64) -> u32 {
        let mut hasher = Xxh3::new();
        hasher.update(host.as_bytes());
        hasher.update(&content.to_le_bytes());
        let mark = hasher.digest();
        if let Some(count) = self.counts.get(&mark).copied() {
            let count = count.saturating_add(1);
            self.set(mark, count);
            return count;
        }
        if self.seen.is_empty() {
            self.seen = vec![0; SEEN];
        }
        let seen = &mut self.seen[mark as usize % SEEN];
        if std::mem::replace(seen, mark) == mark {
            self.set(mark, 2);
            2
        } else {
            1
        }
    }

    /// Whether this is the first time that something is cut for this mark, in this process.
    pub(super) fn is_news(&mut self, mark: u64) -> bool {
        self.told.len() < TOLD && self.told.insert(mark)
    }

    fn set(&mut self, mark: u64, count: u32) {
        if self.counts.len() < MOST || self.counts.contains_key(&mark) {
            self.counts.insert(mark, count);
            self.changed.insert(mark);
        }
    }

    /// What changed in the open group, which is about to be written.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = (u64, u32)> + use<'_> {
        let counts = &self.counts;
        self.changed.drain().map(|mark| (mark, counts[&mark]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_its_budget_and_memory_has_its_bound() {
        let mut alike = Alike::default();
        assert_eq!([1, 2, 3].map(|_| alike.admit(7, 2)), [true, true, false]);
        assert_eq!(alike.changes().collect::<Vec<_>>(), [(7, 2)]);
        assert_eq!(alike.changes().count(), 0);
        for shape in 0..MOST as u64 + 10 {
            assert!(shape == 7 || alike.admit(shape, 1));
        }
        assert_eq!(alike.counts.len(), MOST);
        assert!(!alike.admit(0, 1) && alike.admit(MOST as u64 + 5, 1));
    }

    #[test]
    fn the_same_content_on_one_host_is_counted_and_a_content_seen_once_takes_no_count() {
        let mut alike = Alike::default();
        assert_eq!([1, 2, 3].map(|_| alike.content("h", 5)), [1, 2, 3]);
        assert_eq!(alike.content("i", 5), 1);
        for content in 10..1_000_000 {
            alike.content("h", content);
        }
        assert!(alike.counts.len() < 100, "{}", alike.counts.len());
        assert_eq!(alike.content("h", 5), 4);
    }
}
