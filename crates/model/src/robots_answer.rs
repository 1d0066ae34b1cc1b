//! What the outcome of a robots.txt job means for its origin.

use robots::RobotsRules;

use crate::error::{RetryClass, WireError};
use crate::outcome::{Outcome, Redirect, Verdict};

/// What is known of an origin's rules after one job. RFC 9309, 2.3.1.
#[derive(Clone, Debug, PartialEq)]
pub enum RobotsAnswer {
    /// These are the rules: those of the file, or that everything is allowed, because there is none to be had (4xx, a redirect that leads
    /// nowhere, an address that is not connected to).
    Rules(RobotsRules),
    /// The file is elsewhere. To be fetched from there by a job of its own, five times in a row at most; a longer chain means that everything
    /// is allowed.
    Elsewhere(Redirect),
    /// The origin is in trouble (5xx, 429, unreachable): nothing of it may be fetched until it has answered.
    Trouble(WireError),
    /// The worker could not take the job. Nothing was learnt.
    Refused(WireError),
}

impl RobotsAnswer {
    /// Reads the outcome of a job whose parser was [`ROBOTS_PARSER`](crate::parser::ROBOTS_PARSER).
    pub fn of(outcome: Outcome) -> RobotsAnswer {
        let status = outcome.fetch.status;
        match outcome.verdict {
            Verdict::Robots(rules) => RobotsAnswer::Rules(rules),
            Verdict::Redirect(redirect) => RobotsAnswer::Elsewhere(redirect),
            Verdict::Failed(error) => match (error.retry, status) {
                (RetryClass::Peer, _) => RobotsAnswer::Refused(error),
                (_, Some(429 | 500..)) => RobotsAnswer::Trouble(error),
                (_, Some(400..500)) | (RetryClass::Skip, _) => RobotsAnswer::Rules(RobotsRules::allow_all()),
                (RetryClass::Origin | RetryClass::Attempt | RetryClass::Dead | RetryClass::Unknown, _) => RobotsAnswer::Trouble(error),
            },
            // A worker that reads pages where it was asked for rules is none that can tell.
            Verdict::Page(_) => {
                RobotsAnswer::Refused(WireError::new("no robots rules", RetryClass::Peer, "the worker answered with a page"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FetchFacts;

    #[test]
    fn what_an_answer_means_is_as_the_rfc_has_it() {
        use RetryClass::{Attempt, Dead, Origin, Peer, Skip};
        for (status, class, expected) in [
            (Some(404), Skip, "allowed"),
            (Some(401), Skip, "allowed"),
            (Some(403), Skip, "allowed"),
            (Some(408), Attempt, "allowed"),
            (Some(429), Origin, "trouble"),
            (Some(500), Attempt, "trouble"),
            (Some(501), Skip, "trouble"),
            (Some(503), Origin, "trouble"),
            (Some(302), Skip, "allowed"),
            (Some(200), Attempt, "trouble"),
            (None, Origin, "trouble"),
            (None, Attempt, "trouble"),
            (None, Dead, "trouble"),
            (None, Skip, "allowed"),
            (None, Peer, "refused"),
        ] {
            let verdict = Verdict::Failed(WireError::new("x", class, ""));
            let answer = RobotsAnswer::of(Outcome { verdict, fetch: FetchFacts { status, ..FetchFacts::default() } });
            let found = match answer {
                RobotsAnswer::Rules(rules) if rules == RobotsRules::allow_all() => "allowed",
                RobotsAnswer::Rules(_) | RobotsAnswer::Elsewhere(_) => "something else",
                RobotsAnswer::Trouble(_) => "trouble",
                RobotsAnswer::Refused(_) => "refused",
            };
            assert_eq!(found, expected, "{status:?} {class:?}");
        }
    }

    #[test]
    fn rules_arrive_as_they_were_sent() {
        let rules = RobotsRules::parse(b"User-agent: *\nDisallow: /x", "y");
        let outcome = Outcome { verdict: Verdict::Robots(rules.clone()), fetch: FetchFacts::default() };
        let arrived: Outcome = rmp_serde::from_slice(&rmp_serde::to_vec_named(&outcome).unwrap()).unwrap();
        assert_eq!(RobotsAnswer::of(arrived), RobotsAnswer::Rules(rules));
    }
}
