//! Which URLs belong to a crawl, and which of them are the same page.

mod breadth;
mod file_type;
mod key;
mod repeats;
mod shape;

use std::fmt;
use std::num::NonZeroU32;

use model::{CrawlUrl, DedupKey};
use regex::Regex;
use serde::{Deserialize, Serialize};
use spider::HostPattern;

use crate::request::Request;

pub use breadth::Breadth;
use breadth::Sites;
pub use file_type::{BINARY, Extensions};
pub use key::{KeyRules, NamePattern};
pub use shape::shape;

/// The rules. Pure: the same URL and depth get the same answer until a site is added. Kept with the state, for whoever asks why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "StoredScope")]
pub struct Scope {
    sites: Sites,
    hosts: Vec<HostPattern>,
    rules: Vec<UrlRules>,
    max_depth: Option<u32>,
    links: LinkRules,
}

/// A scope as it is stored; that of the first version has no rules for links.
#[derive(Deserialize)]
struct StoredScope {
    sites: Sites,
    hosts: Vec<HostPattern>,
    rules: Vec<UrlRules>,
    max_depth: Option<u32>,
    #[serde(default)]
    links: LinkRules,
}

impl From<StoredScope> for Scope {
    fn from(stored: StoredScope) -> Scope {
        let StoredScope { sites, hosts, rules, max_depth, links } = stored;
        Scope { sites, hosts, rules, max_depth, links: LinkRules::default() }.with(links)
    }
}

/// What holds for links of any page, beside sites, depth and expressions. The default refuses nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkRules {
    /// Which sites belong, seen from those of the seeds.
    pub breadth: Breadth,
    /// Longest URL in bytes; none: as long as a URL may be.
    pub max_url_length: Option<usize>,
    /// File types that are not fetched.
    pub skip: Extensions,
    /// What does not count for the dedup key.
    pub keys: KeyRules,
    /// Whether paths that repeat themselves are refused.
    pub refuse_repeats: bool,
    /// Most URLs of one [`shape`]; none: as many as there are.
    pub alike: Option<NonZeroU32>,
    /// Pages of a host with the same content whose links are followed; none: all.
    pub same_content: Option<NonZeroU32>,
}

/// The key in `links_refused` of URLs beyond [`LinkRules::alike`].
pub const TOO_MANY_ALIKE: &str = "trap: too many alike";

/// The key in `links_refused` of links on pages beyond [`LinkRules::same_content`].
pub const SAME_CONTENT: &str = "trap: same content";

/// Expressions on a URL: none of `deny` may match, and one of `allow` must where there are any.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UrlRules {
    /// Wanted.
    #[serde(with = "expressions")]
    pub allow: Vec<Regex>,
    /// Not wanted, whatever `allow` says.
    #[serde(with = "expressions")]
    pub deny: Vec<Regex>,
}

/// Regular expressions as their texts.
mod expressions {
    use regex::Regex;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(expressions: &[Regex], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(expressions.iter().map(Regex::as_str))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Regex>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| Regex::new(text).map_err(de::Error::custom)).collect()
    }
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
    /// Longer than `--max-url-length`.
    TooLong,
    /// Its host has a longer name than there can be.
    LongHost,
    /// Its path ends as that of a file that is no page.
    FileType,
    /// Its path repeats itself.
    Repeats,
}

/// Characters of a host name, at most (RFC 1035, section 2.3.4: 255 bytes with the lengths of its parts). Frontiers rely on it.
const LONGEST_HOST: usize = 253;

