//! The itemsaver: keeps what a crawl found, each item once, and hands it out again.
//!
//! An engine sends pages with all their items; a batch is durable before it is answered, and a page's newer list replaces its older
//! one. The rules that every store keeps to are told in [`store`].
//!
//! Reading order: the stores ([`store`]); finding items in any of them ([`search`]); the server over one of them ([`saver`]); what a person asks of a store ([`export`],
//! [`import`], [`listing`], [`history`]).

pub mod store;

pub mod search;

pub mod saver;

pub mod export;

pub mod import;

pub mod listing;

pub mod history;

pub use crate::saver::{CAPACITY, ItemSaver, run};
pub use crate::store::{AnyStore, Store, StoreError, StoreSpec};
