//! One request to the server and what can become of it.

use std::error::Error as _;
use std::time::Duration;

use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::Method;
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::request::Body;
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use serde::Deserialize;
use tokio::time::Instant;

use super::place::{ServerSpec, StoreCredentials};
use crate::store::StoreError;

/// Limit on one request, answer included. A bulk of [`super::bulk::MAX_BYTES`] takes a busy server a few seconds.
const REQUEST: Duration = Duration::from_secs(20);

/// What a client allows itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How long a write is tried again while the server is away or too busy.
    pub(super) write_patience: Duration,
    /// How long a reading is.
    pub(super) read_patience: Duration,
    /// Documents of one bulk at most.
    pub(super) bulk_documents: usize,
}

/// A write's patience is well below that of an engine, 60 s, whatever the last request takes; more than 1,000 documents gain nothing.
pub(super) const LIMITS: Limits =
    Limits { write_patience: Duration::from_secs(25), read_patience: Duration::from_secs(5), bulk_documents: 1000 };

/// First pause before a request is tried again; doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause: a server that is back is missed for at most this long.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// A connection to the server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Client {
    transport: Transport,
    pub(super) limits: Limits,
    /// The store, as messages name it.
    pub(super) store: String,
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server is away, too busy, or forbids it at present: the same request may work later.
    Passing(String),
    /// The request is larger than it takes.
    TooLarge,
    /// It says no, for good: status and reason.
    Refused(u16, String),
}

/// What the server says of an error.
#[derive(Debug, Deserialize)]
pub(super) struct ServerError {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<ServerError>>,
}

impl ServerError {
    /// Its reason with those behind it, each once.
    pub(super) fn reasons(&self) -> String {
        let mut told: Vec<&str> = Vec::new();
        let mut next = Some(self);
        while let Some(error) = next {
            let reason = error.reason.as_deref().unwrap_or(&error.kind);
            if !reason.is_empty() && !told.iter().any(|known| known.contains(reason)) {
                told.push(reason);
            }
            next = error.caused_by.as_deref();
        }
        told.join(": ")
    }

    /// Whether it may pass: the server has too much to do, or holds writes back while its disk is full.
    pub(super) fn is_passing(&self, status: u16) -> bool {
        is_passing(status) || self.kind == "cluster_block_exception"
    }
}

fn is_passing(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 429 | 500 | 502 | 503 | 504)
}

impl Trouble {
    /// The error for the caller.
    pub(super) fn told(&self, store: &str) -> StoreError {
        let store = store.to_owned();
        match self {
            Trouble::Passing(reason) => StoreError::Unavailable { store, reason: reason.clone() },
            Trouble::TooLarge => StoreError::Unusable { store, reason: "it takes no request as large as that".to_owned() },
            Trouble::Refused(_, reason) => StoreError::Unusable { store, reason: reason.clone() },
        }
    }
}

