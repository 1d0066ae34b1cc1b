//! What can be asked of a crawl, running or not: pure answers from its frontier and its scope, each with a form for scripts (JSON) and one
//! for people.

pub mod dead;
pub mod status;
pub mod why;

use std::time::{Duration, UNIX_EPOCH};

/// A time in milliseconds since the Unix epoch, for a person: `2026-01-31T12:00:00Z`.
fn instant(millis: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
}
