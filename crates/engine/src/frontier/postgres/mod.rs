//! Tables in a PostgreSQL database, which outlives the engine's machine, and which several engines share.
//!
//! A crawl is divided in [`shards`], each with rows of its own. An engine becomes a [`member`] of the crawl and takes shards, each with a new
//! epoch, which what it commits names: once another engine has taken a shard, the former changes nothing of it any more. A group is one
//! statement, and no transaction is ever open between two round trips: an engine that is frozen holds up nobody. The number of a shard's
//! group is part of it: one whose answer was lost is not written twice.
//!
//! While the database is away nothing is handed out, and what has ended waits. Whatever was acknowledged is on its disk.

mod address;
mod background;
mod connection;
mod failure;
mod keeper;
mod lease;
mod member;
mod renewals;
mod schema;
mod session;
mod shards;
mod statements;
mod tables;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::CrawlName;
use tokio::time::Instant;

use super::sharded::SUFFIXES;
use super::tables::Table;
use super::{FrontierError, TakenOver, Tenure};
use background::Background;
use connection::Connection;
use failure::Failure;
use keeper::{Keeper, Line as Wire};
use lease::Lease;
use member::Member;
use session::Session;

pub use address::{Access, Address, AddressError};
pub use lease::Holder;
pub(super) use lease::Stand;
pub use member::Peer;
pub(super) use renewals::LASTS;
pub(super) use shards::{Letter, Line};
pub(super) use tables::{Group, PostgresTables, Sent};

/// Pause between two tries to reach the database at start.
const RETRY: Duration = Duration::from_millis(200);

/// Time for one such try, the making of tables included.
const READY: Duration = Duration::from_secs(10);

/// Time for giving a lease back, or for parting from the other engines. What is not given back lapses, and until then a crawl that was left looks
/// as if somebody were at it: so a database that is slow is waited for, half as long as that takes.
const GIVE_BACK: Duration = Duration::from_secs(5);

/// A crawl in a database, to be opened or looked at.
pub(super) struct Shared {
    pub(super) crawl: CrawlName,
    address: Address,
    access: Access,
    connection: Connection,
    /// While it is being opened; none for who only looks.
    lease: Mutex<Option<Lease>>,
    /// Once it was joined.
    member: Mutex<Option<Member>>,
    background: Background,
}

/// The way to a database, before it is known what is wanted there.
pub struct Database {
    address: Address,
    access: Access,
    background: Background,
}

impl Database {
    /// Reaches a database and makes its tables if there are none. One that does not answer is tried for as long as `patience`.
    ///
    /// # Errors
    /// When it does not answer in time, refuses, or has tables of a newer version.
    pub fn reach(address: Address, access: Access, patience: Duration) -> Result<Database, FrontierError> {
        let background = Background::start().map_err(|error| FrontierError::Store(format!("cannot start a thread: {error}")))?;
        let (to, with) = (address.clone(), access.clone());
        background.wait(async move { make_ready(&to, &with, patience).await })?;
        Ok(Database { address, access, background })
    }

