//! Answers that depend on what a client knows already, or on who it is.

use super::known_page;
use crate::reply::{Answer, Reply};
use crate::request::Request;

const ETAG: &str = "\"known-1\"";
const LAST_MODIFIED: &str = "Fri, 02 Jan 2026 03:04:05 GMT";
/// `someone` and `secret`.
const AUTHORIZATION: &str = "Basic c29tZW9uZTpzZWNyZXQ=";

pub(super) fn etag(request: &Request) -> Answer {
    let known = request.header("if-none-match") == Some(ETAG) || request.header("if-modified-since") == Some(LAST_MODIFIED);
    let reply = if known { Reply { status: 304, ..Reply::text(304, "") } } else { Reply::html(known_page()) };
    Answer::Reply(reply.with("ETag", ETAG).with("Last-Modified", LAST_MODIFIED))
}

pub(super) fn basic_auth(request: &Request) -> Answer {
    Answer::Reply(if request.header("authorization") == Some(AUTHORIZATION) {
        Reply::html(known_page())
    } else {
        Reply::text(401, "who are you?").with("WWW-Authenticate", "Basic realm=\"practice\"")
    })
}
