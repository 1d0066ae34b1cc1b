//! Every misbehaviour, seen from the wire.

use std::collections::BTreeSet;
use std::io::Read as _;

use crate::support::{Answer, LIMIT, Served};
use mockserver::SiteConfig;
use mockserver::misbehave::{
    BOMB_BYTES, FoundLinks, JAPANESE_TITLE, KNOWN_TITLE, LATIN_TITLE, PREFIX, ROUTES, SIMPLIFIED_TITLE, TRADITIONAL_TITLE,
};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

async fn served() -> Served {
    Served::start(SiteConfig::practice()).await
}

async fn get(served: &Served, route: &str) -> Answer {
    served.get(&format!("{PREFIX}{route}")).await
}

fn is_known(html: &str) -> bool {
    html.contains(&format!("<title>{KNOWN_TITLE}</title>")) && html.ends_with("</html>")
}

#[tokio::test]
async fn the_index_links_every_safe_route_and_all_examples_exist() {
    let served = served().await;
    let index = get(&served, "").await;
    for route in ROUTES {
        let link = format!("<a href=\"{}{PREFIX}{}\">", served.base(), route.example);
        assert_eq!(index.text().contains(&link), route.safe, "{}", route.example);
        if route.safe {
            assert!(matches!(get(&served, route.example).await.status, 200 | 302), "{}", route.example);
        }
    }
    assert_eq!(get(&served, "no-such-route").await.status, 404);
    served.stop().await;
}

#[tokio::test]
async fn late_answers_are_late_and_whole() {
    let served = served().await;
    for route in ["slow?ms=60", "slow-body?ms=3"] {
        assert!(is_known(get(&served, route).await.text()), "{route}");
    }
    for arrival in served.site.arrivals().list {
        assert!(arrival.ended_ms.unwrap() - arrival.at_ms >= 57, "{}", arrival.path);
    }
    assert_eq!(get(&served, "slow?ms=soon").await.status, 400);
    served.stop().await;
}

#[tokio::test]
async fn never_answers_nothing_and_ends_with_the_client() {
    let served = served().await;
    let mut stream = served.open("GET", "/misbehave/never", "").await;
    // Another exchange passes while this one stays without a byte.
    assert_eq!(get(&served, "gzip").await.status, 200);
    assert_eq!(stream.try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap().unwrap(), 0);
    served.stop().await;
}

#[tokio::test]
async fn bodies_and_heads_break_off_where_documented() {
    let served = served().await;
    assert_eq!(served.bytes("GET", "/misbehave/drop-before-headers", "").await, b"");
    let half = get(&served, "drop-mid-body").await;
    assert_eq!((half.status, half.announced(), half.raw_body.len()), (200, Some(10_000), 5_000));
    let long = get(&served, "wrong-length").await;
    assert_eq!(long.announced(), Some(long.raw_body.len() + 1_000));
    let short = get(&served, "wrong-length-short").await;
    assert_eq!(short.announced(), Some(100));
    assert!(is_known(std::str::from_utf8(&short.raw_body).unwrap()));
    served.stop().await;
}

#[tokio::test]
async fn huge_has_the_size_asked_for_and_endless_has_more() {
    let served = served().await;
    let huge = get(&served, "huge?mb=1").await;
    assert_eq!(huge.header("transfer-encoding"), Some("chunked"));
    assert_eq!(unchunked(&huge.raw_body).len(), 1024 * 1024);
    let mut stream = served.open("GET", "/misbehave/endless", "").await;
    let mut much = vec![0; 3 * 1024 * 1024];
    timeout(LIMIT, stream.read_exact(&mut much)).await.unwrap().unwrap();
    drop(stream);
    served.stop().await;
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let chunk = &rest[end + 2..];
        assert_eq!(&chunk[length..length + 2], b"\r\n");
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunk[..length]);
        rest = &chunk[length + 2..];
    }
}

