//! A page as parsers see it.

use std::cell::OnceCell;

use http::HeaderMap;
use model::{CrawlUrl, DedupKey, UrlError};
use scraper::Html;
use url::Url;

use super::Allowance;
use super::{ParseError, dom, scan};

/// A page that was fetched and decoded. What takes work to know (its tree, its base address) is worked out when first asked for.
#[derive(Debug)]
pub struct FetchedPage<'a> {
    url: &'a CrawlUrl,
    key: DedupKey,
    status: u16,
    headers: &'a HeaderMap,
    bytes: &'a [u8],
    text: &'a str,
    allowance: Allowance,
    base: OnceCell<Url>,
    html: OnceCell<Result<Html, ParseError>>,
}

impl<'a> FetchedPage<'a> {
    /// A page with its address, answer and text; `bytes` is the body before decoding. The time it may be read begins: 5 s.
    pub fn new(url: &'a CrawlUrl, status: u16, headers: &'a HeaderMap, bytes: &'a [u8], text: &'a str) -> FetchedPage<'a> {
        FetchedPage {
            url,
            key: url.dedup_key(),
            status,
            headers,
            bytes,
            text,
            allowance: Allowance::default(),
            base: OnceCell::new(),
            html: OnceCell::new(),
        }
    }

    /// The same with what reading it may cost.
    pub(crate) fn with_allowance(self, allowance: Allowance) -> FetchedPage<'a> {
        FetchedPage { allowance, ..self }
    }

    /// What reading it may still cost.
    pub(crate) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// The same with the key of its request, where it is known.
    pub fn with_key(self, key: DedupKey) -> FetchedPage<'a> {
        FetchedPage { key, ..self }
    }

    /// The address it was fetched from.
    pub fn url(&self) -> &'a CrawlUrl {
        self.url
    }

    /// The key of its request, from which items without an id get theirs.
    pub fn key(&self) -> DedupKey {
        self.key
    }

    /// The HTTP status: 200 or 203.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of that name, if it is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as it came, decompressed and not decoded.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The body as text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The page as a tree.
    ///
    /// # Errors
    /// [`ParseError::TooComplex`] for a page deeper than 1,024 elements, with more than 300,000, with more than 1,000,000
    /// elements, attributes, comments and texts, or that takes longer than 5 s to read.
    pub fn html(&self) -> Result<&Html, ParseError> {
        self.html.get_or_init(|| dom::parse(self.text, &self.allowance)).as_ref().map_err(Clone::clone)
    }

    /// What relative addresses are relative to: the page's address, or its `<base href>`.
    pub fn base(&self) -> &Url {
        self.base.get_or_init(|| {
            let own = self.url.to_url();
            if !mentions_base(self.text) {
                return own;
            }
            let named = scan::scan(self.text, &self.allowance).ok().and_then(|scan| scan.base);
            based(own, named.as_deref())
        })
    }

    /// The address a link means, canonical.
    ///
    /// # Errors
    /// [`UrlError`] for what is no URL, has a scheme that is not crawled or is too long.
    pub fn resolve(&self, href: &str) -> Result<CrawlUrl, UrlError> {
        resolve(self.base(), href)
    }
}

/// The base address that a page's own address and the `href` of its `base` element make.
pub(crate) fn based(own: Url, base: Option<&str>) -> Url {
    let named = base.and_then(|href| own.join(href).ok());
    // A base that nothing can be relative to, such as `data:`, is ignored, as the HTML standard says.
    named.filter(|url| !url.cannot_be_a_base()).unwrap_or(own)
}

pub(crate) fn resolve(base: &Url, href: &str) -> Result<CrawlUrl, UrlError> {
    let url = base.join(href).map_err(|error| UrlError::Malformed(error.to_string()))?;
    CrawlUrl::from_url(url)
}

/// Whether a `<base` occurs at all, which it seldom does.
fn mentions_base(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| text.as_bytes().get(at + 1..at + 5).is_some_and(|name| name.eq_ignore_ascii_case(b"base")))
}
