//! The engine: it owns a crawl, from its seeds to its report.
//!
//! A request's way: it enters the [`frontier`] if [`scope`] admits it and its key is unknown; the [`scheduler`] says when its host is due;
//! the [`engine`] loop pairs it with a lease of the [`pool`] and hands both to a [`request_loop`], which makes the one call; the outcome is
//! judged ([`retry`], [`redirect`]); a page's items go through the [`saver`] to the store and to the [`output`]; then the page is committed,
//! with its links and all counters ([`ledger`]) in one group.
//!
//! A binary with parsers of its own is [`main_with`] and a [`Registry`](worker::Registry), as for a worker.
//!
//! Decisions are pure and take `now`; tasks are at the edge and talk to the loop through one channel of [`event`]s.

pub mod args;
pub mod config;

mod clock;

pub mod request;

pub mod domain;
pub mod interrupts;
pub mod ledger;
pub mod scope;

pub mod frontier;

pub mod scheduler;

pub mod backoff;
pub mod budget;
pub mod cookies;
pub mod limits;
pub mod lives;
pub mod logins;
pub mod permits;
pub mod proxies;
pub mod redirect;
pub mod retry;

pub mod pool;

pub mod fetch_log;
pub mod request_loop;

pub mod audit;

pub mod saver;

pub mod output;

pub mod event;

pub mod engine;

pub mod control;
pub mod inquiry;

pub mod progress;
pub mod report;

pub mod parse_journal;

pub mod embedded;
pub mod practice;
mod sources;

pub mod state;

pub mod app;

pub mod commands;

mod command;

pub use crate::command::main_with;
