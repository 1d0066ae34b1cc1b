//! What a parser found, kept within the limits of an outcome.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::quality::RandomState;
use model::job::Honour;
use model::outcome::{MAX_ITEM_BYTES, MAX_LINK_BYTES, MAX_LINKS, WIRE_OVERHEAD, Wishes};
use model::{CrawlUrl, DedupKey, Item, ItemId, Link, Page, ParserRef, PayloadJson, UrlError};
use serde::Serialize;

use super::base::Base;
use super::{FetchedPage, ParseError};

/// Links and items of a page, in the order they were added.
///
/// A link is kept once per URL and parser. What exceeds the limits of an outcome, and links that cannot be crawled, are counted instead.
#[derive(Debug)]
pub struct Parsed {
    base: Base,
    url: CrawlUrl,
    key: DedupKey,
    page: Page,
    /// Links are known by their URL and the hash of their parser.
    seen: HashSet<(DedupKey, u64), RandomState>,
    /// The parser of the last link and its hash: mostly it is that of the next one too.
    parser: Option<(Arc<ParserRef>, u64)>,
    link_bytes: usize,
    most_link_bytes: usize,
    item_bytes: usize,
    ordinals: HashMap<String, usize>,
}

impl Parsed {
    /// Nothing found yet on this page.
    pub fn new(page: &FetchedPage<'_>) -> Parsed {
        Parsed::with_base(page, page.link_base().clone())
    }

    /// The same for a parser that has found the base address already.
    pub(crate) fn with_base(page: &FetchedPage<'_>, base: Base) -> Parsed {
        Parsed {
            base,
            url: page.url().clone(),
            key: page.key(),
            page: Page::default(),
            seen: HashSet::default(),
            parser: None,
            link_bytes: 0,
            most_link_bytes: MAX_LINK_BYTES,
            item_bytes: 0,
            ordinals: HashMap::new(),
        }
    }

    /// Follows a link as the page writes it, relative or absolute. Returns whether it is one that can be crawled; if not it is counted.
    pub fn follow(&mut self, href: &str, parser: &ParserRef) -> bool {
        match self.base.resolve(href) {
            Ok(url) => {
                self.follow_url(url, parser);
                true
            }
            Err(error) => {
                self.refuse(&error);
                false
            }
        }
    }

    /// The same with so much room for links, for a parser that finds nothing else.
    pub(crate) fn with_link_bytes(self, most_link_bytes: usize) -> Parsed {
        Parsed { most_link_bytes, ..self }
    }

    /// The address a link means, canonical.
    pub(crate) fn resolve(&self, href: &str) -> Result<CrawlUrl, UrlError> {
        self.base.resolve(href)
    }

    /// Follows an absolute address.
    pub fn follow_url(&mut self, url: CrawlUrl, parser: &ParserRef) {
        self.follow_listed(url, parser, 0, None);
    }

    /// Follows an absolute address of which a sitemap says how much it is wanted and when it was changed.
    pub(crate) fn follow_listed(&mut self, url: CrawlUrl, parser: &ParserRef, priority: i32, modified_ms: Option<u64>) {
        let key = url.dedup_key();
        let (parser, hash) = self.shared(parser);
        if !self.seen.insert((key, hash)) {
            return;
        }
        let args: usize = parser.args.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = WIRE_OVERHEAD + url.as_str().len() + parser.name.len() + args;
        if self.page.links.len() >= MAX_LINKS || self.link_bytes + bytes > self.most_link_bytes {
            self.page.cut.links += 1;
            return;
        }
        self.link_bytes += bytes;
        self.page.links.push(Link { url, key, parser, priority, modified_ms });
    }

    /// Makes room for about so many links.
    pub(crate) fn expect_links(&mut self, links: usize) {
        self.seen.reserve(links);
        self.page.links.reserve(links);
    }

    /// Counts a link that cannot be crawled.
    pub fn refuse(&mut self, error: &UrlError) {
        let cut = &mut self.page.cut;
        match error {
            UrlError::Malformed(_) => cut.malformed += 1,
            UrlError::Scheme(_) => cut.other_schemes += 1,
            UrlError::TooLong(_) => cut.long_urls += 1,
        }
    }

    /// Counts what should have been a link and is no URL.
    pub(crate) fn refuse_malformed(&mut self) {
        self.page.cut.malformed += 1;
    }

    /// Counts a link that itself says it is not to be followed.
    pub(crate) fn refuse_nofollow(&mut self) {
        self.page.cut.nofollow += 1;
    }

    /// Keeps an item of the page. Without an id of its own it gets one from the page's key, its type and how many of the type came before.
    ///
    /// # Errors
    /// [`ParseError::Failed`] when the payload has no JSON form.
    pub fn item(&mut self, item_type: &str, id: Option<ItemId>, payload: &impl Serialize) -> Result<(), ParseError> {
        self.item_at(self.url.clone(), item_type, id, payload)
    }

