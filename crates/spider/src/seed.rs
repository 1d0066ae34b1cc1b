//! Where a crawl begins.

use std::ops::Range;

use model::{Args, CrawlUrl, ParserRef};

use crate::reader::{Entry, Findings};

/// A URL to begin with, and the parser of its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Where to begin.
    pub url: CrawlUrl,
    /// Reads the page.
    pub parser: ParserRef,
}

/// A seed as written: its parser may be that of all.
pub(crate) struct WrittenSeed {
    pub(crate) url: CrawlUrl,
    pub(crate) parser: Option<(String, Range<usize>, String)>,
    pub(crate) args: Args,
}

const KEYS: [&str; 3] = ["url", "parser", "args"];

pub(crate) fn seeds(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Vec<WrittenSeed> {
    let Some(entries) = entry.array(findings) else { return Vec::new() };
    entries.iter().filter_map(|entry| seed(entry, findings)).collect()
}

fn seed(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<WrittenSeed> {
    if entry.is_string() {
        return Some(WrittenSeed { url: url(entry, findings)?, parser: None, args: Args::new() });
    }
    let table = entry.table_or("a URL or a table", findings)?;
    table.only(&KEYS, findings);
    let url = table.required("url", "the address to begin with", findings).and_then(|entry| url(&entry, findings));
    let parser = match table.get("parser") {
        Some(entry) => Some((entry.string(findings)?.to_owned(), entry.span(), entry.path.clone())),
        None => None,
    };
    let mut args = Args::new();
    if let Some(entry) = table.get("args") {
        for (name, _, value) in entry.table(findings)?.entries() {
            args.insert(name.to_owned(), value.scalar(findings)?);
        }
    }
    Some(WrittenSeed { url: url?, parser, args })
}

fn url(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<CrawlUrl> {
    let text = entry.string(findings)?;
    match CrawlUrl::parse(text) {
        Ok(url) => Some(url),
        Err(error) => {
            let with_scheme = format!("https://{text}");
            let meant = CrawlUrl::parse(&with_scheme).ok().filter(|url| !text.contains(':') && url.host_str().contains('.'));
            let hint = meant.map(|url| format!("; did you mean {url} ?")).unwrap_or_default();
            entry.mistake(findings, format!("`{text}` is no URL to begin with: {error}{hint}"));
            None
        }
    }
}
