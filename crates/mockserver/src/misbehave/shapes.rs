//! Documents of extreme shape: very deep, very many links, very large attributes.

use std::fmt::Write as _;

use super::PREFIX;
use crate::markup::document;
use crate::reply::{Answer, Reply};
use crate::request::Request;

/// Bounds the size of one page to some tens of megabytes.
const MOST: u64 = 1_000_000;

pub(super) fn deep_nesting(request: &Request) -> Result<Answer, String> {
    let depth = usize::try_from(request.number("n", 100_000, MOST)?).map_err(|_| "n is too large".to_owned())?;
    let link = format!("<a href=\"{PREFIX}odd-target/deep\">the bottom</a>");
    let body = ["<div>".repeat(depth), link, "</div>".repeat(depth)].concat();
    Ok(Answer::Reply(Reply::html(document("A deep page", &body))))
}

pub(super) fn many_links(request: &Request) -> Result<Answer, String> {
    let mut body = String::new();
    for number in 0..request.number("n", 60_000, MOST)? {
        let _ = writeln!(body, "<a href=\"{PREFIX}odd-target/many/{number}\">{number}</a>");
    }
    Ok(Answer::Reply(Reply::html(document("A page of many links", &body))))
}

pub(super) fn huge_attributes() -> Answer {
    let mut body = format!("<p title=\"{}\">a large attribute</p><p", "x".repeat(1024 * 1024));
    for number in 0..10_000 {
        let _ = write!(body, " data-{number}=\"{number}\"");
    }
    let _ = write!(body, ">many attributes</p><a href=\"{PREFIX}odd-target/huge-attributes\">a link</a>");
    Answer::Reply(Reply::html(document("A page of large attributes", &body)))
}
