//! One route per misbehaviour, under `/misbehave/`; [`ROUTES`] has the same table for tests to go through.
//!
//! *Safe* routes answer a patient crawler soon, with little, and in the end well; they are linked from the index page. A
//! number out of range in a query is answered 400. Where a route names a title, it is in [`KNOWN_TITLE`] and its fellows.
//!
//! | route | behaviour | safe |
//! |---|---|---|
//! | `slow?ms=N` | the known page after N ms (1000; at most 600000) | yes |
//! | `never` | reads the request and answers nothing until the client leaves | no |
//! | `slow-body?ms=N` | the known page in 20 pieces, N ms (100; at most 60000) before each but the first | yes |
//! | `drop-before-headers` | reads the request and closes without a byte | no |
//! | `drop-mid-body` | announces 10000 bytes, sends half of them, closes | no |
//! | `wrong-length` | announces 1000 bytes more than it sends, closes | no |
//! | `wrong-length-short` | announces 100 bytes, sends the whole known page, closes | no |
//! | `huge?mb=N` | N MiB (64; at most 4096) of HTML, chunked | no |
//! | `endless` | HTML without end, chunked | no |
//! | `status/CODE?retry-after=S` | that status, 100 to 999, with a small body where it may have one; S verbatim as Retry-After | no |
//! | `flaky/NAME?fails=N&status=CODE` | fails (500) the first N (1) times for this NAME, then the known page | no |
//! | `redirect-chain/N?status=CODE` | N (at most 1000) redirects (302), one after the other, then the known page | yes |
//! | `redirect-loop/A` | redirects to `redirect-loop/B`, and that to this | no |
//! | `redirect-self-cookie` | sets a cookie and redirects to itself; with the cookie: the known page | yes |
//! | `redirect-out` | redirects to `http://out-of-scope.invalid/` | yes |
//! | `redirect-bad` | redirects to `http://[not-an-address/`, which is no URL | no |
//! | `redirect-missing` | status 302 without a Location | no |
//! | `set-cookie` | sets two cookies; the page shows the Cookie header that came | yes |
//! | `gzip` | the known page, Content-Encoding gzip | yes |
//! | `brotli` | the known page, Content-Encoding br | yes |
//! | `zstd` | the known page, Content-Encoding zstd | yes |
//! | `bad-gzip` | says gzip and sends a gzip of the known page, damaged in the middle | no |
//! | `gzip-bomb` | about 1 MB of valid gzip that expands to 1 GiB of HTML | no |
//! | `gbk-header` | a GBK page, declared by the header only | yes |
//! | `gbk-meta` | a GBK page of more than 1024 bytes, declared by its meta element only | yes |
//! | `gbk-meta-short` | the same in fewer than 1024 bytes | yes |
//! | `gbk-short` | a GBK page of fewer than 1024 bytes, declared nowhere | yes |
//! | `big5` | a Big5 page, declared by its meta http-equiv element only | yes |
//! | `shift-jis` | a Shift_JIS page, declared by the header only | yes |
//! | `utf16-bom` | a UTF-16LE page, declared by its byte order mark only | yes |
//! | `latin1` | a page in ISO-8859-1, declared by the header | yes |
//! | `wrong-charset-label` | the header says GBK, but the page is UTF-8 with a byte order mark, which wins | yes |
//! | `unknown-charset-label` | the header names no known charset, the meta element says UTF-8 and is right | yes |
//! | `binary` | 4096 invented bytes as application/octet-stream | yes |
//! | `pdf` | a small PDF | yes |
//! | `image` | a PNG of one pixel | yes |
//! | `no-type-html` | the known page without a Content-Type | yes |
//! | `no-type-binary` | the invented bytes without a Content-Type | yes |
//! | `deep-nesting?n=N` | N (100000; at most 1000000) nested divs around one link | no |
//! | `many-links?n=N` | N (60000; at most 1000000) links to `odd-target/many/I` | no |
//! | `huge-attributes` | an attribute value of 1 MiB, an element with 10000 attributes, one link | yes |
//! | `odd-links` | links in every odd form | yes |
//! | `odd-links.json` | what a correct extractor finds on `odd-links`: {"page", "links"} ([`FoundLinks`]) | yes |
//! | `base-href` | relative links under a base element | yes |
//! | `base-href.json` | what a correct extractor finds on `base-href` | yes |
//! | `robots/KIND` | robots.txt that disallows `/private`; KIND: plain, bom, mac, gzip, as-html, untyped, html, empty, no-content, moved, loop; and long?kb=N (600), which disallows `/beyond` after N KiB | no |
//! | `meta-robots?name=N&content=C` | a page with two links and that meta element; robots and nofollow unless said otherwise | no |
//! | `x-robots-tag?value=V` | a page with two links and that X-Robots-Tag header; nofollow unless said otherwise | no |
//! | `rel-nofollow` | a page with two links, one of them nofollow | no |
//! | `sitemap/KIND` | a sitemap; KIND: plain, index, file.xml.gz, coded, as-html, untyped, text, rss, atom, alternates, broken, bomb.xml.gz; and many?n=N (50000; at most 1000000) | no |
//! | `etag` | the known page with ETag and Last-Modified, or 304 to who knows either | no |
//! | `basic-auth` | the known page for `someone` with the password `secret`, else 401 | no |
//! | `odd-target/ANYTHING` | a small page without links: where links of these pages lead | yes |

