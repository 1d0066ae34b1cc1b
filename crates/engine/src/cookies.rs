//! The cookies of a crawl: taken in and sent by the rules of RFC 6265, bounded in number and size.
//!
//! Pure: the time is an argument, in milliseconds since the Unix epoch. One session is one crawl, however often it is begun again: a cookie
//! without an expiry lasts as long as that. What changes is told by domain, for the frontier to keep.
//!
//! Beyond RFC 6265, as browsers do: a site that is not encrypted sets no `Secure` cookie, and names that begin with `__Secure-` or `__Host-`
//! hold what they promise. Cookies for a public suffix are refused, but of a host that is one itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cookie::Cookie as Parsed;
use model::{CrawlUrl, Secret};
use serde::{Deserialize, Serialize};

use crate::domain::registrable;

/// Most cookies of one domain; of more, those that were set first are forgotten. RFC 6265 asks for at least 50.
pub const MAX_OF_DOMAIN: usize = 50;

/// Most bytes of a cookie, name, value and path together. RFC 6265 asks for at least 4096.
const MAX_BYTES: usize = 4096;

/// Most bytes of all cookies; of more, those of the domain that set none for the longest time are forgotten.
const MAX_ALL_BYTES: usize = 16 * 1024 * 1024;

/// Most bytes of a `Cookie` header: servers refuse longer heads.
const MAX_HEADER: usize = 16 * 1024;

/// What a cookie takes beside its texts.
const OVERHEAD: usize = 128;

/// A cookie as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value, which no log shows.
    pub value: Secret,
    /// Whether it goes to the very host of its domain alone, not to those below.
    pub host_only: bool,
    /// The path it is for, with all below.
    pub path: String,
    /// Whether it is sent over TLS only.
    pub secure: bool,
    /// When it is over, in milliseconds since the Unix epoch; none: with the crawl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// Grows from cookie to cookie: those set first are sent first.
    pub number: u64,
}

/// The cookies of each domain that changed; none of one: they are all gone.
pub type Changes = BTreeMap<String, Vec<Cookie>>;

/// See the module.
#[derive(Debug, Default)]
pub struct Jar {
    domains: HashMap<String, Domain>,
    /// Domains by when they were changed last.
    by_age: BTreeMap<u64, String>,
    bytes: usize,
    numbers: u64,
}

#[derive(Debug, Default)]
struct Domain {
    cookies: Vec<Cookie>,
    changed: u64,
}

impl Jar {
    /// The jar as it was kept.
    pub fn restore(kept: impl IntoIterator<Item = (String, Vec<Cookie>)>) -> Jar {
        let mut jar = Jar::default();
        jar.add(kept);
        jar
    }

    /// Takes in what was kept of further domains, in the place of what is known of them.
    pub fn add(&mut self, kept: impl IntoIterator<Item = (String, Vec<Cookie>)>) {
        let mut kept: Vec<(String, Vec<Cookie>)> = kept.into_iter().collect();
        kept.sort_by_key(|(_, cookies)| cookies.iter().map(|cookie| cookie.number).max());
        for (domain, cookies) in kept {
            self.numbers = self.numbers.max(cookies.iter().map(|cookie| cookie.number).max().unwrap_or_default());
            self.take(&domain);
            self.put(&domain, cookies);
        }
    }

    /// Takes in the `Set-Cookie` headers of an answer from this URL. What has changed is added to `changes`.
    pub fn take_in(&mut self, url: &CrawlUrl, set_cookie: &[String], now_ms: u64, changes: &mut Changes) {
        let mut changed = BTreeSet::new();
        for header in set_cookie {
            let Some((domain, cookie)) = read(url, header, now_ms) else { continue };
            if self.set(&domain, cookie, now_ms) {
                changed.insert(domain);
            }
        }
        for domain in changed {
            let cookies = self.domains.get(&domain).map(|domain| domain.cookies.clone()).unwrap_or_default();
            changes.insert(domain, cookies);
        }
        while self.bytes > MAX_ALL_BYTES
            && let Some(oldest) = self.by_age.first_key_value().map(|(_, domain)| domain.clone())
        {
            self.take(&oldest);
            changes.insert(oldest, Vec::new());
        }
    }

