//! Budgets: what the user allows a crawl to cost.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::Serialize;

use crate::ledger::Ledger;

/// The limits the user set; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// Outcomes that are pages. Never overshot.
    pub max_pages: Option<NonZeroU64>,
    /// Items saved; what is in flight when it is reached is finished.
    pub max_items: Option<NonZeroU64>,
    /// URLs given up; what is in flight when it is reached is finished.
    pub max_errors: Option<NonZeroU64>,
    /// Time since the process started.
    pub max_time: Option<Duration>,
}

/// Why a crawl ended before its frontier was empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// `--max-pages` is used up.
    MaxPages,
    /// `--max-pages-per-host` is used up on every host that has more.
    MaxPagesPerHost,
    /// `--max-items` is reached.
    MaxItems,
    /// `--max-errors` is reached.
    MaxErrors,
    /// `--max-time` is over.
    MaxTime,
    /// The reader of `-o -` has had enough.
    OutputClosed,
    /// SIGINT or SIGTERM.
    Interrupted,
    /// No worker for `--wait-for-workers`.
    Stalled,
    /// `-o` could not be written.
    OutputFailed,
    /// `--fetch-log` could not be written.
    FetchLogFailed,
}

impl StopReason {
    /// Whether the user asked for this end beforehand.
    pub fn is_wanted(self) -> bool {
        match self {
            StopReason::MaxPages
            | StopReason::MaxPagesPerHost
            | StopReason::MaxItems
            | StopReason::MaxErrors
            | StopReason::MaxTime
            | StopReason::OutputClosed => true,
            StopReason::Interrupted | StopReason::Stalled | StopReason::OutputFailed | StopReason::FetchLogFailed => false,
        }
    }

    /// Why, for a person.
    pub fn sentence(self) -> &'static str {
        match self {
            StopReason::MaxPages => "--max-pages is used up; raise it for more",
            StopReason::MaxPagesPerHost => "--max-pages-per-host is used up on every host that has more; raise it for more",
            StopReason::MaxItems => "--max-items is reached; raise it for more",
            StopReason::MaxErrors => "--max-errors is reached: too many URLs were given up",
            StopReason::MaxTime => "--max-time is over; raise it for more",
            StopReason::OutputClosed => "enough was read",
            StopReason::Interrupted => "interrupted",
            StopReason::Stalled => "no worker was connected for --wait-for-workers",
            StopReason::OutputFailed => "the output could not be written",
            StopReason::FetchLogFailed => "the fetch log could not be written",
        }
    }
}

impl Budgets {
    /// Whether another page may be begun, with so many begun or finished already.
    pub fn allows_page(&self, pages: u64) -> bool {
        self.max_pages.is_none_or(|max| pages < max.get())
    }

    /// The budget that so many saved items and dead URLs reach.
    pub fn reached(&self, saved: u64, dead: u64) -> Option<StopReason> {
        if self.max_items.is_some_and(|max| saved >= max.get()) {
            return Some(StopReason::MaxItems);
        }
        self.max_errors.is_some_and(|max| dead >= max.get()).then_some(StopReason::MaxErrors)
    }

    /// By how much a budget counted at commit was overshot by what was in flight.
    pub fn overshot(&self, ledger: &Ledger) -> Option<String> {
        let over = |what: &str, max: Option<NonZeroU64>, n: u64| {
            max.filter(|max| n > max.get()).map(|max| format!("{} {what} over the budget of {max}, from pages in flight", n - max.get()))
        };
        over("items", self.max_items, ledger.items.saved).or_else(|| over("dead URLs", self.max_errors, ledger.urls.dead))
    }
}
