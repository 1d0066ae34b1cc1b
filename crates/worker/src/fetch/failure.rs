//! From what went wrong with a connection to a code and a retry class.

use std::error::Error;
use std::io;

use model::error::{RetryClass, WireError};

use super::resolver::ResolveError;

/// An address that this worker does not connect to.
pub(crate) fn forbidden_address(detail: impl Into<String>) -> WireError {
    WireError::new("forbidden address", RetryClass::Skip, detail)
}

pub(crate) fn fetch_timeout(millis: u64) -> WireError {
    WireError::new("fetch timeout", RetryClass::Attempt, format!("not complete after {millis} ms"))
}

pub(crate) fn body_too_large(limit: u64) -> WireError {
    WireError::new("body too large", RetryClass::Skip, format!("more than {limit} bytes"))
}

/// How the HTTP client words a 407 in answer to CONNECT; the type of that error is not public.
const PROXY_AUTHENTICATION: &str = "tunnel error: proxy authorization required";

/// What stopped a request before its answer.
///
/// Trouble with making a connection is the origin's. A connection that was made and then lost may be the fault of this one page, as when
/// a script behind it crashes, so it costs the URL an attempt. Through a proxy nobody here can tell whose trouble it was, the proxy's or the
/// origin's, unless the proxy itself could not be reached.
pub(crate) fn of_request(error: &reqwest::Error, proxied: bool) -> WireError {
    let chain = causes(error);
    let detail = detail(&chain);
    if let Some(resolve) = find::<ResolveError>(&chain) {
        return match resolve {
            ResolveError::Forbidden { .. } => forbidden_address(resolve.to_string()),
            ResolveError::Unknown { .. } => WireError::new("dns error", RetryClass::Origin, resolve.to_string()),
        };
    }
    if error.is_builder() {
        return WireError::new("not a request", RetryClass::Skip, detail);
    }
    if error.is_connect() {
        let io = || chain.iter().filter_map(|cause| cause.downcast_ref::<io::Error>());
        let is = |kind| io().any(|error| error.kind() == kind);
        let code = if is(io::ErrorKind::ConnectionRefused) {
            "connection refused"
        } else if is(io::ErrorKind::HostUnreachable) || is(io::ErrorKind::NetworkUnreachable) {
            "host unreachable"
        } else if error.is_timeout() {
            "connect timeout"
        } else if proxied && chain.iter().any(|cause| cause.to_string() == PROXY_AUTHENTICATION) {
            "proxy authentication"
        } else if proxied {
            "proxy error"
        } else if is_https(error) && (is(io::ErrorKind::ConnectionReset) || io().all(|error| error.raw_os_error().is_none())) {
            // The system made the connection, so what failed over it is the handshake.
            "tls error"
        } else {
            "connect error"
        };
        return WireError::new(code, RetryClass::Origin, detail);
    }
    let hyper = find::<hyper::Error>(&chain);
    if error.is_timeout() {
        WireError::new("fetch timeout", RetryClass::Attempt, detail)
    } else if hyper.is_some_and(hyper::Error::is_parse) {
        WireError::new("invalid response", RetryClass::Attempt, detail)
    } else {
        WireError::new("connection reset", RetryClass::Attempt, detail)
    }
}

/// What stopped a body before its end: the connection, or bytes that are not in the encoding the server named.
pub(crate) fn of_body(error: &reqwest::Error) -> WireError {
    let chain = causes(error);
    let code = if find::<hyper::Error>(&chain).is_some() { "incomplete body" } else { "bad encoding" };
    WireError::new(code, RetryClass::Attempt, detail(&chain))
}

fn is_https(error: &reqwest::Error) -> bool {
    error.url().is_some_and(|url| url.scheme() == "https")
}

/// An error and all that caused it. An `io::Error` hides what it was made from behind its own `source`, so that is looked into.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    let mut chain = vec![error];
    while let Some(last) = chain.last().copied() {
        let inner = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as &(dyn Error + 'static));
        match inner.or_else(|| last.source()) {
            Some(cause) => chain.push(cause),
            None => break,
        }
    }
    chain
}

fn find<'e, E: Error + 'static>(chain: &[&'e (dyn Error + 'static)]) -> Option<&'e E> {
    chain.iter().find_map(|cause| cause.downcast_ref::<E>())
}

/// The innermost cause, which is the only one that says something the code does not.
fn detail(chain: &[&(dyn Error + 'static)]) -> String {
    chain.last().map(|cause| cause.to_string()).unwrap_or_default()
}
