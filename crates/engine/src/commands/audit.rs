//! `engine audit`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::args::AuditArgs;
use super::{CommandError, Outcome, answer};
use crate::audit::{AuditOptions, audit};
use crate::config::hosts::politeness_by;

pub(super) fn run(args: &AuditArgs) -> Result<Outcome, CommandError> {
    let AuditArgs { logs, delay, per_host, politeness_by: by } = args;
    let mistake = |flag: &str, text: &str, why: &str| CommandError::Mistake(format!("{flag} {text:?}: {why}"));
    let delay =
        delay.as_deref().map(|text| rpcsupport::process::duration(text).map_err(|why| mistake("--delay", text, why))).transpose()?;
    let by = by.as_deref().map(|text| politeness_by(text).map_err(|why| mistake("--politeness-by", text, why))).transpose()?;
    let mut known = BTreeSet::new();
    let open = |log: &PathBuf| {
        let opened = File::open(log).and_then(|file| file.metadata().map(|facts| (file, facts)));
        let cannot = |error| CommandError::Mistake(format!("cannot open the fetch log {}: {error}", log.display()));
        let (file, facts) = opened.map_err(cannot)?;
        if facts.is_file() && !known.insert((facts.dev(), facts.ino())) {
            return Err(CommandError::Mistake(format!("the fetch log {} is given twice", log.display())));
        }
        Ok((log.display().to_string(), BufReader::new(file)))
    };
    let logs = logs.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let options = AuditOptions { delay, per_host: per_host.map(std::num::NonZero::get), by: by.unwrap_or_default() };
    let findings = audit(logs, options).map_err(|error| CommandError::Mistake(error.to_string()))?;
    answer(&findings.screen())?;
    Ok(if findings.is_clean() { Outcome::Well } else { Outcome::Wrong })
}
