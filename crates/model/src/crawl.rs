//! Which crawl, and which run of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::url::CrawlUrl;

/// A crawl's name: it names the state directory and, with the page, the owner of items in a store.
///
/// 1 to 128 bytes of ASCII letters, digits, `.`, `_`, `+` and `-`, not beginning with a dot or dash: safe as a folder name everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CrawlName(String);

/// A text that cannot name a crawl.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} cannot name a crawl: 1 to 128 letters, digits, `.`, `_`, `+` or `-`, beginning with a letter, digit or `_`")]
pub struct CrawlNameError(String);

impl CrawlName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`CrawlNameError`] when it breaks the rule of this type.
    pub fn new(name: impl Into<String>) -> Result<CrawlName, CrawlNameError> {
        let name = name.into();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-');
        let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        if starts_well && name.len() <= 128 && name.bytes().all(allowed) { Ok(CrawlName(name)) } else { Err(CrawlNameError(name)) }
    }

    /// The name of a crawl without a spider, from its seeds: the first seed's host, a port that is not the scheme's, and for seeds of
    /// several origins `+N-` with 8 hexadecimal digits of a hash of all origins.
    ///
    /// `None` without seeds.
    pub fn of_seeds(seeds: &[CrawlUrl]) -> Option<CrawlName> {
        let first = seeds.first()?;
        let mut origins: Vec<String> = seeds.iter().map(|seed| seed.origin().as_str().to_owned()).collect();
        origins.sort();
        origins.dedup();
        let mut name: String =
            first.host_str().chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect();
        name.truncate(90);
        let origin = first.origin();
        if origin.as_str().ends_with(&format!(":{}", first.port())) {
            name.push_str(&format!("_{}", first.port()));
        }
        if origins.len() > 1 {
            let hash = xxhash_rust::xxh3::xxh3_64(origins.join("\n").as_bytes()) as u32;
            name.push_str(&format!("+{}-{hash:08x}", origins.len() - 1));
        }
        if name.starts_with(['.', '-']) {
            name.insert(0, '_');
        }
        Some(CrawlName::new(name).expect("made of allowed characters, short enough"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CrawlName {
    type Error = CrawlNameError;

    fn try_from(name: String) -> Result<CrawlName, CrawlNameError> {
        CrawlName::new(name)
    }
}

impl From<CrawlName> for String {
    fn from(name: CrawlName) -> String {
        name.0
    }
}

impl fmt::Display for CrawlName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A random number made with the frontier: new after `--fresh` and after a completed crawl. In text 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(seeds: &[&str]) -> String {
        let seeds: Vec<CrawlUrl> = seeds.iter().map(|seed| CrawlUrl::parse(seed).unwrap()).collect();
        CrawlName::of_seeds(&seeds).unwrap().to_string()
    }

    #[test]
    fn a_crawl_is_named_after_its_seeds() {
        assert_eq!(name(&["https://example.org/a"]), "example.org");
        assert_eq!(name(&["http://example.org:8080/", "http://example.org:8080/b"]), "example.org_8080");
        assert_eq!(name(&["http://[::1]:81/"]), "___1__81");
        let two = name(&["http://a.example/", "http://b.example/"]);
        assert_eq!((&two[..12], two.len()), ("a.example+1-", 20));
        assert_eq!(CrawlName::of_seeds(&[]), None);
    }

    #[test]
    fn a_name_is_safe_as_a_folder() {
        for bad in ["", "..", "a/b", "-x", ".hidden", "a b", "ü"] {
            assert!(CrawlName::new(bad).is_err(), "{bad:?}");
        }
    }
}
