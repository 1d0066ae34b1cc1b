//! What a peer writes of each page: a line of JSON as the judge reads it.

use serde::Serialize;
use url::Url;

/// A page as it is judged.
#[derive(Serialize)]
pub struct Page {
    r#type: &'static str,
    url: String,
    payload: Payload,
}

/// What is known of a page; nothing of a fact that was not looked for.
#[derive(Serialize)]
struct Payload {
    title: Option<String>,
    links: Option<usize>,
    bytes: usize,
}

impl Page {
    /// A page that was parsed.
    pub fn parsed(url: &str, title: &str, links: usize, bytes: usize) -> Self {
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { r#type: "page", url: url.into(), payload: Payload { title: Some(title), links: Some(links), bytes } }
    }

    /// A page that was fetched and not looked at.
    pub fn fetched(url: &str, bytes: usize) -> Self {
        Self { r#type: "page", url: url.into(), payload: Payload { title: None, links: None, bytes } }
    }
}

/// The web address a link means, without fragment; nothing for mail, scripts and the like.
pub fn link(base: &Url, href: &str) -> Option<Url> {
    let mut url = base.join(href).ok()?;
    url.set_fragment(None);
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}
