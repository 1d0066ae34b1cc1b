//! Opening a crawl in a database: to begin it, to go on with it, to join the engines that are at it, to look at it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use model::{CrawlName, DedupKey};

use super::letter::Message;
use super::tend::LETTERS;
use super::territory::SUFFIXES;
use super::{Division, OUTPUT, ShardedFrontier, identity, read_noted};
use crate::frontier::postgres::{Database, Line, PostgresTables, Shared, Stand};
use crate::frontier::rules::Entry;
use crate::frontier::tables::storage::RECORD;
use crate::frontier::tables::{Room, Table, Tables, check_frontier, check_parsers, damaged, read_record, read_scope};
use crate::frontier::{
    Checked, CrawlRecord, Entrance, Frontier, FrontierError, Holder, Home, Inspected, Opening, Original, OutputMark, Peer, Tenure,
};

/// Shards of a crawl that begins: enough to give each of ten engines a share that is about fair. The first start decides.
const SHARDS: u16 = 64;

/// Between two looks at engines that are about to end.
const PAUSE: Duration = Duration::from_millis(200);

/// A crawl in a database, to be opened or looked at.
pub struct DatabaseHome {
    pub(super) shared: Arc<Shared>,
    who: Holder,
    /// Whether it is opened; if not, it is only looked at.
    opens: bool,
    /// For the keys of its URLs in memory.
    pub(super) room: Room,
}

/// How a crawl is found.
pub(super) enum Found {
    /// Open, with the engines that are at it already.
    Open(Box<ShardedFrontier>, CrawlRecord, Vec<Peer>),
    /// Complete; whether by others that were at it a moment ago.
    Complete(CrawlRecord, bool),
}

impl Database {
    /// Looks at a crawl, whoever is at it: nothing can be written. An engine of the place that looks is dead.
    pub fn home(self, crawl: CrawlName, looks: Holder) -> DatabaseHome {
        DatabaseHome::of(self.look(crawl), looks, false)
    }

    /// Takes a crawl to open it, unless another engine is opening it at this moment.
    ///
    /// # Errors
    /// [`FrontierError::InUse`]; and when the database cannot be used.
    pub fn enter(self, crawl: CrawlName, holder: Holder) -> Result<DatabaseHome, FrontierError> {
        self.enter_in(crawl, SHARDS, holder)
    }

    /// As [`enter`](Database::enter), with so many shards if it begins here.
    pub(in crate::frontier) fn enter_in(self, crawl: CrawlName, shards: u16, holder: Holder) -> Result<DatabaseHome, FrontierError> {
        Ok(DatabaseHome::of(self.take(crawl, shards, &holder)?, holder, true))
    }

    /// As [`enter`](Database::enter), as soon as no other engine is opening it. `waits` is told who is, once for each.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn await_and_enter(
        self,
        crawl: CrawlName,
        holder: Holder,
        waits: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<DatabaseHome, FrontierError> {
        let shared = self.await_and_take(crawl, SHARDS, holder.clone(), waits).await?;
        Ok(DatabaseHome::of(shared, holder, true))
    }
}

impl DatabaseHome {
    fn of(shared: Arc<Shared>, who: Holder, opens: bool) -> DatabaseHome {
        DatabaseHome { shared, who, opens, room: Room::of_crawl() }
    }

    pub(super) fn whole(&self, crawl: i32) -> PostgresTables {
        PostgresTables::to_look_at(Arc::clone(&self.shared), crawl)
    }

    /// The engines that are at the crawl; silent ones and one of this very place are gone. If that is this very process, it parts first: it is to
    /// open the crawl anew, and must not learn from its own renewals that it was buried.
    fn peers(&self, crawl: i32) -> Result<Vec<Peer>, FrontierError> {
        self.shared.part();
        self.shared.bury(crawl, &self.who.token)?;
        self.shared.peers(crawl)
    }

