use std::collections::BTreeMap;

use bytes::Bytes;
use model::schema::{FieldKind, FieldSchema, TypeSchema};
use model::{CrawlName, CrawlUrl, SpiderHash};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::printer::print_schema;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::export::{ItemWriter, rfc3339};
use crate::store::StoredItem;

const SMALL: GroupBounds = GroupBounds { bytes: 4096, rows: 7 };

fn stored(id: &str, payload: String, spider: bool) -> StoredItem {
    let item = json!({"url": format!("http://h/{id}"), "type": "t", "id": id, "payload": payload});
    let source = Source {
        crawl: CrawlName::new("c").unwrap(),
        page: CrawlUrl::parse("http://h/page").unwrap(),
        fetched_at_ms: 1_709_164_800_001,
        version: u64::MAX,
        spider: spider.then(|| SpiderHash::of(b"")),
    };
    StoredItem { item: serde_json::from_value(item).unwrap(), source }
}

fn schema_of(fields: &[(&str, FieldKind)]) -> TypeSchema {
    let fields = fields.iter().map(|(name, kind)| FieldSchema { name: (*name).to_owned(), kind: *kind });
    TypeSchema { item_type: "t".into(), fields: fields.collect() }
}

/// The file of these items, and how many values it does not have.
fn written(columns: &TypedColumns, items: &[StoredItem], bounds: GroupBounds) -> (SerializedFileReader<Bytes>, u64) {
    let mut bytes = Vec::new();
    let mut writer = ParquetWriter::bounded(&mut bytes, columns, bounds).unwrap();
    items.iter().for_each(|stored| writer.write(&stored.item, &stored.source).unwrap());
    let left_out = writer.finish().unwrap();
    (SerializedFileReader::new(Bytes::from(bytes)).unwrap(), left_out)
}

fn found(schemas: &[TypeSchema], items: &[StoredItem]) -> TypedColumns {
    let mut columns = TypedColumns::of(schemas);
    items.iter().for_each(|stored| columns.find(&stored.item));
    columns
}

fn rows(reader: &SerializedFileReader<Bytes>) -> Vec<BTreeMap<String, Field>> {
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().into_columns().into_iter().collect()).collect()
}

fn message(reader: &SerializedFileReader<Bytes>) -> Vec<String> {
    let mut printed = Vec::new();
    print_schema(&mut printed, reader.metadata().file_metadata().schema());
    String::from_utf8(printed).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

/// Whether a cell says what the line of the item says there.
fn says(cell: &Field, value: Option<&Json>) -> bool {
    match (cell, value) {
        (Field::Null, None | Some(Json::Null)) => true,
        (Field::Str(text), Some(Json::String(string))) => text == string,
        (Field::Str(text), Some(value)) => serde_json::to_string(value).is_ok_and(|json| json == *text),
        (Field::Long(number), Some(value)) => *value == json!(number),
        (Field::Double(number), Some(value)) => value.as_f64() == Some(*number),
        (Field::Bool(bool), Some(value)) => *value == json!(bool),
        (Field::ListInternal(list), Some(Json::Array(texts))) => {
            list.elements().len() == texts.len() && list.elements().iter().zip(texts).all(|(cell, text)| says(cell, Some(text)))
        }
        _ => false,
    }
}

/// The values of a line's payload by the names of their columns.
fn flat(value: &Json, name: &str, flattened: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(fields) if !fields.is_empty() || name.is_empty() => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flat(value, &name, flattened);
            }
        }
        other => drop(flattened.insert(name.to_owned(), other.clone())),
    }
}

fn any_kind() -> impl Strategy<Value = FieldKind> {
    use FieldKind::{Bool, Float, Integer, Text, TextList, Unknown};
    prop::sample::select(vec![Text, Integer, Float, Bool, TextList, Unknown])
}

/// A value that mostly fits a kind.
fn value_for(kind: FieldKind) -> BoxedStrategy<Json> {
    let text = || prop_oneof!["[a-c]{0,3}", Just("安静\n\"'".to_owned()), Just("null".to_owned())];
    let odd = prop_oneof![
        Just(json!(null)),
        Just(json!(u64::MAX)),
        Just(json!([1, null])),
        Just(json!({})),
        Just(json!(9_007_199_254_740_993_i64)),
        Just(json!(1e300)),
        text().prop_map(Json::from),
    ];
    let usual = match kind {
        FieldKind::Text | FieldKind::Unknown => text().prop_map(Json::from).boxed(),
        FieldKind::Integer => any::<i64>().prop_map(Json::from).boxed(),
        FieldKind::Float => prop_oneof![any::<f64>().prop_map(Json::from), any::<i16>().prop_map(Json::from)].boxed(),
        FieldKind::Bool => any::<bool>().prop_map(Json::from).boxed(),
        FieldKind::TextList => prop::collection::vec(text(), 0..4).prop_map(Json::from).boxed(),
    };
    prop_oneof![30 => usual, 1 => odd].boxed()
}

