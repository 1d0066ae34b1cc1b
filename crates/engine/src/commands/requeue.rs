//! `engine requeue`.

use super::args::RequeueArgs;
use super::dead::refuse_unknown;
use super::place::{Found, Purpose};
use super::{CommandError, Outcome, answer};
use crate::control::Requeue;
use crate::frontier::Requeued;
use crate::inquiry::dead::dead_letters;

pub(super) async fn run(RequeueArgs { reason, crawl }: RequeueArgs) -> Result<Outcome, CommandError> {
    let reason = reason.as_deref();
    let (Requeue { urls, items }, next) = match Found::open(&crawl, Purpose::Change)? {
        Found::Running(crawl) => {
            if let Some(reason) = reason {
                refuse_unknown(reason, &crawl.dead(Some(reason), 1).await?)?;
            }
            (crawl.requeue(reason).await?, String::new())
        }
        Found::Stopped(mut crawl) => {
            let frontier = &mut crawl.inspected.frontier;
            if let Some(reason) = reason {
                refuse_unknown(reason, &dead_letters(&**frontier, Some(reason), 1)?)?;
            }
            let Requeued { urls, items, woken: _ } = frontier.requeue(reason)?;
            let next = format!("; start the crawl in {} again, as it was started, to go on with them", crawl.name);
            (Requeue { urls, items }, next)
        }
    };
    match (urls, items) {
        (0, 0) => answer("nothing was given up\n"),
        _ => answer(&format!("queued again: {urls} URLs, {items} items to be sent without a fetch{next}\n")),
    }
}
