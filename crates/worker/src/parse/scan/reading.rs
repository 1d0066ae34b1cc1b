//! What a page's tags mean, one after the other, whoever reads them.
//!
//! Of a tree only so much is kept as decides what a tag means: whether it stands in a template, whose content is not part of the page, and
//! whether it stands in SVG or MathML, where `title` and `script` are other elements.

use super::foreign::Foreign;
use super::tag::Tag;
use super::{FoundLink, LinkKind, MAX_WISHES, Scan};
use crate::parse::fetched_page::says_nofollow;
use crate::parse::text::{Collapsed, collapse};
use crate::parse::{refresh, wishes};

/// Links that a page with any is expected to have.
const LINKS: usize = 64;

/// How what follows a start tag is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// As tags and text.
    Markup,
    /// As text up to the end tag, with character references.
    Rcdata,
    /// As text up to the end tag.
    Rawtext,
    /// As text up to the end tag, but for what stands in comments.
    Script,
    /// As text up to the end of the page.
    Plaintext,
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Reading<'p> {
    found: Scan<'p>,
    title: Option<Collapsed>,
    templates: usize,
    foreign: Foreign,
}

impl<'p> Reading<'p> {
    /// Takes note of a start tag.
    pub(super) fn start(&mut self, tag: &impl Tag<'p>) -> Content {
        let html = self.foreign.enter(tag);
        if tag.name() == "template" && html {
            self.templates += 1;
        }
        if self.templates == 0 {
            self.note(tag, html);
        }
        if html { content(tag.name()) } else { Content::Markup }
    }

    /// Takes note of an end tag, its name in lower case.
    pub(super) fn end(&mut self, name: &str) {
        self.foreign.end_around(name);
        if name == "template" && !self.foreign.is_inside() {
            self.templates = self.templates.saturating_sub(1);
        }
        if name == "title"
            && let Some(title) = self.title.take()
            && !title.is_empty()
        {
            self.found.title = Some(title.finish());
        }
        self.foreign.close(name);
    }

    /// Takes note of text, decoded.
    pub(super) fn text(&mut self, text: &str) {
        if let Some(title) = &mut self.title {
            title.push(text);
        }
    }

    /// Whether text is of any use here.
    pub(super) fn wants_text(&self) -> bool {
        self.title.is_some()
    }

    /// Whether SVG or MathML may stand here, so that every tag counts. Elsewhere those do for which [`matters`] says so.
    pub(super) fn is_near_foreign(&self) -> bool {
        !self.foreign.is_nowhere()
    }

    /// Whether what stands here is SVG or MathML.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign.is_inside()
    }

    /// All that was found.
    pub(super) fn finish(mut self) -> Scan<'p> {
        if let (None, Some(title)) = (&self.found.title, self.title) {
            self.found.title = Some(title.finish());
        }
        self.found
    }

    fn note(&mut self, tag: &impl Tag<'p>, html: bool) {
        let found = &mut self.found;
        match tag.name() {
            "a" | "area" => found.link(tag, "href", LinkKind::Click),
            "frame" if html => found.link(tag, "src", LinkKind::Told),
            "title" if html && found.title.is_none() && self.title.is_none() => self.title = Some(Collapsed::default()),
            "html" if html && found.lang.is_none() => {
                found.lang = tag.attribute("lang").map(|lang| lang.trim().to_owned()).filter(|lang| !lang.is_empty());
            }
            "base" if html && found.base.is_none() => found.base = tag.attribute("href").map(Into::into),
            "meta" if html => found.meta(tag),
            "link" if html => {
                let is = |word| names(tag, "rel", word);
                if found.canonical.is_none() && is("canonical") {
                    found.canonical = tag.attribute("href").map(Into::into).filter(|href: &String| !href.is_empty());
                }
                if is("next")
                    || is("prev")
                    || is("canonical")
                    || is("alternate") && tag.attribute("hreflang").is_some() && !is("stylesheet")
                {
                    found.link(tag, "href", LinkKind::Told);
                }
            }
            _ => {}
        }
    }
}

impl<'p> Scan<'p> {
    fn link(&mut self, tag: &impl Tag<'p>, name: &str, kind: LinkKind) {
        if let [Some(href), rel] = tag.attributes([name, "rel"]) {
            if self.links.is_empty() {
                self.links.reserve(LINKS);
            }
            self.links.push(FoundLink { href, kind, nofollow: rel.is_some_and(|rel| says_nofollow(&rel)) });
        }
    }

    fn meta(&mut self, tag: &impl Tag<'p>) {
        let Some(content) = tag.attribute("content") else { return };
        if self.description.is_none() && names(tag, "name", "description") {
            self.description = Some(collapse(&content)).filter(|content| !content.is_empty());
        }
        if names(tag, "http-equiv", "refresh")
            && let Some(target) = refresh::target(&content)
        {
            self.links.push(FoundLink { href: target.to_owned().into(), kind: LinkKind::Told, nofollow: false });
        }
        if let Some(name) = tag.attribute("name")
            && wishes::has_any(&content)
            && self.wishes.len() < MAX_WISHES
        {
            self.wishes.push((name.into(), content.into()));
        }
    }
}

/// Whether one of the words of an attribute is this one, in any case of letters.
fn names<'p>(tag: &impl Tag<'p>, name: &str, word: &str) -> bool {
    tag.attribute(name).is_some_and(|value| value.split_ascii_whitespace().any(|found| found.eq_ignore_ascii_case(word)))
}

fn content(name: &str) -> Content {
    match name {
        "title" | "textarea" => Content::Rcdata,
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => Content::Rawtext,
        "script" => Content::Script,
        "plaintext" => Content::Plaintext,
        _ => Content::Markup,
    }
}

/// Whether a start tag with this name, in any case of letters, makes a difference where no SVG or MathML is.
pub(super) fn matters(name: &[u8]) -> bool {
    // Told by length and first letter, so that nearly every other name is told from them without being compared.
    let names: &[&str] = match (name.len(), name.first().map_or(0, u8::to_ascii_lowercase)) {
        (1, b'a') => return true,
        (3, b's') => &["svg"],
        (3, b'x') => &["xmp"],
        (4, b'a') => &["area"],
        (4, b'b') => &["base"],
        (4, b'h') => &["html"],
        (4, b'l') => &["link"],
        (4, b'm') => &["meta", "math"],
        (5, b'f') => &["frame"],
        (5, b's') => &["style"],
        (5, b't') => &["title"],
        (6, b'i') => &["iframe"],
        (6, b's') => &["script"],
        (7, b'n') => &["noembed"],
        (8, b'n') => &["noframes"],
        (8, b't') => &["template", "textarea"],
        (9, b'p') => &["plaintext"],
        _ => return false,
    };
    names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The same of an end tag.
pub(super) fn end_matters(name: &[u8]) -> bool {
    match name.len() {
        5 => name.eq_ignore_ascii_case(b"title"),
        8 => name.eq_ignore_ascii_case(b"template"),
        _ => false,
    }
}
