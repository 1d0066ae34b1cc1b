//! Addresses that are not connected to, however they are written and wherever the link comes from.

use mockserver::SiteConfig;
use model::error::RetryClass;
use model::{CrawlUrl, Job, ParserRef, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use worker::{Config, Registry, Worker};

use crate::site::{job, serve};

fn worker() -> Worker {
    Worker::new(&Config::standard(), Registry::builtin()).unwrap()
}

/// A job as for a link found on some site: nobody has named its host.
fn found(url: &str) -> Job {
    let mut job = job(url, ParserRef::named("page"), None);
    job.fetch.allow_net.clear();
    job
}

#[tokio::test]
async fn a_private_address_is_known_in_every_notation() {
    let served = serve(SiteConfig::practice()).await;
    let port = served.address.port();
    let worker = worker();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0X7F.0.0.1",
        "017700000001",
        "0177.0.0.01",
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７。０。０。１",
        "0",
        "0.0.0.0",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "localhost",
        "LOCALHOST",
        "a@127.0.0.1",
    ] {
        let verdict = worker.process(found(&format!("http://{host}:{port}/misbehave/gzip"))).await.verdict;
        assert!(matches!(&verdict, Verdict::Failed(error) if error.code == "forbidden address"), "{host}: {verdict:?}");
    }
    assert_eq!(served.site.arrivals().list.len(), 0);
}

#[tokio::test]
async fn a_redirect_into_private_space_is_told_and_its_target_refused() {
    let served = serve(SiteConfig::practice()).await;
    let port = served.address.port();
    let worker = worker();
    for target in ["http://[::ffff:127.0.0.1]", "http://127.0.0.2", "http://localhost", "http://169.254.169.254"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let location = format!("{target}:{port}/secret");
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        // The operator has named the redirecting host, and nothing else.
        let first = job(&format!("http://{address}/"), ParserRef::named("page"), None);
        let permits = first.fetch.allow_net.clone();
        let Verdict::Redirect(redirect) = worker.process(first).await.verdict else { panic!("{target}: no redirect") };
        answering.await.unwrap();
        let mut second = job(redirect.target.as_str(), ParserRef::named("page"), None);
        second.fetch.allow_net = permits;
        let verdict = worker.process(second).await.verdict;
        let Verdict::Failed(error) = verdict else { panic!("{target}: {verdict:?}") };
        assert_eq!((error.code.as_str(), error.retry), ("forbidden address", RetryClass::Skip), "{target}");
    }
    assert_eq!(served.site.arrivals().list.len(), 0);
}

#[tokio::test]
async fn links_with_other_schemes_are_counted_and_no_url_for_a_job() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let html = "<a href='file:///etc/passwd'>1</a><a href='gopher://h/1'>2</a><a href='data:text/html,x'>3</a>\
            <a href='javascript:x'>4</a><a href='ftp://u:p@h/'>5</a><a href='blob:http://h/x'>6</a><a href='view-source:http://h/'>7</a>\
            <a href='//user:secret@other.example/x'>8</a>";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n", html.len());
        stream.write_all(format!("{head}{html}").as_bytes()).await.unwrap();
    });
    let Verdict::Page(page) = worker().process(job(&format!("http://{address}/"), ParserRef::named("page"), None)).await.verdict else {
        panic!("no page")
    };
    assert_eq!((page.links.len(), page.cut.other_schemes), (1, 7));
    assert_eq!(page.links[0].url.as_str(), "http://other.example/x");
    for url in ["file:///etc/passwd", "gopher://h/", "data:,x"] {
        assert!(CrawlUrl::parse(url).is_err());
        assert!(serde_json::from_str::<CrawlUrl>(&format!("{url:?}")).is_err(), "{url} comes in by the wire");
    }
}

#[tokio::test]
async fn credentials_in_a_redirect_that_leads_nowhere_are_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: ftp://user:secret@host/\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let outcome = worker().process(job(&format!("http://{address}/"), ParserRef::named("page"), None)).await;
    let Verdict::Failed(error) = outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!(error.code, "bad redirect");
    assert!(!error.detail.contains("secret") && error.detail.contains("ftp://***@host/"), "{error}");
}
