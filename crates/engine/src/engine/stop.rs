//! Stopping: budgets, signals, workers and output that are gone, and the end.

use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, EngineError, Stopping};
use crate::budget::StopReason;
use crate::frontier::{FrontierError, TakenOver};
use crate::output::OutputError;
use crate::pool::member::WorkerEvent;
use crate::progress::Snapshot;
use crate::saver::SaverEvent;

impl Engine {
    /// Dispatches nothing more; what is in flight is finished, saved and committed. The first reason stays.
    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.stopping.is_none() {
            // Whoever pipes into `head` has what they want and no need to hear of it.
            if reason != StopReason::OutputClosed {
                tracing::info!(in_flight = self.in_flight, "stopping: {}", reason.sentence());
            }
            self.stopping = Some(Stopping { reason, since: Instant::now() });
            self.lonely = None;
        } else if reason == StopReason::Interrupted {
            // A signal during a stop for another reason: the next one ends at once.
            self.stopping = self.stopping.map(|stopping| Stopping { reason, ..stopping });
        }
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.stopping.is_some_and(|stopping| stopping.reason == StopReason::Interrupted)
    }

    /// Whether the loop may end.
    pub(super) fn is_over(&mut self) -> bool {
        let idle = self.in_flight == 0
            && self.committing.is_none()
            && self.unsaved.is_empty()
            && self.uncommitted() == 0
            && self.given_up.is_empty()
            && self.asks == 0
            && self.resending.is_idle(self.stopping.is_some());
        if idle && self.is_all_done() {
            return true;
        }
        if idle && self.stopping.is_none() && self.has_used_up_its_pages() {
            self.stop(StopReason::MaxPages);
        }
        if idle && self.stopping.is_none() && self.takes == 0 && self.scheduler.is_held_by_budget() && !self.may_get_more() {
            self.stop(StopReason::MaxPagesPerHost);
        }
        match self.stopping {
            None => false,
            // Without a reader there is nobody to finish the work for.
            Some(Stopping { reason: StopReason::OutputClosed | StopReason::OutputFailed, .. }) => true,
            Some(Stopping { since, .. }) => idle || since.elapsed() >= self.config.limits.grace,
        }
    }

    pub(super) fn look_at_the_clock(&mut self) -> Result<(), EngineError> {
        let now = Instant::now();
        if let Some(lost) = self.tenure.lost() {
            return Err(lost.into());
        }
        if self.config.budgets.max_time.is_some_and(|max| now.duration_since(self.started) >= max) {
            if !self.dispatched_any && self.workerless_since.is_some() {
                return Err(EngineError::NoWorkers(self.worker_sentences()));
            }
            self.stop(StopReason::MaxTime);
        }
        if self.workerless_since.is_some_and(|since| now.duration_since(since) >= self.config.wait_for_workers) {
            if !self.dispatched_any {
                return Err(EngineError::NoWorkers(self.worker_sentences()));
            }
            self.stop(StopReason::Stalled);
        }
        self.order_tend(now);
        self.publish();
        Ok(())
    }

    pub(super) fn worker(&mut self, event: WorkerEvent, now: Instant) -> Result<(), EngineError> {
        match event {
            WorkerEvent::Up { worker, client, welcome } => {
                let host = self.pool.members()[worker].name.clone();
                tracing::info!(capacity = welcome.capacity, software = welcome.software, "Connected to {host}");
                if self.pool.members()[worker].retired {
                    return Ok(());
                }
                self.worker_problems[worker] = None;
                self.pool.up(worker, client, welcome.capacity);
            }
            WorkerEvent::Capacity { worker, client, capacity } => {
                let host = &self.pool.members()[worker].name;
                tracing::info!(capacity, "worker {host} takes another number of jobs: engines came or went");
                self.pool.resize(worker, client, capacity);
            }
            WorkerEvent::Down { worker, why } => {
                let host = &self.pool.members()[worker].name;
                let is_wanted = self.pool.members()[worker].retired;
                if is_wanted {
                    tracing::info!("worker {host} has left: {why}");
                } else {
                    tracing::warn!(why, "worker {host} has left the rotation; its pages go to others");
                }
                self.worker_problems[worker] = (!is_wanted).then(|| format!("worker {host} is gone: {why}"));
                self.pool.down(worker);
            }
            WorkerEvent::Failed { worker, error } => {
                let sentence = format!("error connecting to {}: {error}", self.pool.members()[worker].name);
                // Said once for each kind of failure, not at every try.
                if self.worker_problems[worker].as_ref() != Some(&sentence) {
                    tracing::warn!("{sentence}");
                    self.worker_problems[worker] = Some(sentence);
                }
                if error.is_stale() && self.tenure.is_shared() {
                    // Whoever opens a crawl at which others are joins them: so by then this engine was not among them any more.
                    return Err(FrontierError::TakenOver(TakenOver { crawl: self.config.crawl.to_string() }).into());
                }
                if !self.dispatched_any && !error.is_passing() && worker < self.named_workers {
                    return Err(EngineError::NoWorkers(self.worker_sentences()));
                }
            }
        }
        self.note_workers(now);
        Ok(())
    }

    pub(super) fn note_workers(&mut self, now: Instant) {
        match self.pool.live_workers() {
            0 => {
                self.workerless_since.get_or_insert(now);
            }
            _ => self.workerless_since = None,
        }
    }

    pub(super) fn saver(&mut self, event: SaverEvent) {
        match event {
            SaverEvent::Up => {
                tracing::info!("the itemsaver is back");
                self.saver_problem = None;
            }
            SaverEvent::Away(problem) => {
                if self.saver_problem.as_ref() != Some(&problem) {
                    tracing::warn!("{problem}; pages wait for the itemsaver");
                    self.saver_problem = Some(problem);
                }
            }
        }
    }

    pub(super) fn output_ended(&mut self, error: &OutputError) {
        match error {
            OutputError::Closed => self.stop(StopReason::OutputClosed),
            OutputError::Failed(error) => {
                tracing::error!(error, "cannot write the output");
                self.stop(StopReason::OutputFailed);
            }
        }
    }

    /// What could not be proved must not be done: nothing more is sent.
    pub(super) fn fetch_log_ended(&mut self, error: &str) {
        tracing::error!(error, "cannot write the fetch log");
        self.stop(StopReason::FetchLogFailed);
    }

    fn worker_sentences(&self) -> Vec<String> {
        self.worker_problems.iter().flatten().cloned().collect()
    }

    pub(super) fn publish(&self) {
        let ledger = &self.ledger;
        self.channels.progress.send_replace(Snapshot {
            elapsed: self.started.elapsed(),
            pages: ledger.pages,
            pages_before: self.pages_before,
            urls: ledger.urls,
            in_flight: self.in_flight,
            items: ledger.items,
            waiting_for: self.waiting_for(),
        });
    }

    /// Why nothing is being fetched, or less than could be.
    pub(super) fn waiting_for(&self) -> Option<String> {
        let (now, ledger) = (Instant::now(), &self.ledger);
        if let Some(stopping) = self.stopping {
            let left = self.config.limits.grace.saturating_sub(stopping.since.elapsed());
            return Some(format!("{} in flight to finish, at most {} s (again Ctrl-C: end at once)", self.in_flight, left.as_secs()));
        }
        if self.paused {
            return Some("`engine resume`: it is paused".to_owned());
        }
        if let Some(problem) = self.tenure.problem(now) {
            return Some(problem);
        }
        if let Some(since) = self.workerless_since {
            let problem = self.worker_problems.iter().flatten().next().map_or("dialling", String::as_str);
            let left = self.config.wait_for_workers.saturating_sub(now.duration_since(since));
            return Some(format!("a worker, {} s more ({problem})", left.as_secs()));
        }
        if let Some(problem) = &self.saver_problem
            && !self.unsaved.is_empty()
        {
            return Some(format!("the itemsaver, with {} pages ({problem})", self.unsaved.len()));
        }
        if let Some(waiting) = self.proxies.waiting_for(now) {
            return Some(waiting);
        }
        if self.in_flight > 0 || ledger.urls.queued == 0 {
            return None;
        }
        if let Some(others) = self.waiting_for_others() {
            return Some(others);
        }
        match self.scheduler.waiting_hosts(now) {
            0 => None,
            hosts => Some(self.waiting_for_hosts(now, hosts)),
        }
    }

    fn waiting_for_hosts(&self, now: Instant, hosts: usize) -> String {
        let soonest = self.scheduler.soonest().map_or(Duration::ZERO, |time| time.saturating_duration_since(now));
        let clocks = if hosts == 1 { "the clock of 1 host".to_owned() } else { format!("the clocks of {hosts} hosts, the first") };
        format!(
            "{clocks} in {:.1} s (see --delay; a robots.txt may ask for more, and a site in trouble waits longer)",
            soonest.as_secs_f32()
        )
    }
}
