//! From lines to the rules of one crawler.

use std::collections::HashMap;
use std::time::Duration;

use crate::line::{Line, lines};
use crate::pattern::normal_pattern;
use crate::product_token::token;
use crate::rules::{MAX_CRAWL_DELAY, MAX_SITEMAP_BYTES, MAX_SITEMAPS, Rule};

/// What a file says to one crawler.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) own: Option<Group>,
    pub(crate) everybody: Option<Group>,
    pub(crate) sitemaps: Vec<String>,
}

/// All groups of one name together.
#[derive(Default)]
pub(crate) struct Group {
    /// By pattern: where one is both allowed and disallowed, allowed is what counts.
    pub(crate) rules: HashMap<String, Rule>,
    pub(crate) crawl_delay: Option<Duration>,
}

/// Reads a file for the crawler of this product token.
pub(crate) fn read(body: &[u8], product_token: &str) -> Found {
    let mut found = Found::default();
    // Whether the group being read is this crawler's, and whether it is everybody's.
    let (mut own, mut everybody) = (false, false);
    // Whether a further name belongs to the group being read: until its first rule.
    let mut naming = false;
    for (number, line) in lines(body) {
        match line {
            Line::UserAgent(value) => {
                if !naming {
                    (own, everybody, naming) = (false, false, true);
                }
                if is_everybody(value) {
                    everybody = true;
                    found.everybody.get_or_insert_default();
                } else if names(value, product_token) {
                    own = true;
                    found.own.get_or_insert_default();
                }
            }
            Line::Allow(pattern) | Line::Disallow(pattern) => {
                naming = false;
                if !(own || everybody) || pattern.is_empty() {
                    continue;
                }
                let rule = Rule { allow: matches!(line, Line::Allow(_)), pattern: normal_pattern(pattern), line: number };
                if own && let Some(group) = &mut found.own {
                    group.add(rule.clone());
                }
                if everybody && let Some(group) = &mut found.everybody {
                    group.add(rule);
                }
            }
            Line::CrawlDelay(value) => {
                naming = false;
                let Some(delay) = delay(value) else { continue };
                let groups = [found.own.as_mut().filter(|_| own), found.everybody.as_mut().filter(|_| everybody)];
                for group in groups.into_iter().flatten() {
                    // The longest that was asked for: nobody can be offended by it.
                    group.crawl_delay = group.crawl_delay.max(Some(delay));
                }
            }
            Line::Sitemap(value) => found.sitemap(value),
            Line::Other => {}
        }
    }
    found
}

impl Found {
    fn sitemap(&mut self, value: &[u8]) {
        if let Ok(text) = std::str::from_utf8(value)
            && !text.is_empty()
            && text.len() <= MAX_SITEMAP_BYTES
            && self.sitemaps.len() < MAX_SITEMAPS
            && !self.sitemaps.iter().any(|known| known == text)
        {
            self.sitemaps.push(text.to_owned());
        }
    }
}

impl Group {
    fn add(&mut self, rule: Rule) {
        match self.rules.get_mut(&rule.pattern) {
            Some(known) if rule.allow && !known.allow => *known = rule,
            Some(_) => {}
            None => {
                self.rules.insert(rule.pattern.clone(), rule);
            }
        }
    }
}

/// A star, alone or with something after a space.
fn is_everybody(value: &[u8]) -> bool {
    value.strip_prefix(b"*").is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

fn names(value: &[u8], product_token: &str) -> bool {
    let name = token(std::str::from_utf8(value).unwrap_or_default());
    !name.is_empty() && name.eq_ignore_ascii_case(product_token)
}

fn delay(value: &[u8]) -> Option<Duration> {
    let seconds: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    // Whole milliseconds, never less than was asked for.
    let millis = (seconds * 1_000.0).ceil().min(MAX_CRAWL_DELAY.as_millis() as f64);
    Some(Duration::from_millis(millis as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_a_number_of_seconds_and_has_bounds() {
        for (value, expected) in [
            ("1", Some(1_000)),
            ("0.5", Some(500)),
            (".0001", Some(1)),
            ("0", Some(0)),
            ("1e99", Some(86_400_000)),
            ("inf", Some(86_400_000)),
            ("-1", None),
            ("NaN", None),
            ("1s", None),
            ("", None),
        ] {
            assert_eq!(delay(value.as_bytes()).map(|delay| delay.as_millis() as u64), expected, "{value:?}");
        }
    }

    #[test]
    fn a_group_is_everybodys_or_has_one_name() {
        for (value, everybody, own) in [
            ("*", true, false),
            ("* (all)", true, false),
            ("*bot", false, false),
            ("FOOBOT/2.1", false, true),
            ("foobot*", false, true),
            ("foobot-news", false, false),
            ("foo", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_everybody(value.as_bytes()), names(value.as_bytes(), "FooBot")), (everybody, own), "{value:?}");
        }
    }
}
