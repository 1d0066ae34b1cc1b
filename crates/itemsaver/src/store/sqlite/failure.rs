//! What can go wrong with a database, by what the caller can do.

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// A failure inside the SQLite store, before it is told which file it concerns.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite said no.
    Sqlite(rusqlite::Error),
    /// The database is not one to use: the reason.
    Refused(String),
    /// The file is no longer where it was opened: what is written goes nowhere.
    Gone,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        Failure::Sqlite(error)
    }
}

impl Failure {
    /// The error for the caller, naming the store.
    pub(super) fn told(&self, store: &str) -> StoreError {
        let store = store.to_owned();
        let unavailable = |store, reason: &str| StoreError::Unavailable { store, reason: reason.to_owned() };
        match self {
            Failure::Refused(reason) => StoreError::Unusable { store, reason: reason.clone() },
            Failure::Gone => StoreError::Unusable {
                store,
                reason: "its file was removed or replaced while in use; start again to use what is there now".to_owned(),
            },
            Failure::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => unavailable(store, "the disk is full"),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => unavailable(store, "another process is writing to it"),
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => unavailable(store, "it is read-only"),
                Some(ErrorCode::CannotOpen) => unavailable(store, "its file cannot be opened"),
                Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::FileLockingProtocolFailed) => {
                    unavailable(store, &error.to_string())
                }
                Some(ErrorCode::NotADatabase) => StoreError::Unusable { store, reason: "it is not a SQLite database".to_owned() },
                Some(ErrorCode::DatabaseCorrupt) => StoreError::Unusable { store, reason: format!("it is damaged: {error}") },
                _ => StoreError::Unusable { store, reason: error.to_string() },
            },
        }
    }
}
