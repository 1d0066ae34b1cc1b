//! Slots: the right to so many requests in flight at a time.

use tokio::time::Instant;

/// What becomes of a slot when a dispatch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Free: there is an answer, or the connection to the worker closed and its fetch with it.
    Free,
    /// Free only at this time: the worker fell silent and may still be fetching.
    SilentUntil(Instant),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Slots {
    pub(super) most: usize,
    pub(super) in_flight: usize,
    /// Slots that a silent worker may still use, and until when.
    silent: Vec<Instant>,
}

impl Slots {
    pub(super) fn new(most: usize) -> Slots {
        Slots { most, in_flight: 0, silent: Vec::new() }
    }

    /// When the next one is free; none while each is taken by a worker that answers.
    pub(super) fn free_at(&self, now: Instant) -> Option<Instant> {
        if self.silent.is_empty() {
            return (self.in_flight < self.most).then_some(now);
        }
        let mut silent: Vec<Instant> = self.silent.iter().copied().filter(|until| *until > now).collect();
        silent.sort_unstable();
        // As many of them must have ended as there are too many.
        match (self.in_flight + silent.len() + 1).checked_sub(self.most) {
            None | Some(0) => Some(now),
            Some(excess) => silent.get(excess - 1).copied(),
        }
    }

    pub(super) fn end(&mut self, slot: Slot, now: Instant) {
        self.in_flight -= 1;
        self.silent.retain(|until| *until > now);
        // One of a great many is missed by nobody.
        if let Slot::SilentUntil(until) = slot
            && self.most < usize::MAX
        {
            self.silent.push(until);
        }
    }

    /// Until when silent workers may use some.
    pub(super) fn silent(&self) -> impl Iterator<Item = Instant> + use<'_> {
        self.silent.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_slot_is_free_when_as_many_silent_workers_have_ended_as_are_too_many() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut slots = Slots::new(2);
        slots.in_flight = 4;
        assert_eq!(slots.free_at(now), None);
        slots.end(Slot::SilentUntil(at(30)), now);
        slots.end(Slot::SilentUntil(at(10)), now);
        slots.end(Slot::SilentUntil(at(20)), now);
        assert_eq!((slots.in_flight, slots.free_at(now)), (1, Some(at(30))));
        slots.end(Slot::Free, now);
        assert_eq!((slots.free_at(now), slots.free_at(at(10)), slots.free_at(at(20))), (Some(at(20)), Some(at(20)), Some(at(20))));
    }
}
