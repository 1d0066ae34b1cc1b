//! From a fetched page to links and items.
//!
//! Pure and synchronous: what a parser sees is all in [`FetchedPage`], what it finds all in [`Parsed`]. A parser knows no network, no
//! clock and no other page.

mod allowance;
mod base;
mod dom;
mod error;
mod feed;
mod refresh;
mod relative;
mod scan;
mod text;
mod wishes;

mod fetched_page;
mod parsed;

mod registry;

mod nil_parser;
mod page_parser;
mod sitemap;
mod spider_parser;

pub(crate) use allowance::Allowance;
pub use error::ParseError;
pub use fetched_page::FetchedPage;
pub use parsed::Parsed;
pub use registry::Registry;
#[doc(hidden)]
pub use scan::measured;
pub use spider_parser::SpiderParser;

use model::Args;

/// Reads pages of one kind.
pub trait Parse: Send + Sync {
    /// What is on the page. The arguments are what the page that linked here said.
    ///
    /// # Errors
    /// [`ParseError`]; the page becomes a dead letter with its reason. A panic is caught and does the same.
    fn parse(&self, page: &FetchedPage<'_>, args: &Args) -> Result<Parsed, ParseError>;

    /// Whether a body of this media type (lower case, without parameters) is worth reading. HTML, unless a parser says otherwise; a body
    /// of another type is not read and the page skipped. Empty: a body without a type, which a parser of HTML gets if it begins like HTML.
    fn reads(&self, media_type: &str) -> bool {
        crate::fetch::is_html(media_type)
    }

    /// Whether it reads the body as text. One that reads bytes only is spared the decoding; the text is empty then.
    fn reads_text(&self) -> bool {
        true
    }

    /// Whether a page of 100 KB is read in well under a millisecond. It is then read on the thread that fetched it, which costs less than
    /// handing it to one that parses.
    fn is_quick(&self, _args: &Args) -> bool {
        false
    }

    /// Most bytes of a body, decompressed as HTTP says, that are worth reading where a crawl's pages have this many. More makes the page
    /// skipped as too large.
    fn max_body_bytes(&self, of_a_page: u64) -> u64 {
        of_a_page
    }
}
