//! Which store, as a person writes it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The store of a server that is told none: a file in the current folder.
pub const DEFAULT_STORE: &str = "sqlite:gossamer-items.db";

/// A store by kind and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSpec {
    /// `sqlite:PATH`: a database file of this machine. The path is absolute.
    Sqlite(PathBuf),
}

/// Why a text names no store.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreSpecError {
    /// No path after `sqlite:`.
    #[error("sqlite: needs the path of a database file, such as {DEFAULT_STORE}")]
    NoPath,
    /// A database that ends with its process keeps nothing.
    #[error("sqlite::memory: keeps nothing; name a file, such as {DEFAULT_STORE}")]
    InMemory,
    /// A kind that is planned.
    #[error("{0} stores arrive in a later version; this one stores in sqlite:PATH")]
    Later(String),
    /// Anything else.
    #[error("{0:?} names no store; write sqlite:PATH, such as {DEFAULT_STORE}")]
    Unknown(String),
    /// The current folder, which a relative path starts from, is gone.
    #[error("{0} is relative and the current folder cannot be told")]
    NoFolder(String),
}

impl StoreSpec {
    /// Reads `sqlite:PATH`. A relative path starts at the current folder of this moment.
    ///
    /// # Errors
    /// [`StoreSpecError`] when the text names no store of this version.
    pub fn parse(text: &str) -> Result<StoreSpec, StoreSpecError> {
        match text.split_once(':') {
            Some(("sqlite", "")) => Err(StoreSpecError::NoPath),
            Some(("sqlite", ":memory:")) => Err(StoreSpecError::InMemory),
            Some(("sqlite", path)) => {
                std::path::absolute(path).map(StoreSpec::Sqlite).map_err(|_| StoreSpecError::NoFolder(path.to_owned()))
            }
            Some((kind @ ("elasticsearch" | "opensearch"), _)) => Err(StoreSpecError::Later(kind.to_owned())),
            _ => Err(StoreSpecError::Unknown(text.to_owned())),
        }
    }

    /// A database file.
    ///
    /// # Errors
    /// [`StoreSpecError`] for an empty path, or a relative one without a current folder.
    pub fn sqlite(path: impl Into<PathBuf>) -> Result<StoreSpec, StoreSpecError> {
        let path = path.into();
        if path.as_os_str().is_empty() {
            return Err(StoreSpecError::NoPath);
        }
        std::path::absolute(&path).map(StoreSpec::Sqlite).map_err(|_| StoreSpecError::NoFolder(path.display().to_string()))
    }
}

impl FromStr for StoreSpec {
    type Err = StoreSpecError;

    fn from_str(text: &str) -> Result<StoreSpec, StoreSpecError> {
        StoreSpec::parse(text)
    }
}

impl fmt::Display for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreSpec::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_kind_and_place() {
        assert_eq!(StoreSpec::parse("sqlite:/a/items.db").unwrap().to_string(), "sqlite:/a/items.db");
        let here = std::env::current_dir().unwrap().join("items.db");
        assert_eq!(StoreSpec::parse("sqlite:items.db").unwrap(), StoreSpec::Sqlite(here));
        assert_eq!(StoreSpec::parse("sqlite:"), Err(StoreSpecError::NoPath));
        assert_eq!(StoreSpec::parse("sqlite::memory:"), Err(StoreSpecError::InMemory));
        assert_eq!(StoreSpec::parse("opensearch:http://h:9200/items"), Err(StoreSpecError::Later("opensearch".into())));
        assert_eq!(StoreSpec::parse("items.db"), Err(StoreSpecError::Unknown("items.db".into())));
    }
}
