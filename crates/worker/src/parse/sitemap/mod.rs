//! The built-in parser `sitemap`: the pages that a site lists.

mod date;
mod text;
mod xml;

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use model::outcome::{MAX_ITEM_BYTES, MAX_LINK_BYTES};
use model::parser::{PAGE_PARSER, SITEMAP_PARSER};
use model::{Args, CrawlUrl, ParserRef};

use super::{Allowance, FetchedPage, Parse, ParseError, Parsed};

/// Reads sitemaps: XML with its index files, text files, RSS and Atom feeds, each also as a gzip file, whatever type they are sent with.
///
/// The pages named, and their alternates in other languages, are links with the parser that the argument `parser` names (`page` without
/// one); all other arguments are for that parser. The sitemaps that an index names are links with this parser and the same arguments. A
/// `priority` of 0 to 1 makes a link's priority -5 to 5, a `lastmod` is passed on. There are no items.
///
/// An entry at a time is in memory beside the links. Read are 50 MiB, decompressed; of links as many as an outcome holds, and the rest is
/// counted. What is no sitemap has no links and is counted as one that is no URL; so is the end of one that is cut off.
pub(crate) struct SitemapParser;

/// Most bytes that are read, decompressed: what the protocol allows a sitemap to have.
const MAX_BYTES: u64 = 50 * 1024 * 1024;

impl Parse for SitemapParser {
    fn parse(&self, page: &FetchedPage<'_>, args: &Args) -> Result<Parsed, ParseError> {
        let mut links = Links::new(page, args);
        let bytes = page.bytes();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            // A member after the other, as gzip allows.
            read(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(bytes).take(MAX_BYTES)), page, &mut links)?;
        } else {
            read(bytes.take(MAX_BYTES), page, &mut links)?;
        }
        Ok(links.parsed)
    }

    fn reads(&self, media_type: &str) -> bool {
        !["image/", "video/", "audio/", "font/"].iter().any(|kind| media_type.starts_with(kind))
    }

    fn reads_text(&self) -> bool {
        false
    }

    fn max_body_bytes(&self, of_a_page: u64) -> u64 {
        of_a_page.max(MAX_BYTES)
    }
}

fn read(mut bytes: impl BufRead, page: &FetchedPage<'_>, links: &mut Links) -> Result<(), ParseError> {
    let is_xml = loop {
        // What cannot be decompressed is no sitemap.
        let Ok(ahead) = bytes.fill_buf() else {
            links.malformed();
            return Ok(());
        };
        let ahead_bytes = ahead.len();
        let mark = if ahead.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        match ahead[mark..].iter().position(|b| !b.is_ascii_whitespace()) {
            Some(at) => break ahead[mark + at] == b'<',
            None if ahead_bytes == 0 => return Ok(()),
            None => bytes.consume(ahead_bytes),
        }
    };
    if is_xml { xml::read(bytes, page.allowance(), links) } else { text::read(bytes, page.allowance(), links) }
}

/// What is found, as links.
struct Links {
    parsed: Parsed,
    of_pages: ParserRef,
    of_sitemaps: ParserRef,
    /// Steps until the clock is looked at again.
    unwatched: u32,
}

/// Lines or elements between two looks at the clock, which costs more than to read one.
const UNWATCHED: u32 = 256;

/// One entry of a sitemap.
#[derive(Debug, Default, PartialEq)]
struct Entry {
    /// The page's address, and those of its alternates.
    addresses: Vec<String>,
    priority: Option<f32>,
    modified_ms: Option<u64>,
}

/// Most alternates of one entry that are looked at; more are counted.
const MAX_ALTERNATES: usize = 1_000;

impl Links {
    fn new(page: &FetchedPage<'_>, args: &Args) -> Links {
        let mut of_pages = ParserRef { name: PAGE_PARSER.to_owned(), args: args.clone() };
        if let Some(name) = of_pages.args.remove("parser") {
            of_pages.name = name;
        }
        let of_sitemaps = ParserRef { name: SITEMAP_PARSER.to_owned(), args: args.clone() };
        // No items, so their room is free for links: 50,000 addresses of 200 bytes do not fit otherwise.
        let parsed = Parsed::new(page).with_link_bytes(MAX_LINK_BYTES + MAX_ITEM_BYTES);
        Links { parsed, of_pages, of_sitemaps, unwatched: UNWATCHED }
    }

