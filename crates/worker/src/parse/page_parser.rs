//! The built-in parser `page`: what a page says about itself, and all its links.

use std::collections::HashSet;

use model::outcome::{MAX_ITEM_BYTES, MAX_LINKS};
use model::parser::PAGE_PARSER;
use model::{Args, ItemId, ParserRef};
use scraper::{ElementRef, Html, Selector};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::base::without_fragment;
use super::scan::{FoundLink, LinkKind};
use super::{Allowance, FetchedPage, Parse, ParseError, Parsed, dom};

/// Reads any HTML page: one item of type `page`, and every link followed with the same parser and arguments.
///
/// Links are what a person can click, `a` and `area`, and what browsers and readers are told of other pages: `link` with `rel` next, prev and
/// canonical, and alternate with a `hreflang`; `meta` refresh; `frame`. Not followed: `iframe`, which mostly shows a piece of another site;
/// `img` with its `srcset`, media, objects and styles, which are no pages; forms. The item counts what can be clicked.
///
/// Arguments: `follow` (`all`; `clickable` for `a` and `area` alone; or `none`), `text`, `headings` and `links`, each `true` or `false`, which add the main text, the
/// headings and the addresses of all links to the item; of the latter as many as fit, the others counted as links cut.
pub(crate) struct PageParser;

/// Most bytes of the addresses in `link_urls`: with them the item must still be small enough to be sent.
const MAX_LINK_URL_BYTES: usize = MAX_ITEM_BYTES / 2;

/// Distinct links that room is made for before they are found.
const EXPECTED: usize = 256;

/// Addresses that are resolved between two looks at the allowance.
const CHECKED: usize = 64;

/// The payload of a `page` item, in the order of its fields.
#[derive(Serialize)]
struct PagePayload<'a> {
    status: u16,
    title: &'a str,
    description: &'a str,
    canonical: String,
    lang: &'a str,
    bytes: usize,
    links: usize,
    content_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headings: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_urls: Option<Vec<String>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    follow: Follow,
    text: bool,
    headings: bool,
    links: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Follow {
    #[default]
    All,
    Clickable,
    None,
}

impl Wanted {
    fn of(args: &Args) -> Result<Wanted, ParseError> {
        let mut wanted = Wanted::default();
        for (name, value) in args {
            let flag = match name.as_str() {
                "text" => &mut wanted.text,
                "headings" => &mut wanted.headings,
                "links" => &mut wanted.links,
                "follow" => {
                    wanted.follow = match value.as_str() {
                        "all" => Follow::All,
                        "clickable" => Follow::Clickable,
                        "none" => Follow::None,
                        other => return Err(ParseError::InvalidArg(format!("follow is {other:?}, expected all, clickable or none"))),
                    };
                    continue;
                }
                other => {
                    let known = "it takes follow, text, headings and links";
                    return Err(ParseError::InvalidArg(format!("the parser page has no argument {other:?}; {known}")));
                }
            };
            *flag = match value.as_str() {
                "true" => true,
                "false" => false,
                other => return Err(ParseError::InvalidArg(format!("{name} is {other:?}, expected true or false"))),
            };
        }
        Ok(wanted)
    }
}