impl Refusal {
    /// The key in a report's `links_refused`.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::OtherSite => "other site",
            Refusal::Denied => "denied",
            Refusal::NotAllowed => "not allowed",
            Refusal::TooDeep => "too deep",
            Refusal::TooLong => "URL too long",
            Refusal::LongHost => "host name too long",
            Refusal::FileType => "file type",
            Refusal::Repeats => "trap: repeating path",
        }
    }

    /// Why, for a person, with the flag that changes it.
    pub fn sentence(self) -> &'static str {
        match self {
            Refusal::OtherSite => "its site is not one of the crawl's; --scope and a spider's hosts widen them",
            Refusal::Denied => "a deny rule matches it",
            Refusal::NotAllowed => "there are allow rules and none matches it",
            Refusal::TooDeep => "it is further from a seed than --max-depth",
            Refusal::TooLong => "it is longer than --max-url-length",
            Refusal::LongHost => "its host has more than the 253 characters that a name can have",
            Refusal::FileType => "its path ends as that of a file that is no page; see --skip-extensions",
            Refusal::Repeats => "the same segments stand in its path more than twice in a row, as behind a broken link; see --keep-traps",
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            443 => f.write_str(&self.host),
            port => write!(f, "{}:{port}", self.host),
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
        Scope { sites: Sites::new(sites.into_iter().collect(), Breadth::Host), hosts, rules, max_depth, links: LinkRules::default() }
    }

    /// The same scope with rules for links.
    #[must_use]
    pub fn with(mut self, links: LinkRules) -> Scope {
        self.sites.set_breadth(links.breadth);
        self.links = links;
        self
    }

    /// The rules for links.
    pub fn links(&self) -> &LinkRules {
        &self.links
    }

    /// What decides whether a URL is known; `plain` is the key of the URL as it is. That of every request comes from here.
    pub fn key(&self, url: &CrawlUrl, plain: DedupKey) -> DedupKey {
        self.links.keys.key(url, plain)
    }

    /// Lets a further site in, as when a seed redirects to it. Returns whether it is new.
    pub fn add_site(&mut self, site: Site) -> bool {
        self.sites.add(site)
    }

    /// Takes a site out again.
    pub fn remove_site(&mut self, site: &Site) {
        self.sites.remove(site);
    }

    /// Whether a URL found `depth` links from a seed belongs, and the rule that decides it, as a sentence.
    ///
    /// # Errors
    /// The sentence of the first rule it breaks.
    pub fn explain(&self, url: &CrawlUrl, depth: u32) -> Result<String, String> {
        let site = Site::of(url);
        let refusal = match self.judge(url, depth) {
            Ok(()) => {
                return Ok(match self.sites.why(url) {
                    Some(why) => why,
                    None => format!("the spider's scope names {}", url.host_str()),
                });
            }
            Err(refusal) => refusal,
        };
        let denies = self.rules.iter().flat_map(|rules| &rules.deny).find(|rule| rule.is_match(url.as_str()));
        Err(match refusal {
            Refusal::OtherSite => format!("{site} is none of the crawl's sites"),
            Refusal::Denied => format!("a deny rule matches: {}", denies.map_or("", Regex::as_str)),
            Refusal::TooDeep => {
                format!("{depth} links from a seed are more than --max-depth {}", self.max_depth.unwrap_or_default())
            }
            Refusal::NotAllowed | Refusal::TooLong | Refusal::LongHost | Refusal::FileType | Refusal::Repeats => {
                refusal.sentence().to_owned()
            }
        })
    }

    /// Whether a request belongs. A sitemap may be a gzip file, which no page is.
    ///
    /// # Errors
    /// As [`judge`](Scope::judge).
    pub fn judge_request(&self, request: &Request) -> Result<(), Refusal> {
        self.judge_kind(&request.url, request.depth, request.is_sitemap())
    }

    /// Whether the URL of a page found `depth` links from a seed belongs.
    ///
    /// # Errors
    /// The first rule it breaks, cheapest first.
    pub fn judge(&self, url: &CrawlUrl, depth: u32) -> Result<(), Refusal> {
        self.judge_kind(url, depth, false)
    }

    fn judge_kind(&self, url: &CrawlUrl, depth: u32, is_sitemap: bool) -> Result<(), Refusal> {
        if self.max_depth.is_some_and(|max| depth > max) {
            return Err(Refusal::TooDeep);
        }
        if self.links.max_url_length.is_some_and(|max| url.as_str().len() > max) {
            return Err(Refusal::TooLong);
        }
        if url.host_str().len() > LONGEST_HOST {
            return Err(Refusal::LongHost);
        }
        if !self.sites.has(url) && !self.hosts.iter().any(|host| host.matches(url)) {
            return Err(Refusal::OtherSite);
        }
        if !is_sitemap && self.links.skip.has(url) {
            return Err(Refusal::FileType);
        }
        if self.links.refuse_repeats && repeats::repeats(path(url)) {
            return Err(Refusal::Repeats);
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

/// A URL's path.
fn path(url: &CrawlUrl) -> &str {
    let text = url.path_and_query();
    text.split_once('?').map_or(text, |(path, _)| path)
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
    fn a_host_with_a_longer_name_than_there_can_be_is_of_no_crawl() {
        let rules = LinkRules { breadth: Breadth::Any, max_url_length: None, ..LinkRules::default() };
        let scope = scope("http://b/", &[], &[], None).with(rules);
        let judged = |length: usize| scope.judge(&url(&format!("http://{}.b/", "a".repeat(length - 2))), 0);
        assert_eq!([judged(253), judged(254)], [Ok(()), Err(Refusal::LongHost)]);
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
    fn a_rule_that_decides_is_named_also_after_the_scope_was_stored() {
        let scope = scope("http://h:8080/", &["/docs/"], &["\\.zip$"], Some(2));
        let stored: Scope = serde_json::from_str(&serde_json::to_string(&scope).unwrap()).unwrap();
        for (text, depth, expected) in [
            ("http://h:8080/docs/", 2, Ok("h:8080 is a site of the seeds")),
            ("http://h:8080/docs/", 3, Err("3 links from a seed are more than --max-depth 2")),
            ("http://h:8080/docs/a.zip", 0, Err("a deny rule matches: \\.zip$")),
            ("http://h:8080/a", 0, Err("there are allow rules and none matches it")),
            ("https://x/docs/", 0, Err("x is none of the crawl's sites")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(stored.explain(&url(text), depth), expected, "{text}");
        }
    }

    #[test]
    fn a_stored_scope_has_its_breadth_and_one_without_rules_for_links_is_read_too() {
        let wide = scope("http://h/", &[], &[], None).with(LinkRules { breadth: Breadth::Subdomain, ..LinkRules::default() });
        let mut stored = serde_json::to_value(&wide).unwrap();
        let read = |stored: &serde_json::Value| Scope::deserialize(stored).unwrap().judge(&url("http://a.h/"), 0);
        assert_eq!(read(&stored), Ok(()));
        stored.as_object_mut().unwrap().remove("links").unwrap();
        assert_eq!(read(&stored), Err(Refusal::OtherSite));
    }

    #[test]
    fn rules_for_links_refuse_what_is_long_no_page_or_repeats_itself() {
        let links = LinkRules { max_url_length: Some(40), skip: Extensions::binary(), refuse_repeats: true, ..LinkRules::default() };
        let scope = scope("http://h/", &[], &[], None).with(links);
        for (text, expected) in [
            ("http://h/a", Ok(())),
            ("http://h/a.zip", Err(Refusal::FileType)),
            ("http://h/aa/aa/aa", Err(Refusal::Repeats)),
            ("http://h/?b=/aa/aa/aa", Ok(())),
            ("http://h/01234567890123456789012345678901234567890", Err(Refusal::TooLong)),
            ("http://x/a.zip", Err(Refusal::OtherSite)),
        ] {
            assert_eq!(scope.judge(&url(text), 0), expected, "{text}");
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
