//! The engines of a run, and its database.

use tokio::time::Instant;

use super::{DRAIN, Fleet};
use crate::chaos::engines::LONGEST_SILENCE;
use crate::chaos::lives::Life;
use crate::chaos::schedule::{Shape, What, Who};
use crate::crawl::{Crawl, Running};

/// An engine.
#[derive(Debug)]
pub(super) struct EngineSeat {
    pub(super) who: Who,
    pub(super) running: Option<Running>,
    pub(super) told_to_end: bool,
    /// It has not said yet that it is at the crawl, to which others are already.
    pub(super) is_opening: bool,
    pub(super) thaw_at: Option<Instant>,
    pub(super) starts: u64,
    /// Which of the lives is its last.
    pub(super) life: usize,
}

impl Fleet<'_> {
    /// Starts an engine unless it runs. One that was told to end gets its time, and then the second signal that ends it at once.
    pub(super) fn start_engine(&mut self, engine: usize) {
        self.notice_ends();
        if self.engines[engine].told_to_end {
            self.thaw_engine(engine);
        }
        let seat = &self.engines[engine];
        if let Some(running) = seat.running.as_ref().filter(|_| seat.told_to_end) {
            if !running.process.ends_within(DRAIN) {
                if let Some(life) = self.lives.get_mut(seat.life) {
                    life.falls_silent(self.site.last_arrival());
                }
                running.process.terminate();
                running.process.exit();
            }
            self.notice_ends();
        }
        if self.engines[engine].running.is_some() || !self.finished.is_empty() {
            return;
        }
        let joins = self.has_engine();
        if joins && self.database_back_at.is_none() && !self.hold_the_crawl_open() {
            return;
        }
        let crawl = self.crawl(engine);
        let seat = &mut self.engines[engine];
        seat.running = Some(crawl.start());
        (seat.told_to_end, seat.is_opening) = (false, joins);
    }

    fn crawl(&mut self, engine: usize) -> Crawl {
        let mut crawl = Crawl::in_state(&self.state(engine)).spider("zhenai").args(["--worker-count", "6"]);
        let hosts = |is_worker: bool| -> Vec<String> {
            let those = self.seats.iter().filter(|seat| matches!(seat.who, Who::Worker(_)) == is_worker);
            those.map(|seat| format!("127.0.0.1:{}", seat.port)).collect()
        };
        if let Shape::Fleet { .. } | Shape::Engines { .. } = self.plan.shape {
            crawl = crawl.args(["--worker-hosts", &hosts(true).join(","), "--itemsaver-host", &hosts(false).join(",")]);
        }
        if let Some(delay) = self.plan.delay {
            crawl = crawl.args(["--delay", &format!("{}ms", delay.as_millis())]);
            if self.plan.has_long_freeze() {
                // The slot of a page that a silent worker has stays taken for this long and 10 s more.
                crawl = crawl.args(["--fetch-timeout", if self.database.is_some() { "10s" } else { "3s" }]);
            }
        }
        if let Some(output) = self.output() {
            crawl = crawl.arg("--output").arg(output);
        }
        crawl = crawl.arg("--fetch-log").arg(self.fetch_log(engine));
        let seat = &mut self.engines[engine];
        seat.starts += 1;
        if let Some(database) = &self.database {
            let life = Life::of(&seat.who.to_string(), seat.starts);
            crawl = crawl.frontier(&database.url()).args(["--user-agent", &life.name]);
            seat.life = self.lives.len();
            self.lives.push(life);
        }
        crawl.args((1..=self.plan.hosts()).map(|host| self.site.people_seed_of(&self.site.base_of(host))))
    }

    /// Notices that engines have ended: with the crawl, or because they were told or made to.
    pub(super) fn notice_ends(&mut self) {
        for engine in 0..self.engines.len() {
            let seat = &mut self.engines[engine];
            let Some(running) = seat.running.take_if(|running| !running.process.is_running()) else { continue };
            seat.thaw_at = None;
            let (name, told_to_end) = (format!("{}-{}", seat.who, seat.starts), std::mem::take(&mut seat.told_to_end));
            let exit = running.process.exit();
            self.write_log(&name, &exit);
            match exit.code {
                Some(0) => self.finished.push(running.finish()),
                // 2: it was told before it had begun, while it waited for the itemsaver.
                Some(1 | 2) | None if told_to_end => {}
                code => panic!("{name} ended by itself with {code:?}:\n{}", exit.stderr),
            }
        }
    }

    pub(super) fn harm_engine(&mut self, engine: usize, what: What) {
        let arrived = self.site.last_arrival();
        let seat = &mut self.engines[engine];
        let Some(running) = &seat.running else { return };
        match what {
            What::Kill => {
                if let Some(life) = self.lives.get_mut(seat.life) {
                    life.falls_silent(arrived);
                }
                running.process.kill();
                seat.told_to_end = true;
                self.notice_ends();
            }
            What::Terminate => {
                running.process.terminate();
                seat.told_to_end = true;
            }
            What::Freeze(time) => {
                if time >= LONGEST_SILENCE
                    && let Some(life) = self.lives.get_mut(seat.life)
                {
                    life.falls_silent(arrived);
                }
                running.process.freeze();
                seat.thaw_at = Some(Instant::now() + time);
            }
            What::Outage(_) | What::Start => unreachable!("to start is no harm, and an outage is one of the database"),
        }
    }

    pub(super) fn thaw_engine(&mut self, engine: usize) {
        let seat = &mut self.engines[engine];
        let Some(running) = &seat.running else { return };
        if seat.thaw_at.take().is_some() {
            if let Some(life) = self.lives.get_mut(seat.life) {
                life.speaks(self.site.last_arrival());
            }
            running.process.thaw();
        }
    }

    /// An engine that finds the crawl complete begins it anew. So the crawl must not become complete while one is on its way to it: every
    /// further page is held at the site until it is there. False, and nothing held, if all pages were asked for already.
    fn hold_the_crawl_open(&self) -> bool {
        self.site.hold_after(0);
        // What has not arrived by now is held when it does.
        let is_open = (self.site.fetched().len() as u64) < self.plan.pages();
        if !is_open {
            self.site.release();
        }
        is_open
    }

    pub(super) fn notice_openings(&mut self) {
        let mut has_opened = false;
        for engine in self.engines.iter_mut().filter(|engine| engine.is_opening) {
            engine.is_opening = engine.running.as_ref().is_some_and(|running| !running.process.has_said("crawl zhenai "));
            has_opened |= !engine.is_opening;
        }
        if has_opened && self.engines.iter().all(|engine| !engine.is_opening) {
            self.site.release();
        }
    }

    pub(super) fn harm_database(&mut self, what: What) {
        let What::Outage(time) = what else { unreachable!("a database is there, and is away for some time") };
        let Some(database) = self.database.as_mut().filter(|_| self.database_back_at.is_none()) else { return };
        database.kill();
        self.database_back_at = Some(Instant::now() + time);
        // Without it nothing can be completed.
        self.site.release();
    }

    pub(super) fn start_database_again(&mut self) {
        let is_opening = |engine: &EngineSeat| engine.is_opening;
        if self.engines.iter().any(is_opening) && !self.hold_the_crawl_open() {
            // They have done nothing yet, and might find the crawl complete.
            for engine in 0..self.engines.len() {
                if is_opening(&self.engines[engine]) {
                    self.harm_engine(engine, What::Kill);
                }
            }
        }
        if let Some(database) = &mut self.database {
            database.start_again();
        }
    }
}
