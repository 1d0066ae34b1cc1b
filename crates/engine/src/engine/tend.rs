//! Other engines at the same crawl: what they found, what comes to this engine, what it leaves to them, and whether all have finished.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use crate::frontier::{Ending, Fate, Order, PageBudget, Tended};
use crate::ledger::Ledger;
use crate::scope::Site;

/// Within this time a host must be due for the pages that it needs to be asked for.
const SOON: Duration = Duration::from_secs(2);

/// What is known of the others.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The frontier is seeing to them.
    asked: bool,
    /// Engines at the crawl, this one included; 0: nobody has looked yet.
    pub(super) engines: usize,
    /// Nothing of what is to be left is at work any more.
    left: bool,
    /// Nothing was left to do in the whole crawl when it was looked at last.
    over: bool,
    /// Nothing was on its way between engines then, and nothing was committed here since.
    is_quiet: bool,
    /// Pages that this engine has committed.
    own_pages: u64,
    /// Pages that it may have begun in all, if engines share a budget: none before the first of it is granted.
    most_pages: u64,
    /// Sites that the scope has.
    sites: BTreeSet<Site>,
}

impl Others {
    /// Pages of a group are durable.
    pub(super) fn committed(&mut self, pages: u64) {
        self.own_pages += pages;
        self.forget_the_end();
    }

    /// What was found out before may no longer be so.
    pub(super) fn forget_the_end(&mut self) {
        (self.over, self.is_quiet) = (false, false);
    }
}

impl Engine {
    /// Has the frontier see to the others, if there may be any. An engine that is about to end takes nothing new.
    pub(super) fn order_tend(&mut self, now: Instant) {
        if !self.tenure.is_shared() || self.others.asked || self.stopping.is_some() || !self.tenure.holds(now) {
            return;
        }
        self.others.asked = true;
        let left = std::mem::take(&mut self.others.left);
        // What is begun is its own already; more is asked for only where it can be used soon, so that nobody else waits for it.
        let begun = self.pages_begun.saturating_sub(self.pages_before + self.others.own_pages);
        let is_due = self.scheduler.soonest().is_some_and(|due| due <= now + SOON);
        let is_able = is_due && !self.paused && self.pool.live_workers() > 0;
        let wanted = if is_able { begun + self.config.worker_count as u64 } else { begun };
        let budget = self.config.budgets.max_pages.map(|max| PageBudget { max: max.get(), wanted });
        self.frontier.order(Order::Tend { scope: Arc::clone(&self.scope), left, budget });
    }

    /// Whether the budget allows another page to be begun.
    pub(super) fn allows_page(&self) -> bool {
        match self.config.budgets.max_pages {
            Some(_) if self.tenure.is_shared() => self.pages_begun < self.others.most_pages,
            _ => self.config.budgets.allows_page(self.pages_begun),
        }
    }

    /// Whether the budget of pages is used up, by all engines together.
    pub(super) fn has_used_up_its_pages(&self) -> bool {
        let pages = if self.tenure.is_shared() { self.ledger.pages } else { self.pages_begun };
        !self.config.budgets.allows_page(pages)
    }

    pub(super) fn tended(&mut self, tended: Tended, ledger: Ledger, now: Instant) {
        let Tended {
            engines,
            woken,
            restored,
            cookies,
            sites,
            permits,
            leaving,
            items_to_send,
            more,
            is_quiet,
            versions,
            pages_left,
            over,
        } = tended;
        self.others.asked = false;
        (self.others.over, self.others.is_quiet) = (over, is_quiet);
        self.others.most_pages = self.pages_before + self.others.own_pages + pages_left;
        if engines > 0 {
            if self.others.engines.max(1) != engines {
                tracing::info!("{engines} engines are at this crawl now");
            }
            self.others.engines = engines;
        }
        self.ledger = ledger;
        self.notes.versions = self.notes.versions.max(versions);
        for site in sites {
            if !self.others.sites.contains(&site) {
                Arc::make_mut(&mut self.scope).add_site(site.clone());
                self.others.sites.insert(site);
            }
        }
        if !permits.is_empty() {
            self.channels.permits.write().expect("nobody panics while permits are changed").extend(&permits);
        }
        if let Some(jar) = &mut self.jar {
            jar.add(cookies);
        }
        for (origin, health) in &restored {
            self.scheduler.restore(origin, health, now);
        }
        for (origin, health) in &woken {
            self.scheduler.wake(origin, health, now);
        }
        if items_to_send {
            self.resending.begin_again();
        }
        if !leaving.is_empty() {
            let withdrawn = self.scheduler.withdraw(|host| leaving.has(host.as_str()), now);
            self.others.left = !withdrawn.is_busy && !self.resending.is_about(|host| leaving.has(host));
            let unsent = |request| Ending { request: Box::new(request), fate: Fate::Unsent };
            self.endings.extend(withdrawn.requests.into_iter().map(unsent));
        }
        if more {
            self.order_tend(now);
        }
    }

    /// Whether others may still find something for hosts of this engine, or it for those of others.
    pub(super) fn may_get_more(&self) -> bool {
        self.tenure.is_shared() && !self.others.is_quiet
    }

    /// Whether nothing is left to do, here or with any other engine.
    pub(super) fn is_all_done(&self) -> bool {
        self.ledger.urls.queued == 0 && (!self.tenure.is_shared() || self.others.over)
    }

    /// What others have to do while nothing is left to do here.
    pub(super) fn waiting_for_others(&self) -> Option<String> {
        let others = self.others.engines.checked_sub(1).filter(|others| *others > 0)?;
        let idle = self.in_flight == 0 && self.scheduler.soonest().is_none() && self.uncommitted() == 0;
        let engines = if others == 1 { "the other engine".to_owned() } else { format!("{others} other engines") };
        idle.then(|| format!("{engines}: nothing of what is queued is on hosts that this one has"))
    }
}
