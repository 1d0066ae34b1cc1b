//! How two processes meet: who is there, in which version, with how much room.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::crawl::{CrawlName, RunId};

/// Version of the protocol. Peers of another version refuse each other by name; added fields and variants do not change it.
///
/// 2: a worker fetches robots.txt. One of version 1 cannot, and an engine without the rules of a site would wait for ever.
/// 3: a page's links are sent by columns.
pub const PROTOCOL: u32 = 3;

/// Version of this software, as `hello` tells it.
pub const SOFTWARE: &str = concat!("gossamer ", env!("CARGO_PKG_VERSION"));

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Owns a crawl; a client of the others.
    Engine,
    /// Fetches and parses.
    Worker,
    /// Stores items.
    ItemSaver,
    /// Shows items.
    Frontend,
    /// A role that this version does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Engine => "an engine",
            Role::Worker => "a worker",
            Role::ItemSaver => "an itemsaver",
            Role::Frontend => "a frontend",
            Role::Unknown => "something of an unknown role",
        })
    }
}

/// What a caller says first on every connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The caller's [`PROTOCOL`].
    pub protocol: u32,
    /// The caller's [`SOFTWARE`].
    pub software: String,
    /// The caller's role.
    pub role: Role,
    /// The crawl it calls for; none for a caller that only looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crawl: Option<CrawlIdentity>,
}

/// Which crawl a caller works for. Callers of an earlier epoch of the same run are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlIdentity {
    /// The crawl's name.
    pub crawl: CrawlName,
    /// Its run; epochs are compared only within one run.
    pub run: RunId,
    /// Grows each time an engine opens the run's frontier.
    pub epoch: u64,
}

impl Hello {
    /// The hello of this build.
    pub fn new(role: Role, crawl: Option<CrawlIdentity>) -> Hello {
        Hello { protocol: PROTOCOL, software: SOFTWARE.to_owned(), role, crawl }
    }
}

/// The answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's [`PROTOCOL`].
    pub protocol: u32,
    /// The server's [`SOFTWARE`].
    pub software: String,
    /// The server's role.
    pub role: Role,
    /// Jobs or batches it takes from the caller at a time; at least 1. All that it works on, divided by the engines that are connected.
    pub capacity: u32,
    /// Random per process: the same address with another instance is a process started anew.
    pub instance: u64,
    /// Whether it is finishing and takes nothing new.
    #[serde(default)]
    pub draining: bool,
}

/// The answer to a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Jobs or batches being worked on, of all callers.
    pub in_flight: u32,
    /// Whether the server is finishing and takes nothing new.
    #[serde(default)]
    pub draining: bool,
    /// What [`Welcome::capacity`] is by now, since engines come and go; none if the server does not say, as earlier ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
}
