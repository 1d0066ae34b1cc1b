//! The practice crawl: a site of this program's own, on this machine, so that a first try needs nothing and harms nobody.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use mockserver::{Site, SiteConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The spider that reads it.
pub const SPIDER: &str = include_str!("../../../spiders/zhenai.toml");

/// The site, served until dropped.
#[derive(Debug)]
pub struct PracticeSite {
    base: String,
    site: Arc<Site>,
    server: JoinHandle<()>,
}

impl PracticeSite {
    /// Starts the site on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> io::Result<PracticeSite> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        // The site's log of arrivals is for tests; nobody reads it here.
        let config = SiteConfig { recorded_arrivals: 0, ..SiteConfig::practice() };
        let site = Arc::new(Site::new(config).map_err(io::Error::other)?);
        let served = Arc::clone(&site);
        let server = tokio::spawn(async move {
            if let Err(error) = mockserver::run(listener, served, std::future::pending::<()>()).await {
                tracing::error!(%error, "the practice site has ended");
            }
        });
        Ok(PracticeSite { base, site, server })
    }

    /// Where its people begin.
    pub fn seeds(&self) -> Vec<String> {
        self.site.seeds(&self.base).into_iter().take(1).collect()
    }

    /// Its address.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl Drop for PracticeSite {
    fn drop(&mut self) {
        self.server.abort();
    }
}
