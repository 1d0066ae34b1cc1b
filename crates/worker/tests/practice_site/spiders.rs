//! The spider files of this project, against what the practice site knows of itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::site::{Served, serve};
use mockserver::SiteConfig;
use model::parser::SpiderFile;
use model::{Item, Job, Outcome, Page, ParserRef, SpiderHash, Verdict};
use worker::{Config, Registry, Worker};

struct Crawler {
    served: Served,
    worker: Worker,
    hash: SpiderHash,
    start: String,
}

impl Crawler {
    async fn new(spider: &str, config: SiteConfig) -> Crawler {
        let path = format!("{}/../../spiders/{spider}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let known = Registry::builtin();
        let parsed = spider::Spider::parse(&text, &known.names()).unwrap();
        assert_eq!(parsed.warnings, []);
        let worker = Worker::new(&Config::standard(), known).unwrap();
        worker.put_spider(SpiderFile { hash: parsed.hash.clone(), text }).await.unwrap();
        Crawler { served: serve(config).await, worker, hash: parsed.hash, start: parsed.start.name }
    }

    fn job(&self, path: &str, parser: &str) -> Job {
        self.served.job(path, parser, Some(&self.hash))
    }

    async fn page(&self, path: &str, parser: &str) -> Page {
        page(self.worker.process(self.job(path, parser)).await)
    }

    /// Follows everything from a seed to the end; the pages that were fetched, and the items by id.
    async fn crawl(&self, seed: &str) -> (BTreeSet<String>, BTreeMap<String, Item>) {
        let mut waiting = VecDeque::from([self.job(seed, &self.start)]);
        let mut seen = BTreeSet::from([waiting[0].url.to_string()]);
        let mut items = BTreeMap::new();
        while let Some(job) = waiting.pop_front() {
            let page = page(self.worker.process(job).await);
            assert!(page.cut.is_nothing());
            for link in page.links {
                if seen.insert(link.url.to_string()) {
                    let mut job = self.job(link.url.as_str(), "");
                    job.parser = ParserRef::clone(&link.parser);
                    waiting.push_back(job);
                }
            }
            for item in page.items {
                assert!(items.insert(item.id.to_string(), item).is_none());
            }
        }
        (seen, items)
    }
}

fn page(outcome: Outcome) -> Page {
    match outcome.verdict {
        Verdict::Page(page) => page,
        other => panic!("{other:?}"),
    }
}

fn small() -> SiteConfig {
    SiteConfig { cities: 3, pages: Some(3), cars: 45, ..SiteConfig::practice() }
}

#[tokio::test]
async fn zhenai_finds_every_person_with_all_13_fields_and_every_page() {
    let crawler = Crawler::new("zhenai", small()).await;
    let truth = crawler.served.site.truth(&crawler.served.base()).people.unwrap();
    let (pages, items) = crawler.crawl(&truth.seed).await;
    assert_eq!(pages, truth.pages.iter().cloned().collect());
    check(&truth.items, &items);
}

#[tokio::test]
async fn xcar_finds_every_car_with_all_10_fields_and_every_page() {
    let crawler = Crawler::new("xcar", small()).await;
    let truth = crawler.served.site.truth(&crawler.served.base()).cars;
    let (pages, items) = crawler.crawl(&truth.seed).await;
    assert_eq!(pages, truth.pages.iter().cloned().collect());
    check(&truth.items, &items);
}

fn check(truth: &[mockserver::Item], items: &BTreeMap<String, Item>) {
    assert_eq!(items.len(), truth.len());
    for expected in truth {
        let item = &items[&expected.id];
        assert_eq!((item.url.as_str(), item.item_type.as_str()), (expected.url.as_str(), expected.item_type.as_str()));
        assert_eq!(item.payload.as_str(), serde_json::to_string(&expected.payload).unwrap());
    }
}

#[tokio::test]
async fn the_example_finds_every_person_on_the_city_pages() {
    let crawler = Crawler::new("example", small()).await;
    let truth = crawler.served.site.truth(&crawler.served.base()).people.unwrap();
    let (pages, items) = crawler.crawl(&truth.seed).await;
    assert_eq!((pages.len(), items.len()), (10, 180));
    for expected in &truth.items {
        let mockserver::Payload::Profile(profile) = &expected.payload else { panic!("a person") };
        let payload = serde_json::json!({ "name": profile.name, "age": profile.age });
        assert_eq!(serde_json::from_str::<serde_json::Value>(items[&expected.id].payload.as_str()).unwrap(), payload);
    }
}

#[tokio::test]
async fn the_course_counts_hold_470_cities_23_requests_on_page_one_and_24_later_profiles_first() {
    let crawler = Crawler::new("zhenai", SiteConfig::endless()).await;
    let cities = crawler.page("/mock/www.zhenai.com/zhenghun", "city-list").await;
    assert_eq!(cities.links.len(), 470);
    let city = cities.links[7].url.to_string();
    for (path, expected) in [(city.clone(), 23), (format!("{city}/2"), 24)] {
        let links = crawler.page(&path, "city").await.links;
        assert_eq!(links.len(), expected);
        assert!(links[..20].iter().all(|link| link.parser.name == "profile" && !link.parser.args["name"].is_empty()));
        assert!(links[20..].iter().all(|link| link.parser.name == "city"));
    }
}
