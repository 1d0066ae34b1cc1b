//! Memory for bodies, shared by all jobs of a worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// So many bytes of bodies may be in memory at a time. The oldest job is never held up, so that some job always ends and gives its bytes
/// back: what is in memory exceeds the budget by one body at most.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    limit: u64,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    next: u64,
    /// Bytes held by each job, by age.
    held: BTreeMap<u64, u64>,
}

/// A job's share. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<ByteBudget>,
    age: u64,
}

impl ByteBudget {
    pub(crate) fn new(limit: u64) -> Arc<ByteBudget> {
        Arc::new(ByteBudget { limit, state: Mutex::default(), freed: Notify::new() })
    }

    /// An empty share for a job that begins now.
    pub(crate) fn share(self: &Arc<ByteBudget>) -> Share {
        let mut state = self.state.lock().expect("no holder of this lock panics");
        let age = state.next;
        state.next += 1;
        state.held.insert(age, 0);
        Share { budget: Arc::clone(self), age }
    }
}

impl Share {
    /// Takes more bytes; waits while the budget is used up and an older job has a share. Returns at once in almost every case.
    pub(crate) async fn grow(&self, bytes: u64) {
        loop {
            let freed = self.budget.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.try_grow(bytes) {
                return;
            }
            freed.await;
        }
    }

    fn try_grow(&self, bytes: u64) -> bool {
        let mut state = self.budget.state.lock().expect("no holder of this lock panics");
        let is_oldest = state.held.first_key_value().is_some_and(|(age, _)| *age == self.age);
        if state.used + bytes > self.budget.limit && !is_oldest {
            return false;
        }
        state.used += bytes;
        *state.held.entry(self.age).or_default() += bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock().expect("no holder of this lock panics");
        state.used -= state.held.remove(&self.age).unwrap_or_default();
        drop(state);
        self.budget.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn beyond_the_budget_only_the_oldest_job_goes_on() {
        let budget = ByteBudget::new(10);
        let (old, young) = (budget.share(), budget.share());
        assert!(young.grow(8).now_or_never().is_some());
        assert!(old.grow(100).now_or_never().is_some());
        let mut waiting = Box::pin(young.grow(1));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(old);
        assert!(waiting.as_mut().now_or_never().is_some());
    }

    #[test]
    fn what_is_given_back_can_be_taken_by_all() {
        let budget = ByteBudget::new(10);
        let (oldest, second, third) = (budget.share(), budget.share(), budget.share());
        assert!(second.grow(10).now_or_never().is_some());
        assert!(third.grow(10).now_or_never().is_none());
        drop(second);
        assert!(third.grow(10).now_or_never().is_some());
        drop((oldest, third));
        assert_eq!(budget.state.lock().unwrap().used, 0);
    }
}
