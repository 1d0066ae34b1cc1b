//! A URL a crawler may fetch, in the one spelling it is fetched in.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;
use url::Url;

use crate::host::{HostName, Origin};
use crate::key::DedupKey;

/// Longest URL that is followed, in bytes of its canonical form. Longer ones are refused, counted and said.
pub const MAX_URL_BYTES: usize = 8 * 1024;

/// An absolute http or https URL in its WHATWG serialisation, without fragment and without user name and password.
///
/// Neither of the two is ever sent to a server, so neither belongs to what is fetched. The case of the path, the order of the query
/// and a trailing slash are kept: servers tell them apart. At most [`MAX_URL_BYTES`] long, ASCII only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct CrawlUrl(String);

/// Why a text is not a URL that can be crawled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// The text does not parse as an absolute URL; the parser's own words follow.
    #[error("not a URL: {0}")]
    Malformed(String),
    /// A scheme other than http and https.
    #[error("scheme {0} is not crawled (http and https are)")]
    Scheme(String),
    /// The canonical form is longer than [`MAX_URL_BYTES`].
    #[error("URL of {0} bytes is too long (at most {MAX_URL_BYTES})")]
    TooLong(usize),
}

impl CrawlUrl {
    /// Parses an absolute URL and brings it into canonical form.
    ///
    /// # Errors
    /// [`UrlError`] when the text is no absolute http or https URL or is too long.
    pub fn parse(text: &str) -> Result<CrawlUrl, UrlError> {
        let url = Url::parse(text).map_err(|e| UrlError::Malformed(e.to_string()))?;
        CrawlUrl::from_url(url)
    }

    /// Takes a URL that was put together on the origin of another one, as [`CrawlUrl::try_from`] does, but without a look at the origin.
    ///
    /// # Errors
    /// As [`CrawlUrl::parse`].
    pub fn on(origin: &Origin, text: String) -> Result<CrawlUrl, UrlError> {
        let path = text.strip_prefix(origin.as_str()).and_then(|path| path.strip_prefix('/'));
        if text.len() <= MAX_URL_BYTES && path.is_some_and(is_plain_path) { Ok(CrawlUrl(text)) } else { CrawlUrl::parse(&text) }
    }

    /// Brings a parsed URL into canonical form: no fragment, no credentials.
    ///
    /// # Errors
    /// [`UrlError::Scheme`] and [`UrlError::TooLong`].
    pub fn from_url(mut url: Url) -> Result<CrawlUrl, UrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme(url.scheme().to_owned()));
        }
        url.set_fragment(None);
        if url.username() != "" || url.password().is_some() {
            // Both calls err only for URLs that cannot have credentials, which an http URL with credentials is not.
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        let text = String::from(url);
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong(text.len()));
        }
        Ok(CrawlUrl(text))
    }

    /// The text that is fetched.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same URL for code that needs its parts.
    pub fn to_url(&self) -> Url {
        Url::parse(&self.0).expect("a CrawlUrl is a parsed URL's serialisation")
    }

    /// What decides whether two URLs are the same request.
    pub fn dedup_key(&self) -> DedupKey {
        DedupKey::of(&self.0)
    }

    /// The key that this URL would have with another path and query, given in canonical form.
    pub fn dedup_key_with(&self, path_and_query: &str) -> DedupKey {
        DedupKey::of(&[self.origin_str(), path_and_query].concat())
    }

    /// Scheme, host and port: what robots rules and trouble belong to.
    pub fn origin(&self) -> Origin {
        Origin::from_canonical(self.origin_str())
    }

    /// The origin as a slice of this URL.
    pub fn origin_str(&self) -> &str {
        &self.0[..self.authority().end]
    }

    /// The host name, the unit of politeness: lower case, without port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> HostName {
        HostName::from_canonical(self.host_str())
    }

    /// The host name as a slice of this URL.
    pub fn host_str(&self) -> &str {
        let authority = &self.0[self.authority()];
        // In canonical form a colon past the last bracket starts the port.
        match authority.rfind(':') {
            Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
            _ => authority,
        }
    }

    /// The port that is connected to: the one written, else 80 or 443.
    pub fn port(&self) -> u16 {
        let authority = &self.0[self.authority()];
        let written = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        match written {
            Some((_, port)) => port.parse().expect("a canonical port is a number below 65536"),
            None if self.is_https() => 443,
            None => 80,
        }
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// Path and query, from the first slash after the host on.
    pub fn path_and_query(&self) -> &str {
        &self.0[self.authority().end..]
    }

    /// The extension of the path's last segment, as written: `PDF` of `/a/b.PDF?x=1`. At most 16 letters and digits; what is more or else is none.
    pub fn extension(&self) -> Option<&str> {
        let path = self.path_and_query().split('?').next()?;
        let (stem, extension) = path[path.rfind('/')? + 1..].rsplit_once('.')?;
        let is_one = (1..=16).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric());
        (is_one && !stem.is_empty()).then_some(extension)
    }

    fn authority(&self) -> std::ops::Range<usize> {
        let start = if self.is_https() { 8 } else { 7 };
        let end = self.0.bytes().skip(start).position(|b| b == b'/').map_or(self.0.len(), |at| start + at);
        start..end
    }
}

