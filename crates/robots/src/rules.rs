//! What a file says to one crawler, and what follows for a path.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::group::read;
use crate::pattern::{matches, normal_path};

/// Most bytes of a file that are read: 500 KiB, as the RFC asks for at least. The rest is ignored, from the last whole line on.
pub const MAX_BODY_BYTES: usize = 500 * 1024;

/// Longest delay that is believed. More is taken for this.
pub const MAX_CRAWL_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Most sitemaps that are kept.
pub const MAX_SITEMAPS: usize = 1_000;

/// Longest address of a sitemap that is kept: the longest URL that is crawled.
pub(crate) const MAX_SITEMAP_BYTES: usize = 8 * 1024;

/// The rules of one origin for one crawler. Takes some bytes more than the lines of the file that concern it, and three times that where they
/// are not ASCII: at most 5 MiB, for a file of the largest size in which every line is a rule of a few letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RobotsRules {
    /// Longest first, of equally long ones what allows first: the first that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Rule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crawl_delay_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sitemaps: Vec<String>,
}

/// One `Allow` or `Disallow` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whether it allows.
    pub allow: bool,
    /// Its pattern, percent-encoding in normal form.
    pub pattern: String,
    /// The number of its line, from 1.
    pub line: u32,
}

/// What the rules say of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'r> {
    /// Whether it may be fetched.
    pub allowed: bool,
    /// The rule that decided; `None` where none matches, which allows.
    pub rule: Option<&'r Rule>,
}

impl RobotsRules {
    /// Reads a file for the crawler with this product token (see [`product_token`](crate::product_token)), compared without regard to case.
    ///
    /// Everything can be read; what is no robots.txt has no rules, which allows all. Beyond [`MAX_BODY_BYTES`] nothing is read.
    pub fn parse(body: &[u8], product_token: &str) -> RobotsRules {
        let found = read(whole_lines(body), product_token);
        // Rules for everybody are for those who have none of their own, be it empty ones.
        let group = found.own.or(found.everybody).unwrap_or_default();
        let mut rules: Vec<Rule> = group.rules.into_values().collect();
        rules.sort_unstable_by(|one, other| {
            let order = other.pattern.len().cmp(&one.pattern.len()).then(other.allow.cmp(&one.allow));
            order.then(one.line.cmp(&other.line)).then_with(|| one.pattern.cmp(&other.pattern))
        });
        let crawl_delay_ms = group.crawl_delay.map(|delay| delay.as_millis() as u64);
        RobotsRules { rules, crawl_delay_ms, sitemaps: found.sitemaps }
    }

    /// Rules that allow everything: what a missing file says.
    pub fn allow_all() -> RobotsRules {
        RobotsRules::default()
    }

    /// Whether a path with its query, from the first slash of a URL on, may be fetched.
    pub fn judge(&self, path_and_query: &str) -> Verdict<'_> {
        if self.rules.is_empty() || path_and_query == "/robots.txt" {
            return Verdict { allowed: true, rule: None };
        }
        let path = normal_path(path_and_query);
        let rule = self.rules.iter().find(|rule| matches(&rule.pattern, &path));
        Verdict { allowed: rule.is_none_or(|rule| rule.allow), rule }
    }

    /// The pause between two requests that the file asks for, at most [`MAX_CRAWL_DELAY`], in whole milliseconds.
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay_ms.map(Duration::from_millis)
    }

    /// The sitemaps it names, each once, as written: absolute URLs if they are as they should be. At most [`MAX_SITEMAPS`] of at most 8 KiB.
    pub fn sitemaps(&self) -> &[String] {
        &self.sitemaps
    }

    /// All rules, in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