    /// Returns whether anything is not as it was: many sites set the same cookie with each page.
    fn set(&mut self, domain: &str, cookie: Cookie, now_ms: u64) -> bool {
        let mut cookies = self.take(domain);
        let count = cookies.len();
        cookies.retain(|kept| !kept.is_over(now_ms));
        let mut has_changed = cookies.len() < count;
        let same =
            cookies.iter().position(|kept| (&kept.name, &kept.path, kept.host_only) == (&cookie.name, &cookie.path, cookie.host_only));
        let before = same.map(|at| cookies.remove(at));
        let is_kept = !cookie.is_over(now_ms);
        if is_kept {
            self.numbers += 1;
            // One that is set again keeps its place.
            let number = before.as_ref().map_or(self.numbers, |before| before.number);
            cookies.push(Cookie { number, ..cookie });
        }
        has_changed |= before.as_ref() != cookies.last().filter(|_| is_kept);
        cookies.sort_by_key(|cookie| cookie.number);
        let excess = cookies.len().saturating_sub(MAX_OF_DOMAIN);
        cookies.drain(..excess);
        self.put(domain, cookies);
        has_changed
    }

    /// Takes the cookies of a domain out.
    fn take(&mut self, domain: &str) -> Vec<Cookie> {
        let Some(old) = self.domains.remove(domain) else { return Vec::new() };
        self.by_age.remove(&old.changed);
        self.bytes -= old.bytes(domain);
        old.cookies
    }

    /// Gives a domain that has none its cookies.
    fn put(&mut self, domain: &str, cookies: Vec<Cookie>) {
        if cookies.is_empty() {
            return;
        }
        let changed = self.by_age.last_key_value().map_or(0, |(last, _)| last + 1);
        let new = Domain { cookies, changed };
        self.bytes += new.bytes(domain);
        self.by_age.insert(changed, domain.to_owned());
        self.domains.insert(domain.to_owned(), new);
    }

    /// The `Cookie` header for a request; none if there is nothing to send.
    pub fn header(&self, url: &CrawlUrl, now_ms: u64) -> Option<String> {
        let host = url.host_str();
        let mut found: Vec<&Cookie> = domains_of(host)
            .filter_map(|domain| self.domains.get(domain).map(|known| (domain, known)))
            .flat_map(|(domain, known)| known.cookies.iter().filter(move |cookie| domain == host || !cookie.host_only))
            .filter(|cookie| !cookie.is_over(now_ms) && (url.is_https() || !cookie.secure) && is_below(path(url), &cookie.path))
            .collect();
        found.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.number));
        let mut header = String::new();
        for pair in found.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value.reveal())) {
            if header.len() + pair.len() + 2 > MAX_HEADER {
                break;
            }
            if !header.is_empty() {
                header.push_str("; ");
            }
            header.push_str(&pair);
        }
        (!header.is_empty()).then_some(header)
    }
}

impl Domain {
    fn bytes(&self, domain: &str) -> usize {
        let cookie = |cookie: &Cookie| OVERHEAD + cookie.name.len() + cookie.value.reveal().len() + cookie.path.len();
        OVERHEAD + 2 * domain.len() + self.cookies.iter().map(cookie).sum::<usize>()
    }
}

impl Cookie {
    fn is_over(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires| expires <= now_ms)
    }
}

