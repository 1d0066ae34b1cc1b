//! What becomes of a page when its server misbehaves.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::site::{Served, job, serve};
use mockserver::SiteConfig;
use mockserver::misbehave::{FoundLinks, JAPANESE_TITLE, KNOWN_TITLE, LATIN_TITLE, SIMPLIFIED_TITLE, TRADITIONAL_TITLE};
use model::error::RetryClass;
use model::outcome::MAX_LINKS;
use model::{Args, Job, Page, ParserRef, Verdict};
use tokio::net::TcpListener;
use worker::{Config, FetchedPage, Parse, ParseError, Parsed, Registry, Worker};

fn worker() -> Worker {
    Worker::new(&Config::standard(), Registry::builtin()).unwrap()
}

async fn site() -> Served {
    serve(SiteConfig::practice()).await
}

fn at(served: &Served, route: &str) -> Job {
    served.job(&format!("/misbehave/{route}"), "page", None)
}

async fn failure(worker: &Worker, job: Job) -> (String, RetryClass) {
    match worker.process(job).await.verdict {
        Verdict::Failed(error) => (error.code, error.retry),
        other => panic!("{other:?}"),
    }
}

async fn page(worker: &Worker, job: Job) -> Page {
    let url = job.url.clone();
    match worker.process(job).await.verdict {
        Verdict::Page(page) => page,
        other => panic!("{url}: {other:?}"),
    }
}

fn title(page: &Page) -> String {
    let payload: serde_json::Value = serde_json::from_str(page.items[0].payload.as_str()).unwrap();
    payload["title"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_failure_has_its_code_and_class() {
    let (served, worker) = (site().await, worker());
    for (route, code, class) in [
        ("drop-before-headers", "connection reset", RetryClass::Attempt),
        ("drop-mid-body", "incomplete body", RetryClass::Attempt),
        ("wrong-length", "incomplete body", RetryClass::Attempt),
        ("bad-gzip", "bad encoding", RetryClass::Attempt),
        ("gzip-bomb", "body too large", RetryClass::Skip),
        ("huge?mb=16", "body too large", RetryClass::Skip),
        ("endless", "body too large", RetryClass::Skip),
        ("status/404", "wrong status code: 404", RetryClass::Skip),
        ("status/204", "wrong status code: 204", RetryClass::Skip),
        ("status/429", "wrong status code: 429", RetryClass::Origin),
        ("status/503?retry-after=2", "wrong status code: 503", RetryClass::Origin),
        ("status/500", "wrong status code: 500", RetryClass::Attempt),
        ("status/501", "wrong status code: 501", RetryClass::Skip),
        ("redirect-bad", "bad redirect", RetryClass::Skip),
        ("redirect-missing", "bad redirect", RetryClass::Skip),
        ("binary", "unwanted type: application/octet-stream", RetryClass::Skip),
        ("pdf", "unwanted type: application/pdf", RetryClass::Skip),
        ("image", "unwanted type: image/png", RetryClass::Skip),
        ("no-type-binary", "unwanted type: none", RetryClass::Skip),
    ] {
        assert_eq!(failure(&worker, at(&served, route)).await, (code.to_owned(), class), "{route}");
    }
}

#[tokio::test]
async fn a_fetch_that_takes_too_long_costs_the_url_an_attempt() {
    let (served, worker) = (site().await, worker());
    for route in ["never", "slow-body?ms=1000"] {
        let mut job = at(&served, route);
        job.fetch.fetch_timeout_ms = 300;
        assert_eq!(failure(&worker, job).await, ("fetch timeout".to_owned(), RetryClass::Attempt), "{route}");
    }
}

#[tokio::test]
async fn trouble_with_connecting_is_the_origins() {
    let worker = worker();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let refused = job(&format!("http://{address}/"), ParserRef::named("page"), None);
    assert_eq!(failure(&worker, refused).await, ("connection refused".to_owned(), RetryClass::Origin));
    let unknown = job("http://no-such-host.invalid/", ParserRef::named("page"), None);
    assert_eq!(failure(&worker, unknown).await, ("dns error".to_owned(), RetryClass::Origin));
    let served = site().await;
    let plain = job(&format!("https://{}/", served.address), ParserRef::named("page"), None);
    assert_eq!(failure(&worker, plain).await, ("tls error".to_owned(), RetryClass::Origin));
}

#[tokio::test]
async fn what_is_no_http_is_an_invalid_response() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"220 mail ready\r\n\r\n").await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let job = job(&format!("http://{address}/"), ParserRef::named("page"), None);
    assert_eq!(failure(&worker(), job).await, ("invalid response".to_owned(), RetryClass::Attempt));
}

