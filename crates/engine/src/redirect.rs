//! Where a redirect leads: a new request, the same one again, or an end.

use model::{CrawlUrl, DedupKey, Redirect};

use crate::request::{ChainCookie, RedirectChain, Request, Tries};

/// Most redirects in a row; RFC 9110 names no number, browsers use 20, crawlers 5 to 20.
pub const MAX_HOPS: usize = 10;

/// Most cookies a chain keeps; a server that sets more than this on the way to one page loses the oldest.
const MAX_COOKIES: usize = 20;

/// What a redirect means for the crawl.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A request of its own, to be entered if its URL is not known.
    Follow(Request),
    /// A URL of this very chain once more, now with the chain's cookies: known or not, it is fetched again.
    Revisit(Request),
    /// More than [`MAX_HOPS`].
    TooMany,
    /// A URL of the chain for the third time.
    Loop,
}

/// Decides where `redirect`, the answer to `request`, leads. `set_cookie` are the answer's `Set-Cookie` headers.
pub fn step(request: &Request, redirect: &Redirect, set_cookie: &[String]) -> Step {
    if request.hops() >= MAX_HOPS {
        return Step::TooMany;
    }
    let mut chain = request.chain.as_deref().cloned().unwrap_or_default();
    chain.keys.push(request.key);
    chain.remember(&request.url, set_cookie);
    let seen = chain.keys.contains(&redirect.key);
    if seen && chain.revisiting {
        return Step::Loop;
    }
    chain.revisiting |= seen;
    let target = target(request, redirect.target.clone(), redirect.key, chain);
    if seen { Step::Revisit(target) } else { Step::Follow(target) }
}

fn target(source: &Request, url: CrawlUrl, key: DedupKey, chain: RedirectChain) -> Request {
    Request {
        url,
        key,
        parser: source.parser.clone(),
        depth: source.depth,
        priority: source.priority,
        referrer: source.referrer.clone(),
        chain: Some(Box::new(chain)),
        tries: Tries::default(),
    }
}

impl RedirectChain {
    fn remember(&mut self, url: &CrawlUrl, set_cookie: &[String]) {
        for header in set_cookie {
            let pair = header.split(';').next().unwrap_or_default().trim();
            let Some((name, _)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else { continue };
            let host = url.host();
            let same_name = |cookie: &ChainCookie| cookie.host == host && cookie.pair.split('=').next() == Some(name);
            self.cookies.retain(|cookie| !same_name(cookie));
            self.cookies.push(ChainCookie { host, pair: pair.to_owned() });
        }
        let excess = self.cookies.len().saturating_sub(MAX_COOKIES);
        self.cookies.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ParserRef;
    use std::sync::Arc;

    fn url(text: &str) -> CrawlUrl {
        CrawlUrl::parse(text).unwrap()
    }

    fn seed(text: &str) -> Request {
        Request::seed(url(text), Arc::new(ParserRef::named("page")))
    }

    fn to(text: &str) -> Redirect {
        Redirect { key: url(text).dedup_key(), target: url(text) }
    }

    #[test]
    fn a_target_inherits_and_counts_its_hops() {
        let Step::Follow(target) = step(&seed("http://h/a"), &to("http://h/b"), &[]) else { panic!() };
        assert_eq!((target.url.as_str(), target.hops(), target.depth), ("http://h/b", 1, 0));
    }

    #[test]
    fn a_redirect_to_itself_is_fetched_once_more_with_its_cookie_and_then_is_a_loop() {
        let cookies = ["s=1; Path=/".to_owned(), "broken".to_owned()];
        let Step::Revisit(again) = step(&seed("http://h/a"), &to("http://h/a"), &cookies) else { panic!() };
        assert_eq!(again.cookie_header().as_deref(), Some("s=1"));
        assert_eq!(step(&again, &to("http://h/a"), &[]), Step::Loop);
    }

    #[test]
    fn a_loop_over_two_urls_ends() {
        let Step::Follow(b) = step(&seed("http://h/a"), &to("http://h/b"), &[]) else { panic!() };
        let Step::Revisit(a) = step(&b, &to("http://h/a"), &[]) else { panic!() };
        assert_eq!(step(&a, &to("http://h/b"), &[]), Step::Loop);
    }

    #[test]
    fn a_chain_has_an_end() {
        let mut request = seed("http://h/0");
        for hop in 1..=MAX_HOPS {
            let Step::Follow(next) = step(&request, &to(&format!("http://h/{hop}")), &[]) else { panic!("{hop}") };
            request = next;
        }
        assert_eq!(step(&request, &to("http://h/x"), &[]), Step::TooMany);
    }

    #[test]
    fn a_cookie_goes_to_no_other_host() {
        let Step::Follow(b) = step(&seed("http://h/a"), &to("http://other/b"), &["s=1".to_owned()]) else { panic!() };
        assert_eq!(b.cookie_header(), None);
    }
}
