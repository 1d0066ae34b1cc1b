//! Counters that must balance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frontier::StoryEnd;

/// What the crawl knows of itself, counted at commit and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Requests by state.
    pub urls: UrlCounts,
    /// Items.
    pub items: ItemCounts,
    /// Dead requests by reason.
    pub dead_by_reason: BTreeMap<String, u64>,
    /// Skipped requests by reason.
    pub skipped_by_reason: BTreeMap<String, u64>,
    /// Rejected items by reason.
    #[serde(default)]
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Links that did not become requests, by reason.
    pub links_refused: BTreeMap<String, u64>,
    /// Pages among the requests done; the others were redirects.
    pub pages: u64,
    /// Links to a known URL that asked for another parser or other arguments than the first.
    pub parser_conflicts: u64,
}

/// Requests: discovered = done + dead + skipped + queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlCounts {
    /// Entered the frontier.
    pub discovered: u64,
    /// Fetched and parsed, or redirected.
    pub done: u64,
    /// Given up.
    pub dead: u64,
    /// Answered definitively without a page to parse.
    pub skipped: u64,
    /// Waiting or in flight.
    pub queued: u64,
}

/// Items: parsed = saved + rejected; stored = saved − collided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemCounts {
    /// Found by parsers on pages that are done.
    pub parsed: u64,
    /// Acknowledged by the itemsaver.
    pub saved: u64,
    /// Refused by the itemsaver, for good.
    pub rejected: u64,
    /// Those of the saved whose identity another page of this run had written first.
    pub collided: u64,
    /// Items that were not kept because their pages say `noindex`; they are in none of the other counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub noindex: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Ledger {
    /// Whether both equations hold.
    pub fn is_balanced(&self) -> bool {
        let UrlCounts { discovered, done, dead, skipped, queued } = self.urls;
        let sum = |reasons: &BTreeMap<String, u64>| reasons.values().sum::<u64>();
        discovered == done + dead + skipped + queued
            && self.items.parsed == self.items.saved + self.items.rejected
            && dead == sum(&self.dead_by_reason)
            && skipped == sum(&self.skipped_by_reason)
            && self.items.rejected == sum(&self.rejected_by_reason)
    }

    /// Counts a request that has ended; the caller has taken it from those queued.
    pub(crate) fn add(&mut self, end: &StoryEnd) {
        match end {
            StoryEnd::Page(facts) => {
                self.urls.done += 1;
                self.pages += 1;
                self.items.add(facts.items);
            }
            StoryEnd::Redirected { .. } => self.urls.done += 1,
            StoryEnd::Skipped { reason } => {
                self.urls.skipped += 1;
                count(&mut self.skipped_by_reason, reason, 1);
            }
            StoryEnd::Dead { reason } => {
                self.urls.dead += 1;
                count(&mut self.dead_by_reason, reason, 1);
            }
        }
    }

    /// The opposite of [`add`](Ledger::add): the request is to be done once more.
    pub(crate) fn take_back(&mut self, end: &StoryEnd) {
        match end {
            StoryEnd::Page(facts) => {
                self.urls.done -= 1;
                self.pages -= 1;
                self.items.take_back(facts.items);
            }
            StoryEnd::Redirected { .. } => self.urls.done -= 1,
            StoryEnd::Skipped { reason } => {
                self.urls.skipped -= 1;
                uncount(&mut self.skipped_by_reason, reason, 1);
            }
            StoryEnd::Dead { reason } => {
                self.urls.dead -= 1;
                uncount(&mut self.dead_by_reason, reason, 1);
            }
        }
    }

    /// Adds what another part of the crawl has counted.
    pub(crate) fn merge(&mut self, part: &Ledger) {
        let Ledger { urls, items, dead_by_reason, skipped_by_reason, rejected_by_reason, links_refused, pages, parser_conflicts } = part;
        let UrlCounts { discovered, done, dead, skipped, queued } = urls;
        self.urls.discovered += discovered;
        self.urls.done += done;
        self.urls.dead += dead;
        self.urls.skipped += skipped;
        self.urls.queued += queued;
        self.items.add(*items);
        self.pages += pages;
        self.parser_conflicts += parser_conflicts;
        for (sums, reasons) in [
            (&mut self.dead_by_reason, dead_by_reason),
            (&mut self.skipped_by_reason, skipped_by_reason),
            (&mut self.rejected_by_reason, rejected_by_reason),
            (&mut self.links_refused, links_refused),
        ] {
            reasons.iter().for_each(|(reason, n)| count(sums, reason, *n));
        }
    }

    pub(crate) fn refuse(&mut self, reason: &str, links: u64) {
        count(&mut self.links_refused, reason, links);
    }
}

impl ItemCounts {
    pub(crate) fn add(&mut self, other: ItemCounts) {
        self.parsed += other.parsed;
        self.saved += other.saved;
        self.rejected += other.rejected;
        self.collided += other.collided;
        self.noindex += other.noindex;
    }

    fn take_back(&mut self, other: ItemCounts) {
        self.parsed -= other.parsed;
        self.saved -= other.saved;
        self.rejected -= other.rejected;
        self.collided -= other.collided;
        self.noindex -= other.noindex;
    }
}

/// Reasons counted by name: sites have a say in some of them (`unwanted type: …`), and none may fill the memory with inventions.
pub(crate) const MAX_REASONS: usize = 500;

/// Longest reason in bytes; a longer one is cut.
const MAX_REASON: usize = 120;

/// What is counted beyond [`MAX_REASONS`].
const OTHER_REASONS: &str = "other";

/// A reason as it is counted: cut where it is too long. Two that are the same then are one reason.
pub(crate) fn counted(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

/// Whether something that ended for a reason is meant; none means any.
pub(crate) fn is_meant(wanted: Option<&str>, reason: &str) -> bool {
    wanted.is_none_or(|wanted| counted(wanted) == counted(reason))
}

/// Adds to a reason's count; a count of nothing leaves no entry behind.
pub(crate) fn count(reasons: &mut BTreeMap<String, u64>, reason: &str, n: u64) {
    if n == 0 {
        return;
    }
    let reason = counted(reason);
    if let Some(sum) = reasons.get_mut(reason) {
        *sum += n;
    } else {
        let reason = if reasons.len() < MAX_REASONS { reason } else { OTHER_REASONS };
        *reasons.entry(reason.to_owned()).or_default() += n;
    }
}

/// Takes from a reason's count what [`count`] has added.
pub(crate) fn uncount(reasons: &mut BTreeMap<String, u64>, reason: &str, n: u64) {
    let reason = counted(reason);
    let mut left = n;
    // What came when there were too many reasons already was counted with the others.
    for counted in [reason, OTHER_REASONS] {
        if let Some(sum) = reasons.get_mut(counted) {
            let taken = left.min(*sum);
            *sum -= taken;
            left -= taken;
            if *sum == 0 {
                reasons.remove(counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_that_invents_reasons_fills_no_memory() {
        let mut reasons = BTreeMap::new();
        for i in 0..10_000 {
            count(&mut reasons, &format!("unwanted type: {i}/{}", "ü".repeat(200)), 1);
        }
        assert_eq!((reasons.len(), reasons[OTHER_REASONS]), (MAX_REASONS + 1, 10_000 - MAX_REASONS as u64));
        assert!(reasons.keys().all(|reason| reason.len() <= MAX_REASON));
        assert_eq!(reasons.values().sum::<u64>(), 10_000);
        for i in 0..10_000 {
            uncount(&mut reasons, &format!("unwanted type: {i}/{}", "ü".repeat(200)), 1);
        }
        assert_eq!(reasons, BTreeMap::new());
    }
}
