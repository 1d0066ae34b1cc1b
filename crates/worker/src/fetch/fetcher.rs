//! One fetch.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE, USER_AGENT};
use ipnet::IpNet;
use model::error::{RetryClass, WireError};
use model::outcome::FetchFacts;
use model::{CrawlUrl, Job, Redirect};
use reqwest::Response;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::address::Reach;
use super::body::{Limits, NoBody, Read, read};
use super::budget::{ByteBudget, Share};
use super::clients::{Clients, NoClient};
use super::failure;
use super::retry_after;
use super::status::{Meaning, meaning};
use crate::decode::ContentType;

/// Most Set-Cookie headers that are passed on, and most bytes of each.
const MAX_SET_COOKIES: usize = 50;
const MAX_SET_COOKIE_BYTES: usize = 4 * 1024;

/// Longest media type that is named in a code, and most bytes of another that are passed on.
const MAX_TYPE_BYTES: usize = 64;
const MAX_TYPE_DETAIL_BYTES: usize = 200;

const ACCEPTED: HeaderValue = HeaderValue::from_static("text/html,application/xhtml+xml,*/*;q=0.1");

/// Fetches pages. Keeps connections, and nothing else, between two fetches.
pub(crate) struct Fetcher {
    clients: Clients,
    budget: Arc<ByteBudget>,
}

/// A page's body with what is needed to read it.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// 200 or 203.
    pub(crate) status: u16,
    /// The answer's headers.
    pub(crate) headers: HeaderMap,
    /// What the Content-Type header says, or HTML where there is none and the body begins like it.
    pub(crate) content_type: ContentType,
    /// The body, decompressed.
    pub(crate) body: Bytes,
    /// Holds the body's place in the worker's memory budget.
    _share: Share,
}

/// How a fetch ended without a body.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The server names another address.
    Redirect(Redirect),
    /// It failed.
    Failed(WireError),
}

impl Fetcher {
    /// A fetcher that never connects to these networks and keeps about so many bytes of bodies at a time.
    pub(crate) fn new(denied: Vec<IpNet>, body_bytes: u64) -> Fetcher {
        Fetcher { clients: Clients::new(denied), budget: ByteBudget::new(body_bytes) }
    }

    /// Fetches a job's page. `reads` tells which media types are worth reading. What is learnt on the way is written to `facts`, however
    /// it ends.
    ///
    /// # Errors
    /// [`Ended`] for everything that is no page. Nothing is followed.
    pub(crate) async fn fetch(&self, job: &Job, reads: impl Fn(&str) -> bool, facts: &mut FetchFacts) -> Result<Fetched, Ended> {
        let begun = Instant::now();
        let result = self.run(job, reads, begun, facts).await;
        facts.millis = begun.elapsed().as_millis() as u64;
        facts.fetched_at_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        result
    }

