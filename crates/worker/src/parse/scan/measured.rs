//! Both scans, and the parser around them, for `benches/scan.rs`, which measures and compares them.

use http::HeaderMap;
use model::{Args, CrawlUrl};

use super::{scan, scan_tokens};
use crate::parse::page_parser::PageParser;
use crate::parse::{Allowance, FetchedPage, Parse};

/// How many links the scan finds that parsers use.
pub fn links(page: &str) -> usize {
    scan(page, &Allowance::default()).map_or(0, |found| found.links.len())
}

/// The same by html5ever's tokenizer.
pub fn links_of_tokens(page: &str) -> usize {
    scan_tokens(page, &Allowance::default()).map_or(0, |found| found.links.len())
}

/// How many different links the parser `page` finds, which resolves them and makes an item.
pub fn links_of_parser(page: &str) -> usize {
    let (url, headers) = (CrawlUrl::parse("http://127.0.0.1:8802/api/java.base/java/lang/page.html").expect("a URL"), HeaderMap::new());
    let page = FetchedPage::new(&url, 200, &headers, page.as_bytes(), page);
    PageParser.parse(&page, &Args::new()).map_or(0, |parsed| parsed.into_page().links.len())
}

/// Whether both find the same, in every field.
pub fn agree(page: &str) -> bool {
    scan(page, &Allowance::default()) == scan_tokens(page, &Allowance::default())
}
