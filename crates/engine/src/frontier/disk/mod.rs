//! Tables on disk (fjall, a log-structured store): what is committed survives any kill of the process. A group is one atomic batch over
//! the keyspaces.
//!
//! A kill loses nothing that was committed. A power failure may lose what was not synced ([`DiskPlace::new`]); what is lost then is fetched
//! again.

mod sync;

use std::fs;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::tables::{Batch, Durability, Place, Rows, See, Table, Tables};
use super::{FrontierError, Tenure};
use sync::Syncer;

/// Bytes of blocks that are kept in memory.
const CACHE_BYTES: u64 = 48 * 1024 * 1024;

/// Bytes of one keyspace that are written and not yet in a file of their own.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// A folder. The caller holds the lock of the state directory that it is in.
#[derive(Debug)]
pub struct DiskPlace {
    path: PathBuf,
    sync: Duration,
}

impl DiskPlace {
    /// A folder, there or not. `sync` is what a power failure may cost: the log is synced to disk this often; zero: with every commit.
    pub fn new(path: impl Into<PathBuf>, sync: Duration) -> DiskPlace {
        DiskPlace { path: path.into(), sync }
    }

    /// Where the folder is moved before it is removed.
    fn leftover(&self) -> PathBuf {
        self.path.with_extension("discarded")
    }

    /// Removes the folder, out of the way in one step, so that a kill leaves the whole of it or nothing.
    pub(super) fn remove(&self) -> Result<(), FrontierError> {
        self.remove_leftover()?;
        match fs::rename(&self.path, self.leftover()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(FrontierError::Store(format!("cannot discard {}: {error}", self.path.display()))),
            Ok(()) => self.remove_leftover(),
        }
    }

    /// Where a copy of a crawl is until it is whole.
    pub(super) fn draft(&self) -> DiskPlace {
        DiskPlace { path: self.path.with_extension("copy"), sync: self.sync }
    }

    /// Moves the folder to where none is, in one step.
    pub(super) fn move_to(&self, place: &DiskPlace) -> Result<(), FrontierError> {
        let moved = fs::rename(&self.path, &place.path).and_then(|()| match place.path.parent() {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        });
        moved.map_err(|error| FrontierError::Store(format!("cannot move {} to {}: {error}", self.path.display(), place.path.display())))
    }

    /// Removes what was being removed, or copied to here, when a process was killed.
    fn remove_leftover(&self) -> Result<(), FrontierError> {
        for leftover in [self.leftover(), self.draft().path].into_iter().filter(|leftover| *leftover != self.path) {
            match fs::remove_dir_all(&leftover) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FrontierError::Store(format!("cannot remove {}: {error}", leftover.display())));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Place for DiskPlace {
    fn is_begun(&self) -> Result<bool, FrontierError> {
        Ok(self.path.is_dir())
    }

    fn open(&self) -> Result<Arc<dyn Tables>, FrontierError> {
        self.remove_leftover()?;
        Ok(Arc::new(DiskTables::open(&self.path, self.sync)?))
    }

    fn name(&self) -> String {
        self.path.parent().unwrap_or(&self.path).display().to_string()
    }
}

/// See the module.
struct DiskTables {
    database: Database,
    /// In the order of [`Table::ALL`].
    keyspaces: [Keyspace; Table::ALL.len()],
    syncer: Syncer,
}

impl DiskTables {
    fn open(path: &Path, sync: Duration) -> Result<DiskTables, FrontierError> {
        let database = Database::builder(path).cache_size(CACHE_BYTES).open().map_err(failed)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let keyspaces: Vec<Keyspace> =
            Table::ALL.iter().map(|table| database.keyspace(table.name(), options)).collect::<Result<_, _>>().map_err(failed)?;
        let Ok(keyspaces) = keyspaces.try_into() else { unreachable!("one for each table") };
        let syncer = Syncer::start(database.clone(), sync).map_err(|error| FrontierError::Store(error.to_string()))?;
        Ok(DiskTables { database, keyspaces, syncer })
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }
}

impl Tables for DiskTables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, FrontierError> {
        Ok(self.keyspace(table).get(key).map_err(failed)?.map(|value| value.to_vec()))
    }

    fn range(&self, table: Table, from: &[u8], to: Option<&[u8]>, _: usize) -> Rows<'_> {
        let range = (Bound::Included(from.to_vec()), to.map_or(Bound::Unbounded, |to| Bound::Excluded(to.to_vec())));
        let row = |entry: fjall::Guard| entry.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(failed);
        Box::new(self.keyspace(table).range(range).map(row))
    }

    fn each(&self, table: Table, see: &mut See<'_>) -> Result<(), FrontierError> {
        for entry in self.keyspace(table).iter() {
            let (key, value) = entry.into_inner().map_err(failed)?;
            if let ControlFlow::Break(()) = see(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, changes: Batch, durability: Durability) -> Result<(), FrontierError> {
        let mut batch = self.database.batch();
        for (table, changes) in changes.into_changes() {
            for (key, change) in changes {
                match change {
                    Some(value) => batch.insert(self.keyspace(table), key, value),
                    None => batch.remove(self.keyspace(table), key),
                }
            }
        }
        let mode = match durability {
            Durability::Usual => self.syncer.durability(),
            Durability::Synced => PersistMode::SyncAll,
        };
        batch.durability(Some(mode)).commit().map_err(failed)?;
        if durability == Durability::Usual {
            self.syncer.wake();
        }
        Ok(())
    }

    fn tenure(&self) -> Tenure {
        Tenure::unlimited()
    }
}

fn failed(error: fjall::Error) -> FrontierError {
    FrontierError::Store(error.to_string())
}
