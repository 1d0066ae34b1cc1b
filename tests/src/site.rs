//! The practice site, served from within the test, so that it can be stopped at an exact point and its log read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use mockserver::{Arrival, Section, Site, SiteConfig, Truth};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::runtime::{runtime, within_limit};

/// A site on a port of its own until dropped.
#[derive(Debug)]
pub struct PracticeSite {
    site: Arc<Site>,
    base: String,
    server: JoinHandle<()>,
}

impl PracticeSite {
    /// 3 cities of 2 pages with 20 people each, 127 pages in all, and 10 car models.
    pub fn small() -> PracticeSite {
        PracticeSite::serve(SiteConfig { cities: 3, pages: Some(2), cars: 10, ..SiteConfig::practice() })
    }

    /// One city of 4 pages, 85 pages in all. The list leads to the first page alone, and that to its 20 people and the other 3 pages: so a
    /// crawl held after [`BEFORE`](PracticeSite::BEFORE) pages has exactly [`IN_FLIGHT`](PracticeSite::IN_FLIGHT) on their way.
    pub fn one_city() -> PracticeSite {
        PracticeSite::serve(SiteConfig { cities: 1, pages: Some(4), cars: 0, ..SiteConfig::practice() })
    }

    /// The pages of [`PracticeSite::one_city`] that come one after the other.
    pub const BEFORE: u64 = 2;

    /// The pages that they lead to.
    pub const IN_FLIGHT: usize = 23;

    /// The course's site, whose people have no end.
    pub fn endless() -> PracticeSite {
        PracticeSite::serve(SiteConfig::endless())
    }

    /// A site of this shape.
    ///
    /// # Panics
    /// When there is no such site.
    pub fn serve(config: SiteConfig) -> PracticeSite {
        PracticeSite::serve_hosts(config, &[1])
    }

    /// The same for several hosts, 127.0.0.N for each of these numbers, on the same port. [`base`](PracticeSite::base) is the first.
    ///
    /// # Panics
    /// As [`serve`](PracticeSite::serve), and when a host has not the port that is free on the first.
    pub fn serve_hosts(config: SiteConfig, hosts: &[u8]) -> PracticeSite {
        let site = Arc::new(Site::new(config).expect("a test asks for a site that there is"));
        let address = |host: u8| Ipv4Addr::new(127, 0, 0, host);
        let bind = |host, port| within_limit("a port", TcpListener::bind((address(host), port))).expect("a port is free");
        let first = bind(hosts[0], 0);
        let at = first.local_addr().expect("a bound listener has an address");
        let others = hosts[1..].iter().map(|host| bind(*host, at.port()));
        let listeners: Vec<TcpListener> = std::iter::once(first).chain(others.collect::<Vec<_>>()).collect();
        let served = Arc::clone(&site);
        let server = runtime().spawn(async move {
            let mut servers = JoinSet::new();
            for listener in listeners {
                // It never ends by itself, and with an error only where the listener breaks.
                servers.spawn(mockserver::run(listener, Arc::clone(&served), std::future::pending::<()>()));
            }
            while servers.join_next().await.is_some() {}
        });
        PracticeSite { site, base: format!("http://{at}"), server }
    }

    /// The same site under another host: `http://127.0.0.N:PORT`.
    ///
    /// # Panics
    /// Never: a base has a port.
    pub fn base_of(&self, host: u8) -> String {
        let (_, port) = self.base.rsplit_once(':').expect("a base has a port");
        format!("http://127.0.0.{host}:{port}")
    }

    /// What is on it, under another base.
    pub fn truth_of(&self, base: &str) -> Truth {
        self.site.truth(base)
    }

    /// Where the people begin, under another base.
    pub fn people_seed_of(&self, base: &str) -> String {
        self.site.seeds(base)[0].clone()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The URL of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The URL of a route of the misbehaving pages.
    pub fn misbehaving(&self, route: &str) -> String {
        format!("{}{}{route}", self.base, mockserver::misbehave::PREFIX)
    }

    /// What is on it.
    pub fn truth(&self) -> Truth {
        self.site.truth(&self.base)
    }

    /// What a crawl of the people finds.
    ///
    /// # Panics
    /// When they have no end.
    pub fn people(&self) -> Section {
        self.truth().people.expect("the site is finite")
    }

    /// What a crawl of the cars finds.
    pub fn cars(&self) -> Section {
        self.truth().cars
    }

    /// Where the people begin.
    pub fn people_seed(&self) -> String {
        self.site.seeds(&self.base)[0].clone()
    }

    /// The requests for pages so far: all but those for a robots.txt, which comes before the pages and is none.
    ///
    /// # Panics
    /// When there were more than it records; so do the others.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.all_arrivals().into_iter().filter(|arrival| arrival.path != "/robots.txt").collect()
    }

    /// Every request so far.
    pub fn all_arrivals(&self) -> Vec<Arrival> {
        let arrivals = self.site.arrivals();
        assert_eq!(arrivals.dropped, 0, "the record of arrivals is whole");
        arrivals.list
    }

    /// How often each URL was asked for; where it was asked for by a name, with the address of the first host.
    pub fn fetched(&self) -> BTreeMap<String, u64> {
        let mut fetched = BTreeMap::new();
        for arrival in self.arrivals() {
            assert_eq!(arrival.method, "GET");
            let base = if arrival.host.starts_with("127.") { format!("http://{}", arrival.host) } else { self.base.clone() };
            *fetched.entry(format!("{base}{}", arrival.path)).or_default() += 1;
        }
        fetched
    }

    /// Forgets the requests so far.
    pub fn forget_arrivals(&self) {
        self.site.reset_arrivals();
    }

    /// How many requests there were so far, forgotten ones too.
    pub fn last_arrival(&self) -> u64 {
        self.site.last_arrival()
    }

    /// Waits until there were so many requests, for at most this long. False if there were not.
    pub fn arrival_within(&self, number: u64, limit: Duration) -> bool {
        let reached = async { tokio::time::timeout(limit, self.site.arrival_reached(number)).await.is_ok() };
        runtime().block_on(reached)
    }

    /// Lets so many practice pages pass and holds every further one.
    pub fn hold_after(&self, pages: u64) {
        self.site.hold(pages);
    }

    /// Returns once at least so many pages are held.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn await_held(&self, pages: usize) {
        within_limit(&format!("{pages} held pages"), self.site.hold_reached(pages));
    }

    /// Lets all pages go.
    pub fn release(&self) {
        self.site.release();
    }

    /// Returns once a request waits at `/gate/NAME`.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn await_gate(&self, name: &str) {
        assert!(within_limit(&format!("a request at gate {name}"), self.site.gate_reached(name, 1)));
    }

    /// Lets go who waits at `/gate/NAME`.
    ///
    /// # Panics
    /// When the site has too many gates.
    pub fn open_gate(&self, name: &str) {
        assert!(self.site.open_gate(name));
    }
}

impl Drop for PracticeSite {
    fn drop(&mut self) {
        self.server.abort();
    }
}
