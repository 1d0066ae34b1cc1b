//! The other end: a running crawl asked by the engine's own commands.

use std::io;
use std::path::Path;
use std::time::Duration;

use model::CrawlUrl;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::place::SocketPlace;
use super::{Requeue, Seeded};
use crate::inquiry::dead::DeadLetters;
use crate::inquiry::status::CrawlStatus;
use crate::inquiry::why::Explanation;

/// Longer than the server waits for its engine, so that its answer is heard.
const ANSWER: Duration = Duration::from_secs(35);

/// Asks a running crawl.
#[derive(Debug)]
pub struct ControlClient {
    http: reqwest::Client,
    _place: SocketPlace,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The engine said so.
    #[error("{0}")]
    Refused(String),
    /// Nobody answers.
    #[error("the engine does not answer on its control socket: {0}")]
    Unreachable(String),
}

/// The body of an answer that is none.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

impl ControlClient {
    /// A client of the crawl in a state directory. Whether anybody answers shows with the first request.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn new(state: &Path) -> io::Result<ControlClient> {
        let place = SocketPlace::new(state)?;
        let http = reqwest::Client::builder().no_proxy().unix_socket(place.path()).timeout(ANSWER).build().map_err(io::Error::other)?;
        Ok(ControlClient { http, _place: place })
    }

    /// How the crawl stands.
    ///
    /// # Errors
    /// [`ControlError`], as for all of these.
    pub async fn status(&self) -> Result<CrawlStatus, ControlError> {
        self.get("status", &()).await
    }

    /// All about a URL.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn why(&self, url: &CrawlUrl) -> Result<Explanation, ControlError> {
        self.get("why", &[("url", url.as_str())]).await
    }

    /// What was given up for a reason, or any, up to `most` of each kind.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn dead(&self, reason: Option<&str>, most: usize) -> Result<DeadLetters, ControlError> {
        let mut query = vec![("most", most.to_string())];
        query.extend(reason.map(|reason| ("reason", reason.to_owned())));
        self.get("dead", &query).await
    }

    /// Hands nothing out until [`resume`](ControlClient::resume).
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn pause(&self) -> Result<CrawlStatus, ControlError> {
        self.post("pause", &()).await
    }

    /// Goes on.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn resume(&self) -> Result<CrawlStatus, ControlError> {
        self.post("resume", &()).await
    }

    /// Enters further seeds.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn seed(&self, urls: &[CrawlUrl]) -> Result<Seeded, ControlError> {
        #[derive(Serialize)]
        struct Body<'u> {
            urls: Vec<&'u str>,
        }
        self.post("seeds", &Body { urls: urls.iter().map(CrawlUrl::as_str).collect() }).await
    }

    /// Queues again what was given up for a reason, or any.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn requeue(&self, reason: Option<&str>) -> Result<Requeue, ControlError> {
        #[derive(Serialize)]
        struct Body<'r> {
            reason: Option<&'r str>,
        }
        self.post("requeue", &Body { reason }).await
    }

    /// Lets a worker join.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn add_worker(&self, host: &str) -> Result<CrawlStatus, ControlError> {
        self.post("workers", &Worker { host }).await
    }

    /// Lets a worker finish and leave.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn drain_worker(&self, host: &str) -> Result<CrawlStatus, ControlError> {
        self.post("workers/drain", &Worker { host }).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &(impl Serialize + ?Sized)) -> Result<T, ControlError> {
        answer(self.http.get(format!("http://crawl/{path}")).query(query)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ControlError> {
        answer(self.http.post(format!("http://crawl/{path}")).json(body)).await
    }
}

#[derive(Serialize)]
struct Worker<'h> {
    host: &'h str,
}

async fn answer<T: DeserializeOwned>(request: reqwest::RequestBuilder) -> Result<T, ControlError> {
    let unreachable = |error: reqwest::Error| {
        // The outer error names a URL that means nothing; the cause is what helps.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        ControlError::Unreachable(cause.to_string())
    };
    let response = request.send().await.map_err(unreachable)?;
    if response.status().is_success() {
        return response.json().await.map_err(unreachable);
    }
    let status = response.status();
    match response.json::<Problem>().await {
        Ok(Problem { error }) => Err(ControlError::Refused(error)),
        Err(_) => Err(ControlError::Refused(format!("it answered {status}"))),
    }
}
