//! `engine check`.

use std::fmt::Write as _;

use super::args::CheckArgs;
use super::{CommandError, Outcome, answer, place};
use crate::frontier::{Checked, Faults};
use crate::ledger::UrlCounts;

pub(super) fn run(CheckArgs { crawl, repair }: &CheckArgs) -> Result<Outcome, CommandError> {
    let (_lock, home) = place::stopped(crawl)?;
    let checked = home.check(*repair)?;
    answer(&told(&checked, *repair))?;
    Ok(if checked.is_clean() || *repair { Outcome::Well } else { Outcome::Wrong })
}

/// What was found, for a person.
fn told(checked: &Checked, repaired: bool) -> String {
    let UrlCounts { discovered, done, dead, skipped, queued } = checked.record.ledger.urls;
    let mut text = String::new();
    for (fault, Faults { count, examples }) in &checked.faults {
        // Writing into a String never fails.
        let _ = writeln!(text, "{count} × {}", fault.sentence());
        for example in examples {
            let _ = writeln!(text, "    {example}");
        }
        if *count > examples.len() as u64 {
            let _ = writeln!(text, "    … and {} more", count - examples.len() as u64);
        }
        let _ = writeln!(text, "  {} {}", if repaired { "repaired:" } else { "a repair would do this:" }, fault.remedy());
    }
    let verdict = match (checked.is_clean(), repaired) {
        (true, _) => "sound",
        (false, true) => "repaired",
        (false, false) => "DAMAGED: --repair rebuilds what follows from the rest",
    };
    let _ = writeln!(
        text,
        "crawl {}: {verdict}. {discovered} URLs of {} sites = {done} done + {dead} dead + {skipped} skipped + {queued} queued, each in \
         exactly one state{}",
        checked.record.crawl,
        checked.origins,
        if checked.is_clean() { ", every counter as recounted" } else { " where nothing else is said" },
    );
    text
}