impl Parse for PageParser {
    fn parse(&self, page: &FetchedPage<'_>, args: &Args) -> Result<Parsed, ParseError> {
        let wanted = Wanted::of(args)?;
        let scan = page.scan()?;
        let base = page.link_base().clone();
        let mut parsed = Parsed::with_base(page, base.clone());
        let same = ParserRef { name: PAGE_PARSER.to_owned(), args: args.clone() };
        let mut links = 0;
        let mut link_urls = wanted.links.then(Vec::new);
        let mut link_bytes = 0;
        // A page mostly links to the same few pages again and again: each is resolved once.
        let expected = if wanted.follow == Follow::None { 0 } else { scan.links.len().min(EXPECTED) };
        let mut followed = HashSet::with_capacity_and_hasher(expected, foldhash::quality::RandomState::default());
        parsed.expect_links(expected);
        let mut resolved = 0_usize;
        for FoundLink { href, kind, nofollow } in &scan.links {
            let clickable = *kind == LinkKind::Click;
            let href = without_fragment(href);
            if !wanted.links && !*nofollow && followed.contains(href) {
                links += usize::from(clickable);
                continue;
            }
            // One is resolved in no time, but not with a base as long as the page.
            if resolved.is_multiple_of(CHECKED) {
                page.allowance().check()?;
            }
            resolved += 1;
            match base.resolve(href) {
                Ok(url) => {
                    links += usize::from(clickable);
                    if let Some(urls) = link_urls.as_mut().filter(|_| clickable) {
                        link_bytes += url.as_str().len();
                        if urls.len() < MAX_LINKS && link_bytes <= MAX_LINK_URL_BYTES {
                            urls.push(url.to_string());
                        } else {
                            parsed.cut_link();
                        }
                    }
                    let follow = match wanted.follow {
                        Follow::All => true,
                        Follow::Clickable => clickable,
                        Follow::None => false,
                    };
                    if follow && *nofollow && !page.follows(Some("nofollow")) {
                        parsed.refuse_nofollow();
                    } else if follow {
                        followed.insert(href);
                        parsed.follow_url(url, &same);
                    }
                }
                Err(error) => parsed.refuse(&error),
            }
        }
        let canonical = scan.canonical.as_ref().and_then(|href| base.resolve(href).ok());
        let payload = PagePayload {
            status: page.status(),
            title: scan.title.as_deref().unwrap_or_default(),
            description: scan.description.as_deref().unwrap_or_default(),
            canonical: canonical.map(|url| url.to_string()).unwrap_or_default(),
            lang: scan.lang.as_deref().unwrap_or_default(),
            bytes: page.bytes().len(),
            links,
            content_hash: format!("{:032x}", xxh3_128(page.bytes())),
            text: if wanted.text { Some(main_text(page.html()?, page.allowance())?) } else { None },
            headings: if wanted.headings { Some(headings(page.html()?, page.allowance())?) } else { None },
            link_urls,
        };
        parsed.item(PAGE_PARSER, ItemId::given(page.key().to_string()), &payload)?;
        Ok(parsed)
    }

    fn is_quick(&self, args: &Args) -> bool {
        // Both take the page's tree.
        Wanted::of(args).is_ok_and(|wanted| !wanted.text && !wanted.headings)
    }
}

