//! What is written: the crawl's record, requests, states, origins. Field names are in the bytes, so that a later version can add some.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use model::job::NetPermit;
use model::{CrawlName, CrawlUrl, DedupKey, ParserRef, RobotsRules, RunId, SpiderHash};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::damaged;
use super::queue_key::QueueKey;
use crate::frontier::{FrontierError, ItemPlace, Notes, Story, StoryEnd};
use crate::ledger::Ledger;
use crate::request::{RedirectChain, Request, Tries, Try};
use crate::scope::Site;

/// Version of the format that this program writes. Others are refused by name.
pub(crate) const FORMAT: u32 = 2;

/// Identity and counters of a crawl, rewritten with every group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CrawlRecord {
    /// Version of the format it is written in.
    pub format: u32,
    /// Whose frontier this is.
    pub crawl: CrawlName,
    /// Made with the frontier.
    pub run: RunId,
    /// Grows each time the frontier is opened.
    pub epoch: u64,
    /// Nothing is queued and the report is written.
    pub complete: bool,
    /// The spider it was last opened with.
    pub spider: Option<SpiderHash>,
    /// The counters.
    pub ledger: Ledger,
    /// The highest version any page was given.
    pub versions: u64,
    /// How far `-o` was written when the last page was committed.
    pub output: Option<OutputMark>,
    /// Sites that seeds redirected to.
    pub sites: Vec<Site>,
    /// Addresses beyond the public ones that further seeds permit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permits: Vec<NetPermit>,
    /// What is done is being queued again; nothing else happens until that is finished.
    #[serde(default)]
    pub rescanning: bool,
    /// The time of the last commit, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub at_ms: u64,
    pub(in crate::frontier) next_origin: u32,
    pub(in crate::frontier) next_sequence: u64,
}

/// How far a file was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputMark {
    /// The file, as the user named it.
    pub file: String,
    /// Its length in bytes.
    pub bytes: u64,
}

impl CrawlRecord {
    /// The record of a new crawl.
    pub fn new(crawl: CrawlName, run: RunId, spider: Option<SpiderHash>) -> CrawlRecord {
        CrawlRecord {
            format: FORMAT,
            crawl,
            run,
            epoch: 1,
            complete: false,
            spider,
            ledger: Ledger::default(),
            versions: 0,
            output: None,
            sites: Vec::new(),
            permits: Vec::new(),
            rescanning: false,
            at_ms: 0,
            next_origin: 0,
            next_sequence: 0,
        }
    }

    /// Times the crawl was begun again.
    pub fn restarts(&self) -> u64 {
        self.epoch - 1
    }

    pub(in crate::frontier) fn note(&mut self, notes: &Notes) {
        self.versions = self.versions.max(notes.versions);
        self.at_ms = self.at_ms.max(notes.now_ms);
        if let Some(output) = &notes.output {
            self.output = Some(output.clone());
        }
        for site in &notes.sites {
            if !self.sites.contains(site) {
                self.sites.push(site.clone());
            }
        }
        for permit in &notes.permits {
            if !self.permits.contains(permit) {
                self.permits.push(permit.clone());
            }
        }
    }

    pub(in crate::frontier) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record has a JSON form")
    }

    pub(in crate::frontier) fn decode(bytes: &[u8]) -> Result<CrawlRecord, FrontierError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        match serde_json::from_slice::<Format>(bytes) {
            Ok(Format { format: FORMAT }) => serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string())),
            Ok(Format { format }) => Err(FrontierError::Format { found: format }),
            Err(error) => Err(damaged(&error.to_string())),
        }
    }
}

/// A request as it is stored: what this process alone knows is left out.
#[derive(Serialize, Deserialize)]
struct StoredRequest<'r> {
    url: Cow<'r, CrawlUrl>,
    /// As the worker that found it made it; everything else goes by it.
    key: DedupKey,
    parser: Cow<'r, ParserRef>,
    depth: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    referrer: Option<Cow<'r, CrawlUrl>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<Cow<'r, RedirectChain>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    attempts: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    losses: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    losses_alone: u32,
    #[serde(default, skip_serializing_if = "<[Try]>::is_empty")]
    history: Cow<'r, [Try]>,
}

/// A story as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredStory<'r> {
    request: StoredRequest<'r>,
    end: Cow<'r, StoryEnd>,
    at_ms: u64,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

impl<'r> From<&'r Request> for StoredRequest<'r> {
    fn from(request: &'r Request) -> StoredRequest<'r> {
        let Tries { attempts, losses, losses_alone, last: _, history } = &request.tries;
        StoredRequest {
            url: Cow::Borrowed(&request.url),
            key: request.key,
            parser: Cow::Borrowed(&request.parser),
            depth: request.depth,
            priority: request.priority,
            referrer: request.referrer.as_deref().map(Cow::Borrowed),
            chain: request.chain.as_deref().map(Cow::Borrowed),
            attempts: *attempts,
            losses: *losses,
            losses_alone: *losses_alone,
            history: Cow::Borrowed(history),
        }
    }
}

