//! The harness of the end-to-end tests: real processes of this workspace, sites made for the purpose, and exact comparisons.
//!
//! A test starts processes ([`program`], [`process`], [`server`], [`restarted`]) against a site it can stop at an exact point ([`site`],
//! [`static_site`]), runs a crawl ([`crawl`]), and compares what the site saw, what the report says ([`report`]) and what the store holds
//! ([`store`]) with what is known beforehand ([`exact`]). Every wait has a limit ([`LIMIT`]) and says what it waited for; nothing sleeps.
//!
//! The binaries are those that `cargo test --workspace` builds, see [`program`]. Two of them are for tests alone: a worker and an engine
//! with a parser that aborts the process ([`aborting`]).

use std::time::Duration;

pub mod program;

pub mod process;

pub mod port;

pub mod runtime;

pub mod http;

pub mod site;

pub mod static_site;

pub mod proxy;

pub mod server;

pub mod recorded;

pub mod restarted;

pub mod aborting;

pub mod crawl;

pub mod ask;

pub mod report;

pub mod store;

pub mod exact;

pub mod mapping;

pub mod small_disk;

pub mod chaos;

pub mod polite;

pub mod measure;

/// How long anything is waited for before a test fails with what it waited for: far longer than anything takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(180);