    /// The crawl's record, with the counters of all its shards, and where the output of this place stands.
    fn record(&self, stand: &Stand, lines: &[Line]) -> Result<Option<CrawlRecord>, FrontierError> {
        let whole = self.whole(stand.number);
        let Some(mut record) = read_record(&whole)? else { return Ok(None) };
        let written = lines.iter().filter(|line| line.groups > 0).map(|line| line.number).collect();
        // One to which something was added since is not complete any more.
        record.complete = record.complete && self.shared.is_over(stand.number)?;
        for (_, bytes) in self.shared.records(written)? {
            let shard = CrawlRecord::decode(&bytes)?;
            record.ledger.merge(&shard.ledger);
            record.versions = record.versions.max(shard.versions);
            record.at_ms = record.at_ms.max(shard.at_ms);
        }
        (record.sites, record.permits) = read_noted(&whole)?;
        let output = whole.get(Table::Crawl, format!("{OUTPUT}{}", self.who.place).as_bytes())?;
        let read = |bytes: Vec<u8>| serde_json::from_slice::<Option<OutputMark>>(&bytes).map_err(|error| damaged(&error.to_string()));
        record.output = output.map(read).transpose()?.flatten();
        Ok(Some(record))
    }

    pub(super) fn frontier(&self, stand: &Stand, record: CrawlRecord) -> Result<ShardedFrontier, FrontierError> {
        let shards = u16::try_from(stand.shards).ok().and_then(NonZeroU16::new).ok_or_else(|| damaged("a crawl without shards"))?;
        Ok(ShardedFrontier {
            shared: Arc::clone(&self.shared),
            crawl: stand.number,
            division: Division::of(shards),
            engine: 0,
            place: self.who.place.clone(),
            record,
            held: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            whole: Default::default(),
            room: self.room.clone(),
            sent: Default::default(),
            letters: 0,
            noted: 0,
            joined: false,
            looked: None,
        })
    }

    /// Becomes one of the crawl's engines, and takes what is free.
    pub(super) fn join(&self, frontier: &mut ShardedFrontier, lines: &[Line], most: usize) -> Result<(), FrontierError> {
        frontier.engine = self.shared.join(frontier.crawl, &self.who)?;
        frontier.take_free(lines, most)?;
        frontier.look_elsewhere(&self.shared.shards(frontier.crawl)?)
    }

    /// The crawl's shards, all of them there.
    fn lines(&self, stand: &Stand) -> Result<Vec<Line>, FrontierError> {
        self.shared.make_shards(stand.number, stand.shards)?;
        self.shared.shards(stand.number)
    }

    /// A crawl that was not begun, and its shards, which are empty: what is left of a copy that was cut off is discarded.
    pub(super) fn not_begun(&self) -> Result<(Stand, Vec<Line>), FrontierError> {
        let stand = self.shared.stand()?;
        self.refuse_peers(stand.number)?;
        let lines = self.lines(&stand)?;
        if lines.iter().all(|line| line.groups == 0) {
            return Ok((stand, lines));
        }
        self.shared.discard()?;
        let stand = self.shared.stand()?;
        let lines = self.lines(&stand)?;
        Ok((stand, lines))
    }

    fn check_spider(&self, stand: &Stand, lines: &[Line], is_parser: &dyn Fn(&str) -> bool) -> Result<(), FrontierError> {
        let mut unknown = BTreeMap::new();
        for line in lines.iter().filter(|line| line.groups > 0) {
            check_parsers(&self.whole(line.number), is_parser, &mut unknown)?;
        }
        debug_assert!(lines.len() == stand.shards as usize, "a crawl has all its shards");
        // What was found for a shard that nobody has had since is queued as well.
        let mut shards: Vec<i32> = lines.iter().map(|line| line.number).collect();
        let mut letters = self.shared.inbox(shards.clone(), None, LETTERS)?;
        while let Some(last) = letters.last() {
            for letter in &letters {
                // What a message is to queue again was given up, and is so again if its parser is gone.
                if let Message::Enter(Entry { request, .. }) = Message::decode(&letter.value)?
                    && !is_parser(&request.parser.name)
                {
                    *unknown.entry(request.parser.name.clone()).or_default() += 1;
                }
            }
            // The first of these are read to their end.
            shards.retain(|shard| *shard >= last.shard);
            letters = self.shared.inbox(shards.clone(), Some(last), LETTERS)?;
        }
        if unknown.is_empty() { Ok(()) } else { Err(FrontierError::UnknownParsers(unknown)) }
    }

