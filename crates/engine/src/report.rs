//! The end report: one value, written as JSON and shown on the screen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::budget::{Budgets, StopReason};
use crate::engine::{Ended, WorkerTally};
use crate::frontier::{CrawlRecord, DeadLetter};
use crate::ledger::{ItemCounts, UrlCounts};

/// What became of a crawl. `--report` writes it as JSON; keys are only ever added.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The crawl's name.
    pub crawl: String,
    /// Nothing is queued any more.
    pub complete: bool,
    /// The counters add up: discovered = done + dead + skipped + queued, parsed = saved + rejected.
    pub balanced: bool,
    /// Why it ended before it was complete.
    pub stopped_by: Option<StopReason>,
    /// Times this run of the crawl was begun again after it was cut short.
    pub restarts: u64,
    /// Seconds since the process started.
    pub seconds: f64,
    /// Requests by state.
    pub urls: UrlCounts,
    #[serde(skip)]
    pages_before: u64,
    /// Pages among the requests done; the others were redirects.
    pub pages: u64,
    /// Items.
    pub items: ItemCounts,
    /// Answers of sites, good and bad; of this start.
    pub fetches: u64,
    /// Bytes of bodies, after decompression; of this start.
    pub bytes: u64,
    /// What each worker did; of this start.
    pub workers: Vec<WorkerTally>,
    /// Dead requests by reason.
    pub dead_by_reason: BTreeMap<String, u64>,
    /// Skipped requests by reason.
    pub skipped_by_reason: BTreeMap<String, u64>,
    /// Rejected items by reason.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Links that did not become requests, by reason.
    pub links_refused: BTreeMap<String, u64>,
    /// Links to a known URL that asked for another parser than the first.
    pub parser_conflicts: u64,
    /// The URLs given up, at most 1,000.
    pub dead: Vec<DeadLetter>,
    /// By how much a budget counted at commit was overshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overshot: Option<String>,
}

/// Dead letters that a report lists; the counts by reason are always complete.
pub const DEAD_LETTERS: usize = 1000;

/// Where a person finds things afterwards.
#[derive(Clone, Debug)]
pub struct Places {
    /// The items, in words.
    pub items: String,
    /// The command that exports them, where one does.
    pub export: Option<String>,
}

impl Report {
    /// The report of a crawl that has ended.
    /// `before`: the crawl as this start found it; `dead`: URLs given up, at most [`DEAD_LETTERS`].
    pub fn new(crawl: String, before: &CrawlRecord, ended: Ended, dead: Vec<DeadLetter>, budgets: &Budgets, elapsed: Duration) -> Report {
        let Ended { ledger, stopped_by, fetches, bytes, workers, abandoned: _ } = ended;
        Report {
            crawl,
            complete: stopped_by.is_none(),
            balanced: ledger.is_balanced(),
            stopped_by,
            restarts: before.restarts(),
            pages_before: before.ledger.pages,
            seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
            urls: ledger.urls,
            pages: ledger.pages,
            items: ledger.items,
            fetches,
            bytes,
            workers,
            overshot: budgets.overshot(&ledger),
            dead_by_reason: ledger.dead_by_reason,
            skipped_by_reason: ledger.skipped_by_reason,
            rejected_by_reason: ledger.rejected_by_reason,
            links_refused: ledger.links_refused,
            parser_conflicts: ledger.parser_conflicts,
            dead,
        }
    }

    /// Whether the crawl did what was asked: it is complete or a budget ended it, nothing is dead or rejected, and it balances.
    pub fn is_success(&self) -> bool {
        let ended_well = self.complete || self.stopped_by.is_some_and(StopReason::is_wanted);
        ended_well && self.balanced && self.urls.dead == 0 && self.items.rejected == 0
    }

