//! Dates as sitemaps and feeds write them.

use std::time::SystemTime;

/// Milliseconds since the Unix epoch of a W3C date (`2026`, `2026-01`, `2026-01-02`, `2026-01-02T03:04[:05[.6]](Z|+01:00)`) or an HTTP date;
/// a time without zone is UTC. `None` for what is neither, and for times before 1970.
pub(super) fn millis(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(time) = httpdate::parse_http_date(text) {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        return u64::try_from(since.as_millis()).ok();
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let mut parts = date.splitn(3, '-').map(number);
    let year = parts.next()?.filter(|_| date.len() >= 4)?;
    let (month, day) = (parts.next().unwrap_or(Some(1))?, parts.next().unwrap_or(Some(1))?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + seconds(time)?;
    u64::try_from(seconds).ok()?.checked_mul(1_000)
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Seconds of a time of day, less its zone.
fn seconds(time: &str) -> Option<i64> {
    if time.is_empty() {
        return Some(0);
    }
    let zone = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let clock = clock.split('.').next()?;
    let mut parts = clock.splitn(3, ':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':').unwrap_or((zone.get(1..3)?, zone.get(3..)?));
            let offset = number(hours)? * 3_600 + number(minutes)? * 60;
            if zone.starts_with('-') { -offset } else { offset }
        }
    };
    (hour <= 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second - offset)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March, so that a leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_length() {
        for (text, expected) in [
            ("1970", Some(0)),
            ("2026-01", Some(1_767_225_600_000)),
            ("2026-01-02", Some(1_767_312_000_000)),
            ("2024-03-01", Some(1_709_251_200_000)),
            ("2000-02-29", Some(951_782_400_000)),
            (" 2026-01-02T03:04Z ", Some(1_767_323_040_000)),
            ("2026-01-02T03:04:05.678Z", Some(1_767_323_045_000)),
            ("2026-01-02T03:04:05+01:00", Some(1_767_319_445_000)),
            ("2026-01-02T03:04:05-0130", Some(1_767_328_445_000)),
            ("2026-01-02 03:04:05", Some(1_767_323_045_000)),
            ("Fri, 02 Jan 2026 03:04:05 GMT", Some(1_767_323_045_000)),
            ("2026-13-01", None),
            ("2026-1-é", None),
            ("26", None),
            ("1969-12-31", None),
            ("yesterday", None),
            ("2026-01-02T", Some(1_767_312_000_000)),
            ("2026-01-02T3", None),
            ("2026-01-02T03:04+é", None),
            ("", None),
        ] {
            assert_eq!(millis(text), expected, "{text:?}");
        }
    }
}
