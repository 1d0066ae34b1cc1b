//! Sitemaps, from the practice site.

use mockserver::SiteConfig;
use model::parser::SITEMAP_PARSER;
use model::{Job, Page, ParserRef, Verdict};
use worker::{Config, Registry, Worker};

use crate::site::{Served, job, serve};

fn at(served: &Served, path: &str) -> Job {
    let mut parser = ParserRef::named(SITEMAP_PARSER);
    parser.args.insert("parser".into(), "NilParser".into());
    job(&format!("{}{path}", served.base()), parser, None)
}

async fn page(served: &Served, path: &str) -> Page {
    let worker = Worker::new(&Config::standard(), Registry::builtin()).unwrap();
    match worker.process(at(served, path)).await.verdict {
        Verdict::Page(page) => page,
        other => panic!("{path}: {other:?}"),
    }
}

fn paths(page: &Page) -> Vec<&str> {
    page.links.iter().map(|link| link.url.path_and_query().trim_start_matches("/misbehave/")).collect()
}

#[tokio::test]
async fn a_sitemap_is_read_in_whatever_form_it_comes() {
    let served = serve(SiteConfig::practice()).await;
    for (kind, expected) in [
        ("plain", vec!["odd-target/one", "odd-target/two?a=1&b=2", "odd-target/three"]),
        ("file.xml.gz", vec!["odd-target/one", "odd-target/two?a=1&b=2", "odd-target/three"]),
        ("coded", vec!["odd-target/one", "odd-target/two?a=1&b=2", "odd-target/three"]),
        ("as-html", vec!["odd-target/one", "odd-target/two?a=1&b=2", "odd-target/three"]),
        ("untyped", vec!["odd-target/one", "odd-target/two?a=1&b=2", "odd-target/three"]),
        ("text", vec!["odd-target/one", "odd-target/two"]),
        ("rss", vec!["odd-target/one", "odd-target/two"]),
        ("atom", vec!["odd-target/one", "odd-target/two"]),
        ("alternates", vec!["odd-target/en", "odd-target/de"]),
        ("broken", vec!["odd-target/one", "odd-target/two"]),
        ("index", vec!["sitemap/plain", "sitemap/text", "sitemap/index"]),
        ("bomb.xml.gz", vec!["odd-target/one"]),
    ] {
        let page = page(&served, &format!("/misbehave/sitemap/{kind}")).await;
        assert_eq!(paths(&page), expected, "{kind}");
        let parser = if kind == "index" { SITEMAP_PARSER } else { "NilParser" };
        assert!(page.links.iter().all(|link| link.parser.name == parser), "{kind}");
    }
}

#[tokio::test]
async fn a_sitemap_of_fifty_thousand_pages_gives_them_all() {
    let served = serve(SiteConfig::practice()).await;
    let all = page(&served, "/misbehave/sitemap/many?n=50000").await;
    assert_eq!((all.links.len(), all.cut.links), (50_000, 0));
    let more = page(&served, "/misbehave/sitemap/many?n=50010").await;
    assert_eq!((more.links.len(), more.cut.links), (50_000, 10));
}

#[tokio::test]
async fn what_is_no_sitemap_is_a_page_without_links() {
    let served = serve(SiteConfig::practice()).await;
    for path in ["/misbehave/gzip", "/misbehave/binary", "/misbehave/pdf"] {
        let page = page(&served, path).await;
        assert!(page.links.is_empty() && page.cut.malformed > 0, "{path}: {:?}", page.cut);
    }
}

#[tokio::test]
async fn the_sites_own_sitemaps_lead_to_every_page_of_its_truth() {
    let served = serve(SiteConfig::practice()).await;
    let mut found = Vec::new();
    for sitemap in page(&served, "/sitemap.xml").await.links {
        found.extend(page(&served, sitemap.url.path_and_query()).await.links);
    }
    let mut urls: Vec<&str> = found.iter().map(|link| link.url.as_str()).collect();
    urls.sort_unstable();
    let truth = served.site.truth(&served.base());
    let mut expected = truth.pages();
    expected.sort_unstable();
    assert_eq!(urls, expected);
    let profiles = found.iter().filter(|link| link.priority == 3 && link.modified_ms == Some(1_767_312_000_000)).count();
    assert_eq!(profiles, truth.people.as_ref().unwrap().items.len());
}
