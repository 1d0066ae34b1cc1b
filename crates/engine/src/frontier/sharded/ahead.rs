//! Asking the database ahead: of all URLs that a group may enter and that are not in memory, in one go, before the group is worked on. Asked one by
//! one each would be a round trip.

use std::collections::BTreeMap;

use model::{CrawlUrl, DedupKey};

use super::{Shard, ShardedFrontier};
use crate::frontier::tables::{self, Told};
use crate::frontier::{Ending, Fate, FrontierError, Notes};
use crate::request::Request;
use crate::scope::Scope;

/// URLs that are asked about at a time. Each may be some reads of a disk, one after the other, and a statement has half a minute.
const ASKED: usize = 2 * 1024;

/// A URL that may be entered, with its key.
pub(super) type Named<'r> = (&'r CrawlUrl, DedupKey);

impl ShardedFrontier {
    /// Asks the database about URLs that only it knows of. None of it is asked where all keys are in memory.
    pub(super) fn ask_ahead<'r>(&mut self, named: impl Iterator<Item = Named<'r>>) -> Result<(), FrontierError> {
        if !self.held.values().any(|held| held.frontier.storage().is_partial()) {
            return Ok(());
        }
        let mut told: BTreeMap<Shard, Told> = BTreeMap::new();
        let (mut asked, mut last) = (Vec::new(), ("", 0));
        for (url, key) in named {
            // The links of a page mostly lead to its own host.
            if last.0 != url.host_str() {
                last = (url.host_str(), self.division.shard(url.host_str()));
            }
            let shard = last.1;
            let Some(held) = self.held.get(&shard) else { continue };
            if held.frontier.storage().must_ask(key) && told.entry(shard).or_default().insert(key, None).is_none() {
                asked.push((self.number(shard), key));
            }
        }
        // Neighbours in the index come after each other.
        asked.sort_unstable();
        for some in asked.chunks(ASKED) {
            for (number, row) in self.shared.known(some)? {
                let (key, parser) = tables::told(&row)?;
                told.entry(self.shard_of_number(number)).or_default().insert(key, parser);
            }
        }
        for (shard, told) in told {
            if let Some(held) = self.held.get_mut(&shard) {
                held.frontier.storage_mut().tell(told);
            }
        }
        Ok(())
    }
}

/// What a request names.
pub(super) fn of_request(request: &Request) -> Named<'_> {
    (&request.url, request.key)
}

/// What the endings and notes of a group name that may be entered.
pub(super) fn of_group<'g>(endings: &'g [Ending], notes: &'g Notes, scope: &'g Scope) -> impl Iterator<Item = Named<'g>> {
    let links = endings.iter().flat_map(|ending| match &ending.fate {
        Fate::Page(page) => &page.links[..],
        _ => &[],
    });
    let targets = endings.iter().filter_map(|ending| match &ending.fate {
        Fate::Redirected { target, .. } => Some(of_request(target)),
        _ => None,
    });
    links.map(|link| (&link.url, scope.key(&link.url, link.key))).chain(targets).chain(notes.found.iter().map(of_request))
}
