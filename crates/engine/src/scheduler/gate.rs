//! A gate: what several hosts have in common, a domain or an IP address, and pass one after the other.
//!
//! A host that is due and finds a gate closed waits there, behind those that came before it; a gate that has hosts waiting is listed by the
//! time it opens. So however many hosts share one, none is looked at before it may pass.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use model::HostName;
use tokio::time::Instant;

use super::slots::Slots;

/// Which gate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum GateName {
    /// That of a registrable domain.
    Domain(HostName),
    /// That of an IP address.
    Address(IpAddr),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) slots: Slots,
    /// Closed until then.
    pub(super) due: Instant,
    /// The pause that began last, without jitter.
    pub(super) pause: Duration,
    /// Whether it has a clock, rather than slots alone: it is closed for a host's delay after each of its requests.
    pub(super) is_clock: bool,
    /// Hosts that pass it, in memory.
    pub(super) members: usize,
    pub(super) waiting: VecDeque<HostName>,
    /// Where the scheduler has it in its index.
    pub(super) listed: Option<(Instant, u64)>,
}

impl GateName {
    /// The gate of a host's domain. A name without one, such as an address or `localhost`, is a domain of its own.
    pub(super) fn of_domain(host: &HostName) -> GateName {
        GateName::Domain(crate::domain::registrable(host.as_str()).map_or_else(|| host.clone(), |name| HostName::from(name.to_owned())))
    }
}

impl Gate {
    pub(super) fn new(most: usize, is_clock: bool, now: Instant) -> Gate {
        Gate { slots: Slots::new(most), due: now, pause: Duration::ZERO, is_clock, members: 0, waiting: VecDeque::new(), listed: None }
    }

    /// When it is open; none while every slot is taken by a worker that answers.
    pub(super) fn opens_at(&self, now: Instant) -> Option<Instant> {
        self.slots.free_at(now).map(|free| free.max(self.due))
    }
}
