//! The built-in parser `NilParser`.

use model::Args;

use super::{FetchedPage, Parse, ParseError, Parsed};

/// Finds nothing: the page is fetched and that is all.
pub(crate) struct NilParser;

impl Parse for NilParser {
    fn parse(&self, page: &FetchedPage<'_>, _: &Args) -> Result<Parsed, ParseError> {
        Ok(Parsed::new(page))
    }

    fn is_quick(&self, _: &Args) -> bool {
        true
    }
}
