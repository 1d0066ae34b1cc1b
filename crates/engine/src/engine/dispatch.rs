//! Handing out: pairing what is due with a free lease, within every limit.

use std::sync::Arc;
use std::time::Duration;

use model::ParserRef;
use model::parser::ROBOTS_PARSER;
use tokio::time::Instant;

use super::Engine;
use crate::frontier::{Ending, Fate, Order, TAKES};
use crate::pool::Lease;
use crate::pool::member::WorkerClient;
use crate::request::Request;
use crate::request_loop::Dispatch;
use crate::retry;
use crate::scheduler::{Next, RobotsErrand, Terms, Want};

/// Why a queued request is skipped when a crawl goes on with a narrower scope.
const NARROWED: &str = "out of scope now";

/// Why a request is skipped that robots.txt forbids.
pub(super) const DISALLOWED: &str = "disallowed by robots.txt";

impl Engine {
    /// Dispatches all that may be, and orders what it will need. Returns when to look again if nothing happens before.
    pub(super) fn dispatch(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.stopping.is_some() || self.paused || !self.tenure.holds(now) {
            return None;
        }
        self.dispatch_lonely(now);
        let mut due = None;
        while self.has_room() && self.pool.has_free(now) {
            if let Some(until) = self.proxies.all_rest_until(now) {
                due = Some(until);
                break;
            }
            match self.scheduler.next(now) {
                Next::Request(request, _) if self.is_out_of_scope(&request) => {
                    self.scheduler.returned(&request.url.origin(), now);
                    self.endings.push(Ending { request, fate: Fate::Skipped { reason: NARROWED.to_owned() } });
                }
                Next::Request(request, terms) if retry::runs_alone(&request) => self.set_aside(request, terms, now),
                Next::Request(request, terms) => {
                    let lease = self.pool.take_preferring(terms.worker, now).expect("one is free");
                    self.send(request, terms, lease, now);
                }
                Next::Robots(errand, terms) => {
                    let lease = self.pool.take_preferring(terms.worker, now).expect("one is free");
                    self.send_for_robots(errand, terms, lease, now);
                }
                Next::Forbidden(request) => {
                    let fate = Fate::Skipped { reason: DISALLOWED.to_owned() };
                    self.endings.push(Ending { request, fate });
                }
                Next::Wait(until) => {
                    due = until;
                    break;
                }
            }
        }
        self.order_wanted();
        earliest(due, self.pool.next_wake())
    }

    /// Orders requests for the windows that want some.
    fn order_wanted(&mut self) {
        while self.takes < TAKES
            && let Some(Want { origin, most, robots }) = self.scheduler.wants()
        {
            self.takes += 1;
            self.frontier.order(Order::Take { origin, most, robots });
        }
    }

    /// Whether a request of an earlier start lies outside what the user asks for now. Seeds are what the user named.
    fn is_out_of_scope(&self, request: &Request) -> bool {
        self.config.resumed && request.referrer.is_some() && self.scope.judge_request(request).is_err()
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.config.worker_count
            && self.in_flight + self.unsaved.len() + self.uncommitted() < self.config.page_permits
            && self.uncommitted_bytes < self.config.outcome_bytes
            && self.allows_page()
    }

    /// A request that has taken workers with it waits for one of its own. One at a time: a second goes back into the queue.
    fn set_aside(&mut self, request: Box<Request>, terms: Terms, now: Instant) {
        if self.lonely.is_none() {
            self.lonely = Some((request, terms));
            return self.dispatch_lonely(now);
        }
        self.scheduler.returned(&request.url.origin(), now);
        let not_before = Some(now + Duration::from_secs(1));
        self.endings.push(Ending { request, fate: Fate::Again { not_before } });
    }

    fn dispatch_lonely(&mut self, now: Instant) {
        if self.lonely.is_some()
            && self.has_room()
            && self.proxies.all_rest_until(now).is_none()
            && let Some(lease) = self.pool.take_alone(now)
        {
            let (request, terms) = self.lonely.take().expect("there is one");
            tracing::warn!(url = %request.url, "three workers were lost with this page: it runs alone on one now");
            self.send(request, terms, lease, now);
        }
    }

    fn send(&mut self, request: Box<Request>, terms: Terms, lease: Lease<WorkerClient>, now: Instant) {
        self.in_flight += 1;
        self.pages_begun += 1;
        let (proxy, cookie) = (self.proxy_for(&request.url, now), self.cookie_for(&request));
        self.hand_out(Dispatch {
            proxy,
            cookie,
            request,
            robots: None,
            terms,
            lease,
            since: now,
            robots_allow: self.scheduler.obeys_robots().then_some(true),
        });
    }

    /// Sends a worker for a robots.txt. It is no page: it counts for no budget.
    fn send_for_robots(&mut self, errand: RobotsErrand, terms: Terms, lease: Lease<WorkerClient>, now: Instant) {
        self.in_flight += 1;
        let request = Box::new(Request::seed(errand.url.clone(), Arc::new(ParserRef::named(ROBOTS_PARSER))));
        let (proxy, cookie) = (self.proxy_for(&request.url, now), self.cookie_for(&request));
        self.hand_out(Dispatch { request, robots: Some(Box::new(errand)), terms, lease, proxy, cookie, since: now, robots_allow: None });
    }

    fn hand_out(&mut self, dispatch: Dispatch) {
        self.dispatched_any = true;
        let sent = self.channels.dispatches.try_send(dispatch);
        assert!(sent.is_ok(), "the request loops' channel has room for all that may be in flight, and they outlive the engine");
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
