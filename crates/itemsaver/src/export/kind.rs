//! What a column with a type holds, and which values fit into it.

use std::fmt;

use model::schema::FieldKind;

use super::flatten::Leaf;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Characters: those of a string, anything else as JSON spells it. Every value fits.
    Text,
    /// Whole numbers of 64 bits with sign, written without fraction and exponent.
    Integer,
    /// Numbers of double precision. Decimals become the nearest one; a whole number fits if it is one exactly.
    Float,
    /// True or false.
    Bool,
    /// Lists of texts: arrays of strings only.
    TextList,
}

/// A value that fits its column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    TextList(Vec<String>),
}

impl ColumnKind {
    /// The column of a field of a schema.
    pub(super) fn told(kind: FieldKind) -> ColumnKind {
        match kind {
            FieldKind::Text | FieldKind::Unknown => ColumnKind::Text,
            FieldKind::Integer => ColumnKind::Integer,
            FieldKind::Float => ColumnKind::Float,
            FieldKind::Bool => ColumnKind::Bool,
            FieldKind::TextList => ColumnKind::TextList,
        }
    }

    /// The column of a field that two types give two kinds.
    pub(super) fn shared(self, other: ColumnKind) -> ColumnKind {
        match (self, other) {
            _ if self == other => self,
            (ColumnKind::Integer, ColumnKind::Float) | (ColumnKind::Float, ColumnKind::Integer) => ColumnKind::Float,
            _ => ColumnKind::Text,
        }
    }

    /// What the column may be, the best first: this, and what it becomes when a value does not fit. The last takes every value.
    pub(super) fn candidates(self) -> Vec<ColumnKind> {
        match self {
            ColumnKind::Text => vec![self],
            ColumnKind::Integer => vec![self, ColumnKind::Float, ColumnKind::Text],
            ColumnKind::Float | ColumnKind::Bool | ColumnKind::TextList => vec![self, ColumnKind::Text],
        }
    }

    /// A value, which is not `null`, if it fits.
    pub(super) fn read(self, leaf: Leaf<'_>) -> Option<Value> {
        match self {
            ColumnKind::Text => Some(Value::Text(leaf.cell())),
            ColumnKind::Integer => leaf.json().parse().ok().map(Value::Integer),
            ColumnKind::Float => float(leaf.json()).map(Value::Float),
            ColumnKind::Bool => leaf.json().parse().ok().map(Value::Bool),
            ColumnKind::TextList => serde_json::from_str(leaf.json()).ok().map(Value::TextList),
        }
    }
}

fn float(json: &str) -> Option<f64> {
    let float = json.parse().ok().filter(|float: &f64| float.is_finite())?;
    let whole = json.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    // Digits that a double has no room for would be gone.
    let kept = !whole || json.parse::<i128>().is_ok_and(|integer| format!("{float:.0}").parse() == Ok(integer));
    kept.then_some(float)
}

impl fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnKind::Text => "text",
            ColumnKind::Integer => "integer",
            ColumnKind::Float => "float",
            ColumnKind::Bool => "bool",
            ColumnKind::TextList => "a list of texts",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::flatten::flatten;
    use super::*;
    use model::PayloadJson;

    fn read(kind: ColumnKind, json: &str) -> Option<Value> {
        let payload = PayloadJson::parse(format!("{{\"a\":{json}}}")).unwrap();
        let mut read = None;
        flatten(&payload, |_, leaf| read = kind.read(leaf));
        read
    }

    #[test]
    fn what_fits_is_the_same_value() {
        for (kind, json, value) in [
            (ColumnKind::Text, r#""a\n""#, Value::Text("a\n".into())),
            (ColumnKind::Text, "1.50", Value::Text("1.50".into())),
            (ColumnKind::Text, r#"[1, "x"]"#, Value::Text(r#"[1, "x"]"#.into())),
            (ColumnKind::Text, r#""\ud800""#, Value::Text(r#""\ud800""#.into())),
            (ColumnKind::Integer, "-9223372036854775808", Value::Integer(i64::MIN)),
            (ColumnKind::Float, "1.50", Value::Float(1.5)),
            (ColumnKind::Float, "0.1", Value::Float(0.1)),
            (ColumnKind::Float, "18446744073709551616", Value::Float(18_446_744_073_709_551_616.0)),
            (ColumnKind::Bool, "false", Value::Bool(false)),
            (ColumnKind::TextList, "[]", Value::TextList(vec![])),
            (ColumnKind::TextList, r#"["ü", ""]"#, Value::TextList(vec!["ü".into(), String::new()])),
        ] {
            assert_eq!(read(kind, json), Some(value), "{kind} {json}");
        }
    }

    #[test]
    fn what_would_become_another_value_does_not_fit() {
        for (kind, json) in [
            (ColumnKind::Integer, "9223372036854775808"),
            (ColumnKind::Integer, "1.0"),
            (ColumnKind::Integer, "1e3"),
            (ColumnKind::Integer, r#""1""#),
            (ColumnKind::Float, "9007199254740993"),
            (ColumnKind::Float, "170141183460469231731687303715884105728"),
            (ColumnKind::Float, "1e400"),
            (ColumnKind::Float, r#""1.5""#),
            (ColumnKind::Float, "true"),
            (ColumnKind::Bool, "1"),
            (ColumnKind::Bool, r#""true""#),
            (ColumnKind::TextList, r#""a""#),
            (ColumnKind::TextList, r#"["a", null]"#),
            (ColumnKind::TextList, r#"["a", 1]"#),
            (ColumnKind::TextList, r#"["\ud800"]"#),
        ] {
            assert_eq!(read(kind, json), None, "{kind} {json}");
        }
    }

    #[test]
    fn two_kinds_share_a_column_that_holds_both() {
        use ColumnKind::{Bool, Float, Integer, Text, TextList};
        for (one, other, shared) in [
            (Integer, Integer, Integer),
            (Integer, Float, Float),
            (Float, Integer, Float),
            (Integer, Bool, Text),
            (TextList, Text, Text),
            (TextList, TextList, TextList),
        ] {
            assert_eq!(one.shared(other), shared);
        }
    }
}
