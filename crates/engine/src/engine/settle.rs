//! Settling: what an outcome means for its request, its origin, its worker, and the frontier.

use std::sync::Arc;
use std::time::Duration;

use model::error::code;
use model::outcome::{Cut, FetchFacts};
use model::save::{ItemStatus, PageItems};
use model::{Origin, Outcome, Page, ParserRef, Redirect, RetryClass, Verdict, WireError};
use tokio::time::Instant;

use super::{Engine, Unsaved};
use crate::clock::wall_clock;
use crate::frontier::{Ending, Fate, PageEnd, PageFacts, RejectedItem};
use crate::ledger::ItemCounts;
use crate::pool::member::WorkerClient;
use crate::pool::{Lease, WorkerIndex};
use crate::redirect::{self, Step};
use crate::request::{Request, Tries};
use crate::request_loop::{End, Finished};
use crate::retry::{self, Moment, OriginNews};
use crate::saver::{self, PageToSave, SavedPage};
use crate::scheduler::{Measured, Slot, Trouble};
use crate::scope::{Refusal, Site};

impl Engine {
    pub(super) fn finished(&mut self, finished: Finished, now: Instant) {
        let Finished { mut request, robots, lease, proxy, since, end } = finished;
        self.in_flight -= 1;
        let origin = request.url.origin();
        match end {
            End::Lost { broken, silent } => {
                let until = since + self.config.limits.job_deadline();
                let slot = if silent && until > now { Slot::SilentUntil(until) } else { Slot::Free };
                self.scheduler.ended(&origin, slot, None, now, rand::random());
                let alone = lease.alone;
                let worker = &self.pool.members()[lease.worker].name;
                let why = format!("worker {worker} {}", if silent { "fell silent" } else { "was lost" });
                self.pool.lost(lease, broken);
                self.note_workers(now);
                if let Some(errand) = robots {
                    return self.robots_lost(&errand.of, &why, now);
                }
                self.scheduler.page_returned(&origin, now);
                self.pages_begun -= 1;
                tracing::debug!(url = %request.url, alone, why);
                let fate = retry::lost(&mut request, alone, &why, wall_clock());
                self.endings.push(Ending { request, fate });
            }
            End::Answered(outcome) => {
                let worker = lease.worker;
                self.keep_cookies(&request.url, &outcome.fetch.set_cookie);
                let is_proxys = self.proxy_ended(proxy, &request.url, &outcome, since, now);
                let measured = measured(&outcome, worker).filter(|_| !is_proxys);
                self.scheduler.ended(&origin, Slot::Free, measured, now, rand::random());
                if let Some(errand) = robots {
                    if is_proxys {
                        self.take_robots_lease_back(lease, &outcome, now);
                        return self.scheduler.robots_failed(&errand.of, now);
                    }
                    return self.robots_answered(*errand, outcome, lease, now);
                }
                self.take_lease_back(lease, &outcome, now);
                if is_proxys {
                    tracing::debug!(url = %request.url, "the proxy failed: it is fetched through another, or later");
                    self.scheduler.page_returned(&origin, now);
                    self.pages_begun -= 1;
                    return self.endings.push(Ending { request, fate: Fate::Again { not_before: None } });
                }
                self.answered(request, origin, outcome, worker, now);
            }
        }
    }

    fn take_lease_back(&mut self, lease: Lease<WorkerClient>, outcome: &Outcome, now: Instant) {
        match refusal(outcome) {
            Some(refusal) => self.take_refused_lease_back(lease, refusal, now),
            None => self.pool.give_back(lease),
        }
    }

    pub(super) fn take_refused_lease_back(&mut self, lease: Lease<WorkerClient>, refusal: &WireError, now: Instant) {
        let host = self.pool.members()[lease.worker].name.clone();
        if retry::is_leaving(refusal) {
            if self.pool.leaving(lease) {
                tracing::warn!(why = %refusal, "worker {host} has left the rotation");
                self.note_workers(now);
            }
        } else if self.pool.refused(lease, now) {
            tracing::warn!(why = %refusal, "worker {host} keeps refusing jobs and is set aside for a while");
        }
    }

    fn answered(&mut self, mut request: Box<Request>, origin: Origin, outcome: Outcome, worker: WorkerIndex, now: Instant) {
        let Outcome { verdict, fetch } = outcome;
        tracing::debug!(url = %request.url, status = fetch.status, bytes = fetch.bytes, millis = fetch.millis, "answer");
        self.fetches += u64::from(fetch.status.is_some());
        self.bytes += fetch.bytes;
        let fate = match verdict {
            Verdict::Page(page) => {
                self.scheduler.answered(&origin, now);
                return self.page(request, page, &fetch, worker);
            }
            Verdict::Redirect(redirect) => {
                self.scheduler.answered(&origin, now);
                self.redirected(&request, redirect, &fetch)
            }
            Verdict::Robots(_) => {
                let error =
                    WireError::new(code::UNKNOWN_VERDICT, RetryClass::Dead, "the worker answered with robots rules to a job for a page");
                self.failed(&mut request, &origin, &error, &fetch, now)
            }
            Verdict::Failed(error) => self.failed(&mut request, &origin, &error, &fetch, now),
        };
        self.scheduler.page_returned(&origin, now);
        self.pages_begun -= 1;
        self.endings.push(Ending { request, fate });
    }

