//! Answering what is asked of a running crawl, and doing what it is told.

use std::sync::Arc;

use model::CrawlUrl;
use rpcsupport::PeerAddress;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, Recruit};
use crate::control::{ASKS, Ask, Refused, Reply};
use crate::frontier::{Change, Changed, Frontier, FrontierError, Look, Notes, Order};
use crate::inquiry::dead::dead_letters;
use crate::inquiry::status::{CrawlState, CrawlStatus, ORIGINS, WorkerStatus};
use crate::inquiry::why::explain;
use crate::ledger::Ledger;
use crate::pool::WorkerIndex;
use crate::request::Request;
use crate::scheduler::Health;
use crate::scope::Site;

impl Engine {
    pub(super) fn asked(&mut self, ask: Ask) {
        if self.asks >= ASKS {
            return refuse(ask, "too much is asked at a time: ask again");
        }
        match ask {
            Ask::Status(reply) => self.tell_status(reply),
            Ask::Why(url, reply) => {
                let scope = Arc::clone(&self.scope);
                self.look(reply, move |frontier| explain(frontier, Some(&scope), url));
            }
            Ask::Dead { reason, most, reply } => self.look(reply, move |frontier| dead_letters(frontier, reason.as_deref(), most)),
            Ask::Pause(reply) => {
                if !self.paused {
                    tracing::info!("paused: nothing is handed out until `engine resume`");
                }
                self.paused = true;
                self.tell_status(reply);
            }
            Ask::Resume(reply) => {
                if self.paused {
                    tracing::info!("going on");
                }
                self.paused = false;
                self.tell_status(reply);
            }
            Ask::Seed(..) | Ask::Requeue(..) if self.stopping.is_some() => refuse(ask, "the crawl is stopping"),
            Ask::Seed(urls, reply) => {
                let (seeds, notes) = self.welcome(urls);
                self.change(Change::Seed { seeds, notes: Box::new(notes), reply });
            }
            Ask::Requeue(reason, reply) => self.change(Change::Requeue { reason, reply }),
            Ask::AddWorker(host, reply) => self.add_worker(host, reply),
            Ask::DrainWorker(host, reply) => self.drain_worker(&host, reply),
        }
    }

    /// A change is durable: what it woke is scheduled, and who waits for it is told.
    pub(super) fn changed(&mut self, changed: Changed, woken: &[(model::Origin, Health)], ledger: Ledger, now: Instant) {
        self.asks -= 1;
        self.ledger = ledger;
        self.others.forget_the_end();
        for (origin, health) in woken {
            self.scheduler.wake(origin, health, now);
        }
        // Whoever asked may be gone.
        match changed {
            Changed::Seeded(seeded, reply) => {
                tracing::info!(entered = seeded.entered, known = seeded.known, sent = seeded.sent, "seeds were added");
                let _ = reply.send(Ok(seeded));
            }
            Changed::Requeued(requeued, reply) => {
                tracing::info!(urls = requeued.urls, items = requeued.items, "queued again");
                self.resending.begin_again();
                let _ = reply.send(Ok(requeued));
            }
        }
    }

