//! What is told to a running crawl: `engine pause`, `resume`, `add`, `workers`.

use model::CrawlUrl;

use super::args::{AddArgs, ControlArgs, WorkersArgs};
use super::{CommandError, Outcome, answer, place};
use crate::config::parse_url;
use crate::control::Seeded;

pub(super) async fn pause(ControlArgs { state }: ControlArgs) -> Result<Outcome, CommandError> {
    let status = place::running(&state)?.pause().await?;
    answer(&format!("paused with {} in flight; `engine resume` lets it go on\n", status.in_flight))
}

pub(super) async fn resume(ControlArgs { state }: ControlArgs) -> Result<Outcome, CommandError> {
    place::running(&state)?.resume().await?;
    answer("going on\n")
}

pub(super) async fn add(AddArgs { urls, state }: AddArgs) -> Result<Outcome, CommandError> {
    let parse = |text: &String| parse_url(text);
    let (urls, mistakes): (Vec<_>, Vec<_>) = urls.iter().map(parse).partition(Result::is_ok);
    let mistakes: Vec<String> = mistakes.into_iter().filter_map(Result::err).collect();
    if !mistakes.is_empty() {
        return Err(CommandError::Mistake(mistakes.join("\n")));
    }
    let urls: Vec<CrawlUrl> = urls.into_iter().flatten().collect();
    let Seeded { entered, known, sent } = place::running(&state)?.seed(&urls).await?;
    let others = if sent > 0 { format!(", {sent} left to the engines that have their hosts") } else { String::new() };
    answer(&format!("{entered} seeds added, {known} were known{others}\n"))
}

pub(super) async fn workers(WorkersArgs { add, drain, state }: WorkersArgs) -> Result<Outcome, CommandError> {
    let crawl = place::running(&state)?;
    let status = match (&add, &drain) {
        (Some(host), _) => crawl.add_worker(host).await?,
        (None, Some(host)) => crawl.drain_worker(host).await?,
        (None, None) => crawl.status().await?,
    };
    let lines = status.workers.iter().map(|worker| format!("{worker}\n"));
    answer(&lines.collect::<String>())
}
