//! Paths and patterns in the one spelling in which they can be compared.
//!
//! Octets that are neither reserved nor unreserved in a URI are percent-encoded; percent-encoded unreserved ones are not; the digits of all
//! others are upper case. So `/%7Euser`, `/~user` and `/%7euser` are one path, and `/a%2Fb` is not `/a/b`. In a path `*` and `$` are
//! percent-encoded too, which makes room for their meanings in a pattern.

use std::fmt::Write as _;

/// The normal form of a path with its query, for [`matches`].
pub(crate) fn normal_path(path: &str) -> String {
    normal(path.as_bytes(), |text, special, _| text.push_str(if special == b'*' { "%2A" } else { "%24" }))
}

/// The normal form of a pattern: `*` is any octets, `$` at the end is the end.
pub(crate) fn normal_pattern(pattern: &[u8]) -> String {
    normal(pattern, |text, special, last| match special {
        b'*' => text.push('*'),
        _ if last => text.push('$'),
        _ => text.push_str("%24"),
    })
}

fn normal(bytes: &[u8], special: impl Fn(&mut String, u8, bool)) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        at += 1;
        match byte {
            b'*' | b'$' => special(&mut text, byte, at == bytes.len()),
            b'%' => match encoded(&bytes[at..]) {
                Some(octet) => {
                    at += 2;
                    if is_unreserved(octet) { text.push(char::from(octet)) } else { push_encoded(&mut text, octet) }
                }
                None => text.push_str("%25"),
            },
            _ if is_unreserved(byte) || is_reserved(byte) => text.push(char::from(byte)),
            _ => push_encoded(&mut text, byte),
        }
    }
    text
}

fn encoded(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

fn push_encoded(text: &mut String, octet: u8) {
    // Writing to a string does not fail.
    let _ = write!(text, "%{octet:02X}");
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Without `*` and `$`, which are treated by themselves.
fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!&'()+,;=".contains(&byte)
}

/// Whether a pattern matches a path, both in normal form. Takes time linear in the length of both: each part between two `*` is looked for
/// once, at the first place where it can be.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, to_end) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return !to_end || rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    if to_end { rest.ends_with(last) } else { rest.contains(last) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the RFC says, word for word and as slowly as that.
    fn naive(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => true,
            b"$" => path.is_empty(),
            [b'*', rest @ ..] => (0..=path.len()).any(|skip| naive(rest, &path[skip..])),
            [byte, rest @ ..] => path.split_first().is_some_and(|(first, tail)| first == byte && naive(rest, tail)),
        }
    }

    #[test]
    fn octets_that_mean_the_same_are_spelt_the_same() {
        for (path, expected) in [
            ("/%7Euser/%2fa%2F", "/~user/%2Fa%2F"),
            ("/a b\"<>", "/a%20b%22%3C%3E"),
            ("/ツ", "/%E3%83%84"),
            ("/%e3%83%84", "/%E3%83%84"),
            ("/100%/%4", "/100%25/%254"),
            ("/100%25", "/100%25"),
            ("/*$?a=b&c=(d)", "/%2A%24?a=b&c=(d)"),
            ("/%2a%24", "/%2A%24"),
        ] {
            assert_eq!(normal_path(path), expected, "{path}");
        }
        for (pattern, expected) in
            [("/*.php$", "/*.php$"), ("/$/a", "/%24/a"), ("/%2A%24", "/%2A%24"), ("/caf\u{e9}", "/caf%C3%A9"), ("$", "$")]
        {
            assert_eq!(normal_pattern(pattern.as_bytes()), expected, "{pattern}");
        }
        assert_eq!(normal_pattern(b"/caf\xe9"), "/caf%E9");
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_more_time_than_it_is_long() {
        let pattern = format!("/{}b", "*a".repeat(4_000));
        assert!(!matches(&pattern, &format!("/{}", "a".repeat(8_000))));
    }

    proptest! {
        #[test]
        fn patterns_match_as_the_naive_reading_has_it(pattern in "/?[ab*/]{0,8}\\$?", path in "/[ab/]{0,10}") {
            prop_assert_eq!(matches(&pattern, &path), naive(pattern.as_bytes(), path.as_bytes()), "{} {}", pattern, path);
        }

        #[test]
        fn the_normal_form_of_a_path_is_its_own(path in "/([ -~é]|%[0-9a-fA-F]{2}){0,12}") {
            let once = normal_path(&path);
            prop_assert_eq!(normal_path(&once), once);
        }
    }
}
