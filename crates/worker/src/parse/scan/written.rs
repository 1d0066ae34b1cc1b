//! The tags of a page as they are written on it.
//!
//! From one `<` to the next: names and attributes are slices of the page, and of a tag that makes no difference only the end is looked for.
//! Where tags begin and end, and what is a comment, is as the HTML standard's tokenizer has it.

use memchr::memchr;
use memchr::memmem;

use super::near::find_near;
use super::raw_text;
use super::reading::{Content, Reading, end_matters, matters};
use super::references::{Place, decode};
use super::tag::{Attributes, WrittenTag, is_space, lower_case};
use super::{PIECE, Scan};
use crate::parse::{Allowance, ParseError};

/// Reads a page.
///
/// # Errors
/// [`ParseError::TooComplex`] when it takes too long.
pub(super) fn read<'p>(page: &'p str, allowance: &Allowance) -> Result<Scan<'p>, ParseError> {
    let mut scanner = Scanner { page, reading: Reading::default() };
    let mut at = 0;
    let mut look_at_the_clock = 0;
    while let Some(text) = find_near(b'<', &page.as_bytes()[at..]) {
        at += text;
        if at >= look_at_the_clock {
            allowance.check()?;
            look_at_the_clock = at + PIECE;
        }
        match scanner.markup(at) {
            Some(after) => at = after,
            None => break,
        }
    }
    allowance.check()?;
    Ok(scanner.reading.finish())
}

struct Scanner<'p> {
    page: &'p str,
    reading: Reading<'p>,
}

impl<'p> Scanner<'p> {
    /// Reads what begins with this `<`, with the text that belongs to it. Where it ends, or `None` at the end of the page.
    fn markup(&mut self, at: usize) -> Option<usize> {
        let bytes = self.page.as_bytes();
        match *bytes.get(at + 1)? {
            b'/' => match *bytes.get(at + 2)? {
                letter if letter.is_ascii_alphabetic() => self.end_tag(at + 2),
                _ => self.past(at + 2, ">"),
            },
            b'!' => self.declaration(at + 2),
            b'?' => self.past(at + 2, ">"),
            letter if letter.is_ascii_alphabetic() => self.start_tag(at + 1),
            _ => Some(at + 1),
        }
    }

    fn start_tag(&mut self, at: usize) -> Option<usize> {
        let name_end = self.name_end(at);
        let (end, self_closing) = self.tag_end(name_end)?;
        let name = &self.page[at..name_end];
        if !matters(name.as_bytes()) && !self.reading.is_near_foreign() {
            return Some(end);
        }
        let content = self.reading.start(&WrittenTag::new(name, &self.page[name_end..end], self_closing));
        let rest = &self.page[end..];
        match content {
            Content::Markup => Some(end),
            Content::Plaintext => None,
            Content::Script => Some(end + raw_text::end_of_script(rest)?),
            Content::Rawtext => Some(end + raw_text::end(rest, name)?),
            Content::Rcdata => {
                let text = raw_text::end(rest, name);
                if self.reading.wants_text() {
                    self.reading.text(&decode(&rest[..text.unwrap_or(rest.len())], Place::Text));
                }
                Some(end + text?)
            }
        }
    }

    fn end_tag(&mut self, at: usize) -> Option<usize> {
        let name_end = self.name_end(at);
        let (end, _) = self.tag_end(name_end)?;
        let name = &self.page[at..name_end];
        if end_matters(name.as_bytes()) || self.reading.is_near_foreign() {
            self.reading.end(&lower_case(name));
        }
        Some(end)
    }

    /// The end of a tag whose name ends here, and whether it says that it has no content.
    fn tag_end(&self, name_end: usize) -> Option<(usize, bool)> {
        // Most tags are a name and nothing else.
        if self.page.as_bytes().get(name_end) == Some(&b'>') {
            return Some((name_end + 1, false));
        }
        let (length, self_closing) = Attributes::new(&self.page[name_end..]).end()?;
        Some((name_end + length, self_closing))
    }

    fn name_end(&self, at: usize) -> usize {
        let rest = &self.page.as_bytes()[at..];
        at + rest.iter().position(|b| is_space(*b) || matches!(b, b'/' | b'>')).unwrap_or(rest.len())
    }

    /// What follows `<!`: a comment, CDATA where there is such a thing, or something that ends as a document type does.
    fn declaration(&self, at: usize) -> Option<usize> {
        let rest = &self.page[at..];
        if rest.starts_with("--") {
            self.comment(at + 2)
        } else if rest.starts_with("[CDATA[") && self.reading.is_foreign() {
            self.past(at + 7, "]]>")
        } else {
            self.past(at, ">")
        }
    }

    /// The end of a comment, whose text begins here.
    fn comment(&self, at: usize) -> Option<usize> {
        let rest = &self.page.as_bytes()[at..];
        let mut from = 0;
        while let Some(length) = memchr(b'>', &rest[from..]) {
            let end = from + length;
            let text = &rest[..end];
            if matches!(text, b"" | b"-") || text.ends_with(b"--") || text.ends_with(b"--!") {
                return Some(at + end + 1);
            }
            from = end + 1;
        }
        None
    }

    fn past(&self, at: usize, end: &str) -> Option<usize> {
        memmem::find(&self.page.as_bytes()[at..], end.as_bytes()).map(|length| at + length + end.len())
    }
}
