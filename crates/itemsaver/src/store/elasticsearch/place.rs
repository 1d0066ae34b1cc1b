//! Which index of which server, and what proves that it may be used.

use std::fmt;
use std::path::PathBuf;

use crate::store::StoreSpecError;

/// An index of a search server, as `elasticsearch:https://search.example:9200/items` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// What serves it.
    pub product: Product,
    /// Where: scheme, host, port, and a path if it is behind one; without the index and a slash at the end.
    pub url: String,
    /// The alias under which the items are found.
    pub index: String,
    /// How to get in.
    pub access: Access,
}

/// Servers that speak the same language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Elasticsearch 8 and 9.
    Elasticsearch,
    /// OpenSearch 2.
    Opensearch,
}

/// What a server may ask for. Never part of a command line or of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who is calling.
    pub credentials: Option<StoreCredentials>,
    /// A PEM file with the certificate of the authority that vouches for the server, beside those the system knows.
    pub authority: Option<PathBuf>,
}

/// A secret, by kind. Its text shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreCredentials {
    /// User and password.
    Basic(String, String),
    /// An API key as the server printed it: base64 of `id:key`.
    ApiKey(String),
}

impl fmt::Debug for StoreCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreCredentials::Basic(..) => "Basic(…)",
            StoreCredentials::ApiKey(_) => "ApiKey(…)",
        })
    }
}

impl Product {
    /// The kind of store that a specification begins with.
    pub fn word(self) -> &'static str {
        match self {
            Product::Elasticsearch => "elasticsearch",
            Product::Opensearch => "opensearch",
        }
    }
}

impl ServerSpec {
    /// Reads what follows `elasticsearch:`.
    pub(in crate::store) fn parse(product: Product, place: &str) -> Result<ServerSpec, StoreSpecError> {
        let kind = product.word();
        let no_place = || StoreSpecError::NoIndex(kind.to_owned());
        let (url, index) = place.trim_end_matches('/').rsplit_once('/').ok_or_else(no_place)?;
        let read = model::CrawlUrl::parse(url).map_err(|_| no_place())?.to_url();
        if !read.username().is_empty() || read.password().is_some() || url.contains('@') {
            return Err(StoreSpecError::SecretInUrl);
        }
        if read.query().is_some() || read.fragment().is_some() || read.host_str().is_none() {
            return Err(no_place());
        }
        check_index(index)?;
        Ok(ServerSpec { product, url: url.trim_end_matches('/').to_owned(), index: index.to_owned(), access: Access::default() })
    }
}

/// What both servers allow, less what would need escaping in a path.
fn check_index(index: &str) -> Result<(), StoreSpecError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let begins_well = index.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if begins_well && index.len() <= 200 && index.chars().all(allowed) { Ok(()) } else { Err(StoreSpecError::Index(index.to_owned())) }
}

impl fmt::Display for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.product.word(), self.url, self.index)
    }
}
