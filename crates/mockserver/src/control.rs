//! Requests that steer the site rather than crawl it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::reply::{JSON, Reply};
use crate::request::Request;
use crate::site::Site;

/// How long `…/reached` waits before it answers 504.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What is asked of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Truth,
    Arrivals,
    ResetArrivals,
    OpenGate(String),
    GateReached(String),
    Hold,
    HoldReached,
    Release,
    /// A path of this module, but not this method.
    WrongMethod(&'static str),
}

impl Order {
    /// `None`: not for this module.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let method = request.method.as_str();
        let by = |wanted: &'static str, order: Self| Some(if method == wanted { order } else { Self::WrongMethod(wanted) });
        match request.path() {
            "/truth" => by("GET", Self::Truth),
            "/arrivals" if method == "DELETE" => Some(Self::ResetArrivals),
            "/arrivals" => by("GET", Self::Arrivals),
            "/arrivals/reset" => by("POST", Self::ResetArrivals),
            "/hold" => by("POST", Self::Hold),
            "/hold/reached" => by("GET", Self::HoldReached),
            "/release" => by("POST", Self::Release),
            path => {
                let (name, verb) = path.strip_prefix("/gate/")?.rsplit_once('/')?;
                match verb {
                    "open" => by("POST", Self::OpenGate(name.to_owned())),
                    "reached" => by("GET", Self::GateReached(name.to_owned())),
                    _ => None,
                }
            }
        }
    }
}

pub(crate) async fn obey(site: &Arc<Site>, request: &Request, order: Order) -> Reply {
    match order {
        Order::Truth => truth(site, request.base()).await,
        Order::Arrivals => Reply::new(200, "application/jsonl", site.arrivals().to_json_lines()),
        Order::ResetArrivals => {
            site.reset_arrivals();
            done()
        }
        Order::OpenGate(name) if site.open_gate(&name) => done(),
        Order::OpenGate(_) => Reply::text(503, "there are too many gates"),
        Order::GateReached(name) => match request.number("waiting", 1, u64::from(u32::MAX)) {
            Ok(waiting) => reached(site.gate_reached(&name, count(waiting))).await,
            Err(why) => Reply::text(400, why),
        },
        Order::Hold => match request.number("after", 0, u64::MAX) {
            Ok(after) => {
                site.hold(after);
                done()
            }
            Err(why) => Reply::text(400, why),
        },
        Order::HoldReached => match request.number("waiting", 1, u64::from(u32::MAX)) {
            Ok(waiting) => {
                reached(async {
                    site.hold_reached(count(waiting)).await;
                    true
                })
                .await
            }
            Err(why) => Reply::text(400, why),
        },
        Order::Release => {
            site.release();
            done()
        }
        Order::WrongMethod(wanted) => Reply::text(405, format!("this path wants {wanted}")).with("Allow", wanted),
    }
}

fn done() -> Reply {
    Reply::text(200, "done")
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

async fn reached(wait: impl Future<Output = bool>) -> Reply {
    match timeout(LONGEST_WAIT, wait).await {
        Ok(true) => Reply::text(200, "reached"),
        Ok(false) => Reply::text(503, "there are too many gates"),
        Err(_elapsed) => Reply::text(504, "not reached in time"),
    }
}

/// The truth of a large site takes seconds, so it is computed off the threads that serve.
async fn truth(site: &Arc<Site>, base: String) -> Reply {
    let site = Arc::clone(site);
    let json = tokio::task::spawn_blocking(move || serde_json::to_vec(&site.truth(&base)).expect("the truth is plain data"));
    match json.await {
        Ok(json) => Reply::new(200, JSON, json),
        Err(error) => Reply::text(500, format!("cannot compute the truth: {error}")),
    }
}
