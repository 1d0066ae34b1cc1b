//! Which items can be stored, the same in every store.

use model::Item;
use serde::de::IgnoredAny;

/// Longest name of a type, in bytes.
pub const MAX_TYPE_BYTES: usize = 255;

/// Longest id, in bytes: as long as the longest URL, which may serve as one.
pub const MAX_ID_BYTES: usize = model::url::MAX_URL_BYTES;

/// Largest payload, in bytes: what a worker sends for a whole page at most.
pub const MAX_PAYLOAD_BYTES: usize = 8 * 1024 * 1024;

/// Whether an item can be stored; if not, the reason for the one who made it.
pub(super) fn check(item: &Item) -> Result<(), String> {
    let (item_type, id, payload) = (&item.item_type, item.id.as_str(), item.payload.as_str());
    if item_type.is_empty() {
        return Err("must supply Type".to_owned());
    }
    if item_type.len() > MAX_TYPE_BYTES {
        return Err(format!("type of {} bytes is too long (at most {MAX_TYPE_BYTES})", item_type.len()));
    }
    // An empty id cannot be made here, but it can be sent.
    if id.is_empty() {
        return Err("must supply Id".to_owned());
    }
    if id.len() > MAX_ID_BYTES {
        return Err(format!("id of {} bytes is too long (at most {MAX_ID_BYTES})", id.len()));
    }
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(format!("payload of {} bytes is too large (at most {MAX_PAYLOAD_BYTES})", payload.len()));
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(payload) {
        return Err(format!("payload is not JSON: {error}"));
    }
    if !payload.trim_ascii_start().starts_with('{') {
        return Err("payload is not a JSON object".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_stored_is_told_why() {
        let item = |item_type: &str, id: &str, payload: &str| -> Item {
            let value = serde_json::json!({"url": "http://h/", "type": item_type, "id": id, "payload": payload});
            serde_json::from_value(value).unwrap()
        };
        let reason = |item: Item| check(&item).unwrap_err();
        assert_eq!(check(&item("t", "1", " {}")), Ok(()));
        assert_eq!(reason(item("", "1", "{}")), "must supply Type");
        assert_eq!(reason(item(&"t".repeat(256), "1", "{}")), "type of 256 bytes is too long (at most 255)");
        assert_eq!(reason(item("t", "", "{}")), "must supply Id");
        assert_eq!(reason(item("t", &"1".repeat(8193), "{}")), "id of 8193 bytes is too long (at most 8192)");
        assert_eq!(reason(item("t", "1", "[]")), "payload is not a JSON object");
        assert_eq!(reason(item("t", "1", "{\"a\":")), "payload is not JSON: EOF while parsing a value at line 1 column 5");
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_PAYLOAD_BYTES));
        assert_eq!(reason(item("t", "1", &large)), "payload of 8388616 bytes is too large (at most 8388608)");
    }

    #[test]
    fn nesting_however_deep_is_no_trouble() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let value = serde_json::json!({"url": "http://h/", "type": "t", "id": "1", "payload": deep});
        assert_eq!(check(&serde_json::from_value::<Item>(value).unwrap()), Ok(()));
    }
}
