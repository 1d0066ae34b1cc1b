//! Text sitemaps: an address a line.

use std::io::BufRead;

use model::url::MAX_URL_BYTES;

use super::{Entry, Links};
use crate::parse::{Allowance, ParseError};

/// Longest line that is kept: an address as long as may be crawled, in a longer spelling.
const MAX_LINE: usize = 4 * MAX_URL_BYTES;

pub(super) fn read(mut bytes: impl BufRead, allowance: &Allowance, links: &mut Links) -> Result<(), ParseError> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let Ok(ahead) = bytes.fill_buf() else {
            links.malformed();
            return Ok(());
        };
        if ahead.is_empty() {
            end(&mut line, too_long, links);
            return Ok(());
        }
        let ending = ahead.iter().position(|b| matches!(b, b'\n' | b'\r'));
        let part = &ahead[..ending.unwrap_or(ahead.len())];
        let room = MAX_LINE.saturating_sub(line.len()).min(part.len());
        line.extend_from_slice(&part[..room]);
        too_long |= room < part.len();
        let used = part.len() + usize::from(ending.is_some());
        bytes.consume(used);
        if ending.is_some() {
            end(&mut line, too_long, links);
            too_long = false;
            links.go_on(allowance)?;
        }
    }
}

fn end(line: &mut Vec<u8>, too_long: bool, links: &mut Links) {
    let text = String::from_utf8_lossy(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line));
    let text = text.trim();
    // In a text file only what is absolute is an address: a line of prose would be one too otherwise.
    let is_address = text.split_once("://").is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphanumeric()));
    if too_long || !text.is_empty() && !is_address {
        links.malformed();
    } else if !text.is_empty() {
        links.entry(&Entry { addresses: vec![text.to_owned()], ..Entry::default() });
    }
    line.clear();
}
