//! Places for the tests of frontiers: one of each kind.

use model::CrawlName;
use std::time::Duration;
use tempfile::TempDir;

use super::{Access, Address, Database, DiskPlace, Holder, Place};
use services::postgres;

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
            Desk::Database(crawl) => Box::new(database().take(crawl.clone(), holder("here")).unwrap()),
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
    Holder { name: place.to_owned(), token: place.to_owned() }
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
