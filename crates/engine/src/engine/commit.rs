//! Committing: groups on their way to the frontier's thread, and what comes back.

use model::Origin;
use tokio::time::Instant;

use super::{Committing, EndingCounts, Engine, EngineError, GROUP, GROUP_LINKS};
use crate::clock::wall_clock;
use crate::frontier::{Committed, Ending, Fate, FrontierEvent, Group, Notes, Order, Taken};

impl Engine {
    /// Sends what has ended to the frontier as one group, unless one is on its way: what comes meanwhile goes with the next.
    pub(super) fn commit(&mut self) {
        self.notes.health.extend(self.scheduler.changes());
        let Notes { health, resent, robots, found, cookies, .. } = &self.notes;
        let no_notes = health.is_empty() && resent.is_empty() && robots.is_empty() && found.is_empty() && cookies.is_empty();
        let nothing = self.endings.is_empty() && self.given_up.is_empty() && no_notes;
        if nothing || self.committing.is_some() {
            return;
        }
        let all = self.endings.len();
        let endings: Vec<Ending> = self.endings.drain(..group_length(&self.endings)).collect();
        // Bytes are told apart by group, not by page: those of a group that is cut wait for the rest.
        let bytes = if endings.len() == all { std::mem::take(&mut self.ended_bytes) } else { 0 };
        let given_up = std::mem::take(&mut self.given_up);
        let origins = given_up.iter().map(|(origin, _)| origin.clone()).collect();
        let counts = EndingCounts::of(&endings);
        self.committing = Some(Committing { endings: endings.len(), counts, bytes, given_up: origins });
        self.notes.now_ms = wall_clock();
        // What holds from group to group stays; all else goes with this one.
        let next = Notes { versions: self.notes.versions, output: self.notes.output.clone(), ..Notes::default() };
        let notes = Box::new(std::mem::replace(&mut self.notes, next));
        self.frontier.order(Order::Commit(Group { given_up, endings, notes, scope: self.scope.clone() }));
    }

    /// Stops when a budget is reached with what is committed and what is about to be.
    pub(super) fn look_at_the_budgets(&mut self) {
        let budgets = &self.config.budgets;
        if budgets.max_items.is_none() && budgets.max_errors.is_none() {
            return;
        }
        let EndingCounts { mut saved, mut dead, .. } = EndingCounts::of(&self.endings);
        if let Some(group) = &self.committing {
            saved += group.counts.saved;
            dead += group.counts.dead;
        }
        if let Some(reason) = budgets.reached(self.ledger.items.saved + saved, self.ledger.urls.dead + dead) {
            self.stop(reason);
        }
    }

    pub(super) fn frontier(&mut self, event: FrontierEvent, now: Instant) -> Result<(), EngineError> {
        match event {
            FrontierEvent::Committed { committed, ledger } => {
                let group = self.committing.take().expect("one group at a time is on its way");
                self.uncommitted_bytes -= group.bytes;
                self.others.committed(group.counts.pages);
                self.ledger = *ledger;
                self.note(committed, now);
            }
            FrontierEvent::Taken { origin, taken, robots } => {
                self.takes -= 1;
                if let Some(known) = robots {
                    // A crawl that goes on may read sitemaps now that it did not before.
                    if let Some(known) = known.as_ref().filter(|_| self.config.sitemaps && self.config.resumed)
                        && !known.rules.sitemaps().is_empty()
                        && self.sitemaps_found.insert(origin.clone())
                    {
                        self.find_sitemaps(&origin, &known.rules);
                    }
                    self.scheduler.read_robots(&origin, known, now);
                }
                let Taken { mut requests, mut more, mut later } = taken;
                if self.is_given_up(&origin) {
                    let unsent = |request| Ending { request: Box::new(request), fate: Fate::Unsent };
                    self.endings.extend(std::mem::take(&mut requests).into_iter().map(unsent));
                    (more, later) = (false, None);
                }
                self.scheduler.refill(&origin, requests, more, later, now);
            }
            FrontierEvent::Tended { tended, ledger } => self.tended(*tended, *ledger, now),
            FrontierEvent::ToSend(items) => self.resend(items),
            FrontierEvent::Looked => self.asks -= 1,
            FrontierEvent::Changed { changed, woken, ledger } => self.changed(changed, &woken, *ledger, now),
            FrontierEvent::Failed(error) => return Err(error.into()),
        }
        Ok(())
    }

    pub(super) fn note(&mut self, committed: Committed, now: Instant) {
        for (origin, health) in &committed.woken {
            self.scheduler.wake(origin, health, now);
        }
    }

    /// Whether an origin is about to be given up; what is ordered of the frontier afterwards sees it for itself.
    pub(super) fn is_given_up(&self, origin: &Origin) -> bool {
        let on_its_way = self.committing.iter().flat_map(|group| &group.given_up);
        self.given_up.iter().map(|(origin, _)| origin).chain(on_its_way).any(|known| known == origin)
    }

    /// Endings that are not committed.
    pub(super) fn uncommitted(&self) -> usize {
        self.endings.len() + self.committing.as_ref().map_or(0, |group| group.endings)
    }
}

impl EndingCounts {
    fn of(endings: &[Ending]) -> EndingCounts {
        let mut counts = EndingCounts::default();
        for ending in endings {
            match &ending.fate {
                Fate::Page(page) => {
                    counts.saved += page.facts.items.saved;
                    counts.pages += 1;
                }
                Fate::Dead { .. } => counts.dead += 1,
                Fate::Redirected { .. } | Fate::Skipped { .. } | Fate::Again { .. } | Fate::Unsent => {}
            }
        }
        counts
    }
}

/// How many endings go into one group.
fn group_length(endings: &[Ending]) -> usize {
    let mut links = 0;
    let fits = |ending: &&Ending| {
        let before = links;
        if let Fate::Page(page) = &ending.fate {
            links += page.links.len();
        }
        before < GROUP_LINKS
    };
    endings.iter().take(GROUP).take_while(fits).count()
}
