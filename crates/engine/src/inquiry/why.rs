//! Why a URL is where it is: its whole story.

use std::fmt;
use std::time::Duration;

use model::job::Validators;
use model::{CrawlUrl, ParserRef};
use serde::{Deserialize, Serialize};

use super::instant;
use crate::frontier::{Frontier, FrontierError, PageFacts, RejectedItem, Story, StoryEnd, Whereabouts};
use crate::ledger::ItemCounts;
use crate::request::{Cost, Request, Try};
use crate::scope::Scope;

/// Everything that is known of a URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The URL, as it is fetched.
    pub url: CrawlUrl,
    /// Where it is.
    pub state: UrlState,
    /// How it came there; none for a URL that the crawl does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Finding>,
    /// Whether it belongs to the crawl, by the rules of the last start.
    pub scope: ScopeVerdict,
    /// What its site's robots.txt says of it; none while that was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robots: Option<RobotsVerdict>,
    /// Its items that the store refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejection>,
}

/// Where a URL is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum UrlState {
    /// The crawl has not found it, or has refused it.
    Unknown,
    /// It waits.
    Queued {
        /// Not before this time, in milliseconds since the Unix epoch.
        not_before_ms: Option<u64>,
    },
    /// It is being fetched, or about to be.
    InFlight,
    /// A page: fetched and parsed, its items stored.
    Page {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// What is kept of it.
        facts: PageFacts,
    },
    /// It led elsewhere.
    Redirected {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// Where to.
        target: CrawlUrl,
    },
    /// Answered definitively without a page to parse.
    Skipped {
        /// When, in milliseconds since the Unix epoch.
        at_ms: u64,
        /// Why.
        reason: String,
    },
    /// Given up.
    Dead {
        /// When, in milliseconds since the Unix epoch; none if it is dead with its whole site.
        at_ms: Option<u64>,
        /// Why.
        reason: String,
    },
}

/// How a URL was found, and what was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The page it was found on; none for a seed.
    pub found_on: Option<CrawlUrl>,
    /// Links followed from a seed, along the path by which it was first found.
    pub depth: u32,
    /// Redirects followed to get there.
    pub hops: usize,
    /// Higher goes first within its host.
    pub priority: i32,
    /// What reads the page: what it was first found with.
    pub parser: ParserRef,
    /// Failures of the site that were worth another try.
    pub attempts: u32,
    /// Workers that were lost with it.
    pub losses: u32,
    /// Those of them that had nothing else to do.
    pub losses_alone: u32,
    /// The latest tries that failed, the oldest first.
    pub tries: Vec<Try>,
}

/// Whether a URL belongs, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeVerdict {
    /// Whether links to it are followed. None: no start of the crawl got so far as to have a scope.
    pub belongs: Option<bool>,
    /// The rule that decides, as a sentence.
    pub rule: String,
}

/// What a robots.txt says of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RobotsVerdict {
    /// Whether it may be fetched.
    pub allowed: bool,
    /// The rule that decides, with its line; none where no rule matches, which allows.
    pub rule: Option<String>,
    /// The pause that it asks for, in milliseconds.
    pub crawl_delay_ms: Option<u64>,
}

/// An item that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Its type.
    pub item_type: String,
    /// Its id.
    pub id: String,
    /// Why, in the store's words.
    pub reason: String,
}

/// Tells all about a URL.
///
/// # Errors
/// When the frontier cannot be read.
pub fn explain(frontier: &dyn Frontier, scope: Option<&Scope>, url: CrawlUrl) -> Result<Explanation, FrontierError> {
    let plain = url.dedup_key();
    let key = scope.map_or(plain, |scope| scope.key(&url, plain));
    let found = frontier.find(key)?;
    let (state, request) = match found {
        None => (UrlState::Unknown, None),
        Some(Whereabouts::Queued { request, given_up: Some(reason), .. }) => (UrlState::Dead { at_ms: None, reason }, Some(request)),
        Some(Whereabouts::Queued { request, in_flight: true, .. }) => (UrlState::InFlight, Some(request)),
        Some(Whereabouts::Queued { request, not_before_ms, .. }) => (UrlState::Queued { not_before_ms }, Some(request)),
        Some(Whereabouts::Ended(Story { request, end, at_ms })) => {
            let state = match end {
                StoryEnd::Page(facts) => UrlState::Page { at_ms, facts },
                StoryEnd::Redirected { target } => UrlState::Redirected { at_ms, target },
                StoryEnd::Skipped { reason } => UrlState::Skipped { at_ms, reason },
                StoryEnd::Dead { reason } => UrlState::Dead { at_ms: Some(at_ms), reason },
            };
            (state, Some(request))
        }
    };
    let depth = request.as_ref().map_or(0, |request| request.depth);
    let is_seed = request.as_ref().is_some_and(|request| request.referrer.is_none() && request.chain.is_none());
    let scope = match scope.map(|scope| scope.explain(&url, depth)) {
        None => ScopeVerdict { belongs: None, rule: "the crawl has no scope yet".to_owned() },
        Some(_) if is_seed => ScopeVerdict { belongs: Some(true), rule: "it is a seed".to_owned() },
        Some(Ok(rule)) => ScopeVerdict { belongs: Some(true), rule },
        Some(Err(rule)) => ScopeVerdict { belongs: Some(false), rule },
    };
    let rejection =
        |RejectedItem { item, reason, .. }: RejectedItem| Rejection { item_type: item.item_type, id: item.id.to_string(), reason };
    let rejected = frontier.rejected_on(key)?.into_iter().map(rejection).collect();
    let robots = frontier.robots(&url.origin())?.map(|known| {
        let verdict = known.rules.judge(url.path_and_query());
        let crawl_delay_ms = known.rules.crawl_delay().map(|delay| delay.as_millis() as u64);
        RobotsVerdict { allowed: verdict.allowed, rule: verdict.rule.map(ToString::to_string), crawl_delay_ms }
    });
    Ok(Explanation { robots, url, state, origin: request.map(Finding::from), scope, rejected })
}

