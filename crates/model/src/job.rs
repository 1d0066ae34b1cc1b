//! What a worker is asked to do for one request.

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
    /// The limit on making a connection.
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// The limit on the whole fetch.
    pub fn fetch_timeout(&self) -> Duration {
        Duration::from_millis(self.fetch_timeout_ms)
    }
}
