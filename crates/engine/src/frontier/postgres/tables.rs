//! The tables of a shard in the database, and those of a crawl as a whole. A group is one statement, over however many shards.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use tokio_postgres::types::ToSql;

use super::Shared;
use super::session::Session;
use super::shards::Line;
use super::statements;
use crate::frontier::tables::{Batch, Durability, Row, Rows, See, Table, Tables};
use crate::frontier::{FrontierError, TakenOver, Tenure};

/// Rows that are read at a time at most.
const PAGE: usize = 16 * 1024;

/// Comes after every key: no key is as long, and none begins with so many bytes that are all ones.
const END: [u8; 64] = [u8::MAX; 64];

/// See the module.
pub(in crate::frontier) struct PostgresTables {
    shared: Arc<Shared>,
    number: i32,
    /// The right to write; none for who only looks.
    fence: Option<Fence>,
}

/// What a writer must know of its shard.
struct Fence {
    epoch: i64,
    /// The number of the last group: only the one after it can be written.
    groups: Mutex<i64>,
}

/// What is written as one, or not at all.
#[derive(Default)]
pub(in crate::frontier) struct Group<'t> {
    /// What changes in shards.
    pub(in crate::frontier) shards: Vec<(&'t PostgresTables, Batch)>,
    /// What is put for the crawl as a whole, in its own table `crawl`: its number, a key and a value.
    pub(in crate::frontier) whole: Vec<(i32, Vec<u8>, Vec<u8>)>,
    /// What is taken out of inboxes: the number of the shard, and the key.
    pub(in crate::frontier) received: Vec<(i32, Vec<u8>)>,
    /// What other shards are sent.
    pub(in crate::frontier) sent: Vec<Sent>,
    /// Pages among what has ended.
    pub(in crate::frontier) pages: u64,
}

/// What is put into a shard's inbox.
#[derive(Debug)]
pub(in crate::frontier) struct Sent {
    /// The number of the shard.
    pub(in crate::frontier) shard: i32,
    /// The key of the URL that makes it needless where it is known; empty: it is never needless.
    pub(in crate::frontier) url: Vec<u8>,
    /// Nothing else was ever sent by this key.
    pub(in crate::frontier) key: Vec<u8>,
    pub(in crate::frontier) value: Vec<u8>,
}

/// What became of a group.
enum Written {
    /// It is durable.
    Applied,
    /// Another engine has one of the shards.
    TakenOver,
    /// Somebody has written a group of the same epoch.
    Elsewise,
}

/// The parameters of a group.
struct Parameters {
    crawl: i32,
    engine: i64,
    pages: i64,
    shards: [Vec<i64>; 4],
    numbers: Vec<i32>,
    tables: Vec<Columns>,
    received: (Vec<i32>, Vec<Vec<u8>>),
    sent_to: Vec<i32>,
    /// URLs, keys and values.
    sent: [Vec<Vec<u8>>; 3],
}

/// What changes in one table, in the order of the keys: whoever takes locks in one order waits for nobody in a circle.
#[derive(Default)]
struct Columns {
    put: (Vec<i32>, Vec<Vec<u8>>, Vec<Vec<u8>>),
    removed: (Vec<i32>, Vec<Vec<u8>>),
}

impl Columns {
    /// Adds what changes in a shard; they come in the order of their numbers.
    fn add(&mut self, number: i32, changes: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>) {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (key, value) in changes {
            match value {
                Some(value) => {
                    self.put.0.push(number);
                    self.put.1.push(key);
                    self.put.2.push(value);
                }
                None => {
                    self.removed.0.push(number);
                    self.removed.1.push(key);
                }
            }
        }
    }
}

