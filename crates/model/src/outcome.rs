//! What became of a job.

use std::net::SocketAddr;

use robots::RobotsRules;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{RetryClass, WireError, code};
use crate::item::Item;
use crate::job::Validators;
use crate::key::DedupKey;
use crate::link::{Link, columns};
use crate::url::CrawlUrl;

/// Most links of one page that are kept.
pub const MAX_LINKS: usize = 50_000;

/// What a link or an item takes on the wire at most beyond its texts: field names, lengths, the key.
pub const WIRE_OVERHEAD: usize = 64;

/// Most bytes of a page's links together: URLs, parser names and arguments, and [`WIRE_OVERHEAD`] for each. A sitemap, which has no items, may
/// use their [`MAX_ITEM_BYTES`] too.
pub const MAX_LINK_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes of a page's items together: payloads, URLs, types, ids, and [`WIRE_OVERHEAD`] for each.
pub const MAX_ITEM_BYTES: usize = 8 * 1024 * 1024;

/// The worker's whole answer to a [`Job`](crate::Job): what the fetch showed, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What became of the request.
    pub verdict: Verdict,
    /// What was seen on the way, as far as the fetch got.
    pub fetch: FetchFacts,
}

/// What a fetch showed, whatever its verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FetchFacts {
    /// The HTTP status, if the server answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the body after decompression, as far as it was read.
    #[serde(default)]
    pub bytes: u64,
    /// Milliseconds from dialling to the last byte.
    #[serde(default)]
    pub millis: u64,
    /// Milliseconds since the Unix epoch when the answer was complete, by the worker's clock.
    #[serde(default)]
    pub fetched_at_ms: u64,
    /// The address that was connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<SocketAddr>,
    /// What `Retry-After` asked for, in milliseconds from the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// A hash (XXH3) of the body after decompression, if it was read whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<u64>,
    /// The `Set-Cookie` headers, as they came; at most 50 of at most 4 KiB.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_cookie: Vec<String>,
    /// The proxy the fetch went through, scheme, host and port. `remote` is then the proxy's address: where it connected to, nobody here
    /// could check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// What names this version of the page, for a later [`Job::validators`](crate::Job::validators); each at most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<Validators>,
}

/// What became of a request.
///
/// Closed here and open on the wire: a verdict that a newer worker invents arrives as a failure with the code
/// [`code::UNKNOWN_VERDICT`], so that an older engine says what it did not understand and goes on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "WireVerdict")]
pub enum Verdict {
    /// A page was fetched and parsed.
    Page(Page),
    /// The server named another URL; it was not followed.
    Redirect(Redirect),
    /// A robots.txt was fetched and parsed: the answer to a job whose parser is [`ROBOTS_PARSER`](crate::parser::ROBOTS_PARSER).
    Robots(RobotsRules),
    /// No page, for the reason and with the retry class given.
    Failed(WireError),
}

/// What a parser found on a page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Links to follow, in page order, one per URL and parser as the parser gave them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "columns")]
    pub links: Vec<Link>,
    /// Items, in page order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// What was found and not sent, because of a limit or because it cannot be crawled.
    #[serde(default, skip_serializing_if = "Cut::is_nothing")]
    pub cut: Cut,
    /// What the page wishes of crawlers, honoured or not.
    #[serde(default, skip_serializing_if = "Wishes::is_none")]
    pub wishes: Wishes,
}

/// What a page says to crawlers in `X-Robots-Tag` headers and `meta` elements, as far as it is meant for this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// `nofollow` or `none`: its links are not to be followed.
    #[serde(default)]
    pub nofollow: bool,
    /// `noindex` or `none`: its content is not to be shown by others.
    #[serde(default)]
    pub noindex: bool,
}

impl Wishes {
    /// Whether it wishes nothing.
    pub fn is_none(&self) -> bool {
        *self == Wishes::default()
    }
}

/// What a worker left out of a page, counted so that it can be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Links past [`MAX_LINKS`] or [`MAX_LINK_BYTES`].
    #[serde(default)]
    pub links: u64,
    /// Items past [`MAX_ITEM_BYTES`].
    #[serde(default)]
    pub items: u64,
    /// Links longer than [`MAX_URL_BYTES`](crate::url::MAX_URL_BYTES).
    #[serde(default)]
    pub long_urls: u64,
    /// Links with a scheme that is not crawled (`mailto:`, `javascript:`, …).
    #[serde(default)]
    pub other_schemes: u64,
    /// Links that are no URL.
    #[serde(default)]
    pub malformed: u64,
    /// Links not followed because the page, or they themselves, say `nofollow`. They are in none of the other counts.
    #[serde(default)]
    pub nofollow: u64,
    /// Items not kept because the page says `noindex`.
    #[serde(default)]
    pub noindex: u64,
}

impl Cut {
    /// Whether everything that was found was sent.
    pub fn is_nothing(&self) -> bool {
        *self == Cut::default()
    }
}

/// The target of a redirect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redirect {
    /// Where the server points, canonical.
    pub target: CrawlUrl,
    /// Its dedup key.
    pub key: DedupKey,
}

/// A verdict as a struct of optional fields: decoding one never meets an unknown variant.
#[derive(Deserialize)]
struct WireVerdict {
    #[serde(default)]
    page: Option<Page>,
    #[serde(default)]
    redirect: Option<Redirect>,
    #[serde(default)]
    robots: Option<RobotsRules>,
    #[serde(default)]
    failed: Option<WireError>,
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = serializer.serialize_struct("Verdict", 1)?;
        match self {
            Verdict::Page(page) => wire.serialize_field("page", page)?,
            Verdict::Redirect(redirect) => wire.serialize_field("redirect", redirect)?,
            Verdict::Robots(rules) => wire.serialize_field("robots", rules)?,
            Verdict::Failed(error) => wire.serialize_field("failed", error)?,
        }
        wire.end()
    }
}

impl From<WireVerdict> for Verdict {
    fn from(wire: WireVerdict) -> Verdict {
        match wire {
            WireVerdict { page: Some(page), .. } => Verdict::Page(page),
            WireVerdict { redirect: Some(redirect), .. } => Verdict::Redirect(redirect),
            WireVerdict { robots: Some(rules), .. } => Verdict::Robots(rules),
            WireVerdict { failed: Some(error), .. } => Verdict::Failed(error),
            WireVerdict { page: None, redirect: None, robots: None, failed: None } => Verdict::Failed(WireError::new(
                code::UNKNOWN_VERDICT,
                RetryClass::Dead,
                "the worker answered in a way this engine does not know; run the same version of both",
            )),
        }
    }
}
