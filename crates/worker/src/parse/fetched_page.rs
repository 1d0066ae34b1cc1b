//! A page as parsers see it.

use std::cell::OnceCell;

use encoding_rs::{Encoding, UTF_8};
use http::HeaderMap;
use memchr::memchr_iter;
use model::job::Honour;
use model::outcome::Wishes;
use model::{CrawlUrl, DedupKey, UrlError};
use scraper::Html;
use url::Url;

use super::base::Base;
use super::scan::{self, Scan};
use super::{Allowance, ParseError, dom, wishes};

/// A page that was fetched and decoded. What takes work to know (its tree, its base address) is worked out when first asked for.
#[derive(Debug)]
pub struct FetchedPage<'a> {
    url: &'a CrawlUrl,
    key: DedupKey,
    status: u16,
    headers: &'a HeaderMap,
    bytes: &'a [u8],
    text: &'a str,
    encoding: &'static Encoding,
    allowance: Allowance,
    honour: Honour,
    scan: OnceCell<Result<Scan<'a>, ParseError>>,
    base: OnceCell<(Base, Result<(), ParseError>)>,
    html: OnceCell<Result<Html, ParseError>>,
}

impl<'a> FetchedPage<'a> {
    /// A page with its address, answer and text; `bytes` is the body before decoding. It is taken for
    /// UTF-8. The time it may be read begins: 5 s.
    pub fn new(url: &'a CrawlUrl, status: u16, headers: &'a HeaderMap, bytes: &'a [u8], text: &'a str) -> FetchedPage<'a> {
        FetchedPage {
            url,
            key: url.dedup_key(),
            status,
            headers,
            bytes,
            text,
            encoding: UTF_8,
            allowance: Allowance::default(),
            honour: Honour::default(),
            scan: OnceCell::new(),
            base: OnceCell::new(),
            html: OnceCell::new(),
        }
    }

    /// The same with the encoding it came in, in which the queries of its links are sent.
    pub fn with_encoding(self, encoding: &'static Encoding) -> FetchedPage<'a> {
        FetchedPage { encoding, ..self }
    }

    /// The same with the wishes that are honoured.
    pub(crate) fn with_honour(self, honour: Honour) -> FetchedPage<'a> {
        FetchedPage { honour, ..self }
    }

    /// The same with what reading it may cost.
    pub(crate) fn with_allowance(self, allowance: Allowance) -> FetchedPage<'a> {
        FetchedPage { allowance, ..self }
    }

    /// What reading it may still cost.
    pub(crate) fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// The same with the key of its request, where it is known.
    pub fn with_key(self, key: DedupKey) -> FetchedPage<'a> {
        FetchedPage { key, ..self }
    }

    /// The address it was fetched from.
    pub fn url(&self) -> &'a CrawlUrl {
        self.url
    }

    /// The key of its request, from which items without an id get theirs.
    pub fn key(&self) -> DedupKey {
        self.key
    }

    /// The HTTP status: 200 or 203.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first header of that name, if it is text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as it came, decompressed and not decoded.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The body as text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The encoding it came in.
    pub fn encoding(&self) -> &'static Encoding {
        self.encoding
    }

    /// The page as a tree.
    ///
    /// # Errors
    /// [`ParseError::TooComplex`] for a page deeper than 1,024 elements, with more than 300,000, with more than 1,000,000
    /// elements, attributes, comments and texts, or that takes longer than 5 s to read.
    pub fn html(&self) -> Result<&Html, ParseError> {
        self.html.get_or_init(|| dom::parse(self.text, &self.allowance)).as_ref().map_err(Clone::clone)
    }

    /// What relative addresses are relative to: the page's address, or its `<base href>`.
    pub fn base(&self) -> &Url {
        self.link_base().url()
    }

    pub(crate) fn link_base(&self) -> &Base {
        let (base, _) = self.base.get_or_init(|| {
            let is_to_be_read = self.scan.get().is_some() || mentions(self.text, b"base", |_| true);
            let scanned = if is_to_be_read { self.scan().map(Some) } else { Ok(None) };
            let (named, result) = match scanned {
                Ok(scan) => (scan.and_then(|scan| scan.base.as_deref()), Ok(())),
                Err(error) => (None, Err(error)),
            };
            (Base::new(self.url.to_url(), named, self.encoding), result)
        });
        base
    }

    /// What its tokens say of it; read once.
    pub(crate) fn scan(&self) -> Result<&Scan<'a>, ParseError> {
        self.scan.get_or_init(|| scan::scan(self.text, &self.allowance)).as_ref().map_err(Clone::clone)
    }

    /// Whether a link with this `rel` is followed.
    pub(crate) fn follows(&self, rel: Option<&str>) -> bool {
        !self.honour.rel_nofollow || !rel.is_some_and(says_nofollow)
    }

    /// What it wishes of the crawler with this product token, in its headers and, where it is HTML, in `meta` elements.
    ///
    /// # Errors
    /// [`ParseError::TooComplex`] for a page with such an element that could not be read to its end.
    pub(crate) fn wishes(&self, token: &str) -> Result<Wishes, ParseError> {
        let mut wishes = wishes::of_headers(self.headers, token);
        let is_wish = |four: &[u8]| [b"nofo", b"noin", b"none"].iter().any(|word| four.eq_ignore_ascii_case(*word));
        // A reference may stand for a letter, and a tag with a quotation mark left over goes on after its `>`.
        let hides = |tag: &str| tag.contains('&') || ['"', '\''].iter().any(|mark| tag.matches(*mark).count() % 2 == 1);
        let has_wish = |tag: &str| tag.as_bytes().windows(4).any(is_wish) || hides(tag);
        if self.scan.get().is_some() || mentions(self.text, b"meta", has_wish) {
            for (name, content) in &self.scan()?.wishes {
                wishes::add_meta(&mut wishes, name, content, token);
            }
        }
        Ok(wishes)
    }

    /// Whether the base address could be told. Asked once a parser is done: what it found with a wrong one is of no use.
    ///
    /// # Errors
    /// [`ParseError::TooComplex`] for a page with a `<base` that could not be read to its end.
    pub(crate) fn check_base(&self) -> Result<(), ParseError> {
        self.base.get().map_or(Ok(()), |(_, result)| result.clone())
    }

    /// The address a link means, canonical.
    ///
    /// # Errors
    /// [`UrlError`] for what is no URL, has a scheme that is not crawled or is too long.
    pub fn resolve(&self, href: &str) -> Result<CrawlUrl, UrlError> {
        self.link_base().resolve(href)
    }
}

