//! `engine dead`.

use super::args::DeadArgs;
use super::place::{Found, Purpose};
use super::{CommandError, Outcome, answer};
use crate::inquiry::dead::{DeadLetters, dead_letters};

pub(super) async fn run(DeadArgs { reason, limit, crawl, json }: DeadArgs) -> Result<Outcome, CommandError> {
    let letters = match Found::open(&crawl, Purpose::Look)? {
        Found::Running(crawl) => crawl.dead(reason.as_deref(), limit).await?,
        Found::Stopped(crawl) => dead_letters(&*crawl.inspected.frontier, reason.as_deref(), limit)?,
    };
    if let Some(reason) = &reason {
        refuse_unknown(reason, &letters)?;
    }
    let text = if json { letters.json_lines().expect("what is answered has a JSON form") } else { letters.to_string() };
    answer(&text)
}

/// A reason that nothing was given up for is a slip of the pen.
pub(super) fn refuse_unknown(reason: &str, letters: &DeadLetters) -> Result<(), CommandError> {
    if !letters.urls.is_empty() || !letters.items.is_empty() {
        return Ok(());
    }
    let reasons: String = letters.reasons().iter().map(|reason| format!("\n  --reason {reason:?}")).collect();
    let known = if reasons.is_empty() { ": nothing was given up at all".to_owned() } else { format!("; there are:{reasons}") };
    Err(CommandError::Mistake(format!("nothing was given up for the reason {reason:?}{known}")))
}
