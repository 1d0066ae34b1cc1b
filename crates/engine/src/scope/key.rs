//! What makes two URLs the same page: the dedup key leaves out what a rule drops. The URL is fetched as it was found.

use memchr::memchr3;
use model::{CrawlUrl, DedupKey};
use serde::{Deserialize, Serialize};

/// Which parts of a URL do not count. Pure; without rules nothing is looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRules {
    /// Query parameters that do not count.
    pub drop: Vec<NamePattern>,
    /// Whether parameters that only tell where a visitor came from do not count (`utm_source`, `gclid`, …).
    pub tracking: bool,
    /// Whether session ids do not count, in the query and in the path.
    pub sessions: bool,
}

/// The name of a query parameter, or several: one `*` stands for anything. Case counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamePattern {
    begin: String,
    /// What comes after the `*`; none: there is none.
    end: Option<String>,
}

/// Parameters by which sites and mailers follow a visitor around; those of `utm_` beside.
const TRACKING: [&str; 24] = [
    "gclid",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "yclid",
    "ymclid",
    "twclid",
    "ttclid",
    "li_fat_id",
    "igshid",
    "mc_cid",
    "mc_eid",
    "_ga",
    "_gl",
    "_hsenc",
    "_hsmi",
    "mkt_tok",
    "oly_anon_id",
    "oly_enc_id",
    "vero_id",
    "_openstat",
];

/// Parameters, of the query or of a path segment, that hold a session id.
const SESSIONS: [&str; 8] = ["jsessionid", "phpsessid", "sessionid", "session_id", "sessid", "cfid", "cftoken", "zenid"];

/// Names that hold a session id only where the value looks like one.
const PERHAPS_SESSIONS: [&str; 2] = ["sid", "s"];

/// Shortest value that looks like a session id.
const LEAST_ID: usize = 24;

impl NamePattern {
    /// Reads `name`, `prefix*`, `*suffix` or `a*b`.
    pub fn parse(text: &str) -> Option<NamePattern> {
        if text.is_empty() || text.contains(['&', '=', '#', '?', ' ']) {
            return None;
        }
        match text.split_once('*') {
            None => Some(NamePattern { begin: text.to_owned(), end: None }),
            Some((_, end)) if end.contains('*') => None,
            Some((begin, end)) => Some(NamePattern { begin: begin.to_owned(), end: Some(end.to_owned()) }),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match &self.end {
            None => name == self.begin,
            Some(end) => name.strip_prefix(self.begin.as_str()).is_some_and(|rest| rest.ends_with(end.as_str())),
        }
    }
}

impl KeyRules {
    /// The key of a URL; `plain` is that of the URL as it is.
    pub fn key(&self, url: &CrawlUrl, plain: DedupKey) -> DedupKey {
        let looks_at_query = self.sessions || self.tracking || !self.drop.is_empty();
        let text = url.path_and_query();
        // Nearly every URL has nothing of what is looked for.
        if memchr3(b'?', b';', b'(', text.as_bytes()).is_none() {
            return plain;
        }
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let has_session = self.sessions && path.bytes().any(|b| matches!(b, b';' | b'('));
        let may_drop = has_session || looks_at_query && query.is_some();
        if !may_drop {
            return plain;
        }
        let mut kept = if has_session { without_sessions(path) } else { path.to_owned() };
        let mut begin = '?';
        for part in query.into_iter().flat_map(|query| query.split('&')) {
            if !self.drops(part) {
                kept.push(begin);
                kept.push_str(part);
                begin = '&';
            }
        }
        if kept == text { plain } else { url.dedup_key_with(&kept) }
    }

