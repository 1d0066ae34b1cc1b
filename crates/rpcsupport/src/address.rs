//! The address of a peer as a person writes it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// `HOST:PORT`, where no host means this machine: `:9000`, `worker-3:9000`, `10.0.0.7:9000`, `[::1]:9000`.
///
/// A name may stand for several addresses; they are tried in turn when it is dialled, and looked up anew each time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddress {
    host: String,
    port: u16,
}

/// A text that is no peer address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is no HOST:PORT: {problem}")]
pub struct PeerAddressError {
    text: String,
    problem: &'static str,
}

impl PeerAddress {
    /// The host to look up, without brackets; this machine is `127.0.0.1`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the address is certainly on this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<PeerAddress, PeerAddressError> {
        let error = |problem| PeerAddressError { text: text.to_owned(), problem };
        if text.contains("://") || text.contains('/') {
            return Err(error("leave the scheme and slashes out, as in worker-3:9000"));
        }
        let Some((host, port)) = text.rsplit_once(':') else { return Err(error("the port is missing, as in :9000 or worker-3:9000")) };
        let port = port.parse().map_err(|_| error("the port is not a number from 1 to 65535"))?;
        if port == 0 {
            return Err(error("port 0 cannot be dialled"));
        }
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner,
            None if host.contains(':') => return Err(error("write an IPv6 address in brackets, as in [::1]:9000")),
            None => host,
        };
        if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(error("a host has no spaces"));
        }
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        Ok(PeerAddress { host: host.to_owned(), port })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_host_is_this_machine() {
        for (text, shown, loopback) in [
            (":9000", "127.0.0.1:9000", true),
            ("localhost:9000", "localhost:9000", true),
            ("worker-3:9000", "worker-3:9000", false),
            ("10.0.0.7:1", "10.0.0.7:1", false),
            ("[::1]:9000", "[::1]:9000", true),
        ] {
            let address: PeerAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.is_loopback()), (shown, loopback));
        }
    }

    #[test]
    fn each_mistake_is_told() {
        for (text, problem) in [
            ("9000", "port is missing"),
            ("worker", "port is missing"),
            (":0", "port 0"),
            (":x", "not a number"),
            (":65536", "not a number"),
            ("::1:9000", "brackets"),
            ("http://a:1", "scheme"),
            ("a b:1", "spaces"),
        ] {
            let error = text.parse::<PeerAddress>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
