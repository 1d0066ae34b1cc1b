//! robots.txt (RFC 9309): parsed for one crawler, and asked about paths.
//!
//! Pure and without I/O. A file is parsed once for the product token of whoever asks; what stays is [`RobotsRules`], the rules that apply
//! to that crawler and nothing else, ready to be sent or stored. Fetching, redirects, what a status means and how long rules are kept are
//! other people's.
//!
//! ```
//! use robots::{RobotsRules, product_token};
//!
//! let token = product_token("Gossamer/0.1 (+https://example.org/bot)");
//! let rules = RobotsRules::parse(b"User-agent: *\nDisallow: /private\nAllow: /private/*.html$\nCrawl-delay: 1.5\n", token);
//! assert!(rules.judge("/private/a.html").allowed);
//! let verdict = rules.judge("/private/a.pdf?x=1");
//! assert!(!verdict.allowed);
//! assert_eq!(verdict.rule.unwrap().to_string(), "Disallow: /private (line 2)");
//! assert_eq!(rules.crawl_delay().unwrap().as_millis(), 1_500);
//! ```
//!
//! # What is read, beyond the letter of the RFC
//!
//! - A key may be misspelt in the ways that Google's parser forgives (`useragent`, `user agent`, `dissallow`, `dissalow`, `disalow`,
//!   `diasllow`, `disallaw`, `site-map`), and the colon may be missing where key and value are all there is on the line.
//! - The name of a group is its value up to the first character that is no letter, digit, hyphen, underscore or dot: `Bot/2.1` is `Bot`.
//!   Names are compared whole: the group `bot` is not that of `bot-news`.
//! - `Crawl-delay` is a rule of its group, so a `User-agent` line after it begins another group. Other lines that are no rules do not.
//! - `/robots.txt` itself is always allowed.
//!
//! `Request-rate`, `Visit-time`, `Host`, `Clean-param` and `Noindex` are not read: no standard has them.

mod group;
mod line;
mod pattern;
mod product_token;
mod rules;

pub use product_token::product_token;
pub use rules::{MAX_BODY_BYTES, MAX_CRAWL_DELAY, MAX_SITEMAPS, RobotsRules, Rule, Verdict};
