//! Names to addresses, of which only those are given that may be connected to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;

use super::address::Reach;

/// Where names lead.
pub(crate) trait Names: Send + Sync {
    /// The addresses of a name, with any port.
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// What the operating system says.
pub(crate) struct SystemNames;

impl Names for SystemNames {
    fn addresses(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) }.boxed()
    }
}

/// A resolver for one reach. Whoever connects through it connects to nothing else.
pub(crate) struct CheckedResolver {
    pub(crate) names: Arc<dyn Names>,
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
        let (reach, denied, names) = (self.reach.clone(), Arc::clone(&self.denied), Arc::clone(&self.names));
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let all = names
                .addresses(name.clone())
                .await
                .map_err(|error| ResolveError::Unknown { name: name.clone(), reason: error.to_string() })?;
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
