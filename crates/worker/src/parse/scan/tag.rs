//! A tag on a page: its name, and its attributes as the HTML standard tells them apart.

use std::borrow::Cow;

use super::near::find_near;
use super::references::{Place, decode};

/// A start tag, whoever read it.
pub(super) trait Tag<'p> {
    /// Its name in lower case.
    fn name(&self) -> &str;

    /// Whether it ends with `/>`.
    fn is_self_closing(&self) -> bool;

    /// What the first attribute of that name, given in lower case, says.
    fn attribute(&self, name: &str) -> Option<Cow<'p, str>> {
        let [value] = self.attributes([name]);
        value
    }

    /// The same of several.
    fn attributes<const N: usize>(&self, names: [&str; N]) -> [Option<Cow<'p, str>>; N];
}

/// A start tag as it is written on the page. Its attributes are looked for when they are asked for.
pub(super) struct WrittenTag<'p> {
    name: Cow<'p, str>,
    attributes: &'p str,
    self_closing: bool,
}

impl<'p> WrittenTag<'p> {
    /// A tag with a name in any case of letters, and all that follows it up to its end.
    pub(super) fn new(name: &'p str, attributes: &'p str, self_closing: bool) -> WrittenTag<'p> {
        WrittenTag { name: lower_case(name), attributes, self_closing }
    }
}

impl<'p> Tag<'p> for WrittenTag<'p> {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_self_closing(&self) -> bool {
        self.self_closing
    }

    fn attributes<const N: usize>(&self, names: [&str; N]) -> [Option<Cow<'p, str>>; N] {
        let mut values = [const { None }; N];
        let mut attributes = Attributes::new(self.attributes);
        while let Step::Attribute { name: found, value } = attributes.step() {
            for (name, said) in names.iter().zip(&mut values) {
                if said.is_none() && found.eq_ignore_ascii_case(name.as_bytes()) {
                    *said = Some(decode(&self.attributes[value.0..value.1], Place::Attribute));
                }
            }
            if values.iter().all(Option::is_some) {
                break;
            }
        }
        values
    }
}

/// A name in lower case, borrowed where it is written so.
pub(super) fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

/// Whether this byte ends a name of a tag, or stands between attributes.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b'\x0C')
}

/// Walks over the attributes of a tag, from behind its name to behind its end.
pub(super) struct Attributes<'p> {
    bytes: &'p [u8],
    at: usize,
}

/// What comes next in a tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'p> {
    /// An attribute; the value is what stands from the first to before the second place, not decoded.
    Attribute { name: &'p [u8], value: (usize, usize) },
    /// The end of the tag.
    End { self_closing: bool },
    /// The text ends within the tag, which is none then.
    CutOff,
}

impl<'p> Attributes<'p> {
    pub(super) fn new(text: &'p str) -> Attributes<'p> {
        Attributes { bytes: text.as_bytes(), at: 0 }
    }

    /// Goes on to the end of the tag: where it is, behind its `>`, and whether it says that it has no content.
    pub(super) fn end(mut self) -> Option<(usize, bool)> {
        loop {
            match self.step() {
                Step::Attribute { .. } => {}
                Step::End { self_closing } => return Some((self.at, self_closing)),
                Step::CutOff => return None,
            }
        }
    }

    pub(super) fn step(&mut self) -> Step<'p> {
        loop {
            self.skip_space();
            match self.bytes.get(self.at) {
                None => return Step::CutOff,
                Some(b'>') => {
                    self.at += 1;
                    return Step::End { self_closing: false };
                }
                Some(b'/') => {
                    self.at += 1;
                    if self.bytes.get(self.at) == Some(&b'>') {
                        self.at += 1;
                        return Step::End { self_closing: true };
                    }
                }
                Some(_) => break,
            }
        }
        let start = self.at;
        // Whatever a name begins with belongs to it, even an equals sign.
        self.at += 1;
        self.skip(|b| !is_space(b) && !matches!(b, b'/' | b'>' | b'='));
        let name = &self.bytes[start..self.at];
        self.skip_space();
        if self.bytes.get(self.at) != Some(&b'=') {
            return Step::Attribute { name, value: (self.at, self.at) };
        }
        self.at += 1;
        self.skip_space();
        match self.bytes.get(self.at) {
            Some(quote @ (b'"' | b'\'')) => {
                let start = self.at + 1;
                let Some(length) = find_near(*quote, &self.bytes[start..]) else {
                    self.at = self.bytes.len();
                    return Step::CutOff;
                };
                self.at = start + length + 1;
                Step::Attribute { name, value: (start, start + length) }
            }
            Some(_) | None => {
                let start = self.at;
                self.skip(|b| !is_space(b) && b != b'>');
                Step::Attribute { name, value: (start, self.at) }
            }
        }
    }

    fn skip_space(&mut self) {
        self.skip(is_space);
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) {
        while self.bytes.get(self.at).is_some_and(|b| is_skipped(*b)) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_what_stands_between_quotes_ends_no_tag() {
        let tag = |text: &'static str| {
            let (end, self_closing) = Attributes::new(text).end()?;
            Some((end, self_closing, WrittenTag::new("A", &text[..end], self_closing).attribute("b").map(Cow::into_owned)))
        };
        let found = |end, self_closing, value: Option<&str>| Some((end, self_closing, value.map(str::to_owned)));
        for (text, expected) in [
            (" b=1>", found(5, false, Some("1"))),
            (" b = '>' b=2>", found(13, false, Some(">"))),
            (" B/>", found(4, true, Some(""))),
            ("/b=/>x", found(5, false, Some("/"))),
            (" =b b=1>", found(8, false, Some("1"))),
            (" a / = b>", found(9, false, Some(""))),
            (" a=\"1\"b=2>", found(10, false, Some("2"))),
            (" a'=\"b>\" c>", found(11, false, None)),
            (" b=>", found(4, false, Some(""))),
            (" b=&copy=1&copy;>", found(17, false, Some("&copy=1©"))),
            (" b='1>", None),
            (" b=1", None),
            (" b/", None),
            ("", None),
        ] {
            assert_eq!(tag(text), expected, "{text}");
        }
    }
}
