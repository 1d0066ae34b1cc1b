//! What has changed in an item, for people and for programs.

use std::fmt::Write as _;

use model::history::{Change, FieldChange};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::export::rfc3339;

/// Longest value shown, in characters; a longer one ends with an ellipsis.
const VALUE: usize = 120;

/// A change as JSON.
///
/// `{"type":…,"id":…,"number":…,"change":"changed","at":…,"crawl":…,"page":…,"version":…,"before_at":…,"fields":[{"field":…,"before":…,
/// "after":…}]}`. A field that was not there has no `before`, one that is there no more no `after`; `"large":true` stands for values that were
/// not kept, `"left_out":N` for further fields.
#[derive(Debug, Serialize)]
pub struct ChangeJson<'a> {
    #[serde(rename = "type")]
    item_type: &'a str,
    id: &'a str,
    number: u64,
    change: &'static str,
    at: String,
    crawl: &'a str,
    page: &'a str,
    version: u64,
    before_at: String,
    fields: Vec<FieldJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u64>,
}

#[derive(Debug, Serialize)]
struct FieldJson<'a> {
    field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    large: bool,
}

impl<'a> ChangeJson<'a> {
    /// The JSON of a change of this item.
    pub fn of(item_type: &'a str, id: &'a str, change: &'a Change) -> ChangeJson<'a> {
        let field = |field: &'a FieldChange| FieldJson {
            field: &field.field,
            before: field.before.as_deref().map(raw),
            after: field.after.as_deref().map(raw),
            large: field.large,
        };
        ChangeJson {
            item_type,
            id,
            number: change.number,
            change: change.kind.word(),
            at: rfc3339(change.at_ms),
            crawl: change.crawl.as_str(),
            page: change.page.as_str(),
            version: change.version,
            before_at: rfc3339(change.before_at_ms),
            fields: change.fields.iter().map(field).collect(),
            left_out: Some(change.left_out).filter(|left_out| *left_out > 0),
        }
    }
}

/// JSON as it came, on one line: in JSON a line break stands between tokens only. What is no JSON becomes a text.
fn raw(text: &str) -> Box<RawValue> {
    let line = text.replace(['\n', '\r'], " ");
    RawValue::from_string(line).unwrap_or_else(|_| {
        let quoted = serde_json::Value::from(text).to_string();
        RawValue::from_string(quoted).expect("a quoted text is JSON")
    })
}

/// Changes as a person reads them: a line for each with the fields below it, without what would steer a terminal.
pub fn history_text(changes: &[Change]) -> String {
    let mut text = String::new();
    for Change { kind, at_ms, crawl, page, before_at_ms, fields, left_out, .. } in changes {
        let (at, before) = (rfc3339(*at_ms), rfc3339(*before_at_ms));
        writeln!(text, "{at}  {}  {}  {} (before: {before})", kind.word(), shown(crawl.as_str()), shown(page.as_str())).expect(TAKES_ALL);
        for FieldChange { field, before, after, large } in fields {
            let change = match (before, after) {
                _ if *large => "changed; too large to be kept".to_owned(),
                (Some(before), Some(after)) => format!("{} -> {}", shown(before), shown(after)),
                (Some(before), None) => format!("{} -> nothing", shown(before)),
                (None, after) => format!("nothing -> {}", shown(after.as_deref().unwrap_or("nothing"))),
            };
            writeln!(text, "    {}: {change}", shown(field)).expect(TAKES_ALL);
        }
        if *left_out > 0 {
            writeln!(text, "    and {left_out} more fields").expect(TAKES_ALL);
        }
    }
    text
}

const TAKES_ALL: &str = "a string takes all that is written to it";

fn shown(text: &str) -> String {
    crate::listing::cut(text, VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::history::ChangeKind;
    use model::{CrawlName, CrawlUrl};

    fn change() -> Change {
        let field = |field: &str, before: Option<&str>, after: Option<&str>, large| FieldChange {
            field: field.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            large,
        };
        Change {
            number: 3,
            kind: ChangeKind::Changed,
            at_ms: 1_709_164_800_000,
            crawl: CrawlName::new("c").unwrap(),
            page: CrawlUrl::parse("http://h/a").unwrap(),
            version: 7,
            before_at_ms: 1_709_078_400_000,
            fields: vec![
                field("Age", Some("30"), Some("31"), false),
                field("x\u{1b}[2J", Some("[1,\n2]"), None, false),
                field("new", None, Some("18446744073709551616"), false),
                field("text", None, None, true),
            ],
            left_out: 2,
        }
    }

    #[test]
    fn a_change_is_a_line_with_its_fields_below_it() {
        let expected = "2024-02-29T00:00:00.000Z  changed  c  http://h/a (before: 2024-02-28T00:00:00.000Z)
    Age: 30 -> 31
    x [2J: [1, 2] -> nothing
    new: nothing -> 18446744073709551616
    text: changed; too large to be kept
    and 2 more fields
";
        assert_eq!(history_text(&[change()]), expected);
        assert_eq!(history_text(&[]), "");
    }

    #[test]
    fn a_change_is_a_line_of_json_with_values_as_they_were() {
        let expected = concat!(
            r#"{"type":"t","id":"1","number":3,"change":"changed","at":"2024-02-29T00:00:00.000Z","crawl":"c","page":"http://h/a","#,
            r#""version":7,"before_at":"2024-02-28T00:00:00.000Z","fields":[{"field":"Age","before":30,"after":31},"#,
            r#"{"field":"x\u001b[2J","before":[1, 2]},{"field":"new","after":18446744073709551616},{"field":"text","large":true}],"left_out":2}"#
        );
        assert_eq!(serde_json::to_string(&ChangeJson::of("t", "1", &change())).unwrap(), expected);
    }
}
