//! Times as people and other programs read them.

/// A time in milliseconds since the Unix epoch as RFC 3339 in UTC: `2024-02-29T12:00:00.000Z`. Years past 9999 have more digits.
pub fn rfc3339(milliseconds: u64) -> String {
    let (seconds, millisecond) = (milliseconds / 1000, milliseconds % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

/// The milliseconds since the Unix epoch of a time as [`rfc3339`] writes it; `None` for any other text, and for times past the year 9999.
pub fn milliseconds(text: &str) -> Option<u64> {
    let digits = |from: usize, to: usize| text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.parse::<u64>().ok();
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second, millisecond) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?, digits(20, 23)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days_before: u64 = (1970..year).map(days_of_year).sum();
    let february = days_of_year(year) - 337;
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30];
    let days = days_before + months.iter().take(usize::try_from(month).ok()? - 1).sum::<u64>() + day - 1;
    let milliseconds = (days * 86_400 + hour * 3600 + minute * 60 + second) * 1000 + millisecond;
    // What is not written like that is no such time.
    (rfc3339(milliseconds) == text).then_some(milliseconds)
}

/// Year, month and day of the day that many days after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    const FOUR_CENTURIES: u64 = 146_097;
    // The calendar repeats every 400 years, which have the same number of days wherever they begin.
    let mut year = 1970 + days / FOUR_CENTURIES * 400;
    let mut day = days % FOUR_CENTURIES;
    while day >= days_of_year(year) {
        day -= days_of_year(year);
        year += 1;
    }
    let february = days_of_year(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

fn days_of_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    365 + u64::from(leap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_704_067_199_999, "2023-12-31T23:59:59.999Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_000, "9999-12-31T23:59:59.000Z"),
            (253_402_300_800_000, "10000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(milliseconds), text);
            let known = (milliseconds < 253_402_300_800_000).then_some(milliseconds);
            assert_eq!(super::milliseconds(text), known);
        }
        assert!(rfc3339(u64::MAX).ends_with(".615Z"));
        for bad in [
            "",
            "2024-02-30T00:00:00.000Z",
            "2024-13-01T00:00:00.000Z",
            "2024-02-29 00:00:00.000Z",
            "1969-12-31T00:00:00.000Z",
            "yesterday",
        ] {
            assert_eq!(milliseconds(bad), None, "{bad}");
        }
    }
}