#[tokio::test]
async fn any_status_can_be_had() {
    let served = served().await;
    for code in [200, 203, 404, 410, 429, 500, 503, 999] {
        assert_eq!(get(&served, &format!("status/{code}")).await.status, code);
    }
    for code in [103, 204, 304] {
        let answer = get(&served, &format!("status/{code}")).await;
        assert_eq!((answer.status, answer.announced(), answer.raw_body.len()), (code, None, 0));
    }
    let busy = get(&served, "status/503?retry-after=7").await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("7")));
    assert_eq!(get(&served, "status/99").await.status, 400);
    served.stop().await;
}

#[tokio::test]
async fn a_flaky_page_fails_so_often_per_name() {
    let served = served().await;
    let mut statuses = Vec::new();
    for route in ["flaky/a?fails=2", "flaky/a?fails=2", "flaky/b?status=503", "flaky/a?fails=2", "flaky/b?status=503"] {
        statuses.push(get(&served, route).await.status);
    }
    assert_eq!(statuses, [500, 500, 503, 200, 200]);
    served.stop().await;
}

#[tokio::test]
async fn redirects_lead_where_documented() {
    let served = served().await;
    for (route, status, location) in [
        ("redirect-chain/2", 302, Some("/misbehave/redirect-chain/1")),
        ("redirect-chain/1?status=308", 308, Some("/misbehave/redirect-chain/0?status=308")),
        ("redirect-chain/0?status=308", 200, None),
        ("redirect-loop/A", 302, Some("/misbehave/redirect-loop/B")),
        ("redirect-loop/B", 302, Some("/misbehave/redirect-loop/A")),
        ("redirect-out", 302, Some("http://out-of-scope.invalid/")),
        ("redirect-bad", 302, Some("http://[not-an-address/")),
        ("redirect-missing", 302, None),
        ("redirect-self-cookie", 302, Some("/misbehave/redirect-self-cookie")),
    ] {
        let answer = get(&served, route).await;
        assert_eq!((answer.status, answer.header("location")), (status, location), "{route}");
    }
    let cookie = get(&served, "redirect-self-cookie").await.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let with_cookie = format!("Cookie: other=2; {cookie}\r\n");
    assert_eq!(served.ask("GET", "/misbehave/redirect-self-cookie", &with_cookie).await.status, 200);
    let shown = served.ask("GET", "/misbehave/set-cookie", "Cookie: a=<b>\r\n").await;
    assert!(shown.text().contains("a=&lt;b&gt;"));
    let bytes = served.bytes("GET", "/misbehave/set-cookie", "").await;
    assert_eq!(String::from_utf8(bytes).unwrap().matches("Set-Cookie: ").count(), 2);
    served.stop().await;
}

#[tokio::test]
async fn content_codings_decode_to_the_known_page_and_the_damaged_one_does_not() {
    let served = served().await;
    let mut pages = BTreeSet::new();
    for (route, coding) in [("gzip", "gzip"), ("brotli", "br"), ("zstd", "zstd")] {
        let answer = get(&served, route).await;
        assert_eq!(answer.header("content-encoding"), Some(coding));
        let mut page = String::new();
        match coding {
            "gzip" => flate2::read::GzDecoder::new(answer.body()).read_to_string(&mut page).unwrap(),
            "br" => brotli::Decompressor::new(answer.body(), 4096).read_to_string(&mut page).unwrap(),
            _ => zstd::Decoder::new(answer.body()).unwrap().read_to_string(&mut page).unwrap(),
        };
        assert!(is_known(&page));
        pages.insert(page);
    }
    assert_eq!(pages.len(), 1);
    let damaged = get(&served, "bad-gzip").await;
    assert_eq!(damaged.header("content-encoding"), Some("gzip"));
    assert!(flate2::read::GzDecoder::new(damaged.body()).read_to_end(&mut Vec::new()).is_err());
    served.stop().await;
}

#[tokio::test]
async fn the_bomb_is_small_on_the_wire_and_valid_gzip_of_a_gibibyte() {
    let served = served().await;
    let bomb = get(&served, "gzip-bomb").await;
    assert!(bomb.body().len() < 2 * 1024 * 1024, "{}", bomb.body().len());
    let mut decoder = flate2::read::GzDecoder::new(bomb.body());
    // Reading to the end checks length and sum of the trailer.
    assert_eq!(std::io::copy(&mut decoder, &mut std::io::sink()).unwrap(), BOMB_BYTES);
    const { assert!(BOMB_BYTES > 1 << 30) };
    served.stop().await;
}