    /// Lets the frontier's thread answer.
    fn look<T: Send + 'static>(
        &mut self,
        reply: Reply<T>,
        question: impl FnOnce(&dyn Frontier) -> Result<T, FrontierError> + Send + 'static,
    ) {
        self.asks += 1;
        let answer = move |frontier: &dyn Frontier| {
            let _ = reply.send(question(frontier).map_err(|error| Refused::Unavailable(error.to_string())));
        };
        self.frontier.order(Order::Look(Look(Box::new(answer))));
    }

    fn change(&mut self, change: Change) {
        self.asks += 1;
        self.frontier.order(Order::Change(change));
    }

    /// The requests of further seeds. Their sites join the scope, and their addresses may be reached.
    fn welcome(&mut self, urls: Vec<CrawlUrl>) -> (Vec<Request>, Notes) {
        let mut notes = Notes { versions: self.notes.versions, now_ms: crate::clock::wall_clock(), ..Notes::default() };
        for url in &urls {
            let site = Site::of(url);
            if Arc::make_mut(&mut self.scope).add_site(site.clone()) {
                notes.sites.push(site);
            }
            notes.permits.extend(self.channels.permits.write().expect("nobody panics while permits are changed").add_seed(url));
        }
        let seed = |url: CrawlUrl| {
            let seed = Request::seed(url, Arc::clone(&self.config.start));
            Request { key: self.scope.key(&seed.url, seed.key), ..seed }
        };
        let seeds = urls.into_iter().map(seed).collect();
        (seeds, notes)
    }

    fn add_worker(&mut self, host: PeerAddress, reply: Reply<CrawlStatus>) {
        let name = host.to_string();
        if self.pool.members().iter().any(|member| member.name == name && !member.retired) {
            let _ = reply.send(Err(Refused::NotFound(format!("the worker {name} is there already"))));
            return;
        }
        let worker = self.pool.members().len();
        let dismissed = CancellationToken::new();
        let Ok(()) = self.channels.recruits.try_send(Recruit { worker, host, dismissed: dismissed.clone() }) else {
            return refuse(Ask::Status(reply), "too many workers join at a time: ask again");
        };
        tracing::info!("worker {name} joins");
        self.pool.add(name);
        self.dismissals.push(dismissed);
        self.worker_problems.push(None);
        self.tell_status(reply);
    }

    fn drain_worker(&mut self, host: &str, reply: Reply<CrawlStatus>) {
        let members = self.pool.members();
        let Some(worker) = members.iter().position(|member| member.name == host && !member.retired) else {
            let names: Vec<&str> = members.iter().filter(|member| !member.retired).map(|member| member.name.as_str()).collect();
            let _ = reply.send(Err(Refused::NotFound(format!("there is no worker {host}; there are: {}", names.join(", ")))));
            return;
        };
        tracing::info!("worker {host} leaves when it has finished");
        self.dismiss(worker);
        self.tell_status(reply);
    }

    fn dismiss(&mut self, worker: WorkerIndex) {
        self.pool.retire(worker);
        self.dismissals[worker].cancel();
        self.worker_problems[worker] = None;
        self.note_workers(Instant::now());
    }

    fn tell_status(&mut self, reply: Reply<CrawlStatus>) {
        let status = self.status();
        if !self.tenure.holds(Instant::now()) {
            // The frontier's thread waits for its database: it has no time for an answer.
            let _ = reply.send(Ok(status));
            return;
        }
        self.look(reply, move |frontier| Ok(CrawlStatus { origins: frontier.origin_states(ORIGINS), ..status }));
    }

    fn status(&self) -> CrawlStatus {
        let state = match (&self.stopping, self.paused) {
            (Some(_), _) => CrawlState::Stopping,
            (None, true) => CrawlState::Paused,
            (None, false) => CrawlState::Running,
        };
        let workers = self.pool.members().iter().zip(&self.worker_problems).map(|(member, problem)| WorkerStatus {
            host: member.name.clone(),
            connected: member.is_live(),
            leaving: member.retired,
            in_flight: member.in_flight(),
            done: member.done,
            failed: member.failed,
            problem: problem.clone(),
        });
        CrawlStatus {
            process: Some(std::process::id()),
            restarts: self.config.restarts,
            seconds: Some(self.started.elapsed().as_secs_f64()),
            engines: self.tenure.is_shared().then_some(self.others.engines.max(1)),
            in_flight: self.in_flight,
            unsaved: self.unsaved.len(),
            waiting_for: self.waiting_for(),
            workers: workers.collect(),
            ..CrawlStatus::of(self.config.crawl.to_string(), state, &self.ledger)
        }
    }
}

fn refuse(ask: Ask, why: &str) {
    fn no<T>(reply: Reply<T>, why: &str) {
        // Whoever asked may be gone.
        let _ = reply.send(Err(Refused::Unavailable(why.to_owned())));
    }
    match ask {
        Ask::Status(reply) | Ask::Pause(reply) | Ask::Resume(reply) | Ask::AddWorker(_, reply) | Ask::DrainWorker(_, reply) => {
            no(reply, why);
        }
        Ask::Why(_, reply) => no(reply, why),
        Ask::Dead { reply, .. } => no(reply, why),
        Ask::Seed(_, reply) => no(reply, why),
        Ask::Requeue(_, reply) => no(reply, why),
    }
}
