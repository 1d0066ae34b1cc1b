//! Text as it is meant: character references decoded, line ends made one, and no NUL.

use std::borrow::Cow;

use html5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};
use memchr::memchr3;

/// Where text stands, which decides what a name without a semicolon means: in `?a=1&copy=2` of an address it is no sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Attribute,
    Text,
}

/// Past the last code point; digits that come to more mean no character either.
const TOO_LARGE: u32 = 0x11_0000;

/// Decodes what is written; borrowed where that is what it means.
pub(super) fn decode(written: &str, place: Place) -> Cow<'_, str> {
    let next = |text: &str| memchr3(b'&', b'\r', b'\0', text.as_bytes());
    if next(written).is_none() {
        return Cow::Borrowed(written);
    }
    let mut decoded = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = next(rest) {
        let (before, special) = rest.split_at(at);
        decoded.push_str(before);
        let after = &special[1..];
        rest = match special.as_bytes()[0] {
            b'&' => reference(after, place, &mut decoded),
            b'\r' => {
                decoded.push('\n');
                after.strip_prefix('\n').unwrap_or(after)
            }
            _ => {
                decoded.push(char::REPLACEMENT_CHARACTER);
                after
            }
        };
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Adds what the text behind an ampersand means, and gives what is left of it.
fn reference<'t>(text: &'t str, place: Place, decoded: &mut String) -> &'t str {
    let found = match text.strip_prefix('#') {
        Some(number) => numeric(number).map(|(character, rest)| ([Some(character), None], rest)),
        None => named(text, place),
    };
    match found {
        Some((characters, rest)) => {
            decoded.extend(characters.into_iter().flatten());
            rest
        }
        None => {
            decoded.push('&');
            text
        }
    }
}

fn numeric(text: &str) -> Option<(char, &str)> {
    let (base, digits) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits),
        None => (10, text),
    };
    let rest = digits.trim_start_matches(|c: char| c.is_digit(base));
    let digits = &digits[..digits.len() - rest.len()];
    if digits.is_empty() {
        return None;
    }
    let number = digits.chars().filter_map(|c| c.to_digit(base)).fold(0, |number, digit| (number * base + digit).min(TOO_LARGE));
    let character = match number {
        0 => char::REPLACEMENT_CHARACTER,
        // What was meant are characters of Windows-1252, as the standard has it.
        0x80..=0x9F => C1_REPLACEMENTS[number as usize - 0x80].or(char::from_u32(number))?,
        _ => char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    Some((character, rest.strip_prefix(';').unwrap_or(rest)))
}

/// The longest name that the text begins with.
fn named(text: &str, place: Place) -> Option<([Option<char>; 2], &str)> {
    let mut found = None;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        // The table has all beginnings of names too, with nothing that they mean.
        match NAMED_ENTITIES.get(&text[..end]) {
            Some((0, _)) => {}
            Some(characters) => found = Some((end, characters)),
            None => break,
        }
    }
    let (end, (first, second)) = found?;
    let (name, rest) = text.split_at(end);
    let goes_on = rest.starts_with(|c: char| c == '=' || c.is_ascii_alphanumeric());
    if place == Place::Attribute && !name.ends_with(';') && goes_on {
        return None;
    }
    Some(([char::from_u32(*first), char::from_u32(*second).filter(|c| *c != '\0')], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_mean_what_browsers_take_them_for() {
        for (written, in_attribute, in_text) in [
            ("a&amp;b", "a&b", "a&b"),
            ("?a=1&copy=2&reg;&amp", "?a=1&copy=2®&", "?a=1©=2®&"),
            ("&notit;&notin;&noti", "&notit;∉&noti", "¬it;∉¬i"),
            ("&#65;&#x42&#X43;&#;&#x;&#xg", "ABC&#;&#x;&#xg", "ABC&#;&#x;&#xg"),
            (
                "&#0;&#x80;&#x81;&#xD800;&#x110000;&#99999999999;",
                "\u{fffd}€\u{81}\u{fffd}\u{fffd}\u{fffd}",
                "\u{fffd}€\u{81}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("&NotEqualTilde;&é& &", "≂̸&é& &", "≂̸&é& &"),
            ("a\r\nb\rc\0&#13;", "a\nb\nc\u{fffd}\r", "a\nb\nc\u{fffd}\r"),
        ] {
            assert_eq!(decode(written, Place::Attribute), in_attribute, "{written:?}");
            assert_eq!(decode(written, Place::Text), in_text, "{written:?}");
        }
        assert!(matches!(decode("plain", Place::Text), Cow::Borrowed("plain")));
    }
}
