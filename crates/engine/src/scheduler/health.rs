//! What the scheduler knows of an origin that outlives its memory and its process.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// It has answered normally in this crawl.
    pub answered: bool,
    /// When its host may be visited next, if it has a delay and was visited.
    pub due: Option<Instant>,
    /// The pause that its robots.txt asks for.
    pub crawl_delay: Option<Duration>,
    /// The pause that the throttle has found for its host.
    pub pace: Option<Duration>,
    /// The address that a worker connected to last, where clocks or limits go by address.
    pub address: Option<IpAddr>,
    /// The trouble it is in.
    pub ill: Option<Ill>,
    /// Its pages that are committed. The frontier counts them.
    pub pages: u64,
}

/// A stretch of time without a normal answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Ill {
    /// How long it has lasted, in running time: while no engine runs, nobody tries.
    pub lasted: Duration,
    /// Tries that failed.
    pub failures: u32,
    /// It is left alone until then.
    pub until: Instant,
}
