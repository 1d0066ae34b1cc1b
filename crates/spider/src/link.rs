//! Which links are followed, and with which parser.

use regex::Regex;
use scraper::Selector;

use crate::pattern::{Pattern, group_of, pattern, regex, selector};
use crate::reader::{Entry, Findings, Table};

/// Links to follow.
#[derive(Clone, Debug)]
pub struct LinkRule {
    /// Where addresses are found.
    pub source: LinkSource,
    /// The absolute address must match this.
    pub url: Option<Regex>,
    /// The parser of the pages behind them.
    pub parser: String,
    /// What that parser is told, by name.
    pub args: Vec<(String, ArgSource)>,
}

/// Where a link rule finds addresses.
#[derive(Clone, Debug)]
pub enum LinkSource {
    /// In an attribute of elements.
    Css {
        /// Which elements.
        selector: Selector,
        /// The attribute with the address, lower case.
        attr: String,
    },
    /// In the page's HTML; the pattern's group is the address, written as HTML.
    Html(Pattern),
}

/// Where an argument of a link comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgSource {
    /// The link's text; for a `regex` its last group.
    Text,
    /// The link's absolute address.
    Url,
    /// An attribute of the link's element.
    Attr(String),
    /// A group of the rule's `regex`.
    Group(usize),
    /// A group of the rule's `url`.
    UrlGroup(usize),
    /// Always the same.
    Const(String),
    /// An argument of this page.
    Arg(String),
}

const KEYS: [&str; 6] = ["css", "attr", "regex", "url", "parser", "args"];
const ARG_KEYS: [&str; 5] = ["attr", "group", "url-group", "const", "arg"];

/// What rules without a selector follow: what a person can click on.
const ALL_LINKS: &str = "a[href], area[href]";

pub(crate) fn link(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<LinkRule> {
    let table = entry.table(findings)?;
    table.only(&KEYS, findings);
    let parser = table.required("parser", "which parser reads the pages behind the links", findings);
    let parser = parser.and_then(|entry| entry.string(findings));
    let source = source(&table, findings);
    let url = match table.get("url") {
        Some(entry) => regex(&entry, findings).map(Some),
        None => Some(None),
    };
    let mut args = Some(Vec::new());
    if let Some(entry) = table.get("args") {
        let html = source.as_ref().and_then(LinkSource::html);
        for (name, _, entry) in entry.table(findings)?.entries() {
            match (arg(&entry, html, url.as_ref().and_then(Option::as_ref), findings), &mut args) {
                (Some(arg), Some(args)) => args.push((name.to_owned(), arg)),
                (None, _) => args = None,
                (Some(_), None) => {}
            }
        }
    }
    Some(LinkRule { source: source?, url: url?, parser: parser?.to_owned(), args: args? })
}

impl LinkSource {
    fn html(&self) -> Option<&Regex> {
        match self {
            LinkSource::Html(pattern) => Some(pattern.regex()),
            LinkSource::Css { .. } => None,
        }
    }
}

fn source(table: &Table<'_>, findings: &mut Findings<'_>) -> Option<LinkSource> {
    if let Some(entry) = table.get("regex") {
        for other in ["css", "attr"] {
            if table.has(other) {
                findings.mistake(&table.span, &table.path, format!("gives `regex` and `{other}` at once; make two link rules of it"));
            }
        }
        return pattern(&entry, None, "url", findings).map(LinkSource::Html);
    }
    let attr = match table.get("attr") {
        Some(entry) => entry.string(findings)?.to_ascii_lowercase(),
        None => "href".to_owned(),
    };
    let selector = match table.get("css") {
        Some(entry) => selector(&entry, findings)?,
        None => Selector::parse(ALL_LINKS).expect("the selector is a constant"),
    };
    Some(LinkSource::Css { selector, attr })
}

fn arg(entry: &Entry<'_>, html: Option<&Regex>, url: Option<&Regex>, findings: &mut Findings<'_>) -> Option<ArgSource> {
    if entry.is_string() {
        return match entry.string(findings)? {
            "text" => Some(ArgSource::Text),
            "url" => Some(ArgSource::Url),
            other => {
                entry.mistake(
                    findings,
                    format!("`{other}` is neither \"text\" nor \"url\"; for the same text always: {{ const = {other:?} }}"),
                );
                None
            }
        };
    }
    let table = entry.table_or("\"text\", \"url\" or a table", findings)?;
    table.only(&ARG_KEYS, findings);
    let mut present = ARG_KEYS.into_iter().filter_map(|key| table.get(key).map(|entry| (key, entry)));
    let (Some((key, value)), None) = (present.next(), present.next()) else {
        entry.mistake(findings, "takes exactly one of `attr`, `group`, `url-group`, `const` and `arg`");
        return None;
    };
    Some(match key {
        "attr" if html.is_some() => {
            value.mistake(findings, "a link found by `regex` has no attributes; use `group`");
            return None;
        }
        "attr" => ArgSource::Attr(value.string(findings)?.to_ascii_lowercase()),
        "group" => ArgSource::Group(group(&value, html, "regex", findings)?),
        "url-group" => ArgSource::UrlGroup(group(&value, url, "url", findings)?),
        "const" => ArgSource::Const(value.scalar(findings)?),
        _ => ArgSource::Arg(value.string(findings)?.to_owned()),
    })
}

fn group(entry: &Entry<'_>, regex: Option<&Regex>, whose: &str, findings: &mut Findings<'_>) -> Option<usize> {
    match regex {
        Some(regex) => group_of(regex, entry, findings),
        None => {
            entry.mistake(findings, format!("is a group of `{whose}`, which this link rule has not"));
            None
        }
    }
}