/// The cookie of a `Set-Cookie` header, with the domain it belongs to; none if it is none or may not be set by this URL. Its number is not
/// its own yet.
fn read(url: &CrawlUrl, header: &str, now_ms: u64) -> Option<(String, Cookie)> {
    let parsed = Parsed::parse(header).ok()?;
    let (name, value) = parsed.name_value();
    let is_sendable = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b';');
    if name.is_empty() || !is_sendable(name) || !is_sendable(value) {
        return None;
    }
    let host = url.host_str();
    let (domain, host_only) = match parsed.domain().map(|domain| domain.trim_start_matches('.').to_ascii_lowercase()) {
        None => (host.to_owned(), true),
        Some(domain) if domain.is_empty() => (host.to_owned(), true),
        // An address, or a public suffix such as `localhost`, has cookies of its own and none for what is below.
        Some(domain) if domain == host => (domain, registrable(host).is_none()),
        Some(domain) if domains_of(host).any(|above| above == domain) => (domain, false),
        Some(_) => return None,
    };
    let path = parsed.path().filter(|path| path.starts_with('/')).unwrap_or_else(|| default_path(url));
    let secure = parsed.secure().unwrap_or_default();
    let promises_secure = name.starts_with("__Secure-") || name.starts_with("__Host-");
    let breaks_promise = name.starts_with("__Host-") && (path != "/" || !host_only || parsed.domain().is_some());
    if (secure && !url.is_https()) || (promises_secure && !secure) || breaks_promise {
        return None;
    }
    if name.len() + value.len() + path.len() > MAX_BYTES {
        return None;
    }
    let at_ms = |time: cookie::time::OffsetDateTime| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    let expires_ms = match parsed.max_age() {
        // None or a negative age is over at once.
        Some(age) => Some(now_ms.saturating_add(u64::try_from(age.whole_milliseconds()).unwrap_or(0))),
        None => parsed.expires_datetime().map(at_ms),
    };
    let cookie =
        Cookie { name: name.to_owned(), value: Secret::new(value), host_only, path: path.to_owned(), secure, expires_ms, number: 0 };
    Some((domain, cookie))
}

/// A host and the domains above it that are no public suffixes, the longest first.
fn domains_of(host: &str) -> impl Iterator<Item = &str> {
    let shortest = registrable(host).map_or(host.len(), str::len);
    std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, above)| above)).take_while(move |name| name.len() >= shortest)
}

fn path(url: &CrawlUrl) -> &str {
    url.path_and_query().split('?').next().unwrap_or("/")
}

/// The path that a cookie without one is for: that of its URL up to the last slash.
fn default_path(url: &CrawlUrl) -> &str {
    let path = path(url);
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        Some(_) | None => "/",
    }
}

