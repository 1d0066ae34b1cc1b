//! From text to a field's value.

use model::schema::FieldKind;

/// What a field's text becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// The text.
    Text,
    /// The first whole number in the text.
    Integer,
    /// The first number in the text.
    Float,
    /// Whether it was found and does not deny itself.
    Bool,
    /// Every text that was found.
    List,
    /// The text as an absolute URL.
    Url,
}

/// The conversions by the name they have in a spider file.
pub(crate) const NAMES: [(&str, Conversion); 6] = [
    ("text", Conversion::Text),
    ("integer", Conversion::Integer),
    ("float", Conversion::Float),
    ("bool", Conversion::Bool),
    ("list", Conversion::List),
    ("url", Conversion::Url),
];

impl Conversion {
    /// What a store is told about the field.
    pub fn kind(self) -> FieldKind {
        match self {
            Conversion::Text | Conversion::Url => FieldKind::Text,
            Conversion::Integer => FieldKind::Integer,
            Conversion::Float => FieldKind::Float,
            Conversion::Bool => FieldKind::Bool,
            Conversion::List => FieldKind::TextList,
        }
    }
}

/// The first whole number in a text: `34岁` gives 34, `1,234 km` gives 1234, `-5°` gives −5, `10-20` gives 10.
///
/// Digits are ASCII; a comma belongs to the number when exactly three digits follow it. `None` without a number and for one that does
/// not fit 64 bits with sign.
pub fn first_integer(text: &str) -> Option<i64> {
    let number = first_number(text)?;
    let digits = without_commas(number.whole);
    let signed = if number.negative { format!("-{digits}") } else { digits };
    signed.parse().ok()
}

/// The first number in a text: like [`first_integer`], with what follows a decimal point; `.5` is a number too.
///
/// `None` without a number and for one too large to be finite.
pub fn first_float(text: &str) -> Option<f64> {
    let number = first_fraction(text)?;
    number.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Whether a text that was found means yes: anything but `false`, `no`, `off` and `0`, in any case of letters.
pub fn is_true(text: &str) -> bool {
    !["false", "no", "off", "0"].iter().any(|no| text.trim().eq_ignore_ascii_case(no))
}

struct Number<'t> {
    negative: bool,
    whole: &'t str,
    rest: &'t str,
}

fn first_number(text: &str) -> Option<Number<'_>> {
    let start = text.bytes().position(|b| b.is_ascii_digit())?;
    let mut end = start + digits(&text[start..]);
    // Thousands: up to three digits, then groups of a comma and exactly three.
    while end - start <= 3 || text[start..end].contains(',') {
        let rest = &text[end..];
        if rest.starts_with(',') && digits(&rest[1..]) == 3 { end += 4 } else { break }
    }
    Some(Number { negative: is_sign(&text[..start]), whole: &text[start..end], rest: &text[end..] })
}

fn first_fraction(text: &str) -> Option<String> {
    let start = text.bytes().position(|b| b.is_ascii_digit())?;
    let before = &text[..start];
    if let Some(before) = before.strip_suffix('.').filter(|before| !before.ends_with(char::is_alphanumeric)) {
        let sign = if is_sign(before) { "-" } else { "" };
        return Some(format!("{sign}0.{}", &text[start..start + digits(&text[start..])]));
    }
    let number = first_number(text)?;
    let mut digits_and_point = if number.negative { "-".to_owned() } else { String::new() };
    digits_and_point.push_str(&without_commas(number.whole));
    if let Some(rest) = number.rest.strip_prefix('.') {
        let fraction = &rest[..digits(rest)];
        if !fraction.is_empty() {
            digits_and_point.push('.');
            digits_and_point.push_str(fraction);
        }
    }
    Some(digits_and_point)
}

/// Whether a number after this text is negative: a minus that joins it to nothing before, as it does in `10-20` and `A-4`.
fn is_sign(before: &str) -> bool {
    before.strip_suffix(['-', '−']).is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '-'))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn without_commas(whole: &str) -> String {
    whole.chars().filter(|c| *c != ',').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_integer_is_found_in_what_people_write() {
        for (text, expected) in [
            ("34岁", Some(34)),
            ("身高：172CM", Some(172)),
            ("1,234 km", Some(1234)),
            ("1,234,567", Some(1_234_567)),
            ("1,23", Some(1)),
            ("12,3456", Some(12)),
            ("1234,567", Some(1234)),
            ("10-20", Some(10)),
            ("-5°", Some(-5)),
            ("−5", Some(-5)),
            ("A-4", Some(4)),
            ("12.7", Some(12)),
            ("", None),
            ("none", None),
            ("٣", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
        ] {
            assert_eq!(first_integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_first_float_is_found_in_what_people_write() {
        for (text, expected) in [
            ("3.98万", Some(3.98)),
            ("12", Some(12.0)),
            ("1,299.50 €", Some(1299.5)),
            ("-0.5", Some(-0.5)),
            (".5", Some(0.5)),
            ("7.", Some(7.0)),
            ("v1.2.3", Some(1.2)),
            ("x", None),
        ] {
            assert_eq!(first_float(text), expected, "{text:?}");
        }
        assert_eq!(first_float(&"9".repeat(400)), None);
    }

    #[test]
    fn a_found_text_is_true_unless_it_denies() {
        assert!(is_true("") && is_true("yes") && is_true("是"));
        assert!(!is_true("False") && !is_true(" no ") && !is_true("0") && !is_true("off"));
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(number: i64, before in "[a-z ]{0,4}", after in "[a-z ]{0,4}") {
            prop_assert_eq!(first_integer(&format!("{before} {number} {after}")), Some(number));
        }

        #[test]
        fn every_decimal_is_read_back(whole in -1_000_000i64..1_000_000, hundredths in 0u32..100) {
            let text = format!("{whole}.{hundredths:02}");
            prop_assert_eq!(first_float(&format!("({text})")), text.parse().ok());
        }

        #[test]
        fn no_text_makes_conversion_panic(text in "[-−.,0-9a岁 ]{0,40}") {
            let _ = (first_integer(&text), first_float(&text), is_true(&text));
        }
    }
}