    /// Keeps an item that another address shows better than the page's.
    ///
    /// # Errors
    /// As [`Parsed::item`].
    pub fn item_at(&mut self, url: CrawlUrl, item_type: &str, id: Option<ItemId>, payload: &impl Serialize) -> Result<(), ParseError> {
        let payload = PayloadJson::of(payload).map_err(|error| ParseError::Failed(format!("an item of type {item_type:?}: {error}")))?;
        let ordinal = match self.ordinals.get_mut(item_type) {
            Some(count) => {
                *count += 1;
                *count - 1
            }
            None => {
                self.ordinals.insert(item_type.to_owned(), 1);
                0
            }
        };
        let id = id.unwrap_or_else(|| ItemId::derived(self.key, item_type, ordinal));
        let bytes = WIRE_OVERHEAD + url.as_str().len() + item_type.len() + id.as_str().len() + payload.as_str().len();
        if self.item_bytes + bytes > MAX_ITEM_BYTES {
            self.page.cut.items += 1;
            return Ok(());
        }
        self.item_bytes += bytes;
        self.page.items.push(Item { url, item_type: item_type.to_owned(), id, payload });
        Ok(())
    }

    /// Leaves out what the page does not wish to be followed or kept, as far as that is honoured, and counts it.
    pub(crate) fn heed(&mut self, wishes: Wishes, honour: Honour) {
        self.page.wishes = wishes;
        if wishes.nofollow && honour.nofollow {
            self.page.cut.nofollow += std::mem::take(&mut self.page.links).len() as u64;
        }
        if wishes.noindex && honour.noindex {
            self.page.cut.noindex += std::mem::take(&mut self.page.items).len() as u64;
        }
    }

    /// What is sent to the engine.
    pub fn into_page(self) -> Page {
        self.page
    }

    /// Whether there are as many links as are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.page.links.len() >= MAX_LINKS
    }

    /// Counts a link for which there is no room.
    pub(crate) fn cut_link(&mut self) {
        self.page.cut.links += 1;
    }

    /// Counts an item for which there is no room.
    pub(crate) fn cut_item(&mut self) {
        self.page.cut.items += 1;
    }

    /// How many items were left out for their size.
    pub(crate) fn cut_items(&self) -> u64 {
        self.page.cut.items
    }

    /// One copy of a parser for all links in a row that have it, with its hash.
    fn shared(&mut self, parser: &ParserRef) -> (Arc<ParserRef>, u64) {
        if let Some((last, hash)) = self.parser.as_ref().filter(|(last, _)| **last == *parser) {
            return (Arc::clone(last), *hash);
        }
        let mut hasher = self.seen.hasher().build_hasher();
        parser.name.hash(&mut hasher);
        parser.args.hash(&mut hasher);
        let shared = (Arc::new(parser.clone()), hasher.finish());
        self.parser = Some(shared.clone());
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use model::outcome::Cut;

    fn parsed_on(url: &str, work: impl FnOnce(&mut Parsed)) -> Page {
        let (url, headers) = (CrawlUrl::parse(url).unwrap(), HeaderMap::new());
        let mut parsed = Parsed::new(&FetchedPage::new(&url, 200, &headers, b"", ""));
        work(&mut parsed);
        parsed.into_page()
    }

    #[test]
    fn a_link_is_kept_once_per_url_and_parser() {
        let mut with_arg = ParserRef::named("p");
        with_arg.args.insert("a".into(), "b".into());
        let page = parsed_on("http://h/d/", |parsed| {
            for href in ["x", "./x", "x#y", "/d/x"] {
                parsed.follow(href, &ParserRef::named("p"));
            }
            parsed.follow("x", &ParserRef::named("q"));
            parsed.follow("x", &with_arg);
        });
        let links: Vec<(&str, &str)> = page.links.iter().map(|link| (link.url.as_str(), link.parser.name.as_str())).collect();
        assert_eq!(links, [("http://h/d/x", "p"), ("http://h/d/x", "q"), ("http://h/d/x", "p")]);
        assert!(page.cut.is_nothing());
    }

    #[test]
    fn what_cannot_be_sent_is_counted_by_reason() {
        let long = "x".repeat(9_000);
        let page = parsed_on("http://h/", |parsed| {
            for href in ["mailto:a@b", "javascript:1", "http://[bad/", &long] {
                assert!(!parsed.follow(href, &ParserRef::named("p")));
            }
            for n in 0..MAX_LINKS + 2 {
                parsed.follow(&format!("/{n}"), &ParserRef::named("p"));
            }
            parsed.item("t", None, &"x".repeat(MAX_ITEM_BYTES)).unwrap();
            parsed.item("t", None, &"y").unwrap();
        });
        assert_eq!(page.links.len(), MAX_LINKS);
        assert_eq!(page.cut, Cut { links: 2, items: 1, long_urls: 1, other_schemes: 2, malformed: 1, nofollow: 0, noindex: 0 });
        assert_eq!(page.items[0].id, ItemId::derived(CrawlUrl::parse("http://h/").unwrap().dedup_key(), "t", 1));
    }

    #[test]
    fn links_are_cut_by_bytes_too() {
        let page = parsed_on("http://h/", |parsed| {
            for n in 0..1_200 {
                parsed.follow(&format!("/{n}-{}", "x".repeat(8_000)), &ParserRef::named("p"));
            }
        });
        let bytes: usize = page.links.iter().map(|link| WIRE_OVERHEAD + link.url.as_str().len() + 1).sum();
        assert!(bytes <= MAX_LINK_BYTES && bytes > MAX_LINK_BYTES - 9_000);
        assert_eq!(page.links.len() as u64 + page.cut.links, 1_200);
    }
}
