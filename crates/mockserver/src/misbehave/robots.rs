//! robots.txt in the ways in which servers give it. Each allows `/allowed` and disallows `/private`, whatever else it is.

use std::fmt::Write as _;

use super::codings::gzipped;
use super::{PREFIX, known_page};
use crate::reply::{Answer, HTML, Reply, TEXT};
use crate::request::Request;

const RULES: &str = "User-agent: *\nDisallow: /private\nCrawl-delay: 0.25\nSitemap: http://site.example/sitemap.xml\n";

/// Largest `kb` of `robots/long`.
const MOST_KIB: u64 = 64 * 1024;

pub(super) fn answer(request: &Request, kind: &str) -> Result<Answer, String> {
    let text = |body: Vec<u8>| Reply::new(200, TEXT, body);
    let reply = match kind {
        "plain" => text(RULES.into()),
        "bom" => text([b"\xef\xbb\xbf", RULES.as_bytes()].concat()),
        "mac" => text(RULES.replace('\n', "\r").into()),
        "gzip" => text(gzipped(RULES.as_bytes())).with("Content-Encoding", "gzip"),
        "as-html" => Reply::new(200, HTML, RULES),
        "untyped" => Reply { content_type: None, ..text(RULES.into()) },
        "html" => Reply::html(known_page()),
        "empty" => text(Vec::new()),
        "no-content" => Reply::text(204, ""),
        "moved" => Reply::redirect(301, format!("{PREFIX}robots/plain")),
        "loop" => Reply::redirect(301, format!("{PREFIX}robots/loop")),
        "long" => {
            let bytes = usize::try_from(request.number("kb", 600, MOST_KIB)? * 1024).map_err(|_| "kb is too large".to_owned())?;
            let mut body = RULES.to_owned();
            while body.len() < bytes {
                let _ = writeln!(body, "# {}", "x".repeat(100));
            }
            body.push_str("Disallow: /beyond\n");
            text(body.into())
        }
        _ => Reply::not_found(),
    };
    Ok(Answer::Reply(reply))
}