mod charsets;
mod codings;
mod conditions;
mod links;
mod redirects;
mod robots;
mod shapes;
mod sitemaps;
mod transport;
mod types;
mod wishes;

use std::fmt::Write as _;

use crate::markup::{document, escape};
use crate::reply::{Answer, Reply};
use crate::request::Request;
use crate::site::Site;

pub use charsets::{JAPANESE_TITLE, LATIN_TITLE, SIMPLIFIED_TITLE, TRADITIONAL_TITLE};
pub use codings::BOMB_BYTES;
pub(crate) use codings::gzipped;
pub use links::FoundLinks;

/// Where the index page of this module is, and what each route is under.
pub const PREFIX: &str = "/misbehave/";

/// Title of the page that routes answer with in the end. The page has one link, to `odd-target/known`.
pub const KNOWN_TITLE: &str = "A known page";

/// A route of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// As the table of this module writes it, with its parameters.
    pub pattern: &'static str,
    /// Path and query of one example, ready to request.
    pub example: &'static str,
    /// What it does, in the words of the table.
    pub behaviour: &'static str,
    /// Whether the index page links to the example, so that a crawl of it ends soon and well.
    pub safe: bool,
}

const fn safe(pattern: &'static str, example: &'static str, behaviour: &'static str) -> Route {
    Route { pattern, example, behaviour, safe: true }
}

const fn unsafe_to_crawl(pattern: &'static str, example: &'static str, behaviour: &'static str) -> Route {
    Route { pattern, example, behaviour, safe: false }
}

