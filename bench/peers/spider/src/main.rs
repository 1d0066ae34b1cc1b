//! Crawls a site with spider: `peer-spider START OUTPUT`.

use std::cell::{Cell, RefCell};
use std::env;
use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::Context;
use lol_html::{HtmlRewriter, Settings, element, text};
use page::{Page, link};
use spider::website::Website;
use url::Url;

// As spider's documentation advises.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const IN_FLIGHT: usize = 100;
// A subscriber that falls behind by more pages than this would lose some; the site has fewer.
const PAGES: usize = 32_768;

/// Title and number of links: spider hands out neither the links with repeats nor a title without character references.
fn parsed(address: &str, body: &[u8]) -> anyhow::Result<Page> {
    let base = RefCell::new(Url::parse(address)?);
    let (links, title, titles) = (Cell::new(0), RefCell::new(String::new()), Cell::new(0));
    let mut rewriter = HtmlRewriter::new(
        Settings {
            element_content_handlers: vec![
                element!("base[href]", |element| {
                    let href = element.get_attribute("href").unwrap_or_default();
                    let joined = base.borrow().join(&html_escape::decode_html_entities(&href));
                    if let Ok(joined) = joined {
                        base.replace(joined);
                    }
                    Ok(())
                }),
                element!("a[href], area[href]", |element| {
                    let href = element.get_attribute("href").unwrap_or_default();
                    links.set(links.get() + usize::from(link(&base.borrow(), &html_escape::decode_html_entities(&href)).is_some()));
                    Ok(())
                }),
                element!("title", |_| {
                    titles.set(titles.get() + 1);
                    Ok(())
                }),
                text!("title", |chunk| {
                    if titles.get() == 1 {
                        title.borrow_mut().push_str(chunk.as_str());
                    }
                    Ok(())
                }),
            ],
            ..Settings::new()
        },
        |_: &[u8]| {},
    );
    rewriter.write(body)?;
    rewriter.end()?;
    Ok(Page::parsed(address, &html_escape::decode_html_entities(&*title.borrow()), links.get(), body.len()))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = env::args().skip(1);
    let start = arguments.next().context("no start page")?;
    let mut output = BufWriter::new(File::create(arguments.next().context("no output")?)?);

    let mut website = Website::new(&start);
    website
        .with_concurrency_limit(Some(IN_FLIGHT))
        .with_delay(0)
        .with_depth(0)
        .with_respect_robots_txt(false)
        .with_ignore_sitemap(true)
        .with_no_control_thread(true);
    let mut pages = website.subscribe(PAGES);
    let written = tokio::spawn(async move {
        while let Ok(page) = pages.recv().await {
            let body = page.get_html_bytes_u8();
            if page.status_code.as_u16() == 200 && !body.is_empty() {
                serde_json::to_writer(&mut output, &parsed(page.get_url_final(), body)?)?;
                output.write_all(b"\n")?;
            }
        }
        output.flush()?;
        anyhow::Ok(())
    });
    website.crawl_raw().await;
    // The subscription ends with the last sender.
    website.unsubscribe();
    drop(website);
    written.await?
}
