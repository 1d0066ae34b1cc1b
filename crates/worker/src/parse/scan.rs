//! What any HTML page says about itself and where it leads, read from its tokens without building a tree.
//!
//! Without a tree there is nothing that deep nesting could make slow. Of a tree only so much is kept as decides what a tag means:
//! whether it stands in a template, whose content is not part of the page, and whether it stands in SVG or MathML, where `title` and
//! `script` are other elements and text is read otherwise.

use std::cell::{Cell, RefCell};

use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use html5ever::{LocalName, local_name};

use super::Allowance;
use super::ParseError;
use super::feed::in_pieces;
use super::fetched_page::says_nofollow;
use super::text::{Collapsed, collapse};
use super::{refresh, wishes};

/// What was read, as it is written: nothing is resolved. Text is collapsed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) canonical: Option<String>,
    pub(crate) lang: Option<String>,
    pub(crate) base: Option<String>,
    /// Where it leads, in page order, with repeats.
    pub(crate) links: Vec<FoundLink>,
    /// Name and content of `meta` elements with wishes for crawlers, the first [`MAX_WISHES`].
    pub(crate) wishes: Vec<(String, String)>,
}

/// An address on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundLink {
    pub(crate) href: StrTendril,
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

/// Deepest nesting of SVG and MathML that is told apart; what is deeper is read as if it stood there.
const MAX_FOREIGN: usize = 256;

/// Reads a page.
///
/// # Errors
/// [`ParseError::TooComplex`] when one tag or the whole takes too long.
pub(crate) fn scan(text: &str, allowance: &Allowance) -> Result<Scan, ParseError> {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    let feed = |piece| {
        input.push_back(piece);
        while !matches!(tokenizer.feed(&input), html5ever::TokenizerResult::Done) {}
    };
    in_pieces(text, allowance, PIECE, feed, || tokenizer.sink.tokens.get(), || Ok(()))?;
    tokenizer.end();
    Ok(tokenizer.sink.finish())
}

#[derive(Default)]
struct Sink {
    tokens: Cell<u64>,
    found: RefCell<Scan>,
    title: RefCell<Option<Collapsed>>,
    templates: Cell<usize>,
    foreign: RefCell<Vec<Foreign>>,
}

/// An open element at which the language of what follows changes.
struct Foreign {
    name: LocalName,
    /// Whether what follows is HTML again, as in SVG's `foreignObject`.
    html: bool,
}

impl Sink {
    fn finish(self) -> Scan {
        let mut found = self.found.into_inner();
        if let (None, Some(title)) = (&found.title, self.title.into_inner()) {
            found.title = Some(title.finish());
        }
        found
    }

    fn in_foreign(&self) -> bool {
        self.foreign.borrow().last().is_some_and(|innermost| !innermost.html)
    }

    fn start(&self, tag: &Tag) -> TokenSinkResult<()> {
        let html = self.enter(tag);
        if tag.name == local_name!("template") && html {
            self.templates.set(self.templates.get() + 1);
        }
        if self.templates.get() == 0 {
            self.note(tag, html);
        }
        if !html {
            return TokenSinkResult::Continue;
        }
        match tag.name {
            local_name!("title") | local_name!("textarea") => TokenSinkResult::RawData(RawKind::Rcdata),
            local_name!("style") | local_name!("xmp") | local_name!("iframe") | local_name!("noembed") | local_name!("noframes") => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            local_name!("script") => TokenSinkResult::RawData(RawKind::ScriptData),
            local_name!("plaintext") => TokenSinkResult::Plaintext,
            _ => TokenSinkResult::Continue,
        }
    }

    fn note(&self, tag: &Tag, html: bool) {
        let mut found = self.found.borrow_mut();
        match tag.name {
            local_name!("a") | local_name!("area") => found.link(tag, "href", LinkKind::Click),
            local_name!("frame") if html => found.link(tag, "src", LinkKind::Told),
            local_name!("title") if html && found.title.is_none() && self.title.borrow().is_none() => {
                *self.title.borrow_mut() = Some(Collapsed::default());
            }
            local_name!("html") if html && found.lang.is_none() => {
                found.lang = attribute(tag, "lang").map(|lang| lang.trim().to_owned()).filter(|lang| !lang.is_empty());
            }
            local_name!("base") if html && found.base.is_none() => found.base = attribute(tag, "href").map(|href| href.to_string()),
            local_name!("meta") if html => found.meta(tag),
            local_name!("link") if html => {
                let is = |word| names(tag, "rel", word);
                if found.canonical.is_none() && is("canonical") {
                    found.canonical = attribute(tag, "href").map(|href| href.to_string()).filter(|href| !href.is_empty());
                }
                if is("next") || is("prev") || is("canonical") || is("alternate") && has_any(tag, &["hreflang"]) && !is("stylesheet") {
                    found.link(tag, "href", LinkKind::Told);
                }
            }
            _ => {}
        }
    }

    fn end(&self, tag: &Tag) {
        if breaks_out(&tag.name) || encloses(&tag.name) {
            self.leave_foreign();
        }
        if tag.name == local_name!("template") && !self.in_foreign() {
            self.templates.set(self.templates.get().saturating_sub(1));
        }
        if tag.name == local_name!("title")
            && let Some(title) = self.title.borrow_mut().take()
            && !title.is_empty()
        {
            self.found.borrow_mut().title = Some(title.finish());
        }
        let mut foreign = self.foreign.borrow_mut();
        if let Some(at) = foreign.iter().rposition(|open| open.name == tag.name) {
            foreign.truncate(at);
        }
    }

