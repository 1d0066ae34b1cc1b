//! What a failure costs: an attempt, a pause for the origin, or the request itself. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use model::error::code;
use model::{RetryClass, WireError};
use tokio::time::Instant;

use crate::backoff;
use crate::frontier::Fate;
use crate::request::{Cost, Request};

/// Losses after which a request runs alone on a worker, and losses alone after which it is given up.
pub const LOSSES: u32 = 3;

/// The limits.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Attempts a URL gets.
    pub attempts: NonZeroU32,
    /// Pause before the second attempt; doubles with each.
    pub pause: Duration,
    /// Longest `Retry-After` that is obeyed for a single URL.
    pub longest: Duration,
}

/// What a failure says of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginNews {
    /// Answered as a healthy server does.
    Answered,
    /// In trouble; `Retry-After` as it came.
    Trouble(Option<Duration>),
    /// Nothing either way.
    Nothing,
}

/// Why a request was lost with its lease.
pub const LOST_ITS_WORKER: &str = "lost its worker";

/// When a failure happened: on the process's clock, and on the world's in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For waiting.
    pub now: Instant,
    /// For telling.
    pub at_ms: u64,
}

/// Judges a failure, and notes it with the request. `last_answer` is when the origin last answered normally; `random` is in 0..1.
///
/// Trouble of the origin costs the URL nothing, unless the origin was well since this URL was last tried: then the URL is to blame.
pub fn judge(
    policy: &RetryPolicy,
    request: &mut Request,
    failure: &WireError,
    retry_after: Option<Duration>,
    last_answer: Option<Instant>,
    Moment { now, at_ms }: Moment,
    random: f64,
) -> (Fate, OriginNews) {
    let tries = &mut request.tries;
    let attempt = match failure.retry {
        RetryClass::Skip => return (Fate::Skipped { reason: failure.code.clone() }, OriginNews::Answered),
        RetryClass::Dead => {
            tries.keep(at_ms, Cost::End, failure.to_string());
            return (Fate::Dead { reason: failure.code.clone() }, OriginNews::Nothing);
        }
        RetryClass::Peer => return (Fate::Again { not_before: None }, OriginNews::Nothing),
        RetryClass::Attempt | RetryClass::Unknown => true,
        RetryClass::Origin => tries.last.is_some_and(|last_try| last_answer.is_some_and(|answer| answer > last_try)),
    };
    tries.last = Some(now);
    if !attempt {
        tries.keep(at_ms, Cost::Pause, failure.to_string());
        return (Fate::Again { not_before: None }, OriginNews::Trouble(retry_after));
    }
    tries.keep(at_ms, Cost::Attempt, failure.to_string());
    tries.attempts += 1;
    if tries.attempts >= policy.attempts.get() {
        return (Fate::Dead { reason: failure.code.clone() }, OriginNews::Nothing);
    }
    let asked = retry_after.unwrap_or_default().min(policy.longest);
    let pause = backoff::pause(policy.pause, tries.attempts, random).max(asked);
    (Fate::Again { not_before: Some(now + pause) }, OriginNews::Nothing)
}

/// Judges a loss, and notes it with the request: the lease vanished unanswered. `alone` says whether the request was the only one on its
/// worker.
pub fn lost(request: &mut Request, alone: bool, why: &str, at_ms: u64) -> Fate {
    let tries = &mut request.tries;
    tries.keep(at_ms, Cost::Loss, why);
    tries.losses += 1;
    tries.losses_alone += u32::from(alone);
    if tries.losses_alone >= LOSSES {
        return Fate::Dead { reason: LOST_ITS_WORKER.to_owned() };
    }
    Fate::Again { not_before: None }
}

/// Whether a request has taken so many workers with it that it must run alone.
pub fn runs_alone(request: &Request) -> bool {
    request.tries.losses >= LOSSES
}

