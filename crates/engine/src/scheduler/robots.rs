//! robots.txt in the scheduler: what an origin's lane knows of it, and the errand that fetches it.
//!
//! Nothing of an origin is handed out before its rules are known. They come from the frontier, where an earlier fetch left them, or from the
//! site: fetching is an errand of the origin's host, under the same clock and slots as its pages. A redirect is a further errand, of the host
//! that it leads to. RFC 9309.

use std::sync::Arc;
use std::time::Duration;

use model::{CrawlUrl, Origin, RobotsRules};
use tokio::time::Instant;

/// How long rules are kept: RFC 9309 asks for no more than a day.
pub const ROBOTS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Redirects followed to a robots.txt; one that is further away counts as none.
pub const ROBOTS_HOPS: u8 = 5;

/// Rules that are known, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownRobots {
    /// The rules.
    pub rules: Arc<RobotsRules>,
    /// From then on they are fetched anew.
    pub until: Instant,
}

/// A robots.txt to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotsErrand {
    /// Whose rules they are.
    pub of: Origin,
    /// Where they are.
    pub url: CrawlUrl,
    /// Redirects followed to get there.
    pub hops: u8,
}

impl RobotsErrand {
    /// The errand to an origin's own robots.txt.
    pub fn to(origin: &Origin) -> RobotsErrand {
        let url = CrawlUrl::parse(&format!("{origin}/robots.txt")).expect("an origin with a path is a URL");
        RobotsErrand { of: origin.clone(), url, hops: 0 }
    }
}

/// What a lane knows of its origin's rules.
#[derive(Clone, Debug)]
pub(super) enum Robots {
    /// Nobody asks for them.
    Ignored,
    /// The frontier may have them.
    NotRead,
    /// They must be fetched.
    Wanted,
    /// They are being fetched.
    Asked,
    /// They are known.
    Known(KnownRobots),
}

impl Robots {
    /// Whether they must be fetched before anything else.
    pub(super) fn are_wanted(&self, now: Instant) -> bool {
        match self {
            Robots::Wanted => true,
            Robots::Known(known) => known.until <= now,
            Robots::Ignored | Robots::NotRead | Robots::Asked => false,
        }
    }

    /// Whether nothing can be done until they are read or fetched.
    pub(super) fn are_awaited(&self) -> bool {
        match self {
            Robots::NotRead | Robots::Asked => true,
            Robots::Ignored | Robots::Wanted | Robots::Known(_) => false,
        }
    }

    /// Whether they forbid a path, as far as they are known.
    pub(super) fn forbid(&self, path_and_query: &str) -> bool {
        match self {
            Robots::Known(KnownRobots { rules, .. }) => !rules.judge(path_and_query).allowed,
            Robots::Ignored | Robots::NotRead | Robots::Wanted | Robots::Asked => false,
        }
    }
}
