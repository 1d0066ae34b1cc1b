//! A worker with a parser of its own: `cargo run --example own_parser -- --port 9000`.
//!
//! A spider file that uses it says `worker-parsers = ["headlines"]`; all flags of `worker` are there.

use std::process::ExitCode;
use std::sync::Arc;

use model::{Args, ParserRef};
use worker::{FetchedPage, Parse, ParseError, Parsed, Registry};

struct Headlines;

impl Parse for Headlines {
    fn parse(&self, page: &FetchedPage<'_>, args: &Args) -> Result<Parsed, ParseError> {
        let section = args.get("section").ok_or_else(|| ParseError::InvalidArg("section is missing".into()))?;
        let mut parsed = Parsed::new(page);
        for line in page.text().lines().filter(|line| line.contains("<h2>")) {
            let title = line.replace("<h2>", "").replace("</h2>", "");
            parsed.item("headline", None, &serde_json::json!({ "section": section, "title": title.trim() }))?;
        }
        parsed.follow("/more", &ParserRef { name: "headlines".into(), args: args.clone() });
        Ok(parsed)
    }
}

fn main() -> ExitCode {
    worker::main_with(Registry::builtin().register("headlines", Arc::new(Headlines)))
}
