//! The right of this process to work on a crawl. On disk it is the lock of the state directory and lasts as long as the process; in a
//! database it is a lease, which may lapse, and which another engine may take then.

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::FrontierError;

/// See the module. What it says may change at any moment; every copy says the same.
#[derive(Clone, Debug)]
pub struct Tenure {
    standing: Option<watch::Receiver<Standing>>,
    leaving: CancellationToken,
}

/// How a tenure stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// It holds until then, if it was renewed at all.
    pub(super) until: Option<Instant>,
    /// Why the store does not answer just now.
    pub(super) problem: Option<String>,
    /// It is lost for good.
    pub(super) taken_over: Option<TakenOver>,
}

/// An engine that the others have given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The crawl.
    pub crawl: String,
}

impl Tenure {
    /// One that lasts as long as the process.
    pub fn unlimited() -> Tenure {
        Tenure { standing: None, leaving: CancellationToken::new() }
    }

    pub(super) fn of(standing: watch::Receiver<Standing>, leaving: CancellationToken) -> Tenure {
        Tenure { standing: Some(standing), leaving }
    }

    /// Whether other engines may be at the crawl.
    pub fn is_shared(&self) -> bool {
        self.standing.is_some()
    }

    /// Whether anything may be handed out.
    pub fn holds(&self, now: Instant) -> bool {
        self.standing.as_ref().is_none_or(|standing| standing.borrow().holds(now))
    }

    /// Why nothing may be handed out, if that is so.
    pub fn problem(&self, now: Instant) -> Option<String> {
        let standing = self.standing.as_ref()?.borrow();
        let lapsed = || "the database to renew the lease".to_owned();
        (!standing.holds(now)).then(|| standing.problem.clone().unwrap_or_else(lapsed))
    }

    /// The error to end with, once another engine has taken over.
    pub fn lost(&self) -> Option<FrontierError> {
        self.standing.as_ref()?.borrow().taken_over.clone().map(FrontierError::TakenOver)
    }

    /// From now on a store that does not answer is waited for a moment only: the crawl is to be left.
    pub fn leave(&self) {
        self.leaving.cancel();
    }
}

impl Standing {
    fn holds(&self, now: Instant) -> bool {
        self.taken_over.is_none() && self.problem.is_none() && self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_tenure_holds_until_its_lease_lapses_its_store_is_away_or_another_engine_has_it() {
        let now = Instant::now();
        let (keeper, standing) = watch::channel(Standing::default());
        let tenure = Tenure::of(standing, CancellationToken::new());
        assert!(!tenure.holds(now) && Tenure::unlimited().holds(now));
        keeper.send_modify(|standing| standing.until = Some(now + Duration::from_secs(8)));
        assert!(tenure.holds(now) && !tenure.holds(now + Duration::from_secs(8)));
        assert_eq!((tenure.problem(now), tenure.problem(now + Duration::from_secs(8)).is_some()), (None, true));
        keeper.send_modify(|standing| standing.problem = Some("refused".to_owned()));
        assert_eq!((tenure.holds(now), tenure.problem(now)), (false, Some("refused".to_owned())));
        keeper.send_modify(|standing| standing.problem = None);
        assert!(tenure.holds(now) && tenure.lost().is_none());
        let taken_over = TakenOver { crawl: "c".to_owned() };
        keeper.send_modify(|standing| standing.taken_over = Some(taken_over));
        assert!(!tenure.holds(now));
        assert!(tenure.lost().unwrap().to_string().starts_with("the other engines of the crawl c have gone on without this one"));
    }
}
