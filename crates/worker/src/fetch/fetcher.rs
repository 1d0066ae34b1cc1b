//! One fetch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use model::error::{RetryClass, WireError, code};
use model::outcome::FetchFacts;
use model::{Job, Redirect};
use tokio::time::{Instant, timeout_at};

use super::address::Reach;
use super::body::{Limits, NoBody, Read, read};
use super::budget::{ByteBudget, Share};
use super::clients::{Clients, NoClient, Through};
use super::facts::note;
use super::failure;
use super::headers::headers;
use super::redirect::redirect;
use super::resolver::{Names, SystemNames};
use super::status::Meaning;
use super::wanted::{Wanted, unwanted};
use crate::config::Config;
use crate::decode::ContentType;

/// The status that answers a condition.
const NOT_MODIFIED: u16 = 304;

/// Fetches pages. Keeps connections, and nothing else, between two fetches.
pub(crate) struct Fetcher {
    clients: Clients,
    budget: Arc<ByteBudget>,
}

/// A page's body with what is needed to read it.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// 200 or 203.
    pub(crate) status: u16,
    /// The answer's headers.
    pub(crate) headers: HeaderMap,
    /// What the Content-Type header says, or HTML where there is none and the body begins like it.
    pub(crate) content_type: ContentType,
    /// The body, decompressed.
    pub(crate) body: Bytes,
    /// Holds the body's place in the worker's memory budget.
    _share: Share,
}

/// How a fetch ended without a body.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The server names another address.
    Redirect(Redirect),
    /// It failed.
    Failed(WireError),
}

impl Fetcher {
    /// A fetcher for a worker of this configuration.
    pub(crate) fn new(config: &Config) -> Fetcher {
        Fetcher::with_names(config, Arc::new(SystemNames))
    }

    /// The same that learns elsewhere where names lead.
    pub(crate) fn with_names(config: &Config, names: Arc<dyn Names>) -> Fetcher {
        Fetcher { clients: Clients::new(config, names), budget: ByteBudget::new(config.body_bytes) }
    }

    /// Fetches a job's page, as far as it is what is wanted. What is learnt on the way is written to `facts`, however it ends.
    ///
    /// # Errors
    /// [`Ended`] for everything that is no page. Nothing is followed.
    pub(crate) async fn fetch(&self, job: &Job, wanted: Wanted<'_>, facts: &mut FetchFacts) -> Result<Fetched, Ended> {
        let begun = Instant::now();
        let result = self.run(job, wanted, begun, facts).await;
        facts.millis = begun.elapsed().as_millis() as u64;
        facts.fetched_at_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        result
    }

    async fn run(&self, job: &Job, wanted: Wanted<'_>, begun: Instant, facts: &mut FetchFacts) -> Result<Fetched, Ended> {
        wanted.check_extension(job)?;
        let through = Through::of(job).map_err(Ended::Failed)?;
        facts.proxy = through.proxy_name();
        let timeout = job.fetch.fetch_timeout();
        let deadline = begun + timeout;
        let request = self.request(job, &through, wanted.accepted()).map_err(Ended::Failed)?;
        let mut response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Ended::Failed(failure::of_request(&error, facts.proxy.is_some()))),
            Err(_) => return Err(Ended::Failed(failure::fetch_timeout(job.fetch.fetch_timeout_ms))),
        };
        note(&response, facts);
        self.check_remote(response.remote_addr(), &through.reach).map_err(Ended::Failed)?;
        let status = response.status().as_u16();
        if status == NOT_MODIFIED && job.validators.is_some() {
            return Err(Ended::Failed(WireError::new(code::NOT_MODIFIED, RetryClass::Skip, "")));
        }
        match wanted.meaning(status) {
            Meaning::Page => {}
            Meaning::Redirect => return Err(redirect(&job.url, response.headers())),
            Meaning::Failed(class) => {
                return Err(Ended::Failed(WireError::new(format!("wrong status code: {status}"), class, "")));
            }
        }
        let declared = response.headers().get(CONTENT_TYPE).map(|value| ContentType::parse(&String::from_utf8_lossy(value.as_bytes())));
        let declared = declared.filter(|declared| !declared.essence().is_empty());
        let sniff = wanted.check_type(job, declared.as_ref().map(ContentType::essence))?;
        let most = wanted.most(job);
        if !most.cut && response.content_length().is_some_and(|length| length > most.bytes) {
            return Err(Ended::Failed(failure::body_too_large(most.bytes)));
        }
        let share = self.budget.share();
        let mut limits = Limits { most, deadline, timeout, sniff };
        let Read { read: bytes, body } = read(&mut response, &mut limits, &share).await;
        facts.bytes = bytes;
        match body {
            Ok(body) => {
                let headers = std::mem::take(response.headers_mut());
                let content_type = declared.unwrap_or_else(|| ContentType::parse("text/html"));
                Ok(Fetched { status, headers, content_type, body, _share: share })
            }
            Err(NoBody::NotHtml) => Err(unwanted("none")),
            Err(NoBody::Failed(error)) => Err(Ended::Failed(error)),
        }
    }

    fn request(&self, job: &Job, through: &Through, accepted: &'static str) -> Result<reqwest::RequestBuilder, WireError> {
        let url = job.url.to_url();
        let client = self.clients.get(&url, through, job.fetch.connect_timeout()).map_err(|error| match error {
            NoClient::Forbidden(address) => failure::forbidden_address(format!("{address} is not a public address")),
            NoClient::Setup(error) => WireError::new("tls error", RetryClass::Peer, error.to_string()),
        })?;
        let request = client.get(url).headers(headers(job, accepted)?);
        Ok(match &job.fetch.auth {
            Some(auth) => request.basic_auth(auth.user.reveal(), Some(auth.password.reveal())),
            None => request,
        })
    }

    /// A second look at the address, for the case that a connection came about in a way the clients do not foresee.
    fn check_remote(&self, remote: Option<SocketAddr>, reach: &Reach) -> Result<(), WireError> {
        match remote {
            Some(remote) if !self.clients.admits(reach, remote.ip()) => {
                Err(failure::forbidden_address(format!("{} is not a public address", remote.ip())))
            }
            Some(_) | None => Ok(()),
        }
    }
}
