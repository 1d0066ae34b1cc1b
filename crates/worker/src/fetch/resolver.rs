//! Names to addresses, of which only those are given that may be connected to.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use super::address::Reach;

/// A resolver for one reach. Whoever connects through it connects to nothing else.
pub(crate) struct CheckedResolver {
    pub(crate) reach: Reach,
    pub(crate) denied: Arc<[IpNet]>,
}

/// Why a name gives no address.
#[derive(Debug, Error)]
pub(crate) enum ResolveError {
    /// The name server said so, or did not answer.
    #[error("{name}: {reason}")]
    Unknown { name: String, reason: String },
    /// All its addresses are beyond reach.
    #[error("{name} is {address}, which is not a public address")]
    Forbidden { name: String, address: String },
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, denied) = (self.reach.clone(), Arc::clone(&self.denied));
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0)).await.map(Iterator::collect::<Vec<SocketAddr>>);
            let all = found.map_err(|error| ResolveError::Unknown { name: name.clone(), reason: error.to_string() })?;
            let Some(first) = all.first().map(|address| address.ip().to_string()) else {
                return Err(ResolveError::Unknown { name, reason: "no addresses".to_owned() }.into());
            };
            let admitted: Vec<SocketAddr> = all.into_iter().filter(|address| reach.admits(address.ip(), &denied)).collect();
            if admitted.is_empty() {
                return Err(ResolveError::Forbidden { name, address: first }.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}
