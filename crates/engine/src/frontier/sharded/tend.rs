//! What is seen to from time to time: who else is at the crawl, which shards are to be taken or given back, what others have sent.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::letter::Message;
use super::{Beside, Shard, ShardedFrontier, ahead, read_noted};
use crate::frontier::postgres::{LASTS, Letter, Line, PostgresTables};
use crate::frontier::rules::Answer;
use crate::frontier::storage::Storage;
use crate::frontier::{CrawlRecord, Frontier, FrontierError, Leaving, Notes, PageBudget, Tended};
use crate::ledger::Ledger;
use crate::scope::Scope;

/// How often the others are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long after its last sign of life what an engine had is another one's, if that tends at this moment.
pub(crate) const TAKEN_OVER_AFTER: Duration = LASTS.saturating_add(LOOK);

/// Shards that are opened at a time: what is committed waits meanwhile.
const OPENED: usize = 8;

/// Messages that are taken out of inboxes at a time.
pub(super) const LETTERS: usize = 512;

impl ShardedFrontier {
    pub(super) fn tend_shards(&mut self, scope: &Scope, budget: Option<PageBudget>) -> Result<Tended, FrontierError> {
        let mut tended = Tended::default();
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            self.look_around(&mut tended)?;
        }
        let received = self.receive(scope, &mut tended)?;
        tended.leaving = Leaving::of(self.division, self.held.iter().filter(|(_, held)| held.leaving).map(|(shard, _)| *shard));
        if self.whole.urls.queued == 0 && self.shared.is_over(self.crawl)? {
            tended.over = true;
            // What is told of the others is what they came to.
            self.look_elsewhere(&self.shared.shards(self.crawl)?)?;
        }
        // Where all is here, what is on its way was looked for just now.
        tended.is_quiet = if self.elsewhere.is_empty() { !received } else { self.shared.is_quiet(self.crawl)? };
        tended.versions = self.record.versions;
        if let Some(PageBudget { max, wanted }) = budget {
            tended.pages_left = self.shared.grant(self.crawl, self.engine, max, wanted)?;
        }
        Ok(tended)
    }

    /// Takes what is free, up to a fair share, and begins to leave what is more than that.
    fn look_around(&mut self, tended: &mut Tended) -> Result<(), FrontierError> {
        for silent in self.shared.bury(self.crawl, "")? {
            tracing::warn!("the engine {silent} is silent: what it had is taken over");
        }
        let peers = self.shared.peers(self.crawl)?;
        if peers.iter().all(|peer| peer.id != self.engine) {
            return Err(self.taken_over());
        }
        tended.engines = peers.len();
        let lines = self.shared.shards(self.crawl)?;
        let fair = lines.len().div_ceil(peers.len());
        let staying = self.held.values().filter(|held| !held.leaving).count();
        if staying > fair {
            self.begin_to_leave(staying - fair);
        } else {
            let back = self.stay(fair - staying);
            let room = fair - staying - back.len();
            for shard in back {
                self.tell_of(shard, tended);
            }
            let taken = self.take_free(&lines, room.min(OPENED))?;
            if taken.len() == OPENED && room > OPENED {
                // The rest comes next, after what waits to be committed.
                self.looked = None;
                tended.more = true;
            }
            for shard in taken {
                self.tell_of(shard, tended);
                tended.cookies.extend(self.held[&shard].frontier.cookies()?);
                tended.items_to_send = true;
            }
        }
        self.look_elsewhere(&lines)?;
        if peers.len() > 1 || tended.items_to_send {
            self.read_whole(tended)?;
        }
        Ok(())
    }

    /// Begins to leave so many shards: every few of them in the order of how much is queued, so that full ones and empty ones are shared.
    fn begin_to_leave(&mut self, excess: usize) {
        let mut staying: Vec<_> = self.held.iter_mut().filter(|(_, held)| !held.leaving).collect();
        staying.sort_by_key(|(shard, held)| (std::cmp::Reverse(held.frontier.ledger().urls.queued), **shard));
        let all = staying.len();
        for (at, (_, held)) in staying.into_iter().enumerate() {
            held.leaving = (at + 1) * excess / all > at * excess / all;
        }
    }

    /// Keeps up to so many shards after all that were about to be left.
    fn stay(&mut self, most: usize) -> Vec<Shard> {
        let leaving = self.held.iter_mut().filter(|(_, held)| held.leaving).take(most);
        leaving
            .map(|(shard, held)| {
                held.leaving = false;
                *shard
            })
            .collect()
    }

    /// Takes up to so many shards that nobody has.
    pub(super) fn take_free(&mut self, lines: &[Line], most: usize) -> Result<Vec<Shard>, FrontierError> {
        let wanted: Vec<Line> = lines.iter().filter(|line| !line.is_held).take(most).copied().collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.shared.take_shards(self.crawl, self.engine, &wanted)?.into_iter().map(|line| self.load(line)).collect()
    }

    /// What the engine has to know of a shard that has come.
    fn tell_of(&self, shard: Shard, tended: &mut Tended) {
        let storage = self.held[&shard].frontier.storage();
        tended.restored.extend(storage.origins().into_iter().map(|origin| {
            let health = storage.health(&origin);
            (origin, health)
        }));
    }

    /// Reads the counters of what others have.
    pub(super) fn look_elsewhere(&mut self, lines: &[Line]) -> Result<(), FrontierError> {
        let others: Vec<Line> = lines.iter().filter(|line| !self.held.contains_key(&self.shard_of_number(line.number))).copied().collect();
        self.elsewhere.clear();
        if !others.is_empty() {
            self.elsewhere = others.iter().map(|line| (self.shard_of_number(line.number), Ledger::default())).collect();
            let written: Vec<i32> = others.iter().filter(|line| line.groups > 0).map(|line| line.number).collect();
            for (number, record) in self.shared.records(written)? {
                self.elsewhere.insert(self.shard_of_number(number), CrawlRecord::decode(&record)?.ledger);
            }
        }
        self.count();
        Ok(())
    }

    /// Reads what others have noted of the crawl as a whole, if that is more than it was.
    fn read_whole(&mut self, tended: &mut Tended) -> Result<(), FrontierError> {
        let noted = self.shared.noted(self.crawl)?;
        if noted != self.noted {
            (tended.sites, tended.permits) = read_noted(&PostgresTables::to_look_at(self.shared.clone(), self.crawl))?;
            self.noted = noted;
        }
        Ok(())
    }

    /// Enters what others have found for the shards that are here, in one group with taking it out of their inboxes. Answers whether there was any.
    pub(super) fn receive(&mut self, scope: &Scope, tended: &mut Tended) -> Result<bool, FrontierError> {
        let shards: Vec<i32> = self.held.values().map(|held| held.line.number).collect();
        let letters = self.shared.inbox(shards, None, LETTERS)?;
        if letters.is_empty() {
            return Ok(false);
        }
        tended.more |= letters.len() == LETTERS;
        // What joined the scope with what was found is known before that is fetched.
        self.read_whole(tended)?;
        let (mut answer, mut changed, mut beside) = (Answer::default(), BTreeSet::new(), Beside::default());
        let mut requeues = Vec::new();
        let messages = letters.iter().map(|letter| Message::decode(&letter.value)).collect::<Result<Vec<Message>, _>>()?;
        let entries = messages.iter().filter_map(|message| match message {
            Message::Enter(entry) => Some(ahead::of_request(&entry.request)),
            Message::Requeue(_) => None,
        });
        self.ask_ahead(entries)?;
        for (Letter { shard: number, key, .. }, message) in letters.into_iter().zip(messages) {
            let shard = self.shard_of_number(number);
            let Some(held) = self.held.get_mut(&shard) else { continue };
            match message {
                Message::Enter(entry) => {
                    held.frontier.enter_from_elsewhere(&entry, scope, &mut answer)?;
                    changed.insert(shard);
                    beside.received.push((number, key));
                }
                Message::Requeue(reason) => requeues.push((shard, (number, key), reason)),
            }
        }
        self.write(&changed, &Notes::default(), beside)?;
        // In groups of its own, and taken out after them: what is queued again already is found to be so.
        for (shard, letter, reason) in requeues {
            let Some(held) = self.held.get_mut(&shard) else { continue };
            let requeued = held.frontier.requeue(reason.as_deref())?;
            answer.woken.extend(requeued.woken.into_iter().map(|(origin, _)| origin));
            tended.items_to_send |= requeued.items > 0;
            self.write(&[shard].into(), &Notes::default(), Beside { received: vec![letter], ..Beside::default() })?;
        }
        tended.woken = self.finish(answer).woken;
        Ok(true)
    }

    /// Gives back what is to be left and of which nothing is handed out any more.
    pub(super) fn give_shards_back(&mut self) -> Result<(), FrontierError> {
        let done: Vec<Shard> =
            self.held.iter().filter(|(_, held)| held.leaving && held.frontier.storage().is_idle()).map(|(shard, _)| *shard).collect();
        for shard in done {
            let Some(held) = self.held.remove(&shard) else { continue };
            self.shared.leave_shard(held.line)?;
            self.elsewhere.insert(shard, held.frontier.ledger().clone());
        }
        self.count();
        Ok(())
    }
}