/// The text of the page's `main`, else of its only `article`, else of its body without navigation, header, footer, asides and forms.
fn main_text(html: &Html, allowance: &Allowance) -> Result<String, ParseError> {
    let first = |css: &str| {
        let selector = Selector::parse(css).expect("the selector is a constant");
        let mut found = html.select(&selector);
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    };
    if let Some(main) = first("main, [role=main]").or_else(|| first("article")) {
        return dom::text_of(main, allowance);
    }
    let aside = Selector::parse("nav, header, footer, aside, form, noscript, title").expect("the selector is a constant");
    dom::text_without(html.root_element(), allowance, |element: ElementRef<'_>| aside.matches(&element))
}

fn headings(html: &Html, allowance: &Allowance) -> Result<Vec<String>, ParseError> {
    let selector = Selector::parse("h1, h2, h3, h4, h5, h6").expect("the selector is a constant");
    let mut headings = Vec::new();
    let mut bytes = 0;
    for heading in html.select(&selector) {
        let text = dom::text_of(heading, allowance)?;
        bytes += text.len();
        if !text.is_empty() {
            headings.push(text);
        }
        if bytes > MAX_ITEM_BYTES {
            // The item is too large to be sent anyway.
            break;
        }
    }
    Ok(headings)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::parse::Allowance;
    use http::HeaderMap;
    use model::{CrawlUrl, Page};

    const HTML: &str = "<html lang=en><title>T</title><meta name=description content=D><link rel=canonical href=/c>\
        <nav>N</nav><h1>H <i>1</i></h1><p>P</p><a href=x>X</a><a href=x#1>X</a><a href=mailto:y>Y</a><footer>F</footer>";

    #[test]
    fn resolving_the_links_of_a_page_ends_when_nobody_waits_for_it() {
        let (url, headers) = (CrawlUrl::parse("http://h/").unwrap(), HeaderMap::new());
        let text: String = (0..=CHECKED).map(|n| format!("<a href={n}>")).collect();
        let gone = Arc::<AtomicBool>::default();
        let page = FetchedPage::new(&url, 200, &headers, b"", &text).with_allowance(Allowance::begin(Arc::clone(&gone)));
        page.scan().unwrap();
        gone.store(true, Ordering::Relaxed);
        assert!(matches!(PageParser.parse(&page, &Args::new()), Err(ParseError::Failed(_))));
    }

    fn parse(args: &[(&str, &str)]) -> Result<Page, ParseError> {
        parse_html(HTML, args)
    }

    fn parse_html(html: &str, args: &[(&str, &str)]) -> Result<Page, ParseError> {
        let (url, headers) = (CrawlUrl::parse("http://h/d/p").unwrap(), HeaderMap::new());
        let args = args.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let page = FetchedPage::new(&url, 200, &headers, html.as_bytes(), html);
        PageParser.parse(&page, &args).map(Parsed::into_page)
    }

    #[test]
    fn a_page_becomes_one_item_and_its_links() {
        let page = parse(&[]).unwrap();
        let links: Vec<&str> = page.links.iter().map(|link| link.url.as_str()).collect();
        assert_eq!(links, ["http://h/c", "http://h/d/x"]);
        assert_eq!((page.cut.other_schemes, page.items.len()), (1, 1));
        let item = &page.items[0];
        assert_eq!((item.item_type.as_str(), item.id.as_str()), ("page", item.url.dedup_key().to_string().as_str()));
        let expected = format!(
            r#"{{"status":200,"title":"T","description":"D","canonical":"http://h/c","lang":"en","bytes":{},"links":2,"content_hash":"{:032x}"}}"#,
            HTML.len(),
            xxh3_128(HTML.as_bytes())
        );
        assert_eq!(item.payload.as_str(), expected);
    }

    #[test]
    fn an_address_that_is_repeated_counts_each_time_and_is_one_link() {
        let html = "<a href=x><a href=x#1><a href=#2><a href=#><a href='x #3'><a rel=nofollow href=x><link rel=next href=x><link rel=next href=y><a href=y>\
            <a href=mailto:z><a href=mailto:z>";
        let page = parse_html(html, &[]).unwrap();
        assert_eq!(
            page.links.iter().map(|link| link.url.as_str()).collect::<Vec<_>>(),
            ["http://h/d/x", "http://h/d/p", "http://h/d/x%20", "http://h/d/y"]
        );
        assert_eq!((page.cut.other_schemes, page.items[0].payload.as_str().contains(r#""links":7,"#)), (2, true));
        let clickable = parse_html(html, &[("follow", "clickable")]).unwrap();
        assert_eq!((clickable.links.len(), clickable.items[0].payload.as_str().contains(r#""links":7,"#)), (4, true));
    }

    #[test]
    fn arguments_add_text_headings_and_links_and_are_passed_on() {
        let page = parse(&[("text", "true"), ("headings", "true"), ("links", "true")]).unwrap();
        let added = r#","text":"H 1 P XXY","headings":["H 1"],"link_urls":["http://h/d/x","http://h/d/x"]}"#;
        assert!(page.items[0].payload.as_str().ends_with(added), "{:?}", page.items[0].payload);
        assert_eq!(page.links[0].parser.args.len(), 3);
        let clickable = parse(&[("follow", "clickable")]).unwrap();
        assert_eq!(clickable.links.iter().map(|link| link.url.as_str()).collect::<Vec<_>>(), ["http://h/d/x"]);
        assert_eq!(parse(&[("follow", "none")]).unwrap().links, []);
    }

    #[test]
    fn an_item_with_more_links_than_fit_is_kept_with_those_that_fit() {
        let args = [("links", "true"), ("follow", "none")];
        let urls = |page: &Page| page.items[0].payload.as_str().matches("http://h/x").count();
        let long = parse_html(&format!("<a href=/x{}>", "y".repeat(7_990)).repeat(600), &args).unwrap();
        assert_eq!((urls(&long), long.cut.links), (MAX_LINK_URL_BYTES / 8_000, 600 - (MAX_LINK_URL_BYTES / 8_000) as u64));
        let many = parse_html(&"<a href=/x>".repeat(MAX_LINKS + 3), &args).unwrap();
        assert_eq!((urls(&many), many.cut.links, many.cut.items), (MAX_LINKS, 3, 0));
    }

    #[test]
    fn an_argument_that_means_nothing_is_refused() {
        for args in [[("txt", "true")], [("text", "yes")], [("follow", "some")]] {
            assert!(matches!(parse(&args), Err(ParseError::InvalidArg(_))), "{args:?}");
        }
    }
}
