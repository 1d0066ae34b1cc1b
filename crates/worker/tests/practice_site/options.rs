//! What a job can ask of a fetch, beyond the page.

use std::net::SocketAddr;

use mockserver::SiteConfig;
use model::error::{RetryClass, code};
use model::job::{Credentials, FetchRules, Honour, Proxy, Validators};
use model::outcome::Wishes;
use model::{Job, Outcome, Page, ParserRef, Secret, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use worker::{Config, Registry, Worker};

use crate::site::{Served, job, serve};

fn worker() -> Worker {
    Worker::new(&Config::standard(), Registry::builtin()).unwrap()
}

async fn site() -> Served {
    serve(SiteConfig::practice()).await
}

fn at(served: &Served, route: &str) -> Job {
    served.job(&format!("/misbehave/{route}"), "page", None)
}

async fn page(job: Job) -> Page {
    let url = job.url.clone();
    match worker().process(job).await.verdict {
        Verdict::Page(page) => page,
        other => panic!("{url}: {other:?}"),
    }
}

async fn failure(job: Job) -> (String, RetryClass) {
    match worker().process(job).await.verdict {
        Verdict::Failed(error) => (error.code, error.retry),
        other => panic!("{other:?}"),
    }
}

async fn outcome(job: Job) -> Outcome {
    worker().process(job).await
}

#[tokio::test]
async fn a_pages_nofollow_is_honoured_and_its_noindex_by_option() {
    let served = site().await;
    for (route, nofollow, noindex) in [
        ("meta-robots?content=nofollow", true, false),
        ("meta-robots?content=noindex", false, true),
        ("meta-robots?content=none", true, true),
        ("meta-robots?content=all", false, false),
        ("meta-robots?name=test&content=none", true, true),
        ("meta-robots?name=otherbot&content=none", false, false),
        ("x-robots-tag?value=noindex,nofollow", true, true),
        ("x-robots-tag?value=test:nofollow", true, false),
        ("x-robots-tag?value=otherbot:nofollow", false, false),
    ] {
        let by_default = page(at(&served, route)).await;
        assert_eq!(by_default.wishes, Wishes { nofollow, noindex }, "{route}");
        let found = (by_default.links.len(), by_default.cut.nofollow, by_default.items.len(), by_default.cut.noindex);
        assert_eq!(found, if nofollow { (0, 2, 1, 0) } else { (2, 0, 1, 0) }, "{route}");
        let mut strict = at(&served, route);
        strict.fetch.honour = Honour { noindex: true, ..Honour::default() };
        let strict = page(strict).await;
        assert_eq!((strict.items.len(), strict.cut.noindex), if noindex { (0, 1) } else { (1, 0) }, "{route}");
        let mut careless = at(&served, route);
        careless.fetch.honour = Honour { nofollow: false, ..Honour::default() };
        assert_eq!(page(careless).await.links.len(), 2, "{route}");
    }
}

#[tokio::test]
async fn links_that_say_nofollow_are_followed_unless_that_is_honoured() {
    let served = site().await;
    let by_default = page(at(&served, "rel-nofollow")).await;
    assert_eq!((by_default.links.len(), by_default.cut.nofollow), (2, 0));
    let mut job = at(&served, "rel-nofollow");
    job.fetch.honour.rel_nofollow = true;
    let strict = page(job).await;
    assert_eq!((strict.links.len(), strict.cut.nofollow), (1, 1));
    assert!(strict.links[0].url.as_str().ends_with("/followed"));
}

#[tokio::test]
async fn a_page_is_not_sent_again_to_whoever_knows_its_version() {
    let served = site().await;
    let first = outcome(at(&served, "etag")).await;
    let validators = first.fetch.validators.unwrap();
    let date = "Fri, 02 Jan 2026 03:04:05 GMT".to_owned();
    assert_eq!(validators, Validators { etag: Some("\"known-1\"".into()), last_modified: Some(date.clone()) });
    for known in [validators, Validators { etag: None, last_modified: Some(date) }] {
        let again = outcome(Job { validators: Some(known), ..at(&served, "etag") }).await;
        assert_eq!((again.fetch.status, again.fetch.bytes), (Some(304), 0));
        assert!(matches!(again.verdict, Verdict::Failed(error) if error.code == code::NOT_MODIFIED && error.retry == RetryClass::Skip));
    }
    let other = Job { validators: Some(Validators { etag: Some("\"old\"".into()), last_modified: None }), ..at(&served, "etag") };
    assert_eq!(page(other).await.items.len(), 1);
    assert_eq!(outcome(at(&served, "gzip")).await.fetch.validators, None);
}

#[tokio::test]
async fn a_password_opens_its_page_and_is_not_shown() {
    let served = site().await;
    let unknown = failure(at(&served, "basic-auth")).await;
    assert_eq!(unknown, ("wrong status code: 401".to_owned(), RetryClass::Skip));
    let mut job = at(&served, "basic-auth");
    job.fetch.headers.push(("Authorization".into(), "Bearer for-all-hosts".into()));
    job.fetch.auth = Some(Credentials { user: Secret::new("someone"), password: Secret::new("secret") });
    assert!(!format!("{job:?}").contains("secret"));
    assert_eq!(page(job).await.items.len(), 1);
}

#[tokio::test]
async fn unwanted_extensions_are_not_asked_for_and_unwanted_types_not_read() {
    let served = site().await;
    let with = |route: &str, rules: &dyn Fn(&mut FetchRules)| {
        let mut job = at(&served, route);
        rules(&mut job.fetch);
        job
    };
    let extension = with("odd-target/a.PDF", &|rules| rules.skip_extensions = vec!["zip".into(), "pdf".into()]);
    let outcome = outcome(extension).await;
    assert!(
        matches!(outcome.verdict, Verdict::Failed(error) if error.code == "unwanted extension: pdf" && error.retry == RetryClass::Skip)
    );
    assert_eq!((outcome.fetch.status, served.site.arrivals().list.len()), (None, 0));
    for types in ["text/html", "TEXT/*"] {
        let job = with("gzip", &|rules| rules.skip_types = vec![types.into()]);
        assert_eq!(failure(job).await.0, "unwanted type: text/html", "{types}");
    }
    let others = with("gzip", &|rules| rules.skip_types = vec!["image/*".into(), "text/plain".into()]);
    assert_eq!(page(others).await.items.len(), 1);
}

#[tokio::test]
async fn a_proxy_is_asked_instead_of_the_host_and_the_outcome_says_so() {
    // The site answers requests that are meant for a proxy, whatever host they name.
    let proxy = site().await;
    let through = |url: &str, proxy: &str| {
        let mut job = job(url, ParserRef::named("page"), None);
        job.fetch.allow_net = Vec::new();
        job.fetch.proxy = Some(Proxy { url: proxy.into(), auth: None });
        job
    };
    let job = through("http://no-such-host.invalid/misbehave/gzip", &proxy.base());
    let outcome = outcome(job).await;
    assert!(matches!(outcome.verdict, Verdict::Page(_)), "{outcome:?}");
    assert_eq!((outcome.fetch.proxy, outcome.fetch.remote), (Some(proxy.base()), Some(proxy.address)));
    assert_eq!(proxy.site.arrivals().list[0].host, "no-such-host.invalid");

    // What is written as an address is checked even so, and a proxy that is not there is trouble of the fetch.
    let private = through("http://10.0.0.1/", &proxy.base());
    assert_eq!(failure(private).await, ("forbidden address".to_owned(), RetryClass::Skip));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = through("http://no-such-host.invalid/", &format!("http://{closed}"));
    assert_eq!(failure(gone).await.0, "connection refused");
    for bad in ["socks5://127.0.0.1:1", "ftp://127.0.0.1", "http://u:p@127.0.0.1:1", "nonsense"] {
        let (code, class) = failure(through("http://no-such-host.invalid/", bad)).await;
        assert_eq!((code.as_str(), class), ("bad proxy", RetryClass::Dead), "{bad}");
    }
}

#[tokio::test]
async fn a_workers_deny_net_beats_a_proxy() {
    let proxy = site().await;
    let config = Config { deny_net: vec!["127.0.0.0/8".parse().unwrap()], ..Config::standard() };
    let mut job = job("http://no-such-host.invalid/misbehave/gzip", ParserRef::named("page"), None);
    let name = proxy.base().replace("127.0.0.1", "localhost");
    job.fetch.proxy = Some(Proxy { url: name, auth: None });
    let outcome = Worker::new(&config, Registry::builtin()).unwrap().process(job).await;
    assert!(matches!(&outcome.verdict, Verdict::Failed(error) if error.code == "forbidden address"), "{outcome:?}");
    assert_eq!(proxy.site.arrivals().list.len(), 0);
}

/// Answers one connection with what the handler makes of it.
async fn answering<F: Future<Output = ()> + Send + 'static>(handler: impl FnOnce(TcpStream) -> F + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { handler(listener.accept().await.unwrap().0).await });
    address
}

