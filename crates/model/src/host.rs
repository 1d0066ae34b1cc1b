//! Hosts and origins: what politeness and robots rules belong to.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A host name as it stands in a canonical URL: lower case, ASCII, without port. The unit of politeness.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct HostName(Arc<str>);

/// Scheme, host and port as in `https://example.org:8443`. What robots rules, and trouble with a server, belong to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Origin(Arc<str>);

impl HostName {
    pub(crate) fn from_canonical(host: &str) -> HostName {
        HostName(host.into())
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this names the machine itself: `localhost`, a name under it, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let name = self.0.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.ends_with(".localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl Origin {
    pub(crate) fn from_canonical(origin: &str) -> Origin {
        Origin(origin.into())
    }

    /// The host name in it.
    pub fn host(&self) -> HostName {
        let authority = self.0.split_once("://").map_or(&*self.0, |(_, authority)| authority);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => authority,
        };
        HostName::from_canonical(host)
    }

    /// The origin's text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_traits {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                $name(text.into())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

text_traits!(HostName);
text_traits!(Origin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_origin_has_no_port() {
        for (origin, host) in [("http://a.b", "a.b"), ("https://a.b:8443", "a.b"), ("http://[::1]", "[::1]"), ("http://[::1]:81", "[::1]")]
        {
            assert_eq!(Origin::from_canonical(origin).host().as_str(), host);
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for (host, expected) in [
            ("localhost", true),
            ("site.localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("example.org", false),
            ("10.0.0.1", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(HostName::from_canonical(host).is_loopback(), expected, "{host}");
        }
    }
}
