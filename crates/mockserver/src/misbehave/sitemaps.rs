//! Sitemaps in every form. Their pages are under `odd-target/`.

use std::fmt::Write as _;

use super::PREFIX;
use super::codings::gzipped;
use crate::reply::{Answer, HTML, Reply, TEXT};
use crate::request::Request;

const XML: &str = "text/xml; charset=utf-8";
const START: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const URLSET: &str = "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:xhtml=\"http://www.w3.org/1999/xhtml\">\n";

/// Largest `n` of `sitemap/many`.
const MOST_URLS: u64 = 1_000_000;

pub(super) fn answer(request: &Request, kind: &str) -> Result<Answer, String> {
    let target = format!("{}{PREFIX}odd-target", request.base());
    let plain = format!(
        "{START}{URLSET}<url><loc>{target}/one</loc><lastmod>2026-01-02T03:04:05+01:00</lastmod><priority>1.0</priority></url>\n\
         <url><loc>\n  {target}/two?a=1&amp;b=2 </loc><priority>0.2</priority></url>\n<url><loc><![CDATA[{target}/three]]></loc></url>\n</urlset>"
    );
    let xml = |body: String| Reply::new(200, XML, body);
    let reply = match kind {
        "plain" => xml(plain),
        "index" => {
            let base = format!("{}{PREFIX}sitemap", request.base());
            let entries: String = ["plain", "text", "index"].map(|kind| format!("<sitemap><loc>{base}/{kind}</loc></sitemap>")).concat();
            xml(format!("{START}<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{entries}</sitemapindex>"))
        }
        "file.xml.gz" => Reply::new(200, "application/gzip", gzipped(plain.as_bytes())),
        "coded" => xml(String::new()).with("Content-Encoding", "gzip").with_body(gzipped(plain.as_bytes())),
        "as-html" => Reply::new(200, HTML, plain),
        "untyped" => Reply { content_type: None, ..xml(plain) },
        "text" => Reply::new(200, TEXT, format!("\u{feff}{target}/one\r\n\r\n  {target}/two\r\nnot an address\r\n{target}/one\r\n")),
        "rss" => xml(format!(
            "{START}<rss version=\"2.0\"><channel><link>{target}/channel</link><item><title>x</title><link>{target}/one</link>\
             <pubDate>Fri, 02 Jan 2026 03:04:05 GMT</pubDate></item><item><guid isPermaLink=\"true\">{target}/two</guid></item></channel></rss>"
        )),
        "atom" => xml(format!(
            "{START}<feed xmlns=\"http://www.w3.org/2005/Atom\"><link rel=\"self\" href=\"{target}/self\"/><entry><link href=\"{target}/one\"/>\
             <updated>2026-01-02T03:04:05Z</updated></entry><entry><link rel=\"alternate\" href=\"{target}/two\"/></entry></feed>"
        )),
        "alternates" => xml(format!(
            "{START}{URLSET}<url><loc>{target}/en</loc><xhtml:link rel=\"alternate\" hreflang=\"de\" href=\"{target}/de\"/>\
             <xhtml:link rel=\"alternate\" hreflang=\"en\" href=\"{target}/en\"/></url></urlset>"
        )),
        "broken" => xml(format!("{START}{URLSET}<url><loc>{target}/one</loc></url><url><loc>{target}/two</loc></urlset")),
        "many" => {
            let mut body = format!("{START}{URLSET}");
            for number in 0..request.number("n", 50_000, MOST_URLS)? {
                let _ = writeln!(body, "<url><loc>{target}/{number}</loc></url>");
            }
            xml(body + "</urlset>")
        }
        "bomb.xml.gz" => {
            let filler = " ".repeat(64 * 1024 * 1024);
            Reply::new(
                200,
                "application/gzip",
                gzipped(format!("{START}{URLSET}<url><loc>{target}/one</loc></url>{filler}</urlset>").as_bytes()),
            )
        }
        _ => Reply::not_found(),
    };
    Ok(Answer::Reply(reply))
}
