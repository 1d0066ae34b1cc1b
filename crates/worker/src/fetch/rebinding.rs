//! A name whose address changes between two looks at it.
//!
//! Nothing here leaves this machine: `127.0.0.2` stands for a public address, since a permit for that network makes it one that may be
//! connected to, and `127.0.0.1` for a private one.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use mockserver::{Site, SiteConfig};
use model::error::RetryClass;
use model::job::{FetchRules, NetPermit};
use model::outcome::FetchFacts;
use model::{CrawlUrl, Job, ParserRef, WireError};
use reqwest::dns::Resolve;
use tokio::net::TcpListener;

use super::address::Reach;
use super::resolver::{CheckedResolver, Names};
use super::{Ended, Fetcher, Wanted};
use crate::config::Config;

/// Answers one after the other, the last one for ever.
struct Rebound(Mutex<VecDeque<Vec<&'static str>>>);

impl Rebound {
    fn new(answers: &[&[&'static str]]) -> Arc<Rebound> {
        Arc::new(Rebound(Mutex::new(answers.iter().map(|answer| answer.to_vec()).collect())))
    }
}

impl Names for Rebound {
    fn addresses(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        let addresses = answer.into_iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
        async move { Ok(addresses) }.boxed()
    }
}

/// A site on one port of two addresses.
async fn site() -> (Arc<Site>, u16) {
    let site = Arc::new(Site::new(SiteConfig::practice()).unwrap());
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    for listener in [first, second] {
        tokio::spawn(mockserver::run(listener, Arc::clone(&site), std::future::pending::<()>()));
    }
    (site, port)
}

fn job(port: u16, path: &str) -> Job {
    let url = CrawlUrl::parse(&format!("http://rebound.example:{port}{path}")).unwrap();
    let permit = NetPermit { host: "127.0.0.2/32".into(), port: Some(port) };
    let fetch = FetchRules { allow_net: vec![permit], ..FetchRules::plain("test") };
    Job { key: url.dedup_key(), url, parser: ParserRef::named("page"), spider: None, cookie: None, validators: None, fetch }
}

async fn fetched(fetcher: &Fetcher, job: &Job) -> Result<SocketAddr, WireError> {
    let mut facts = FetchFacts::default();
    match fetcher.fetch(job, Wanted::Robots, &mut facts).await {
        Ok(_) => Ok(facts.remote.unwrap()),
        Err(Ended::Failed(error)) => Err(error),
        Err(Ended::Redirect(redirect)) => panic!("{redirect:?}"),
    }
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_is_not_followed_there() {
    let (site, port) = site().await;
    let fetcher = Fetcher::with_names(&Config::standard(), Rebound::new(&[&["127.0.0.2"], &["127.0.0.1"]]));
    // The connection ends with this answer, so that the next page needs another and the name is looked up again.
    let remote = fetched(&fetcher, &job(port, "/misbehave/wrong-length-short")).await.unwrap();
    assert_eq!(remote.ip().to_string(), "127.0.0.2");
    let error = fetched(&fetcher, &job(port, "/misbehave/gzip")).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.retry), ("forbidden address", RetryClass::Skip));
    assert_eq!(error.detail, "rebound.example is 127.0.0.1, which is not a public address");
    assert_eq!(site.arrivals().list.len(), 1);
}

#[tokio::test]
async fn of_several_addresses_only_those_are_connected_to_that_may_be() {
    let (_, port) = site().await;
    let fetcher = Fetcher::with_names(&Config::standard(), Rebound::new(&[&["127.0.0.1", "::1", "10.0.0.1", "127.0.0.2"]]));
    let remote = fetched(&fetcher, &job(port, "/misbehave/gzip")).await.unwrap();
    assert_eq!(remote, SocketAddr::new("127.0.0.2".parse().unwrap(), port));
}

#[tokio::test]
async fn a_resolver_gives_a_public_address_and_not_the_private_one_that_follows() {
    let names = Rebound::new(&[&["93.184.215.14"], &["127.0.0.1"], &["169.254.169.254"], &["::ffff:10.0.0.1"]]);
    let reach = Reach::of(&CrawlUrl::parse("http://rebound.example/").unwrap(), &[]);
    let resolver = CheckedResolver { names, reach, denied: Arc::new([]) };
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = resolver.resolve("rebound.example".parse().unwrap()).await;
        answers.push(answer.map(|addresses| addresses.map(|address| address.ip().to_string()).collect::<Vec<_>>()).ok());
    }
    assert_eq!(answers, [Some(vec!["93.184.215.14".to_owned()]), None, None, None]);
}
