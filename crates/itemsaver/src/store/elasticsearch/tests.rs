use std::time::Duration;

use services::Server;

use super::*;
use crate::store::conformance::{Place, all, batch, conformance, item, page, save};
use gate::{Gate, Verdict};

mod access;
mod gate;
mod history;
mod moving;
mod trouble;

/// An index of its own on the node that all tests share.
struct Fresh(ServerSpec);

/// A name that no other test has.
fn fresh_index() -> String {
    static INDICES: AtomicUsize = AtomicUsize::new(0);
    format!("t-{}-{}", std::process::id(), INDICES.fetch_add(1, Ordering::Relaxed))
}

fn product(server: Server) -> Product {
    match server {
        Server::Elasticsearch => Product::Elasticsearch,
        Server::Opensearch => Product::Opensearch,
    }
}

impl Fresh {
    fn on(server: Server) -> Fresh {
        Fresh::at(server, services::shared(server))
    }

    fn at(server: Server, url: &str) -> Fresh {
        Fresh(ServerSpec { product: product(server), url: url.to_owned(), index: fresh_index(), access: Access::default() })
    }
}

impl Place for Fresh {
    type Store = ElasticsearchStore;

    /// Every step is half a dozen requests.
    const CASES: u32 = 8;

    async fn open(&self) -> ElasticsearchStore {
        ElasticsearchStore::open(&self.0).await.unwrap()
    }

    async fn open_with_history(&self) -> ElasticsearchStore {
        ElasticsearchStore::open_with_history(&self.0).await.unwrap()
    }
}

mod on_elasticsearch {
    super::conformance!(super::Fresh::on(services::Server::Elasticsearch));
}

mod on_opensearch {
    super::conformance!(super::Fresh::on(services::Server::Opensearch));
}

/// Both servers, for what is not conformance.
const SERVERS: [Server; 2] = [Server::Elasticsearch, Server::Opensearch];

/// Impatient, so that a test need not be patient.
const HASTY: Limits =
    Limits { write_patience: Duration::from_millis(500), read_patience: Duration::from_millis(200), bulk_documents: 1000 };

/// Identities and payloads of everything.
async fn contents(store: &ElasticsearchStore) -> Vec<String> {
    let items = all(store, &ItemFilter::default()).await;
    items.iter().map(|stored| format!("{}/{} {:?}", stored.item.item_type, stored.item.id, stored.item.payload)).collect()
}
