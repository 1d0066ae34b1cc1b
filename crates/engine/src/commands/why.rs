//! `engine why URL`.

use model::CrawlUrl;

use super::args::WhyArgs;
use super::place::{Found, Purpose};
use super::{CommandError, Outcome, answer, answer_json};
use crate::inquiry::why::explain;

pub(super) async fn run(WhyArgs { url, crawl, json }: WhyArgs) -> Result<Outcome, CommandError> {
    let url = CrawlUrl::parse(&url).map_err(|error| CommandError::Mistake(format!("{url:?} is no URL that is crawled: {error}")))?;
    let explanation = match Found::open(&crawl, Purpose::Look)? {
        Found::Running(crawl) => crawl.why(&url).await?,
        Found::Stopped(crawl) => explain(&*crawl.inspected.frontier, crawl.inspected.scope.as_ref(), url)?,
    };
    if json { answer_json(&explanation) } else { answer(&explanation.to_string()) }
}
