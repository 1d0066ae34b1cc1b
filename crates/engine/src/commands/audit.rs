//! `engine audit`.

use std::fs::File;
use std::io::BufReader;

use super::args::AuditArgs;
use super::{CommandError, Outcome, answer};
use crate::audit::{AuditOptions, audit};
use crate::config::hosts::politeness_by;

pub(super) fn run(args: &AuditArgs) -> Result<Outcome, CommandError> {
    let AuditArgs { log, delay, per_host, politeness_by: by } = args;
    let mistake = |flag: &str, text: &str, why: &str| CommandError::Mistake(format!("{flag} {text:?}: {why}"));
    let delay =
        delay.as_deref().map(|text| rpcsupport::process::duration(text).map_err(|why| mistake("--delay", text, why))).transpose()?;
    let by = by.as_deref().map(|text| politeness_by(text).map_err(|why| mistake("--politeness-by", text, why))).transpose()?;
    let file = File::open(log).map_err(|error| CommandError::Mistake(format!("cannot open the fetch log {}: {error}", log.display())))?;
    let options = AuditOptions { delay, per_host: per_host.map(std::num::NonZero::get), by: by.unwrap_or_default() };
    let findings = audit(BufReader::new(file), options).map_err(|error| CommandError::Mistake(format!("{}: {error}", log.display())))?;
    answer(&findings.screen())?;
    Ok(if findings.is_clean() { Outcome::Well } else { Outcome::Wrong })
}
