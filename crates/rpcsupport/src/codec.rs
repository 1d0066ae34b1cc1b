//! The encoding of a frame: MessagePack with field names.
//!
//! Names cost some bytes and buy what a fleet of mixed versions needs: a peer skips a field it does not know and fills in one it
//! misses. A positional encoding (bincode, postcard) can do neither.

use std::io;
use std::pin::Pin;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// The codec of both directions.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePack;

impl<T: Serialize> tokio_serde::Serializer<T> for MessagePack {
    type Error = io::Error;

    fn serialize(self: Pin<&mut Self>, message: &T) -> io::Result<Bytes> {
        let mut writer = BytesMut::with_capacity(1024).writer();
        let mut serializer = rmp_serde::Serializer::new(&mut writer).with_struct_map();
        message.serialize(&mut serializer).map_err(io::Error::other)?;
        Ok(writer.into_inner().freeze())
    }
}

impl<T: for<'de> Deserialize<'de>> tokio_serde::Deserializer<T> for MessagePack {
    type Error = io::Error;

    fn deserialize(self: Pin<&mut Self>, frame: &BytesMut) -> io::Result<T> {
        rmp_serde::from_slice(frame).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::error::code;
    use model::hello::{Pong, Role, Welcome};
    use model::outcome::{FetchFacts, Page};
    use model::save::PageItems;
    use model::{CrawlUrl, Item, Outcome, RetryClass, Verdict, WireError};
    use tokio_serde::{Deserializer, Serializer};

    fn encode<T: Serialize>(value: &T) -> BytesMut {
        BytesMut::from(&Pin::new(&mut MessagePack).serialize(value).unwrap()[..])
    }

    fn decode<T: for<'de> Deserialize<'de>>(bytes: &BytesMut) -> io::Result<T> {
        Pin::new(&mut MessagePack).deserialize(bytes)
    }

    /// A welcome as the first release encodes it, byte for byte: what an older peer sends.
    const FIRST_WELCOME: &[u8] = b"\x85\xa8protocol\x01\xa8software\xaegossamer 0.1.0\xa4role\xa6worker\xa8capacity\x64\xa8instance\x07";

    #[test]
    fn a_field_added_since_is_filled_in() {
        let welcome: Welcome = decode(&BytesMut::from(FIRST_WELCOME)).unwrap();
        assert_eq!((welcome.capacity, welcome.instance, welcome.draining), (100, 7, false));
    }

    #[test]
    fn a_pong_that_says_no_capacity_is_understood_and_one_that_does_is_so_by_an_older_engine() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct OlderPong {
            in_flight: u32,
            draining: bool,
        }
        let older = OlderPong { in_flight: 3, draining: true };
        assert_eq!(decode::<Pong>(&encode(&older)).unwrap(), Pong { in_flight: 3, draining: true, capacity: None });
        let newer = Pong { in_flight: 3, draining: true, capacity: Some(5) };
        assert_eq!(decode::<OlderPong>(&encode(&newer)).unwrap(), older);
        assert_eq!(decode::<Pong>(&encode(&newer)).unwrap(), newer);
    }

    #[test]
    fn a_page_of_an_older_engine_is_its_whole_list_and_no_addition() {
        #[derive(Serialize)]
        struct OlderPage {
            page: CrawlUrl,
            fetched_at_ms: u64,
            version: u64,
            items: Vec<Item>,
        }
        let page = CrawlUrl::parse("http://h/").unwrap();
        let older = encode(&OlderPage { page: page.clone(), fetched_at_ms: 1, version: 2, items: vec![] });
        assert_eq!(decode::<PageItems>(&older).unwrap(), PageItems { page, fetched_at_ms: 1, version: 2, items: vec![], addition: false });
    }

    #[test]
    fn a_field_added_by_a_newer_peer_is_skipped() {
        #[derive(Serialize)]
        struct NewerError {
            code: &'static str,
            hint: Vec<&'static str>,
            retry: RetryClass,
        }
        let bytes = encode(&NewerError { code: "busy", hint: vec!["later"], retry: RetryClass::Peer });
        assert_eq!(decode::<WireError>(&bytes).unwrap(), WireError::new("busy", RetryClass::Peer, ""));
    }

    #[test]
    fn a_variant_added_by_a_newer_peer_is_said_to_be_unknown() {
        #[derive(Serialize)]
        enum NewerClass {
            AfterLunch,
        }
        assert_eq!(decode::<RetryClass>(&encode(&NewerClass::AfterLunch)).unwrap(), RetryClass::Unknown);
        assert_eq!(decode::<Role>(&encode(&"archivist")).unwrap(), Role::Unknown);

        #[derive(Serialize)]
        struct NewerVerdict {
            rendered: Vec<u8>,
        }
        #[derive(Serialize)]
        struct NewerOutcome {
            verdict: NewerVerdict,
            fetch: FetchFacts,
        }
        let newer = NewerOutcome { verdict: NewerVerdict { rendered: vec![1, 2, 3] }, fetch: FetchFacts::default() };
        let outcome: Outcome = decode(&encode(&newer)).unwrap();
        let Verdict::Failed(error) = outcome.verdict else { panic!("{outcome:?}") };
        assert_eq!((error.code.as_str(), error.retry), (code::UNKNOWN_VERDICT, RetryClass::Dead));
    }

    #[test]
    fn an_outcome_survives_the_wire() {
        let outcome = Outcome { verdict: Verdict::Page(Page::default()), fetch: FetchFacts { status: Some(200), ..FetchFacts::default() } };
        assert_eq!(decode::<Outcome>(&encode(&outcome)).unwrap(), outcome);
    }

    #[test]
    fn a_frame_of_something_else_is_an_error_and_no_panic() {
        assert!(decode::<Outcome>(&BytesMut::from(&b"HTTP/1.1 400 Bad Request\r\n"[..])).is_err());
    }
}