    /// Sends a page's items to the saver; its links wait here until they are stored.
    fn page(&mut self, request: Box<Request>, page: Page, fetch: &FetchFacts, worker: WorkerIndex) {
        let Page { links, items, cut, wishes: _ } = page;
        for item in &items {
            self.items_seen += 1;
            tracing::debug!(number = self.items_seen, item_type = item.item_type, id = %item.id, "got item");
        }
        let version = self.next_version();
        let facts = PageFacts {
            status: fetch.status.unwrap_or_default(),
            bytes: fetch.bytes,
            fetched_at_ms: fetch.fetched_at_ms,
            version,
            links: links.len() as u64,
            items: ItemCounts { noindex: cut.noindex, ..ItemCounts::default() },
            worker: self.pool.members()[worker].name.clone(),
            validators: fetch.validators.clone().map(Box::new),
        };
        let args = |parser: &ParserRef| parser.args.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let link_bytes = links.iter().map(|link| size_of::<Request>() + link.url.as_str().len() + args(&link.parser)).sum::<usize>();
        let referrer = Arc::new(request.url.clone());
        let links = links.into_iter().map(|link| Request {
            url: link.url,
            key: link.key,
            parser: link.parser,
            depth: request.depth + 1,
            priority: request.priority.saturating_add(link.priority),
            referrer: Some(Arc::clone(&referrer)),
            chain: None,
            tries: Tries::default(),
        });
        let links = links.collect();
        let page = PageItems { page: request.url.clone(), fetched_at_ms: fetch.fetched_at_ms, version, items, addition: false };
        let page = PageToSave { key: request.key, page };
        let bytes = link_bytes + saver::size(&page);
        let end = PageEnd { links, refused: refused(cut), content: fetch.content, facts, rejected: Vec::new() };
        self.unsaved.insert(request.key, Unsaved { request, end, bytes });
        self.uncommitted_bytes += bytes;
        self.withheld.push(page);
        self.let_go();
    }

    /// Sends pages to the saver, unless another engine may have the crawl by now, and these pages too.
    pub(super) fn let_go(&mut self) {
        if !self.tenure.holds(Instant::now()) {
            return;
        }
        for page in self.withheld.drain(..) {
            let sent = self.channels.pages.try_send(page);
            assert!(
                sent.is_ok(),
                "the saver's channel has room for every page permit and for what is sent again, and the saver outlives the engine"
            );
        }
    }

    fn redirected(&mut self, request: &Request, mut redirect: Redirect, fetch: &FetchFacts) -> Fate {
        let dead = |reason: &str| Fate::Dead { reason: reason.to_owned() };
        redirect.key = self.scope.key(&redirect.target, redirect.key);
        let (target, revisit) = match redirect::step(request, &redirect, &fetch.set_cookie) {
            Step::Follow(target) => (target, false),
            Step::Revisit(target) => (target, true),
            Step::TooMany => return dead("too many redirects"),
            Step::Loop => return dead("redirect loop"),
        };
        let is_seed = request.referrer.is_none();
        let mut judged = self.scope.judge_request(&target);
        if judged == Err(Refusal::OtherSite) && is_seed {
            let site = Site::of(&target.url);
            Arc::make_mut(&mut self.scope).add_site(site.clone());
            // The site joins; the rules on URLs hold for it as for any other.
            judged = self.scope.judge_request(&target);
            match judged {
                Ok(()) => {
                    tracing::warn!(seed = %request.url, target = %target.url, "the seed redirects to another site, which joins the scope");
                    self.notes.sites.push(site);
                }
                Err(_) => Arc::make_mut(&mut self.scope).remove_site(&site),
            }
        }
        if judged.is_err() {
            return Fate::Skipped { reason: "redirect out of scope".to_owned() };
        }
        Fate::Redirected { target: Box::new(target), revisit }
    }

    fn failed(&mut self, request: &mut Request, origin: &Origin, error: &WireError, fetch: &FetchFacts, now: Instant) -> Fate {
        tracing::debug!(url = %request.url, %error, "no page");
        let retry_after = fetch.retry_after_ms.map(Duration::from_millis);
        let last_answer = self.scheduler.last_answer(origin);
        let (fate, news) =
            retry::judge(&self.config.retry, request, error, retry_after, last_answer, Moment { now, at_ms: wall_clock() }, rand::random());
        match news {
            OriginNews::Answered => self.scheduler.answered(origin, now),
            OriginNews::Nothing => {}
            OriginNews::Trouble(retry_after) => {
                if self.trouble(origin, error, retry_after, now) {
                    return self.give_up(origin, error, now);
                }
            }
        }
        fate
    }

