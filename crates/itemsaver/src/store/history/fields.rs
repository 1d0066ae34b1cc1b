//! Which fields of two payloads differ.

use std::collections::HashMap;

use model::history::FieldChange;
use serde_json::Value;

use super::MAX_RECORD_BYTES;
use crate::export::{Fields, MAX_NESTING};

/// What a field costs beside its name and values.
const FIELD_BYTES: usize = 64;

/// The fields that differ, and how many there are beyond those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) fields: Vec<FieldChange>,
    pub(super) left_out: u64,
}

impl Difference {
    /// Compares two payloads.
    ///
    /// A field within an object is named by both names joined by a dot, as in a table; that an object became something else, or came or
    /// went, is a change of the object. Past [`MAX_NESTING`] an object is one value, as an array is.
    pub(super) fn between(before: &str, after: &str) -> Difference {
        let mut walk = Walk { path: String::new(), left: MAX_RECORD_BYTES, found: Difference::default() };
        if before != after {
            walk.objects(before, after, 1);
        }
        walk.found
    }

    pub(super) fn is_none(&self) -> bool {
        self.fields.is_empty() && self.left_out == 0
    }
}

/// A walk through two payloads side by side.
struct Walk {
    /// Where it is: names joined by dots.
    path: String,
    /// Bytes that may still be kept.
    left: usize,
    found: Difference,
}

impl Walk {
    fn objects(&mut self, before: &str, after: &str, depth: usize) {
        let (before, after) = (Fields::of(before), Fields::of(after));
        // Of two fields of one name the later one counts, as for every reader of JSON.
        let last = |Fields(fields): &Fields<'_>| -> HashMap<String, usize> {
            fields.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect()
        };
        let (places_before, places_after) = (last(&before), last(&after));
        for (at, (name, was)) in before.0.iter().enumerate() {
            if places_before[name] == at {
                let is = places_after.get(name).map(|at| after.0[*at].1.get());
                self.field(name, Some(was.get()), is, depth);
            }
        }
        for (at, (name, is)) in after.0.iter().enumerate() {
            if places_after[name] == at && !places_before.contains_key(name) {
                self.field(name, None, Some(is.get()), depth);
            }
        }
    }

    fn field(&mut self, name: &str, before: Option<&str>, after: Option<&str>, depth: usize) {
        if before == after {
            return;
        }
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        match (before, after) {
            (Some(before), Some(after)) if depth < MAX_NESTING && before.starts_with('{') && after.starts_with('{') => {
                self.objects(before, after, depth + 1);
            }
            (Some(before), Some(after)) if is_same(before, after) => {}
            _ => self.note(before, after),
        }
        self.path.truncate(length);
    }

    /// Keeps what fits: name and values, else the name, else that there was something.
    fn note(&mut self, before: Option<&str>, after: Option<&str>) {
        let name = FIELD_BYTES + self.path.len();
        let values = before.map_or(0, str::len) + after.map_or(0, str::len);
        let (cost, large) = if name + values <= self.left { (name + values, false) } else { (name, true) };
        if cost > self.left {
            self.found.left_out += 1;
            return;
        }
        self.left -= cost;
        let kept = |value: Option<&str>| value.filter(|_| !large).map(str::to_owned);
        self.found.fields.push(FieldChange { field: self.path.clone(), before: kept(before), after: kept(after), large });
    }
}

/// Whether two JSON texts mean the same value. Integers are compared digit by digit, however long; what nests deeper than any reader
/// follows, character by character.
fn is_same(one: &str, other: &str) -> bool {
    let is_integer = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if one == other {
        return true;
    }
    if is_integer(one) && is_integer(other) {
        return false;
    }
    match (serde_json::from_str::<Value>(one), serde_json::from_str::<Value>(other)) {
        (Ok(Value::Number(one)), Ok(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
        let difference = Difference::between(before, after);
        assert_eq!(difference.left_out, 0);
        difference.fields.into_iter().map(|field| format!("{}: {} -> {}", field.field, shown(field.before), shown(field.after))).collect()
    }

    #[test]
    fn the_order_of_fields_and_spaces_between_tokens_are_no_change() {
        assert_eq!(told(r#"{"a":1,"b":{"c":[1,2],"d":"\u0041"}}"#, "{ \"b\" : {\"d\":\"A\", \"c\":[ 1,\n2 ]}, \"a\":1 }"), [""; 0]);
        assert_eq!(told(r#"{"a":1.50,"b":[{"x":1,"y":2}]}"#, r#"{"a":1.5,"b":[{"y":2,"x":1}]}"#), [""; 0]);
        assert_eq!(told(r#"{"a":1,"a":2}"#, r#"{"a":2}"#), [""; 0]);
    }

    #[test]
    fn fields_that_came_went_or_changed_are_told_by_their_path() {
        let (before, after) = (r#"{"a":1,"o":{"b":"x","c":[1]},"gone":null}"#, r#"{"new":true,"o":{"c":[2],"b":"y"},"a":1}"#);
        assert_eq!(told(before, after), [r#"o.b: "x" -> "y""#, "o.c: [1] -> [2]", "gone: null -> nothing", "new: nothing -> true"]);
        assert_eq!(told(r#"{"o":{"b":1}}"#, r#"{"o":5}"#), [r#"o: {"b":1} -> 5"#]);
        assert_eq!(told(r#"{"n":18446744073709551616}"#, r#"{"n":18446744073709551617}"#).len(), 1);
        assert_eq!(told(r#"{"n":1}"#, r#"{"n":"1"}"#), [r#"n: 1 -> "1""#]);
    }

    #[test]
    fn what_is_nested_too_deep_is_one_value() {
        let nested = |inner: &str| format!("{}{inner}{}", "{\"a\":".repeat(10), "}".repeat(10));
        assert_eq!(told(&nested("1"), &nested("2")), [r#"a.a.a.a.a.a.a.a: {"a":{"a":1}} -> {"a":{"a":2}}"#]);
        let endless = |inner: &str| format!("{}{inner}{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        assert_eq!(Difference::between(&endless("1"), &endless("2")).fields.len(), 1);
    }

    #[test]
    fn large_values_are_named_and_too_many_fields_are_counted() {
        let large = format!("{{\"a\":\"{}\",\"b\":2}}", "x".repeat(MAX_RECORD_BYTES));
        let field = |field: &str, before: &str, large: bool| FieldChange {
            field: field.to_owned(),
            before: Some(before.to_owned()).filter(|_| !large),
            after: None,
            large,
        };
        assert_eq!(Difference::between(&large, "{}").fields, [field("a", "", true), field("b", "2", false)]);
        let many: Vec<String> = (0..20_000).map(|n| format!("\"{n:05}\":{n}")).collect();
        let difference = Difference::between(&format!("{{{}}}", many.join(",")), "{}");
        assert_eq!(difference.fields.len() as u64 + difference.left_out, 20_000);
        assert!(difference.left_out > 0 && difference.fields.len() > 10_000, "{}", difference.left_out);
    }
}
