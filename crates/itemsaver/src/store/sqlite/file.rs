//! The database file: opening it, and noticing that it is no longer there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::Failure;
use super::schema;

/// Where the database is and how long to wait for a lock that another process holds.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
}

/// Which file a path led to, to notice when it leads to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity(u64, u64);

impl DatabaseFile {
    /// A connection that writes, with every commit synced.
    pub(super) fn open_to_write(&self) -> Result<Connection, Failure> {
        self.check_place()?;
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        // Before anything is changed: it may be another program's.
        schema::bring_up_to_date(&connection)?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(Failure::Refused("its file system does not allow a write-ahead log; use a local disk".to_owned()));
        }
        // A larger log than SQLite's 1,000 pages: fewer checkpoints, each of which syncs the whole database file.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864; \
             PRAGMA cache_size = -65536",
        )?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// A connection that only reads.
    pub(super) fn open_to_read(&self) -> Result<Connection, Failure> {
        if !self.path.exists() {
            return Err(Failure::Refused("there is no such file".to_owned()));
        }
        self.check_place()?;
        let connection = self.open(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        schema::check_readable(&connection)?;
        Ok(connection)
    }

    /// Which file the path leads to now.
    pub(super) fn identity(&self) -> Result<FileIdentity, Failure> {
        identity(&self.path).ok_or(Failure::Gone)
    }

    fn open(&self, flags: OpenFlags) -> Result<Connection, Failure> {
        // Without SQLITE_OPEN_URI: a path is a path, whatever it begins with. One task uses a connection at a time.
        let connection = Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(self.busy_timeout)?;
        Ok(connection)
    }

    /// Says in words what SQLite would call an error 14.
    fn check_place(&self) -> Result<(), Failure> {
        if self.path.is_dir() {
            return Err(Failure::Refused("it is a folder, not a file".to_owned()));
        }
        match self.path.parent() {
            Some(folder) if !folder.is_dir() => Err(Failure::Refused(format!("there is no folder {}", folder.display()))),
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<FileIdentity> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some(FileIdentity(found.dev(), found.ino()))
}

/// Elsewhere an open file cannot be removed, so that it exists is enough.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<FileIdentity> {
    path.exists().then_some(FileIdentity(0, 0))
}
