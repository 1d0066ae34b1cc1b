//! What is sent with a request.

use http::header::{ACCEPT, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, USER_AGENT};
use model::Job;
use model::error::{RetryClass, WireError};
use model::job::Validators;

/// The headers of a job, but for its authentication.
///
/// # Errors
/// `invalid header` for a text that no header can have.
pub(super) fn headers(job: &Job, accepted: &'static str) -> Result<HeaderMap, WireError> {
    let invalid = |name: &str| WireError::new("invalid header", RetryClass::Dead, format!("{name} cannot be sent"));
    let value = |name: &str, value: &str| HeaderValue::from_str(value).map_err(|_| invalid(name));
    let mut headers = HeaderMap::with_capacity(6 + job.fetch.headers.len());
    headers.insert(ACCEPT, HeaderValue::from_static(accepted));
    headers.insert(USER_AGENT, value("User-Agent", &job.fetch.user_agent)?);
    for (name, text) in &job.fetch.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(name))?;
        headers.insert(parsed, value(name, text)?);
    }
    if job.fetch.auth.is_some() {
        // What is meant for this host alone comes before what is sent to all.
        headers.remove(AUTHORIZATION);
    }
    if let Some(cookie) = &job.cookie {
        headers.insert(COOKIE, value("Cookie", cookie)?);
    }
    if let Some(Validators { etag, last_modified }) = &job.validators {
        if let Some(etag) = etag {
            headers.insert(IF_NONE_MATCH, value("If-None-Match", etag)?);
        }
        if let Some(last_modified) = last_modified {
            headers.insert(IF_MODIFIED_SINCE, value("If-Modified-Since", last_modified)?);
        }
    }
    Ok(headers)
}
