//! HTTP clients, one per reach.
//!
//! *Invariant*: a connection in a client's pool was made through a resolver with that client's reach, and a job uses the client of the
//! reach that its permits give to its own host and port. So no job rides on a connection it could not have made itself. The resolver is
//! not asked for hosts written as addresses: those are checked before the client is asked.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Client;
use reqwest::redirect::Policy;
use url::{Host, Url};

use super::address::Reach;
use super::resolver::CheckedResolver;

/// Clients kept. A crawl uses two: one for the hosts its operator named and one for all others. What is pushed out loses its idle
/// connections and is made anew.
const MAX_CLIENTS: usize = 16;

/// How long an idle connection is kept: longer than the usual delay between two pages of a host, shorter than would gather the sockets
/// of a minute's hosts.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Clone, PartialEq, Eq)]
struct Kind {
    reach: Reach,
    connect_timeout: Duration,
}

pub(crate) struct Clients {
    denied: Arc<[IpNet]>,
    /// The one used last comes last.
    kept: Mutex<Vec<(Kind, Client)>>,
}

/// Why a URL gets no client.
#[derive(Debug)]
pub(crate) enum NoClient {
    /// It names an address beyond reach.
    Forbidden(IpAddr),
    /// The TLS library could not be set up.
    Setup(reqwest::Error),
}

impl Clients {
    pub(crate) fn new(denied: Vec<IpNet>) -> Clients {
        Clients { denied: denied.into(), kept: Mutex::new(Vec::new()) }
    }

    /// A client that connects only to what `reach` admits.
    pub(crate) fn get(&self, url: &Url, reach: &Reach, connect_timeout: Duration) -> Result<Client, NoClient> {
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = literal.filter(|address| !self.admits(reach, *address)) {
            return Err(NoClient::Forbidden(address));
        }
        let mut kept = self.kept.lock().expect("no holder of this lock panics");
        if let Some(at) = kept.iter().rposition(|(kind, _)| kind.reach == *reach && kind.connect_timeout == connect_timeout) {
            let last = kept.len() - 1;
            kept[at..=last].rotate_left(1);
            return Ok(kept[last].1.clone());
        }
        let client = self.make(reach, connect_timeout).map_err(NoClient::Setup)?;
        if kept.len() == MAX_CLIENTS {
            kept.remove(0);
        }
        kept.push((Kind { reach: reach.clone(), connect_timeout }, client.clone()));
        Ok(client)
    }

    /// Whether an address may be connected to with this reach.
    pub(crate) fn admits(&self, reach: &Reach, address: IpAddr) -> bool {
        reach.admits(address, &self.denied)
    }

    fn make(&self, reach: &Reach, connect_timeout: Duration) -> Result<Client, reqwest::Error> {
        Client::builder()
            .dns_resolver(Arc::new(CheckedResolver { reach: reach.clone(), denied: Arc::clone(&self.denied) }))
            .connect_timeout(connect_timeout)
            .redirect(Policy::none())
            // A proxy would connect where this process must not; the environment has no say in it.
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .build()
    }
}
