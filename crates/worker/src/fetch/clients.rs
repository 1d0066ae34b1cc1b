//! HTTP clients, one per reach and proxy.
//!
//! *Invariant*: a connection in a client's pool was made through a resolver with that client's reach, and a job uses the client of the
//! reach that its permits give to its own host and port. So no job rides on a connection it could not have made itself. The resolver is
//! not asked for hosts written as addresses: those are checked before the client is asked.
//!
//! Through a proxy the reach is that of the proxy's own address, which whoever named the proxy has permitted by that. Hosts written as
//! addresses are checked even so; where a name leads, the proxy alone knows.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ipnet::IpNet;
use model::error::{RetryClass, WireError};
use model::job::{NetPermit, Proxy};
use model::{CrawlUrl, Job};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use url::{Host, Url};

use super::address::Reach;
use super::resolver::{CheckedResolver, Names};
use crate::config::Config;

/// Clients kept. A crawl uses two, one for the hosts its operator named and one for all others, and with proxies one for each. What is pushed
/// out loses its idle connections and is made anew.
const MAX_CLIENTS: usize = 64;

/// The port of a SOCKS proxy whose address has none.
const SOCKS_PORT: u16 = 1080;

/// How long an idle connection is kept: longer than the usual delay between two pages of a host, shorter than would gather the sockets
/// of a minute's hosts.
const IDLE: Duration = Duration::from_secs(30);

/// How a job's connection is made.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Through {
    /// What the connection may lead to: the job's host, or its proxy.
    pub(crate) reach: Reach,
    /// What a host written as an address may be.
    literals: Option<Reach>,
    proxy: Option<Proxy>,
}

#[derive(Clone, PartialEq, Eq)]
struct Kind {
    reach: Reach,
    proxy: Option<Proxy>,
    connect_timeout: Duration,
}

impl Through {
    /// What a job says of its connection.
    ///
    /// # Errors
    /// `bad proxy` for one that cannot be used.
    pub(crate) fn of(job: &Job) -> Result<Through, WireError> {
        let reach = Reach::of(&job.url, &job.fetch.allow_net);
        let Some(proxy) = &job.fetch.proxy else { return Ok(Through { reach, literals: None, proxy: None }) };
        let bad = |why: &str| WireError::new("bad proxy", RetryClass::Dead, why);
        let url = Url::parse(&proxy.url).map_err(|error| bad(&error.to_string()))?;
        // With `socks5` names would be resolved here, past the address rule, and then be of no use to the proxy.
        if !matches!(url.scheme(), "http" | "https" | "socks5h") {
            return Err(bad("a proxy is an address with the scheme http, https or socks5h"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("a proxy's credentials are not part of its address"));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default().or(Some(SOCKS_PORT))) else {
            return Err(bad("a proxy has a host"));
        };
        let web = CrawlUrl::parse(&format!("http://{host}:{port}/")).map_err(|error| bad(&error.to_string()))?;
        let named = NetPermit { host: web.host_str().to_owned(), port: Some(web.port()) };
        Ok(Through { reach: Reach::of(&web, &[named]), literals: Some(reach), proxy: Some(proxy.clone()) })
    }

    /// The proxy as it is told to others.
    pub(crate) fn proxy_name(&self) -> Option<String> {
        self.proxy.as_ref().map(|proxy| proxy.url.trim_end_matches('/').to_owned())
    }
}

pub(crate) struct Clients {
    denied: Arc<[IpNet]>,
    names: Arc<dyn Names>,
    authorities: Vec<Certificate>,
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
    pub(crate) fn new(config: &Config, names: Arc<dyn Names>) -> Clients {
        // What is no certificate was refused on the command line.
        let authorities = config.authorities.iter().filter_map(|pem| certificates(pem)).flatten().collect();
        Clients { denied: config.deny_net.clone().into(), names, authorities, kept: Mutex::new(Vec::new()) }
    }

    /// A client that connects only to what the reach admits.
    pub(crate) fn get(&self, url: &Url, through: &Through, connect_timeout: Duration) -> Result<Client, NoClient> {
        let Through { reach, literals, proxy } = through;
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(address) = literal.filter(|address| !self.admits(literals.as_ref().unwrap_or(reach), *address)) {
            return Err(NoClient::Forbidden(address));
        }
        let wanted = Kind { reach: reach.clone(), proxy: proxy.clone(), connect_timeout };
        let mut kept = self.kept.lock().expect("no holder of this lock panics");
        if let Some(at) = kept.iter().rposition(|(kind, _)| *kind == wanted) {
            let last = kept.len() - 1;
            kept[at..=last].rotate_left(1);
            return Ok(kept[last].1.clone());
        }
        let client = self.make(&wanted).map_err(NoClient::Setup)?;
        if kept.len() == MAX_CLIENTS {
            kept.remove(0);
        }
        kept.push((wanted, client.clone()));
        Ok(client)
    }

    /// Whether an address may be connected to with this reach.
    pub(crate) fn admits(&self, reach: &Reach, address: IpAddr) -> bool {
        reach.admits(address, &self.denied)
    }

    fn make(&self, kind: &Kind) -> Result<Client, reqwest::Error> {
        let (names, denied) = (Arc::clone(&self.names), Arc::clone(&self.denied));
        let resolver = CheckedResolver { names, reach: kind.reach.clone(), denied };
        let builder = self.authorities.iter().cloned().fold(Client::builder(), ClientBuilder::add_root_certificate);
        let builder = builder
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(kind.connect_timeout)
            .redirect(Policy::none())
            // A proxy of the environment would connect where this process must not; only a job has a say in it.
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE);
        match &kind.proxy {
            Some(Proxy { url, auth }) => {
                let proxy = reqwest::Proxy::all(url)?;
                let proxy = match auth {
                    Some(auth) => proxy.basic_auth(auth.user.reveal(), auth.password.reveal()),
                    None => proxy,
                };
                builder.proxy(proxy).build()
            }
            None => builder.build(),
        }
    }
}

/// The certificates in a PEM text, at least one.
pub(crate) fn certificates(pem: &str) -> Option<Vec<Certificate>> {
    Certificate::from_pem_bundle(pem.as_bytes()).ok().filter(|found| !found.is_empty())
}
