//! The engine's end: HTTP on a Unix socket, each request an [`Ask`].

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::CrawlUrl;
use rpcsupport::PeerAddress;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

use super::place::SocketPlace;
use super::{Ask, Refused, Reply};
use crate::event::Event;

/// How long the engine loop may take to answer: a commit may be in the way, and a disk behind it.
const ANSWER: Duration = Duration::from_secs(30);

/// Dead letters that are listed unless more are asked for, and at most.
const LETTERS: usize = 20;
const MAX_LETTERS: usize = 100_000;

/// A socket that is bound. Dropping it takes it away.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    place: SocketPlace,
}

impl Control {
    /// Binds the socket in a state directory, in the place of what an earlier engine left there; the caller holds the directory's lock.
    ///
    /// # Errors
    /// When the directory cannot have a socket.
    pub fn bind(state: &Path) -> io::Result<Control> {
        let place = SocketPlace::new(state)?;
        remove(place.path())?;
        let listener = UnixListener::bind(place.path())?;
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o600))?;
        Ok(Control { listener, place })
    }

    /// Serves until it is dropped.
    pub async fn serve(self, events: mpsc::Sender<Event>) {
        let Control { listener, place } = self;
        let _taken_away = TakenAway(place);
        if let Err(error) = axum::serve(listener, routes(events)).await {
            tracing::warn!(%error, "this crawl cannot be controlled any more");
        }
    }
}

/// Removes the socket at the end.
struct TakenAway(SocketPlace);

impl Drop for TakenAway {
    fn drop(&mut self) {
        // What is left is replaced by the next start.
        let _ = remove(self.0.path());
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

type Events = State<mpsc::Sender<Event>>;

fn routes(events: mpsc::Sender<Event>) -> Router {
    Router::new()
        .route("/status", get(async |events: Events| ask(events, Ask::Status).await))
        .route("/why", get(why))
        .route("/dead", get(dead))
        .route("/pause", post(async |events: Events| ask(events, Ask::Pause).await))
        .route("/resume", post(async |events: Events| ask(events, Ask::Resume).await))
        .route("/seeds", post(seeds))
        .route("/requeue", post(requeue))
        .route("/workers", post(add_worker))
        .route("/workers/drain", post(drain_worker))
        .fallback(async || Problem(StatusCode::NOT_FOUND, "there is no such request; see the documentation of engine::control".to_owned()))
        .with_state(events)
}

/// An answer that is none.
#[derive(Debug)]
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: String,
        }
        (self.0, Json(Body { error: self.1 })).into_response()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let status = match refused {
            Refused::NotFound(_) => StatusCode::NOT_FOUND,
            Refused::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem(status, refused.to_string())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Problem {
        Problem(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

/// Reads a body, whatever its `Content-Type` says: whoever has `curl -d` at hand need not know more.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem(StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

/// Asks the engine loop.
async fn ask<T>(State(events): Events, question: impl FnOnce(Reply<T>) -> Ask) -> Result<Json<T>, Problem> {
    let gone = || Problem(StatusCode::SERVICE_UNAVAILABLE, "the crawl is ending".to_owned());
    let (reply, answer) = oneshot::channel();
    let asked = async {
        events.send(Event::Ask(question(reply))).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(Problem::from)
    };
    let slow = |_| Problem(StatusCode::SERVICE_UNAVAILABLE, format!("the engine did not answer within {} s", ANSWER.as_secs()));
    tokio::time::timeout(ANSWER, asked).await.map_err(slow)?.map(Json)
}

#[derive(Deserialize)]
struct UrlQuery {
    url: String,
}

async fn why(events: Events, query: Result<Query<UrlQuery>, QueryRejection>) -> Result<impl IntoResponse, Problem> {
    let Query(UrlQuery { url }) = query?;
    let url = parse_url(&url)?;
    ask(events, |reply| Ask::Why(url, reply)).await
}

#[derive(Deserialize)]
struct DeadQuery {
    reason: Option<String>,
    most: Option<usize>,
}

async fn dead(events: Events, query: Result<Query<DeadQuery>, QueryRejection>) -> Result<impl IntoResponse, Problem> {
    let Query(DeadQuery { reason, most }) = query?;
    let most = most.unwrap_or(LETTERS).min(MAX_LETTERS);
    ask(events, |reply| Ask::Dead { reason, most, reply }).await
}

#[derive(Deserialize)]
struct SeedsBody {
    urls: Vec<String>,
}

async fn seeds(events: Events, body: Bytes) -> Result<impl IntoResponse, Problem> {
    let SeedsBody { urls } = read(&body)?;
    let urls = urls.iter().map(|url| parse_url(url)).collect::<Result<Vec<CrawlUrl>, Problem>>()?;
    ask(events, |reply| Ask::Seed(urls, reply)).await
}

#[derive(Deserialize)]
struct RequeueBody {
    reason: Option<String>,
}

async fn requeue(events: Events, body: Bytes) -> Result<impl IntoResponse, Problem> {
    let RequeueBody { reason } = read(&body)?;
    ask(events, |reply| Ask::Requeue(reason, reply)).await
}

#[derive(Deserialize)]
struct WorkerBody {
    host: String,
}

async fn add_worker(events: Events, body: Bytes) -> Result<impl IntoResponse, Problem> {
    let WorkerBody { host } = read(&body)?;
    let host = host.parse::<PeerAddress>().map_err(|error| Problem(StatusCode::BAD_REQUEST, error.to_string()))?;
    ask(events, |reply| Ask::AddWorker(host, reply)).await
}

async fn drain_worker(events: Events, body: Bytes) -> Result<impl IntoResponse, Problem> {
    let WorkerBody { host } = read(&body)?;
    // As the user wrote it or as it is shown.
    let host = host.parse::<PeerAddress>().map_or(host, |host| host.to_string());
    ask(events, |reply| Ask::DrainWorker(host, reply)).await
}

fn parse_url(text: &str) -> Result<CrawlUrl, Problem> {
    crate::config::parse_url(text).map_err(|mistake| Problem(StatusCode::BAD_REQUEST, mistake))
}