    /// Nobody else may be at it.
    pub(super) fn refuse_peers(&self, crawl: i32) -> Result<(), FrontierError> {
        match self.peers(crawl)?.first() {
            None => Ok(()),
            Some(peer) => Err(FrontierError::InUse { crawl: self.shared.crawl.clone(), by: peer.name.clone() }),
        }
    }

    /// A crawl with all its shards, to be changed by nobody else.
    pub(super) fn open_whole(&self) -> Result<(Stand, ShardedFrontier), FrontierError> {
        let stand = self.shared.stand()?;
        self.refuse_peers(stand.number)?;
        let lines = self.lines(&stand)?;
        let record = self.record(&stand, &lines)?.ok_or_else(|| FrontierError::Missing(self.name()))?;
        let mut frontier = self.frontier(&stand, record)?;
        self.join(&mut frontier, &lines, lines.len())?;
        Ok((stand, frontier))
    }

    /// Opens the crawl: begins it, goes on with it, or joins the engines that are at it.
    pub(super) fn open_crawl(&self, opening: Opening<'_>) -> Result<Found, FrontierError> {
        let Opening { new, is_parser, parsing, rescan } = opening;
        self.shared.remove_leftovers()?;
        let mut stand = self.shared.stand()?;
        let mut peers = self.peers(stand.number)?;
        let mut lines = self.lines(&stand)?;
        let mut found = self.record(&stand, &lines)?;
        if found.is_none() {
            (stand, lines) = self.not_begun()?;
        }
        // One that is complete is discarded, and what begins anew is divided anew.
        if stand.suffixes != SUFFIXES && found.as_ref().is_some_and(|record| !record.complete) {
            return Err(FrontierError::OtherSuffixes(self.shared.crawl.clone()));
        }
        let had_peers = !peers.is_empty();
        // Those who have completed it are about to end, and one that was rescanning it did so alone, and is dead.
        let mut waits = false;
        while !peers.is_empty() && found.as_ref().is_some_and(|record| record.complete || record.rescanning) {
            if !std::mem::replace(&mut waits, true) {
                tracing::info!(
                    "waiting for the engine {}, which has yet to end its part of the crawl {}",
                    peers[0].name,
                    self.shared.crawl
                );
            }
            self.shared.pause(PAUSE);
            peers = self.peers(stand.number)?;
            found = self.record(&stand, &lines)?;
        }
        let mut record = match found {
            None => new,
            Some(old) if old.crawl != new.crawl => return Err(FrontierError::OtherCrawl { found: old.crawl, wanted: new.crawl }),
            Some(old) if old.complete => return Ok(Found::Complete(old, had_peers)),
            Some(old) if !peers.is_empty() => {
                if old.spider != new.spider {
                    return Err(FrontierError::OtherSpider(old.crawl));
                }
                if rescan {
                    self.refuse_peers(stand.number)?;
                }
                old
            }
            Some(old) => {
                if old.spider != new.spider {
                    self.check_spider(&stand, &lines, is_parser)?;
                }
                CrawlRecord { epoch: old.epoch + 1, spider: new.spider, rescanning: old.rescanning || rescan, ..old }
            }
        };
        if peers.is_empty() {
            // Durable before anybody hears of it, and before anybody can join.
            self.shared.put(stand.number, vec![(RECORD.as_bytes().to_vec(), identity(&record))])?;
        }
        let mut frontier = self.frontier(&stand, record.clone())?;
        frontier.joined = !peers.is_empty();
        let share = lines.len().div_ceil(peers.len() + 1);
        self.join(&mut frontier, &lines, if peers.is_empty() { lines.len() } else { share })?;
        // Before anything is handed out. Those in shards that others have were tried by them since.
        let lost: Vec<DedupKey> = parsing.into_iter().map(|(key, _)| key).collect();
        if !lost.is_empty() {
            frontier.blame(&lost)?;
        }
        if record.rescanning && peers.is_empty() {
            for held in frontier.held.values_mut().filter(|held| held.line.groups > 0) {
                held.frontier.rescan()?;
            }
            record.rescanning = false;
            frontier.record.rescanning = false;
            // With it the counters are added up.
            frontier.write_record()?;
        }
        record.ledger = frontier.ledger().clone();
        record.versions = frontier.record.versions;
        Ok(Found::Open(Box::new(frontier), record, peers))
    }
}

