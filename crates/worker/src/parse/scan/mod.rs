//! What any HTML page says about itself and where it leads, read from its tags without building a tree.
//!
//! Without a tree there is nothing that deep nesting could make slow. [`reading`] knows what a tag means, [`written`] where tags are; that it
//! sees the tags that html5ever's tokenizer does is tested by giving the same reading to both ([`tokens`]).

mod foreign;
#[doc(hidden)]
pub mod measured;
mod near;
mod raw_text;
mod reading;
mod references;
mod tag;
mod tokens;
mod written;

#[cfg(test)]
mod same;

use std::borrow::Cow;

use super::{Allowance, ParseError};

/// What was read, as it is written: nothing is resolved. Text is collapsed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan<'p> {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) canonical: Option<String>,
    pub(crate) lang: Option<String>,
    pub(crate) base: Option<String>,
    /// Where it leads, in page order, with repeats.
    pub(crate) links: Vec<FoundLink<'p>>,
    /// Name and content of `meta` elements with wishes for crawlers, the first [`MAX_WISHES`].
    pub(crate) wishes: Vec<(String, String)>,
}

/// An address on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundLink<'p> {
    pub(crate) href: Cow<'p, str>,
    pub(crate) kind: LinkKind,
    /// Whether it says `rel=nofollow`.
    pub(crate) nofollow: bool,
}

/// What an address stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// An `a` or `area`: what a person can click.
    Click,
    /// What a browser or reader is told: `link` with `rel` next, prev or canonical, or alternate with a `hreflang`; `meta` refresh; `frame`.
    Told,
}

/// Most `meta` elements with wishes that are kept.
const MAX_WISHES: usize = 64;

/// How much is read between two looks at the clock.
const PIECE: usize = 16 * 1024;

/// Reads a page.
///
/// # Errors
/// [`ParseError::TooComplex`] when it takes too long.
pub(crate) fn scan<'p>(page: &'p str, allowance: &Allowance) -> Result<Scan<'p>, ParseError> {
    written::read(page, allowance)
}

/// The same by html5ever's tokenizer, many times slower.
///
/// # Errors
/// As [`scan`].
pub(crate) fn scan_tokens(page: &str, allowance: &Allowance) -> Result<Scan<'static>, ParseError> {
    tokens::read(page, allowance)
}

#[cfg(test)]
mod tests {
    use super::super::dom;
    use super::*;
    use proptest::prelude::*;
    use scraper::Selector;

