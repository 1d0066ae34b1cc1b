//! The vocabulary of a crawl: every type that crosses a process boundary, and nothing else.
//!
//! No I/O, no clock, no runtime: what is here is data with its invariants. A serializable type is a wire contract, so a change here
//! is a change of the protocol (see [`hello::PROTOCOL`]).
//!
//! Reading order: what is fetched ([`url`], [`host`], [`key`], [`parser`]), what a worker is asked and answers ([`job`], [`outcome`], [`link`],
//! [`error`], [`robots_answer`]), what is kept ([`item`], [`schema`], [`save`], [`search`], [`history`]), how processes meet ([`hello`], [`crawl`]), and the
//! course's two item types ([`profile`], [`car`]).

pub mod url;

pub mod host;

pub mod key;

pub mod parser;

pub mod job;

pub mod link;

pub mod outcome;

pub mod robots_answer;

pub mod error;

pub mod item;

pub mod schema;

pub mod save;

pub mod search;

pub mod history;

pub mod hello;

pub mod crawl;

pub mod car;
pub mod profile;

pub use crate::crawl::{CrawlName, RunId};
pub use crate::error::{RetryClass, WireError};
pub use crate::host::{HostName, Origin};
pub use crate::item::{Item, ItemId, ItemType, PayloadJson, Source};
pub use crate::job::{Job, Secret};
pub use crate::key::DedupKey;
pub use crate::link::Link;
pub use crate::outcome::{Outcome, Page, Redirect, Verdict};
pub use crate::parser::{Args, ParserRef, SpiderHash};
pub use crate::robots_answer::RobotsAnswer;
pub use crate::url::{CrawlUrl, UrlError};
pub use robots::RobotsRules;
