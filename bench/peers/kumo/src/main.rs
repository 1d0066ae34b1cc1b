//! Crawls a site with kumo: `peer-kumo START OUTPUT`.

use std::collections::HashSet;
use std::env;
use std::sync::LazyLock;

use anyhow::Context;
use kumo::prelude::*;
use page::{Page, link};
use scraper::{Html, Selector};
use url::Url;

const IN_FLIGHT: usize = 100;

static BASE: LazyLock<Selector> = LazyLock::new(|| selector("base[href]"));
static LINKS: LazyLock<Selector> = LazyLock::new(|| selector("a[href], area[href]"));
static TITLE: LazyLock<Selector> = LazyLock::new(|| selector("title"));

fn selector(css: &str) -> Selector {
    Selector::parse(css).expect("the selector is valid")
}

struct Site {
    start: Url,
    host: String,
}

#[async_trait::async_trait]
impl Spider for Site {
    type Item = Page;

    fn name(&self) -> &str {
        "site"
    }

    fn start_urls(&self) -> Vec<String> {
        vec![self.start.to_string()]
    }

    fn allowed_domains(&self) -> Vec<&str> {
        vec![&self.host]
    }

    async fn parse(&self, response: &Response) -> Result<Output<Page>, KumoError> {
        let html = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let (200, true, Some(text), Ok(url)) = (response.status(), html, response.text(), Url::parse(response.url())) else {
            return Ok(Output::new());
        };
        // `Response::css` would parse the page anew for each selector, and each element once more for an attribute of it. This is the
        // same library, asked once.
        let document = Html::parse_document(text);
        let base = document.select(&BASE).next().and_then(|base| url.join(base.attr("href")?).ok()).unwrap_or_else(|| url.clone());
        let title = document.select(&TITLE).next().map(|title| title.text().collect::<String>()).unwrap_or_default();
        let (mut links, mut here) = (0, HashSet::new());
        for link in document.select(&LINKS).filter_map(|element| link(&base, element.attr("href")?)) {
            links += 1;
            if link.origin() == self.start.origin() {
                here.insert(String::from(link));
            }
        }
        let page = Page::parsed(response.url(), &title, links, response.bytes().len());
        Ok(Output::new().item(page).follow_many(here.into_iter().collect()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let start = Url::parse(&arguments.next().context("no start page")?)?;
    let output = arguments.next().context("no output")?;
    let host = start.host_str().context("no host")?.to_owned();
    CrawlEngine::builder()
        .concurrency(IN_FLIGHT)
        .politeness(PolitenessPolicy::new().per_domain_concurrency(IN_FLIGHT))
        .respect_robots_txt(false)
        .store(JsonlStore::new(output)?)
        .run(Site { start, host })
        .await?;
    Ok(())
}
