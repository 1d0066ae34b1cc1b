//! What a failure costs: an attempt, a pause for the origin, or the request itself. Pure.

use std::num::NonZeroU32;
use std::time::Duration;

use model::error::code;
use model::{RetryClass, WireError};
use tokio::time::Instant;

use crate::backoff;
use crate::frontier::Fate;
use crate::request::Request;

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

/// Judges a failure. `last_answer` is when the origin last answered normally; `random` is in 0..1.
///
/// Trouble of the origin costs the URL nothing, unless the origin was well since this URL was last tried: then the URL is to blame.
pub fn judge(
    policy: &RetryPolicy,
    mut request: Box<Request>,
    failure: &WireError,
    retry_after: Option<Duration>,
    last_answer: Option<Instant>,
    now: Instant,
    random: f64,
) -> (Fate, OriginNews) {
    let last_try = request.tries.last.replace(now);
    let attempt = match failure.retry {
        RetryClass::Skip => return (Fate::Skipped { reason: failure.code.clone() }, OriginNews::Answered),
        RetryClass::Dead => return (Fate::Dead { reason: failure.code.clone() }, OriginNews::Nothing),
        RetryClass::Peer => {
            request.tries.last = last_try;
            return (Fate::Again { request, not_before: None }, OriginNews::Nothing);
        }
        RetryClass::Attempt | RetryClass::Unknown => true,
        RetryClass::Origin => last_try.is_some_and(|last_try| last_answer.is_some_and(|answer| answer > last_try)),
    };
    if !attempt {
        return (Fate::Again { request, not_before: None }, OriginNews::Trouble(retry_after));
    }
    request.tries.attempts += 1;
    if request.tries.attempts >= policy.attempts.get() {
        return (Fate::Dead { reason: failure.code.clone() }, OriginNews::Nothing);
    }
    let asked = retry_after.unwrap_or_default().min(policy.longest);
    let pause = backoff::pause(policy.pause, request.tries.attempts, random).max(asked);
    (Fate::Again { request, not_before: Some(now + pause) }, OriginNews::Nothing)
}

/// Judges a loss: the lease vanished unanswered. `alone` says whether the request was the only one on its worker.
pub fn lost(mut request: Box<Request>, alone: bool) -> Fate {
    request.tries.losses += 1;
    request.tries.losses_alone += u32::from(alone);
    if request.tries.losses_alone >= LOSSES {
        return Fate::Dead { reason: LOST_ITS_WORKER.to_owned() };
    }
    Fate::Again { request, not_before: None }
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
    use model::{CrawlUrl, ParserRef};
    use std::sync::Arc;

    fn policy() -> RetryPolicy {
        RetryPolicy { attempts: NonZeroU32::new(3).unwrap(), pause: Duration::from_secs(1), longest: Duration::from_secs(60) }
    }

    fn request() -> Box<Request> {
        Box::new(Request::seed(CrawlUrl::parse("http://h/").unwrap(), Arc::new(ParserRef::named("page"))))
    }

    fn fail(request: Box<Request>, retry: RetryClass, last_answer: Option<Instant>, now: Instant) -> (Fate, OriginNews) {
        judge(&policy(), request, &WireError::new("why", retry, ""), None, last_answer, now, 1.0)
    }

    fn again(fate: Fate) -> (Box<Request>, Option<Instant>) {
        match fate {
            Fate::Again { request, not_before } => (request, not_before),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attempts_are_limited_and_paused() {
        let now = Instant::now();
        let (fate, news) = fail(request(), RetryClass::Attempt, None, now);
        let (second, not_before) = again(fate);
        assert_eq!((second.tries.attempts, not_before, news), (1, Some(now + Duration::from_secs(1)), OriginNews::Nothing));
        let (third, not_before) = again(fail(second, RetryClass::Unknown, None, now).0);
        assert_eq!(not_before, Some(now + Duration::from_secs(2)));
        assert!(matches!(fail(third, RetryClass::Attempt, None, now).0, Fate::Dead { reason } if reason == "why"));
    }

    #[test]
    fn a_retry_after_is_obeyed_within_reason() {
        let now = Instant::now();
        let retry_after = |asked| {
            let failure = WireError::new("why", RetryClass::Attempt, "");
            again(judge(&policy(), request(), &failure, Some(asked), None, now, 1.0).0).1.unwrap() - now
        };
        assert_eq!(retry_after(Duration::from_secs(9)), Duration::from_secs(9));
        assert_eq!(retry_after(Duration::MAX), Duration::from_secs(60));
    }

    #[test]
    fn trouble_of_the_origin_costs_nothing_unless_the_origin_was_well_in_between() {
        let now = Instant::now();
        let mut request = request();
        for i in 0..9 {
            let (fate, news) = fail(request, RetryClass::Origin, Some(now), now + Duration::from_secs(i));
            request = again(fate).0;
            assert_eq!((request.tries.attempts, news), (0, OriginNews::Trouble(None)));
        }
        let answer = now + Duration::from_secs(9);
        let (fate, news) = fail(request, RetryClass::Origin, Some(answer), now + Duration::from_secs(10));
        assert_eq!((again(fate).0.tries.attempts, news), (1, OriginNews::Nothing));
    }

    #[test]
    fn a_worker_that_cannot_take_a_job_costs_nothing() {
        let (fate, news) = fail(request(), RetryClass::Peer, None, Instant::now());
        assert_eq!((*again(fate).0, news), (*request(), OriginNews::Nothing));
    }

    #[test]
    fn definitive_answers_end_a_request_and_speak_well_of_the_origin() {
        let (fate, news) = fail(request(), RetryClass::Skip, None, Instant::now());
        assert!(matches!(fate, Fate::Skipped { reason } if reason == "why"));
        assert_eq!(news, OriginNews::Answered);
        assert!(matches!(fail(request(), RetryClass::Dead, None, Instant::now()).0, Fate::Dead { .. }));
    }

    #[test]
    fn three_losses_send_a_request_into_solitude_and_three_more_there_end_it() {
        let mut request = request();
        for _ in 0..LOSSES {
            assert!(!runs_alone(&request));
            request = again(lost(request, false)).0;
        }
        for _ in 1..LOSSES {
            assert!(runs_alone(&request));
            request = again(lost(request, true)).0;
        }
        assert!(matches!(lost(request, true), Fate::Dead { reason } if reason == LOST_ITS_WORKER));
    }
}
