//! The file of `-o`, which is gone on with where it was.

use anyhow::Context;
use tokio::sync::mpsc;

use super::StartError;
use crate::config::Config;
use crate::event::Event;
use crate::frontier::OutputMark;
use crate::output::{self, Output, OutputConfig, OutputSource, OutputTarget};
use crate::state::{Beginning, OpenedFrontier};

/// The length at which `-o` is continued; none: it is begun anew.
pub(super) fn resume_output(config: &Config, opened: &OpenedFrontier) -> Result<Option<u64>, StartError> {
    let Some(OutputConfig { target: OutputTarget::File(path), format }) = &config.output else { return Ok(None) };
    let mistake = |sentence: String| StartError::Mistakes(vec![sentence]);
    let name = path.display().to_string();
    let resumed = matches!(opened.beginning, Beginning::Resumed | Beginning::Joined);
    let mark = opened.record.output.as_ref().filter(|mark| resumed && mark.file == name);
    let length = path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    match (mark, length) {
        (Some(mark), Some(length)) if length >= mark.bytes => {
            if mark.bytes > 0 {
                output::refuse_other_columns(path, *format, &config.schema()).map_err(mistake)?;
            }
            return Ok(Some(mark.bytes));
        }
        (Some(mark), _) if mark.bytes > 0 && !config.overwrite && !is_device(path) => {
            return Err(mistake(format!(
                "--output {name} has {} bytes, but {} were written before the crawl was cut short: put the file back, name another one, \
                 or add --overwrite to go on with what comes from here on",
                length.unwrap_or(0),
                mark.bytes
            )));
        }
        (Some(_), _) => {}
        (None, _) => {
            let own = opened.written_before.as_ref() == Some(&name);
            if !config.overwrite && !own {
                output::refuse_taken(path).map_err(mistake)?;
            }
        }
    }
    if resumed && opened.record.ledger.items.saved > 0 {
        tracing::warn!("--output {name} gets the items from here on; those before are in the store");
    }
    Ok(None)
}

/// Whether a path is there and is no file: a pipe, a terminal, `/dev/null`.
fn is_device(path: &std::path::Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// Where this start writes its output, and from which length on.
pub(super) fn output_mark(config: &Config, resume_at: Option<u64>) -> Option<OutputMark> {
    match &config.output {
        Some(OutputConfig { target: OutputTarget::File(path), .. }) if !is_device(path) => {
            Some(OutputMark { file: path.display().to_string(), bytes: resume_at.unwrap_or(0) })
        }
        Some(_) | None => None,
    }
}

pub(super) fn start_output(config: &Config, resume_at: Option<u64>, events: mpsc::Sender<Event>) -> anyhow::Result<Option<Output>> {
    let Some(output) = &config.output else { return Ok(None) };
    let spider = config.spider.as_ref().map(|loaded| loaded.file.hash.clone());
    let source = OutputSource { crawl: config.crawl.clone(), spider };
    Output::start(output, resume_at, &config.schema(), source, events)
        .with_context(|| format!("cannot open the output {}", output.target))
        .map(Some)
}
