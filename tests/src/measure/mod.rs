//! Measurements at a size that tests have no time for; the command `kills` prints them.

use std::time::Duration;

use crate::crawl::{Finished, Running};

pub mod kills;

pub mod outage;

pub mod search_server;

/// How long a crawl may take: the sites are as large as the user likes.
const LONGEST_CRAWL: Duration = Duration::from_secs(3600);

/// Waits for the end of a crawl that takes longer than a test's would.
fn finish(engine: Running) -> Finished {
    assert!(engine.process.ends_within(LONGEST_CRAWL), "the crawl does not end");
    engine.finish()
}
