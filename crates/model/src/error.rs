//! Errors that cross the wire: an open code for people and reports, a closed class for decisions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failure told by another process.
///
/// The receiver decides by [`RetryClass`] and never reads the text; the code groups failures in reports and may be one this version
/// has never heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// Short and stable, such as `connection refused`: the key in a report's `dead_by_reason` and `skipped_by_reason`.
    pub code: String,
    /// Whether and how to try again.
    pub retry: RetryClass,
    /// One sentence for a person, with the details; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What the receiver of a failure does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RetryClass {
    /// The site's definitive answer (404, an unwanted type): skipped, counted, no failure.
    Skip,
    /// Given up: a dead letter (a parser failed, a redirect loop).
    Dead,
    /// The site answered, badly: counts as an attempt, tried again until they are used up.
    Attempt,
    /// The site is in trouble (refused, timed out, 429, 503): its origin slows down, the URL pays nothing at first.
    Origin,
    /// The worker could not take the job (busy, draining, no spider): neither the site nor the URL is to blame.
    Peer,
    /// A class this version does not know; treated as [`RetryClass::Attempt`].
    #[serde(other)]
    Unknown,
}

/// Codes that more than one process must agree on. Other codes are free text.
pub mod code {
    /// The worker has as many jobs as it takes.
    pub const BUSY: &str = "busy";
    /// The process is finishing and takes nothing new.
    pub const DRAINING: &str = "draining";
    /// The job waited longer than its deadline before it was begun.
    pub const EXPIRED: &str = "expired";
    /// The worker lacks the spider and asks for it.
    pub const NEED_SPIDER: &str = "need spider";
    /// No parser of that name, in the spider or built in.
    pub const UNKNOWN_PARSER: &str = "unknown parser name";
    /// The parser lacks an argument or cannot use it.
    pub const INVALID_ARG: &str = "invalid arg";
    /// A caller of an earlier epoch of the same run.
    pub const STALE_EPOCH: &str = "stale epoch";
    /// A peer whose protocol version is not this one's.
    pub const WRONG_VERSION: &str = "wrong protocol version";
    /// The page is as it was when its validators were noted: there is no body, and nothing to parse.
    pub const NOT_MODIFIED: &str = "not modified";
    /// A verdict this version does not know.
    pub const UNKNOWN_VERDICT: &str = "unknown verdict";
}

impl WireError {
    /// A failure with its code, class and details.
    pub fn new(code: impl Into<String>, retry: RetryClass, detail: impl Into<String>) -> WireError {
        WireError { code: code.into(), retry, detail: detail.into() }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for WireError {}
