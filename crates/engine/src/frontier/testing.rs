//! Places for the tests of frontiers: one of each kind.

use model::CrawlName;
use std::time::Duration;
use tempfile::TempDir;

use super::postgres::{Line, PostgresTables, Shared};
use super::sharded::DatabaseHome;
use super::tables::{Place, Tables};
use super::{Access, Address, Database, DiskPlace, FrontierError, Holder};
use services::postgres;
use std::sync::Arc;

/// Where a test keeps a crawl, from one start of an engine to the next.
#[derive(Debug)]
pub(crate) enum Desk {
    Disk(TempDir),
    Database(CrawlName),
}

impl Desk {
    pub(crate) fn disk() -> Desk {
        Desk::Disk(tempfile::tempdir().unwrap())
    }

    /// A crawl of its own in a database that all tests share.
    pub(crate) fn database() -> Desk {
        Desk::Database(CrawlName::new(format!("t{:032x}", rand::random::<u128>())).unwrap())
    }

    /// The place, as it is found by an engine that is the only one.
    pub(crate) fn place(&self) -> Box<dyn Place> {
        match self {
            Desk::Disk(folder) => Box::new(DiskPlace::new(folder.path().join("frontier"), Duration::from_secs(1))),
            Desk::Database(crawl) => Box::new(ShardPlace::of(crawl)),
        }
    }
}

/// The way to the database that all tests share.
pub(crate) fn database() -> Database {
    let access = Access { password: Some(model::Secret::new(postgres::PASSWORD)), authority: None };
    Database::reach(Address::parse(postgres::shared()).unwrap(), access, Duration::from_secs(30)).unwrap()
}

/// An engine at a place of this name.
pub(crate) fn holder(place: &str) -> Holder {
    Holder { name: place.to_owned(), token: place.to_owned(), place: place.to_owned() }
}

/// Shards of a crawl of which tests want several.
pub(crate) const SHARDS: u16 = 8;

/// A crawl, opened by an engine at a place of this name.
pub(crate) fn home(crawl: &CrawlName, place: &str) -> DatabaseHome {
    database().enter_in(crawl.clone(), SHARDS, holder(place)).unwrap()
}

/// The only shard of a crawl, as a place: what is tested of tables is the same there as on disk.
struct ShardPlace {
    shared: Arc<Shared>,
    line: Line,
}

impl ShardPlace {
    fn of(crawl: &CrawlName) -> ShardPlace {
        let shared = database().take(crawl.clone(), 1, &holder("here")).unwrap();
        let crawl = shared.stand().unwrap().number;
        shared.make_shards(crawl, 1).unwrap();
        let engine = shared.join(crawl, &holder("here")).unwrap();
        let lines = shared.shards(crawl).unwrap();
        let taken = shared.take_shards(crawl, engine, &lines).unwrap();
        shared.give_lease_back();
        let [line] = taken[..] else { panic!("somebody else has it") };
        ShardPlace { shared, line }
    }
}

impl Place for ShardPlace {
    fn is_begun(&self) -> Result<bool, FrontierError> {
        Ok(self.line.groups > 0)
    }

    fn open(&self) -> Result<Arc<dyn Tables>, FrontierError> {
        Ok(Arc::new(PostgresTables::of_shard(Arc::clone(&self.shared), self.line)))
    }

    fn name(&self) -> String {
        self.shared.name()
    }
}

/// Tests over each kind of place. Each function gets a desk.
macro_rules! in_each_place {
    ($($test:ident)*) => {
        mod disk {
            $(#[test] fn $test() { super::$test(&crate::frontier::testing::Desk::disk()); })*
        }
        mod database {
            $(#[test] fn $test() { super::$test(&crate::frontier::testing::Desk::database()); })*
        }
    };
}
pub(crate) use in_each_place;
