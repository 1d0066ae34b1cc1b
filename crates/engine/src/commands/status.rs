//! `engine status`.

use super::args::StatusArgs;
use super::place::{Found, Purpose};
use super::{CommandError, Outcome, answer, answer_json};
use crate::inquiry::status::CrawlStatus;

pub(super) async fn run(StatusArgs { crawl, json }: StatusArgs) -> Result<Outcome, CommandError> {
    let status = match Found::open(&crawl, Purpose::Look)? {
        Found::Running(crawl) => crawl.status().await?,
        Found::Stopped(crawl) => CrawlStatus::of_stopped(&crawl.inspected.record, &*crawl.inspected.frontier),
    };
    if json { answer_json(&status) } else { answer(&status.to_string()) }
}