/// Whether a worker that answers so is about to leave rather than busy.
pub fn is_leaving(failure: &WireError) -> bool {
    failure.code == code::DRAINING || failure.code == code::STALE_EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{KEPT_TRIES, Try};
    use model::{CrawlUrl, ParserRef};
    use std::sync::Arc;

    fn policy() -> RetryPolicy {
        RetryPolicy { attempts: NonZeroU32::new(3).unwrap(), pause: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }

    fn request() -> Request {
        Request::seed(CrawlUrl::parse("http://h/").unwrap(), Arc::new(ParserRef::named("page")))
    }

    fn fail(request: &mut Request, retry: RetryClass, last_answer: Option<Instant>, now: Instant) -> (Fate, OriginNews) {
        judge(&policy(), request, &WireError::new("why", retry, ""), None, last_answer, Moment { now, at_ms: 7 }, 1.0)
    }

    fn again(fate: Fate) -> Option<Instant> {
        match fate {
            Fate::Again { not_before } => not_before,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attempts_are_limited_and_paused_and_kept() {
        let (now, mut request) = (Instant::now(), request());
        let (fate, news) = fail(&mut request, RetryClass::Attempt, None, now);
        assert_eq!((request.tries.attempts, again(fate), news), (1, Some(now + Duration::from_secs(1)), OriginNews::Nothing));
        assert_eq!(again(fail(&mut request, RetryClass::Unknown, None, now).0), Some(now + Duration::from_secs(2)));
        assert!(matches!(fail(&mut request, RetryClass::Attempt, None, now).0, Fate::Dead { reason } if reason == "why"));
        let kept = Try { at_ms: 7, cost: Cost::Attempt, error: "why".to_owned() };
        assert_eq!(request.tries.history, vec![kept; 3]);
    }

    #[test]
    fn a_retry_after_is_obeyed_within_reason() {
        let now = Instant::now();
        let retry_after = |asked| {
            let (failure, moment) = (WireError::new("why", RetryClass::Attempt, ""), Moment { now, at_ms: 7 });
            again(judge(&policy(), &mut request(), &failure, Some(asked), None, moment, 1.0).0).unwrap() - now
        };
        assert_eq!(retry_after(Duration::from_secs(9)), Duration::from_secs(9));
        assert_eq!(retry_after(Duration::MAX), Duration::from_secs(60));
    }

    #[test]
    fn trouble_of_the_origin_costs_nothing_unless_the_origin_was_well_in_between() {
        let (now, mut request) = (Instant::now(), request());
        for i in 0..9 {
            let (fate, news) = fail(&mut request, RetryClass::Origin, Some(now), now + Duration::from_secs(i));
            assert_eq!((again(fate), request.tries.attempts, news), (None, 0, OriginNews::Trouble(None)));
        }
        assert_eq!(request.tries.history.len(), KEPT_TRIES);
        let answer = now + Duration::from_secs(9);
        let (_, news) = fail(&mut request, RetryClass::Origin, Some(answer), now + Duration::from_secs(10));
        assert_eq!((request.tries.attempts, news), (1, OriginNews::Nothing));
    }

    #[test]
    fn a_worker_that_cannot_take_a_job_costs_nothing() {
        let mut refused = request();
        let (fate, news) = fail(&mut refused, RetryClass::Peer, None, Instant::now());
        assert_eq!((again(fate), refused, news), (None, request(), OriginNews::Nothing));
    }

    #[test]
    fn definitive_answers_end_a_request_and_speak_well_of_the_origin() {
        let (fate, news) = fail(&mut request(), RetryClass::Skip, None, Instant::now());
        assert!(matches!(fate, Fate::Skipped { reason } if reason == "why"));
        assert_eq!(news, OriginNews::Answered);
        assert!(matches!(fail(&mut request(), RetryClass::Dead, None, Instant::now()).0, Fate::Dead { .. }));
    }

    #[test]
    fn three_losses_send_a_request_into_solitude_and_three_more_there_end_it() {
        let mut request = request();
        for _ in 0..LOSSES {
            assert!(!runs_alone(&request));
            again(lost(&mut request, false, "gone", 7));
        }
        for _ in 1..LOSSES {
            assert!(runs_alone(&request));
            again(lost(&mut request, true, "gone", 7));
        }
        assert!(matches!(lost(&mut request, true, "gone", 7), Fate::Dead { reason } if reason == LOST_ITS_WORKER));
    }
}
