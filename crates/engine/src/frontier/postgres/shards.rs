//! The shards of a crawl: who has them, and what is sent to them.

use std::sync::Arc;

use model::DedupKey;
use tokio_postgres::types::ToSql;

use super::Shared;
use super::session::Session;
use super::statements;
use crate::frontier::FrontierError;
use crate::frontier::tables::Row;

/// Tries to be granted pages of a budget at a time.
const TURNS: usize = 8;

/// A shard as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::frontier) struct Line {
    /// The number of its rows.
    pub(in crate::frontier) number: i32,
    /// Grows each time an engine takes it.
    pub(in crate::frontier) epoch: i64,
    /// The number of its last group; 0: nothing was ever written.
    pub(in crate::frontier) groups: i64,
    /// The engine that has it or had it last.
    pub(in crate::frontier) engine: i64,
    /// Whether that engine is alive.
    pub(in crate::frontier) is_held: bool,
}

/// A row of an inbox.
#[derive(Clone, Debug)]
pub(in crate::frontier) struct Letter {
    /// The number of the shard it was sent to.
    pub(in crate::frontier) shard: i32,
    pub(in crate::frontier) key: Vec<u8>,
    pub(in crate::frontier) value: Vec<u8>,
}

impl Shared {
    /// The shards of a crawl, in the order of their numbers.
    pub(in crate::frontier) fn shards(self: &Arc<Self>, crawl: i32) -> Result<Vec<Line>, FrontierError> {
        self.run(move |session: Arc<Session>| async move {
            let rows = session.client.query(statements::SHARDS, &[&crawl]).await?;
            let line = |row: &tokio_postgres::Row| Line {
                number: row.get(0),
                epoch: row.get(1),
                groups: row.get(2),
                engine: row.get(3),
                is_held: row.get(4),
            };
            Ok(rows.iter().map(line).collect())
        })
    }

    /// Makes the shards of a crawl that are not there.
    pub(in crate::frontier) fn make_shards(self: &Arc<Self>, crawl: i32, shards: i32) -> Result<(), FrontierError> {
        let make = move |session: Arc<Session>| async move { session.client.execute(statements::MAKE_SHARDS, &[&crawl, &shards]).await };
        self.run(make).map(drop)
    }

    /// Takes shards for an engine, as they stand; those that another one was faster with are not among the answers.
    pub(in crate::frontier) fn take_shards(self: &Arc<Self>, crawl: i32, engine: i64, wanted: &[Line]) -> Result<Vec<Line>, FrontierError> {
        let numbers: Arc<Vec<i32>> = Arc::new(wanted.iter().map(|line| line.number).collect());
        let epochs: Arc<Vec<i64>> = Arc::new(wanted.iter().map(|line| line.epoch).collect());
        let mut taken: Vec<Line> = self.run(move |session: Arc<Session>| {
            let (numbers, epochs) = (Arc::clone(&numbers), Arc::clone(&epochs));
            async move {
                let rows = session.client.query(statements::TAKE_SHARDS, &[&crawl, &engine, &*numbers, &*epochs]).await?;
                let line =
                    |row: &tokio_postgres::Row| Line { number: row.get(0), epoch: row.get(1), groups: row.get(2), engine, is_held: true };
                Ok(rows.iter().map(line).collect())
            }
        })?;
        if taken.len() < wanted.len() {
            // An attempt whose answer was lost may have taken them.
            let of_this = |line: &Line| {
                line.engine == engine && wanted.iter().any(|known| known.number == line.number && known.epoch + 1 == line.epoch)
            };
            taken = self.shards(crawl)?.into_iter().filter(of_this).collect();
        }
        taken.sort_by_key(|line| line.number);
        Ok(taken)
    }

    /// Gives a shard back.
    pub(in crate::frontier) fn leave_shard(self: &Arc<Self>, line: Line) -> Result<(), FrontierError> {
        let leave = move |session: Arc<Session>| async move {
            session.client.execute(statements::LEAVE_SHARD, &[&line.engine, &line.number, &line.epoch]).await
        };
        self.run(leave).map(drop)
    }

    /// What was sent to shards, up to `most`; after this letter, if one is named.
    pub(in crate::frontier) fn inbox(
        self: &Arc<Self>,
        shards: Vec<i32>,
        after: Option<&Letter>,
        most: usize,
    ) -> Result<Vec<Letter>, FrontierError> {
        // No shard has the number 0.
        let after = after.map_or_else(|| (0, Vec::new()), |letter| (letter.shard, letter.key.clone()));
        let given = Arc::new((shards, after));
        self.run(move |session: Arc<Session>| {
            let given = Arc::clone(&given);
            async move {
                let (shards, (shard, key)) = &*given;
                let parameters: [&(dyn ToSql + Sync); 4] = [shards, &(most as i64), shard, key];
                let rows = session.client.query(statements::INBOX, &parameters).await?;
                Ok(rows.iter().map(|row| Letter { shard: row.get(0), key: row.get(1), value: row.get(2) }).collect())
            }
        })
    }