impl From<Request> for Finding {
    fn from(request: Request) -> Finding {
        Finding {
            hops: request.hops(),
            found_on: request.referrer.map(|referrer| CrawlUrl::clone(&referrer)),
            depth: request.depth,
            priority: request.priority,
            parser: ParserRef::clone(&request.parser),
            attempts: request.tries.attempts,
            losses: request.tries.losses,
            losses_alone: request.tries.losses_alone,
            tries: request.tries.history,
        }
    }
}

/// The story for a person, a line for each thing that is known.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { url, state, origin, scope, robots, rejected } = self;
        writeln!(f, "{url}")?;
        let mut line = |label: &str, value: String| writeln!(f, "  {label:<10}{value}");
        line("state", state.to_string())?;
        if let UrlState::Page { facts, .. } = state {
            let PageFacts { status, bytes, fetched_at_ms, version, links, items, worker, validators } = facts;
            let ItemCounts { parsed, saved, rejected, collided, noindex } = items;
            line("fetched", format!("{} by worker {worker}: status {status}, {bytes} bytes, {links} links", instant(*fetched_at_ms)))?;
            if let Some(Validators { etag, last_modified }) = validators.as_deref() {
                let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
                let both: Vec<String> = named("ETag", etag).into_iter().chain(named("Last-Modified", last_modified)).collect();
                line("known by", both.join(", "))?;
            }
            let collided =
                if *collided > 0 { format!("; {collided} under an identity that another page wrote first") } else { String::new() };
            let noindex = if *noindex > 0 { format!("; {noindex} not kept, as it says noindex") } else { String::new() };
            line("items", format!("{parsed} parsed = {saved} saved + {rejected} rejected, as version {version}{collided}{noindex}"))?;
        }
        for Rejection { item_type, id, reason } in rejected {
            line("rejected", format!("{item_type} {id}: {reason}"))?;
        }
        if let Some(Finding { found_on, depth, hops, priority, parser, attempts, losses, losses_alone, tries }) = origin {
            let place = found_on.as_ref().map_or_else(|| "as a seed".to_owned(), |page| format!("on {page}"));
            let by_redirect = if *hops > 0 { format!(", {hops} redirects behind it") } else { String::new() };
            line("found", format!("{place}, depth {depth}{by_redirect}"))?;
            let args: Vec<String> = parser.args.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
            let args = if args.is_empty() { String::new() } else { format!(" ({})", args.join(", ")) };
            line("parser", format!("{}{args}, priority {priority}", parser.name))?;
            if *attempts > 0 || *losses > 0 {
                let alone = if *losses_alone > 0 { format!(" ({losses_alone} of them alone on it)") } else { String::new() };
                line("tries", format!("failed attempts: {attempts}; lost with a worker: {losses}{alone}"))?;
            }
            for Try { at_ms, cost, error } in tries {
                let cost = match cost {
                    Cost::Attempt => "an attempt",
                    Cost::Pause => "a pause for its site",
                    Cost::Loss => "a loss",
                    Cost::End => "the end",
                };
                line("", format!("{} {error}: cost {cost}", instant(*at_ms)))?;
            }
        }
        let belongs = match scope.belongs {
            Some(true) => "in scope: ",
            Some(false) => "out of scope: ",
            None => "",
        };
        line("scope", format!("{belongs}{}", scope.rule))?;
        if let Some(RobotsVerdict { allowed, rule, crawl_delay_ms }) = robots {
            let verdict = if *allowed { "allowed" } else { "disallowed" };
            let rule = rule.as_ref().map_or_else(|| ": no rule matches".to_owned(), |rule| format!(" by {rule}"));
            let delay = crawl_delay_ms.map(|delay| format!("; Crawl-delay {}", humantime::format_duration(Duration::from_millis(delay))));
            line("robots", format!("{verdict}{rule}{}", delay.unwrap_or_default()))?;
        }
        Ok(())
    }
}

