//! The worker: fetches pages and parses them, for an engine that asks.
//!
//! Knows HTTP and HTML, and nothing of crawls: a [`Job`](model::Job) holds all it needs, the [`Outcome`](model::Outcome) all it has to
//! say. Between jobs it keeps caches only: connections, compiled spiders.
//!
//! A job's way: its parser is found (`worker`, `spiders`), its moment comes (`ticks`), it is fetched (`fetch`) within what may be
//! connected to and how much fits into memory, and then decoded ([`decode`]) and parsed ([`parse`]) on threads of their own (`pool`).
//!
//! A binary with parsers of its own is [`main_with`] and a [`Registry`]: see `examples/own_parser.rs`.

mod config;

mod fetch;

pub mod decode;

pub mod parse;

mod pool;
mod spiders;
mod ticks;
mod watch;

mod worker;

mod serve;

mod args;
mod command;

pub use crate::command::main_with;
pub use crate::config::{Config, DEFAULT_BODY_BYTES, DEFAULT_CAPACITY};
pub use crate::parse::{FetchedPage, Parse, ParseError, Parsed, Registry};
pub use crate::serve::{reception, run};
pub use crate::watch::ParseWatch;
pub use crate::worker::Worker;
