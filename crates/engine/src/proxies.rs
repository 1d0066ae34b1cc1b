//! Proxies: which one a request goes through, and which of them rest.
//!
//! Pure: `now` is an argument. A host keeps its proxy as long as that is well, so that connections live; hosts that come new, and those whose
//! proxy rests, get the next one that is well, in turn. A proxy that fails rests, twice as long with each failure in a row; what was sent
//! through it before it began to rest is part of the same failure.
//!
//! What fails through a proxy may be the proxy's trouble or the site's. Where only the proxy can be to blame, the site is none the worse for it
//! ([`Blame::Proxy`]). Where nobody can tell, the site is treated as one in trouble, and goes to another proxy; a proxy that nobody got through
//! for several hosts in a row rests too.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::job::Proxy;
use model::outcome::FetchFacts;
use model::{CrawlUrl, HostName, Outcome, Verdict};
use tokio::time::Instant;

use crate::backoff;

/// Hosts whose proxy is remembered; of more, the one that came first is forgotten, and gets the next in turn.
const REMEMBERED: usize = 65_536;

/// Hosts in a row that were not reached through a proxy, from which on it is the proxy that is in trouble.
const DOUBTS: usize = 3;

/// How long a proxy rests after its first failure.
const REST: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub struct Proxies {
    all: Vec<Member>,
    by_host: HashMap<HostName, usize>,
    /// The hosts of `by_host`, the one that came first in front.
    remembered: VecDeque<HostName>,
    /// Whose turn it is.
    next: usize,
}

#[derive(Debug)]
struct Member {
    proxy: Arc<Proxy>,
    /// Failures in a row.
    failures: u32,
    failed_at: Option<Instant>,
    rests_until: Option<Instant>,
    why: String,
    /// Hosts that were not reached through it since anything was, each once.
    doubts: Vec<HostName>,
}

/// A proxy that a request is sent through.
#[derive(Clone, Debug)]
pub struct Through {
    /// Its place among the proxies.
    pub index: usize,
    /// The proxy.
    pub proxy: Arc<Proxy>,
}

/// Whose trouble an outcome is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Nobody's, or the site's as it answered itself: the proxy is well.
    Nobody,
    /// The proxy's alone.
    Proxy,
    /// The proxy's or the site's.
    Unknown,
}

/// What a proxy's failure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It rests for this long.
    For(Duration),
    /// It is known already, or not certain yet.
    Not,
}

