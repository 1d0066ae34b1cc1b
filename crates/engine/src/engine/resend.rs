//! Items that were refused and are sent again without a fetch: read from the frontier some at a time, saved, and noted with the next group.

use std::collections::HashMap;

use model::DedupKey;
use model::save::{ItemStatus, PageItems};

use super::Engine;
use crate::frontier::{ItemPlace, Order, RejectedItem, Resent, Stored};
use crate::saver::{PageToSave, SavedPage};

/// Items that are read at a time; the saver's channel has room for as many pages beyond the page permits.
pub const RESEND: usize = 128;

/// How far the items have come.
#[derive(Debug, Default)]
pub(super) struct Resending {
    /// Those at the saver, by page.
    out: HashMap<DedupKey, Vec<RejectedItem>>,
    last: Option<ItemPlace>,
    /// The frontier is asked for more.
    asked: bool,
    /// There were no more when it was asked last.
    ended: bool,
    /// What it was asked does not see what has come since.
    again: bool,
}

impl Resending {
    /// Whether nothing is on its way, and nothing more will come: while the crawl is being stopped nobody asks for more.
    pub(super) fn is_idle(&self, is_stopping: bool) -> bool {
        self.out.is_empty() && if is_stopping { !self.asked } else { self.ended }
    }
}

impl Resending {
    /// Whether items of pages on such hosts are on their way.
    pub(super) fn is_about(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.out.values().flatten().any(|item| is_such(item.page.host_str()))
    }

    /// There may be more, also before those that were sent last.
    pub(super) fn begin_again(&mut self) {
        (self.last, self.ended, self.again) = (None, false, self.asked);
    }
}

impl Engine {
    /// Asks for the next items once the last are saved and on their way to the disk.
    pub(super) fn order_resend(&mut self) {
        let Resending { out, last, asked, ended, again: _ } = &mut self.resending;
        let is_settled = out.is_empty() && self.notes.resent.is_empty() && self.committing.is_none();
        if !*asked && !*ended && is_settled && self.stopping.is_none() {
            *asked = true;
            self.frontier.order(Order::ToSend { after: *last, most: RESEND });
        }
    }

    pub(super) fn resend(&mut self, items: Vec<RejectedItem>) {
        self.resending.asked = false;
        if std::mem::take(&mut self.resending.again) {
            self.resending.last = None;
        } else {
            self.resending.ended |= items.is_empty();
            self.resending.last = items.last().map(RejectedItem::place).or(self.resending.last);
        }
        if !items.is_empty() {
            tracing::info!(items = items.len(), "items that were rejected are sent again");
        }
        for item in items {
            self.resending.out.entry(item.place().page).or_default().push(item);
        }
        for (key, items) in &self.resending.out {
            let first = &items[0];
            let page = PageItems {
                page: first.page.clone(),
                fetched_at_ms: first.fetched_at_ms,
                version: first.version,
                items: items.iter().map(|item| item.item.clone()).collect(),
                addition: true,
            };
            self.withheld.push(PageToSave { key: *key, page });
        }
        self.let_go();
    }

    pub(super) fn resent(&mut self, saved: SavedPage) {
        let Some(items) = self.resending.out.remove(&saved.key) else { return };
        for (item, answer) in items.into_iter().zip(saved.answers) {
            let answer = match answer.status {
                ItemStatus::Created | ItemStatus::Replaced => Ok(Stored { collided: false }),
                ItemStatus::Collided => Ok(Stored { collided: true }),
                ItemStatus::Rejected | ItemStatus::Unknown => Err(answer.reason.unwrap_or_else(|| "rejected without a reason".to_owned())),
            };
            self.notes.resent.push(Resent { item, answer });
        }
    }
}