    /// Which database it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The crawls that are there, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn crawls(&self) -> Result<Vec<String>, FrontierError> {
        let connection = self.connection(Wire::Work, Keeper::new(""), Some(Duration::ZERO));
        self.background.wait(async move {
            let work = |session: Arc<Session>| async move {
                let rows = session.client.query(statements::NAMES, &[]).await?;
                Ok(rows.iter().map(|row| row.get(0)).collect())
            };
            connection.run(work).await
        })
    }

    /// Looks at a crawl, whoever is at it: nothing can be written.
    pub(super) fn look(self, crawl: CrawlName) -> Arc<Shared> {
        let connection = self.connection(Wire::Work, Keeper::new(&self.address.to_string()), Some(Duration::ZERO));
        self.shared(crawl, connection, None)
    }

    /// Takes the lease under which a crawl is opened, unless another engine is opening it. One that is new has so many shards.
    pub(super) fn take(self, crawl: CrawlName, shards: u16, holder: &Holder) -> Result<Arc<Shared>, FrontierError> {
        let connection = self.connection(Wire::Work, Keeper::new(&self.address.to_string()), None);
        let (name, who) = (crawl.clone(), holder.clone());
        let (connection, taken) = self.background.wait(async move {
            let taken = lease::take(&connection, name.as_str(), i32::from(shards), &who).await;
            (connection, taken)
        });
        match taken? {
            Ok(epoch) => Ok(self.shared(crawl, connection, Some(epoch))),
            Err(by) => Err(FrontierError::InUse { crawl, by }),
        }
    }

    /// As [`take`](Database::take), as soon as no other engine is opening it. `waits` is told who is, once for each.
    pub(super) async fn await_and_take(
        self,
        crawl: CrawlName,
        shards: u16,
        holder: Holder,
        waits: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Arc<Shared>, FrontierError> {
        let connection = self.connection(Wire::Work, Keeper::new(&self.address.to_string()), None);
        let name = crawl.clone();
        let waiting = self.background.handle().spawn(async move {
            let taken = lease::await_and_take(&connection, name.as_str(), i32::from(shards), &holder, &waits).await;
            (connection, taken)
        });
        let (connection, taken) = waiting.await.map_err(|error| FrontierError::Store(format!("the wait for the lease ended: {error}")))?;
        Ok(self.shared(crawl, connection, Some(taken?)))
    }

    fn connection(&self, wire: Wire, keeper: Keeper, patience: Option<Duration>) -> Connection {
        Connection::new(self.address.clone(), self.access.clone(), wire, keeper, patience)
    }

    fn shared(self, crawl: CrawlName, connection: Connection, epoch: Option<i64>) -> Arc<Shared> {
        let lease = epoch.map(|epoch| {
            let own = self.connection(Wire::Lease, connection.keeper().clone(), None);
            Lease::keep(self.background.handle(), own, crawl.to_string(), epoch)
        });
        let Database { address, access, background } = self;
        Arc::new(Shared { crawl, address, access, connection, lease: Mutex::new(lease), member: Mutex::default(), background })
    }
}

