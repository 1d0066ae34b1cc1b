//! How a value is looked up on a page.

use scraper::Selector;

use crate::convert::{Conversion, NAMES, first_float, first_integer, is_true};
use crate::pattern::{Pattern, pattern, selector};
use crate::reader::{Entry, Findings, Table};
use crate::suggest;

/// One way to find a value.
#[derive(Clone, Debug)]
pub enum Source {
    /// In elements.
    Css {
        /// Which; `None` is the element of the item's `each` itself.
        selector: Option<Selector>,
        /// This attribute instead of the element's text.
        attr: Option<String>,
        /// This part of it instead of all.
        pattern: Option<Pattern>,
    },
    /// In the HTML of the page, or of the element of the item's `each`.
    Html(Pattern),
    /// In the page's address.
    Url(Pattern),
    /// What the page that linked here said.
    Arg(String),
    /// Always the same.
    Const(String),
}

impl Source {
    /// Whether this looks at the page, rather than at what was known before it was fetched.
    pub fn reads_page(&self) -> bool {
        matches!(self, Source::Css { .. } | Source::Html(_))
    }
}

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number, finite.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Strings.
    List(Vec<String>),
}

/// What a field gets when nothing is found.
#[derive(Clone, Debug, PartialEq)]
pub enum Fallback {
    /// This value; the spider's `default`, or the empty one of the field's kind.
    Value(Value),
    /// Nothing: the item is left out.
    Required,
}

/// How a field gets its value.
#[derive(Clone, Debug)]
pub struct ValueRule {
    /// Tried in order; the first that finds something decides. At least one.
    pub sources: Vec<Source>,
    /// What the text becomes.
    pub conversion: Conversion,
    /// What stands in when nothing is found or it cannot be converted.
    pub fallback: Fallback,
}

impl Conversion {
    /// Converts one text. `None` for a text without a number where one is wanted; an absolute URL is the caller's to make.
    pub fn convert(self, text: &str) -> Option<Value> {
        match self {
            Conversion::Text | Conversion::Url => Some(Value::Text(text.to_owned())),
            Conversion::Integer => first_integer(text).map(Value::Integer),
            Conversion::Float => first_float(text).map(Value::Float),
            Conversion::Bool => Some(Value::Bool(is_true(text))),
            Conversion::List => Some(Value::List(vec![text.to_owned()])),
        }
    }

    fn empty(self) -> Value {
        match self {
            Conversion::Text | Conversion::Url => Value::Text(String::new()),
            Conversion::Integer => Value::Integer(0),
            Conversion::Float => Value::Float(0.0),
            Conversion::Bool => Value::Bool(false),
            Conversion::List => Value::List(Vec::new()),
        }
    }
}

const SOURCE_KEYS: [&str; 7] = ["css", "attr", "regex", "group", "url", "arg", "const"];
const VALUE_KEYS: [&str; 8] = ["css", "attr", "regex", "group", "url", "arg", "const", "or"];
const FIELD_KEYS: [&str; 11] = ["css", "attr", "regex", "group", "url", "arg", "const", "or", "as", "default", "required"];

/// Whether the item has an `each`, so that rules may speak of its element.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    Page,
    Each,
}

/// A field: a value with its conversion.
pub(crate) fn field(entry: &Entry<'_>, within: Within, findings: &mut Findings<'_>) -> Option<ValueRule> {
    let plain = |sources| {
        let fallback = Fallback::Value(Conversion::Text.empty());
        Some(ValueRule { sources, conversion: Conversion::Text, fallback })
    };
    if entry.is_string() {
        return css(entry, None, None, within, findings).and_then(|source| plain(vec![source]));
    }
    let table = entry.table_or("a CSS selector or a table", findings)?;
    table.only(&FIELD_KEYS, findings);
    let sources = sources(&table, within, findings);
    let conversion = match table.get("as") {
        Some(entry) => conversion(&entry, findings)?,
        None => Conversion::Text,
    };
    let required = table.get("required").and_then(|entry| entry.boolean(findings)).unwrap_or(false);
    let default = match table.get("default") {
        Some(entry) => Some(default(&entry, conversion, findings)?),
        None => None,
    };
    if required && default.is_some() {
        findings.mistake(&table.span, &table.path, "has a `default` and is `required`: only one can hold");
    }
    let fallback = if required { Fallback::Required } else { Fallback::Value(default.unwrap_or(conversion.empty())) };
    Some(ValueRule { sources: sources?, conversion, fallback })
}

/// A value that is text: an item's id or address.
pub(crate) fn text(entry: &Entry<'_>, within: Within, findings: &mut Findings<'_>) -> Option<Vec<Source>> {
    if entry.is_string() {
        return css(entry, None, None, within, findings).map(|source| vec![source]);
    }
    let table = entry.table_or("a CSS selector or a table", findings)?;
    table.only(&VALUE_KEYS, findings);
    sources(&table, within, findings)
}

