//! Where a crawl begins: URLs of the command line, a spider's, or the practice site's.

use std::sync::Arc;

use model::{CrawlName, CrawlUrl, ParserRef};

use super::LoadedSpider;
use super::values::Values;
use crate::request::Request;

/// Where the seeds come from, with everything read that had to be read.
#[derive(Clone, Debug)]
pub enum SeedSource {
    /// URLs as typed, or lines of standard input.
    Urls(Vec<String>),
    /// A spider file, its text, and URLs that replace its seeds.
    Spider {
        /// The file's name.
        place: String,
        /// Its text.
        text: String,
        /// URLs as typed.
        urls: Vec<String>,
    },
    /// The practice site, already listening.
    Practice {
        /// Its spider's text.
        text: String,
        /// Its seeds.
        urls: Vec<String>,
    },
}

/// What a crawl begins with.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) crawl: CrawlName,
    pub(super) seeds: Vec<Request>,
    pub(super) spider: Option<LoadedSpider>,
    /// What reads the pages of URLs that a person names.
    pub(super) start: Arc<ParserRef>,
}

/// Seeds of one crawl at most; more is a job for a sitemap or a list page.
const MAX_SEEDS: usize = 1_000_000;

pub(super) fn read(source: SeedSource, sitemaps: &[String], page: ParserRef, built_in: &[&str], values: &mut Values) -> Option<Target> {
    let sitemaps = parse(sitemaps, values);
    match source {
        SeedSource::Urls(urls) => {
            if urls.is_empty() && sitemaps.is_empty() {
                values.mistake("no URL to begin with: standard input was empty".to_owned());
            }
            let urls = parse(&urls, values);
            let all: Vec<CrawlUrl> = urls.iter().chain(&sitemaps).cloned().collect();
            let crawl = CrawlName::of_seeds(&all)?;
            let start = Arc::new(page);
            let mut seeds = requests(urls, &start);
            seeds.extend(sitemaps.into_iter().map(|url| Request::sitemap(url, &start)));
            Some(Target { crawl, seeds, spider: None, start })
        }
        SeedSource::Spider { place, text, urls } => of_spider(text, &place, &urls, sitemaps, built_in, values),
        SeedSource::Practice { text, urls } => of_spider(text, "the practice spider", &urls, sitemaps, built_in, values),
    }
}

fn of_spider(
    text: String,
    place: &str,
    urls: &[String],
    sitemaps: Vec<CrawlUrl>,
    built_in: &[&str],
    values: &mut Values,
) -> Option<Target> {
    let urls = parse(urls, values);
    let loaded = match LoadedSpider::parse(text, place, built_in) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            mistakes.into_iter().for_each(|mistake| values.mistake(mistake));
            return None;
        }
    };
    let start = Arc::new(loaded.spider.start.clone());
    let mut seeds: Vec<Request> = if urls.is_empty() {
        loaded.spider.seeds.iter().map(|seed| Request::seed(seed.url.clone(), Arc::new(seed.parser.clone()))).collect()
    } else {
        requests(urls, &start)
    };
    seeds.extend(sitemaps.into_iter().map(|url| Request::sitemap(url, &start)));
    if seeds.is_empty() {
        values.mistake(format!("{place}: no seeds; add `seeds = [\"https://…\"]` or name URLs on the command line"));
    }
    Some(Target { crawl: loaded.spider.name.clone(), seeds, spider: Some(loaded), start })
}

fn requests(urls: Vec<CrawlUrl>, parser: &Arc<ParserRef>) -> Vec<Request> {
    urls.into_iter().map(|url| Request::seed(url, Arc::clone(parser))).collect()
}

fn parse(texts: &[String], values: &mut Values) -> Vec<CrawlUrl> {
    if texts.len() > MAX_SEEDS {
        values.mistake(format!("{} URLs to begin with are more than {MAX_SEEDS}", texts.len()));
        return Vec::new();
    }
    let mut urls = Vec::new();
    for text in texts {
        match parse_url(text) {
            Ok(url) => urls.push(url),
            Err(mistake) => values.mistake(mistake),
        }
    }
    urls
}

/// A URL that a person names.
///
/// # Errors
/// A sentence, with what was probably meant.
pub(crate) fn parse_url(text: &str) -> Result<CrawlUrl, String> {
    CrawlUrl::parse(text).map_err(|error| {
        let hint = meant(text).map(|url| format!("; did you mean {url} ?")).unwrap_or_default();
        format!("cannot crawl {text:?}: {error}{hint}")
    })
}

/// The URL someone meant who left the scheme out.
fn meant(text: &str) -> Option<CrawlUrl> {
    let is_local = text.starts_with("localhost") || text.starts_with("127.") || text.starts_with("[::1]");
    let scheme = if is_local { "http" } else { "https" };
    let url = CrawlUrl::parse(&format!("{scheme}://{text}")).ok()?;
    let plausible = is_local || (url.host_str().contains('.') && !text.contains("://") && !text.contains(' '));
    plausible.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_its_scheme_is_guessed() {
        let guess = |text| meant(text).map(|url| url.to_string());
        assert_eq!(guess("example.org"), Some("https://example.org/".into()));
        assert_eq!(guess("example.org/a?b"), Some("https://example.org/a?b".into()));
        assert_eq!(guess("localhost:8080"), Some("http://localhost:8080/".into()));
        assert_eq!(guess("ftp://example.org/"), None);
        assert_eq!(guess("nonsense"), None);
        assert_eq!(guess(""), None);
    }
}
