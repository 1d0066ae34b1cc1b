//! Where a server listens: loopback, unless the operator says otherwise.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use thiserror::Error;
use tokio::net::TcpListener;

/// Why a server cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Neither a port nor an address, or port 0.
    #[error("must specify a port (--port 9000, or --listen ADDRESS:PORT)")]
    NoPort,
    /// Both were given.
    #[error("--port and --listen are two ways to say one thing: give one of them")]
    Both,
    /// `--listen` with something else than an IP address and a port.
    #[error("{0:?} is no address to listen on: expected IP:PORT such as 127.0.0.1:9000 or [::1]:9000")]
    NotAnAddress(String),
    /// An address that other machines reach, without the word of the operator.
    #[error(
        "{0} can be reached from other machines and nothing on this wire is encrypted or authenticated: \
         add --insecure-plaintext if the network is yours alone, or listen on 127.0.0.1"
    )]
    BeyondLoopback(SocketAddr),
    /// The operating system refused.
    #[error("cannot bind {address}: {}", reason(.source))]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Its reason.
        source: std::io::Error,
    },
}

/// The address meant by `--port`, `--listen` and `--insecure-plaintext`. `--port` is a port of 127.0.0.1 and not 0; `--listen` may
/// name port 0, which lets the system choose one.
///
/// # Errors
/// Every [`ListenError`] but [`ListenError::Bind`].
pub fn listen_address(port: Option<u16>, listen: Option<&str>, insecure_plaintext: bool) -> Result<SocketAddr, ListenError> {
    let address = match (port, listen) {
        (Some(_), Some(_)) => return Err(ListenError::Both),
        (None | Some(0), None) => return Err(ListenError::NoPort),
        (Some(port), None) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        (None, Some(text)) => text.parse().map_err(|_| ListenError::NotAnAddress(text.to_owned()))?,
    };
    if address.ip().is_loopback() || insecure_plaintext { Ok(address) } else { Err(ListenError::BeyondLoopback(address)) }
}

/// Listens.
///
/// # Errors
/// [`ListenError::Bind`], as when another process has the port.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "address in use (is another process of this crawl running there?)".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need privileges)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_loopback_unless_said_otherwise() {
        let ok = |port, listen, insecure| listen_address(port, listen, insecure).unwrap().to_string();
        assert_eq!(ok(Some(9000), None, false), "127.0.0.1:9000");
        assert_eq!(ok(None, Some("127.0.0.1:0"), false), "127.0.0.1:0");
        assert_eq!(ok(None, Some("[::1]:9000"), false), "[::1]:9000");
        assert_eq!(ok(None, Some("0.0.0.0:9000"), true), "0.0.0.0:9000");
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let err = |port, listen| listen_address(port, listen, false).unwrap_err().to_string();
        assert!(err(None, None).starts_with("must specify a port"));
        assert!(err(Some(0), None).starts_with("must specify a port"));
        assert!(err(Some(1), Some("127.0.0.1:1")).contains("one of them"));
        assert!(err(None, Some("localhost")).contains("IP:PORT"));
        assert!(err(None, Some("0.0.0.0:9000")).contains("--insecure-plaintext"));
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot bind {address}: address in use")), "{error}");
    }
}