fn conversion(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<Conversion> {
    let name = entry.string(findings)?;
    let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, conversion)| *conversion);
    if found.is_none() {
        entry.mistake(findings, format!("`{name}` is no conversion; {}", suggest::hint(name, NAMES.iter().map(|(name, _)| *name))));
    }
    found
}

fn default(entry: &Entry<'_>, conversion: Conversion, findings: &mut Findings<'_>) -> Option<Value> {
    Some(match conversion {
        Conversion::Text | Conversion::Url => Value::Text(entry.scalar(findings)?),
        Conversion::Integer => Value::Integer(entry.integer(findings)?),
        Conversion::Float => Value::Float(entry.float(findings)?),
        Conversion::Bool => Value::Bool(entry.boolean(findings)?),
        Conversion::List => {
            let texts = entry.array(findings)?.iter().map(|text| text.scalar(findings)).collect::<Option<Vec<String>>>();
            Value::List(texts?)
        }
    })
}

/// The source a table describes and those of its `or`, in order. `None` if any is wrong.
fn sources(table: &Table<'_>, within: Within, findings: &mut Findings<'_>) -> Option<Vec<Source>> {
    let first = source(table, within, findings);
    let mut all = Some(Vec::from_iter(first.clone()));
    if first.is_none() {
        all = None;
    }
    let Some(or) = table.get("or") else { return all };
    let alternatives = if or.is_array() { or.array(findings)? } else { vec![or] };
    for alternative in alternatives {
        let source = if alternative.is_string() {
            css(&alternative, None, None, within, findings)
        } else {
            let table = alternative.table_or("a CSS selector or a table", findings);
            table.and_then(|table| {
                table.only(&SOURCE_KEYS, findings);
                source(&table, within, findings)
            })
        };
        match (source, &mut all) {
            (Some(source), Some(all)) => all.push(source),
            (None, _) => all = None,
            (Some(_), None) => {}
        }
    }
    all
}

fn source(table: &Table<'_>, within: Within, findings: &mut Findings<'_>) -> Option<Source> {
    let kinds = ["css", "regex", "url", "arg", "const"];
    let present: Vec<&str> = kinds.into_iter().filter(|kind| table.has(kind)).collect();
    let in_element = table.has("css") || table.has("attr");
    if present.is_empty() && !(in_element && within == Within::Each) {
        findings.mistake(&table.span, &table.path, "says not where to find the value: give `css`, `regex`, `url`, `arg` or `const`");
        return None;
    }
    if present.len() > 1 && present != ["css", "regex"] {
        let message = format!("gives {} at once; put further ones into `or`", present.join(" and "));
        findings.mistake(&table.span, &table.path, message);
        return None;
    }
    if table.has("attr")
        && let Some(kind) = present.iter().find(|kind| matches!(**kind, "url" | "arg" | "const"))
    {
        findings.mistake(&table.span, &table.path, format!("has an `attr`, which is of an element, with `{kind}`, which looks at none"));
        return None;
    }
    let group = table.get("group");
    if group.is_some() && !table.has("regex") && !table.has("url") {
        findings.mistake(&table.span, &table.path, "has a `group` without the `regex` or `url` it belongs to");
    }
    let expression = |key, findings: &mut Findings<'_>| match table.get(key) {
        Some(entry) => pattern(&entry, group.as_ref(), "value", findings).map(Some),
        None => Some(None),
    };
    if in_element {
        let pattern = expression("regex", findings);
        let attr = match table.get("attr") {
            Some(attr) => Some(attr.string(findings)?.to_ascii_lowercase()),
            None => None,
        };
        return match table.get("css") {
            Some(entry) => css(&entry, attr, pattern?, within, findings),
            None if within == Within::Each => Some(Source::Css { selector: None, attr, pattern: pattern? }),
            None => {
                findings.mistake(&table.span, &table.path, "has an `attr` without the `css` of its element");
                None
            }
        };
    }
    if table.has("regex") {
        return expression("regex", findings)?.map(Source::Html);
    }
    if table.has("url") {
        return expression("url", findings)?.map(Source::Url);
    }
    if let Some(arg) = table.get("arg") {
        return Some(Source::Arg(arg.string(findings)?.to_owned()));
    }
    Some(Source::Const(table.get("const")?.scalar(findings)?))
}

fn css(entry: &Entry<'_>, attr: Option<String>, pattern: Option<Pattern>, within: Within, findings: &mut Findings<'_>) -> Option<Source> {
    if entry.string(findings)?.trim() == ":scope" {
        if within == Within::Page {
            entry.mistake(findings, "`:scope` is the element of `each`, which this item has not");
            return None;
        }
        return Some(Source::Css { selector: None, attr, pattern });
    }
    Some(Source::Css { selector: Some(selector(entry, findings)?), attr, pattern })
}