    /// The records of shards, each with the shard's number; none of those to which nothing was ever written.
    pub(in crate::frontier) fn records(self: &Arc<Self>, shards: Vec<i32>) -> Result<Vec<(i32, Vec<u8>)>, FrontierError> {
        let shards = Arc::new(shards);
        self.run(move |session: Arc<Session>| {
            let shards = Arc::clone(&shards);
            async move {
                let rows = session.client.query(statements::RECORDS, &[&*shards]).await?;
                Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
            }
        })
    }

    /// How many sites and permits have joined a crawl.
    pub(in crate::frontier) fn noted(self: &Arc<Self>, crawl: i32) -> Result<i64, FrontierError> {
        self.run(move |session: Arc<Session>| async move { Ok(session.client.query_one(statements::NOTED, &[&crawl]).await?.get(0)) })
    }

    /// The rows of URLs that are known among these, each with the number of its shard.
    pub(in crate::frontier) fn known(self: &Arc<Self>, asked: &[(i32, DedupKey)]) -> Result<Vec<(i32, Row)>, FrontierError> {
        let (shards, keys): (Vec<i32>, Vec<Vec<u8>>) = asked.iter().map(|(shard, key)| (*shard, key.to_bytes().to_vec())).unzip();
        let asked = Arc::new((shards, keys));
        self.run(move |session: Arc<Session>| {
            let asked = Arc::clone(&asked);
            async move {
                let rows = session.client.query(&session.known, &[&asked.0, &asked.1]).await?;
                Ok(rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect())
            }
        })
    }

    /// Which of some shards knows a URL.
    pub(in crate::frontier) fn known_by(self: &Arc<Self>, shards: Vec<i32>, key: [u8; 16]) -> Result<Option<i32>, FrontierError> {
        let shards = Arc::new(shards);
        self.run(move |session: Arc<Session>| {
            let shards = Arc::clone(&shards);
            async move { Ok(session.client.query_opt(statements::KNOWN_BY, &[&*shards, &&key[..]]).await?.map(|row| row.get(0))) }
        })
    }

    /// Whether nothing is left to do in a crawl, wherever.
    pub(in crate::frontier) fn is_over(self: &Arc<Self>, crawl: i32) -> Result<bool, FrontierError> {
        self.run(move |session: Arc<Session>| async move { Ok(session.client.query_one(&statements::is_over(), &[&crawl]).await?.get(0)) })
    }

    /// Whether nothing is on its way from one shard of a crawl to another.
    pub(in crate::frontier) fn is_quiet(self: &Arc<Self>, crawl: i32) -> Result<bool, FrontierError> {
        self.run(move |session: Arc<Session>| async move { Ok(session.client.query_one(statements::IS_QUIET, &[&crawl]).await?.get(0)) })
    }

    /// Puts a record in the place of the crawl's, if nothing is left to do and this engine is alive. Answers whether it did.
    pub(in crate::frontier) fn complete(self: &Arc<Self>, crawl: i32, engine: i64, record: Vec<u8>) -> Result<bool, FrontierError> {
        let record = Arc::new(record);
        self.run(move |session: Arc<Session>| {
            let record = Arc::clone(&record);
            async move { Ok(session.client.execute(&statements::complete(), &[&crawl, &*record, &engine]).await? == 1) }
        })
    }

    /// Sees to it that an engine may take about `wanted` more pages of the budget of a crawl, as far as that goes. Answers how many it may take:
    /// what all may take and what is done never come to more than `max`.
    pub(in crate::frontier) fn grant(self: &Arc<Self>, crawl: i32, engine: i64, max: u64, wanted: u64) -> Result<u64, FrontierError> {
        let (max, wanted) = (i64::try_from(max).unwrap_or(i64::MAX), i64::try_from(wanted).unwrap_or(i64::MAX));
        let granted: i64 = self.run(move |session: Arc<Session>| async move {
            let mut own = 0;
            // Somebody else may be granted some in between, but not for ever; and one that is buried is granted none.
            for _ in 0..TURNS {
                let row = session.client.query_one(statements::BUDGET, &[&crawl, &engine]).await?;
                let (grants, done, granted): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
                own = row.get::<_, i64>(3);
                let most = own + (max - done - granted).max(0);
                let next = wanted.min(most);
                // Some too few or too many are not worth a write.
                if next == own || (next > own && own > wanted / 2) || (next < own && wanted > own / 2) {
                    return Ok(own);
                }
                if session.client.execute(statements::GRANT, &[&crawl, &engine, &grants, &next]).await? == 1 {
                    return Ok(next);
                }
            }
            Ok(own)
        })?;
        Ok(u64::try_from(granted).unwrap_or_default())
    }
}
