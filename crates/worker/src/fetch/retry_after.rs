//! The Retry-After header.

use std::time::SystemTime;

/// Milliseconds from now that a server asks to be left alone: whole seconds, or until an HTTP date. A date in the past is 0, what is
/// neither is nothing.
pub(crate) fn millis(value: &str, now: SystemTime) -> Option<u64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1000));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let wait = date.duration_since(now).unwrap_or_default();
    Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn seconds_and_dates_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let date = |offset: i64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs((1_700_000_000 + offset) as u64));
        assert_eq!(millis(" 120 ", now), Some(120_000));
        assert_eq!(millis("0", now), Some(0));
        assert_eq!(millis(&date(30), now), Some(30_000));
        assert_eq!(millis(&date(-30), now), Some(0));
        assert_eq!(millis("99999999999999999999", now), Some(u64::MAX));
        for bad in ["", "-1", "1.5", "soon"] {
            assert_eq!(millis(bad, now), None, "{bad}");
        }
    }
}
