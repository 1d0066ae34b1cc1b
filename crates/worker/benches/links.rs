//! What a link costs: `cargo bench -p worker --bench links -- [FOLDER]`, by default generated pages.
//!
//! Takes from every HTML page below the folder the addresses of `a` and `area` as they are written, each once a page, and prints a table:
//! nanoseconds a link of this thread's processor time to resolve it against its page, to make its dedup key, and to take the URL from the
//! wire. All with pages of a host with a name and with pages of an address with a port. Of rounds that
//! take turns the median counts.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod clock;
mod pages;

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Duration;

use clock::cpu_time;
use http::HeaderMap;
use model::CrawlUrl;
use scraper::{Html, Selector};
use worker::FetchedPage;

/// Rounds, of which the median counts.
const ROUNDS: usize = 5;

/// Pages whose links are measured, at most; of more, every second or third or so.
const PAGES: usize = 1_000;

const HOSTS: [(&str, &str); 2] = [("a name", "https://docs.example.org"), ("an address", "http://127.0.0.1:8802")];

/// A page, its addresses as they are written, and the URLs of those that are crawled.
struct Page {
    url: CrawlUrl,
    hrefs: Vec<String>,
    resolved: Vec<CrawlUrl>,
}

/// What is done to the links of a page.
type Work = fn(&Page);

const WORKS: [(&str, Work); 3] = [
    ("resolve against its page", |page| _ = black_box(resolve(page))),
    ("dedup key", |page| page.resolved.iter().for_each(|url| _ = black_box(url.dedup_key()))),
    ("take from the wire, the copy of the text included", |page| {
        let texts = page.resolved.iter().map(|url| url.as_str().to_owned());
        texts.for_each(|text| _ = black_box(CrawlUrl::try_from(text)));
    }),
];

fn main() {
    let (source, read) = pages::read();
    let every = read.len().div_ceil(PAGES).max(1);
    let selector = Selector::parse("a[href], area[href]").expect("a selector");
    let mut webs = HOSTS.map(|_| Vec::new());
    for (path, text) in read.into_iter().step_by(every) {
        let (path, hrefs) = (path.to_string_lossy(), hrefs(&text, &selector));
        for ((_, host), web) in HOSTS.iter().zip(&mut webs) {
            let url = CrawlUrl::parse(&format!("{host}/{}", path.trim_start_matches('/'))).expect("a URL");
            let mut page = Page { url, hrefs: hrefs.clone(), resolved: Vec::new() };
            page.resolved = resolve(&page);
            web.push(page);
        }
    }
    let links = webs.each_ref().map(|web| web.iter().map(|page| page.resolved.len()).sum::<usize>());
    let written: usize = webs[0].iter().map(|page| page.hrefs.len()).sum();
    println!("{} pages of {source}: {written} addresses that differ within their page, {} of them crawled\n", webs[0].len(), links[0]);
    let mut spent = WORKS.map(|_| HOSTS.map(|_| [Duration::ZERO; ROUNDS]));
    for round in 0..ROUNDS {
        for ((_, work), of_work) in WORKS.iter().zip(&mut spent) {
            for (web, of_web) in webs.iter().zip(of_work) {
                let begun = cpu_time();
                web.iter().for_each(work);
                of_web[round] = cpu_time() - begun;
            }
        }
    }
    println!("| ns a link | pages of {} | pages of {} |\n|---|---:|---:|", HOSTS[0].0, HOSTS[1].0);
    for ((name, _), mut of_work) in WORKS.iter().zip(spent) {
        of_work.iter_mut().for_each(|rounds| rounds.sort_unstable());
        let [by_name, by_address] = of_work.map(|rounds| rounds[ROUNDS / 2].as_secs_f64() * 1e9);
        println!("| {name} | {:.0} | {:.0} |", by_name / links[0] as f64, by_address / links[1] as f64);
    }
}

/// The addresses of a page, without fragments, each once.
fn hrefs(text: &str, selector: &Selector) -> Vec<String> {
    let mut seen = HashSet::new();
    let html = Html::parse_document(text);
    let all = html.select(selector).filter_map(|element| element.attr("href")?.split('#').next());
    all.filter(|href| seen.insert((*href).to_owned())).map(str::to_owned).collect()
}

/// The URLs of a page's links; what is none, or none that is crawled, is left out. The page has no text: looking for a `base` in it would be
/// measured too.
fn resolve(page: &Page) -> Vec<CrawlUrl> {
    let headers = HeaderMap::new();
    let fetched = FetchedPage::new(&page.url, 200, &headers, b"", "");
    page.hrefs.iter().filter_map(|href| fetched.resolve(href).ok()).collect()
}
