//! Where a page is SVG or MathML: there `title` and `script` are other elements, and text is read otherwise.

use super::tag::Tag;

/// Deepest nesting of SVG and MathML that is told apart; what is deeper is read as if it stood there.
const MAX_DEPTH: usize = 256;

/// The open elements at which the language of what follows changes.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    name: Box<str>,
    /// Whether what follows is HTML again, as in SVG's `foreignObject`.
    html: bool,
}

impl Foreign {
    /// Whether what follows is read as SVG or MathML.
    pub(super) fn is_inside(&self) -> bool {
        self.open.last().is_some_and(|innermost| !innermost.html)
    }

    /// Whether no such element is open, not even one around HTML.
    pub(super) fn is_nowhere(&self) -> bool {
        self.open.is_empty()
    }

    /// Keeps account as a start tag takes effect; whether its element is one of HTML.
    pub(super) fn enter<'p>(&mut self, tag: &impl Tag<'p>) -> bool {
        let name = tag.name();
        if self.is_nowhere() && !matches!(name, "svg" | "math") {
            return true;
        }
        if breaks_out(name) || name == "font" && ["color", "face", "size"].iter().any(|name| tag.attribute(name).is_some()) {
            self.leave();
        }
        let inside = self.is_inside();
        let root = matches!(name, "svg" | "math");
        let html = inside && self.holds_html(tag);
        if (root || html) && !tag.is_self_closing() && self.open.len() < MAX_DEPTH {
            self.open.push(Open { name: name.into(), html });
        }
        !inside && !root
    }

    /// The same for an end tag that ends what it may stand around.
    pub(super) fn end_around(&mut self, name: &str) {
        if breaks_out(name) || encloses(name) {
            self.leave();
        }
    }

    /// An end tag closes the innermost element of its name.
    pub(super) fn close(&mut self, name: &str) {
        if let Some(at) = self.open.iter().rposition(|open| &*open.name == name) {
            self.open.truncate(at);
        }
    }

    fn leave(&mut self) {
        while self.is_inside() {
            self.open.pop();
        }
    }

    /// Elements of SVG and MathML that hold HTML.
    fn holds_html<'p>(&self, tag: &impl Tag<'p>) -> bool {
        let math = self.open.iter().rfind(|open| !open.html).is_some_and(|open| &*open.name == "math");
        if math {
            let html_annotation = tag.name() == "annotation-xml"
                && tag
                    .attribute("encoding")
                    .is_some_and(|encoding| ["text/html", "application/xhtml+xml"].iter().any(|html| encoding.eq_ignore_ascii_case(html)));
            html_annotation || matches!(tag.name(), "mi" | "mo" | "mn" | "ms" | "mtext")
        } else {
            matches!(tag.name(), "foreignobject" | "desc" | "title")
        }
    }
}

/// HTML elements in which SVG and MathML stand: their end is that of an image that was not closed. (Whether such an element is open is
/// not known here; in a page where it is not, an image ends too early.)
fn encloses(name: &str) -> bool {
    matches!(
        name,
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
fn breaks_out(name: &str) -> bool {
    matches!(
        name,
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
