//! Where a redirect leads.

use std::borrow::Cow;

use http::header::{HeaderMap, LOCATION};
use model::error::{RetryClass, WireError};
use model::url::without_credentials;
use model::{CrawlUrl, Redirect};
use url::Url;

use super::fetcher::Ended;

/// The target of a redirect. Without one that can be crawled the page leads nowhere, now as the next time.
pub(super) fn redirect(url: &CrawlUrl, headers: &HeaderMap) -> Ended {
    let bad = |detail: String| Ended::Failed(WireError::new("bad redirect", RetryClass::Skip, detail));
    let Some(location) = headers.get(LOCATION) else { return bad("no Location".to_owned()) };
    let text = location_text(location.as_bytes());
    let target = Url::options().base_url(Some(&url.to_url())).parse(&text);
    match target.map_err(|error| error.to_string()).and_then(|target| CrawlUrl::from_url(target).map_err(|error| error.to_string())) {
        Ok(target) => Ended::Redirect(Redirect { key: target.dedup_key(), target }),
        Err(error) => bad(format!("{:?}: {error}", without_credentials(&text))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

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
}