impl Shared {
    /// Makes a group durable.
    pub(in crate::frontier) fn write(self: &Arc<Self>, group: Group<'_>) -> Result<(), FrontierError> {
        let Some((crawl, engine)) = self.member() else { return Err(FrontierError::Store("it was opened to be looked at".to_owned())) };
        let Group { mut shards, whole, received, sent, pages } = group;
        shards.sort_by_key(|(tables, _)| tables.number);
        let writers: Vec<&PostgresTables> = shards.iter().map(|(tables, _)| *tables).collect();
        let mut parameters = Parameters::of(shards, whole, received, sent)?;
        (parameters.crawl, parameters.engine, parameters.pages) = (crawl, engine, i64::try_from(pages).unwrap_or(i64::MAX));
        let parameters = Arc::new(parameters);
        let written = self.run(move |session: Arc<Session>| {
            let parameters = Arc::clone(&parameters);
            async move {
                let matched: i64 = session.client.query_one(&session.commit, &parameters.listed()).await?.get(0);
                if matched == 1 {
                    return Ok(Written::Applied);
                }
                // Written by an attempt whose answer was lost, or not to be written at all.
                let rows = session.client.query(LOOK_AT_SHARDS, &[&parameters.numbers]).await?;
                let peers = session.client.query(statements::ENGINES, &[&crawl]).await?;
                let is_alive = peers.iter().any(|row| row.get::<_, i64>(0) == engine);
                Ok(parameters.compare(rows.iter().map(|row| (row.get(0), row.get(1))).collect(), is_alive))
            }
        })?;
        match written {
            Written::Applied => {
                writers.iter().filter_map(|tables| tables.fence.as_ref()).for_each(|fence| *fence.groups() += 1);
                Ok(())
            }
            Written::TakenOver => {
                let taken_over = TakenOver { crawl: self.crawl.to_string() };
                self.connection.keeper().lost(taken_over.clone());
                Err(FrontierError::TakenOver(taken_over))
            }
            Written::Elsewise => Err(FrontierError::Store("somebody else has written to this crawl".to_owned())),
        }
    }
}

/// Epoch and last group of the shards `$1`, in the order of their numbers.
const LOOK_AT_SHARDS: &str = "SELECT epoch, groups FROM gossamer.shards WHERE number = ANY($1::int[]) ORDER BY number";

impl Parameters {
    fn of(
        shards: Vec<(&PostgresTables, Batch)>,
        whole: Vec<(i32, Vec<u8>, Vec<u8>)>,
        received: Vec<(i32, Vec<u8>)>,
        sent: Vec<Sent>,
    ) -> Result<Parameters, FrontierError> {
        let mut parameters = Parameters {
            crawl: 0,
            engine: 0,
            pages: 0,
            shards: Default::default(),
            numbers: Vec::new(),
            tables: Table::ALL.into_iter().map(|_| Columns::default()).collect(),
            received: received.into_iter().unzip(),
            sent_to: Vec::new(),
            sent: Default::default(),
        };
        // Before those of the shards, whose numbers are higher.
        let whole = whole.into_iter().fold(HashMap::<i32, HashMap<_, _>>::new(), |mut rows, (number, key, value)| {
            rows.entry(number).or_default().insert(key, Some(value));
            rows
        });
        for (number, rows) in whole {
            parameters.tables[Table::Crawl as usize].add(number, rows);
        }
        for (tables, batch) in shards {
            let Some(fence) = &tables.fence else { return Err(FrontierError::Store("it was opened to be looked at".to_owned())) };
            parameters.numbers.push(tables.number);
            let [queued, pages] = [batch.queued, batch.pages].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
            for (column, value) in parameters.shards.iter_mut().zip([fence.epoch, *fence.groups(), queued, pages]) {
                column.push(value);
            }
            for (table, changes) in batch.into_changes() {
                parameters.tables[table as usize].add(tables.number, changes);
            }
        }
        for Sent { shard, url, key, value } in sent {
            parameters.sent_to.push(shard);
            parameters.sent.iter_mut().zip([url, key, value]).for_each(|(column, value)| column.push(value));
        }
        Ok(parameters)
    }

    /// In the order of the statement.
    fn listed(&self) -> Vec<&(dyn ToSql + Sync)> {
        let [epochs, groups, queued, pages] = &self.shards;
        let mut listed: Vec<&(dyn ToSql + Sync)> =
            vec![&self.crawl, &self.engine, &self.pages, &self.numbers, epochs, groups, queued, pages];
        for Columns { put, removed } in &self.tables {
            listed.extend([&put.0 as &(dyn ToSql + Sync), &put.1, &put.2, &removed.0, &removed.1]);
        }
        listed.extend([&self.received.0 as &(dyn ToSql + Sync), &self.received.1]);
        listed.push(&self.sent_to);
        listed.extend(self.sent.iter().map(|column| column as &(dyn ToSql + Sync)));
        listed
    }