fn whole_lines(body: &[u8]) -> &[u8] {
    if body.len() <= MAX_BODY_BYTES {
        return body;
    }
    let cut = &body[..MAX_BODY_BYTES];
    let end = cut.iter().rposition(|b| matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1);
    &cut[..end]
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.allow { "Allow" } else { "Disallow" };
        write!(f, "{key}: {} (line {})", self.pattern, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed(robots: &str, token: &str, path: &str) -> bool {
        RobotsRules::parse(robots.as_bytes(), token).judge(path).allowed
    }

    #[test]
    fn a_crawler_obeys_all_its_groups_and_everybodys_only_without_one() {
        let robots = "User-agent: a\nUser-agent: b\nDisallow: /1\n\nUser-agent: *\nDisallow: /2\n\nuser-agent: B/2.0\nDisallow: /3\n";
        let all = |token| ["/1", "/2", "/3"].map(|path| allowed(robots, token, path));
        assert_eq!([all("a"), all("b"), all("c")], [[false, true, true], [false, true, false], [true, false, true]]);
        assert!(allowed("User-agent: a\nDisallow:\n\nUser-agent: *\nDisallow: /", "a", "/x"));
        assert!(allowed("Disallow: /\nUser-agent: *\nDisallow: /y", "a", "/x"));
        assert!(!allowed("User-agent: a\nSitemap: http://h/s\nFoo: bar\nUser-agent: *\nDisallow: /", "a", "/x"));
        assert!(allowed("User-agent: a\nCrawl-delay: 1\nUser-agent: *\nDisallow: /", "a", "/x"));
    }

    #[test]
    fn the_longest_pattern_decides_and_allow_among_equals() {
        let robots = "User-agent: *\nDisallow: /\nAllow: /a\nDisallow: /a/b\nAllow: /a/*c\nDisallow: /e$\nAllow: /e$\n";
        for (path, expected) in
            [("/", false), ("/a", true), ("/a/b", false), ("/a/b/c", true), ("/e", true), ("/e/", false), ("/robots.txt", true)]
        {
            assert_eq!(allowed(robots, "x", path), expected, "{path}");
        }
        let rules = RobotsRules::parse(robots.as_bytes(), "x");
        assert_eq!(rules.judge("/a/b?q").rule.unwrap().to_string(), "Disallow: /a/b (line 4)");
        assert_eq!(RobotsRules::allow_all().judge("/a"), Verdict { allowed: true, rule: None });
    }

    #[test]
    fn what_is_beyond_500_kib_is_ignored_from_the_last_whole_line_on() {
        let filler = "#".repeat(MAX_BODY_BYTES - 40) + "\n";
        let robots = format!("User-agent: *\n{filler}Disallow: /one\nDisallow: /two\n");
        assert!(robots.len() > MAX_BODY_BYTES);
        assert_eq!((allowed(&robots, "x", "/one"), allowed(&robots, "x", "/two")), (false, true));
        assert!(allowed(&format!("User-agent: *\n{filler}Disallow: /{}", "x".repeat(100)), "x", "/x"));
    }

    #[test]
    fn the_longest_delay_of_the_crawlers_group_counts() {
        let robots = b"User-agent: *\nCrawl-delay: 30\n\nUser-agent: a\nCrawl-delay: 2\nCrawl-delay: 1\n\nUser-agent: b\nAllow: /\n";
        let delay = |token| RobotsRules::parse(robots, token).crawl_delay();
        assert_eq!([delay("a"), delay("b"), delay("c")], [Some(Duration::from_secs(2)), None, Some(Duration::from_secs(30))]);
    }

    #[test]
    fn sitemaps_are_everybodys_and_kept_once() {
        let many: String = (0..MAX_SITEMAPS + 5).map(|n| format!("Sitemap: http://h/{n}\n")).collect();
        let rules = RobotsRules::parse(format!("sitemap: http://h/0\nSITEMAP:http://h/0\n{many}").as_bytes(), "x");
        assert_eq!((rules.sitemaps().len(), rules.sitemaps()[1].as_str()), (MAX_SITEMAPS, "http://h/1"));
        assert_eq!(RobotsRules::parse(format!("Sitemap: {}", "x".repeat(9_000)).as_bytes(), "x").sitemaps(), [""; 0]);
    }

    #[test]
    fn rules_come_back_from_the_wire_and_from_json_as_they_were() {
        let rules = RobotsRules::parse(b"User-agent: *\nDisallow: /a\nCrawl-delay: .5\nSitemap: http://h/s\n", "x");
        assert_eq!(rmp_serde::from_slice::<RobotsRules>(&rmp_serde::to_vec_named(&rules).unwrap()).unwrap(), rules);
        assert_eq!(serde_json::from_str::<RobotsRules>("{}").unwrap(), RobotsRules::allow_all());
    }

    proptest! {
        #[test]
        fn any_bytes_are_rules(bytes in proptest::collection::vec(any::<u8>(), 0..300), path in "/[ -~é]{0,20}") {
            let _ = RobotsRules::parse(&bytes, "x").judge(&path);
        }

        #[test]
        fn the_verdict_is_that_of_the_longest_matching_line(
            lines in proptest::collection::vec(("(Allow|Disallow)", "/[ab*]{0,4}\\$?"), 0..8), path in "/[ab]{0,5}",
        ) {
            let robots: String = lines.iter().map(|(key, pattern)| format!("{key}: {pattern}\n")).collect();
            let matching = lines.iter().filter(|(_, pattern)| crate::pattern::matches(pattern, &path));
            let best = matching.max_by_key(|(key, pattern)| (pattern.len(), key.len() == 5));
            prop_assert_eq!(allowed(&format!("User-agent: *\n{robots}"), "x", &path), best.is_none_or(|(key, _)| key.len() == 5));
        }
    }
}