    /// Whether a part of a query, `name=value`, does not count.
    fn drops(&self, part: &str) -> bool {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        self.drop.iter().any(|pattern| pattern.matches(name))
            || self.tracking && is_tracking(name)
            || self.sessions && is_session(name, value)
    }
}

fn is_tracking(name: &str) -> bool {
    let begins = |with: &str| name.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    begins("utm_") || TRACKING.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn is_session(name: &str, value: &str) -> bool {
    let is_one_of = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_asp = || name.get(..12).is_some_and(|begin| begin.eq_ignore_ascii_case("aspsessionid"));
    is_one_of(&SESSIONS) || is_asp() || is_one_of(&PERHAPS_SESSIONS) && is_id(value)
}

/// Whether a value is long and random enough to be an id: letters and digits, both of them.
fn is_id(value: &str) -> bool {
    value.len() >= LEAST_ID
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A path without `;jsessionid=…` and without segments such as `(S(…))`.
fn without_sessions(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    for segment in path[1..].split('/') {
        // ASP.NET puts its ids into a segment of their own, several of them as `(X(1)S(…))`.
        if segment.starts_with('(') && segment.ends_with("))") && segment.contains("S(") {
            continue;
        }
        let mut parts = segment.split(';');
        kept.push('/');
        kept.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !is_session(name, value) {
                kept.push(';');
                kept.push_str(part);
            }
        }
    }
    if kept.is_empty() {
        kept.push('/');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(drop: &[&str], tracking: bool, sessions: bool) -> KeyRules {
        KeyRules { drop: drop.iter().map(|text| NamePattern::parse(text).unwrap()).collect(), tracking, sessions }
    }

    /// Whether two URLs are the same page.
    fn same(rules: &KeyRules, one: &str, other: &str) -> bool {
        let key = |text: &str| {
            let url = CrawlUrl::parse(&format!("http://h{text}")).unwrap();
            rules.key(&url, url.dedup_key())
        };
        key(one) == key(other)
    }

    #[test]
    fn what_a_rule_drops_does_not_count() {
        let id = "0123456789abcdef0123456789abcdef";
        for (rules, one, other, expected) in [
            (rules(&["sort", "x_*", "*_y"], false, false), "/a?sort=1&b=2", "/a?b=2&x_z=3&z_y", true),
            (rules(&["sort"], false, false), "/a?sort=1", "/a", true),
            (rules(&["sort"], false, false), "/a?Sort=1", "/a", false),
            (rules(&["sort"], false, false), "/a?b=2&c=3", "/a?c=3&b=2", false),
            (rules(&["*"], false, false), "/a?b=2&c=3", "/a", true),
            (rules(&[], true, false), "/a?utm_source=x&UTM_Medium=y&gclid=1", "/a", true),
            (rules(&[], true, false), "/a?utmost=x", "/a", false),
            (rules(&[], false, true), "/a;jsessionid=1?b", "/a?b&PHPSESSID=2", true),
            (rules(&[], false, true), "/(S(abc))/a", "/a", true),
            (rules(&[], false, true), "/(X(1)S(abc))/", "/", true),
            (rules(&[], false, true), "/a(b)/c;v=1", "/a(b)/c", false),
            (rules(&[], false, true), &format!("/a?sid={id}"), "/a", true),
            (rules(&[], false, true), "/a?sid=7", "/a", false),
            (rules(&[], false, false), "/a;jsessionid=1", "/a", false),
            (rules(&[], false, true), "/a?", "/a", false),
        ] {
            assert_eq!(same(&rules, one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_pattern_is_a_name_with_at_most_one_star() {
        for bad in ["", "a**", "*a*", "a=b", "a&b", "a b"] {
            assert_eq!(NamePattern::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_url_that_no_rule_touches_has_its_own_key(path in "/[a-z/.]{0,12}(\\?[a-z=&]{0,12})?") {
            let url = CrawlUrl::parse(&format!("http://h{path}")).unwrap();
            let plain = url.dedup_key();
            prop_assert_eq!(KeyRules::default().key(&url, plain), plain);
            prop_assert_eq!(rules(&["Z*"], false, true).key(&url, plain), plain);
        }
    }
}