#[tokio::test]
async fn a_socks_proxy_is_given_names_and_resolves_them_itself() {
    let site = site().await;
    let behind = site.address;
    let (told, name) = tokio::sync::oneshot::channel();
    let proxy = answering(move |mut client| async move {
        // RFC 1928: methods, then the wish to connect to a name (3), then bytes to and fro.
        let mut head = [0; 3];
        client.read_exact(&mut head).await.unwrap();
        client.write_all(&[5, 0]).await.unwrap();
        let mut request = [0; 5];
        client.read_exact(&mut request).await.unwrap();
        assert_eq!((request[1], request[3]), (1, 3));
        let mut rest = vec![0; usize::from(request[4]) + 2];
        client.read_exact(&mut rest).await.unwrap();
        told.send(String::from_utf8(rest[..rest.len() - 2].to_vec()).unwrap()).unwrap();
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let mut server = TcpStream::connect(behind).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    })
    .await;
    let mut job = job("http://no-such-host.invalid/misbehave/gzip", ParserRef::named("page"), None);
    job.fetch.proxy = Some(Proxy { url: format!("socks5h://{proxy}"), auth: None });
    let outcome = outcome(job).await;
    assert!(matches!(outcome.verdict, Verdict::Page(_)), "{outcome:?}");
    assert_eq!(name.await.unwrap(), "no-such-host.invalid");
    assert_eq!(outcome.fetch.proxy, Some(format!("socks5h://{proxy}")));
}