impl fmt::Display for UrlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlState::Unknown => f.write_str("unknown: no page that was read links to it, or the link was refused"),
            UrlState::Queued { not_before_ms: None } => f.write_str("queued: waits for its turn"),
            UrlState::Queued { not_before_ms: Some(time) } => write!(f, "queued: waits until {}", instant(*time)),
            UrlState::InFlight => f.write_str("in flight"),
            UrlState::Page { at_ms, .. } => write!(f, "done: a page, {}", instant(*at_ms)),
            UrlState::Redirected { at_ms, target } => write!(f, "done: redirects to {target}, {}", instant(*at_ms)),
            UrlState::Skipped { at_ms, reason } => write!(f, "skipped: {reason}, {}", instant(*at_ms)),
            UrlState::Dead { at_ms: Some(at_ms), reason } => write!(f, "dead: {reason}, {}", instant(*at_ms)),
            UrlState::Dead { at_ms: None, reason } => write!(f, "dead with its site: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::frontier::{Ending, Fate, MemoryFrontier, Notes, PageEnd};
    use crate::scope::Site;

    fn url(text: &str) -> CrawlUrl {
        CrawlUrl::parse(text).unwrap()
    }

    #[test]
    fn a_url_that_was_tried_tells_where_it_was_found_and_what_went_wrong() {
        let mut frontier = MemoryFrontier::in_memory();
        let mut request = Request::seed(url("http://h/a"), Arc::new(ParserRef::named("page")));
        request.referrer = Some(Arc::new(url("http://h/")));
        request.depth = 1;
        frontier.seed(vec![request.clone()]).unwrap();
        frontier.take(&request.url.origin(), 1, Instant::now()).unwrap();
        request.tries.keep(1_000, Cost::Attempt, "wrong status code: 500");
        request.tries.attempts = 1;
        let facts = PageFacts {
            status: 200,
            bytes: 7,
            fetched_at_ms: 2_000,
            version: 3,
            links: 4,
            worker: ":9000".to_owned(),
            validators: Some(Box::new(Validators { etag: Some("\"v1\"".to_owned()), last_modified: None })),
            ..PageFacts::default()
        };
        let end = Fate::Page(PageEnd { facts, ..PageEnd::default() });
        let scope = Scope::new([Site::of(&request.url)], vec![], vec![], None);
        let group = vec![Ending { request: Box::new(request), fate: end }];
        frontier.commit(group, &Notes { now_ms: 3_000, ..Notes::default() }, &scope).unwrap();
        let explained = explain(&frontier, Some(&scope), url("http://h/a")).unwrap();
        let expected = "\
http://h/a
  state     done: a page, 1970-01-01T00:00:03Z
  fetched   1970-01-01T00:00:02Z by worker :9000: status 200, 7 bytes, 4 links
  known by  ETag \"v1\"
  items     0 parsed = 0 saved + 0 rejected, as version 3
  found     on http://h/, depth 1
  parser    page, priority 0
  tries     failed attempts: 1; lost with a worker: 0
            1970-01-01T00:00:01Z wrong status code: 500: cost an attempt
  scope     in scope: h is a site of the seeds
";
        assert_eq!(explained.to_string(), expected);
        let json = serde_json::to_string(&explained).unwrap();
        assert_eq!(serde_json::from_str::<Explanation>(&json).unwrap(), explained);
    }

    #[test]
    fn a_url_that_was_refused_tells_the_rule_and_one_of_a_dead_site_the_reason() {
        let mut frontier = MemoryFrontier::in_memory();
        let seed = Request::seed(url("http://h/"), Arc::new(ParserRef::named("page")));
        let scope = Scope::new([Site::of(&seed.url)], vec![], vec![], None);
        frontier.seed(vec![seed.clone()]).unwrap();
        frontier.give_up(&seed.url.origin(), "origin dead").unwrap();
        let refused = explain(&frontier, Some(&scope), url("http://x/")).unwrap();
        assert_eq!(refused.state, UrlState::Unknown);
        assert_eq!(refused.scope, ScopeVerdict { belongs: Some(false), rule: "x is none of the crawl's sites".to_owned() });
        let dead = explain(&frontier, Some(&scope), seed.url).unwrap();
        assert_eq!(dead.state, UrlState::Dead { at_ms: None, reason: "origin dead".to_owned() });
        assert_eq!(dead.scope.rule, "it is a seed");
    }
}
