//! What reading a page by a spider file costs: `cargo bench -p worker --bench spiders`.
//!
//! Reads the pages of the practice site with the project's spider files, each kind of page with the parser meant for it; and then the pages of
//! all kinds with a spider file that has only the plainest selectors, which could be answered while a page is read, with one that has regular
//! expressions alone, which needs no tree, and with the parser `page`. Prints a table: microseconds a page and megabytes of HTML per second of
//! this thread's processor time, beside the pages, links and items. Of rounds that take turns the median counts. The site answers before
//! anything is measured.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod clock;

use std::future::pending;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::cpu_time;
use http::HeaderMap;
use mockserver::{Site, SiteConfig};
use model::parser::PAGE_PARSER;
use model::{Args, CrawlUrl};
use spider::Spider;
use tokio::net::TcpListener;
use worker::parse::SpiderParser;
use worker::{FetchedPage, Parse, Registry};

/// Rounds, of which the median counts.
const ROUNDS: usize = 5;

/// Parsers of the project's spider files; each reads the pages of its own name.
const PARSERS: [(&str, &str); 7] = [
    ("zhenai", "city-list"),
    ("zhenai", "city"),
    ("zhenai", "profile"),
    ("example", "city"),
    ("xcar", "car-list"),
    ("xcar", "model"),
    ("xcar", "car"),
];

/// Selectors that need nothing but the tag they match: a name, a class, an attribute.
const PLAIN: &str = r#"
name = "plain"
[parsers.any]
links = [{ css = "a[href]", parser = "any" }]
[[parsers.any.items]]
type = "any"
fields.title = "title"
fields.heading = "h1"
fields.lang = { css = "html", attr = "lang" }
"#;

/// The same by regular expressions on the HTML.
const EXPRESSIONS: &str = r#"
name = "expressions"
[parsers.any]
links = [{ regex = '<a [^>]*href="([^"]*)"', parser = "any" }]
[[parsers.any.items]]
type = "any"
fields.title = { regex = '<title>([^<]*)' }
fields.heading = { regex = '<h1[^>]*>([^<]*)' }
fields.lang = { regex = '<html[^>]* lang="([^"]*)"' }
"#;

/// A page as it was served.
struct Page {
    url: CrawlUrl,
    text: String,
}

impl Page {
    /// The parser that it is meant for.
    fn kind(&self) -> &'static str {
        let path = self.url.path_and_query();
        let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match path.split_once("/zhenghun") {
            Some((_, "")) => "city-list",
            Some(_) => "city",
            None if path.contains("/u/") => "profile",
            None if is_number(last) => "model",
            None if last.strip_prefix('m').is_some_and(is_number) => "car",
            None => "car-list",
        }
    }
}

/// A parser with the pages it reads, and what each round found.
struct Reading<'p> {
    name: String,
    parser: Arc<dyn Parse>,
    args: Args,
    pages: Vec<&'p Page>,
    links: usize,
    items: usize,
    rounds: Vec<Duration>,
}

impl<'p> Reading<'p> {
    fn new(name: String, parser: Arc<dyn Parse>, pages: Vec<&'p Page>) -> Reading<'p> {
        Reading { name, parser, args: Args::new(), pages, links: 0, items: 0, rounds: Vec::new() }
    }

    /// A parser of one of the project's spider files.
    fn of_project((spider, parser): (&str, &str), pages: &'p [Page]) -> Reading<'p> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spiders").join(spider).with_extension("toml");
        let text = std::fs::read_to_string(file).expect("the project has this spider file");
        let pages = pages.iter().filter(|page| page.kind() == parser).collect();
        let mut reading = Reading::new(format!("{spider}.toml, {parser}"), compiled(&text, parser), pages);
        if parser == "profile" {
            // What the page that linked to a profile knew.
            reading.args.insert("name".to_owned(), "name".to_owned());
        }
        reading
    }

    fn measure(&mut self) {
        let headers = HeaderMap::new();
        (self.links, self.items) = (0, 0);
        let begun = cpu_time();
        for Page { url, text } in &self.pages {
            let fetched = FetchedPage::new(url, 200, &headers, text.as_bytes(), text);
            let found = self.parser.parse(&fetched, &self.args).expect("a page that can be read").into_page();
            self.links += found.links.len();
            self.items += found.items.len();
        }
        self.rounds.push(cpu_time() - begun);
    }

    fn print(&mut self) {
        let Reading { name, pages, links, items, rounds, .. } = self;
        rounds.sort_unstable();
        let (seconds, count) = (rounds[ROUNDS / 2].as_secs_f64(), pages.len());
        let bytes: usize = pages.iter().map(|page| page.text.len()).sum();
        let (kilobytes, micros) = (bytes as f64 / 1e3 / count as f64, seconds * 1e6 / count as f64);
        println!("| {name} | {count} | {kilobytes:.1} | {micros:.1} | {:.0} | {links} | {items} |", bytes as f64 / 1e6 / seconds);
    }
}

fn main() {
    let pages = tokio::runtime::Runtime::new().expect("a runtime").block_on(practice_pages());
    let mut readings: Vec<Reading> = PARSERS.into_iter().map(|parser| Reading::of_project(parser, &pages)).collect();
    let built_in = Registry::builtin().get(PAGE_PARSER).expect("it is built in");
    for (name, parser) in [
        ("plain selectors, all pages", compiled(PLAIN, "any")),
        ("expressions alone, all pages", compiled(EXPRESSIONS, "any")),
        ("parser `page`, all pages", built_in),
    ] {
        readings.push(Reading::new(name.to_owned(), parser, pages.iter().collect()));
    }
    for _ in 0..ROUNDS {
        readings.iter_mut().for_each(Reading::measure);
    }
    println!("| read by | pages | kB a page | µs a page | MB/s | links | items |\n|---|---:|---:|---:|---:|---:|---:|");
    readings.iter_mut().for_each(Reading::print);
}

fn compiled(text: &str, parser: &str) -> Arc<dyn Parse> {
    let spider = Arc::new(Spider::parse(text, &Registry::builtin().names()).expect("a spider"));
    Arc::new(SpiderParser::new(&spider, parser).expect("the spider has this parser"))
}

/// All pages of the practice site, as its truth lists them.
async fn practice_pages() -> Vec<Page> {
    let site = Arc::new(Site::new(SiteConfig::practice()).expect("a site"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    let base = format!("http://{}", listener.local_addr().expect("it is bound"));
    let truth = site.truth(&base);
    tokio::spawn(mockserver::run(listener, site, pending::<()>()));
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut pages = Vec::new();
    for url in truth.pages() {
        let answer = client.get(url).send().await.expect("the site answers");
        pages.push(Page { url: CrawlUrl::parse(url).expect("a URL"), text: answer.text().await.expect("a text") });
    }
    pages
}