impl Client {
    /// A client of a server; nothing is sent yet.
    pub(super) fn new(spec: &ServerSpec, limits: Limits) -> Result<Client, StoreError> {
        let store = spec.to_string();
        let unusable = |reason: String| StoreError::Unusable { store: store.clone(), reason };
        // The path of a URL that does not end with a slash would be dropped when the index is joined to it.
        let url = format!("{}/", spec.url).parse().map_err(|error| unusable(format!("its URL cannot be read: {error}")))?;
        let pool = SingleNodeConnectionPool::new(url);
        // A store is no page of the web: what the environment says of proxies is not meant for it.
        let mut builder = TransportBuilder::new(pool).timeout(REQUEST).disable_proxy().enable_meta_header(false);
        if let Some(credentials) = &spec.access.credentials {
            builder = builder.auth(match credentials {
                StoreCredentials::Basic(user, password) => Credentials::Basic(user.clone(), password.clone()),
                StoreCredentials::ApiKey(key) => Credentials::EncodedApiKey(key.clone()),
            });
        }
        if let Some(path) = &spec.access.authority {
            let told = |why: String| unusable(format!("the certificate file {} cannot be used: {why}", path.display()));
            let pem = std::fs::read(path).map_err(|error| told(error.to_string()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| told(error.to_string()))?;
            builder = builder.cert_validation(CertificateValidation::Full(certificate));
        }
        let transport = builder.build().map_err(|error| unusable(error.to_string()))?;
        Ok(Client { transport, limits, store })
    }

    /// Sends a request once.
    pub(super) async fn once(&self, method: Method, path: &str, query: &[(&str, &str)], body: &str) -> Result<Vec<u8>, Trouble> {
        let body = (!body.is_empty()).then(|| Text(body.to_owned().into()));
        self.send(method, path, query, body).await
    }

    /// Sends a request that changes something, again and again while the trouble may pass and patience lasts.
    pub(super) async fn write(&self, method: Method, path: &str, query: &[(&str, &str)], body: &str) -> Result<Vec<u8>, Trouble> {
        self.patiently(self.limits.write_patience, method, path, query, body).await
    }

    /// Sends a request that reads, as [`Client::write`] with less patience.
    pub(super) async fn ask(&self, method: Method, path: &str, body: &str) -> Result<Vec<u8>, Trouble> {
        self.patiently(self.limits.read_patience, method, path, &[], body).await
    }

    async fn patiently(
        &self,
        patience: Duration,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: &str,
    ) -> Result<Vec<u8>, Trouble> {
        let body = (!body.is_empty()).then(|| Text(body.to_owned().into()));
        let mut backoff = Backoff::new(patience);
        loop {
            match self.send(method, path, query, body.clone()).await {
                Err(Trouble::Passing(reason)) => {
                    if !backoff.pause().await {
                        return Err(Trouble::Passing(reason));
                    }
                    tracing::debug!(store = %self.store, %reason, "asked again");
                }
                answered => return answered,
            }
        }
    }

    async fn send(&self, method: Method, path: &str, query: &[(&str, &str)], body: Option<Text>) -> Result<Vec<u8>, Trouble> {
        let sent = self.transport.send(method, path, HeaderMap::new(), Some(query), body, Some(REQUEST)).await;
        let response = sent.map_err(|error| passing(&error))?;
        let status = response.status_code().as_u16();
        let bytes = response.bytes().await.map_err(|error| passing(&error))?;
        match status {
            200..=299 => Ok(bytes.to_vec()),
            413 => Err(Trouble::TooLarge),
            status => Err(refusal(status, &bytes)),
        }
    }

    /// Reads an answer.
    pub(super) fn read<'a, T: Deserialize<'a>>(&self, answer: &'a [u8]) -> Result<T, Trouble> {
        // What answers something else may be a proxy before the server, for a moment.
        serde_json::from_slice(answer).map_err(|error| Trouble::Passing(format!("it answers what no search server answers: {error}")))
    }
}

/// Pauses that grow until patience is at its end.
#[derive(Debug)]
pub(super) struct Backoff {
    until: Instant,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(patience: Duration) -> Backoff {
        Backoff { until: Instant::now() + patience, next: PAUSE }
    }

    /// Waits; false when there is no more time to.
    pub(super) async fn pause(&mut self) -> bool {
        if Instant::now() + self.next > self.until {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        true
    }
}

#[derive(Clone, Debug)]
struct Text(bytes::Bytes);

impl Body for Text {
    fn bytes(&self) -> Option<bytes::Bytes> {
        Some(self.0.clone())
    }

    fn write(&self, buffer: &mut bytes::BytesMut) -> Result<(), elasticsearch::Error> {
        buffer.extend_from_slice(&self.0);
        Ok(())
    }
}

/// The innermost reason is the one a person understands: `connection refused`.
fn passing(error: &elasticsearch::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::Passing(format!("no answer within {} s", REQUEST.as_secs()));
    }
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    Trouble::Passing(reason)
}

fn refusal(status: u16, body: &[u8]) -> Trouble {
    #[derive(Deserialize)]
    struct Refusal {
        error: ServerError,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { error }) if error.is_passing(status) => Trouble::Passing(format!("{} ({status})", error.reasons())),
        Ok(Refusal { error }) => Trouble::Refused(status, error.reasons()),
        Err(_) if is_passing(status) => Trouble::Passing(format!("it answers with status {status}")),
        Err(_) => Trouble::Refused(status, format!("it answers with status {status}")),
    }
}
