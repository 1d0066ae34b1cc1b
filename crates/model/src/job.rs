//! What a worker is asked to do for one request.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::key::DedupKey;
use crate::parser::{ParserRef, SpiderHash};
use crate::url::CrawlUrl;

/// One request to fetch and parse. It holds all a fetch needs: a worker keeps nothing between jobs but caches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Where to fetch.
    pub url: CrawlUrl,
    /// The URL's dedup key, from which items without an id of their own get theirs.
    pub key: DedupKey,
    /// Reads the page.
    pub parser: ParserRef,
    /// The spider `parser` is looked up in; without one only built-in and registered parsers exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spider: Option<SpiderHash>,
    /// The `Cookie` header of this request, ready to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// What was noted of the page when it was fetched last: if it is still so, the outcome is a failure with the code
    /// [`NOT_MODIFIED`](crate::error::code::NOT_MODIFIED), to be skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<Validators>,
    /// How to fetch.
    pub fetch: FetchRules,
}

/// How a page is fetched: identity, limits, and which addresses may be connected to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchRules {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Further headers, as name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Milliseconds a connection may take to be made, TLS included.
    pub connect_timeout_ms: u64,
    /// Milliseconds the whole fetch may take, from dialling to the last byte of the body.
    pub fetch_timeout_ms: u64,
    /// Most bytes of a body after decompression; a larger one is skipped as `body too large`.
    pub max_body_bytes: u64,
    /// Hosts that may be reached at an address that is not public, because the operator named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_net: Vec<NetPermit>,
    /// Media types that are skipped before their body comes, whatever the parser reads: `image/png`, or `image/*` for all of a kind. In any
    /// case of letters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_types: Vec<String>,
    /// Extensions of a URL's path, without dot and in any case of letters, that are skipped without a connection: `pdf`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_extensions: Vec<String>,
    /// Which of the wishes that a page states for crawlers are honoured.
    #[serde(default)]
    pub honour: Honour,
    /// User name and password for this job's host, sent as basic authentication without being asked for. The engine puts them only into jobs
    /// of the host they belong to; a redirect is a job of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Credentials>,
    /// The proxy to fetch through; absent: none. The worker then checks the proxy's address only, and the proxy connects to where it likes;
    /// the outcome says that there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
}

/// Which of the wishes of `X-Robots-Tag` and `<meta name=robots>` are honoured, and of `rel=nofollow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Honour {
    /// The links of a page that says `nofollow` are not followed but counted.
    #[serde(default = "yes")]
    pub nofollow: bool,
    /// Links with `rel=nofollow` are not followed but counted.
    #[serde(default)]
    pub rel_nofollow: bool,
    /// The items of a page that says `noindex` are not kept but counted.
    #[serde(default)]
    pub noindex: bool,
}

impl Default for Honour {
    /// A page's `nofollow`, and nothing else: `rel=nofollow` is about what a link is worth, and `noindex` about search engines.
    fn default() -> Honour {
        Honour { nofollow: true, rel_nofollow: false, noindex: false }
    }
}

fn yes() -> bool {
    true
}

/// What identifies a version of a page, as its server named it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// The `ETag` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// A user name and its password.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credentials {
    /// The user name.
    pub user: Secret,
    /// The password; may be empty.
    pub password: Secret,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proxy {
    /// `http://host:port`, `https://…`, or `socks5h://…`, which resolves names at the proxy as the others do. No credentials in it.
    pub url: String,
    /// What the proxy wants to know of its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Credentials>,
}

/// A text that is never shown: it crosses the wire as it is, and logs, errors and test failures have `***` in its place.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text, for where it is sent and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A host and port that may be connected to although its address is private, link-local or loopback.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetPermit {
    /// Host name or address as it stands in a canonical URL, or a network such as `10.0.0.0/8`.
    pub host: String,
    /// The port; absent: every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl FetchRules {
    /// Rules for a fetch as anyone would make it: 10 s to connect and 30 s in all, 10 MB, public addresses only, no extras.
    pub fn plain(user_agent: impl Into<String>) -> FetchRules {
        FetchRules {
            user_agent: user_agent.into(),
            headers: Vec::new(),
            connect_timeout_ms: 10_000,
            fetch_timeout_ms: 30_000,
            max_body_bytes: 10_000_000,
            allow_net: Vec::new(),
            skip_types: Vec::new(),
            skip_extensions: Vec::new(),
            honour: Honour::default(),
            auth: None,
            proxy: None,
        }
    }

    /// The limit on making a connection.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// The limit on the whole fetch.
    pub fn fetch_timeout(&self) -> Duration {
        Duration::from_millis(self.fetch_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_an_older_engine_are_plain_ones() {
        let older = r#"{"user_agent":"x","connect_timeout_ms":10000,"fetch_timeout_ms":30000,"max_body_bytes":10000000}"#;
        assert_eq!(serde_json::from_str::<FetchRules>(older).unwrap(), FetchRules::plain("x"));
        let partial = r#"{"rel_nofollow":true}"#;
        assert_eq!(serde_json::from_str::<Honour>(partial).unwrap(), Honour { rel_nofollow: true, ..Honour::default() });
    }

    #[test]
    fn secrets_are_not_shown_and_cross_the_wire() {
        let auth = Credentials { user: Secret::new("someone"), password: Secret::new("hidden") };
        let proxy = Proxy { url: "http://proxy:1".into(), auth: Some(auth.clone()) };
        let rules = FetchRules { auth: Some(auth), proxy: Some(proxy), ..FetchRules::plain("x") };
        let shown = format!("{rules:?}");
        assert!(!shown.contains("someone") && !shown.contains("hidden") && shown.contains("***"), "{shown}");
        let sent = rmp_serde::to_vec_named(&rules).unwrap();
        assert_eq!(rmp_serde::from_slice::<FetchRules>(&sent).unwrap(), rules);
    }
}
