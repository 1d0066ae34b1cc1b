//! How hosts are treated: the crawl's rules, and what they come to for one host.

use std::net::IpAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use model::HostName;
use spider::HostPattern;

use super::pace::Throttle;

/// How hosts are treated unless they say otherwise.
#[derive(Clone, Debug)]
pub struct HostRules {
    /// Pause between two requests to a host, wherever it is. None: [`PUBLIC_DELAY`] for public hosts, no pause for this machine.
    pub delay: Option<Duration>,
    /// How much a pause varies, as a part of it: 0.1 makes it up to a tenth longer, never shorter.
    pub jitter: f64,
    /// Whether a pause follows how long the host takes to answer; there is one request at a time then. None: it does not.
    pub throttle: Option<Throttle>,
    /// Most requests in flight to one host that has no delay. None: as many as the crawl has.
    pub per_host: Option<NonZeroUsize>,
    /// Most requests in flight to one IP address, whatever the names of the hosts there. None: [`PER_ADDRESS`], and no limit on this
    /// machine.
    pub per_address: Option<NonZeroUsize>,
    /// What a clock belongs to.
    pub by: PolitenessBy,
    /// Most pages of one host over the whole crawl.
    pub max_pages: Option<NonZeroU64>,
    /// Whether `Crawl-delay` is ignored with the rest of robots.txt.
    pub ignore_robots: bool,
    /// First pause for an origin in trouble; doubles with each failure.
    pub backoff: Duration,
    /// Time in trouble without a single normal answer after which an origin is given up.
    pub give_up: Duration,
    /// The same for an origin that never answered in this crawl, after at least three tries.
    pub give_up_unanswered: Duration,
    /// Hosts that are treated differently; the first whose pattern matches is the one that counts, and says what it says.
    pub overrides: Vec<HostOverride>,
}

/// Hosts that are treated differently. What is none is as for any other host.
#[derive(Clone, Debug)]
pub struct HostOverride {
    /// Which hosts.
    pub pattern: HostPattern,
    /// See [`HostRules::delay`].
    pub delay: Option<Duration>,
    /// See [`HostRules::jitter`].
    pub jitter: Option<f64>,
    /// See [`HostRules::throttle`].
    pub throttle: Option<Throttle>,
    /// See [`HostRules::per_host`].
    pub per_host: Option<NonZeroUsize>,
    /// See [`HostRules::max_pages`].
    pub max_pages: Option<NonZeroU64>,
}

/// The unit of politeness: what has one clock, whatever it is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolitenessBy {
    /// A host name.
    #[default]
    Host,
    /// A registrable domain by the public suffix list: all hosts of `example.co.uk` together. An address is a domain of its own.
    Domain,
    /// The IP address that a worker connected to last. The first request to a host is made before that is known.
    Address,
}

/// Pause between two requests to a public host, when the user says nothing.
pub const PUBLIC_DELAY: Duration = Duration::from_secs(1);

/// Most requests in flight to one public IP address, when the user says nothing: as many hosts of one server at a time.
pub const PER_ADDRESS: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// Longest `Crawl-delay` that is obeyed to the letter: a longer one is a way to say that nobody should come, or a mistake.
pub const LONGEST_CRAWL_DELAY: Duration = Duration::from_secs(24 * 3600);

/// What the rules come to for one host.
#[derive(Clone, Debug)]
pub(crate) struct Treatment {
    pub(crate) delay: Duration,
    pub(crate) jitter: f64,
    pub(crate) throttle: Option<Throttle>,
    /// Most requests in flight while it has no delay.
    pub(crate) most: usize,
    pub(crate) max_pages: Option<NonZeroU64>,
}

impl HostRules {
    pub(crate) fn of(&self, name: &HostName) -> Treatment {
        let own = self.overrides.iter().find(|own| own.pattern.matches_name(name.as_str()));
        let default = || if name.is_loopback() { Duration::ZERO } else { PUBLIC_DELAY };
        let per_host = own.and_then(|own| own.per_host).or(self.per_host);
        Treatment {
            delay: own.and_then(|own| own.delay).or(self.delay).unwrap_or_else(default),
            jitter: own.and_then(|own| own.jitter).unwrap_or(self.jitter),
            throttle: own.and_then(|own| own.throttle).or(self.throttle),
            most: per_host.map_or(usize::MAX, NonZeroUsize::get),
            max_pages: own.and_then(|own| own.max_pages).or(self.max_pages),
        }
    }

    /// Most requests in flight to an address; none if there is no limit on it.
    pub(super) fn most_of(&self, address: IpAddr) -> Option<usize> {
        match self.per_address {
            Some(most) => Some(most.get()),
            None if address.is_loopback() => None,
            None => Some(PER_ADDRESS.get()),
        }
    }
}
