//! Which URLs belong to a crawl.

use std::collections::BTreeSet;

use model::CrawlUrl;
use regex::Regex;
use serde::{Deserialize, Serialize};
use spider::HostPattern;

/// The rules. Pure: the same URL and depth get the same answer until a site is added.
#[derive(Clone, Debug)]
pub struct Scope {
    sites: BTreeSet<Site>,
    hosts: Vec<HostPattern>,
    rules: Vec<UrlRules>,
    max_depth: Option<u32>,
}

/// Expressions on a URL: none of `deny` may match, and one of `allow` must where there are any.
#[derive(Clone, Debug, Default)]
pub struct UrlRules {
    /// Wanted.
    pub allow: Vec<Regex>,
    /// Not wanted, whatever `allow` says.
    pub deny: Vec<Regex>,
}

/// A host name and port; http and https on their default ports are one site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Site {
    host: String,
    port: u16,
}

/// Why a URL does not belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Its host and port are not among the crawl's.
    OtherSite,
    /// A deny rule matches.
    Denied,
    /// There are allow rules and none matches.
    NotAllowed,
    /// Further from a seed than the crawl goes.
    TooDeep,
}

impl Refusal {
    /// The key in a report's `links_refused`.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::OtherSite => "other site",
            Refusal::Denied => "denied",
            Refusal::NotAllowed => "not allowed",
            Refusal::TooDeep => "too deep",
        }
    }
}

impl Site {
    /// The site of a URL.
    pub fn of(url: &CrawlUrl) -> Site {
        let port = match url.port() {
            80 if !url.is_https() => 443,
            port => port,
        };
        Site { host: url.host_str().to_owned(), port }
    }
}

impl Scope {
    /// A scope: a URL belongs if its site is among `sites` or its host matches one of `hosts`, it passes each of `rules` (the spider's,
    /// the command line's), and it is at most `max_depth` links from a seed.
    pub fn new(sites: impl IntoIterator<Item = Site>, hosts: Vec<HostPattern>, rules: Vec<UrlRules>, max_depth: Option<u32>) -> Scope {
        Scope { sites: sites.into_iter().collect(), hosts, rules, max_depth }
    }

    /// Lets a further site in, as when a seed redirects to it. Returns whether it is new.
    pub fn add_site(&mut self, site: Site) -> bool {
        self.sites.insert(site)
    }

    /// Takes a site out again.
    pub fn remove_site(&mut self, site: &Site) {
        self.sites.remove(site);
    }

    /// Whether a URL found `depth` links from a seed belongs.
    ///
    /// # Errors
    /// The first rule it breaks, cheapest first.
    pub fn judge(&self, url: &CrawlUrl, depth: u32) -> Result<(), Refusal> {
        if self.max_depth.is_some_and(|max| depth > max) {
            return Err(Refusal::TooDeep);
        }
        if !self.sites.contains(&Site::of(url)) && !self.hosts.iter().any(|host| host.matches(url)) {
            return Err(Refusal::OtherSite);
        }
        for UrlRules { allow, deny } in &self.rules {
            if deny.iter().any(|rule| rule.is_match(url.as_str())) {
                return Err(Refusal::Denied);
            }
            if !allow.is_empty() && !allow.iter().any(|rule| rule.is_match(url.as_str())) {
                return Err(Refusal::NotAllowed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> CrawlUrl {
        CrawlUrl::parse(text).unwrap()
    }

    fn scope(seed: &str, allow: &[&str], deny: &[&str], max_depth: Option<u32>) -> Scope {
        let rules = |texts: &[&str]| texts.iter().map(|text| Regex::new(text).unwrap()).collect();
        Scope::new([Site::of(&url(seed))], vec![], vec![UrlRules { allow: rules(allow), deny: rules(deny) }], max_depth)
    }

    #[test]
    fn a_site_is_host_and_port_with_the_default_ports_being_one() {
        let scope = scope("http://example.org/", &[], &[], None);
        for (text, expected) in [
            ("http://example.org/a", Ok(())),
            ("https://example.org/a", Ok(())),
            ("http://example.org:8080/", Err(Refusal::OtherSite)),
            ("http://example.org:443/", Ok(())),
            ("https://example.org:80/", Err(Refusal::OtherSite)),
            ("http://www.example.org/", Err(Refusal::OtherSite)),
        ] {
            assert_eq!(scope.judge(&url(text), 0), expected, "{text}");
        }
    }

    #[test]
    fn rules_narrow_and_deny_wins() {
        let scope = scope("http://h/", &["/docs/"], &["\\.zip$"], Some(2));
        for (text, depth, expected) in [
            ("http://h/docs/a", 2, Ok(())),
            ("http://h/docs/a", 3, Err(Refusal::TooDeep)),
            ("http://h/docs/a.zip", 1, Err(Refusal::Denied)),
            ("http://h/other", 1, Err(Refusal::NotAllowed)),
            ("http://x/docs/a", 1, Err(Refusal::OtherSite)),
        ] {
            assert_eq!(scope.judge(&url(text), depth), expected, "{text}");
        }
    }

    #[test]
    fn an_added_site_belongs() {
        let mut scope = scope("http://h/", &[], &[], None);
        assert!(scope.add_site(Site::of(&url("http://www.h/"))));
        assert!(!scope.add_site(Site::of(&url("https://www.h/"))));
        assert_eq!(scope.judge(&url("https://www.h/a"), 9), Ok(()));
    }
}
