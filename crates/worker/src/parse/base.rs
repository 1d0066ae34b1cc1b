//! What a page's links are relative to.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};
use memchr::memchr;
use model::{CrawlUrl, UrlError};
use url::{ParseError, Url};

use super::relative::Folder;

/// The base address of a page, with the encoding its links are written in.
///
/// As the URL standard has it, a query is sent in the page's encoding (in UTF-8 for UTF-16), anything else of an address in UTF-8.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    url: Url,
    folder: Option<Folder>,
    encoding: &'static Encoding,
}

impl Base {
    /// The base that a page's own address and the `href` of its `base` element make.
    pub(crate) fn new(own: Url, named: Option<&str>, encoding: &'static Encoding) -> Base {
        let own = Base { folder: Folder::of(&own), url: own, encoding: encoding.output_encoding() };
        let named = named.and_then(|href| own.join(href).ok());
        // A base that nothing can be relative to, such as `data:`, is ignored, as the HTML standard says.
        match named.filter(|url| !url.cannot_be_a_base()) {
            Some(url) => Base { folder: Folder::of(&url), url, ..own },
            None => own,
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The address a link means, canonical.
    pub(crate) fn resolve(&self, href: &str) -> Result<CrawlUrl, UrlError> {
        if let Some(url) = self.folder.as_ref().and_then(|folder| folder.join(href)) {
            return Ok(url);
        }
        // As all links to a place on the same page are.
        if href.is_empty() {
            return CrawlUrl::from_url(self.url.clone());
        }
        let url = self.join(href).map_err(|error| UrlError::Malformed(error.to_string()))?;
        CrawlUrl::from_url(url)
    }

    fn join(&self, href: &str) -> Result<Url, ParseError> {
        if self.encoding == UTF_8 || href.is_ascii() {
            return self.url.join(href);
        }
        let encode: &dyn Fn(&str) -> Cow<'_, [u8]> = &|query| Cow::Owned(encoded(self.encoding, query));
        Url::options().base_url(Some(&self.url)).encoding_override(Some(encode)).parse(href)
    }
}

/// What of an address decides which page it means: all before the fragment, or the whole where that is not certainly the same.
pub(super) fn without_fragment(href: &str) -> &str {
    match memchr(b'#', href.as_bytes()) {
        // White space is left out at the end of an address; what stands before a fragment is not at its end.
        Some(at) if href.as_bytes()[..at].last().is_none_or(|last| *last > b' ') => &href[..at],
        Some(_) | None => href,
    }
}

/// A query's bytes. What the encoding has no bytes for becomes a character reference, with percent signs where it would mean something
/// in a query.
fn encoded(encoding: &'static Encoding, query: &str) -> Vec<u8> {
    let (bytes, _, unmappable) = encoding.encode(query);
    if !unmappable {
        return bytes.into_owned();
    }
    let mut all = Vec::with_capacity(query.len());
    for character in query.chars() {
        let mut buffer = [0; 4];
        match encoding.encode(character.encode_utf8(&mut buffer)) {
            (bytes, _, false) => all.extend_from_slice(&bytes),
            (_, _, true) => all.extend_from_slice(format!("%26%23{}%3B", u32::from(character)).as_bytes()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{GBK, UTF_16LE, WINDOWS_1252};
    use proptest::prelude::*;

    #[test]
    fn queries_are_sent_in_the_encoding_of_their_page() {
        let resolved = |encoding, href: &str| {
            let base = Base::new(Url::parse("http://h/d/").unwrap(), None, encoding);
            base.resolve(href).unwrap().to_string()
        };
        assert_eq!(resolved(GBK, "/中?q=中&x=a b"), "http://h/%E4%B8%AD?q=%D6%D0&x=a%20b");
        assert_eq!(resolved(WINDOWS_1252, "?q=é"), "http://h/d/?q=%E9");
        assert_eq!(resolved(WINDOWS_1252, "?q=é中"), "http://h/d/?q=%E9%26%2320013%3B");
        assert_eq!(resolved(UTF_16LE, "?q=é"), "http://h/d/?q=%C3%A9");
        assert_eq!(resolved(UTF_8, "?q=é"), "http://h/d/?q=%C3%A9");
        assert_eq!(resolved(GBK, "?q=%D6%D0"), "http://h/d/?q=%D6%D0");
    }

    #[test]
    fn a_base_is_relative_to_the_page_and_ignored_where_nothing_can_be_relative_to_it() {
        let base = |named| Base::new(Url::parse("http://h/d/p").unwrap(), named, UTF_8).url().to_string();
        assert_eq!([base(None), base(Some("/b/")), base(Some("data:x"))], ["http://h/d/p", "http://h/b/", "http://h/d/p"]);
    }

    proptest! {
        #[test]
        fn a_fragment_makes_no_other_page(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "#", "#", "a", "/", "\\", "?", ":", "@", "..", ".", " ", "\t", "\n", "\0", "\u{1f}", "%", "%41", "é", "中", "http:", "//", "h", "mailto:", "[", "&", "x=1", "\u{feff}",
            ]), 0..10),
            named in proptest::sample::select(vec![None, Some("/b/?q"), Some("https://x/y#z")]),
            encoding in proptest::sample::select(vec![UTF_8, GBK, WINDOWS_1252]),
        ) {
            let base = Base::new(Url::parse("http://h/d/p?q=1#f").unwrap(), named, encoding);
            let href = pieces.concat();
            prop_assert_eq!(base.resolve(without_fragment(&href)), base.resolve(&href), "{:?}", href);
        }
    }
}