/// The text of an address without user name and password, for messages about what is no URL, so that neither comes into a log.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let is_end = |c: char| matches!(c, '/' | '\\' | '?' | '#');
    let scheme = text.find(|c| c == ':' || is_end(c)).filter(|at| text[*at..].starts_with(':')).map_or(0, |colon| colon + 1);
    let start = text.len() - text[scheme..].trim_start_matches(['/', '\\']).len();
    // Credentials may have slashes in them where there is no URL yet, so the last at sign before a query counts.
    let end = text[start..].find(['?', '#']).map_or(text.len(), |at| start + at);
    match text[start..end].rfind('@') {
        Some(at) => Cow::Owned(format!("{}***@{}", &text[..start], &text[start + at + 1..])),
        None => Cow::Borrowed(text),
    }
}

impl TryFrom<String> for CrawlUrl {
    type Error = UrlError;

    /// Accepts what a peer sends without parsing it again where a look shows that it is canonical, as peers' URLs are; any other text is
    /// parsed in full.
    fn try_from(text: String) -> Result<CrawlUrl, UrlError> {
        if is_plainly_canonical(&text) { Ok(CrawlUrl(text)) } else { CrawlUrl::parse(&text) }
    }
}

/// Whether parsing this text would certainly give it back: a lower-case name that is not internationalised, or an IPv4 address as it is
/// written; no port or one in digits that is not the scheme's own; no dot segment, no character that is ever escaped.
fn is_plainly_canonical(text: &str) -> bool {
    let scheme = [("http://", "80"), ("https://", "443")].into_iter().find_map(|(scheme, port)| Some((text.strip_prefix(scheme)?, port)));
    let Some((rest, own_port)) = scheme else { return false };
    let Some((authority, path)) = rest.split_once('/') else { return false };
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    let plain_port = port.is_none_or(|port| port != own_port && is_number(port) && port.parse::<u16>().is_ok());
    text.len() <= MAX_URL_BYTES && plain_port && (is_plain_name(host) || host.parse::<Ipv4Addr>().is_ok()) && is_plain_path(path)
}

fn is_plain_name(host: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    host.ends_with(|c: char| c.is_ascii_lowercase())
        && host.rsplit('.').next().is_some_and(|last| !last.starts_with(|c: char| c.is_ascii_digit()))
        && host.bytes().all(is_name)
        && !host.contains("xn--")
}

/// The path after its first slash.
fn is_plain_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    // All of it is looked at, whatever is found: without a way out in between many bytes are compared at a time.
    let is_odd = bytes.iter().fold(false, |odd, b| odd | !is_plain(*b));
    let has_percent = bytes.iter().fold(false, |any, b| any | (*b == b'%'));
    // A dot may be escaped.
    let is_dot = |digits: &[u8]| digits.eq_ignore_ascii_case(b"%2e");
    let has_dots = path.starts_with('.') || path.contains("/.") || has_percent && bytes.windows(3).any(is_dot);
    !is_odd && !has_dots
}

/// Whether a byte stands for itself in a path and in a query: letters, digits, and `-_~!$&()*+,;=:@/?%.`.
fn is_plain(b: u8) -> bool {
    matches!(b, b'a'..=b'z' | b'?'..=b'Z' | b'('..=b';' | b'$'..=b'&' | b'!' | b'=' | b'_' | b'~')
}

impl Serialize for CrawlUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl From<CrawlUrl> for String {
    fn from(url: CrawlUrl) -> String {
        url.0
    }
}