    fn scan(html: &str) -> Result<Scan<'_>, ParseError> {
        let unhurried = Allowance::unhurried(0);
        let scan = super::scan(html, &unhurried);
        assert_eq!(scan, scan_tokens(html, &unhurried), "{html:?}");
        scan
    }

    fn links(html: &str) -> Vec<String> {
        let links = scan(html).unwrap().links;
        links.iter().filter(|link| link.kind == LinkKind::Click).map(|link| link.href.to_string()).collect()
    }

    #[test]
    fn what_a_browser_is_told_is_found_beside_what_can_be_clicked() {
        let told = |html: &str| -> Vec<String> {
            let links = scan(html).unwrap().links;
            links.iter().filter(|link| link.kind == LinkKind::Told).map(|link| link.href.to_string()).collect()
        };
        for (html, expected) in [
            ("<link rel=next href=1><link rel='prev' href=2><link rel=Canonical href=3>", vec!["1", "2", "3"]),
            ("<link rel=alternate hreflang=de href=1><link rel=alternate type=application/rss+xml href=2>", vec!["1"]),
            ("<link rel='alternate stylesheet' hreflang=de href=1><link rel=icon href=2><link rel=preload href=3>", vec![]),
            ("<meta http-equiv=Refresh content='5; url=1'><meta http-equiv=refresh content=5>", vec!["1"]),
            ("<frameset><frame src=1><frame></frameset>", vec!["1"]),
            ("<iframe src=1></iframe><img src=2 srcset='3 2x'><form action=4><embed src=5><object data=6><video src=7>", vec![]),
            ("<template><link rel=next href=1><meta http-equiv=refresh content='0;url=2'></template>", vec![]),
            ("<svg><frame src=1></svg>", vec![]),
        ] {
            assert_eq!(told(html), expected, "{html}");
        }
    }

    #[test]
    fn wishes_and_nofollow_are_noted() {
        let html = "<meta name=robots content='index,nofollow'><meta name=x content=all><a rel='me NOFOLLOW' href=1><a rel=me href=2>";
        let found = scan(html).unwrap();
        assert_eq!(found.wishes, [("robots".to_owned(), "index,nofollow".to_owned())]);
        assert_eq!(found.links.iter().map(|link| link.nofollow).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_page_says_what_it_is() {
        let found = scan(
            "<!doctype html><HTML LANG=de><head><title> A &amp;\n B </title><title>C</title><base href=/b/><base href=/c/>\
             <meta NAME=Description content=' x  y '><link rel='alternate Canonical' href=/d></head>",
        );
        let found = found.unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((found.title, found.description, found.lang), (text("A & B"), text("x y"), text("de")));
        assert_eq!((found.base, found.canonical), (text("/b/"), text("/d")));
    }

    #[test]
    fn links_are_found_where_a_browser_has_them_and_nowhere_else() {
        for (html, expected) in [
            ("<a href=1><a href='2'><A HREF=\"3&amp;\">", vec!["1", "2", "3&"]),
            ("<area href=1><a><link href=2><a data-href=3>", vec!["1"]),
            ("<!-- <a href=1> --><a href=2>", vec!["2"]),
            ("<script>'<a href=1>'</script><a href=2>", vec!["2"]),
            ("<script><!--<script></script><a href=1>--></script><a href=2>", vec!["2"]),
            ("<style><a href=1></style><textarea><a href=2></textarea><title><a href=3></title><a href=4>", vec!["4"]),
            ("<iframe><a href=1></iframe><noscript><a href=2></noscript><xmp><a href=3></xmp>", vec!["2"]),
            ("<template><a href=1><template></template><a href=2></template><a href=3>", vec!["3"]),
            ("<svg><title><a href=1></a></title><style><a href=2></a></style></svg><a href=3>", vec!["1", "2", "3"]),
            ("<svg><![CDATA[<a href=1>]]></svg><![CDATA[<a href=2>]]>", vec![]),
            ("<svg><p><title><a href=1></title></svg><a href=2>", vec!["2"]),
            ("<svg/><title><a href=1></title><a href=2>", vec!["2"]),
            ("<svg><foreignObject><title><a href=1></title></foreignObject></svg><a href=2>", vec!["2"]),
            ("<div><svg></div><title><a href=1></title><a href=2>", vec!["2"]),
            ("<math><mi><title><a href=1></title></mi></math><a href=2>", vec!["2"]),
            ("<plaintext><a href=1>", vec![]),
            ("<a href=1", vec![]),
        ] {
            assert_eq!(links(html), expected, "{html}");
        }
    }

    #[test]
    fn a_title_of_an_image_is_not_the_pages() {
        assert_eq!(scan("<svg><title>no</title></svg><title>yes</title>").unwrap().title.unwrap(), "yes");
        assert_eq!(scan("<title></title><title>yes</title>").unwrap().title.unwrap(), "yes");
        assert_eq!(scan("<title>cut off").unwrap().title.unwrap(), "cut off");
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = format!("{}<a href=1>{}", "<div>".repeat(200_000), "</div>".repeat(200_000));
        assert_eq!(links(&deep), ["1"]);
        assert_eq!(links(&format!("{}<a href=1>", "<svg>".repeat(100_000))), ["1"]);
    }

    proptest! {
        #[test]
        fn tokens_tell_the_same_links_and_title_as_the_tree(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "<a href=1>", "<a href=2>x</a>", "</a>", "<area href=3>", "<div>", "</div>", "<p>", "text", "&amp;", "<!--", "-->", "<b>",
                "</b>", "<script>", "</script>", "<style>", "</style>", "<textarea>", "</textarea>", "<svg><title><a href=6></a></title><style><a href=7></a></style></svg>", "<svg><desc><title><a href=8></title></desc></svg>", "<iframe>",
                "</iframe>", "<noscript>", "</noscript>", "<svg><![CDATA[<a href=9>]]></svg>", "<svg><path/><p>x", "<i title='<a href=4>'>", "<", ">", "<a href='5",
                "'>", "<ul><li>", "</ul>", "<xmp>", "</xmp>",
            ]), 0..40),
        ) {
            let html = format!("<!doctype html><head><title>t</title></head><body>{}", pieces.concat());
            let tree = dom::parse(&html, &Allowance::unhurried(0)).unwrap();
            let selector = Selector::parse("a[href], area[href]").unwrap();
            let of_tree: Vec<&str> = tree.select(&selector).map(|element| element.attr("href").unwrap()).collect();
            let mut of_tree_distinct = of_tree.clone();
            of_tree_distinct.sort_unstable();
            of_tree_distinct.dedup();
            let mut of_tokens = links(&html);
            of_tokens.sort_unstable();
            of_tokens.dedup();
            // The tree may hold a link twice, where the parser repeats an unclosed one; so sets are compared.
            prop_assert_eq!(of_tokens, of_tree_distinct, "{}", html);
        }
    }
}
