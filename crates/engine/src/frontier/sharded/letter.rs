//! What one engine sends to the shards of another.

use crate::frontier::rules::{Entry, Manner};
use crate::frontier::tables::{decode, decode_request, encode, encode_request};
use crate::frontier::{FrontierError, tables};

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// A request to enter.
    Enter(Entry),
    /// What was given up for this reason, or any, is to be queued again.
    Requeue(Option<String>),
}

/// What a message begins with. Stored, so they must not change between versions.
const FOUND: u8 = 0;
const NAMED: u8 = 1;
const AGAIN: u8 = 2;
const REQUEUE: u8 = 3;

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, rest) = match self {
            Message::Enter(Entry { request, manner }) => {
                let kind = match manner {
                    Manner::Found => FOUND,
                    Manner::Named => NAMED,
                    Manner::Again => AGAIN,
                };
                (kind, encode_request(request))
            }
            Message::Requeue(reason) => (REQUEUE, encode(reason)),
        };
        [&[kind], &rest[..]].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Message, FrontierError> {
        let (kind, rest) = bytes.split_first().ok_or_else(|| tables::damaged("a message to a shard is empty"))?;
        let manner = match *kind {
            FOUND => Manner::Found,
            NAMED => Manner::Named,
            AGAIN => Manner::Again,
            REQUEUE => return decode(rest).map(Message::Requeue),
            _ => return Err(tables::damaged("a message to a shard is of no known kind")),
        };
        Ok(Message::Enter(Entry { request: decode_request(rest)?, manner }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{CrawlUrl, ParserRef};

    use super::*;
    use crate::request::Request;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let request = Request::seed(CrawlUrl::parse("http://h/a").unwrap(), Arc::new(ParserRef::named("page")));
        let entries =
            [Manner::Found, Manner::Named, Manner::Again].map(|manner| Message::Enter(Entry { request: request.clone(), manner }));
        for message in entries.into_iter().chain([None, Some("why".to_owned())].map(Message::Requeue)) {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
        assert!(Message::decode(&[]).is_err() && Message::decode(&[9, 9]).is_err());
    }
}
