//! Tables in a PostgreSQL database, which outlives the engine's machine: another engine can go on with the crawl.
//!
//! One engine at a time works on a crawl, under a [`lease`]; others wait as its standbys. What is committed names the lease's epoch, so that
//! an engine whose lease was taken changes nothing any more. A group is one statement, and no transaction is ever open between two round trips:
//! an engine that is frozen holds up nobody. The number of the group is part of it: one whose answer was lost is not written twice.
//!
//! While the database is away nothing is handed out, and what has ended waits. Whatever was acknowledged is on its disk.

mod address;
mod background;
mod connection;
mod failure;
mod keeper;
mod lease;
mod schema;
mod session;
mod statements;
mod tables;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::CrawlName;
use tokio::time::Instant;

use super::FrontierError;
use super::tables::{Place, Table, Tables};
use background::Background;
use connection::Connection;
use failure::Failure;
use keeper::{Keeper, Line};
use lease::{Lease, Stand};
use session::Session;
use tables::PostgresTables;

pub use address::{Access, Address, AddressError};
pub use lease::Holder;

/// Pause between two tries to reach the database at start.
const RETRY: Duration = Duration::from_millis(200);

/// Time for one such try, the making of tables included.
const READY: Duration = Duration::from_secs(10);

/// Time for giving a lease back. One that is not given back lapses.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// A crawl in a database, held or looked at. The lease is given back when this and all its tables are dropped.
pub struct PostgresPlace {
    shared: Arc<Shared>,
}

/// What a place and its tables share.
struct Shared {
    crawl: CrawlName,
    address: Address,
    connection: Connection,
    /// None for who only looks.
    lease: Option<Lease>,
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
        let connection = self.connection(Line::Work, Keeper::new(""), Some(Duration::ZERO));
        self.background.wait(async move {
            let work = |session: Arc<Session>| async move {
                let rows = session.client.query(statements::NAMES, &[]).await?;
                Ok(rows.iter().map(|row| row.get(0)).collect())
            };
            connection.run(work).await
        })
    }

    /// Looks at a crawl, whoever has it: nothing can be written. Answers who has it beside, if anybody does.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(self, crawl: CrawlName) -> Result<(PostgresPlace, Option<Holder>), FrontierError> {
        let connection = self.connection(Line::Work, Keeper::new(&self.address.to_string()), Some(Duration::ZERO));
        let place = self.place(crawl, connection, None);
        let holder = place.stand()?.and_then(|stand| stand.holder);
        Ok((place, holder))
    }

    /// Takes a crawl, unless another engine has it.
    ///
    /// # Errors
    /// [`FrontierError::InUse`]; and when the database cannot be used.
    pub fn take(self, crawl: CrawlName, holder: Holder) -> Result<PostgresPlace, FrontierError> {
        let connection = self.connection(Line::Work, Keeper::new(&self.address.to_string()), None);
        let (name, who) = (crawl.clone(), holder);
        let (connection, taken) = self.background.wait(async move {
            let taken = lease::take(&connection, name.as_str(), &who).await;
            (connection, taken)
        });
        match taken? {
            Ok(epoch) => Ok(self.place(crawl, connection, Some(epoch))),
            Err(by) => Err(FrontierError::InUse { crawl, by }),
        }
    }

    /// Takes a crawl as soon as no other engine has it. `waits` is told who has it, once for each.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn await_and_take(
        self,
        crawl: CrawlName,
        holder: Holder,
        waits: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<PostgresPlace, FrontierError> {
        let connection = self.connection(Line::Work, Keeper::new(&self.address.to_string()), None);
        let name = crawl.clone();
        let waiting = self.background.handle().spawn(async move {
            let taken = lease::await_and_take(&connection, name.as_str(), &holder, &waits).await;
            (connection, taken)
        });
        let (connection, taken) = waiting.await.map_err(|error| FrontierError::Store(format!("the wait for the lease ended: {error}")))?;
        Ok(self.place(crawl, connection, Some(taken?)))
    }

    fn connection(&self, line: Line, keeper: Keeper, patience: Option<Duration>) -> Connection {
        Connection::new(self.address.clone(), self.access.clone(), line, keeper, patience)
    }

    fn place(self, crawl: CrawlName, connection: Connection, epoch: Option<i64>) -> PostgresPlace {
        let lease = epoch.map(|epoch| {
            let own = self.connection(Line::Lease, connection.keeper().clone(), None);
            Lease::keep(self.background.handle(), own, crawl.to_string(), epoch)
        });
        let Database { address, background, .. } = self;
        PostgresPlace { shared: Arc::new(Shared { crawl, address, connection, lease, background }) }
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

    /// What the lease was taken with; none for who only looks.
    fn epoch(&self) -> Option<i64> {
        self.lease.as_ref().map(|lease| lease.epoch)
    }
}