fn is_below(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_600_000;

    fn url(text: &str) -> CrawlUrl {
        CrawlUrl::parse(text).unwrap()
    }

    fn jar(from: &str, headers: &[&str]) -> Jar {
        let mut jar = Jar::default();
        set(&mut jar, from, headers);
        jar
    }

    fn set(jar: &mut Jar, from: &str, headers: &[&str]) -> Changes {
        let (headers, mut changes): (Vec<String>, _) = (headers.iter().map(|header| (*header).to_owned()).collect(), Changes::new());
        jar.take_in(&url(from), &headers, NOW, &mut changes);
        changes
    }

    fn sent(jar: &Jar, to: &str) -> String {
        jar.header(&url(to), NOW).unwrap_or_default()
    }

    #[test]
    fn a_cookie_goes_to_its_host_or_to_the_domain_it_names_with_all_below() {
        let jar = jar("https://a.example.org/", &["own=1", "all=2; Domain=.Example.ORG", "mine=3; Domain=a.example.org"]);
        for (to, expected) in [
            ("https://a.example.org/", "own=1; all=2; mine=3"),
            ("https://b.a.example.org/", "all=2; mine=3"),
            ("https://example.org/", "all=2"),
            ("https://b.example.org/", "all=2"),
            ("https://badexample.org/", ""),
            ("https://example.com/", ""),
        ] {
            assert_eq!(sent(&jar, to), expected, "{to}");
        }
    }

    #[test]
    fn what_comes_from_another_engine_takes_the_place_of_what_was_known_of_the_domain() {
        let mut here = jar("https://example.org/", &["a=1", "b=1"]);
        let changes = set(&mut Jar::default(), "https://example.org/", &["a=2"]);
        for _ in 0..3 {
            here.add(changes.clone());
        }
        assert_eq!(sent(&here, "https://example.org/"), "a=2");
        let same = Jar::restore(changes);
        assert_eq!((here.bytes, here.by_age.len()), (same.bytes, same.by_age.len()));
    }

    #[test]
    fn a_cookie_for_others_for_a_public_suffix_or_of_a_broken_promise_is_refused() {
        for (from, header) in [
            ("https://a.example.org/", "x=1; Domain=b.example.org"),
            ("https://a.example.org/", "x=1; Domain=b.a.example.org"),
            ("https://a.example.org/", "x=1; Domain=org"),
            ("https://someone.github.io/", "x=1; Domain=github.io"),
            ("https://a.co.uk/", "x=1; Domain=co.uk"),
            ("http://127.0.0.1/", "x=1; Domain=0.0.1"),
            ("http://example.org/", "x=1; Secure"),
            ("https://example.org/", "__Secure-x=1"),
            ("https://example.org/", "__Host-x=1; Secure; Path=/a"),
            ("https://example.org/", "__Host-x=1; Secure; Path=/; Domain=example.org"),
            ("https://example.org/", "=1"),
            ("https://example.org/", "nonsense"),
            ("https://example.org/", "x=a\u{7f}b"),
        ] {
            assert_eq!(set(&mut Jar::default(), from, &[header]), Changes::new(), "{header} of {from}");
        }
        let local = jar("http://localhost:1/", &["x=1; Domain=localhost", "__Host-y=1"]);
        assert_eq!([sent(&local, "http://localhost:2/"), sent(&local, "http://a.localhost/")], ["x=1", ""]);
        let address = jar("http://127.0.0.1:1/", &["x=1; Domain=127.0.0.1"]);
        assert_eq!([sent(&address, "http://127.0.0.1/"), sent(&address, "http://127.0.0.2/")], ["x=1", ""]);
    }

    #[test]
    fn a_path_holds_for_what_is_below_it_and_the_longest_goes_first() {
        let jar = jar("http://h.example/a/b?c=/d", &["default=1", "root=2; Path=/", "deep=3; Path=/a/b/", "odd=4; Path=x"]);
        for (to, expected) in [
            ("http://h.example/a/b/c", "deep=3; default=1; odd=4; root=2"),
            ("http://h.example/a/b", "default=1; odd=4; root=2"),
            ("http://h.example/a", "default=1; odd=4; root=2"),
            ("http://h.example/ab", "root=2"),
            ("http://h.example/", "root=2"),
        ] {
            assert_eq!(sent(&jar, to), expected, "{to}");
        }
    }

    #[test]
    fn a_secure_cookie_goes_over_tls_only() {
        let jar = jar("https://h.example/", &["s=1; Secure", "p=2"]);
        assert_eq!([sent(&jar, "https://h.example/"), sent(&jar, "http://h.example/")], ["s=1; p=2", "p=2"]);
    }

    #[test]
    fn a_cookie_is_over_with_its_time_and_is_taken_back_by_its_server() {
        let mut jar = jar(
            "http://h.example/",
            &[
                "age=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "date=2; Expires=Thu, 01 Jan 2026 00:00:05 GMT",
                "session=3",
                "gone=4; Max-Age=0",
                "past=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            ],
        );
        let at = |jar: &Jar, seconds: u64| jar.header(&url("http://h.example/"), NOW + 1_000 * seconds);
        assert_eq!(at(&jar, 0).as_deref(), Some("age=1; date=2; session=3"));
        assert_eq!(at(&jar, 5).as_deref(), Some("age=1; session=3"));
        assert_eq!(at(&jar, 10).as_deref(), Some("session=3"));
        let changes = set(&mut jar, "http://h.example/", &["session=; Max-Age=-1", "age=9"]);
        assert_eq!(at(&jar, 0).as_deref(), Some("age=9; date=2"), "what is set again keeps its place");
        assert_eq!(changes["h.example"].len(), 2);
        let changes = set(&mut jar, "http://h.example/", &["age=; Max-Age=0", "date=; Max-Age=0"]);
        assert_eq!(changes, Changes::from([("h.example".to_owned(), vec![])]));
    }

    #[test]
    fn a_jar_is_bounded_and_what_it_forgets_is_told() {
        let mut jar = Jar::default();
        let many: Vec<String> = (0..60).map(|n| format!("c{n}={n}")).collect();
        let changes = set(&mut jar, "http://h.example/", &many.iter().map(String::as_str).collect::<Vec<_>>());
        let kept: Vec<&str> = changes["h.example"].iter().map(|cookie| cookie.name.as_str()).collect();
        assert_eq!((kept.len(), kept[0], kept[MAX_OF_DOMAIN - 1]), (MAX_OF_DOMAIN, "c10", "c59"));
        let long = "x".repeat(MAX_BYTES);
        assert_eq!(set(&mut jar, "http://h.example/", &[&format!("long={long}")]), Changes::new());
        let large = format!("large={}", "x".repeat(4_000));
        let mut forgotten = 0;
        for n in 0..5_000 {
            let changes = set(&mut jar, &format!("http://h{n}.example/"), &[&large]);
            forgotten += changes.values().filter(|cookies| cookies.is_empty()).count();
            assert!(jar.bytes <= MAX_ALL_BYTES);
        }
        assert_eq!(jar.domains.len() + forgotten, 5_001);
        assert_eq!(jar.by_age.len(), jar.domains.len());
        assert_eq!(sent(&jar, "http://h.example/"), "", "the one that set none for the longest time");
    }

    #[test]
    fn what_is_set_again_as_it_was_is_no_change() {
        let mut jar = jar("http://h.example/", &["a=1", "b=2", "c=3; Max-Age=5"]);
        assert_eq!(set(&mut jar, "http://h.example/", &["b=2", "a=1"]), Changes::new());
        assert_eq!(set(&mut jar, "http://h.example/", &["d=; Max-Age=0"]), Changes::new());
        let values = |changes: &Changes| changes["h.example"].iter().map(|cookie| cookie.value.reveal().to_owned()).collect::<Vec<_>>();
        assert_eq!(values(&set(&mut jar, "http://h.example/", &["b=2", "a=9"])), ["9", "2", "3"]);
        let mut changes = Changes::new();
        jar.take_in(&url("http://h.example/"), &["a=9".to_owned()], NOW + 5_000, &mut changes);
        assert_eq!(values(&changes), ["9", "2"], "what is over is gone");
        assert_eq!(sent(&jar, "http://h.example/"), "a=9; b=2");
    }

    #[test]
    fn a_jar_comes_back_as_it_was_kept_and_shows_no_values() {
        let mut kept = Changes::new();
        let mut jar = Jar::default();
        for (from, header) in
            [("https://a.example/", "x=hidden"), ("https://b.example/", "y=2; Secure; Path=/p"), ("https://a.example/", "z=3")]
        {
            kept.extend(set(&mut jar, from, &[header]));
        }
        let json = serde_json::to_string(&kept).unwrap();
        let mut again = Jar::restore(serde_json::from_str::<Changes>(&json).unwrap());
        for to in ["https://a.example/", "https://b.example/p/q"] {
            assert_eq!(sent(&again, to), sent(&jar, to));
        }
        set(&mut again, "https://a.example/", &["new=4"]);
        assert_eq!(sent(&again, "https://a.example/"), "x=hidden; z=3; new=4");
        assert!(!format!("{again:?}").contains("hidden"));
    }
}
