//! What is kept of a page.

use scraper::Selector;

use crate::pattern::selector;
use crate::reader::{Entry, Findings};
use crate::value::{Source, ValueRule, Within, field, text};

/// Items of one type on a page.
#[derive(Clone, Debug)]
pub struct ItemRule {
    /// The items' type; never empty.
    pub item_type: String,
    /// One item per element that matches; `None`: one per page.
    pub each: Option<Selector>,
    /// Only on pages with such an element.
    pub when: Option<Selector>,
    /// Where its id is found; empty: it is derived from page, type and place. An id not found is derived too.
    pub id: Vec<Source>,
    /// Where the address that shows it is found; empty or not found: the page's.
    pub url: Vec<Source>,
    /// Its fields, at least one, in the order of the file.
    pub fields: Vec<FieldRule>,
}

/// One field of an item.
#[derive(Clone, Debug)]
pub struct FieldRule {
    /// The key in the payload.
    pub name: String,
    /// How it is found.
    pub rule: ValueRule,
}

const KEYS: [&str; 6] = ["type", "each", "when", "id", "url", "fields"];

pub(crate) fn item(entry: &Entry<'_>, findings: &mut Findings<'_>) -> Option<ItemRule> {
    let table = entry.table(findings)?;
    table.only(&KEYS, findings);
    let item_type = table.required("type", "the name of what this is, such as `type = \"book\"`", findings);
    let item_type = item_type.and_then(|entry| entry.string(findings));
    let css = |key, findings: &mut Findings<'_>| match table.get(key) {
        Some(entry) => selector(&entry, findings).map(Some),
        None => Some(None),
    };
    let each = css("each", findings);
    let when = css("when", findings);
    let within = if table.has("each") { Within::Each } else { Within::Page };
    let found = |key, findings: &mut Findings<'_>| match table.get(key) {
        Some(entry) => text(&entry, within, findings),
        None => Some(Vec::new()),
    };
    let id = found("id", findings);
    let url = found("url", findings);
    let fields = fields(&table.required("fields", "what to keep, such as `fields.title = \"h1\"`", findings)?, within, findings);
    Some(ItemRule { item_type: item_type?.to_owned(), each: each?, when: when?, id: id?, url: url?, fields: fields? })
}

fn fields(entry: &Entry<'_>, within: Within, findings: &mut Findings<'_>) -> Option<Vec<FieldRule>> {
    let table = entry.table(findings)?;
    if table.is_empty() {
        entry.mistake(findings, "is empty: an item has at least one field");
        return None;
    }
    let mut all = Some(Vec::new());
    for (name, span, entry) in table.entries() {
        if name.is_empty() {
            findings.mistake(&span, &entry.path, "a field needs a name");
        }
        match (field(&entry, within, findings), &mut all) {
            (Some(rule), Some(all)) => all.push(FieldRule { name: name.to_owned(), rule }),
            (None, _) => all = None,
            (Some(_), None) => {}
        }
    }
    all
}