impl PostgresPlace {
    /// How the crawl stands; none: there is no such crawl.
    fn stand(&self) -> Result<Option<Stand>, FrontierError> {
        let crawl = Arc::<str>::from(self.shared.crawl.as_str());
        self.shared.run(move |session: Arc<Session>| {
            let crawl = Arc::clone(&crawl);
            async move { Stand::look(&session, &crawl).await }
        })
    }

    fn missing(&self) -> FrontierError {
        FrontierError::Missing(self.name())
    }

    /// Removes what discarded crawls have left behind, some at a time.
    fn remove_leftovers(&self) -> Result<(), FrontierError> {
        let discarded = |session: Arc<Session>| async move {
            let rows = session.client.query(statements::DISCARDED, &[]).await?;
            Ok(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>())
        };
        for number in self.shared.run(discarded)? {
            for table in Table::ALL {
                let remove =
                    move |session: Arc<Session>| async move { session.client.execute(&statements::remove_some(table), &[&number]).await };
                while self.shared.run(remove)? > 0 {}
            }
            self.shared.run(move |session: Arc<Session>| async move { session.client.execute(statements::FORGET, &[&number]).await })?;
        }
        Ok(())
    }
}

impl Place for PostgresPlace {
    fn is_begun(&self) -> Result<bool, FrontierError> {
        let Some(stand) = self.stand()? else { return Ok(false) };
        // The record comes with the first group and stays.
        Ok(PostgresTables::new(Arc::clone(&self.shared), &stand).range(Table::Crawl, &[], None, 1).next().transpose()?.is_some())
    }

    fn open(&self) -> Result<Arc<dyn Tables>, FrontierError> {
        if self.shared.lease.is_some() {
            self.remove_leftovers()?;
        }
        let stand = self.stand()?.ok_or_else(|| self.missing())?;
        Ok(Arc::new(PostgresTables::new(Arc::clone(&self.shared), &stand)))
    }

    fn discard(&self) -> Result<(), FrontierError> {
        let stand = self.stand()?.ok_or_else(|| self.missing())?;
        let Some(epoch) = self.shared.epoch() else { return Err(FrontierError::Store("it was opened to be looked at".to_owned())) };
        let (crawl, number) = (Arc::<str>::from(self.shared.crawl.as_str()), stand.number);
        let left = Arc::clone(&crawl);
        let stand = self.shared.run(move |session: Arc<Session>| {
            let crawl = Arc::clone(&crawl);
            async move {
                session.client.execute(statements::DISCARD, &[&&*crawl, &epoch, &number]).await?;
                Stand::look(&session, &crawl).await
            }
        })?;
        match stand {
            Some(stand) if stand.epoch == epoch && stand.number != number => self.remove_leftovers(),
            stand => Err(FrontierError::TakenOver(Stand::taken_over(stand, &left))),
        }
    }

    fn name(&self) -> String {
        format!("{}, crawl {}", self.shared.address, self.shared.crawl)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Some(lease) = &self.lease else { return };
        lease.stop();
        if self.connection.keeper().taken_over().is_some() {
            return;
        }
        let (crawl, epoch) = (self.crawl.to_string(), lease.epoch);
        let Some(session) = self.connection.last_session() else { return };
        self.background.wait(async move {
            // One that is not given back lapses.
            let _ = tokio::time::timeout(GIVE_BACK, session.client.execute(statements::GIVE_BACK, &[&crawl, &epoch])).await;
        });
    }
}