/// Every route, in the order of the table.
pub const ROUTES: &[Route] = &[
    safe("slow?ms=N", "slow?ms=200", "the known page after N ms (1000; at most 600000)"),
    unsafe_to_crawl("never", "never", "reads the request and answers nothing until the client leaves"),
    safe("slow-body?ms=N", "slow-body?ms=20", "the known page in 20 pieces, N ms (100; at most 60000) before each but the first"),
    unsafe_to_crawl("drop-before-headers", "drop-before-headers", "reads the request and closes without a byte"),
    unsafe_to_crawl("drop-mid-body", "drop-mid-body", "announces 10000 bytes, sends half of them, closes"),
    unsafe_to_crawl("wrong-length", "wrong-length", "announces 1000 bytes more than it sends, closes"),
    unsafe_to_crawl("wrong-length-short", "wrong-length-short", "announces 100 bytes, sends the whole known page, closes"),
    unsafe_to_crawl("huge?mb=N", "huge?mb=2", "N MiB (64; at most 4096) of HTML, chunked"),
    unsafe_to_crawl("endless", "endless", "HTML without end, chunked"),
    unsafe_to_crawl(
        "status/CODE?retry-after=S",
        "status/503?retry-after=2",
        "that status, 100 to 999, with a small body where it may have one; S verbatim as Retry-After",
    ),
    unsafe_to_crawl(
        "flaky/NAME?fails=N&status=CODE",
        "flaky/example?fails=1",
        "fails (500) the first N (1) times for this NAME, then the known page",
    ),
    safe("redirect-chain/N?status=CODE", "redirect-chain/3", "N (at most 1000) redirects (302), one after the other, then the known page"),
    unsafe_to_crawl("redirect-loop/A", "redirect-loop/A", "redirects to `redirect-loop/B`, and that to this"),
    safe("redirect-self-cookie", "redirect-self-cookie", "sets a cookie and redirects to itself; with the cookie: the known page"),
    safe("redirect-out", "redirect-out", "redirects to `http://out-of-scope.invalid/`"),
    unsafe_to_crawl("redirect-bad", "redirect-bad", "redirects to `http://[not-an-address/`, which is no URL"),
    unsafe_to_crawl("redirect-missing", "redirect-missing", "status 302 without a Location"),
    safe("set-cookie", "set-cookie", "sets two cookies; the page shows the Cookie header that came"),
    safe("gzip", "gzip", "the known page, Content-Encoding gzip"),
    safe("brotli", "brotli", "the known page, Content-Encoding br"),
    safe("zstd", "zstd", "the known page, Content-Encoding zstd"),
    unsafe_to_crawl("bad-gzip", "bad-gzip", "says gzip and sends a gzip of the known page, damaged in the middle"),
    unsafe_to_crawl("gzip-bomb", "gzip-bomb", "about 1 MB of valid gzip that expands to 1 GiB of HTML"),
    safe("gbk-header", "gbk-header", "a GBK page, declared by the header only"),
    safe("gbk-meta", "gbk-meta", "a GBK page of more than 1024 bytes, declared by its meta element only"),
    safe("gbk-meta-short", "gbk-meta-short", "the same in fewer than 1024 bytes"),
    safe("gbk-short", "gbk-short", "a GBK page of fewer than 1024 bytes, declared nowhere"),
    safe("big5", "big5", "a Big5 page, declared by its meta http-equiv element only"),
    safe("shift-jis", "shift-jis", "a Shift_JIS page, declared by the header only"),
    safe("utf16-bom", "utf16-bom", "a UTF-16LE page, declared by its byte order mark only"),
    safe("latin1", "latin1", "a page in ISO-8859-1, declared by the header"),
    safe("wrong-charset-label", "wrong-charset-label", "the header says GBK, but the page is UTF-8 with a byte order mark, which wins"),
    safe("unknown-charset-label", "unknown-charset-label", "the header names no known charset, the meta element says UTF-8 and is right"),
    safe("binary", "binary", "4096 invented bytes as application/octet-stream"),
    safe("pdf", "pdf", "a small PDF"),
    safe("image", "image", "a PNG of one pixel"),
    safe("no-type-html", "no-type-html", "the known page without a Content-Type"),
    safe("no-type-binary", "no-type-binary", "the invented bytes without a Content-Type"),
    unsafe_to_crawl("deep-nesting?n=N", "deep-nesting?n=100000", "N (100000; at most 1000000) nested divs around one link"),
    unsafe_to_crawl("many-links?n=N", "many-links?n=60000", "N (60000; at most 1000000) links to `odd-target/many/I`"),
    safe("huge-attributes", "huge-attributes", "an attribute value of 1 MiB, an element with 10000 attributes, one link"),
    safe("odd-links", "odd-links", "links in every odd form"),
    safe("odd-links.json", "odd-links.json", "what a correct extractor finds on `odd-links`: {\"page\", \"links\"} ([`FoundLinks`])"),
    safe("base-href", "base-href", "relative links under a base element"),
    safe("base-href.json", "base-href.json", "what a correct extractor finds on `base-href`"),
    unsafe_to_crawl(
        "robots/KIND",
        "robots/plain",
        "robots.txt that disallows `/private`; KIND: plain, bom, mac, gzip, as-html, untyped, html, empty, no-content, moved, loop; and long?kb=N (600), which disallows `/beyond` after N KiB",
    ),
    unsafe_to_crawl(
        "meta-robots?name=N&content=C",
        "meta-robots?content=nofollow",
        "a page with two links and that meta element; robots and nofollow unless said otherwise",
    ),
    unsafe_to_crawl(
        "x-robots-tag?value=V",
        "x-robots-tag?value=nofollow",
        "a page with two links and that X-Robots-Tag header; nofollow unless said otherwise",
    ),
    unsafe_to_crawl("rel-nofollow", "rel-nofollow", "a page with two links, one of them nofollow"),
    unsafe_to_crawl(
        "sitemap/KIND",
        "sitemap/plain",
        "a sitemap; KIND: plain, index, file.xml.gz, coded, as-html, untyped, text, rss, atom, alternates, broken, bomb.xml.gz; and many?n=N (50000; at most 1000000)",
    ),
    unsafe_to_crawl("etag", "etag", "the known page with ETag and Last-Modified, or 304 to who knows either"),
    unsafe_to_crawl("basic-auth", "basic-auth", "the known page for `someone` with the password `secret`, else 401"),
    safe("odd-target/ANYTHING", "odd-target/example", "a small page without links: where links of these pages lead"),
];

