//! What counts as a change of an item, the same in every store that keeps its history.
//!
//! Compared is what was stored before a transaction with what is stored after it: what nobody could see in between is no change.
//!
//! - **Changed**: the contents shown mean something else than before, and something else than the page that brought them said last. The
//!   change is told against the latter, or for a page that is new to the item against what was shown. So pages that show different
//!   contents of one item and take turns change nothing as long as each says the same; nor does a page that ceases to claim what
//!   another one still has.
//! - **Gone**: no page claims it any longer. What it had is told with it.
//! - **Back**: it is there again after it was gone, compared with what it had then. The first time it is there is no change.

use model::history::{Change, ChangeKind};
use model::{CrawlName, CrawlUrl};

use fields::Difference;

mod fields;

/// Changes of an item that are kept; older ones are dropped.
pub const MAX_CHANGES: usize = 100;

/// Bytes of names and values in one change. What does not fit is told by name, and what not even so, by number.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// Bytes of an item's changes as they are written, at most; the newest is kept in any case.
pub const MAX_HISTORY_BYTES: usize = 4 * 1024 * 1024;

/// Contents, and when they were said last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub(super) payload: &'a str,
    pub(super) fetched_at_ms: u64,
}

/// The page that brings a change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bringer<'a> {
    pub(super) crawl: &'a CrawlName,
    pub(super) page: &'a CrawlUrl,
    pub(super) version: u64,
    pub(super) fetched_at_ms: u64,
}

/// The change from what was shown to what is shown, if there is one. `own` is what the page that brings it said before.
pub(super) fn changed(shown: Said<'_>, own: Option<Said<'_>>, now: &str, by: Bringer<'_>) -> Option<Change> {
    let against_shown = Difference::between(shown.payload, now);
    if against_shown.is_none() {
        return None;
    }
    let (before, difference) = match own {
        Some(own) => (own, Difference::between(own.payload, now)),
        None => (shown, against_shown),
    };
    (!difference.is_none()).then(|| change(ChangeKind::Changed, before.fetched_at_ms, difference, by))
}

/// The change of an item that no page has any longer. `by` is the page whose contents it had.
pub(super) fn gone(was: Said<'_>, by: Bringer<'_>) -> Change {
    change(ChangeKind::Gone, was.fetched_at_ms, Difference::between(was.payload, "{}"), by)
}

/// The change of an item that is there and was not, if it is known to be gone.
pub(super) fn back(last: Option<&Change>, now: &str, by: Bringer<'_>) -> Option<Change> {
    let gone = last.filter(|last| last.kind == ChangeKind::Gone)?;
    // Its fields are those of the whole payload, none within another.
    let had = gone.fields.iter().filter_map(|field| Some(format!("{}:{}", serde_json::Value::from(&*field.field), field.before.as_ref()?)));
    let had = format!("{{{}}}", had.collect::<Vec<_>>().join(","));
    Some(change(ChangeKind::Back, gone.before_at_ms, Difference::between(&had, now), by))
}

fn change(kind: ChangeKind, before_at_ms: u64, difference: Difference, by: Bringer<'_>) -> Change {
    Change {
        number: 0,
        kind,
        at_ms: by.fetched_at_ms,
        crawl: by.crawl.clone(),
        page: by.page.clone(),
        version: by.version,
        before_at_ms,
        fields: difference.fields,
        left_out: difference.left_out,
    }
}

/// How many of an item's changes are kept, given how long each is, the newest first.
pub(super) fn kept(lengths: impl IntoIterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |(at, length): &(usize, usize)| {
        bytes += length;
        *at == 0 || (*at < MAX_CHANGES && bytes <= MAX_HISTORY_BYTES)
    };
    lengths.into_iter().enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_changes_are_kept_by_number_and_bytes() {
        assert_eq!(kept([1; 3]), 3);
        assert_eq!(kept([1; 200]), MAX_CHANGES);
        assert_eq!(kept([MAX_HISTORY_BYTES / 2; 5]), 2);
        assert_eq!(kept([MAX_HISTORY_BYTES + 1, 1]), 1);
        assert_eq!(kept([]), 0);
    }
}
