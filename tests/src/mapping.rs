//! A mapping that some people break: what an operator may do to an index who wants to sort by a field that is not always a number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mockserver::{Item, Section};

use crate::http;
use crate::program::workspace;
use crate::store::StoredItem;

/// Why the server refuses them.
pub const REASON: &str = "failed to parse field [payload.Tag.number] of type [long]";

/// Writes a spider of people into a folder: the project's own with one more field, `Tag`, which is the person's number, but for people
/// whose number ends so `u/` and the number.
///
/// # Panics
/// When it cannot be written.
pub fn spider(folder: &Path, ending: &str) -> PathBuf {
    let people = std::fs::read_to_string(workspace().join("spiders/zhenai.toml")).expect("the project has the spider");
    let file = folder.join("tags.toml");
    std::fs::write(&file, format!("{people}Tag = {{ url = '(u/[0-9]*{ending}|[0-9]+)$' }}\n")).expect("there is a place for it");
    file
}

/// Adds to the field `Tag` of an index that it is to be sorted as a number too, which it then must be.
///
/// # Panics
/// When the server does not do that.
pub fn break_with_text(index: &str) {
    let number = r#"{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256},"number":{"type":"long"}}}"#;
    http::put(&format!("{index}/_mapping"), &format!(r#"{{"properties":{{"payload":{{"properties":{{"Tag":{number}}}}}}}}}"#));
}

/// The people who fit and those who do not.
pub fn split(people: &Section, ending: &str) -> (Vec<Item>, Vec<Item>) {
    people.items.iter().cloned().partition(|item| !item.id.ends_with(ending))
}

/// Stored are these people, each once with all fields, and nobody else.
///
/// # Panics
/// When anything differs.
pub fn assert_stored(stored: Vec<StoredItem>, people: Vec<Item>, ending: &str) {
    assert_eq!(stored.len(), people.len(), "each item is stored once");
    let stored: BTreeMap<_, _> = stored.into_iter().map(|item| (item.id, item.payload)).collect();
    let expected = people.into_iter().map(|item| {
        let mut payload = serde_json::to_value(&item.payload).expect("a payload is plain data");
        payload["Tag"] = if item.id.ends_with(ending) { format!("u/{}", item.id).into() } else { item.id.clone().into() };
        (item.id, payload)
    });
    crate::exact::assert_same(&stored, &expected.collect());
}
