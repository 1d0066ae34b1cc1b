//! The practice site on a port of its own, and jobs for it.

use std::net::SocketAddr;
use std::sync::Arc;

use mockserver::{Site, SiteConfig};
use model::job::{FetchRules, NetPermit};
use model::{CrawlUrl, Job, ParserRef, SpiderHash};
use tokio::net::TcpListener;

/// A site that ends with the test's runtime.
pub(crate) struct Served {
    pub(crate) site: Arc<Site>,
    pub(crate) address: SocketAddr,
}

pub(crate) async fn serve(config: SiteConfig) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let site = Arc::new(Site::new(config).unwrap());
    tokio::spawn(mockserver::run(listener, Arc::clone(&site), std::future::pending::<()>()));
    Served { site, address }
}

impl Served {
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn job(&self, path: &str, parser: &str, spider: Option<&SpiderHash>) -> Job {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base()) };
        job(&url, ParserRef::named(parser), spider)
    }
}

pub(crate) fn job(url: &str, parser: ParserRef, spider: Option<&SpiderHash>) -> Job {
    let url = CrawlUrl::parse(url).unwrap();
    let permit = NetPermit { host: url.host_str().to_owned(), port: Some(url.port()) };
    let fetch =
        FetchRules { connect_timeout_ms: 2_000, fetch_timeout_ms: 10_000, allow_net: vec![permit], ..FetchRules::plain("test/1.0") };
    Job { key: url.dedup_key(), url, parser, spider: spider.cloned(), cookie: None, validators: None, fetch }
}