#[tokio::test]
async fn a_proxy_is_told_its_password_and_nobody_else_is() {
    let (told, asked) = tokio::sync::oneshot::channel();
    let proxy = answering(|mut client| async move {
        let mut request = vec![0; 4096];
        let read = client.read(&mut request).await.unwrap();
        told.send(String::from_utf8_lossy(&request[..read]).into_owned()).unwrap();
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    let with = |url: &str, proxy: SocketAddr| {
        let mut job = job(url, ParserRef::named("page"), None);
        let auth = Credentials { user: Secret::new("someone"), password: Secret::new("secret") };
        job.fetch.proxy = Some(Proxy { url: format!("http://{proxy}"), auth: Some(auth) });
        job
    };
    let outcome = outcome(with("http://no-such-host.invalid/", proxy)).await;
    let asked = asked.await.unwrap();
    assert!(asked.to_ascii_lowercase().contains("proxy-authorization: basic c29tzw9uztpzzwnyzxq="), "{asked}");
    assert_eq!(outcome.fetch.proxy, Some(format!("http://{proxy}")));
    let Verdict::Failed(error) = outcome.verdict else { panic!("a page") };
    assert_eq!(error.code, "wrong status code: 407");

    // One that asks for it before it opens a tunnel.
    let asking = answering(|mut client| async move {
        let _ = client.read(&mut [0; 4096]).await;
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    assert_eq!(failure(with("https://no-such-host.invalid/", asking)).await, ("proxy authentication".to_owned(), RetryClass::Origin));

    // One that opens no tunnel.
    let closed = answering(|mut client| async move {
        let _ = client.read(&mut [0; 4096]).await;
        client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    })
    .await;
    assert_eq!(failure(with("https://no-such-host.invalid/", closed)).await, ("proxy error".to_owned(), RetryClass::Origin));
}
