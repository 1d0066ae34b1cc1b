//! Which database, and what proves that it may be used.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use model::Secret;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;
use url::{Host, Url};

/// The port of a server whose address names none.
const PORT: u16 = 5432;

/// A database of a server, as `postgres://USER@HOST:PORT/DATABASE` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) database: String,
    /// Whether what is said to the server is encrypted, and the server's certificate checked.
    pub(super) tls: bool,
}

/// What a server may ask for. Never part of a command line or of a message.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The user's password.
    pub password: Option<Secret>,
    /// A PEM file with the certificate of the authority that vouches for the server, beside those known to everybody.
    pub authority: Option<PathBuf>,
}

/// Why a text names no database. Nothing of the text is told: there may be a password in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// A password where everybody who lists processes sees it.
    #[error("there is a password in it: set GOSSAMER_FRONTIER_PASSWORD, or name a file with --frontier-password-file")]
    Password,
    /// A part is missing.
    #[error("expected postgres://USER@HOST:PORT/DATABASE")]
    Form,
    /// Something after the question mark.
    #[error("after the database only ?sslmode=verify-full (the default for other machines) or ?sslmode=disable may stand")]
    Option,
}

impl Address {
    /// Reads an address. Beyond this machine the connection is encrypted and the server's certificate checked, unless the address says
    /// otherwise.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let url = Url::parse(text.trim()).map_err(|_| AddressError::Form)?;
        if url.password().is_some() {
            return Err(AddressError::Password);
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| AddressError::Form);
        let (user, database) = (decoded(url.username())?, decoded(url.path().trim_start_matches('/'))?);
        let host = url.host().ok_or(AddressError::Form)?;
        let is_whole = matches!(url.scheme(), "postgres" | "postgresql") && url.fragment().is_none();
        if !is_whole || user.is_empty() || database.is_empty() || database.contains('/') {
            return Err(AddressError::Form);
        }
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let tls = match url.query() {
            None => !is_here(&host),
            Some("sslmode=verify-full") => true,
            Some("sslmode=disable") => false,
            Some(_) => return Err(AddressError::Option),
        };
        Ok(Address { user, host, port: url.port().unwrap_or(PORT), database, tls })
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// As it was written, so that it can be read again.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { user, host, port, database, tls } = self;
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let (before, after) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "postgres://{}@{before}{host}{after}:{port}/{}", encoded(user), encoded(database))?;
        match (tls, is_here(host)) {
            (true, true) => f.write_str("?sslmode=verify-full"),
            (false, false) => f.write_str("?sslmode=disable"),
            (true, false) | (false, true) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_by_user_host_and_name_and_other_machines_are_spoken_to_over_tls() {
        let read = |text| Address::parse(text).map(|address| (address.to_string(), address.tls));
        assert_eq!(read("postgres://me@db.example/crawls"), Ok(("postgres://me@db.example:5432/crawls".to_owned(), true)));
        assert_eq!(read("postgresql://me@127.0.0.1:5433/c"), Ok(("postgres://me@127.0.0.1:5433/c".to_owned(), false)));
        assert_eq!(read("postgres://me@[::1]:5433/c"), Ok(("postgres://me@[::1]:5433/c".to_owned(), false)));
        assert_eq!(
            read("postgres://me@localhost/c?sslmode=verify-full"),
            Ok(("postgres://me@localhost:5432/c?sslmode=verify-full".to_owned(), true))
        );
        assert_eq!(
            read("postgres://me@10.0.0.7/c?sslmode=disable"),
            Ok(("postgres://me@10.0.0.7:5432/c?sslmode=disable".to_owned(), false))
        );
        for wrong in [
            "db.example/c",
            "postgres://db.example/c",
            "postgres://me@db.example",
            "postgres://me@/c",
            "mysql://me@h/c",
            "postgres://me@h/a/b",
        ] {
            assert_eq!(read(wrong), Err(AddressError::Form), "{wrong}");
        }
        assert_eq!(read("postgres://me@h/c?sslmode=require"), Err(AddressError::Option));
    }

    #[test]
    fn a_password_is_refused_and_told_to_nobody() {
        let refused = Address::parse("postgres://me:secret@h/c").unwrap_err();
        assert_eq!(refused, AddressError::Password);
        assert!(!refused.to_string().contains("secret"));
        let access = Access { password: Some(Secret::new("secret")), authority: None };
        assert!(!format!("{access:?}").contains("secret"));
    }
}
