//! Answers held until a test lets them go, by name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// How long a request waits at a gate before it is answered 504.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// More names than any test needs; keeps a crawler lost in made-up names from filling memory.
const MOST_GATES: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Gates {
    by_name: Mutex<HashMap<String, watch::Sender<Gate>>>,
}

#[derive(Debug, Default)]
struct Gate {
    open: bool,
    waiting: usize,
}

/// What became of a request at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Passed,
    /// Not opened within [`LONGEST_WAIT`].
    TimedOut,
    /// There are too many gates already.
    NoSuchGate,
}

impl Gates {
    /// The gate of this name, closed if it is new; `None` when there are too many.
    fn gate(&self, name: &str) -> Option<watch::Sender<Gate>> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = by_name.get(name) {
            return Some(gate.clone());
        }
        if by_name.len() >= MOST_GATES {
            return None;
        }
        Some(by_name.entry(name.to_owned()).or_default().clone())
    }

    /// Lets everybody through, from now on. False when there are too many gates.
    pub(crate) fn open(&self, name: &str) -> bool {
        let Some(gate) = self.gate(name) else { return false };
        gate.send_modify(|gate| gate.open = true);
        true
    }

    /// Waits until the gate is open.
    pub(crate) async fn pass(&self, name: &str) -> Passage {
        let Some(gate) = self.gate(name) else { return Passage::NoSuchGate };
        if gate.borrow().open {
            return Passage::Passed;
        }
        let _waiting = Waiting::at(&gate);
        let mut changes = gate.subscribe();
        match tokio::time::timeout(LONGEST_WAIT, changes.wait_for(|gate| gate.open)).await {
            Ok(_opened) => Passage::Passed,
            Err(_elapsed) => Passage::TimedOut,
        }
    }

    /// Waits until so many requests wait at the gate. False when there are too many gates.
    pub(crate) async fn reached(&self, name: &str, waiting: usize) -> bool {
        let Some(gate) = self.gate(name) else { return false };
        // `gate` itself is a sender, so the channel cannot close meanwhile.
        gate.subscribe().wait_for(|gate| gate.waiting >= waiting).await.is_ok()
    }
}

/// Counts a request as waiting, and no longer once it goes out of scope, also when its client left.
struct Waiting<'a>(&'a watch::Sender<Gate>);

impl<'a> Waiting<'a> {
    fn at(gate: &'a watch::Sender<Gate>) -> Self {
        gate.send_modify(|gate| gate.waiting += 1);
        Self(gate)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|gate| gate.waiting -= 1);
    }
}
