//! What a store holds, read as a user reads it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::program::Program;

/// One item, as `itemsaver export` and `engine -o` write it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StoredItem {
    /// Where a person sees it.
    pub url: String,
    /// Its kind.
    #[serde(rename = "type")]
    pub item_type: String,
    /// Its name within its kind.
    pub id: String,
    /// Its fields.
    pub payload: Value,
    /// Where it came from.
    pub source: Source,
}

/// Where an item came from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Source {
    /// The crawl's name.
    pub crawl: String,
    /// The page it was found on.
    pub page: String,
}

/// All items of a store, in the order of type and id. The store may be in use.
///
/// # Panics
/// When they cannot be exported.
pub fn items(store: &Path) -> Vec<StoredItem> {
    of_lines(&export(store, "jsonl"))
}

/// A store as `itemsaver export --format FORMAT` writes it.
///
/// # Panics
/// When it cannot be exported.
pub fn export(store: &Path, format: &str) -> String {
    let store = format!("sqlite:{}", store.display());
    let exit = Program::new("itemsaver").args(["export", "--store", &store, "--format", format]).run();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    exit.stdout
}

/// The items of JSON lines.
///
/// # Panics
/// When a line is no item.
pub fn of_lines(text: &str) -> Vec<StoredItem> {
    let item = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the line {line}"));
    text.lines().map(item).collect()
}
