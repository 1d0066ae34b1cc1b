//! Which URLs belong to the crawl.

use model::CrawlUrl;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::pattern::regexes;
use crate::reader::{Entry, Findings};

/// What a spider says about the URLs that are followed. The engine applies it, together with what the command line says.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Hosts that are followed; empty: not said.
    pub hosts: Vec<HostPattern>,
    /// At least one of these must match the URL, unless there are none.
    pub allow: Vec<Regex>,
    /// None of these may match the URL.
    pub deny: Vec<Regex>,
    /// Most links from a seed; `None`: not said.
    pub max_depth: Option<u32>,
}

/// A host, or all hosts below a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPattern {
    host: String,
    below: bool,
    port: Option<u16>,
}

impl HostPattern {
    /// Reads `example.org`, `*.example.org` (that name and all below it) or `example.org:8080`.
    pub fn parse(text: &str) -> Option<HostPattern> {
        let (below, host) = match text.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, text),
        };
        if host.contains(['/', '?', '#', '@', '*']) {
            return None;
        }
        let url = CrawlUrl::parse(&format!("http://{host}/")).ok()?;
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        Some(HostPattern { host: url.host_str().to_owned(), below, port: has_port.then(|| url.port()) })
    }

    /// Whether a URL lies there.
    pub fn matches(&self, url: &CrawlUrl) -> bool {
        self.matches_name(url.host_str()) && self.port.is_none_or(|port| port == url.port())
    }

    /// Whether a host name, as it stands in a canonical URL, is meant, whatever the port.
    pub fn matches_name(&self, host: &str) -> bool {
        let is_below = || host.strip_suffix(self.host.as_str()).is_some_and(|rest| rest.ends_with('.'));
        host == self.host || self.below && is_below()
    }

    /// Whether it names a port.
    pub fn has_port(&self) -> bool {
        self.port.is_some()
    }
}

const KEYS: [&str; 4] = ["hosts", "allow", "deny", "max-depth"];

pub(crate) fn scope(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<Scope> {
    let table = entry.table(findings)?;
    table.only(&KEYS, findings);
    let mut hosts = Vec::new();
    if let Some(entry) = table.get("hosts") {
        for entry in entry.array(findings).unwrap_or_default() {
            let Some(text) = entry.string(findings) else { continue };
            match HostPattern::parse(text) {
                Some(host) => hosts.push(host),
                None => {
                    entry
                        .mistake(findings, format!("`{text}` is no host name; write `example.org`, `*.example.org` or `example.org:8080`"));
                }
            }
        }
    }
    let max_depth = table.get("max-depth").and_then(|entry| {
        let number = entry.integer(findings)?;
        let depth = u32::try_from(number).ok();
        if depth.is_none() {
            entry.mistake(findings, "must be a number of links, 0 or more");
        }
        depth
    });
    Some(Scope { hosts, allow: regexes(&table, "allow", findings), deny: regexes(&table, "deny", findings), max_depth })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: &str) -> bool {
        HostPattern::parse(pattern).unwrap().matches(&CrawlUrl::parse(url).unwrap())
    }

    #[test]
    fn host_patterns_match_names_subdomains_and_ports() {
        assert!(matches("Example.org", "http://example.org:8080/"));
        assert!(!matches("example.org", "http://www.example.org/"));
        assert!(matches("*.example.org", "http://a.b.example.org/") && matches("*.example.org", "https://example.org/"));
        assert!(!matches("*.example.org", "http://badexample.org/"));
        assert!(matches("example.org:8080", "http://example.org:8080/") && !matches("example.org:8080", "http://example.org/"));
        assert!(matches("example.org:80", "http://example.org/") && !matches("example.org:80", "https://example.org/"));
        assert!(matches("[::1]:81", "http://[::1]:81/"));
        for bad in ["", "http://example.org", "example.org/a", "*.*.org", "a b"] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }
}
