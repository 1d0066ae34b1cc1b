//! A parser that takes its process with it: what `aborting_worker` and `aborting_engine` have beyond `worker` and `engine`.

use std::sync::Arc;

use model::Args;
use model::parser::PAGE_PARSER;
use rustix::process::{Resource, Rlimit, setrlimit};
use worker::{FetchedPage, Parse, ParseError, Parsed, Registry};

/// The parser's name.
pub const ABORT_PARSER: &str = "abort";

/// What stands in the address of a page that aborts the process.
pub const MARK: &str = "abort=1";

/// Reads a page as `page` does, unless its address has the [`MARK`].
struct Abort {
    page: Arc<dyn Parse>,
}

impl Parse for Abort {
    fn parse(&self, page: &FetchedPage<'_>, args: &Args) -> Result<Parsed, ParseError> {
        if page.url().as_str().contains(MARK) {
            std::process::abort();
        }
        self.page.parse(page, args)
    }
}

/// The built-in parsers and [`ABORT_PARSER`]. From here on this process leaves no core file behind.
///
/// # Panics
/// When the system refuses that.
pub fn registry() -> Registry {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).expect("a limit can be lowered");
    let registry = Registry::builtin();
    let page = registry.get(PAGE_PARSER).expect("it is built in");
    registry.register(ABORT_PARSER, Arc::new(Abort { page }))
}