/// What to answer; `route` is the path after [`PREFIX`].
pub(crate) fn answer(site: &Site, request: &Request, route: &str) -> Answer {
    let (name, rest) = route.split_once('/').map_or((route, None), |(name, rest)| (name, Some(rest)));
    let found = match rest {
        None => by_name(site, request, name),
        Some(rest) => by_name_and_rest(site, request, name, rest),
    };
    found.unwrap_or_else(|why| Answer::Reply(Reply::text(400, why)))
}

/// The routes without a path below them. The error is a text for the client.
fn by_name(site: &Site, request: &Request, name: &str) -> Result<Answer, String> {
    let seed = site.config().seed;
    let answer = match name {
        "" => Answer::Reply(Reply::html(index(request))),
        "slow" => transport::slow(request)?,
        "never" => transport::never(),
        "slow-body" => transport::slow_body(request)?,
        "drop-before-headers" => transport::drop_before_headers(),
        "drop-mid-body" => transport::drop_mid_body(),
        "wrong-length" => transport::wrong_length(),
        "wrong-length-short" => transport::wrong_length_short(),
        "huge" => transport::huge(request)?,
        "endless" => transport::endless(),
        "redirect-self-cookie" => redirects::self_cookie(request),
        "redirect-out" => redirects::out(),
        "redirect-bad" => redirects::bad(),
        "redirect-missing" => redirects::missing(),
        "set-cookie" => redirects::set_cookie(request),
        "gzip" => codings::gzip(),
        "brotli" => codings::brotli(),
        "zstd" => codings::zstd(),
        "bad-gzip" => codings::bad_gzip(),
        "gzip-bomb" => codings::gzip_bomb(),
        "gbk-header" => charsets::gbk_header(),
        "gbk-meta" => charsets::gbk_meta(),
        "gbk-meta-short" => charsets::gbk_meta_short(),
        "gbk-short" => charsets::gbk_short(),
        "big5" => charsets::big5(),
        "shift-jis" => charsets::shift_jis(),
        "utf16-bom" => charsets::utf16_bom(),
        "latin1" => charsets::latin1(),
        "wrong-charset-label" => charsets::wrong_label(),
        "unknown-charset-label" => charsets::unknown_label(),
        "binary" => types::binary(seed),
        "pdf" => types::pdf(),
        "image" => types::image(),
        "no-type-html" => types::no_type_html(),
        "no-type-binary" => types::no_type_binary(seed),
        "deep-nesting" => shapes::deep_nesting(request)?,
        "many-links" => shapes::many_links(request)?,
        "huge-attributes" => shapes::huge_attributes(),
        "meta-robots" => wishes::meta(request)?,
        "x-robots-tag" => wishes::header(request)?,
        "rel-nofollow" => wishes::links_with_rel(),
        "etag" => conditions::etag(request),
        "basic-auth" => conditions::basic_auth(request),
        "odd-links" => links::odd_links(request),
        "odd-links.json" => links::odd_links_json(request),
        "base-href" => links::base_href(),
        "base-href.json" => links::base_href_json(request),
        _ => Answer::Reply(Reply::not_found()),
    };
    Ok(answer)
}

