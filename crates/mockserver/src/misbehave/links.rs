//! Links in every odd form, and which of them a correct extractor finds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::markup::document;
use crate::reply::{Answer, JSON, Reply};
use crate::request::Request;

/// What a correct extractor of `<a href>` and `<area href>` finds on a page: read as HTML, resolved as the WHATWG URL
/// standard says, only `http` URLs of the page's own host and port, fragment and user taken off, each once. All answer 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundLinks {
    /// The page's own URL.
    pub page: String,
    /// The links, absolute, sorted.
    pub links: BTreeSet<String>,
}

/// One element of a page. `HOST` in all three stands for the host and port of the request.
struct Odd {
    /// As it stands in the page.
    html: &'static str,
    /// The value of its href as the HTML parser sees it; `None`: there is no such attribute to see.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests resolve it with another URL parser"))]
    href: Option<&'static str>,
    /// Path and query of what is found; `None`: nothing on this host.
    found: Option<&'static str>,
}

const fn odd(html: &'static str, href: &'static str, found: &'static str) -> Odd {
    Odd { html, href: Some(href), found: Some(found) }
}

const fn elsewhere(html: &'static str, href: &'static str) -> Odd {
    Odd { html, href: Some(href), found: None }
}

const fn hidden(html: &'static str) -> Odd {
    Odd { html, href: None, found: None }
}

const ODD_LINKS_PATH: &str = "/misbehave/odd-links";
const BASE_HREF_PATH: &str = "/misbehave/base-href";

