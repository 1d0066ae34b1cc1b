//! Which store, as a person writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use super::elasticsearch::{Access, Product, ServerSpec};

/// The store of a server that is told none: a file in the current folder.
pub const DEFAULT_STORE: &str = "sqlite:gossamer-items.db";

/// A store by kind and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSpec {
    /// `sqlite:PATH`: a database file of this machine. The path is absolute.
    Sqlite(PathBuf),
    /// `elasticsearch:URL/INDEX` or `opensearch:URL/INDEX`: an index of a server.
    Server(ServerSpec),
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
    /// No URL with an index after `elasticsearch:` or `opensearch:`.
    #[error("{0}: needs a URL and an index, such as {0}:http://127.0.0.1:9200/items")]
    NoIndex(String),
    /// A user or password where everybody who lists processes sees it.
    #[error("the URL has a user or password in it: secrets come from the environment or a file, see --help")]
    SecretInUrl,
    /// A name that a server refuses.
    #[error("{0:?} names no index: 1 to 200 lower-case letters, digits, `-`, `_` or `.`, beginning with a letter or digit")]
    Index(String),
    /// Anything else.
    #[error("{0:?} names no store; write sqlite:PATH, elasticsearch:URL/INDEX or opensearch:URL/INDEX, such as {DEFAULT_STORE}")]
    Unknown(String),
    /// The current folder, which a relative path starts from, is gone.
    #[error("{0} is relative and the current folder cannot be told")]
    NoFolder(String),
}

impl StoreSpec {
    /// Reads `sqlite:PATH`, `elasticsearch:URL/INDEX` or `opensearch:URL/INDEX`. A relative path starts at the current folder of this
    /// moment.
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
            Some(("elasticsearch", place)) => ServerSpec::parse(Product::Elasticsearch, place).map(StoreSpec::Server),
            Some(("opensearch", place)) => ServerSpec::parse(Product::Opensearch, place).map(StoreSpec::Server),
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

impl StoreSpec {
    /// The same place with what its server may ask for; a file asks for nothing.
    pub fn with_access(self, access: Access) -> StoreSpec {
        match self {
            StoreSpec::Server(server) => StoreSpec::Server(ServerSpec { access, ..server }),
            file @ StoreSpec::Sqlite(_) => file,
        }
    }

    /// Whether writing to this path would write over a file of the store: the database, or one of those that SQLite keeps beside it.
    pub fn is_at(&self, path: &Path) -> bool {
        let StoreSpec::Sqlite(store) = self else { return false };
        // SQLite names the files beside a database after what a link leads to.
        let store = std::fs::canonicalize(store).unwrap_or_else(|_| store.clone());
        ["", "-wal", "-shm", "-journal"].iter().any(|suffix| {
            let mut name = store.clone().into_os_string();
            name.push(suffix);
            is_same_file(Path::new(&name), path)
        })
    }
}

/// Whether two paths lead to the same file, or would if there was one.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (identity(one), identity(other)) {
        (Some(one), Some(other)) => one == other,
        _ => match (place(one), place(other)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        },
    }
}

/// A file's folder without links, and its name.
fn place(path: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(path).ok()?.parent()?.canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Elsewhere files have no numbers to tell them by; their paths do.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
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
            StoreSpec::Server(server) => server.fmt(f),
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
        for text in ["opensearch:http://h:9200/items", "elasticsearch:https://h/behind/a/path/my-items.2"] {
            assert_eq!(StoreSpec::parse(text).unwrap().to_string(), text);
        }
        for none in ["elasticsearch:", "elasticsearch:items", "elasticsearch:http://h:9200", "elasticsearch:ftp://h/items"] {
            assert_eq!(StoreSpec::parse(none), Err(StoreSpecError::NoIndex("elasticsearch".into())), "{none}");
        }
        assert_eq!(StoreSpec::parse("opensearch:http://me:word@h/items"), Err(StoreSpecError::SecretInUrl));
        assert_eq!(StoreSpec::parse("opensearch:http://h/Items"), Err(StoreSpecError::Index("Items".into())));
        assert_eq!(StoreSpec::parse("items.db"), Err(StoreSpecError::Unknown("items.db".into())));
    }
}