impl From<StoredRequest<'_>> for Request {
    fn from(stored: StoredRequest<'_>) -> Request {
        let StoredRequest { attempts, losses, losses_alone, history, .. } = stored;
        Request {
            key: stored.key,
            url: stored.url.into_owned(),
            parser: Arc::new(stored.parser.into_owned()),
            depth: stored.depth,
            priority: stored.priority,
            referrer: stored.referrer.map(|referrer| Arc::new(referrer.into_owned())),
            chain: stored.chain.map(|chain| Box::new(chain.into_owned())),
            tries: Tries { attempts, losses, losses_alone, last: None, history: history.into_owned() },
        }
    }
}

pub(in crate::frontier) fn encode_request(request: &Request) -> Vec<u8> {
    encode(&StoredRequest::from(request))
}

pub(in crate::frontier) fn decode_request(bytes: &[u8]) -> Result<Request, FrontierError> {
    decode::<StoredRequest<'static>>(bytes).map(Request::from)
}

pub(super) fn encode_story(story: &Story) -> Vec<u8> {
    let Story { request, end, at_ms } = story;
    encode(&StoredStory { request: request.into(), end: Cow::Borrowed(end), at_ms: *at_ms })
}

pub(super) fn decode_story(bytes: &[u8]) -> Result<Story, FrontierError> {
    let StoredStory { request, end, at_ms } = decode::<StoredStory<'static>>(bytes)?;
    Ok(Story { request: request.into(), end: end.into_owned(), at_ms })
}

/// With the names of the fields.
pub(in crate::frontier) fn encode(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("what is stored has an encoding")
}

pub(in crate::frontier) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrontierError> {
    rmp_serde::from_slice(bytes).map_err(|error| damaged(&error.to_string()))
}

pub(super) fn decode_key(bytes: &[u8]) -> Result<DedupKey, FrontierError> {
    bytes.try_into().map(DedupKey::from_bytes).map_err(|_| damaged("a URL's key has the wrong length"))
}

/// What is known of a URL beside what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownUrl {
    /// Which parser it was first found with: a hash of name and arguments.
    pub(super) parser: u32,
    /// Where it is queued, or was last.
    pub(super) place: QueueKey,
}

impl KnownUrl {
    pub(super) fn encode(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..4].copy_from_slice(&self.parser.to_be_bytes());
        bytes[4..].copy_from_slice(self.place.as_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<KnownUrl, FrontierError> {
        let (parser, place) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged("what is known of a URL is too short"))?;
        Ok(KnownUrl { parser: u32::from_be_bytes(*parser), place: QueueKey::from_bytes(place)? })
    }
}

/// Key of an item that was refused: its page's, then its place there.
pub(super) fn encode_place(place: ItemPlace) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&place.page.to_bytes());
    bytes[16..].copy_from_slice(&place.ordinal.to_be_bytes());
    bytes
}

/// What is kept of an origin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OriginRecord {
    /// Names it in the keys of the queues.
    pub(super) number: u32,
    /// Its requests in the queues, those in flight included.
    pub(super) queued: u64,
    /// Its pages that are done.
    pub(super) pages: u64,
    /// Why it was given up, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) given_up: Option<String>,
    /// Whether it has answered normally in this crawl.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) answered: bool,
    /// When its host may be visited next, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) due_ms: u64,
    /// The pause that its robots.txt asks for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) crawl_delay_ms: Option<u64>,
    /// The pause that the throttle has found for its host, in milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) pace_ms: u64,
    /// The address that a worker connected to last, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
    /// The trouble it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ill: Option<IllRecord>,
}

/// An origin's robots rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RobotsRecord<'r> {
    pub(super) rules: Cow<'r, RobotsRules>,
    /// They are fetched anew from then on, in milliseconds since the Unix epoch.
    pub(super) until_ms: u64,
}

/// Trouble of an origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IllRecord {
    /// How long it has lasted, in milliseconds of running time.
    pub(super) lasted_ms: u64,
    /// Tries that failed.
    pub(super) failures: u32,
    /// It is left alone until then, in milliseconds since the Unix epoch.
    pub(super) until_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontier::PageFacts;
    use crate::request::Cost;

    #[test]
    fn a_story_is_read_as_it_was_written() {
        let url = |text| CrawlUrl::parse(text).unwrap();
        let mut request = Request::seed(url("http://h/a"), Arc::new(ParserRef::named("page")));
        request.referrer = Some(Arc::new(url("http://h/")));
        request.chain = Some(Box::new(RedirectChain { keys: vec![request.key], ..RedirectChain::default() }));
        request.tries.keep(7, Cost::Attempt, "wrong status code: 500");
        (request.depth, request.priority, request.tries.attempts) = (3, -2, 1);
        for end in [
            StoryEnd::Page(PageFacts { status: 200, worker: ":9000".to_owned(), ..PageFacts::default() }),
            StoryEnd::Redirected { target: url("http://h/b") },
            StoryEnd::Dead { reason: "lost its worker".to_owned() },
        ] {
            let story = Story { request: request.clone(), end, at_ms: 9 };
            assert_eq!(decode_story(&encode_story(&story)).unwrap(), story);
        }
        assert_eq!(decode_request(&encode_request(&request)).unwrap(), request);
    }
}
