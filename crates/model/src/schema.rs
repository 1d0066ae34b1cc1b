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
