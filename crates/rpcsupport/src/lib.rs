//! The wire between a crawl's processes: the two services, how they are served, how they are dialled.
//!
//! The only crate that knows sockets between our own processes. Everything that crosses one is a type of `model`.
//!
//! Reading order: the services ([`service`]) and their encoding ([`codec`]); serving: who may call ([`reception`]), where
//! ([`listen`]), what the process itself must write ([`handler`]), until when
//! ([`serve`]); calling: whom ([`address`]), how ([`dial`]), or without a socket ([`memory`]); and what
//! every binary does at its edge ([`process`]).

pub mod service;

pub mod codec;

mod together;
mod transport;

pub mod reception;

pub mod listen;

pub mod handler;

mod hangup;

pub mod serve;

pub mod address;

pub mod dial;

pub mod memory;

pub mod stub;

pub mod process;

pub use crate::address::PeerAddress;
pub use crate::dial::{DialError, Link, dial_itemsaver, dial_worker};
pub use crate::handler::{ItemSaverHandler, WorkerHandler};
pub use crate::listen::{ListenError, bind, listen_address};
pub use crate::reception::{Entered, Reception, Session};
pub use crate::serve::{Drained, serve_itemsaver, serve_worker};
pub use crate::service::{CrawlService, ItemSaverService, ItemSaverServiceClient};
pub use crate::stub::CrawlClient;