#[tokio::test]
async fn an_address_that_is_not_public_needs_a_permit_for_host_and_port() {
    let (served, worker) = (site().await, worker());
    let port = served.address.port();
    let forbidden = ("forbidden address".to_owned(), RetryClass::Skip);
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let mut job = job(&url, ParserRef::named("page"), None);
        job.fetch.allow_net.clear();
        assert_eq!(failure(&worker, job.clone()).await, forbidden, "{url}");
        job.fetch.allow_net = vec![model::job::NetPermit { host: "127.0.0.1".into(), port: Some(1) }];
        assert_eq!(failure(&worker, job).await, forbidden, "{url}");
    }
    let arrivals = served.site.arrivals();
    assert_eq!(arrivals.list.len(), 0, "nothing was asked for");
    let mut named = job(&format!("http://localhost:{port}/misbehave/gzip"), ParserRef::named("page"), None);
    page(&worker, named.clone()).await;
    named.fetch.allow_net = vec![model::job::NetPermit { host: "127.0.0.0/8".into(), port: None }];
    page(&worker, named.clone()).await;
    let denying = Config { deny_net: vec!["127.0.0.0/8".parse().unwrap()], ..Config::standard() };
    let denying = Worker::new(&denying, Registry::builtin()).unwrap();
    assert_eq!(failure(&denying, named).await, forbidden);
    assert_eq!(failure(&denying, at(&served, "gzip")).await, forbidden);
}

#[tokio::test]
async fn every_encoding_and_coding_is_read() {
    let (served, worker) = (site().await, worker());
    for (route, expected) in [
        ("gzip", KNOWN_TITLE),
        ("brotli", KNOWN_TITLE),
        ("zstd", KNOWN_TITLE),
        ("no-type-html", KNOWN_TITLE),
        ("slow?ms=1", KNOWN_TITLE),
        ("slow-body?ms=1", KNOWN_TITLE),
        ("gbk-header", SIMPLIFIED_TITLE),
        ("gbk-meta", SIMPLIFIED_TITLE),
        ("gbk-meta-short", SIMPLIFIED_TITLE),
        ("gbk-short", SIMPLIFIED_TITLE),
        ("wrong-charset-label", KNOWN_TITLE),
        ("unknown-charset-label", KNOWN_TITLE),
        ("utf16-bom", SIMPLIFIED_TITLE),
        ("big5", TRADITIONAL_TITLE),
        ("shift-jis", JAPANESE_TITLE),
        ("latin1", LATIN_TITLE),
    ] {
        assert_eq!(title(&page(&worker, at(&served, route)).await), expected, "{route}");
    }
}

#[tokio::test]
async fn odd_links_are_found_exactly() {
    let (served, worker) = (site().await, worker());
    for route in ["odd-links", "base-href"] {
        let json = reqwest::get(format!("{}/misbehave/{route}.json", served.base())).await.unwrap().text().await.unwrap();
        let expected: FoundLinks = serde_json::from_str(&json).unwrap();
        let page = page(&worker, at(&served, route)).await;
        let own = format!("{}/", served.base());
        let found: BTreeSet<String> = page.links.iter().map(|link| link.url.to_string()).filter(|url| url.starts_with(&own)).collect();
        assert_eq!(found, expected.links, "{route}");
        assert_eq!(page.links.iter().map(|link| link.url.as_str()).collect::<BTreeSet<_>>().len(), page.links.len());
    }
}

