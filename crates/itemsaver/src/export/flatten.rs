//! A payload as the cells of a table.

use std::fmt;

use model::PayloadJson;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Objects within objects that get columns of their own; what is deeper is one cell of JSON text.
pub const MAX_NESTING: usize = 8;

/// A value of a payload and its name in a table.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    raw: &'a RawValue,
}

impl<'a> Leaf<'a> {
    /// The value as JSON, as the payload spells it.
    pub fn json(&self) -> &'a str {
        self.raw.get()
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.json() == "null"
    }

    /// The value as a cell: a string's characters, nothing for `null`, otherwise as in JSON.
    pub fn cell(&self) -> String {
        match self.json() {
            "null" => String::new(),
            // A lone surrogate has no character: that string stays in JSON's spelling.
            text if text.starts_with('"') => serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
            other => other.to_owned(),
        }
    }
}

/// Calls `each` for every value of a payload, in its order, with the name of its column.
///
/// A value in an object within the payload is named after both, joined by a dot: `{"a":{"b":1}}` has the column `a.b`. Arrays are one
/// value, and so are empty objects and those past [`MAX_NESTING`]. Two fields that flatten to the same name share a column; the later one
/// is in the cell.
pub fn flatten<'a>(payload: &'a PayloadJson, mut each: impl FnMut(&str, Leaf<'a>)) {
    walk(payload.as_str(), "", 1, &mut each);
}

/// Whether the text is an object whose values were walked.
fn walk<'a>(text: &'a str, prefix: &str, depth: usize, each: &mut impl FnMut(&str, Leaf<'a>)) -> bool {
    let Fields(fields) = Fields::of(text);
    for (name, raw) in &fields {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let walked = raw.get().starts_with('{') && depth < MAX_NESTING && walk(raw.get(), &name, depth + 1, each);
        if !walked {
            each(&name, Leaf { raw });
        }
    }
    !fields.is_empty()
}

/// An object's fields in their order, values unread.
pub(crate) struct Fields<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Those of a text; none of one that is no object.
    pub(crate) fn of(text: &'a str) -> Fields<'a> {
        serde_json::from_str(text).unwrap_or(Fields(Vec::new()))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(payload: &str) -> Vec<(String, String)> {
        let mut cells = Vec::new();
        flatten(&PayloadJson::parse(payload.to_owned()).unwrap(), |name, leaf| cells.push((name.to_owned(), leaf.cell())));
        cells
    }

    #[test]
    fn every_value_gets_one_cell_in_the_payloads_order() {
        let payload = r#"{"z":"a\"b","n":18446744073709551616,"f":1.50,"t":true,"no":null,"list":[1, "x"],"o":{"b":{"c":1},"a":{}}}"#;
        let expected = [
            ("z", "a\"b"),
            ("n", "18446744073709551616"),
            ("f", "1.50"),
            ("t", "true"),
            ("no", ""),
            ("list", "[1, \"x\"]"),
            ("o.b.c", "1"),
            ("o.a", "{}"),
        ];
        assert_eq!(cells(payload), expected.map(|(name, cell)| (name.to_owned(), cell.to_owned())));
        assert_eq!(cells("{}"), []);
        assert_eq!(cells(r#"{"a":"\ud800"}"#), [("a".to_owned(), r#""\ud800""#.to_owned())]);
    }

    #[test]
    fn what_is_nested_too_deep_is_one_cell() {
        let payload = format!("{}1{}", "{\"a\":".repeat(10), "}".repeat(10));
        assert_eq!(cells(&payload), [("a.a.a.a.a.a.a.a".to_owned(), "{\"a\":{\"a\":1}}".to_owned())]);
        let endless = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        assert_eq!(cells(&endless).len(), 1);
    }
}
