//! How far around its seeds a crawl goes.

use std::collections::BTreeSet;

use model::CrawlUrl;
use serde::{Deserialize, Serialize};

use super::Site;
use crate::domain::registrable;

/// Which sites belong, seen from those of the seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Breadth {
    /// The same host and port, http and https on their default ports being one.
    #[default]
    Host,
    /// The same host and all names below it, on any port.
    Subdomain,
    /// The same registrable domain (`example.co.uk`) with all its names, on any port. An address is a domain of its own.
    Domain,
    /// Any.
    Any,
}

/// The sites that belong. Stored as the list of them; the breadth is one of the rules for links.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "BTreeSet<Site>", into = "BTreeSet<Site>")]
pub(super) struct Sites {
    breadth: Breadth,
    sites: BTreeSet<Site>,
    /// The names that make others belong, by the breadth.
    names: BTreeSet<String>,
}

impl From<BTreeSet<Site>> for Sites {
    fn from(sites: BTreeSet<Site>) -> Sites {
        Sites::new(sites, Breadth::Host)
    }
}

impl From<Sites> for BTreeSet<Site> {
    fn from(sites: Sites) -> BTreeSet<Site> {
        sites.sites
    }
}

impl Sites {
    pub(super) fn new(sites: BTreeSet<Site>, breadth: Breadth) -> Sites {
        let mut all = Sites { breadth, sites, names: BTreeSet::new() };
        all.name();
        all
    }

    pub(super) fn set_breadth(&mut self, breadth: Breadth) {
        self.breadth = breadth;
        self.name();
    }

    fn name(&mut self) {
        let host = |site: &Site| site.host.clone();
        self.names = match self.breadth {
            Breadth::Host | Breadth::Any => BTreeSet::new(),
            Breadth::Subdomain => self.sites.iter().map(host).collect(),
            Breadth::Domain => self.sites.iter().map(|site| domain(&site.host).to_owned()).collect(),
        };
    }

    pub(super) fn add(&mut self, site: Site) -> bool {
        let is_new = self.sites.insert(site);
        self.name();
        is_new
    }

    pub(super) fn remove(&mut self, site: &Site) {
        self.sites.remove(site);
        self.name();
    }

    /// Why a URL belongs, as a sentence; none if it does not.
    pub(super) fn why(&self, url: &CrawlUrl) -> Option<String> {
        let site = Site::of(url);
        match self.breadth {
            _ if !self.has(url) => None,
            _ if self.sites.contains(&site) => Some(format!("{site} is a site of the seeds")),
            Breadth::Host => None,
            Breadth::Subdomain => Some(format!("{site} lies below a host of the seeds")),
            Breadth::Domain => Some(format!("{site} is of a domain of the seeds")),
            Breadth::Any => Some("every site belongs".to_owned()),
        }
    }

    /// Whether a URL belongs.
    pub(super) fn has(&self, url: &CrawlUrl) -> bool {
        match self.breadth {
            Breadth::Any => true,
            Breadth::Host => self.sites.contains(&Site::of(url)),
            Breadth::Domain => self.names.contains(domain(url.host_str())),
            Breadth::Subdomain => {
                let host = url.host_str();
                let mut above = host.match_indices('.').map(|(dot, _)| &host[dot + 1..]);
                self.names.contains(host) || above.any(|name| self.names.contains(name))
            }
        }
    }
}

/// The registrable domain of a host, or what stands for it where there is none.
fn domain(host: &str) -> &str {
    registrable(host).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_around_the_seeds_belong_by_breadth() {
        let url = |text: &str| CrawlUrl::parse(text).unwrap();
        let seeds = ["http://www.example.co.uk/", "http://127.0.0.1:81/"];
        let sites: BTreeSet<Site> = seeds.iter().map(|seed| Site::of(&url(seed))).collect();
        // Host, subdomain, domain, any.
        for (text, expected) in [
            ("https://www.example.co.uk/", [true, true, true, true]),
            ("http://www.example.co.uk:81/", [false, true, true, true]),
            ("http://a.www.example.co.uk/", [false, true, true, true]),
            ("http://example.co.uk/", [false, false, true, true]),
            ("http://b.example.co.uk/", [false, false, true, true]),
            ("http://other.co.uk/", [false, false, false, true]),
            ("http://badwww.example.co.uk.evil.example/", [false, false, false, true]),
            ("http://127.0.0.1:82/", [false, true, true, true]),
            ("http://127.0.0.2:81/", [false, false, false, true]),
        ] {
            let belongs = [Breadth::Host, Breadth::Subdomain, Breadth::Domain, Breadth::Any]
                .map(|breadth| Sites::new(sites.clone(), breadth).has(&url(text)));
            assert_eq!(belongs, expected, "{text}");
        }
    }

    #[test]
    fn a_site_that_is_taken_out_leaves_nothing_behind() {
        let site = |text: &str| Site::of(&CrawlUrl::parse(text).unwrap());
        let mut sites = Sites::new(BTreeSet::from([site("http://a.example/")]), Breadth::Domain);
        assert!(sites.add(site("http://b.example/")));
        sites.remove(&site("http://b.example/"));
        assert!(!sites.has(&CrawlUrl::parse("http://c.b.example/").unwrap()));
    }
}
