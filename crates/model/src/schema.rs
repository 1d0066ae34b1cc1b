//! What the fields of an item type are, told to stores before the first item.

use serde::{Deserialize, Serialize};

/// The fields of one item type, in the order a person expects them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSchema {
    /// The item type.
    pub item_type: String,
    /// Its fields.
    pub fields: Vec<FieldSchema>,
}

impl TypeSchema {
    /// The items of the built-in parser `page`, with the fields that only its arguments add last.
    pub fn page() -> TypeSchema {
        use FieldKind::{Integer, Text, TextList};
        let fields = [
            ("status", Integer),
            ("title", Text),
            ("description", Text),
            ("canonical", Text),
            ("lang", Text),
            ("bytes", Integer),
            ("links", Integer),
            ("content_hash", Text),
            ("text", Text),
            ("headings", TextList),
            ("link_urls", TextList),
        ];
        let fields = fields.map(|(name, kind)| FieldSchema { name: name.to_owned(), kind }).into();
        TypeSchema { item_type: "page".to_owned(), fields }
    }
}

/// One field of an item type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSchema {
    /// The key in the payload.
    pub name: String,
    /// What its value is.
    pub kind: FieldKind,
}

/// What a field's value is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// A string.
    Text,
    /// A whole number that fits 64 bits with sign.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Bool,
    /// An array of strings.
    TextList,
    /// A kind that this version does not know; a store keeps the value and promises nothing.
    #[serde(other)]
    Unknown,
}