/// Kinds of the fields `a`, `id`, `o.x` and `o.y`, and payloads with some of them and one that no schema names.
fn any_items() -> impl Strategy<Value = (Vec<FieldKind>, Vec<Json>)> {
    prop::collection::vec(any_kind(), 4).prop_flat_map(|kinds| {
        let maybe = |kind: FieldKind| prop::option::weighted(0.8, value_for(kind));
        let extra = prop::option::of(any_kind().prop_flat_map(value_for));
        let fields = (maybe(kinds[0]), maybe(kinds[1]), maybe(kinds[2]), maybe(kinds[3]), extra);
        let payload = fields.prop_map(|(a, id, x, y, extra)| {
            let object = |fields: Vec<(&str, Option<Json>)>| {
                Json::Object(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
            };
            object(vec![("a", a), ("id", id), ("o", Some(object(vec![("x", x), ("y", y)]))), ("new", extra)])
        });
        (Just(kinds), prop::collection::vec(payload, 0..20))
    })
}

proptest! {
    #[test]
    fn any_items_read_back_say_what_their_json_lines_say((kinds, payloads) in any_items()) {
        let fields: Vec<(&str, FieldKind)> = ["a", "id", "o.x", "o.y"].into_iter().zip(kinds).collect();
        let items: Vec<StoredItem> =
            (0..).zip(&payloads).map(|(n, payload): (u32, _)| stored(&n.to_string(), payload.to_string(), n % 2 == 0)).collect();
        let (reader, left_out) = written(&found(&[schema_of(&fields)], &items), &items, SMALL);
        prop_assert_eq!(left_out, 0);
        prop_assert_eq!(reader.metadata().file_metadata().num_rows(), items.len() as i64);
        let mut lines = Vec::new();
        let mut writer = ItemWriter::jsonl(&mut lines);
        items.iter().for_each(|stored| writer.write(&stored.item, &stored.source).unwrap());
        let lines = String::from_utf8(lines).unwrap();
        for ((line, sent), mut row) in lines.lines().zip(&payloads).zip(rows(&reader)) {
            // Read as JSON a line may lose the last digit of a number: its payload is compared as text.
            prop_assert!(line.contains(&format!(",\"payload\":{sent},\"source\"")), "{}", line);
            let line: Json = serde_json::from_str(line).unwrap();
            let mut payload = BTreeMap::new();
            flat(sent, "", &mut payload);
            for (name, value) in ["url", "type", "id"].map(|name| (name, &line[name])) {
                prop_assert!(says(&row.remove(name).unwrap(), Some(value)), "{} of {}", name, line);
            }
            for name in ["crawl", "page", "spider"] {
                prop_assert!(says(&row.remove(&format!("source.{name}")).unwrap(), Some(&line["source"][name])), "{} of {}", name, line);
            }
            prop_assert_eq!(row.remove("source.version"), Some(Field::ULong(u64::MAX)));
            let Some(Field::TimestampMillis(fetched_at)) = row.remove("source.fetched_at") else { panic!("no time") };
            prop_assert_eq!(rfc3339(fetched_at.cast_unsigned()), line["source"]["fetched_at"].as_str().unwrap());
            for (heading, cell) in &row {
                let name = if heading == "payload.id" { "id" } else { heading };
                let value = payload.remove(name);
                prop_assert!(says(cell, value.as_ref()), "{} is {:?} of {}", heading, cell, line);
            }
            prop_assert_eq!(payload.into_values().collect::<Vec<_>>(), Vec::<Json>::new(), "no column is missing");
        }
    }
}

#[test]
fn columns_have_the_types_of_the_schema() {
    use FieldKind::{Bool, Float, Integer, Text, TextList};
    let schema = schema_of(&[("name", Text), ("price", Integer), ("rate", Float), ("ok", Bool), ("tags", TextList)]);
    let items = [stored("1", r#"{"tags":["x","y"],"price":3,"rate":1,"home":{"city":[1]}}"#.into(), true)];
    let (reader, _) = written(&found(&[schema], &items), &items, BOUNDS);
    assert_eq!(
        message(&reader),
        [
            "message items {",
            "REQUIRED BYTE_ARRAY url (STRING);",
            "REQUIRED BYTE_ARRAY type (STRING);",
            "REQUIRED BYTE_ARRAY id (STRING);",
            "OPTIONAL BYTE_ARRAY name (STRING);",
            "OPTIONAL INT64 price;",
            "OPTIONAL DOUBLE rate;",
            "OPTIONAL BOOLEAN ok;",
            "OPTIONAL group tags (LIST) {",
            "REPEATED group list {",
            "REQUIRED BYTE_ARRAY element (STRING);",
            "}",
            "}",
            "OPTIONAL BYTE_ARRAY home.city (STRING);",
            "REQUIRED BYTE_ARRAY source.crawl (STRING);",
            "REQUIRED BYTE_ARRAY source.page (STRING);",
            "REQUIRED INT64 source.fetched_at (TIMESTAMP(MILLIS,true));",
            "REQUIRED INT64 source.version (INTEGER(64,false));",
            "OPTIONAL BYTE_ARRAY source.spider (STRING);",
            "}",
        ]
    );
    let row = rows(&reader).remove(0);
    let of = |name: &str| row[name].to_string();
    assert_eq!(["name", "price", "rate", "ok", "tags", "home.city"].map(of), ["null", "3", "1.0", "null", "[\"x\", \"y\"]", "\"[1]\""]);
    let column = |n: usize| reader.metadata().row_group(0).column(n).clone();
    assert_eq!(column(4).compression(), Compression::ZSTD(ZstdLevel::default()));
    let statistics = column(4).statistics().unwrap().clone();
    assert_eq!((statistics.min_bytes_opt(), statistics.null_count_opt()), (Some(&3_i64.to_le_bytes()[..]), Some(0)));
}

#[test]
fn nothing_stored_is_a_file_with_columns_and_no_row_group() {
    let (reader, left_out) = written(&found(&[schema_of(&[("a", FieldKind::Integer)])], &[]), &[], BOUNDS);
    assert_eq!((reader.metadata().num_row_groups(), rows(&reader).len(), left_out), (0, 0, 0));
    assert_eq!(message(&reader)[4], "OPTIONAL INT64 a;");
}

#[test]
fn row_groups_end_at_their_bounds() {
    let sizes =
        |reader: &SerializedFileReader<Bytes>| reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>();
    let small: Vec<StoredItem> = (0..20).map(|n: u32| stored(&n.to_string(), "{}".into(), false)).collect();
    assert_eq!(sizes(&written(&found(&[], &small), &small, GroupBounds { bytes: 1 << 20, rows: 7 }).0), [7, 7, 6]);
    let payload = format!("{{\"a\":\"{}\"}}", "x".repeat(3000));
    let large: Vec<StoredItem> = (0..5).map(|n: u32| stored(&n.to_string(), payload.clone(), false)).collect();
    assert_eq!(sizes(&written(&found(&[], &large), &large, GroupBounds { bytes: 6000, rows: 7 }).0), [2, 2, 1]);
}

#[test]
fn of_two_fields_with_one_name_the_later_is_in_the_cell() {
    let items = [stored("1", r#"{"o.x":1,"o":{"x":2}}"#.into(), false)];
    let (reader, left_out) = written(&found(&[], &items), &items, BOUNDS);
    assert_eq!((rows(&reader)[0]["o.x"].to_string(), left_out), ("\"2\"".to_owned(), 0));
}

#[test]
fn values_that_came_after_the_columns_were_set_are_counted() {
    let columns = found(&[schema_of(&[("a", FieldKind::Integer)])], &[]);
    let (reader, left_out) = written(&columns, &[stored("1", r#"{"a":"x","b":1}"#.into(), false)], BOUNDS);
    assert_eq!((rows(&reader)[0]["a"].clone(), left_out), (Field::Null, 2));
}

#[test]
fn the_error_of_the_output_is_told_as_it_is() {
    struct Left;
    impl Write for Left {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let columns = TypedColumns::of(&[]);
    let ended = ParquetWriter::new(Left, &columns).and_then(ParquetWriter::finish);
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
