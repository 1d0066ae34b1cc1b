//! What the indices are made of, and what becomes of the types' fields.

use std::collections::BTreeMap;

use model::schema::{FieldKind, TypeSchema};
use serde_json::{Map, Value, json};

/// Marks an index as ours, and says how it is laid out.
pub(super) const LAYOUT: u64 = 1;

/// The key of [`LAYOUT`] in a mapping's `_meta`.
pub(super) const MARK: &str = "gossamer_items";

/// How long the server remembers what was taken away: longer than any write of ours can be late.
const REMEMBER_DELETED: &str = "1h";

/// The body that makes the index of items.
///
/// Fields that no schema names are kept and not mapped: a mapping is never guessed from the first item that comes.
pub(super) fn items(alias: &str, schemas: &[TypeSchema]) -> String {
    json!({
        "settings": { "index": { "number_of_shards": 1, "gc_deletes": REMEMBER_DELETED } },
        "aliases": { alias: {} },
        "mappings": {
            "_meta": { MARK: LAYOUT },
            "dynamic": false,
            "properties": {
                "type": { "type": "keyword" },
                "id": { "type": "keyword" },
                "url": { "type": "keyword" },
                "crawl": { "type": "keyword" },
                "page": { "type": "keyword" },
                "fetched_at": { "type": "date", "format": "epoch_millis" },
                "version": { "type": "long" },
                "spider": { "type": "keyword" },
                "number": { "type": "long" },
                "words": { "type": "text", "analyzer": "whitespace", "norms": false },
                "fielded": { "type": "text", "analyzer": "whitespace", "norms": false },
                "numbers": { "type": "keyword" },
                "payload": { "type": "object", "dynamic": false, "properties": fields(schemas) },
                "saved": { "type": "object", "enabled": false },
            },
        },
    })
    .to_string()
}

/// The body that makes the index of pages.
pub(super) fn pages(alias: &str) -> String {
    json!({
        "settings": { "index": { "number_of_shards": 1, "gc_deletes": REMEMBER_DELETED } },
        "aliases": { alias: {} },
        "mappings": {
            "_meta": { MARK: LAYOUT },
            "dynamic": false,
            "properties": { "crawl": { "type": "keyword" }, "page": { "type": "keyword" } },
        },
    })
    .to_string()
}

/// The body that makes the index of what has changed in items.
pub(super) fn history(alias: &str) -> String {
    json!({
        "settings": { "index": { "number_of_shards": 1, "gc_deletes": REMEMBER_DELETED } },
        "aliases": { alias: {} },
        "mappings": {
            "_meta": { MARK: LAYOUT },
            "dynamic": false,
            "properties": {
                "type": { "type": "keyword" },
                "id": { "type": "keyword" },
                "changes": { "type": "object", "enabled": false },
            },
        },
    })
    .to_string()
}

/// The body that adds the fields of schemas to an index.
pub(super) fn additions(schemas: &[TypeSchema]) -> String {
    json!({ "properties": { "payload": { "dynamic": false, "properties": fields(schemas) } } }).to_string()
}

fn fields(schemas: &[TypeSchema]) -> Value {
    let fields = schemas.iter().flat_map(|schema| &schema.fields);
    let mapped = fields.filter_map(|field| Some((field.name.clone(), field_mapping(field.kind)?)));
    Value::Object(mapped.collect::<Map<_, _>>())
}

/// Text is searched by word and, up to 256 characters, sorted and counted as a whole.
fn field_mapping(kind: FieldKind) -> Option<Value> {
    match kind {
        FieldKind::Text | FieldKind::TextList => {
            Some(json!({ "type": "text", "fields": { "keyword": { "type": "keyword", "ignore_above": 256 } } }))
        }
        FieldKind::Integer => Some(json!({ "type": "long" })),
        FieldKind::Float => Some(json!({ "type": "double" })),
        FieldKind::Bool => Some(json!({ "type": "boolean" })),
        // Whatever it is, it is kept.
        FieldKind::Unknown => None,
    }
}

/// Fields that two types give two kinds, which one index cannot have: a sentence for each.
pub(super) fn conflicts(schemas: &[TypeSchema]) -> Vec<String> {
    let mut known: BTreeMap<&str, (&str, FieldKind)> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for (item_type, field) in schemas.iter().flat_map(|schema| schema.fields.iter().map(|field| (schema.item_type.as_str(), field))) {
        let Some(mapping) = field_mapping(field.kind) else { continue };
        let (first, kind) = *known.entry(&field.name).or_insert((item_type, field.kind));
        if field_mapping(kind) != Some(mapping) {
            let (name, one, other) = (&field.name, word(kind), word(field.kind));
            conflicts.push(format!("field {name} is {one} in type {first} and {other} in type {item_type}"));
        }
    }
    conflicts
}

fn word(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Integer => "integer",
        FieldKind::Float => "float",
        FieldKind::Bool => "bool",
        FieldKind::TextList => "a list of texts",
        FieldKind::Unknown => "of an unknown kind",
    }
}

/// The name of an alias's index of a number: `items-000001`.
pub(super) fn index_name(alias: &str, number: u64) -> String {
    format!("{alias}-{number:06}")
}

/// The index after this one of an alias.
pub(super) fn next_index_name(alias: &str, index: &str) -> String {
    let number = index.rsplit_once('-').and_then(|(_, number)| number.parse::<u64>().ok()).unwrap_or_default();
    index_name(alias, number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::schema::FieldSchema;

    fn schema(item_type: &str, fields: &[(&str, FieldKind)]) -> TypeSchema {
        let fields = fields.iter().map(|(name, kind)| FieldSchema { name: (*name).to_owned(), kind: *kind });
        TypeSchema { item_type: item_type.to_owned(), fields: fields.collect() }
    }

    #[test]
    fn a_field_of_two_kinds_is_told_with_both_types() {
        let person = schema("person", &[("Age", FieldKind::Integer), ("Name", FieldKind::Text), ("Car", FieldKind::Unknown)]);
        let car = schema("car", &[("Age", FieldKind::Text), ("Name", FieldKind::TextList), ("Car", FieldKind::Float)]);
        assert_eq!(conflicts(&[person.clone(), car]), ["field Age is integer in type person and text in type car"]);
        assert_eq!(conflicts(&[person.clone(), person]), [""; 0]);
    }

    #[test]
    fn indices_are_numbered() {
        assert_eq!(index_name("items", 1), "items-000001");
        assert_eq!(next_index_name("items", "items-000009"), "items-000010");
        assert_eq!(next_index_name("my-items", "elsewhere"), "my-items-000001");
    }
}
