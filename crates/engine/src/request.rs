//! A request: a URL to fetch, with the parser for its page and what befell it so far.

use std::sync::Arc;

use model::parser::SITEMAP_PARSER;
use model::{CrawlUrl, DedupKey, HostName, ParserRef};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A URL to fetch once. Its identity is its key; all else is how it was found and what was tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is fetched.
    pub url: CrawlUrl,
    /// What decides whether it is known.
    pub key: DedupKey,
    /// Reads the page. Shared: a page's links mostly have the same one.
    pub parser: Arc<ParserRef>,
    /// Links followed from a seed, along the path by which the URL was first found; seeds have 0.
    pub depth: u32,
    /// Higher goes first within its host.
    pub priority: i32,
    /// The page it was found on; none for a seed.
    pub referrer: Option<Arc<CrawlUrl>>,
    /// The redirects that led here, if any.
    pub chain: Option<Box<RedirectChain>>,
    /// What was tried so far.
    pub tries: Tries,
}

/// The redirects behind a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RedirectChain {
    /// Keys of the requests that led here, the first one first.
    pub keys: Vec<DedupKey>,
    /// Cookies that were set on the way, each for the host that set it. Sent to no other.
    pub cookies: Vec<ChainCookie>,
    /// Whether a URL of the chain is being fetched for the second time, now with cookies.
    pub revisiting: bool,
}

/// A cookie set by a redirect, kept as long as the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCookie {
    /// The host that set it.
    pub host: HostName,
    /// `name=value`, as it is sent back.
    pub pair: String,
}

/// What was tried for a request. Attempts and losses are two counts: the first blame the site, the second nobody yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tries {
    /// Answers of the site that were failures worth another try.
    pub attempts: u32,
    /// Leases that vanished unanswered while this request held one.
    pub losses: u32,
    /// Those of the losses that happened while it ran alone on its worker.
    pub losses_alone: u32,
    /// When it was tried last in this process.
    pub last: Option<Instant>,
    /// The tries that failed, the latest [`KEPT_TRIES`] of them, for whoever asks why.
    pub history: Vec<Try>,
}

/// Failed tries that are kept of a request.
pub const KEPT_TRIES: usize = 8;

/// Longest error that is kept of a try, in bytes; the rest is cut.
const KEPT_ERROR: usize = 200;

/// A try that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What it cost.
    pub cost: Cost,
    /// What went wrong.
    pub error: String,
}

/// What a failed try costs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cost {
    /// An attempt: the site answered badly.
    Attempt,
    /// Nothing: its origin is in trouble.
    Pause,
    /// A loss: its worker was lost with it.
    Loss,
    /// The request: there is nothing more to try.
    End,
}

impl Tries {
    /// Keeps a failed try; the oldest is forgotten for it.
    pub fn keep(&mut self, at_ms: u64, cost: Cost, error: impl Into<String>) {
        if self.history.len() == KEPT_TRIES {
            self.history.remove(0);
        }
        let mut error = error.into();
        error.truncate(error.floor_char_boundary(KEPT_ERROR));
        self.history.push(Try { at_ms, cost, error });
    }
}

impl Request {
    /// A seed.
    pub fn seed(url: CrawlUrl, parser: Arc<ParserRef>) -> Request {
        let key = url.dedup_key();
        Request { url, key, parser, depth: 0, priority: 0, referrer: None, chain: None, tries: Tries::default() }
    }

    /// A sitemap whose pages are read by this parser.
    pub fn sitemap(url: CrawlUrl, of_pages: &ParserRef) -> Request {
        let mut args = of_pages.args.clone();
        args.insert("parser".to_owned(), of_pages.name.clone());
        Request::seed(url, Arc::new(ParserRef { name: SITEMAP_PARSER.to_owned(), args }))
    }

    /// Whether it is a sitemap.
    pub fn is_sitemap(&self) -> bool {
        self.parser.name == SITEMAP_PARSER
    }

    /// Redirects followed to get here.
    pub fn hops(&self) -> usize {
        self.chain.as_ref().map_or(0, |chain| chain.keys.len())
    }

    /// The `Cookie` header for this request: what its chain has set for its host.
    pub fn cookie_header(&self) -> Option<String> {
        let chain = self.chain.as_ref()?;
        let pairs: Vec<&str> =
            chain.cookies.iter().filter(|cookie| cookie.host.as_str() == self.url.host_str()).map(|cookie| cookie.pair.as_str()).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}