/// Connects until the server answers or `patience` is over, and makes the tables if there are none.
async fn make_ready(address: &Address, access: &Access, patience: Duration) -> Result<(), FrontierError> {
    let end = Instant::now() + patience;
    let error = |why: &str| FrontierError::Store(format!("cannot use the database {address}: {why}"));
    let mut told = false;
    loop {
        let late = || Failure::Passing(format!("no answer within {} s", READY.as_secs()));
        let why = match tokio::time::timeout(READY, make_ready_once(address, access)).await.unwrap_or_else(|_| Err(late())) {
            Ok(schema::VERSION) => return Ok(()),
            Ok(version) => {
                return Err(error(&format!(
                    "its tables are of version {version}, this program knows version {}: use the program that made them",
                    schema::VERSION
                )));
            }
            Err(Failure::Lasting(why)) => return Err(error(&why)),
            Err(Failure::Passing(why)) => why,
        };
        if Instant::now() >= end {
            return Err(error(&why));
        }
        if !told {
            told = true;
            tracing::warn!("cannot use the database {address}: {why}; trying for {}", humantime::format_duration(patience));
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The version of the tables that are there now.
async fn make_ready_once(address: &Address, access: &Access) -> Result<i32, Failure> {
    let client = session::connect(address, access).await?;
    let version = async {
        match schema::version(&client).await? {
            Some(version) => Ok(version),
            None => {
                schema::make(&client).await?;
                Ok(schema::version(&client).await?.unwrap_or_default())
            }
        }
    };
    version.await.map_err(|error: tokio_postgres::Error| Failure::of(&error))
}

impl Shared {
    /// Waits for what some work with the database comes to.
    fn run<T, F>(self: &Arc<Self>, work: impl Fn(Arc<Session>) -> F + Send + Sync + 'static) -> Result<T, FrontierError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send + 'static,
    {
        let shared = Arc::clone(self);
        self.background.wait(async move { shared.connection.run(work).await })
    }

    /// Waits a moment.
    pub(super) fn pause(&self, time: Duration) {
        self.background.wait(tokio::time::sleep(time));
    }

    /// One more connection.
    fn another_connection(&self, wire: Wire, keeper: Keeper) -> Connection {
        Connection::new(self.address.clone(), self.access.clone(), wire, keeper, None)
    }

    /// What the lease was taken with; none for who has none.
    pub(super) fn epoch(&self) -> Option<i64> {
        self.lease.lock().expect("no holder of this lock panics").as_ref().map(|lease| lease.epoch)
    }

    /// The crawl's number and this engine's, once it was joined.
    fn member(&self) -> Option<(i32, i64)> {
        self.member.lock().expect("no holder of this lock panics").as_ref().map(|member| (member.crawl, member.id))
    }

    /// Where this is, for a person.
    pub(super) fn name(&self) -> String {
        format!("{}, crawl {}", self.address, self.crawl)
    }

    pub(super) fn tenure(&self) -> Tenure {
        self.connection.keeper().tenure()
    }

    /// How the crawl stands.
    ///
    /// # Errors
    /// [`FrontierError::Missing`] too.
    pub(super) fn stand(self: &Arc<Self>) -> Result<Stand, FrontierError> {
        let crawl = Arc::<str>::from(self.crawl.as_str());
        let stand = self.run(move |session: Arc<Session>| {
            let crawl = Arc::clone(&crawl);
            async move { Stand::look(&session, &crawl).await }
        })?;
        stand.ok_or_else(|| FrontierError::Missing(self.name()))
    }

    /// Puts rows of the crawl as a whole while it is being opened.
    pub(super) fn put(self: &Arc<Self>, crawl: i32, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), FrontierError> {
        let epoch = self.epoch_to_write()?;
        let (keys, values): (Vec<Vec<u8>>, Vec<Vec<u8>>) = rows.into_iter().unzip();
        let (name, count, rows) = (Arc::<str>::from(self.crawl.as_str()), keys.len() as u64, Arc::new((keys, values)));
        let written = self.run(move |session: Arc<Session>| {
            let (name, rows) = (Arc::clone(&name), Arc::clone(&rows));
            async move { session.client.execute(statements::PUT, &[&&*name, &epoch, &crawl, &rows.0, &rows.1]).await }
        })?;
        if written == count { Ok(()) } else { Err(self.lost()) }
    }

    /// Discards the crawl, held by the lease. Cut off at any moment, it leaves the whole of it or nothing.
    pub(super) fn discard(self: &Arc<Self>) -> Result<(), FrontierError> {
        let (number, epoch) = (self.stand()?.number, self.epoch_to_write()?);
        let crawl = Arc::<str>::from(self.crawl.as_str());
        self.run(move |session: Arc<Session>| {
            let crawl = Arc::clone(&crawl);
            async move { session.client.execute(statements::DISCARD, &[&&*crawl, &epoch, &number, &SUFFIXES]).await }
        })?;
        let stand = self.stand()?;
        if stand.epoch == epoch && stand.number != number { self.remove_leftovers() } else { Err(self.lost()) }
    }

    /// Removes what discarded crawls have left behind, some at a time.
    pub(super) fn remove_leftovers(self: &Arc<Self>) -> Result<(), FrontierError> {
        let discarded = |session: Arc<Session>| async move {
            let rows = session.client.query(statements::DISCARDED, &[]).await?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect::<Vec<(i32, i32)>>())
        };
        for (number, shards) in self.run(discarded)? {
            tracing::info!("removing the rows of a crawl that was discarded: with millions of URLs this takes minutes");
            let last = number + shards;
            for text in Table::ALL.into_iter().map(statements::remove_some) {
                let text = Arc::<str>::from(text);
                let remove = move |session: Arc<Session>| {
                    let text = Arc::clone(&text);
                    async move { session.client.execute(&*text, &[&number, &last]).await }
                };
                while self.run(remove.clone())? > 0 {}
            }
            let remove =
                move |session: Arc<Session>| async move { session.client.execute(statements::REMOVE_SENT, &[&number, &last]).await };
            while self.run(remove)? > 0 {}
            self.run(move |session: Arc<Session>| async move { session.client.execute(statements::FORGET, &[&number]).await })?;
        }
        Ok(())
    }

    /// Gives the lease back, if it is held: the crawl is open, or was looked at long enough.
    pub(super) fn give_lease_back(&self) {
        let lease = self.lease.lock().expect("no holder of this lock panics").take();
        let (Some(lease), Some(session)) = (lease, self.connection.last_session()) else { return };
        lease.stop();
        let (crawl, epoch) = (self.crawl.to_string(), lease.epoch);
        self.background.wait(async move {
            // One that is not given back lapses.
            let _ = tokio::time::timeout(GIVE_BACK, session.client.execute(statements::GIVE_LEASE_BACK, &[&crawl, &epoch])).await;
        });
        self.connection.keeper().forget(Wire::Lease);
    }

    fn epoch_to_write(&self) -> Result<i64, FrontierError> {
        self.epoch().ok_or_else(|| FrontierError::Store("it was opened to be looked at".to_owned()))
    }

    /// The lease is another engine's by now.
    fn lost(&self) -> FrontierError {
        let taken_over = TakenOver { crawl: self.crawl.to_string() };
        self.connection.keeper().lost(taken_over.clone());
        FrontierError::TakenOver(taken_over)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.give_lease_back();
        self.part();
    }
}