    /// Keeps account of SVG and MathML as a start tag takes effect; whether its element is one of HTML.
    fn enter(&self, tag: &Tag) -> bool {
        if breaks_out(&tag.name) || tag.name == local_name!("font") && has_any(tag, &["color", "face", "size"]) {
            self.leave_foreign();
        }
        let inside = self.in_foreign();
        let mut foreign = self.foreign.borrow_mut();
        let root = matches!(tag.name, local_name!("svg") | local_name!("math"));
        let html = inside && holds_html(&foreign, tag);
        if (root || html) && !tag.self_closing && foreign.len() < MAX_FOREIGN {
            foreign.push(Foreign { name: tag.name.clone(), html });
        }
        !inside && !root
    }

    fn leave_foreign(&self) {
        let mut foreign = self.foreign.borrow_mut();
        while foreign.last().is_some_and(|innermost| !innermost.html) {
            foreign.pop();
        }
    }
}

impl Scan {
    fn link(&mut self, tag: &Tag, name: &str, kind: LinkKind) {
        if let Some(href) = attribute(tag, name) {
            self.links.push(FoundLink { href: href.clone(), kind, nofollow: attribute(tag, "rel").is_some_and(|rel| says_nofollow(rel)) });
        }
    }

    fn meta(&mut self, tag: &Tag) {
        let Some(content) = attribute(tag, "content") else { return };
        if self.description.is_none() && names(tag, "name", "description") {
            self.description = Some(collapse(content)).filter(|content| !content.is_empty());
        }
        if names(tag, "http-equiv", "refresh")
            && let Some(target) = refresh::target(content)
        {
            self.links.push(FoundLink { href: StrTendril::from_slice(target), kind: LinkKind::Told, nofollow: false });
        }
        if let Some(name) = attribute(tag, "name")
            && wishes::has_any(content)
            && self.wishes.len() < MAX_WISHES
        {
            self.wishes.push((name.to_string(), content.to_string()));
        }
    }
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        if !matches!(token, Token::ParseError(_)) {
            self.tokens.set(self.tokens.get() + 1);
        }
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => return self.start(&tag),
            Token::TagToken(tag) => self.end(&tag),
            Token::CharacterTokens(text) => {
                if let Some(title) = &mut *self.title.borrow_mut() {
                    title.push(&text);
                }
            }
            Token::DoctypeToken(_) | Token::CommentToken(_) | Token::NullCharacterToken | Token::EOFToken | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.in_foreign()
    }
}

fn attribute<'t>(tag: &'t Tag, name: &str) -> Option<&'t StrTendril> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &attribute.value)
}

fn has_any(tag: &Tag, names: &[&str]) -> bool {
    names.iter().any(|name| attribute(tag, name).is_some())
}

/// Whether one of the words of an attribute is this one, in any case of letters.
fn names(tag: &Tag, name: &str, word: &str) -> bool {
    attribute(tag, name).is_some_and(|value| value.split_ascii_whitespace().any(|found| found.eq_ignore_ascii_case(word)))
}

/// Elements of SVG and MathML that hold HTML.
fn holds_html(foreign: &[Foreign], tag: &Tag) -> bool {
    let math = foreign.iter().rfind(|open| !open.html).is_some_and(|open| open.name == local_name!("math"));
    if math {
        let html_annotation = tag.name == local_name!("annotation-xml")
            && attribute(tag, "encoding")
                .is_some_and(|encoding| ["text/html", "application/xhtml+xml"].iter().any(|html| encoding.eq_ignore_ascii_case(html)));
        html_annotation || matches!(&*tag.name, "mi" | "mo" | "mn" | "ms" | "mtext")
    } else {
        matches!(&*tag.name, "foreignobject" | "desc" | "title")
    }
}

/// HTML elements in which SVG and MathML stand: their end is that of an image that was not closed. (Whether such an element is open is
/// not known here; in a page where it is not, an image ends too early.)
fn encloses(name: &LocalName) -> bool {
    matches!(
        &**name,
        "article"
            | "aside"
            | "button"
            | "figure"
            | "footer"
            | "form"
            | "header"
            | "html"
            | "label"
            | "main"
            | "nav"
            | "noscript"
            | "section"
            | "tbody"
            | "td"
            | "th"
            | "tr"
    )
}

/// HTML elements that end SVG and MathML wherever they stand in it.
fn breaks_out(name: &LocalName) -> bool {
    matches!(
        &**name,
        "b" | "big"
            | "blockquote"
            | "body"
            | "br"
            | "center"
            | "code"
            | "dd"
            | "div"
            | "dl"
            | "dt"
            | "em"
            | "embed"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "hr"
            | "i"
            | "img"
            | "li"
            | "listing"
            | "menu"
            | "meta"
            | "nobr"
            | "ol"
            | "p"
            | "pre"
            | "ruby"
            | "s"
            | "small"
            | "span"
            | "strong"
            | "strike"
            | "sub"
            | "sup"
            | "table"
            | "tt"
            | "u"
            | "ul"
            | "var"
    )
}

#[cfg(test)]
mod tests {
    use super::super::dom;
    use super::*;
    use proptest::prelude::*;
    use scraper::Selector;

    fn scan(html: &str) -> Result<Scan, ParseError> {
        super::scan(html, &Allowance::unhurried(0))
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
    fn an_attribute_that_is_repeated_is_no_progress() {
        let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
        let input = BufferQueue::default();
        input.push_back("<p a=1 a=2 a=3 a=4 b b b ".into());
        let _ = tokenizer.feed(&input);
        assert_eq!(tokenizer.sink.tokens.get(), 0);
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
