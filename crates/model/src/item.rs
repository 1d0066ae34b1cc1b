//! What a crawl is for: typed results with their source.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::crawl::CrawlName;
use crate::key::DedupKey;
use crate::parser::SpiderHash;
use crate::url::CrawlUrl;

/// The kind of an item, such as `zhenai` or `page`. May be empty on the wire: a store answers that with `must supply Type`.
pub type ItemType = String;

/// An item's name within its type; (type, id) is its identity in every store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(String);

impl ItemId {
    /// An id that the page or its URL gave. `None` for an empty text, which names nothing.
    pub fn given(id: impl Into<String>) -> Option<ItemId> {
        let id = id.into();
        (!id.is_empty()).then_some(ItemId(id))
    }

    /// The id of an item that was given none: the same page yields the same ids, whichever worker parses it and however often.
    ///
    /// `ordinal` counts the page's items of this type from 0.
    pub fn derived(page: DedupKey, item_type: &str, ordinal: usize) -> ItemId {
        let seed = format!("{page} {item_type} {ordinal}");
        ItemId(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(seed.as_bytes())))
    }

    /// The id's text, never empty.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An item's fields as JSON text, made once in the worker and carried untouched to the store, so that integers stay integers and
/// fields keep their order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PayloadJson(String);

impl PayloadJson {
    /// The JSON text of a value.
    ///
    /// # Errors
    /// When the value has no JSON form, such as a map with keys that are no text.
    pub fn of<T: Serialize>(value: &T) -> Result<PayloadJson, serde_json::Error> {
        serde_json::to_string(value).map(PayloadJson)
    }

    /// Text that is JSON already, as from a store.
    ///
    /// # Errors
    /// When it is not.
    pub fn parse(text: String) -> Result<PayloadJson, serde_json::Error> {
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(PayloadJson(text))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PayloadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A typed result as a parser gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The URL that shows it to a person: the page's, unless the parser knows a better one.
    pub url: CrawlUrl,
    /// Its kind.
    #[serde(rename = "type")]
    pub item_type: ItemType,
    /// Its name within its type.
    pub id: ItemId,
    /// Its fields.
    pub payload: PayloadJson,
}

/// Where an item came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The crawl that found it.
    pub crawl: CrawlName,
    /// The page it was found on.
    pub page: CrawlUrl,
    /// Milliseconds since the Unix epoch when that page was fetched.
    pub fetched_at_ms: u64,
    /// The page's version: grows with every fetch of the page, so that an older write never overwrites a newer one.
    pub version: u64,
    /// The spider file that read it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spider: Option<SpiderHash>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_page_type_and_ordinal_alone() {
        let page = |text| CrawlUrl::parse(text).unwrap().dedup_key();
        let id = ItemId::derived(page("http://h/a"), "t", 0);
        assert_eq!(id, ItemId::derived(page("http://h/a#x"), "t", 0));
        assert_ne!(id, ItemId::derived(page("http://h/b"), "t", 0));
        assert_ne!(id, ItemId::derived(page("http://h/a"), "u", 0));
        assert_ne!(id, ItemId::derived(page("http://h/a"), "t", 1));
        assert_eq!(ItemId::given(""), None);
    }

    #[test]
    fn numbers_in_a_payload_stay_what_they_were() {
        let text = r#"{"b":18446744073709551615,"a":1,"c":1.50}"#;
        assert_eq!(PayloadJson::parse(text.into()).unwrap().as_str(), text);
        assert!(PayloadJson::parse("{".into()).is_err());
    }
}
