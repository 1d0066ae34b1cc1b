//! Stops the practice pages at an exact point, so that a test can kill a process half way.

use std::time::Duration;

use tokio::sync::watch;

/// How long a practice page is held before it is answered after all with 504: longer than any test waits.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(crate) struct Hold {
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many more pages pass; `None`: no hold.
    passes: Option<u64>,
    waiting: usize,
    /// Counts releases, so that one followed at once by a new hold still lets go who waited.
    releases: u64,
}

impl Hold {
    pub(crate) fn hold(&self, after: u64) {
        self.state.send_modify(|state| state.passes = Some(after));
    }

    pub(crate) fn release(&self) {
        self.state.send_modify(|state| {
            state.passes = None;
            state.releases += 1;
        });
    }

    /// Counts a practice page and waits while it is held. False if it was not released in time.
    pub(crate) async fn pass(&self) -> bool {
        if self.state.borrow().passes.is_none() {
            return true;
        }
        let mut held_since = None;
        self.state.send_if_modified(|state| match &mut state.passes {
            None => false,
            Some(0) => {
                state.waiting += 1;
                held_since = Some(state.releases);
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        });
        let Some(releases) = held_since else { return true };
        let _waiting = Waiting(&self.state);
        let mut changes = self.state.subscribe();
        tokio::time::timeout(LONGEST_HOLD, changes.wait_for(|state| state.releases != releases)).await.is_ok()
    }

    /// Waits until so many practice pages are held.
    pub(crate) async fn reached(&self, waiting: usize) {
        let mut changes = self.state.subscribe();
        // The sender lives in `self`, so the channel cannot close meanwhile.
        let _state = changes.wait_for(|state| state.waiting >= waiting).await;
    }
}

struct Waiting<'a>(&'a watch::Sender<State>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|state| state.waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_pages_pass_and_the_next_waits_until_the_release() {
        let hold = Hold::default();
        assert!(hold.pass().await);
        hold.hold(2);
        assert!(hold.pass().await);
        assert!(hold.pass().await);
        let (passed, ()) = tokio::join!(hold.pass(), async {
            hold.reached(1).await;
            hold.release();
            hold.hold(0);
        });
        assert!(passed, "also when a new hold follows the release at once");
    }
}
