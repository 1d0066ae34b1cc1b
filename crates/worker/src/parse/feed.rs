//! Giving html5ever a page piece by piece, so that a parse that goes astray can be ended: it cannot be interrupted within a piece.

use std::time::Duration;

use html5ever::tendril::StrTendril;

use super::allowance::cpu_time;
use super::{Allowance, ParseError};

/// Most processor time that a single tag may take. The tokenizer compares each attribute with all before it, so a tag of a million attributes
/// would take minutes; the count of attributes is not to be seen from outside, the time is. Ordinary tags take microseconds.
const LONGEST_TAG: Duration = Duration::from_secs(2);

/// Passes a text on in pieces of about `size` bytes, each with a check before the next.
///
/// `progress` tells how many tokens came so far; it may be called often. Parse errors are no progress: a repeated attribute is one, and
/// comes in the middle of a tag.
pub(crate) fn in_pieces(
    text: &str,
    allowance: &Allowance,
    size: usize,
    mut pass: impl FnMut(StrTendril),
    progress: impl Fn() -> u64,
    mut check: impl FnMut() -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let mut rest = text;
    let mut seen = progress();
    let mut quiet_since: Option<Duration> = None;
    while !rest.is_empty() {
        let mut end = size.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, after) = rest.split_at(end);
        pass(StrTendril::from_slice(piece));
        rest = after;
        if progress() != seen {
            seen = progress();
            quiet_since = None;
        } else if quiet_for(&mut quiet_since) > LONGEST_TAG {
            return Err(ParseError::TooComplex(format!("a tag takes longer than {} s to read", LONGEST_TAG.as_secs())));
        }
        check()?;
        allowance.check()?;
    }
    Ok(())
}

/// How long nothing has come, from the first time this is asked on.
fn quiet_for(since: &mut Option<Duration>) -> Duration {
    let since = *since.get_or_insert_with(cpu_time);
    cpu_time().saturating_sub(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_whose_time_is_up_or_whose_caller_is_gone_is_read_no_further() {
        let abandoned = Allowance::begin(std::sync::Arc::new(true.into()));
        for allowance in [Allowance::spent(), abandoned] {
            let mut passed = 0;
            let result = in_pieces(&"x".repeat(100), &allowance, 10, |_| passed += 1, || 0, || Ok(()));
            assert_eq!((result.is_err(), passed), (true, 1));
        }
    }
}