#[tokio::test]
async fn pages_in_other_charsets_declare_them_as_documented() {
    let served = served().await;
    let html = Some("text/html");
    for (route, content_type, label, title, meta) in [
        ("gbk-header", Some("text/html; charset=gbk"), "gbk", SIMPLIFIED_TITLE, false),
        ("gbk-meta", html, "gbk", SIMPLIFIED_TITLE, true),
        ("gbk-meta-short", html, "gbk", SIMPLIFIED_TITLE, true),
        ("gbk-short", html, "gbk", SIMPLIFIED_TITLE, false),
        ("big5", html, "big5", TRADITIONAL_TITLE, true),
        ("shift-jis", Some("text/html; charset=shift_jis"), "shift_jis", JAPANESE_TITLE, false),
        ("utf16-bom", html, "utf-16le", SIMPLIFIED_TITLE, false),
        ("latin1", Some("text/html; charset=iso-8859-1"), "iso-8859-1", LATIN_TITLE, false),
        ("wrong-charset-label", Some("text/html; charset=gbk"), "utf-8", KNOWN_TITLE, false),
        ("unknown-charset-label", Some("text/html; charset=x-practice-9"), "utf-8", KNOWN_TITLE, true),
    ] {
        let answer = get(&served, route).await;
        assert_eq!(answer.header("content-type"), content_type, "{route}");
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
        let (text, _, malformed) = encoding.decode(answer.body());
        assert!(!malformed && text.contains(&format!("<title>{title}</title>")), "{route}");
        assert_eq!(text.contains("<meta"), meta, "{route}");
        assert_eq!(answer.body().len() > 1024, matches!(route, "gbk-meta" | "unknown-charset-label"), "{route}");
        if encoding != encoding_rs::UTF_8 {
            assert!(std::str::from_utf8(answer.body()).is_err(), "{route} must not pass for UTF-8");
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn types_are_as_documented_and_some_are_missing() {
    let served = served().await;
    for (route, content_type, begin) in [
        ("binary", Some("application/octet-stream"), &b"\0"[..]),
        ("pdf", Some("application/pdf"), b"%PDF-"),
        ("image", Some("image/png"), b"\x89PNG"),
        ("no-type-html", None, b"<!DOCTYPE html>"),
        ("no-type-binary", None, b"\0"),
    ] {
        let answer = get(&served, route).await;
        assert_eq!(answer.header("content-type"), content_type, "{route}");
        assert!(answer.body().starts_with(begin), "{route}");
    }
    served.stop().await;
}

#[tokio::test]
async fn extreme_shapes_have_the_extent_asked_for() {
    let served = served().await;
    let deep = get(&served, "deep-nesting?n=5000").await;
    assert_eq!((deep.text().matches("<div>").count(), deep.text().matches("</div>").count()), (5_000, 5_000));
    let many = get(&served, "many-links").await;
    assert_eq!(many.text().matches("<a href=\"/misbehave/odd-target/many/").count(), 60_000);
    assert!(get(&served, "huge-attributes").await.text().len() > 1024 * 1024);
    assert_eq!(get(&served, "many-links?n=1000001").await.status, 400);
    served.stop().await;
}

#[tokio::test]
async fn odd_links_and_links_under_a_base_all_lead_to_pages() {
    let served = served().await;
    for (name, count) in [("odd-links", 39), ("base-href", 5)] {
        let listed = get(&served, &format!("{name}.json")).await;
        let found: FoundLinks = serde_json::from_slice(listed.body()).unwrap();
        assert_eq!(found.page, format!("{}{PREFIX}{name}", served.base()));
        assert_eq!(found.links.len(), count);
        for link in &found.links {
            assert_eq!(served.get(link.strip_prefix(&served.base()).unwrap()).await.status, 200, "{link}");
        }
    }
    let page = get(&served, "odd-links").await;
    assert!(page.text().contains(&format!("<a href=\"HTTP://{}/misbehave/odd-target/upper-scheme\">", served.host)));
    served.stop().await;
}