    /// An origin is in trouble: it is left alone for a while. Answers whether it has been for too long and is to be given up.
    pub(super) fn trouble(&mut self, origin: &Origin, error: &WireError, retry_after: Option<Duration>, now: Instant) -> bool {
        match self.scheduler.trouble(origin, retry_after, now, rand::random()) {
            Trouble::Until(until) => {
                let pause = humantime::format_duration(Duration::from_millis((until - now).as_millis() as u64));
                tracing::info!(%origin, %error, "the site is in trouble and is left alone for {pause}");
                false
            }
            Trouble::Known => false,
            Trouble::GiveUp => true,
        }
    }

    /// Gives an origin up. What waits in its window goes back, and is dead with all that is queued for it.
    pub(super) fn give_up(&mut self, origin: &Origin, error: &WireError, now: Instant) -> Fate {
        let reason = format!("origin dead: {}", error.code);
        if !self.is_given_up(origin) {
            tracing::warn!(%origin, %error, "no normal answer for too long: the site is given up");
            for request in self.scheduler.clear(origin, now) {
                self.endings.push(Ending { request: Box::new(request), fate: Fate::Unsent });
            }
            self.given_up.push((origin.clone(), reason));
        }
        Fate::Again { not_before: None }
    }

    pub(super) fn saved(&mut self, saved: SavedPage) {
        if saved.page.addition {
            return self.resent(saved);
        }
        let Some(Unsaved { request, mut end, bytes }) = self.unsaved.remove(&saved.key) else { return };
        self.ended_bytes += bytes;
        let SavedPage { page: PageItems { page, fetched_at_ms, version, items, .. }, answers, .. } = saved;
        let counts = &mut end.facts.items;
        counts.parsed = answers.len() as u64;
        for (ordinal, (answer, item)) in answers.into_iter().zip(items).enumerate() {
            match answer.status {
                ItemStatus::Created | ItemStatus::Replaced => counts.saved += 1,
                ItemStatus::Collided => {
                    counts.saved += 1;
                    counts.collided += 1;
                }
                ItemStatus::Rejected | ItemStatus::Unknown => {
                    let reason = answer.reason.unwrap_or_else(|| "rejected without a reason".to_owned());
                    tracing::warn!(item_type = item.item_type, id = %item.id, %page, reason, "item rejected");
                    counts.rejected += 1;
                    let ordinal = ordinal.try_into().expect("a page has at most some thousand items");
                    let key = Some(request.key).filter(|key| *key != page.dedup_key());
                    end.rejected.push(RejectedItem { page: page.clone(), fetched_at_ms, version, key, ordinal, item, reason });
                }
            }
        }
        self.endings.push(Ending { request, fate: Fate::Page(end) });
    }

    /// Grows with every page, also across restarts: wall-clock milliseconds, or one more than the last where the clock stands or goes
    /// back.
    fn next_version(&mut self) -> u64 {
        self.notes.versions = wall_clock().max(self.notes.versions + 1);
        self.notes.versions
    }
}

/// Why a worker did not take a job; none if it did.
pub(super) fn refusal(outcome: &Outcome) -> Option<&WireError> {
    match &outcome.verdict {
        Verdict::Failed(error) if error.retry == RetryClass::Peer => Some(error),
        Verdict::Failed(_) | Verdict::Page(_) | Verdict::Redirect(_) | Verdict::Robots(_) => None,
    }
}

/// What an answer shows of its host; none if no site was asked.
fn measured(outcome: &Outcome, worker: WorkerIndex) -> Option<Measured> {
    let well = match &outcome.verdict {
        Verdict::Page(_) | Verdict::Redirect(_) | Verdict::Robots(_) => true,
        Verdict::Failed(error) if error.retry == RetryClass::Peer => return None,
        Verdict::Failed(_) => false,
    };
    let FetchFacts { millis, remote, proxy, .. } = &outcome.fetch;
    // Through a proxy the address is the proxy's, which all hosts behind it have in common.
    let address = remote.filter(|_| proxy.is_none()).map(|remote| remote.ip());
    Some(Measured { took: Duration::from_millis(*millis), well, address, worker })
}

/// What a worker left out of a page, by the reason a report gives.
fn refused(cut: Cut) -> Vec<(&'static str, u64)> {
    let Cut { links, items, long_urls, other_schemes, malformed, nofollow, noindex } = cut;
    if items > 0 {
        tracing::warn!(items, "a page has more items than are kept");
    }
    if noindex > 0 {
        tracing::debug!(items = noindex, "a page says noindex");
    }
    let all = [
        ("too many on the page", links),
        ("URL too long", long_urls),
        ("scheme", other_schemes),
        ("no URL", malformed),
        ("nofollow", nofollow),
    ];
    all.into_iter().filter(|(_, n)| *n > 0).collect()
}
