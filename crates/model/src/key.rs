//! The identity of a request.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_128;

/// 128-bit hash (XXH3) of a canonical URL: two requests are the same if their keys are equal.
///
/// At ten thousand million URLs the chance of a single collision is about 10⁻¹⁹. On the wire it is 16 bytes, big endian; in JSON 32
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupKey(u128);

impl DedupKey {
    /// The key of a canonical URL's text.
    pub(crate) fn of(canonical: &str) -> DedupKey {
        DedupKey(xxh3_128(canonical.as_bytes()))
    }

    /// The 16 bytes of the key, big endian.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> DedupKey {
        DedupKey(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DedupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.to_bytes()) }
    }
}

impl<'de> Deserialize<'de> for DedupKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DedupKey, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = DedupKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("16 bytes or 32 hexadecimal digits")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<DedupKey, E> {
                let bytes = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(DedupKey::from_bytes(bytes))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<DedupKey, E> {
                u128::from_str_radix(text, 16).map(DedupKey).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        if deserializer.is_human_readable() { deserializer.deserialize_str(KeyVisitor) } else { deserializer.deserialize_bytes(KeyVisitor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_do_not_change_between_versions() {
        // A frontier on disk is full of these: a changed value loses every crawl.
        assert_eq!(DedupKey::of("http://example.org/").to_string(), "13dab8d42ad2218070c0198247c2304a");
    }

    #[test]
    fn a_key_survives_both_kinds_of_encoding() {
        let key = DedupKey::of("http://example.org/");
        let bytes = rmp_serde::to_vec(&key).unwrap();
        assert_eq!(bytes.len(), 18);
        assert_eq!(rmp_serde::from_slice::<DedupKey>(&bytes).unwrap(), key);
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<DedupKey>(&json).unwrap(), key);
    }
}
