//! Which columns a table with types has.

use std::collections::HashMap;
use std::fmt;

use model::Item;
use model::schema::TypeSchema;

use super::columns::CsvColumns;
use super::flatten::flatten;
use super::kind::ColumnKind;

/// The payload columns of a table with types: those of CSV, with the same headings in the same order.
///
/// A field of a schema has the kind told. One that types give two kinds holds both: integer and float are float, anything else is text. A
/// value that does not fit widens its whole column, so that none is lost: integer to float if all its values are numbers that float holds,
/// else to text, in which values stand as in CSV. Fields that no schema names are text. `null` is no value, and fits everywhere.
#[derive(Clone, Debug)]
pub struct TypedColumns {
    columns: CsvColumns,
    told: HashMap<String, Told>,
}

/// A column that a schema names.
#[derive(Clone, Debug)]
struct Told {
    kind: ColumnKind,
    /// What takes all values found so far, the best first.
    fitting: Vec<ColumnKind>,
    /// Type and id of the first item whose value is not of the kind told.
    misfit: Option<(String, String)>,
}

/// A column that does not have the kind told by the schema, since a value did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widened {
    /// The column's heading.
    pub column: String,
    /// The kind it has.
    pub kind: ColumnKind,
    /// The kind told.
    pub told: ColumnKind,
    /// The type of the first item with a value that did not fit.
    pub item_type: String,
    /// That item's id.
    pub id: String,
}

impl TypedColumns {
    /// The columns of schemas, before anything was found.
    pub fn of(schemas: &[TypeSchema]) -> TypedColumns {
        let mut told: HashMap<String, Told> = HashMap::new();
        for field in schemas.iter().flat_map(|schema| &schema.fields) {
            let kind = ColumnKind::told(field.kind);
            let kind = told.get(&field.name).map_or(kind, |known| known.kind.shared(kind));
            told.insert(field.name.clone(), Told { kind, fitting: kind.candidates(), misfit: None });
        }
        TypedColumns { columns: CsvColumns::complete(schemas), told }
    }

    /// Adds columns for what an item has and no column holds yet, and widens those into which its values do not fit. As
    /// [`CsvColumns::find`], it keeps no names past [`super::MAX_COLUMNS`].
    pub fn find(&mut self, item: &Item) {
        flatten(&item.payload, |name, leaf| match self.told.get_mut(name) {
            Some(told) if !leaf.is_null() => {
                told.fitting.retain(|kind| *kind == ColumnKind::Text || kind.read(leaf).is_some());
                if told.fitting.first() != Some(&told.kind) && told.misfit.is_none() {
                    told.misfit = Some((item.item_type.clone(), item.id.to_string()));
                }
            }
            Some(_) => {}
            None => self.columns.add(name),
        });
    }

    /// How many payload columns there are.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is no payload column.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The columns that do not have the kind told, in order.
    pub fn widened(&self) -> Vec<Widened> {
        let headings = self.columns.payload_headings();
        let widened = self.columns.names().zip(headings).filter_map(|(name, column)| {
            let told = self.told.get(name)?;
            let (item_type, id) = told.misfit.clone()?;
            Some(Widened { column, kind: self.kind(name), told: told.kind, item_type, id })
        });
        widened.collect()
    }

    /// Where each payload field goes among the payload columns.
    pub(super) fn places(&self) -> HashMap<String, usize> {
        self.columns.places()
    }

    /// Heading and kind of each payload column in order.
    pub(super) fn payload(&self) -> Vec<(String, ColumnKind)> {
        self.columns.payload_headings().into_iter().zip(self.columns.names().map(|name| self.kind(name))).collect()
    }

    fn kind(&self, name: &str) -> ColumnKind {
        self.told.get(name).and_then(|told| told.fitting.first().copied()).unwrap_or(ColumnKind::Text)
    }
}

impl fmt::Display for Widened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Widened { column, kind, told, item_type, id } = self;
        write!(f, "column {column} is {kind}, not {told}: {item_type} {id} has a value that does not fit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::schema::{FieldKind, FieldSchema};

    fn schema(item_type: &str, fields: &[(&str, FieldKind)]) -> TypeSchema {
        let fields = fields.iter().map(|(name, kind)| FieldSchema { name: (*name).to_owned(), kind: *kind });
        TypeSchema { item_type: item_type.to_owned(), fields: fields.collect() }
    }

    fn item(id: &str, payload: &str) -> Item {
        serde_json::from_value(serde_json::json!({"url": "http://h/", "type": "t", "id": id, "payload": payload})).unwrap()
    }

    fn kinds(columns: &TypedColumns) -> String {
        columns.payload().iter().map(|(heading, kind)| format!("{heading} {kind}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn columns_have_the_kinds_of_the_schemas_and_the_others_are_text() {
        use FieldKind::{Bool, Float, Integer, Text, TextList, Unknown};
        let one = schema("a", &[("id", Integer), ("f", Float), ("l", TextList), ("o.k", Bool), ("u", Unknown), ("n", Integer)]);
        let other = schema("b", &[("f", Integer), ("l", Text)]);
        let mut columns = TypedColumns::of(&[one, other]);
        columns.find(&item("1", r#"{"id":1,"f":1,"l":["a"],"o":{"k":true},"u":[1],"n":null,"z":1}"#));
        assert_eq!(kinds(&columns), "payload.id integer, f float, l text, o.k bool, u text, n integer, z text");
        assert_eq!(columns.widened(), []);
    }

    #[test]
    fn a_value_that_does_not_fit_widens_its_column_and_is_told() {
        let field = |name| (name, FieldKind::Integer);
        let mut columns = TypedColumns::of(&[schema("t", &[field("a"), field("b"), field("c"), field("d"), ("l", FieldKind::TextList)])]);
        columns.find(&item("1", r#"{"a":1,"b":1,"c":9007199254740993,"d":1,"l":[]}"#));
        assert_eq!(kinds(&columns), "a integer, b integer, c integer, d integer, l a list of texts");
        columns.find(&item("2", r#"{"a":1.5,"b":"x","c":1.5,"d":2,"l":[1]}"#));
        columns.find(&item("3", r#"{"a":2,"b":1.5,"c":1,"d":null}"#));
        assert_eq!(kinds(&columns), "a float, b text, c text, d integer, l text");
        let told: Vec<String> = columns.widened().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "column a is float, not integer: t 2 has a value that does not fit",
                "column b is text, not integer: t 2 has a value that does not fit",
                "column c is text, not integer: t 2 has a value that does not fit",
                "column l is text, not a list of texts: t 2 has a value that does not fit",
            ]
        );
    }
}