impl fmt::Display for CrawlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CrawlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for CrawlUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<CrawlUrl, UrlError> {
        CrawlUrl::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        CrawlUrl::parse(text).unwrap().to_string()
    }

    #[test]
    fn canonical_form_drops_what_is_never_sent_and_keeps_what_servers_tell_apart() {
        for (given, expected) in [
            ("HTTP://Example.ORG", "http://example.org/"),
            ("http://example.org:80/a", "http://example.org/a"),
            ("https://example.org:443/a", "https://example.org/a"),
            ("http://example.org:8080/a", "http://example.org:8080/a"),
            ("http://example.org/a#b", "http://example.org/a"),
            ("http://user:secret@example.org/a", "http://example.org/a"),
            ("http://example.org/a/../b/./c", "http://example.org/b/c"),
            ("http://example.org/A%2f?b=2&a=1", "http://example.org/A%2f?b=2&a=1"),
            ("http://example.org/a/", "http://example.org/a/"),
            ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
        ] {
            assert_eq!(canonical(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_no_web_address_is_refused_by_kind() {
        assert!(matches!(CrawlUrl::parse("/a"), Err(UrlError::Malformed(_))));
        assert_eq!(CrawlUrl::parse("ftp://example.org/"), Err(UrlError::Scheme("ftp".into())));
        assert_eq!(CrawlUrl::parse("javascript:void(0)"), Err(UrlError::Scheme("javascript".into())));
        let long = format!("http://example.org/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(CrawlUrl::parse(&long), Err(UrlError::TooLong(long.len())));
    }

    #[test]
    fn parts_are_those_of_the_url() {
        let url = CrawlUrl::parse("https://Example.org:8443/a?b=c:d").unwrap();
        assert_eq!((url.host_str(), url.port(), url.path_and_query()), ("example.org", 8443, "/a?b=c:d"));
        assert_eq!(url.origin().as_str(), "https://example.org:8443");
        let url = CrawlUrl::parse("http://[::1]/").unwrap();
        assert_eq!((url.host_str(), url.port()), ("[::1]", 80));
        let url = CrawlUrl::parse("http://[::1]:81/").unwrap();
        assert_eq!((url.host_str(), url.port()), ("[::1]", 81));
    }

    #[test]
    fn credentials_are_taken_out_of_what_is_no_url() {
        for (text, expected) in [
            ("ftp://user:secret@host/a", "ftp://***@host/a"),
            ("http:user:secret@host", "http:***@host"),
            ("//user:se/cret@[bad", "//***@[bad"),
            ("user:secret@host", "user:***@host"),
            ("http://host/a?b=c@d", "http://host/a?b=c@d"),
            ("/a", "/a"),
        ] {
            assert_eq!(without_credentials(text), expected);
        }
    }

    #[test]
    fn the_extension_is_that_of_the_last_segment_of_the_path() {
        for (path, expected) in [
            ("/a/b.PDF?x=1", Some("PDF")),
            ("/a.tar.gz", Some("gz")),
            ("/a.b/c", None),
            ("/.htaccess", None),
            ("/a.", None),
            ("/a.x-y", None),
            ("/?a=b.pdf", None),
            ("/version-1.12345678901234567", None),
        ] {
            assert_eq!(CrawlUrl::parse(&format!("http://h{path}")).unwrap().extension(), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn canonicalisation_is_idempotent(text in "https?://[a-zA-Z0-9.@:-]{1,20}/[ -~é]{0,40}") {
            if let Ok(url) = CrawlUrl::parse(&text) {
                prop_assert_eq!(CrawlUrl::parse(url.as_str()).unwrap(), url.clone());
                prop_assert_eq!(CrawlUrl::try_from(url.to_string()).unwrap(), url);
            }
        }

        #[test]
        fn a_text_put_together_on_an_origin_is_read_as_it_would_be_parsed(
            base in "https?://([a-z0-9.x-]{1,12}|([0-9]{1,3}\\.){3}[0-9]{1,3}|\\[::[0-9a-f]{1,3}\\]|xn--bcher-kva|é)(:[0-9]{0,5})?",
            rest in "(/|\\.evil/|:8/|@h/|)[ -~é]{0,16}",
        ) {
            if let Ok(base) = CrawlUrl::parse(&base) {
                let text = format!("{}{rest}", base.origin());
                prop_assert_eq!(CrawlUrl::on(&base.origin(), text.clone()), CrawlUrl::parse(&text), "{:?}", text);
            }
        }

        #[test]
        fn a_text_from_a_peer_is_read_as_it_would_be_parsed(text in "https?://([a-z0-9.x-]{1,12}|([0-9]{1,3}\\.){3}[0-9]{1,3})(:[0-9]{0,6}|:80|:443)?(/[ -~]{0,12})?") {
            prop_assert_eq!(CrawlUrl::try_from(text.clone()), CrawlUrl::parse(&text));
        }

        #[test]
        fn parts_agree_with_the_parser(host in "[a-z]{1,8}(\\.[a-z]{2,5})?", port in proptest::option::of(1u16..), rest in "[a-z/:?=]{0,12}") {
            let port = port.map(|p| format!(":{p}")).unwrap_or_default();
            let url = CrawlUrl::parse(&format!("http://{host}{port}/{rest}")).unwrap();
            let full = url.to_url();
            prop_assert_eq!(Some(url.host_str()), full.host_str());
            prop_assert_eq!(Some(url.port()), full.port_or_known_default());
            prop_assert_eq!(url.origin().to_string(), full.origin().ascii_serialization());
        }

        #[test]
        fn urls_that_differ_in_case_of_path_order_of_query_or_trailing_slash_have_different_keys(
            path in "[a-z]{1,10}", a in "[a-z]{1,4}", b in "[A-Z]{1,4}",
        ) {
            let key = |text: String| CrawlUrl::parse(&text).unwrap().dedup_key();
            prop_assert_ne!(key(format!("http://h/{path}")), key(format!("http://h/{}", path.to_uppercase())));
            prop_assert_ne!(key(format!("http://h/{path}")), key(format!("http://h/{path}/")));
            prop_assert_ne!(key(format!("http://h/?{a}=1&{b}=2")), key(format!("http://h/?{b}=2&{a}=1")));
            prop_assert_eq!(key(format!("http://h/{path}#{a}")), key(format!("http://H:80/{path}")));
        }
    }
}