    /// Asked at every step, whether there is to be another.
    fn go_on(&mut self, allowance: &Allowance) -> Result<(), ParseError> {
        self.unwatched -= 1;
        if self.unwatched == 0 {
            self.unwatched = UNWATCHED;
            allowance.check()?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) {
        let priority = entry.priority.map_or(0, |priority| ((priority.clamp(0.0, 1.0) - 0.5) * 10.0).round() as i32);
        for address in &entry.addresses {
            if self.parsed.is_full() {
                // What does not fit need not be understood to be counted.
                self.parsed.cut_link();
                continue;
            }
            // A sitemap's addresses are absolute; one that is not means what it would on a page.
            match self.parsed.resolve(address.trim()) {
                Ok(url) => self.parsed.follow_listed(url, &self.of_pages, priority, entry.modified_ms),
                Err(error) => self.parsed.refuse(&error),
            }
        }
    }

    fn sitemap(&mut self, address: &str) {
        match self.parsed.resolve(address.trim()) {
            Ok(url) => self.parsed.follow_url(CrawlUrl::clone(&url), &self.of_sitemaps),
            Err(error) => self.parsed.refuse(&error),
        }
    }

    fn malformed(&mut self) {
        self.parsed.refuse_malformed();
    }

    fn cut(&mut self) {
        self.parsed.cut_link();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderMap;
    use model::Page;
    use proptest::prelude::*;
    use std::io::Write;

    fn parse(body: &[u8], args: &[(&str, &str)]) -> Page {
        let (url, headers) = (CrawlUrl::parse("http://h/sitemap.xml").unwrap(), HeaderMap::new());
        let args = args.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        SitemapParser.parse(&FetchedPage::new(&url, 200, &headers, body, ""), &args).unwrap().into_page()
    }

    fn urls(page: &Page) -> Vec<&str> {
        page.links.iter().map(|link| link.url.as_str()).collect()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const PLAIN: &str = "<?xml version='1.0'?>\n<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' \
        xmlns:xhtml='http://www.w3.org/1999/xhtml' xmlns:image='http://www.google.com/schemas/sitemap-image/1.1'>\
        <url><loc> http://h/a?x=1&amp;y=2 </loc><lastmod>2026-01-02</lastmod><priority>1.0</priority>\
        <image:image><image:loc>http://h/a.png</image:loc></image:image></url>\
        <!-- <url><loc>http://h/no</loc></url> -->\
        <url><loc><![CDATA[http://h/b]]></loc><priority>0.1</priority>\
        <xhtml:link rel='alternate' hreflang='de' href='http://h/de/b'/><xhtml:link rel='other' href='http://h/other'/></url>\
        <url><loc>mailto:x@h</loc></url><url><loc>http://[bad/</loc></url><url><priority>0.5</priority></url>\
        <url><loc>/relative</loc></url></urlset>";

    #[test]
    fn entries_are_links_with_priority_and_date() {
        let page = parse(PLAIN.as_bytes(), &[]);
        assert_eq!(urls(&page), ["http://h/a?x=1&y=2", "http://h/b", "http://h/de/b", "http://h/relative"]);
        let told: Vec<_> = page.links.iter().map(|link| (link.priority, link.modified_ms, link.parser.name.as_str())).collect();
        assert_eq!(told, [(5, Some(1_767_312_000_000), "page"), (-4, None, "page"), (-4, None, "page"), (0, None, "page")]);
        assert_eq!((page.cut.other_schemes, page.cut.malformed, page.items.len()), (1, 1, 0));
        assert_eq!(parse(&gzipped(PLAIN.as_bytes()), &[]).links, page.links);
        let two_members = [gzipped(&PLAIN.as_bytes()[..100]), gzipped(&PLAIN.as_bytes()[100..])].concat();
        assert_eq!(parse(&two_members, &[]).links, page.links);
        assert_eq!(parse(format!("\u{feff} \n{PLAIN}").as_bytes(), &[]).links, page.links);
    }

    #[test]
    fn an_index_leads_to_sitemaps_and_arguments_go_along() {
        let index = "<sitemapindex><sitemap><loc>http://h/1.xml</loc><lastmod>2026</lastmod></sitemap><sitemap><loc>http://h/2.xml.gz</loc>\
            </sitemap></sitemapindex>";
        let args = [("parser", "article"), ("lang", "en")];
        let page = parse(index.as_bytes(), &args);
        assert_eq!(urls(&page), ["http://h/1.xml", "http://h/2.xml.gz"]);
        let again = page.links[0].parser.clone();
        assert_eq!((again.name.as_str(), again.args.len()), ("sitemap", 2));
        let pages = parse(PLAIN.as_bytes(), &args);
        let parser = &pages.links[0].parser;
        assert_eq!((parser.name.as_str(), parser.args.get("lang").map(String::as_str), parser.args.len()), ("article", Some("en"), 1));
    }

    #[test]
    fn feeds_and_text_files_are_sitemaps_too() {
        let rss = "<rss><channel><link>http://h/channel</link><item><link>http://h/1</link><pubDate>Fri, 02 Jan 2026 00:00:00 GMT</pubDate></item>\
            <item><guid>http://h/2</guid></item><item><guid isPermaLink='false'>3</guid></item></channel></rss>";
        let page = parse(rss.as_bytes(), &[]);
        assert_eq!((urls(&page), page.links[0].modified_ms), (vec!["http://h/1", "http://h/2"], Some(1_767_312_000_000)));
        let atom = "<feed xmlns='http://www.w3.org/2005/Atom'><link href='http://h/feed'/><entry><link rel='edit' href='http://h/no'/>\
            <link href='http://h/1'/><updated>2026-01-02T01:00:00+01:00</updated></entry></feed>";
        let page = parse(atom.as_bytes(), &[]);
        assert_eq!((urls(&page), page.links[0].modified_ms), (vec!["http://h/1"], Some(1_767_312_000_000)));
        let text = parse(b"\xef\xbb\xbfhttp://h/1\r\n\r\n http://h/2 \rhttp://h/1\nhttp://[bad/\n", &[]);
        assert_eq!((urls(&text), text.cut.malformed), (vec!["http://h/1", "http://h/2"], 1));
    }

    #[test]
    fn what_is_broken_or_no_sitemap_ends_without_failing() {
        for (body, expected, malformed) in [
            ("<urlset><url><loc>http://h/1</loc></url><url><loc>http://h/2</l", vec!["http://h/1"], 1),
            ("<urlset><url><loc>http://h/1</loc></url></wrong><url><loc>http://h/2</loc></url>", vec!["http://h/1", "http://h/2"], 0),
            ("<html><a href=http://h/1>x</a>", vec![], 1),
            ("<urlset></urlset>", vec![], 0),
            ("", vec![], 0),
            ("<", vec![], 1),
        ] {
            let page = parse(body.as_bytes(), &[]);
            assert_eq!((urls(&page), page.cut.malformed), (expected, malformed), "{body}");
        }
        let mut damaged = gzipped(PLAIN.repeat(100).as_bytes());
        let middle = damaged.len() / 2;
        damaged[middle..].fill(0xff);
        assert!(parse(&damaged, &[]).cut.malformed > 0);
    }

    #[test]
    fn fifty_thousand_long_addresses_fit_and_the_rest_is_counted() {
        let entry = |n: usize| format!("<url><loc>http://h/{}/{n}</loc></url>\n", "x".repeat(150));
        let body: String = (0..50_003).map(entry).collect();
        let page = parse(&gzipped(format!("<urlset>{body}</urlset>").as_bytes()), &[]);
        assert_eq!((page.links.len(), page.cut.links), (50_000, 3));
    }

    #[test]
    fn no_more_is_read_than_a_sitemap_may_have() {
        let filler = vec![b' '; 60 * 1024 * 1024];
        let body = [b"<urlset><url><loc>http://h/1</loc></url>", filler.as_slice(), b"<url><loc>http://h/2</loc></url></urlset>"].concat();
        let page = parse(&gzipped(&body), &[]);
        assert_eq!((urls(&page), page.cut.malformed), (vec!["http://h/1"], 1));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(body in "(<|>|urlset|url|loc|/|http://h/|&amp;|&x|<!--|-->|<!\\[CDATA\\[|\\]\\]>|\\n| |é){0,40}") {
            let _ = parse(body.as_bytes(), &[]);
        }
    }
}