impl Home for DatabaseHome {
    fn open(&self, opening: Opening<'_>) -> Result<Entrance, FrontierError> {
        Ok(match self.open_crawl(opening)? {
            Found::Complete(record, by_others) => Entrance::Complete { record, by_others },
            Found::Open(frontier, record, peers) if peers.is_empty() => Entrance::Alone(frontier, record),
            Found::Open(frontier, record, peers) => Entrance::Among(frontier, record, peers),
        })
    }

    fn inspect(&self) -> Result<Inspected<Box<dyn Frontier>>, FrontierError> {
        let (stand, frontier) = match self.opens {
            true => self.open_whole()?,
            false => {
                let stand = self.shared.stand()?;
                let lines = self.shared.shards(stand.number)?;
                let record = self.record(&stand, &lines)?.ok_or_else(|| FrontierError::Missing(self.name()))?;
                for peer in self.shared.peers(stand.number)?.iter().filter(|peer| peer.token != self.who.token) {
                    tracing::warn!("the engine {} is at this crawl: what is told is what is committed", peer.name);
                }
                let mut frontier = self.frontier(&stand, record)?;
                frontier.look_elsewhere(&lines)?;
                (stand, frontier)
            }
        };
        let record = CrawlRecord { ledger: frontier.ledger().clone(), ..frontier.record.clone() };
        let scope = read_scope(&self.whole(stand.number))?.map(|mut scope| {
            record.sites.iter().for_each(|site| _ = scope.add_site(site.clone()));
            scope
        });
        Ok(Inspected { frontier: Box::new(frontier), record, scope })
    }

    fn tenure(&self) -> Tenure {
        self.shared.tenure()
    }

    fn peek(&self) -> Option<CrawlRecord> {
        let stand = self.shared.stand().ok()?;
        let lines = self.shared.shards(stand.number).ok()?;
        self.record(&stand, &lines).ok()?
    }

    fn discard(&self) -> Result<(), FrontierError> {
        self.refuse_peers(self.shared.stand()?.number)?;
        self.shared.discard()
    }

    fn check(&self, repair: bool) -> Result<Checked, FrontierError> {
        let (_, mut frontier) = self.open_whole()?;
        let mut all = Checked { record: frontier.record.clone(), origins: 0, faults: BTreeMap::new() };
        all.record.ledger = Default::default();
        for held in frontier.held.values_mut().filter(|held| held.line.groups > 0) {
            let Checked { record, origins, faults } = check_frontier(&mut held.frontier, repair)?;
            all.record.ledger.merge(&record.ledger);
            all.origins += origins;
            for (fault, found) in faults {
                all.faults.entry(fault).or_default().add(found);
            }
        }
        Ok(all)
    }

    fn original(&self) -> Result<Original, FrontierError> {
        self.crawl_to_copy()
    }

    fn copy(&self, original: &Original) -> Result<Checked, FrontierError> {
        self.copy_crawl(original)
    }

    fn name(&self) -> String {
        self.shared.name()
    }
}