#[tokio::test]
async fn pages_of_extreme_shape_cost_their_own_job_only() {
    let (served, worker) = (site().await, worker());
    let deep = page(&worker, at(&served, "deep-nesting?n=100000")).await;
    assert_eq!(deep.links.len(), 1);
    let mut with_text = at(&served, "deep-nesting?n=100000");
    with_text.parser.args.insert("text".into(), "true".into());
    assert_eq!(failure(&worker, with_text).await, ("page too complex".to_owned(), RetryClass::Dead));
    let many = page(&worker, at(&served, "many-links?n=60000")).await;
    assert_eq!((many.links.len(), many.cut.links), (MAX_LINKS, 60_000 - MAX_LINKS as u64));
    assert_eq!(page(&worker, at(&served, "huge-attributes")).await.links.len(), 1);
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let (served, worker) = (site().await, worker());
    let outcome = worker.process(at(&served, "redirect-self-cookie")).await;
    let Verdict::Redirect(redirect) = outcome.verdict else { panic!("a redirect") };
    assert_eq!(redirect.key, at(&served, "redirect-self-cookie").key);
    assert_eq!(outcome.fetch.set_cookie.len(), 1);
    assert_eq!(served.site.arrivals().list.len(), 1);
    let mut again = at(&served, "redirect-self-cookie");
    again.cookie = outcome.fetch.set_cookie[0].split(';').next().map(str::to_owned);
    assert_eq!(title(&page(&worker, again).await), KNOWN_TITLE);
}

#[tokio::test]
async fn an_outcome_says_what_the_fetch_showed() {
    let (served, worker) = (site().await, worker());
    let outcome = worker.process(at(&served, "status/503?retry-after=2")).await;
    assert_eq!((outcome.fetch.status, outcome.fetch.retry_after_ms, outcome.fetch.remote), (Some(503), Some(2_000), Some(served.address)));
    let outcome = worker.process(at(&served, "gzip")).await;
    assert!(outcome.fetch.bytes > 1_000 && outcome.fetch.fetched_at_ms > 1_600_000_000_000);
}

struct Panics;

impl Parse for Panics {
    fn parse(&self, _: &FetchedPage<'_>, _: &Args) -> Result<Parsed, ParseError> {
        panic!("a bug")
    }
}

#[tokio::test]
async fn a_parser_that_fails_kills_its_page_and_not_the_worker() {
    let served = site().await;
    let worker = Worker::new(&Config::standard(), Registry::builtin().register("panics", Arc::new(Panics))).unwrap();
    let with = |parser: &str| served.job("/misbehave/gzip", parser, None);
    assert_eq!(failure(&worker, with("panics")).await, ("parser panicked".to_owned(), RetryClass::Dead));
    assert_eq!(failure(&worker, with("nobody")).await, ("unknown parser name".to_owned(), RetryClass::Dead));
    let mut bad_arg = with("page");
    bad_arg.parser.args.insert("follow".into(), "x".into());
    assert_eq!(failure(&worker, bad_arg).await, ("invalid arg".to_owned(), RetryClass::Dead));
    let mut no_spider = with("page");
    no_spider.spider = Some(model::SpiderHash::of(b"x"));
    assert_eq!(failure(&worker, no_spider).await, ("need spider".to_owned(), RetryClass::Peer));
    assert_eq!(page(&worker, with("NilParser")).await, Page::default());
}

#[tokio::test]
async fn a_rate_spaces_fetches() {
    let served = site().await;
    let config = Config { qps: Some(20.0), ..Config::standard() };
    let worker = Worker::new(&config, Registry::builtin()).unwrap();
    let begun = tokio::time::Instant::now();
    futures::future::join_all((0..5).map(|_| worker.process(at(&served, "gzip")))).await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
}
