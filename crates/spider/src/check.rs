//! What must hold between the parts of a spider file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use model::parser::SITEMAP_PARSER;
use model::schema::{FieldKind, FieldSchema, TypeSchema};

use crate::link::{ArgSource, LinkRule};
use crate::reader::{Entry, Findings, Table, join};
use crate::seed::Seed;
use crate::spider::ParserRules;
use crate::suggest;

/// The names a parser can be called by.
pub(crate) struct Names<'a> {
    known: Vec<&'a str>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(parsers: &Table<'a>, built_in: &[&'a str], worker_parsers: &'a [String]) -> Names<'a> {
        let own = parsers.entries().map(|(name, _, _)| name);
        Names { known: own.chain(built_in.iter().copied()).chain(worker_parsers.iter().map(String::as_str)).collect() }
    }

    /// Whether there is a parser of that name; if not, says so.
    pub(crate) fn check(&self, name: &str, span: &Range<usize>, path: &str, findings: &mut Findings<'_>) -> bool {
        let known = self.known.contains(&name);
        if !known {
            findings.mistake(span, path, format!("unknown parser name `{name}`; {}", suggest::hint(name, self.known.iter().copied())));
        }
        known
    }
}

/// Warns of parsers that no seed and no link leads to.
pub(crate) fn reach(
    table: &Table<'_>,
    parsers: &BTreeMap<String, ParserRules>,
    start: Option<&str>,
    seeds: &[Seed],
    findings: &mut Findings<'_>,
) {
    let listed = seeds.iter().filter_map(|seed| listed(&seed.parser.name, seed.parser.args.get("parser").map(String::as_str)));
    let mut waiting: Vec<&str> = start.into_iter().chain(seeds.iter().map(|seed| seed.parser.name.as_str())).chain(listed).collect();
    let mut reached = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if reached.insert(name) {
            let links = || parsers.get(name).into_iter().flat_map(|rules| &rules.links);
            waiting.extend(links().map(|link| link.parser.as_str()).chain(links().filter_map(listed_by_link)));
        }
    }
    for (name, span, entry) in table.entries() {
        if !reached.contains(name) {
            findings.warning(&span, &entry.path, "no seed and no link leads to this parser");
        }
    }
}

/// The parser of the pages that a sitemap lists, if that is what leads on.
pub(crate) fn listed<'a>(parser: &str, argument: Option<&'a str>) -> Option<&'a str> {
    argument.filter(|_| parser == SITEMAP_PARSER)
}

/// The same where a link leads to the sitemap.
pub(crate) fn listed_by_link(link: &LinkRule) -> Option<&str> {
    let argument = link.args.iter().find_map(|(name, source)| match source {
        ArgSource::Const(value) if name == "parser" => Some(value.as_str()),
        _ => None,
    });
    listed(&link.parser, argument)
}

/// Says which fields of one item type are given two kinds.
pub(crate) fn kinds(table: &Table<'_>, parsers: &BTreeMap<String, ParserRules>, findings: &mut Findings<'_>) {
    let mut seen: BTreeMap<(&str, &str), FieldKind> = BTreeMap::new();
    for (name, span, entry) in table.entries() {
        for rule in parsers.get(name).into_iter().flat_map(|rules| &rules.items) {
            for field in &rule.fields {
                let kind = field.rule.conversion.kind();
                let first = *seen.entry((&rule.item_type, &field.name)).or_insert(kind);
                if first != kind {
                    let (span, path) =
                        field_place(&entry, &rule.item_type, &field.name, kind).unwrap_or((span.clone(), entry.path.clone()));
                    let message = format!(
                        "is {} here and {} in another rule for items of type `{}`; a field has one kind",
                        word(kind),
                        word(first),
                        rule.item_type
                    );
                    findings.mistake(&span, &path, message);
                }
            }
        }
    }
}

fn word(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text | FieldKind::Unknown => "text",
        FieldKind::Integer => "an integer",
        FieldKind::Float => "a float",
        FieldKind::Bool => "a bool",
        FieldKind::TextList => "a list",
    }
}

/// Where the last rule for a field of a type stands whose conversion has that kind.
fn field_place(parser: &Entry<'_>, item_type: &str, field: &str, kind: FieldKind) -> Option<(Range<usize>, String)> {
    // What is asked for here has been read once already, so that nothing is said a second time.
    let mut ignored = Findings::new("");
    let items = parser.table(&mut ignored)?.get("items")?.array(&mut ignored)?;
    items.iter().rev().find_map(|item| {
        let item = item.table(&mut ignored)?;
        let same_type = item.get("type")?.string(&mut ignored)? == item_type;
        let fields = item.get("fields")?.table(&mut ignored)?;
        let entry = fields.get(field)?;
        let conversion = if entry.is_string() { None } else { entry.table(&mut ignored)?.get("as") };
        let written = conversion.and_then(|entry| entry.string(&mut ignored)).unwrap_or("text");
        let same_kind = crate::convert::NAMES.iter().any(|(name, conversion)| *name == written && conversion.kind() == kind);
        (same_type && same_kind).then(|| (entry.span(), join(&fields.path, field)))
    })
}

/// The fields of every item type, in the order of the parsers' names and of the rules within them.
pub(crate) fn schemas(parsers: &BTreeMap<String, ParserRules>) -> Vec<TypeSchema> {
    let mut schemas: Vec<TypeSchema> = Vec::new();
    for rule in parsers.values().flat_map(|rules| &rules.items) {
        let at = schemas.iter().position(|schema| schema.item_type == rule.item_type).unwrap_or_else(|| {
            schemas.push(TypeSchema { item_type: rule.item_type.clone(), fields: Vec::new() });
            schemas.len() - 1
        });
        for field in &rule.fields {
            if !schemas[at].fields.iter().any(|known| known.name == field.name) {
                schemas[at].fields.push(FieldSchema { name: field.name.clone(), kind: field.rule.conversion.kind() });
            }
        }
    }
    schemas
}
