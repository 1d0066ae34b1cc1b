//! What is written: the crawl's record, requests, states, origins. Field names are in the bytes, so that a later version can add some.

use std::borrow::Cow;
use std::sync::Arc;

use model::{CrawlName, CrawlUrl, DedupKey, ParserRef, RunId, SpiderHash};
use serde::{Deserialize, Serialize};

use super::damaged;
use crate::frontier::storage::{Known, State};
use crate::frontier::{FrontierError, Notes};
use crate::ledger::Ledger;
use crate::request::{RedirectChain, Request, Tries};
use crate::scope::Site;

/// Version of the format that this program writes. Others are refused by name.
pub(crate) const FORMAT: u32 = 1;

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
    pub(super) next_origin: u32,
    pub(super) next_sequence: u64,
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
            next_origin: 0,
            next_sequence: 0,
        }
    }

    /// Times the crawl was begun again.
    pub fn restarts(&self) -> u64 {
        self.epoch - 1
    }

    pub(super) fn note(&mut self, notes: &Notes) {
        self.versions = self.versions.max(notes.versions);
        if let Some(output) = &notes.output {
            self.output = Some(output.clone());
        }
        for site in &notes.sites {
            if !self.sites.contains(site) {
                self.sites.push(site.clone());
            }
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record has a JSON form")
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<CrawlRecord, FrontierError> {
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
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

pub(super) fn encode_request(request: &Request) -> Vec<u8> {
    let Tries { attempts, losses, losses_alone, last: _ } = request.tries;
    let stored = StoredRequest {
        url: Cow::Borrowed(&request.url),
        key: request.key,
        parser: Cow::Borrowed(&request.parser),
        depth: request.depth,
        priority: request.priority,
        referrer: request.referrer.as_deref().map(Cow::Borrowed),
        chain: request.chain.as_deref().map(Cow::Borrowed),
        attempts,
        losses,
        losses_alone,
    };
    rmp_serde::to_vec_named(&stored).expect("a request has an encoding")
}

pub(super) fn decode_request(bytes: &[u8]) -> Result<Request, FrontierError> {
    let stored: StoredRequest<'static> = rmp_serde::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
    Ok(Request {
        key: stored.key,
        url: stored.url.into_owned(),
        parser: Arc::new(stored.parser.into_owned()),
        depth: stored.depth,
        priority: stored.priority,
        referrer: stored.referrer.map(|referrer| Arc::new(referrer.into_owned())),
        chain: stored.chain.map(|chain| Box::new(chain.into_owned())),
        tries: Tries { attempts: stored.attempts, losses: stored.losses, losses_alone: stored.losses_alone, last: None },
    })
}

pub(super) fn decode_key(bytes: &[u8]) -> Result<DedupKey, FrontierError> {
    bytes.try_into().map(DedupKey::from_bytes).map_err(|_| damaged("a URL's key has the wrong length"))
}

/// One byte of state, four of the parser's hash.
pub(super) fn encode_known(known: Known) -> [u8; 5] {
    let state = match known.state {
        State::Waiting | State::InFlight => 0,
        State::Done => 1,
        State::Dead => 2,
        State::Skipped => 3,
    };
    let [a, b, c, d] = known.parser.to_be_bytes();
    [state, a, b, c, d]
}

pub(super) fn decode_known(bytes: &[u8]) -> Result<Known, FrontierError> {
    let [state, parser @ ..] = bytes else { return Err(damaged("a state is missing")) };
    let state = match state {
        0 => State::Waiting,
        1 => State::Done,
        2 => State::Dead,
        3 => State::Skipped,
        other => return Err(damaged(&format!("no state has the number {other}"))),
    };
    let parser = parser.try_into().map(u32::from_be_bytes).map_err(|_| damaged("a state has the wrong length"))?;
    Ok(Known { state, parser })
}

/// The origin's number, then why it was given up, if it was.
pub(super) fn encode_origin(number: u32, reason: &str) -> Vec<u8> {
    [&number.to_be_bytes()[..], reason.as_bytes()].concat()
}

pub(super) fn decode_origin(bytes: &[u8]) -> Result<(u32, String), FrontierError> {
    let (number, reason) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged("an origin has no number"))?;
    Ok((u32::from_be_bytes(*number), String::from_utf8_lossy(reason).into_owned()))
}
