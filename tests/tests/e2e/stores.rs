//! Crawls into real search servers: every item is there once, also when the server dies in the middle.

use services::{Node, Server as SearchServer};
use tests::ask::{assert_sound, rejected_items, told};
use tests::crawl::Crawl;
use tests::exact::{assert_complete, assert_fetched, assert_fetched_once, assert_stored};
use tests::mapping;
use tests::program::Program;
use tests::report::Items;
use tests::server::Server;
use tests::site::PracticeSite;
use tests::store::{self, StoredItem};

/// A store in an index that no other test has.
fn index_on(server: SearchServer, url: &str, name: &str) -> String {
    format!("{}:{url}/e2e-{name}-{}", server.word(), std::process::id())
}

fn itemsaver(store: &str) -> Server {
    Server::of(Program::new("itemsaver").args(["--store", store]))
}

fn exported(store: &str) -> Vec<StoredItem> {
    let export = Program::new("itemsaver").args(["export", "--store", store]).run();
    assert_eq!(export.code, Some(0), "{}", export.stderr);
    store::of_lines(&export.stdout)
}

#[test]
fn a_crawl_over_three_processes_stores_every_item_once_on_each_server() {
    for server in [SearchServer::Elasticsearch, SearchServer::Opensearch] {
        let (site, worker) = (PracticeSite::small(), Server::worker());
        let store = index_on(server, services::shared(server), "crawl");
        let saver = itemsaver(&store);
        let finished = Crawl::of_people(&site.people_seed()).workers([&worker]).itemsaver(&saver).run();
        assert_complete(&finished, &site.people());
        assert_fetched_once(&site, &site.people());
        assert_stored(&exported(&store), &site.people());
    }
}

#[test]
fn a_search_server_that_is_killed_and_started_again_costs_no_item_and_doubles_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(SearchServer::Elasticsearch, folder.path());
    let site = PracticeSite::serve(mockserver::SiteConfig { cars: 0, ..mockserver::SiteConfig::practice() });
    let (worker, store) = (Server::worker(), index_on(SearchServer::Elasticsearch, node.url(), "killed"));
    let saver = itemsaver(&store);
    site.hold_after(300);
    let crawl = Crawl::of_people(&site.people_seed()).workers([&worker]).itemsaver(&saver).start();
    site.await_held(1);
    node.kill();
    site.release();
    crawl.process.line("pages wait for the itemsaver");
    node.start_again();
    let finished = crawl.finish();
    assert_complete(&finished, &site.people());
    assert_fetched(&site, &site.people());
    assert_stored(&exported(&store), &site.people());
}

#[test]
fn items_that_break_the_mapping_are_rejected_alone_listed_with_the_servers_reason_and_stored_once_it_is_mended() {
    for server in [SearchServer::Elasticsearch, SearchServer::Opensearch] {
        let folder = tempfile::tempdir().unwrap();
        let (state, url) = (folder.path().join("state"), services::shared(server));
        let (site, worker, store) = (PracticeSite::small(), Server::worker(), index_on(server, url, "mapping"));
        let crawl = |saver: &Server| {
            let spider = mapping::spider(folder.path(), "7");
            Crawl::in_state(&state).arg("--spider").arg(spider).arg(site.people_seed()).workers([&worker]).itemsaver(saver)
        };
        let saver = itemsaver(&store);
        let (_, index) = store.split_once(':').unwrap();
        mapping::break_with_text(index);
        let finished = crawl(&saver).run();
        let (fitting, broken) = mapping::split(&site.people(), "7");
        let (saved, rejected) = (fitting.len() as u64, broken.len() as u64);
        assert!(rejected > 0, "some people of the site have such a number");
        assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
        assert_eq!(finished.report.items, Items { parsed: saved + rejected, saved, rejected, collided: 0 });
        mapping::assert_stored(exported(&store), fitting, "7");
        assert_eq!(rejected_items(&state, mapping::REASON), broken.into_iter().map(|item| item.id).collect());
        assert_sound(&state);

        saver.process().terminate();
        assert_eq!(saver.process().exit().code, Some(0));
        let moved = Program::new("itemsaver").args(["reindex", "--store", &store]).run();
        assert_eq!(moved.code, Some(0), "{}", moved.stderr);
        let requeued = told(&state, ["requeue", "--reason", mapping::REASON]);
        assert!(requeued.starts_with(&format!("queued again: 0 URLs, {rejected} items")), "{requeued}");
        let finished = crawl(&itemsaver(&store)).run();
        assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
        assert_eq!(finished.report.items, Items { parsed: saved + rejected, saved: saved + rejected, rejected: 0, collided: 0 });
        assert_fetched_once(&site, &site.people());
        mapping::assert_stored(exported(&store), site.people().items, "7");
        assert_sound(&state);
    }
}
