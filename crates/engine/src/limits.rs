//! How the engine's time limits nest, in one place.
//!
//! connect < fetch < job deadline < shutdown grace, so that what gives up first is what knows most about the failure; and, independent of
//! it, ping interval < heartbeat loss.

use std::time::Duration;

/// Limit on connecting to a peer, hello included.
pub const DIAL: Duration = Duration::from_secs(5);

/// How often a worker is pinged.
pub const PING_INTERVAL: Duration = Duration::from_secs(2);

/// How long a worker may leave pings unanswered before its link is given up.
pub const HEARTBEAT_LOST: Duration = Duration::from_secs(8);

/// Limit on handing a spider file over, which a worker compiles before it answers.
pub const PUT_SPIDER: Duration = Duration::from_secs(10);

/// Limit on one batch at the itemsaver. A disk that takes longer is as good as none; the batch is sent again.
pub const SAVE: Duration = Duration::from_secs(60);

/// What a job may take beyond its fetch: waiting for a free parser thread, parsing, the way back.
const AROUND_A_FETCH: Duration = Duration::from_secs(10);

const _: () = assert!(PING_INTERVAL.as_millis() * 2 < HEARTBEAT_LOST.as_millis());

/// The limits of one fetch and what follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// Making a connection to a site.
    pub connect: Duration,
    /// A whole fetch.
    pub fetch: Duration,
    /// Waiting for what is in flight when the crawl is stopped.
    pub grace: Duration,
}

impl TimeLimits {
    /// How long a worker may take for a job before its lease is taken for lost.
    pub fn job_deadline(&self) -> Duration {
        self.fetch + AROUND_A_FETCH
    }

    /// What does not nest, as sentences for the user.
    pub fn mistakes(&self) -> Vec<String> {
        let TimeLimits { connect, fetch, grace } = *self;
        let show = humantime::format_duration;
        let mut mistakes = Vec::new();
        if connect.is_zero() || fetch.is_zero() {
            mistakes.push("--connect-timeout and --fetch-timeout must be longer than 0s".to_owned());
        } else if connect > fetch {
            mistakes.push(format!("--connect-timeout {} is longer than --fetch-timeout {}", show(connect), show(fetch)));
        }
        if grace <= self.job_deadline() {
            let least = self.job_deadline() + Duration::from_secs(1);
            mistakes.push(format!(
                "--grace {} is too short: a job may take --fetch-timeout and 10s; give at least {}",
                show(grace),
                show(least)
            ));
        }
        mistakes
    }
}
