//! What is looked for: the tree that a query means. See [`super::parse`] for how it is written.

use super::entries::{Attribute, FieldKey};

/// A condition on an item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Query {
    /// Every item.
    All,
    /// All of these; never empty.
    And(Vec<Query>),
    /// One of these at least; never empty.
    Or(Vec<Query>),
    /// Not this.
    Not(Box<Query>),
    /// Words that follow each other.
    Text(Text),
    /// A number of a field within bounds.
    Number(Field, Bounds),
    /// Exactly this.
    Exact(Attribute, String),
}

/// A field of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// As it was written, without `Payload.`.
    pub(crate) name: String,
}

impl Field {
    pub(crate) fn key(&self) -> FieldKey {
        FieldKey::of(&self.name)
    }
}

/// Words that follow each other, in one field or in any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) field: Option<Field>,
    /// Never empty.
    pub(crate) words: Vec<String>,
    /// Whether the one word is the beginning of one.
    pub(crate) is_prefix: bool,
}

impl Text {
    /// The words as an index has them.
    pub(crate) fn indexed(&self) -> Vec<String> {
        match &self.field {
            None => self.words.clone(),
            Some(field) => self.words.iter().map(|word| format!("{}{word}", field.key().as_str())).collect(),
        }
    }
}

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) low: Bound,
    pub(crate) high: Bound,
}

/// One end of what a number may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// Any.
    Open,
    /// This one too.
    Including(f64),
    /// This one not.
    Excluding(f64),
}

impl Query {
    /// The texts that an item which is found has or may have: what is marked in it.
    pub(crate) fn texts(&self) -> Vec<&Text> {
        match self {
            Query::All | Query::Not(_) | Query::Number(..) | Query::Exact(..) => Vec::new(),
            Query::And(queries) | Query::Or(queries) => queries.iter().flat_map(Query::texts).collect(),
            Query::Text(text) => vec![text],
        }
    }
}
