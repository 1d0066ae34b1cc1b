//! Who says how the tenure of a crawl stands: what the lease and the work come to is gathered here, and told once each time it changes.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::frontier::tenure::Standing;
use crate::frontier::{TakenOver, Tenure};

/// A connection, by what it is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line {
    /// Reads and commits.
    Work,
    /// Renewals of the lease under which the crawl is opened.
    Lease,
    /// Renewals of the engine's membership.
    Member,
}

/// See the module. Every copy is the same.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    standing: watch::Sender<Standing>,
    leaving: CancellationToken,
    /// What is wrong with each line.
    troubles: Arc<Mutex<[Option<String>; 3]>>,
    server: Arc<str>,
}

impl Keeper {
    /// `server` is what the lines lead to, for a person.
    pub(super) fn new(server: &str) -> Keeper {
        let troubles = Arc::default();
        Keeper { standing: watch::Sender::default(), leaving: CancellationToken::new(), troubles, server: server.into() }
    }

    pub(super) fn tenure(&self) -> Tenure {
        Tenure::of(self.standing.subscribe(), self.leaving.clone())
    }

    /// Cancelled once nobody waits any longer.
    pub(super) fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// The lease holds until then.
    pub(super) fn renewed(&self, until: Instant) {
        self.standing.send_modify(|standing| standing.until = Some(until));
    }

    pub(super) fn lost(&self, taken_over: TakenOver) {
        self.standing.send_modify(|standing| standing.taken_over = Some(taken_over));
    }

    pub(super) fn taken_over(&self) -> Option<TakenOver> {
        self.standing.borrow().taken_over.clone()
    }

    /// A line does not answer, for this reason; none: it does. Said when the first fails, and when all are well again.
    pub(super) fn note(&self, line: Line, trouble: Option<&str>) {
        match self.set(line, trouble) {
            (None, Some(why)) => {
                tracing::warn!("the database {} does not answer: {why}; nothing is handed out until it is back", self.server);
            }
            (Some(_), None) => tracing::info!("the database {} is back", self.server),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Nothing depends on a line any more, whatever was wrong with it.
    pub(super) fn forget(&self, line: Line) {
        self.set(line, None);
    }

    /// What was wrong with any before, and what is now.
    fn set(&self, line: Line, trouble: Option<&str>) -> (Option<String>, Option<String>) {
        let mut troubles = self.troubles.lock().expect("no holder of this lock panics");
        let before = troubles.iter().flatten().next().cloned();
        troubles[line as usize] = trouble.map(str::to_owned);
        let now = troubles.iter().flatten().next().cloned();
        if before != now {
            let problem = now.as_ref().map(|why| format!("the database ({why})"));
            self.standing.send_modify(|standing| standing.problem = problem);
        }
        (before, now)
    }
}
