//! What an index holds of an item: words, words with their field, numbers with their field.

use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::segment::segment;

/// Words of one item that are indexed at most, with and without field each.
const MAX_WORDS: usize = 100_000;

/// Stands between values, so that no phrase reaches from one into the next. No word is like it; beyond ASCII, since SQLite's tokenizer takes
/// that for a word.
const BETWEEN: &str = "‖";

/// What a store indexes of an item: words divided by spaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entries {
    /// Words of all values.
    pub(crate) words: String,
    /// The same words, each with its field; and what names the item exactly.
    pub(crate) fielded: String,
    /// Numbers with their field.
    pub(crate) numbers: Vec<(FieldKey, f64)>,
    count: usize,
}

/// A field's name as it stands before words: twelve digits, whatever is in the name. Upper and lower case are the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FieldKey(String);

impl FieldKey {
    pub(crate) fn of(name: &str) -> FieldKey {
        FieldKey(format!("{:012x}", xxh3_64(name.to_lowercase().as_bytes()) >> 16))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits as a number.
    pub(crate) fn number(&self) -> i64 {
        i64::from_str_radix(&self.0, 16).expect("twelve hexadecimal digits")
    }
}

/// The one word by which an item with exactly this attribute is found.
pub(crate) fn exact(attribute: Attribute, value: &str) -> String {
    format!("{:032x}", xxh3_128(format!("{attribute:?} {value}").as_bytes()))
}

/// What an item has beside its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Type,
    Id,
    Url,
    Crawl,
}

/// What is indexed of an item of this crawl.
pub(crate) fn entries(item_type: &str, id: &str, url: &str, crawl: &str, payload: &str) -> Entries {
    let mut entries = Entries::default();
    let attributes = [(Attribute::Type, item_type), (Attribute::Id, id), (Attribute::Url, url), (Attribute::Crawl, crawl)];
    for (attribute, value) in attributes {
        push(&mut entries.fielded, &exact(attribute, value));
    }
    push(&mut entries.fielded, BETWEEN);
    for token in segment(id) {
        push(&mut entries.words, &token.text);
    }
    push(&mut entries.words, BETWEEN);
    // What nests deeper than any reader follows is kept and not found.
    if let Ok(payload) = serde_json::from_str::<Value>(payload) {
        walk("", &payload, &mut |name, value| entries.add(name, value));
    }
    entries
}

/// Calls `each` with every value that is no object or array, and its field: names within names are joined by a dot, elements of an array
/// have its name.
pub(crate) fn walk<'a>(name: &str, value: &'a Value, each: &mut impl FnMut(&str, &'a Value)) {
    match value {
        Value::Object(fields) => {
            for (inner, value) in fields {
                let joined = if name.is_empty() { inner.clone() } else { format!("{name}.{inner}") };
                walk(&joined, value, each);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(name, value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => each(name, value),
    }
}

impl Entries {
    fn add(&mut self, name: &str, value: &Value) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) => value.to_string(),
            Value::Number(number) => {
                if let Some(number) = number.as_f64() {
                    self.numbers.push((FieldKey::of(name), number));
                }
                value.to_string()
            }
            Value::Null | Value::Object(_) | Value::Array(_) => return,
        };
        let key = FieldKey::of(name);
        for token in segment(&text) {
            if self.count >= MAX_WORDS {
                return;
            }
            self.count += 1;
            push(&mut self.words, &token.text);
            push(&mut self.fielded, key.as_str());
            self.fielded.push_str(&token.text);
        }
        push(&mut self.words, BETWEEN);
        push(&mut self.fielded, BETWEEN);
    }
}

fn push(stream: &mut String, word: &str) {
    if !stream.is_empty() {
        stream.push(' ');
    }
    stream.push_str(word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_its_words_with_and_without_field_and_its_numbers() {
        let payload = r#"{"Name":"安静 x","home":{"city":["A","B"]},"Age":30,"no":null,"ok":true}"#;
        let entries = entries("t", "m7", "http://h/", "c", payload);
        assert_eq!(entries.words, "m7 ‖ 安静 静 x ‖ a ‖ b ‖ 30 ‖ true ‖");
        let (name, city) = (FieldKey::of("name"), FieldKey::of("home.city"));
        let fielded: Vec<&str> = entries.fielded.split(' ').collect();
        assert_eq!(fielded[0], exact(Attribute::Type, "t"));
        assert_eq!(fielded[5..8], [format!("{}安静", name.as_str()), format!("{}静", name.as_str()), format!("{}x", name.as_str())]);
        assert_eq!(fielded[9], format!("{}a", city.as_str()));
        assert_eq!(entries.numbers, [(FieldKey::of("AGE"), 30.0)]);
    }
}
