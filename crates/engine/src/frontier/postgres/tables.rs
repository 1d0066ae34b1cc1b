//! The tables of one crawl in the database. A group is one statement.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use tokio_postgres::types::ToSql;

use super::Shared;
use super::lease::Stand;
use super::session::Session;
use crate::frontier::tables::{Batch, Durability, Row, Rows, See, Table, Tables};
use crate::frontier::{FrontierError, TakenOver, Tenure};

/// Rows that are read at a time at most.
const PAGE: usize = 16 * 1024;

/// Comes after every key: no key is as long, and none begins with so many bytes that are all ones.
const END: [u8; 64] = [u8::MAX; 64];

/// See the module.
pub(super) struct PostgresTables {
    shared: Arc<Shared>,
    number: i32,
    /// The number of the last group: only the one after it can be written.
    groups: Mutex<i64>,
}

/// What became of a group.
enum Written {
    /// It is durable.
    Applied,
    /// Another engine has the crawl.
    TakenOver(TakenOver),
    /// Somebody has written a group of the same epoch, or discarded the crawl.
    Elsewise,
}

impl PostgresTables {
    /// The tables of a crawl as it stands.
    pub(super) fn new(shared: Arc<Shared>, stand: &Stand) -> PostgresTables {
        PostgresTables { shared, number: stand.number, groups: Mutex::new(stand.groups) }
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
        let shared = &self.shared;
        let Some(epoch) = shared.epoch() else { return Err(FrontierError::Store("it was opened to be looked at".to_owned())) };
        let mut groups = self.groups.lock().expect("no holder of this lock panics");
        let (number, before, crawl) = (self.number, *groups, Arc::<str>::from(shared.crawl.as_str()));
        let changes: Arc<Vec<Changes>> = Arc::new(batch.into_changes().map(|(_, changes)| Changes::of(changes)).collect());
        let written = shared.run(move |session: Arc<Session>| {
            let (crawl, changes) = (Arc::clone(&crawl), Arc::clone(&changes));
            async move {
                let name: &str = &crawl;
                let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&name, &number, &epoch, &before];
                for Changes { keys, values, removed } in &*changes {
                    parameters.extend([keys as &(dyn ToSql + Sync), values, removed]);
                }
                let matched: i64 = session.client.query_one(&session.commit, &parameters).await?.get(0);
                if matched == 1 {
                    return Ok(Written::Applied);
                }
                // Written by an attempt whose answer was lost, or not to be written at all.
                Ok(match Stand::look(&session, &crawl).await? {
                    Some(stand) if stand.epoch == epoch && stand.number == number && stand.groups == before + 1 => Written::Applied,
                    Some(stand) if stand.epoch == epoch => Written::Elsewise,
                    stand => Written::TakenOver(Stand::taken_over(stand, &crawl)),
                })
            }
        })?;
        match written {
            Written::Applied => *groups += 1,
            Written::TakenOver(taken_over) => {
                shared.connection.keeper().lost(taken_over.clone());
                return Err(FrontierError::TakenOver(taken_over));
            }
            Written::Elsewise => return Err(FrontierError::Store("somebody else has written to this crawl".to_owned())),
        }
        Ok(())
    }

    fn tenure(&self) -> Tenure {
        // Who only looks has nothing to lose.
        if self.shared.epoch().is_some() { self.shared.connection.keeper().tenure() } else { Tenure::unlimited() }
    }
}

/// What changes in one table, in the order of the keys: whoever takes locks in one order waits for nobody in a circle.
struct Changes {
    keys: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
    removed: Vec<Vec<u8>>,
}

impl Changes {
    fn of(changes: HashMap<Vec<u8>, Option<Vec<u8>>>) -> Changes {
        let mut changes: Vec<(Vec<u8>, Option<Vec<u8>>)> = changes.into_iter().collect();
        changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let (mut put, mut removed) = ((Vec::new(), Vec::new()), Vec::new());
        for (key, value) in changes {
            match value {
                Some(value) => {
                    put.0.push(key);
                    put.1.push(value);
                }
                None => removed.push(key),
            }
        }
        Changes { keys: put.0, values: put.1, removed }
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
