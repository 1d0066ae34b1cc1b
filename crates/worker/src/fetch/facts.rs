//! What an answer shows before its body is read.

use std::time::SystemTime;

use http::header::{ETAG, HeaderName, LAST_MODIFIED, RETRY_AFTER, SET_COOKIE};
use model::job::Validators;
use model::outcome::FetchFacts;
use reqwest::Response;

use super::retry_after;

/// Most Set-Cookie headers that are passed on, and most bytes of each.
const MAX_SET_COOKIES: usize = 50;
const MAX_SET_COOKIE_BYTES: usize = 4 * 1024;

/// Most bytes of an ETag or a date that is passed on.
const MAX_VALIDATOR_BYTES: usize = 1024;

/// Writes down what the engine must know of an answer.
pub(super) fn note(response: &Response, facts: &mut FetchFacts) {
    facts.status = Some(response.status().as_u16());
    facts.remote = response.remote_addr();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    facts.retry_after_ms = retry_after.and_then(|value| retry_after::millis(value, SystemTime::now()));
    let cookies = response.headers().get_all(SET_COOKIE).iter();
    let texts = cookies.filter(|cookie| cookie.len() <= MAX_SET_COOKIE_BYTES).filter_map(|cookie| cookie.to_str().ok());
    facts.set_cookie = texts.take(MAX_SET_COOKIES).map(str::to_owned).collect();
    let validator = |name: HeaderName| {
        let value = response.headers().get(name).filter(|value| value.len() <= MAX_VALIDATOR_BYTES);
        value.and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let validators = Validators { etag: validator(ETAG), last_modified: validator(LAST_MODIFIED) };
    facts.validators = (validators != Validators::default()).then_some(validators);
}