    async fn run(&self, job: &Job, reads: impl Fn(&str) -> bool, begun: Instant, facts: &mut FetchFacts) -> Result<Fetched, Ended> {
        let reach = Reach::of(&job.url, &job.fetch.allow_net);
        let timeout = job.fetch.fetch_timeout();
        let deadline = begun + timeout;
        let request = self.request(job, &reach).map_err(Ended::Failed)?;
        let mut response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Ended::Failed(failure::of_request(&error))),
            Err(_) => return Err(Ended::Failed(failure::fetch_timeout(job.fetch.fetch_timeout_ms))),
        };
        note(&response, facts);
        self.check_remote(response.remote_addr(), &reach).map_err(Ended::Failed)?;
        let status = response.status().as_u16();
        match meaning(status) {
            Meaning::Page => {}
            Meaning::Redirect => return Err(redirect(&job.url, response.headers())),
            Meaning::Failed(class) => {
                return Err(Ended::Failed(WireError::new(format!("wrong status code: {status}"), class, "")));
            }
        }
        let declared = response.headers().get(CONTENT_TYPE).map(|value| ContentType::parse(&String::from_utf8_lossy(value.as_bytes())));
        let declared = declared.filter(|declared| !declared.essence().is_empty());
        match &declared {
            Some(declared) if !reads(declared.essence()) => return Err(unwanted(declared.essence())),
            None if !reads("text/html") => return Err(unwanted("none")),
            Some(_) | None => {}
        }
        if response.content_length().is_some_and(|length| length > job.fetch.max_body_bytes) {
            return Err(Ended::Failed(failure::body_too_large(job.fetch.max_body_bytes)));
        }
        let share = self.budget.share();
        let mut limits = Limits { bytes: job.fetch.max_body_bytes, deadline, timeout, sniff: declared.is_none() };
        let Read { read: bytes, body } = read(&mut response, &mut limits, &share).await;
        facts.bytes = bytes;
        match body {
            Ok(body) => {
                let headers = std::mem::take(response.headers_mut());
                let content_type = declared.unwrap_or_else(|| ContentType::parse("text/html"));
                Ok(Fetched { status, headers, content_type, body, _share: share })
            }
            Err(NoBody::NotHtml) => Err(unwanted("none")),
            Err(NoBody::Failed(error)) => Err(Ended::Failed(error)),
        }
    }

    fn request(&self, job: &Job, reach: &Reach) -> Result<reqwest::RequestBuilder, WireError> {
        let url = job.url.to_url();
        let client = self.clients.get(&url, reach, job.fetch.connect_timeout()).map_err(|error| match error {
            NoClient::Forbidden(address) => failure::forbidden_address(format!("{address} is not a public address")),
            NoClient::Setup(error) => WireError::new("tls error", RetryClass::Peer, error.to_string()),
        })?;
        Ok(client.get(url).headers(headers(job)?))
    }

    /// A second look at the address, for the case that a connection came about in a way the clients do not foresee.
    fn check_remote(&self, remote: Option<SocketAddr>, reach: &Reach) -> Result<(), WireError> {
        match remote {
            Some(remote) if !self.clients.admits(reach, remote.ip()) => {
                Err(failure::forbidden_address(format!("{} is not a public address", remote.ip())))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn headers(job: &Job) -> Result<HeaderMap, WireError> {
    let invalid = |name: &str| WireError::new("invalid header", RetryClass::Dead, format!("{name} cannot be sent"));
    let value = |name: &str, value: &str| HeaderValue::from_str(value).map_err(|_| invalid(name));
    let mut headers = HeaderMap::with_capacity(4 + job.fetch.headers.len());
    headers.insert(ACCEPT, ACCEPTED);
    headers.insert(USER_AGENT, value("User-Agent", &job.fetch.user_agent)?);
    for (name, text) in &job.fetch.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(name))?;
        headers.insert(parsed, value(name, text)?);
    }
    if let Some(cookie) = &job.cookie {
        headers.insert(COOKIE, value("Cookie", cookie)?);
    }
    Ok(headers)
}

fn note(response: &Response, facts: &mut FetchFacts) {
    facts.status = Some(response.status().as_u16());
    facts.remote = response.remote_addr();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    facts.retry_after_ms = retry_after.and_then(|value| retry_after::millis(value, SystemTime::now()));
    let cookies = response.headers().get_all(SET_COOKIE).iter();
    let texts = cookies.filter(|cookie| cookie.len() <= MAX_SET_COOKIE_BYTES).filter_map(|cookie| cookie.to_str().ok());
    facts.set_cookie = texts.take(MAX_SET_COOKIES).map(str::to_owned).collect();
}

/// The target of a redirect. Without one that can be crawled the page leads nowhere, now as the next time.
fn redirect(url: &CrawlUrl, headers: &HeaderMap) -> Ended {
    let bad = |detail: String| Ended::Failed(WireError::new("bad redirect", RetryClass::Skip, detail));
    let Some(location) = headers.get(LOCATION) else { return bad("no Location".to_owned()) };
    let text = location_text(location.as_bytes());
    let target = Url::options().base_url(Some(&url.to_url())).parse(&text);
    match target.map_err(|error| error.to_string()).and_then(|target| CrawlUrl::from_url(target).map_err(|error| error.to_string())) {
        Ok(target) => Ended::Redirect(Redirect { key: target.dedup_key(), target }),
        Err(error) => bad(format!("{text:?}: {error}")),
    }
}

/// The text of a Location header. Bytes that are no UTF-8 are sent back as they came, percent-encoded.
fn location_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let encode = |byte: &u8| if byte.is_ascii() { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
            Cow::Owned(bytes.iter().map(encode).collect())
        }
    }
}

/// Codes are counted by name, so only what is a type's name becomes part of one; what else a server says is the detail.
fn unwanted(essence: &str) -> Ended {
    let (code, detail) = match essence {
        "none" => ("none", ""),
        essence if is_media_type(essence) => (essence, ""),
        other => ("other", &other[..other.floor_char_boundary(MAX_TYPE_DETAIL_BYTES)]),
    };
    Ended::Failed(WireError::new(format!("unwanted type: {code}"), RetryClass::Skip, detail))
}

/// Whether this is `token/token` as HTTP has it, and of ordinary length.
fn is_media_type(essence: &str) -> bool {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    essence.len() <= MAX_TYPE_BYTES && essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_that_is_no_utf_8_is_followed_byte_for_byte() {
        let target = |location: &[u8]| {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_bytes(location).unwrap())]);
            match redirect(&CrawlUrl::parse("http://h/d/").unwrap(), &headers) {
                Ended::Redirect(redirect) => redirect.target.to_string(),
                Ended::Failed(error) => error.to_string(),
            }
        };
        assert_eq!(target(b"\xd6\xd0?q=\xd6\xd0%20"), "http://h/d/%D6%D0?q=%D6%D0%20");
        assert_eq!(target("é?q=é".as_bytes()), "http://h/d/%C3%A9?q=%C3%A9");
    }

    #[test]
    fn only_a_types_name_becomes_part_of_a_code() {
        let told = |essence: &str| match unwanted(essence) {
            Ended::Failed(error) => (error.code, error.detail),
            Ended::Redirect(_) => panic!("a redirect"),
        };
        let named = |code: &str| (format!("unwanted type: {code}"), String::new());
        let other = |detail: &str| ("unwanted type: other".to_owned(), detail.to_owned());
        assert_eq!(told("image/svg+xml"), named("image/svg+xml"));
        assert_eq!(told("none"), named("none"));
        let longest = format!("a/{}", "x".repeat(62));
        assert_eq!(told(&longest), named(&longest));
        for strange in ["pdf", "a/", "/b", "a/b/c", "a b/c", "a/é", &format!("{longest}x")] {
            assert_eq!(told(strange), other(strange));
        }
        assert_eq!(told(&"é".repeat(200)), other(&"é".repeat(100)));
        assert_eq!(told(&format!("x{}", "é".repeat(200))), other(&format!("x{}", "é".repeat(99))));
    }
}