fn by_name_and_rest(site: &Site, request: &Request, name: &str, rest: &str) -> Result<Answer, String> {
    match name {
        "status" => status(request, rest),
        "flaky" => flaky(site, request, rest),
        "redirect-chain" => redirects::chain(request, rest),
        "redirect-loop" => Ok(redirects::in_a_loop(rest)),
        "robots" => robots::answer(request, rest),
        "sitemap" => sitemaps::answer(request, rest),
        "odd-target" => Ok(Answer::Reply(Reply::html(document("A target", "<p>where an odd link leads</p>")))),
        _ => Ok(Answer::Reply(Reply::not_found())),
    }
}

fn index(request: &Request) -> String {
    let base = request.base();
    let mut body = String::from("<h1>Pages that misbehave</h1><dl>");
    for route in ROUTES {
        let (pattern, behaviour) = (escape(route.pattern), escape(route.behaviour));
        let term = if route.safe {
            format!("<a href=\"{base}{PREFIX}{}\">{pattern}</a>", escape(route.example))
        } else {
            format!("<code>{pattern}</code>")
        };
        let _ = write!(body, "<dt>{term}</dt><dd>{behaviour}</dd>");
    }
    body.push_str("</dl>");
    document("Pages that misbehave", &body)
}

/// The page of [`KNOWN_TITLE`]: long enough to be worth compressing, with one link.
pub(crate) fn known_page() -> String {
    let mut body = format!("<h1>{KNOWN_TITLE}</h1><p><a href=\"{PREFIX}odd-target/known\">its only link</a></p>");
    for paragraph in 1..=20 {
        let _ = writeln!(body, "<p>Paragraph {paragraph} of a page whose text is known beforehand: 已知的网页.</p>");
    }
    document(KNOWN_TITLE, &body)
}

fn status(request: &Request, code: &str) -> Result<Answer, String> {
    let code = status_code(code)?;
    let mut reply = Reply::html(document("A status", &format!("<p>status {code}</p>")));
    reply.status = code;
    if let Some(after) = request.query("retry-after") {
        // Whatever the client asks for, but never a header of its own making: percent-encoded bytes stay encoded.
        reply = reply.with("Retry-After", after);
    }
    Ok(Answer::Reply(reply))
}

fn flaky(site: &Site, request: &Request, name: &str) -> Result<Answer, String> {
    let fails = request.number("fails", 1, u64::from(u32::MAX))?;
    let code = request.query("status").map_or(Ok(500), status_code)?;
    Ok(Answer::Reply(if site.fails_again(name, fails) {
        Reply::text(code, "this page fails for a while")
    } else {
        Reply::html(known_page())
    }))
}

fn status_code(text: &str) -> Result<u16, String> {
    let code = text.parse().ok().filter(|code| (100..=999).contains(code));
    code.ok_or_else(|| "a status is a number from 100 to 999".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_routes_and_the_table_in_the_documentation_agree() {
        let rows: Vec<String> = include_str!("mod.rs")
            .lines()
            .filter(|line| line.starts_with("//! | `"))
            .map(|line| line.trim_start_matches("//! ").to_owned())
            .collect();
        let expected: Vec<String> = ROUTES
            .iter()
            .map(|route| format!("| `{}` | {} | {} |", route.pattern, route.behaviour, if route.safe { "yes" } else { "no" }))
            .collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn each_example_is_one_of_its_pattern() {
        for route in ROUTES {
            let fixed = |text: &str| text.split(['?', '/']).next().unwrap().to_owned();
            assert_eq!(fixed(route.pattern), fixed(route.example));
        }
    }
}
