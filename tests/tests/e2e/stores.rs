//! Crawls into real search servers: every item is there once, also when the server dies in the middle.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use services::{Node, Server as SearchServer};
use tests::ask::{assert_sound, told};
use tests::crawl::Crawl;
use tests::exact::{assert_complete, assert_fetched, assert_fetched_once, assert_stored};
use tests::http;
use tests::program::{Program, workspace};
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

/// A spider of people whose `Tag` is digits, but for people whose number ends in 7, for whom it is a path.
fn spider_with_tags(folder: &Path) -> PathBuf {
    let people = std::fs::read_to_string(workspace().join("spiders/zhenai.toml")).unwrap();
    let file = folder.join("tags.toml");
    std::fs::write(&file, format!("{people}Tag = {{ url = '(u/[0-9]*7|[0-9]+)$' }}\n")).unwrap();
    file
}

#[test]
fn items_that_break_the_mapping_are_rejected_alone_listed_with_the_servers_reason_and_stored_once_it_is_mended() {
    for server in [SearchServer::Elasticsearch, SearchServer::Opensearch] {
        let folder = tempfile::tempdir().unwrap();
        let (state, url) = (folder.path().join("state"), services::shared(server));
        let (site, worker, store) = (PracticeSite::small(), Server::worker(), index_on(server, url, "mapping"));
        let (_, index) = store.rsplit_once('/').unwrap();
        let crawl = |saver: &Server| {
            let spider = spider_with_tags(folder.path());
            Crawl::in_state(&state).arg("--spider").arg(spider).arg(site.people_seed()).workers([&worker]).itemsaver(saver)
        };
        let saver = itemsaver(&store);
        // What an operator may do who wants to sort by it.
        let number = r#"{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256},"number":{"type":"long"}}}"#;
        let mapping = format!(r#"{{"properties":{{"payload":{{"properties":{{"Tag":{number}}}}}}}}}"#);
        http::put(&format!("{url}/{index}/_mapping"), &mapping);
        let finished = crawl(&saver).run();
        let (people, rejected): (Vec<_>, Vec<_>) = site.people().items.into_iter().partition(|item| !item.id.ends_with('7'));
        let (of_all, few) = ((people.len() + rejected.len()) as u64, rejected.len() as u64);
        assert!(few > 0, "some people of the site have such a number");
        assert_eq!(finished.exit.code, Some(1), "{}", finished.exit.stderr);
        assert_eq!(finished.report.items, Items { parsed: of_all, saved: of_all - few, rejected: few, collided: 0 });
        let ids = |items: &[StoredItem]| items.iter().map(|item| item.id.clone()).collect::<BTreeSet<_>>();
        let ids_of = |items: &[mockserver::Item]| items.iter().map(|item| item.id.clone()).collect::<BTreeSet<_>>();
        assert_eq!(ids(&exported(&store)), ids_of(&people));
        let dead = told(&state, ["dead", "--json", "--limit", "1000"]);
        let dead: Vec<serde_json::Value> = dead.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let reason = "failed to parse field [payload.Tag.number] of type [long]";
        assert!(dead.iter().all(|letter| letter["reason"] == reason), "{dead:?}");
        assert_eq!(dead.iter().map(|letter| letter["item"]["id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), ids_of(&rejected));
        assert_sound(&state);

        saver.process().terminate();
        assert_eq!(saver.process().exit().code, Some(0));
        let moved = Program::new("itemsaver").args(["reindex", "--store", &store]).run();
        assert_eq!(moved.code, Some(0), "{}", moved.stderr);
        let requeued = told(&state, ["requeue", "--reason", reason]);
        assert!(requeued.starts_with(&format!("queued again: 0 URLs, {few} items")), "{requeued}");
        let saver = itemsaver(&store);
        let finished = crawl(&saver).run();
        assert_eq!(finished.exit.code, Some(0), "{}", finished.exit.stderr);
        assert_eq!(finished.report.items, Items { parsed: of_all, saved: of_all, rejected: 0, collided: 0 });
        assert_fetched_once(&site, &site.people());
        assert_eq!(exported(&store).len() as u64, of_all);
        assert_eq!(ids(&exported(&store)), ids_of(&site.people().items));
        assert_sound(&state);
    }
}