impl Proxies {
    /// These proxies, all taken to be well; without any, requests go to their hosts themselves.
    pub fn new(all: impl IntoIterator<Item = Arc<Proxy>>) -> Proxies {
        let member = |proxy| Member { proxy, failures: 0, failed_at: None, rests_until: None, why: String::new(), doubts: Vec::new() };
        Proxies { all: all.into_iter().map(member).collect(), ..Proxies::default() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When the first proxy is done resting, if all of them rest.
    pub fn all_rest_until(&self, now: Instant) -> Option<Instant> {
        let rests = |member: &Member| member.rests_until.filter(|until| *until > now);
        let all: Option<Vec<Instant>> = self.all.iter().map(rests).collect();
        all?.into_iter().min()
    }

    /// The proxy for a request to a host; none if there are no proxies, or all of them rest.
    pub fn choose(&mut self, host: &HostName, now: Instant) -> Option<Through> {
        let through = |index: usize, member: &Member| Through { index, proxy: Arc::clone(&member.proxy) };
        if let Some(index) = self.by_host.get(host).copied()
            && !self.all[index].rests(now)
        {
            return Some(through(index, &self.all[index]));
        }
        let count = self.all.len();
        let index = (0..count).map(|step| (self.next + step) % count).find(|index| !self.all[*index].rests(now))?;
        self.next = (index + 1) % count;
        self.remember(host, index);
        Some(through(index, &self.all[index]))
    }

    fn remember(&mut self, host: &HostName, index: usize) {
        if self.by_host.insert(host.clone(), index).is_none() {
            self.remembered.push_back(host.clone());
        }
        if self.remembered.len() > REMEMBERED
            && let Some(first) = self.remembered.pop_front()
        {
            self.by_host.remove(&first);
        }
    }

    /// A request through a proxy has ended. `sent` is when it was handed out, `why` the failure in words, `random` in 0..1.
    pub fn ended(&mut self, index: usize, host: &HostName, (blame, why): (Blame, &str), sent: Instant, now: Instant, random: f64) -> Rest {
        let member = &mut self.all[index];
        // What was under way when it failed tells nothing new.
        let is_old = member.failed_at.is_some_and(|failed| sent <= failed);
        match blame {
            Blame::Nobody => {
                if !is_old {
                    (member.failures, member.rests_until) = (0, None);
                }
                member.doubts.clear();
                return Rest::Not;
            }
            Blame::Unknown => {
                if !member.doubts.contains(host) {
                    member.doubts.push(host.clone());
                }
                let is_certain = member.doubts.len() >= DOUBTS;
                if self.by_host.get(host) == Some(&index) && self.all.len() > 1 {
                    // Another one is asked for this host, should any be well.
                    self.next_for(host, index, now);
                }
                if !is_certain {
                    return Rest::Not;
                }
            }
            Blame::Proxy => {}
        }
        let member = &mut self.all[index];
        member.doubts.clear();
        if is_old {
            return Rest::Not;
        }
        member.failures += 1;
        let pause = backoff::pause(REST, member.failures, random);
        member.failed_at = Some(now);
        member.rests_until = Some(now + pause);
        why.clone_into(&mut member.why);
        Rest::For(pause)
    }

    fn next_for(&mut self, host: &HostName, index: usize, now: Instant) {
        let count = self.all.len();
        let other = (1..count).map(|step| (index + step) % count).find(|other| !self.all[*other].rests(now));
        if let Some(other) = other {
            self.by_host.insert(host.clone(), other);
        }
    }

    /// What is waited for while all proxies rest, in words; none while one is well or there are none.
    pub fn waiting_for(&self, now: Instant) -> Option<String> {
        let until = self.all_rest_until(now)?;
        let member = self.all.iter().min_by_key(|member| member.rests_until)?;
        let count = self.all.len();
        let all = if count == 1 { "the only one rests".to_owned() } else { format!("all {count} rest, the first") };
        Some(format!("a proxy: {all} for {:.1} s more ({}: {})", (until - now).as_secs_f32(), member.proxy.url, member.why))
    }
}

impl Member {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }
}

/// Whose trouble the outcome of a request through a proxy is, and why in words.
pub fn blame(url: &CrawlUrl, outcome: &Outcome) -> (Blame, String) {
    let Outcome { verdict, fetch } = outcome;
    let error = match verdict {
        Verdict::Page(_) | Verdict::Redirect(_) | Verdict::Robots(_) => return (Blame::Nobody, String::new()),
        Verdict::Failed(error) => error,
    };
    (of_failure(url, &error.code, fetch), error.to_string())
}

/// The status of a proxy that asks who its client is.
const PROXY_AUTHENTICATION: u16 = 407;

fn of_failure(url: &CrawlUrl, code: &str, fetch: &FetchFacts) -> Blame {
    match (fetch.status, code) {
        (_, "bad proxy" | "proxy authentication") => Blame::Proxy,
        // Through a tunnel only the site itself can say so.
        (Some(PROXY_AUTHENTICATION), _) if !url.is_https() => Blame::Proxy,
        (Some(_), _) => Blame::Nobody,
        // The worker connects to proxies alone: what was refused, out of reach or without an address is the proxy.
        (None, "connection refused" | "host unreachable" | "dns error") => Blame::Proxy,
        // The address of the URL itself, where it has one in its name; otherwise the proxy's.
        (None, "forbidden address") if !is_address(url) => Blame::Proxy,
        (None, "proxy error" | "connect error" | "connect timeout" | "connection reset" | "fetch timeout" | "invalid response") => {
            Blame::Unknown
        }
        (None, _) => Blame::Nobody,
    }
}

fn is_address(url: &CrawlUrl) -> bool {
    url.host_str().starts_with('[') || url.host_str().parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{RetryClass, WireError};
    use proptest::prelude::*;

    fn proxies(count: usize) -> Proxies {
        Proxies::new((0..count).map(|n| Arc::new(Proxy { url: format!("http://proxy-{n}:1"), auth: None })))
    }

    fn host(n: usize) -> HostName {
        HostName::from(format!("host-{n}"))
    }

    fn chosen(proxies: &mut Proxies, n: usize, now: Instant) -> Option<usize> {
        proxies.choose(&host(n), now).map(|through| through.index)
    }

    #[test]
    fn hosts_take_turns_and_keep_their_proxy_while_it_is_well() {
        let (mut proxies, now) = (proxies(3), Instant::now());
        let first: Vec<_> = (0..6).map(|n| chosen(&mut proxies, n, now)).collect();
        assert_eq!(first, [0, 1, 2, 0, 1, 2].map(Some));
        let again: Vec<_> = (0..6).map(|n| chosen(&mut proxies, n, now)).collect();
        assert_eq!(again, first);
        assert_eq!(proxies.ended(1, &host(1), (Blame::Proxy, "refused"), now, now, 1.0), Rest::For(REST));
        assert_eq!([1, 4].map(|n| chosen(&mut proxies, n, now)), [Some(0), Some(2)]);
        assert_eq!(chosen(&mut proxies, 0, now), Some(0));
        // They stay where they are when it is well again.
        assert_eq!(chosen(&mut proxies, 1, now + REST), Some(0));
    }

    #[test]
    fn rests_grow_with_each_failure_in_a_row_and_what_was_under_way_counts_once() {
        let (mut proxies, start) = (proxies(1), Instant::now());
        let second = Duration::from_secs(1);
        let fail = |proxies: &mut Proxies, sent, now| proxies.ended(0, &host(0), (Blame::Proxy, "refused"), sent, now, 1.0);
        assert_eq!(fail(&mut proxies, start, start + second), Rest::For(REST));
        assert_eq!(fail(&mut proxies, start, start + second * 2), Rest::Not);
        assert_eq!(proxies.all_rest_until(start + second), Some(start + second * 2));
        assert_eq!(proxies.choose(&host(0), start + second).map(|through| through.index), None);
        assert_eq!(
            proxies.waiting_for(start + second).as_deref(),
            Some("a proxy: the only one rests for 1.0 s more (http://proxy-0:1: refused)")
        );
        assert_eq!(fail(&mut proxies, start + second * 2, start + second * 3), Rest::For(REST * 2));
        assert_eq!(proxies.ended(0, &host(0), (Blame::Nobody, ""), start + second * 5, start + second * 5, 1.0), Rest::Not);
        assert_eq!(fail(&mut proxies, start + second * 6, start + second * 6), Rest::For(REST));
        assert_eq!(proxies.waiting_for(start + second * 8), None);
    }

    #[test]
    fn what_may_be_the_sites_trouble_becomes_the_proxys_with_the_third_host_in_a_row() {
        let (mut proxies, now) = (proxies(2), Instant::now());
        let doubt = |proxies: &mut Proxies, n| proxies.ended(0, &host(n), (Blame::Unknown, "proxy error"), now, now, 1.0);
        assert_eq!(chosen(&mut proxies, 0, now), Some(0));
        assert_eq!([0, 0, 0, 1].map(|n| doubt(&mut proxies, n)), [Rest::Not; 4]);
        assert_eq!(chosen(&mut proxies, 0, now), Some(1), "that host is tried through the other one");
        proxies.ended(0, &host(9), (Blame::Nobody, ""), now, now, 1.0);
        assert_eq!([0, 1].map(|n| doubt(&mut proxies, n)), [Rest::Not; 2]);
        assert_eq!(doubt(&mut proxies, 2), Rest::For(REST));
    }

    #[test]
    fn no_proxies_are_nothing_to_wait_for() {
        let mut none = Proxies::new([]);
        assert!(none.choose(&host(0), Instant::now()).is_none());
        // All of none rest until no time.
        assert_eq!(none.all_rest_until(Instant::now()), None);
    }

    #[test]
    fn failures_are_blamed_on_whom_they_can_only_be_of() {
        let of = |url: &str, code: &str, status| {
            let error = WireError::new(code, RetryClass::Origin, "");
            let fetch = FetchFacts { status, ..FetchFacts::default() };
            blame(&CrawlUrl::parse(url).unwrap(), &Outcome { verdict: Verdict::Failed(error), fetch }).0
        };
        for (url, code, status, expected) in [
            ("http://h/", "connection refused", None, Blame::Proxy),
            ("http://h/", "dns error", None, Blame::Proxy),
            ("http://h/", "wrong status code: 407", Some(407), Blame::Proxy),
            ("https://h/", "wrong status code: 407", Some(407), Blame::Nobody),
            ("https://h/", "proxy authentication", None, Blame::Proxy),
            ("http://h/", "wrong status code: 503", Some(503), Blame::Nobody),
            ("http://h/", "incomplete body", Some(200), Blame::Nobody),
            ("http://h/", "proxy error", None, Blame::Unknown),
            ("http://h/", "fetch timeout", None, Blame::Unknown),
            ("http://h/", "fetch timeout", Some(200), Blame::Nobody),
            ("http://h/", "forbidden address", None, Blame::Proxy),
            ("http://10.0.0.1/", "forbidden address", None, Blame::Nobody),
            ("http://[::1]/", "forbidden address", None, Blame::Nobody),
            ("http://h/", "busy", None, Blame::Nobody),
        ] {
            assert_eq!(of(url, code, status), expected, "{code} {status:?} of {url}");
        }
    }

    proptest! {
        #[test]
        fn what_is_chosen_never_rests_and_none_is_chosen_only_if_all_do(
            count in 1_usize..5,
            steps in proptest::collection::vec((0_usize..8, 0_usize..3, 0_u64..3_000), 1..200),
        ) {
            let (mut proxies, mut now) = (proxies(count), Instant::now());
            for (n, kind, pause) in steps {
                now += Duration::from_millis(pause);
                let before = proxies.by_host.get(&host(n)).copied();
                match proxies.choose(&host(n), now) {
                    None => prop_assert!(proxies.all_rest_until(now).is_some_and(|until| until > now)),
                    Some(Through { index, .. }) => {
                        prop_assert!(!proxies.all[index].rests(now));
                        prop_assert_eq!(proxies.all_rest_until(now), None);
                        if let Some(before) = before.filter(|before| !proxies.all[*before].rests(now)) {
                            prop_assert_eq!(before, index);
                        }
                        let blame = [Blame::Nobody, Blame::Proxy, Blame::Unknown][kind];
                        if let Rest::For(rest) = proxies.ended(index, &host(n), (blame, "why"), now, now, 0.5) {
                            prop_assert!(rest <= backoff::LONGEST && proxies.all[index].rests(now));
                        }
                    }
                }
                prop_assert!(proxies.by_host.len() == proxies.remembered.len());
                prop_assert!(proxies.all.iter().all(|member| member.doubts.len() < DOUBTS));
            }
        }
    }
}