const ODD_LINKS: &[Odd] = &[
    odd(
        r#"<a href="http://HOST/misbehave/odd-target/absolute">absolute</a>"#,
        "http://HOST/misbehave/odd-target/absolute",
        "/misbehave/odd-target/absolute",
    ),
    odd(r#"<a href="/misbehave/odd-target/rooted">rooted</a>"#, "/misbehave/odd-target/rooted", "/misbehave/odd-target/rooted"),
    odd(r#"<a href="odd-target/relative">relative</a>"#, "odd-target/relative", "/misbehave/odd-target/relative"),
    odd(r#"<a href="./odd-target/dot">dot</a>"#, "./odd-target/dot", "/misbehave/odd-target/dot"),
    odd(r#"<a href="../misbehave/odd-target/up">up</a>"#, "../misbehave/odd-target/up", "/misbehave/odd-target/up"),
    odd(
        r#"<a href="/a/../misbehave/./b/../odd-target/dots">dot segments</a>"#,
        "/a/../misbehave/./b/../odd-target/dots",
        "/misbehave/odd-target/dots",
    ),
    odd(
        r#"<a href="/../../misbehave/odd-target/above-root">above the root</a>"#,
        "/../../misbehave/odd-target/above-root",
        "/misbehave/odd-target/above-root",
    ),
    odd(
        r#"<a href="/x/%2e%2E/misbehave/odd-target/encoded-dots">encoded dots</a>"#,
        "/x/%2e%2E/misbehave/odd-target/encoded-dots",
        "/misbehave/odd-target/encoded-dots",
    ),
    odd(
        r#"<a href="//HOST/misbehave/odd-target/protocol-relative">protocol-relative</a>"#,
        "//HOST/misbehave/odd-target/protocol-relative",
        "/misbehave/odd-target/protocol-relative",
    ),
    odd(
        r#"<a href="HTTP://HOST/misbehave/odd-target/upper-scheme">upper scheme</a>"#,
        "HTTP://HOST/misbehave/odd-target/upper-scheme",
        "/misbehave/odd-target/upper-scheme",
    ),
    odd(
        r#"<a href="http:odd-target/scheme-only">scheme without host</a>"#,
        "http:odd-target/scheme-only",
        "/misbehave/odd-target/scheme-only",
    ),
    odd(
        r#"<a href="http:///HOST/misbehave/odd-target/three-slashes">three slashes</a>"#,
        "http:///HOST/misbehave/odd-target/three-slashes",
        "/misbehave/odd-target/three-slashes",
    ),
    odd(
        r#"<a href="\misbehave\odd-target\backslash">backslashes</a>"#,
        "\\misbehave\\odd-target\\backslash",
        "/misbehave/odd-target/backslash",
    ),
    odd("<a href=\" \t/misbehave/odd-target/spaces \n\">spaces</a>", " \t/misbehave/odd-target/spaces \n", "/misbehave/odd-target/spaces"),
    odd(
        "<a href=\"/misbehave/odd-\n\ttarget/new\nline\">newline</a>",
        "/misbehave/odd-\n\ttarget/new\nline",
        "/misbehave/odd-target/newline",
    ),
    odd(
        "<a href=\"ht\ntp://HOST/misbehave/odd-target/split-scheme\">split scheme</a>",
        "ht\ntp://HOST/misbehave/odd-target/split-scheme",
        "/misbehave/odd-target/split-scheme",
    ),
    odd(r#"<a href="odd-target/inner space">inner space</a>"#, "odd-target/inner space", "/misbehave/odd-target/inner%20space"),
    odd(r#"<a href="odd-target/query?a=1&amp;b=2">entity</a>"#, "odd-target/query?a=1&b=2", "/misbehave/odd-target/query?a=1&b=2"),
    odd(r#"<a href="odd-target/plain?a=1&b=2">bare ampersand</a>"#, "odd-target/plain?a=1&b=2", "/misbehave/odd-target/plain?a=1&b=2"),
    odd(r#"<a href="odd-target/copy?a=1&copy=2">no entity</a>"#, "odd-target/copy?a=1&copy=2", "/misbehave/odd-target/copy?a=1&copy=2"),
    odd(r#"<a href="odd-target&#x2F;numeric&#47;entity">numeric</a>"#, "odd-target/numeric/entity", "/misbehave/odd-target/numeric/entity"),
    odd(r#"<a href="odd-target/café/中文">unicode</a>"#, "odd-target/café/中文", "/misbehave/odd-target/caf%C3%A9/%E4%B8%AD%E6%96%87"),
    odd(
        r#"<a href="odd-target/search?q=中文">unicode query</a>"#,
        "odd-target/search?q=中文",
        "/misbehave/odd-target/search?q=%E4%B8%AD%E6%96%87",
    ),
    odd(r#"<a href="odd-target/%e4%B8%ad">percent-encoded</a>"#, "odd-target/%e4%B8%ad", "/misbehave/odd-target/%e4%B8%ad"),
    odd(r#"<a href="odd-target/Case/CASE">case of the path</a>"#, "odd-target/Case/CASE", "/misbehave/odd-target/Case/CASE"),
    odd(r#"<a href="odd-target//double">double slash</a>"#, "odd-target//double", "/misbehave/odd-target//double"),
    odd(r#"<a href="odd-target/section#part">fragment</a>"#, "odd-target/section#part", "/misbehave/odd-target/section"),
    odd(r#"<a href="odd-target/section#other">other fragment</a>"#, "odd-target/section#other", "/misbehave/odd-target/section"),
    odd("<a href=\"#here\">fragment only</a>", "#here", ODD_LINKS_PATH),
    odd(r#"<a href="">empty</a>"#, "", ODD_LINKS_PATH),
    odd(r#"<a href="?page=2">query only</a>"#, "?page=2", "/misbehave/odd-links?page=2"),
    odd(r#"<a href="odd-target/empty-query?">empty query</a>"#, "odd-target/empty-query?", "/misbehave/odd-target/empty-query?"),
    odd("<a href=odd-target/unquoted>unquoted</a>", "odd-target/unquoted", "/misbehave/odd-target/unquoted"),
    odd("<a href='odd-target/single'>single quotes</a>", "odd-target/single", "/misbehave/odd-target/single"),
    odd("<A CLASS=x HREF = \"odd-target/capitals\" >capitals</A>", "odd-target/capitals", "/misbehave/odd-target/capitals"),
    odd(r#"<a href="odd-target/first" href="odd-target/second">two hrefs</a>"#, "odd-target/first", "/misbehave/odd-target/first"),
    odd(r#"<a title="a > b" href="odd-target/angle">angle bracket</a>"#, "odd-target/angle", "/misbehave/odd-target/angle"),
    odd(
        r#"<a href="http://user:secret@HOST/misbehave/odd-target/userinfo">userinfo</a>"#,
        "http://user:secret@HOST/misbehave/odd-target/userinfo",
        "/misbehave/odd-target/userinfo",
    ),
    odd(r#"<a href="odd-target/twice">twice</a>"#, "odd-target/twice", "/misbehave/odd-target/twice"),
    odd(r#"<a href="odd-target/twice">twice</a>"#, "odd-target/twice", "/misbehave/odd-target/twice"),
    odd(r#"<a href="odd-target/image"><img src="/misbehave/image" alt=""></a>"#, "odd-target/image", "/misbehave/odd-target/image"),
    odd(
        r#"<map name="m"><area shape="rect" coords="0,0,1,1" href="odd-target/area" alt="area"></map>"#,
        "odd-target/area",
        "/misbehave/odd-target/area",
    ),
    elsewhere(
        r#"<a href="http://例子.invalid/misbehave/odd-target/idn">another host, in Chinese</a>"#,
        "http://例子.invalid/misbehave/odd-target/idn",
    ),
    elsewhere(
        r#"<a href="http://other.invalid/misbehave/odd-target/host">another host</a>"#,
        "http://other.invalid/misbehave/odd-target/host",
    ),
    elsewhere(r#"<a href="http://localhost:1/misbehave/odd-target/port">another port</a>"#, "http://localhost:1/misbehave/odd-target/port"),
    elsewhere(r#"<a href="https://HOST/misbehave/odd-target/scheme">another scheme</a>"#, "https://HOST/misbehave/odd-target/scheme"),
    elsewhere(
        "<a href=\"javascript:location='/misbehave/odd-target/script'\">script</a>",
        "javascript:location='/misbehave/odd-target/script'",
    ),
    elsewhere("<a href=\"java\nscript:void(0)\">split script</a>", "java\nscript:void(0)"),
    elsewhere(r#"<a href="mailto:nobody@example.invalid">mail</a>"#, "mailto:nobody@example.invalid"),
    elsewhere(r#"<a href="tel:+000000">telephone</a>"#, "tel:+000000"),
    elsewhere(
        r#"<a href="data:text/html,<a href='/misbehave/odd-target/data'>x</a>">data</a>"#,
        "data:text/html,<a href='/misbehave/odd-target/data'>x</a>",
    ),
    elsewhere(r#"<a href="ftp://HOST/misbehave/odd-target/ftp">ftp</a>"#, "ftp://HOST/misbehave/odd-target/ftp"),
    elsewhere(r#"<a href="http://[bad/">no URL</a>"#, "http://[bad/"),
    elsewhere(r#"<a href="http://bad host/">no host</a>"#, "http://bad host/"),
    hidden("<a>no href</a>"),
    hidden(r#"<a data-href="/misbehave/odd-target/data-href">other attribute</a>"#),
    hidden(r#"<!-- <a href="/misbehave/odd-target/comment">comment</a> -->"#),
    hidden(r#"<script>var link = '<a href="/misbehave/odd-target/in-script">x</a>';</script>"#),
    hidden(r#"<textarea><a href="/misbehave/odd-target/textarea">text</a></textarea>"#),
    hidden(r#"<iframe src="/misbehave/odd-target/frame"></iframe>"#),
];

const BASE_ELEMENTS: &str = r#"<base href="/misbehave/odd-target/base/"><base href="/misbehave/odd-target/second-base/">"#;
const BASE_HREF: &[Odd] = &[
    odd(r#"<a href="one">one</a>"#, "one", "/misbehave/odd-target/base/one"),
    odd(r#"<a href="../two">two</a>"#, "../two", "/misbehave/odd-target/two"),
    odd(r#"<a href="/misbehave/odd-target/three">three</a>"#, "/misbehave/odd-target/three", "/misbehave/odd-target/three"),
    odd(r#"<a href="?four">query</a>"#, "?four", "/misbehave/odd-target/base/?four"),
    odd("<a href=\"#five\">fragment</a>", "#five", "/misbehave/odd-target/base/"),
];

pub(super) fn odd_links(request: &Request) -> Answer {
    Answer::Reply(Reply::html(document("Odd links", &elements(ODD_LINKS, &request.host))))
}

pub(super) fn odd_links_json(request: &Request) -> Answer {
    json(&found(ODD_LINKS, ODD_LINKS_PATH, &request.base()))
}

pub(super) fn base_href() -> Answer {
    let links = elements(BASE_HREF, "");
    Answer::Reply(Reply::html(format!("<!DOCTYPE html><html><head><title>A base</title>{BASE_ELEMENTS}</head><body>{links}</body></html>")))
}

pub(super) fn base_href_json(request: &Request) -> Answer {
    json(&found(BASE_HREF, BASE_HREF_PATH, &request.base()))
}

fn elements(odds: &[Odd], host: &str) -> String {
    odds.iter().map(|odd| odd.html.replace("HOST", host) + "\n").collect()
}

fn found(odds: &[Odd], page: &str, base: &str) -> FoundLinks {
    let links = odds.iter().filter_map(|odd| odd.found).map(|found| format!("{base}{found}")).collect();
    FoundLinks { page: format!("{base}{page}"), links }
}

fn json(found: &FoundLinks) -> Answer {
    Answer::Reply(Reply::new(200, JSON, serde_json::to_vec(found).expect("links are plain data")))
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    const HOST: &str = "127.0.0.1:8080";

    /// What another implementation of the URL standard makes of a link, if it leads to this host.
    fn resolve(base: &str, href: &str) -> Option<String> {
        let mut url = Url::parse(base).unwrap().join(&href.replace("HOST", HOST)).ok()?;
        if url.scheme() != "http" || url.host_str() != Some("127.0.0.1") || url.port() != Some(8080) {
            return None;
        }
        url.set_fragment(None);
        url.set_username("").unwrap();
        url.set_password(None).unwrap();
        Some(url.into())
    }

    #[test]
    fn every_link_resolves_as_the_list_says() {
        let pages = [(ODD_LINKS, ODD_LINKS_PATH), (BASE_HREF, "/misbehave/odd-target/base/")];
        for (odds, base) in pages {
            for odd in odds {
                let expected = odd.found.map(|found| format!("http://{HOST}{found}"));
                let resolved = odd.href.and_then(|href| resolve(&format!("http://{HOST}{base}"), href));
                assert_eq!(resolved, expected, "{}", odd.html);
            }
        }
    }
}
