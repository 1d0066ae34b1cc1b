//! What became of a robots.txt: rules, a redirect, trouble of its origin, or nothing.

use std::sync::Arc;
use std::time::Duration;

use model::{CrawlUrl, Origin, Outcome, Redirect, RobotsAnswer, RobotsRules, WireError};
use tokio::time::Instant;

use super::Engine;
use crate::pool::Lease;
use crate::pool::member::WorkerClient;
use crate::request::Request;
use crate::scheduler::{KnownRobots, ROBOTS_HOPS, ROBOTS_KEPT, RobotsErrand};

impl Engine {
    /// A worker has answered. The slot of the host is free already.
    pub(super) fn robots_answered(&mut self, errand: RobotsErrand, outcome: Outcome, lease: Lease<WorkerClient>, now: Instant) {
        let has_answered = outcome.fetch.status.is_some();
        let retry_after = outcome.fetch.retry_after_ms.map(Duration::from_millis);
        self.take_robots_lease_back(lease, &outcome, now);
        let RobotsErrand { of, url, hops } = errand;
        tracing::debug!(%url, hops, "robots.txt");
        match RobotsAnswer::of(outcome) {
            RobotsAnswer::Rules(rules) => {
                if has_answered {
                    self.scheduler.answered(&of, now);
                }
                self.obey(&of, rules, now);
            }
            RobotsAnswer::Elsewhere(Redirect { target, .. }) if hops < ROBOTS_HOPS => {
                self.scheduler.send_for_robots(RobotsErrand { of, url: target, hops: hops + 1 }, now);
            }
            // Further away than anybody follows it: there is none.
            RobotsAnswer::Elsewhere(_) => self.obey(&of, RobotsRules::allow_all(), now),
            RobotsAnswer::Trouble(error) => {
                let there = url.origin();
                // Whoever answers so is in trouble, whosever rules were asked for.
                if there != of && self.trouble(&there, &error, retry_after, now) {
                    let _ = self.give_up(&there, &error, now);
                }
                self.robots_trouble(&of, &error, retry_after, now);
            }
            RobotsAnswer::Refused(_) => self.scheduler.robots_failed(&of, now),
        }
    }

    /// No answer will come. A robots.txt that takes its worker along again and again is trouble of its origin.
    pub(super) fn robots_lost(&mut self, of: &Origin, why: &str, now: Instant) {
        if self.scheduler.robots_lost(of, now) {
            let error = WireError::new(crate::retry::LOST_ITS_WORKER, model::RetryClass::Origin, why);
            self.robots_trouble(of, &error, None, now);
        }
    }

    fn obey(&mut self, of: &Origin, rules: RobotsRules, now: Instant) {
        let (forbidding, delay) = (rules.rules().iter().filter(|rule| !rule.allow).count(), rules.crawl_delay());
        if forbidding > 0 || delay.is_some() {
            let delay = delay.map(|delay| humantime::format_duration(delay).to_string());
            tracing::debug!(origin = %of, forbidding, delay, "its robots.txt is obeyed");
        }
        if self.config.sitemaps {
            self.find_sitemaps(of, &rules);
        }
        let known = KnownRobots { rules: Arc::new(rules), until: now + ROBOTS_KEPT };
        self.notes.robots.push((of.clone(), known.clone()));
        self.scheduler.set_robots(of, known, now);
    }

    /// Enters the sitemaps that a robots.txt names.
    pub(super) fn find_sitemaps(&mut self, of: &Origin, rules: &RobotsRules) {
        let referrer = Arc::new(RobotsErrand::to(of).url);
        for url in rules.sitemaps().iter().filter_map(|text| CrawlUrl::parse(text).ok()) {
            let found = Request::sitemap(url, &self.config.start);
            let key = self.scope.key(&found.url, found.key);
            self.notes.found.push(Request { key, referrer: Some(Arc::clone(&referrer)), ..found });
        }
    }

    fn robots_trouble(&mut self, of: &Origin, error: &WireError, retry_after: Option<Duration>, now: Instant) {
        self.scheduler.robots_failed(of, now);
        if self.trouble(of, error, retry_after, now) {
            // What waits in its window goes back and is dead with the origin; this errand was no request.
            let _ = self.give_up(of, error, now);
        }
    }

    pub(super) fn take_robots_lease_back(&mut self, lease: Lease<WorkerClient>, outcome: &Outcome, now: Instant) {
        match super::settle::refusal(outcome) {
            Some(refusal) => self.take_refused_lease_back(lease, refusal, now),
            None => self.pool.give_back_uncounted(lease),
        }
    }
}
