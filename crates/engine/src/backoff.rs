//! Exponential backoff with jitter.

use std::time::Duration;

/// The longest pause, however often something failed and whatever `Retry-After` did not ask for.
pub const LONGEST: Duration = Duration::from_secs(300);

/// The pause after the `failures`th failure in a row (1 is the first): `base` doubled with each, at most [`LONGEST`], then between half
/// and all of it. `random` is in 0..1.
pub fn pause(base: Duration, failures: u32, random: f64) -> Duration {
    let doubled = base.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(LONGEST);
    doubled.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_takes_at_most_half() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(second, 1, 1.0), second);
        assert_eq!(pause(second, 1, 0.0), second / 2);
        assert_eq!(pause(second, 4, 1.0), 8 * second);
        assert_eq!(pause(second, 4_000, 1.0), LONGEST);
        assert_eq!(pause(Duration::ZERO, 3, 1.0), Duration::ZERO);
    }
}