    /// Writes the report as JSON, to a temporary file first, so that a reader never sees half of it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(permissions)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// The report for a person: one screen.
    pub fn screen(&self, places: &Places) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: String| {
            // Writing into a String never fails.
            let _ = writeln!(text, "{label:<10}{value}");
        };
        line("crawl", format!("{}: {}", self.crawl, self.end()));
        let UrlCounts { discovered, done, dead, skipped, queued } = self.urls;
        line("urls", format!("{discovered} discovered = {done} done + {dead} dead + {skipped} skipped + {queued} queued"));
        let ItemCounts { parsed, saved, rejected, collided, noindex } = self.items;
        let collided =
            if collided > 0 { format!("; {collided} of them under an identity another page had written") } else { String::new() };
        let noindex = if noindex > 0 { format!("; {noindex} not kept, as their pages say noindex") } else { String::new() };
        line("items", format!("{parsed} parsed = {saved} saved + {rejected} rejected{collided}{noindex}"));
        let pages = self.pages - self.pages_before;
        let rate = pages as f64 / self.seconds.max(0.001);
        let megabytes = self.bytes as f64 / 1e6;
        line("fetched", format!("{} answers, {pages} pages, {megabytes:.1} MB in {:.1} s: {rate:.0} pages/s", self.fetches, self.seconds));
        for WorkerTally { host, done, failed } in &self.workers {
            line("worker", format!("{host}: {done} done, {failed} failed"));
        }
        for (label, reasons) in [
            ("dead", &self.dead_by_reason),
            ("skipped", &self.skipped_by_reason),
            ("rejected", &self.rejected_by_reason),
            ("refused", &self.links_refused),
        ] {
            if !reasons.is_empty() {
                line(label, by_reason(reasons));
            }
        }
        let traps: u64 = self.links_refused.iter().filter(|(reason, _)| reason.starts_with("trap: ")).map(|(_, n)| n).sum();
        if traps > 0 {
            let flags = "--trap-budget and --same-content say from when on, --keep-traps follows all";
            line("traps", format!("{traps} of the links refused looked like traps; {flags}"));
        }
        for DeadLetter { url, reason, .. } in self.dead.iter().take(SHOWN_DEAD) {
            line("", format!("{url}: {reason}"));
        }
        if self.dead.len() > SHOWN_DEAD {
            line("", format!("… and {} more (--report FILE lists them)", self.urls.dead - SHOWN_DEAD as u64));
        }
        if let Some(overshot) = &self.overshot {
            line("budget", overshot.clone());
        }
        line("stored in", places.items.clone());
        if let Some(export) = &places.export {
            line("export", export.clone());
        }
        text
    }

    fn end(&self) -> String {
        let balance = if self.balanced { "balanced" } else { "NOT BALANCED: please report this as a bug" };
        match self.stopped_by {
            None if self.complete => format!("complete, {balance}"),
            None => format!("ended, {balance}"),
            Some(reason) => format!("stopped, {balance}: {}", reason.sentence()),
        }
    }
}

/// Dead letters shown on the screen; the report has more.
const SHOWN_DEAD: usize = 5;

/// Reasons shown on the screen; the report has all.
const SHOWN_REASONS: usize = 6;

/// Reasons with their counts, the most frequent first.
fn by_reason(reasons: &BTreeMap<String, u64>) -> String {
    let mut all: Vec<(&str, u64)> = reasons.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    all.sort_by_key(|(reason, n)| (std::cmp::Reverse(*n), *reason));
    let mut parts: Vec<String> = all.iter().take(SHOWN_REASONS).map(|(reason, n)| format!("{n} {reason}")).collect();
    if all.len() > SHOWN_REASONS {
        let rest: u64 = all[SHOWN_REASONS..].iter().map(|(_, n)| n).sum();
        parts.push(format!("{rest} for other reasons"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use model::{CrawlName, RunId};

    fn ended(dead: u64) -> Ended {
        let urls = UrlCounts { discovered: 10, done: 8 - dead, dead, skipped: 2, queued: 0 };
        let reasons = |reason: &str, n: u64| if n > 0 { BTreeMap::from([(reason.to_owned(), n)]) } else { BTreeMap::new() };
        let ledger = Ledger {
            urls,
            dead_by_reason: reasons("fetch timeout", dead),
            skipped_by_reason: reasons("wrong status code: 404", 2),
            pages: 8 - dead,
            ..Ledger::default()
        };
        Ended { ledger, stopped_by: None, fetches: 10, bytes: 1_000_000, workers: vec![], abandoned: 0 }
    }

    fn before() -> CrawlRecord {
        CrawlRecord::new(CrawlName::new("c").unwrap(), RunId(1), None)
    }

    fn report(dead: u64) -> Report {
        Report::new("c".into(), &before(), ended(dead), vec![], &Budgets::default(), Duration::from_secs(2))
    }

    #[test]
    fn a_sites_definitive_answer_is_no_failure_and_a_dead_url_is() {
        assert!(report(0).is_success());
        assert!(!report(1).is_success());
    }

    #[test]
    fn a_wanted_end_is_a_success_and_an_interruption_is_not() {
        let mut report = report(0);
        (report.complete, report.stopped_by) = (false, Some(StopReason::MaxPages));
        assert!(report.is_success());
        report.stopped_by = Some(StopReason::Interrupted);
        assert!(!report.is_success());
    }

    #[test]
    fn a_ledger_that_does_not_add_up_is_told_and_fails() {
        let mut ended = ended(0);
        ended.ledger.urls.done -= 1;
        let report = Report::new("c".into(), &before(), ended, vec![], &Budgets::default(), Duration::from_secs(2));
        assert!(!report.is_success());
        assert!(report.screen(&Places { items: "x".into(), export: None }).contains("NOT BALANCED"));
    }

    #[test]
    fn the_screen_shows_the_equations_and_where_the_items_are() {
        let places = Places { items: "sqlite:a.db".into(), export: Some("itemsaver export --store sqlite:a.db".into()) };
        let expected = "\
crawl     c: complete, balanced
urls      10 discovered = 7 done + 1 dead + 2 skipped + 0 queued
items     0 parsed = 0 saved + 0 rejected
fetched   10 answers, 7 pages, 1.0 MB in 2.0 s: 4 pages/s
dead      1 fetch timeout
skipped   2 wrong status code: 404
stored in sqlite:a.db
export    itemsaver export --store sqlite:a.db
";
        assert_eq!(report(1).screen(&places), expected);
    }
}