    /// What became of it, by epoch and last group of its shards as they are now, and whether the engine is alive.
    fn compare(&self, now: Vec<(i64, i64)>, is_alive: bool) -> Written {
        let [epochs, groups, ..] = &self.shards;
        let is_own = now.iter().map(|(epoch, _)| epoch).eq(epochs);
        let is_written = !now.is_empty() && now.iter().map(|(_, group)| *group).eq(groups.iter().map(|group| group + 1));
        match (is_own, is_written) {
            (true, true) => Written::Applied,
            (true, false) if is_alive => Written::Elsewise,
            (true | false, _) => Written::TakenOver,
        }
    }
}

impl Fence {
    fn groups(&self) -> std::sync::MutexGuard<'_, i64> {
        self.groups.lock().expect("no holder of this lock panics")
    }
}

impl PostgresTables {
    /// The tables of a shard that this engine has taken.
    pub(in crate::frontier) fn of_shard(shared: Arc<Shared>, line: Line) -> PostgresTables {
        PostgresTables { shared, number: line.number, fence: Some(Fence { epoch: line.epoch, groups: Mutex::new(line.groups) }) }
    }

    /// The tables of a shard or a crawl by this number, to be looked at.
    pub(in crate::frontier) fn to_look_at(shared: Arc<Shared>, number: i32) -> PostgresTables {
        PostgresTables { shared, number, fence: None }
    }

    /// Some rows of a table, in their order.
    fn page(&self, table: Table, from: Vec<u8>, to: Vec<u8>, most: usize) -> Result<Vec<Row>, FrontierError> {
        let (from, to): (Arc<[u8]>, Arc<[u8]>) = (from.into(), to.into());
        let number = self.number;
        self.shared.run(move |session: Arc<Session>| {
            let (from, to) = (Arc::clone(&from), Arc::clone(&to));
            async move {
                let rows = session.client.query(session.range(table), &[&number, &&*from, &&*to, &(most as i64)]).await?;
                Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
        })
    }
}

impl Tables for PostgresTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, FrontierError> {
        let (number, key) = (self.number, Arc::<[u8]>::from(key));
        self.shared.run(move |session: Arc<Session>| {
            let key = Arc::clone(&key);
            async move {
                let row = session.client.query_opt(session.get(table), &[&number, &&*key]).await?;
                Ok(row.map(|row| row.get(0)))
            }
        })
    }

    fn range(&self, table: Table, from: &[u8], to: Option<&[u8]>, most: usize) -> Rows<'_> {
        let to = to.unwrap_or(&END).to_vec();
        Box::new(Pages {
            tables: self,
            table,
            from: from.to_vec(),
            to,
            most: most.clamp(1, PAGE),
            page: Vec::new().into_iter(),
            is_last: false,
        })
    }

    fn each(&self, table: Table, see: &mut See<'_>) -> Result<(), FrontierError> {
        for row in self.range(table, &[], None, PAGE) {
            let (key, value) = row?;
            if let ControlFlow::Break(()) = see(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: Batch, _: Durability) -> Result<(), FrontierError> {
        self.shared.write(Group { shards: vec![(self, batch)], ..Group::default() })
    }

    fn tenure(&self) -> Tenure {
        // Who only looks has nothing to lose.
        if self.fence.is_some() { self.shared.connection.keeper().tenure() } else { Tenure::unlimited() }
    }
}

/// Rows that are read a page at a time.
struct Pages<'t> {
    tables: &'t PostgresTables,
    table: Table,
    from: Vec<u8>,
    to: Vec<u8>,
    /// Rows of the next page.
    most: usize,
    page: std::vec::IntoIter<Row>,
    is_last: bool,
}

impl Iterator for Pages<'_> {
    type Item = Result<Row, FrontierError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.page.next() {
            return Some(Ok(row));
        }
        if self.is_last {
            return None;
        }
        let page = match self.tables.page(self.table, self.from.clone(), self.to.clone(), self.most) {
            Ok(page) => page,
            Err(error) => {
                self.is_last = true;
                return Some(Err(error));
            }
        };
        self.is_last = page.len() < self.most;
        // Whoever reads on wants more at a time.
        self.most = (self.most * 4).min(PAGE);
        if let Some((key, _)) = page.last() {
            // Nothing lies between a key and the same with a zero more.
            self.from = [&key[..], &[0]].concat();
        }
        self.page = page.into_iter();
        self.page.next().map(Ok)
    }
}
