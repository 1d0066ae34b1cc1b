//! Which columns a table of items has.

use std::collections::{BTreeSet, HashMap};

use model::PayloadJson;
use model::schema::TypeSchema;

use super::flatten::flatten;

/// Most payload columns of a table. Payloads with more different fields use keys as values, and no program reads such a table.
pub const MAX_COLUMNS: usize = 2_000;

/// Columns before the payload's.
pub(super) const BEFORE: [&str; 3] = ["url", "type", "id"];

/// Columns after the payload's.
pub(super) const AFTER: [&str; 5] = ["source.crawl", "source.page", "source.fetched_at", "source.version", "source.spider"];

/// Column for values that have none of their own.
const EXTRA: &str = "extra";

/// The payload columns of a table: first the fields of the schemas in their order, types in the order given, then further ones by name.
///
/// A payload column with the name of a column that every table has (`id`, `source.page`) is headed `payload.id`.
#[derive(Clone, Debug)]
pub struct CsvColumns {
    of_schemas: Vec<String>,
    found: BTreeSet<String>,
    extra: bool,
}

impl CsvColumns {
    /// The columns of schemas, for items not seen yet: values without a column go into a last column `extra`, as a JSON object by
    /// flattened name. So the columns depend on the schemas alone.
    pub fn of_schemas(schemas: &[TypeSchema]) -> CsvColumns {
        let mut of_schemas: Vec<String> = Vec::new();
        for field in schemas.iter().flat_map(|schema| &schema.fields) {
            if !of_schemas.contains(&field.name) {
                of_schemas.push(field.name.clone());
            }
        }
        CsvColumns { of_schemas, found: BTreeSet::new(), extra: true }
    }

    /// The columns of schemas, to which [`CsvColumns::find`] adds those that payloads need; without a column `extra`.
    pub fn complete(schemas: &[TypeSchema]) -> CsvColumns {
        CsvColumns { extra: false, ..CsvColumns::of_schemas(schemas) }
    }

    /// Adds columns for what a payload has and no column holds yet. Names past [`MAX_COLUMNS`] are counted, not kept.
    pub fn find(&mut self, payload: &PayloadJson) {
        flatten(payload, |name, _| self.add(name));
    }

    /// Adds a column, as [`CsvColumns::find`] does.
    pub(super) fn add(&mut self, name: &str) {
        if self.len() <= MAX_COLUMNS && !self.found.contains(name) && !self.of_schemas.iter().any(|known| known == name) {
            self.found.insert(name.to_owned());
        }
    }

    /// How many payload columns there are.
    pub fn len(&self) -> usize {
        self.of_schemas.len() + self.found.len()
    }

    /// Whether there is no payload column.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a column `extra`.
    pub(super) fn has_extra(&self) -> bool {
        self.extra
    }

    /// Where each payload field goes among the payload columns.
    pub(super) fn places(&self) -> HashMap<String, usize> {
        self.names().cloned().zip(0..).collect()
    }

    /// All column headings in order.
    pub(super) fn headings(&self) -> Vec<String> {
        let fixed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let extra: &[&str] = if self.extra { &[EXTRA] } else { &[] };
        fixed(&BEFORE).into_iter().chain(self.payload_headings()).chain(fixed(&AFTER)).chain(fixed(extra)).collect()
    }

    /// The headings of the payload columns in order, no two the same.
    pub(super) fn payload_headings(&self) -> Vec<String> {
        let fixed = |name: &str| BEFORE.contains(&name) || AFTER.contains(&name) || (self.extra && name == EXTRA);
        let is_field = |name: &String| self.found.contains(name) || self.of_schemas.contains(name);
        let heading = |name: &String| {
            let mut heading = name.clone();
            // A payload may well have an object `payload` with an `id`.
            while fixed(&heading) || (heading != *name && is_field(&heading)) {
                heading = format!("payload.{heading}");
            }
            heading
        };
        self.names().map(heading).collect()
    }

    /// The names of the payload columns in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.of_schemas.iter().chain(&self.found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::schema::{FieldKind, FieldSchema};

    fn schema(item_type: &str, fields: &[&str]) -> TypeSchema {
        let fields = fields.iter().map(|name| FieldSchema { name: (*name).to_owned(), kind: FieldKind::Text });
        TypeSchema { item_type: item_type.to_owned(), fields: fields.collect() }
    }

    #[test]
    fn schemas_come_first_then_what_is_found_by_name() {
        let mut columns = CsvColumns::complete(&[schema("a", &["z", "id"]), schema("b", &["y", "z"])]);
        for payload in [r#"{"q":1,"y":2,"m":{"b":1,"a":2}}"#, r#"{"source":{"page":1}}"#] {
            columns.find(&PayloadJson::parse(payload.to_owned()).unwrap());
        }
        let expected = "url,type,id,z,payload.id,y,m.a,m.b,q,payload.source.page,\
                        source.crawl,source.page,source.fetched_at,source.version,source.spider";
        assert_eq!(columns.headings().join(","), expected);
        assert_eq!(columns.len(), 7);
    }

    #[test]
    fn columns_of_schemas_alone_end_with_extra() {
        let columns = CsvColumns::of_schemas(&[schema("a", &["extra"])]);
        let expected = "url,type,id,payload.extra,source.crawl,source.page,source.fetched_at,source.version,source.spider,extra";
        assert_eq!(columns.headings().join(","), expected);
    }

    #[test]
    fn no_two_columns_have_one_heading() {
        let mut columns = CsvColumns::complete(&[schema("a", &["id"])]);
        columns.find(&PayloadJson::parse(r#"{"payload":{"id":1,"payload":{"x":1}}}"#.to_owned()).unwrap());
        assert_eq!(columns.payload_headings(), ["payload.payload.id", "payload.id", "payload.payload.x"]);
    }

    #[test]
    fn the_number_of_columns_is_bounded() {
        let mut columns = CsvColumns::complete(&[]);
        let fields: Vec<String> = (0..2 * MAX_COLUMNS).map(|n| format!("\"{n}\":1")).collect();
        columns.find(&PayloadJson::parse(format!("{{{}}}", fields.join(","))).unwrap());
        assert_eq!(columns.len(), MAX_COLUMNS + 1);
    }
}
