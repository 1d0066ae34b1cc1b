//! The lease under which a crawl is opened: one engine at a time begins it, joins it, discards or repairs it. It is taken with a new epoch,
//! renewed by a task over a connection of its own, lapses by the database's clock if that does not happen, and is given back once it is open.
//!
//! **Invariant.** What is written of the crawl as a whole names the epoch. Once another engine has the lease, nothing of the former is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;

use super::connection::Connection;
use super::renewals::{LASTS, RELIED_ON, Renewals};
use super::session::Session;
use super::statements;
use crate::frontier::FrontierError;
use crate::frontier::sharded::SUFFIXES;

/// How often one looks who waits for it.
const LOOK: Duration = Duration::from_millis(500);

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// In words, for a person: machine and process.
    pub name: String,
    /// What proves that another process had the lease at the very same place, where only one can be at a time: then it is dead, and the lease
    /// need not lapse.
    pub token: String,
    /// The place, however often it is started there: what only goes on there, such as a file of output, is kept under this name.
    pub place: String,
}

/// How a crawl stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::frontier) struct Stand {
    /// The crawl's number; those of its shards follow.
    pub(in crate::frontier) number: i32,
    pub(in crate::frontier) shards: i32,
    /// The public suffix list that its hosts are divided by.
    pub(in crate::frontier) suffixes: String,
    pub(super) epoch: i64,
    /// Who has the lease, in words, as long as it has not lapsed.
    holder: Option<String>,
}

impl Stand {
    fn of(row: &Row) -> Stand {
        let (is_held, holder): (bool, Option<String>) = (row.get(4), row.get(5));
        let holder = holder.filter(|_| is_held);
        Stand { number: row.get(0), shards: row.get(1), suffixes: row.get(2), epoch: row.get(3), holder }
    }

    /// How a crawl stands; none: there is no such crawl.
    pub(super) async fn look(session: &Session, crawl: &str) -> Result<Option<Stand>, tokio_postgres::Error> {
        Ok(session.client.query_opt(statements::LOOK, &[&crawl]).await?.as_ref().map(Stand::of))
    }
}

/// Tries to take the lease. Answers its epoch, or who has it.
pub(super) async fn take(connection: &Connection, crawl: &str, shards: i32, holder: &Holder) -> Result<Result<i64, String>, FrontierError> {
    let (crawl, holder) = (Arc::<str>::from(crawl), Arc::new(holder.clone()));
    let work = |session: Arc<Session>| {
        let (crawl, holder) = (Arc::clone(&crawl), Arc::clone(&holder));
        async move {
            session.client.execute(statements::ENTER, &[&&*crawl, &shards, &SUFFIXES]).await?;
            let lasts = LASTS.as_millis() as i64;
            if let Some(row) = session.client.query_opt(statements::TAKE_LEASE, &[&&*crawl, &holder.name, &holder.token, &lasts]).await? {
                return Ok(Ok(row.get(0)));
            }
            let stand = Stand::look(&session, &crawl).await?;
            Ok(Err(stand.and_then(|stand| stand.holder).unwrap_or_else(|| "that has just opened it".to_owned())))
        }
    };
    let sent = Instant::now();
    let taken = connection.run(work).await?;
    if taken.is_ok() {
        connection.keeper().renewed(sent + RELIED_ON);
    }
    Ok(taken)
}

/// Takes the lease as soon as nobody else has it. `waits` is told who has it, once for each.
pub(super) async fn await_and_take(
    connection: &Connection,
    crawl: &str,
    shards: i32,
    holder: &Holder,
    waits: &(dyn Fn(&str) + Send + Sync),
) -> Result<i64, FrontierError> {
    let mut told = None;
    loop {
        match take(connection, crawl, shards, holder).await? {
            Ok(epoch) => return Ok(epoch),
            Err(other) if told.as_ref() == Some(&other) => {}
            Err(other) => {
                waits(&other);
                told = Some(other);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A lease that is kept. Dropped without being given back, it lapses.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) epoch: i64,
    renewals: Renewals,
}

impl Lease {
    /// Keeps a lease that was taken, over a connection of its own.
    pub(super) fn keep(handle: &tokio::runtime::Handle, connection: Connection, crawl: String, epoch: i64) -> Lease {
        let name = Arc::<str>::from(crawl.as_str());
        let renew = move |session: Arc<Session>| {
            let name = Arc::clone(&name);
            async move { session.client.execute(statements::RENEW_LEASE, &[&&*name, &epoch, &(LASTS.as_millis() as i64)]).await }
        };
        Lease { epoch, renewals: Renewals::start(handle, connection, crawl, renew) }
    }

    /// No longer renews it.
    pub(super) fn stop(&self) {
        self.renewals.stop();
    }
}