/// How much of a tag is looked at before the page is read for it: it is one of a few short attributes.
const LONGEST_TAG: usize = 4 * 1024;

/// How many tags are looked at so; a page with more is read, under its allowance of time.
const MOST_TAGS: usize = 1_000;

/// Whether a tag of this name, of four letters, occurs that could be the one in question: a quick look before the page is read for it.
fn mentions(text: &str, name: &[u8; 4], is_it: impl Fn(&str) -> bool) -> bool {
    let is_named = |at: &usize| text.as_bytes().get(at + 1..at + 5).is_some_and(|found| found.eq_ignore_ascii_case(name));
    let named = memchr_iter(b'<', text.as_bytes()).filter(is_named);
    named.enumerate().any(|(looked_at, at)| {
        let end = text.floor_char_boundary(at + LONGEST_TAG);
        match text[at..end].split_once('>') {
            Some((tag, _)) => looked_at >= MOST_TAGS || is_it(tag),
            // Its end is not in sight, or there is none, and it is no tag.
            None => looked_at >= MOST_TAGS || end < text.len(),
        }
    })
}

/// Whether a `rel` attribute has the word `nofollow`.
pub(crate) fn says_nofollow(rel: &str) -> bool {
    rel.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("nofollow"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_for_wishes_only_where_a_tag_may_have_one() {
        let (url, headers) = (CrawlUrl::parse("http://h/").unwrap(), HeaderMap::new());
        for (text, read) in [
            ("<meta name=viewport content='user-scalable=no'><style>p { display: none }</style>", false),
            ("<p>noindex nofollow none", false),
            ("<META NAME=ROBOTS CONTENT=NOINDEX>", true),
            ("<!-- <meta name=robots content=none> -->", true),
            ("<meta name=viewport content='a > b' title='a>b'>", true),
            ("<meta name=a title=\"it's\" content=\"x\"> y > z", true),
            ("<meta name=a content='b&amp;c'>", true),
        ] {
            let page = FetchedPage::new(&url, 200, &headers, b"", text);
            let wishes = page.wishes("x").unwrap();
            assert_eq!((page.scan.get().is_some(), wishes.noindex), (read, text.starts_with("<META")), "{text}");
        }
    }

    #[test]
    fn a_wish_is_found_however_it_is_written() {
        let (url, headers) = (CrawlUrl::parse("http://h/").unwrap(), HeaderMap::new());
        let far = format!("<meta name=robots {}content=noindex>", " ".repeat(LONGEST_TAG));
        for text in ["<meta name=robots title='a>b' content=noindex>", "<meta name=robots content='no&#105;ndex'>", &far] {
            assert!(FetchedPage::new(&url, 200, &headers, b"", text).wishes("x").unwrap().noindex, "{text}");
        }
    }

    #[test]
    fn a_page_of_too_many_tags_for_a_look_is_read() {
        let is_read = |count| mentions(&"<meta>".repeat(count), b"meta", |_| false);
        assert_eq!([MOST_TAGS, MOST_TAGS + 1].map(is_read), [false, true]);
        let long = |spaces| mentions(&format!("<meta{}x>", " ".repeat(spaces)), b"meta", |_| false);
        assert_eq!([100, LONGEST_TAG].map(long), [false, true], "nor is one whose end is not in sight");
    }

    #[test]
    fn a_page_whose_base_cannot_be_told_is_said_to_be_too_complex() {
        let (url, headers) = (CrawlUrl::parse("http://h/").unwrap(), HeaderMap::new());
        let page = |text| FetchedPage::new(&url, 200, &headers, b"", text).with_allowance(Allowance::spent());
        let (with, without) = (page("<base href=/b/>"), page("<p>"));
        assert_eq!((with.base().as_str(), without.base().as_str()), ("http://h/", "http://h/"));
        assert!(matches!(with.check_base(), Err(ParseError::TooComplex(_))));
        assert_eq!(without.check_base(), Ok(()));
    }
}
