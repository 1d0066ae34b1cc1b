//! Pieces of a page that are safe whatever they are made of.

use std::fmt::{self, Write as _};

/// Markup: what was text is escaped in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Html(String);

impl Html {
    /// Markup of our own, without anything that someone else wrote.
    pub(crate) fn ours(markup: &'static str) -> Html {
        Html(markup.to_owned())
    }

    /// A text as it is shown.
    pub(crate) fn text(text: &str) -> Html {
        let mut escaped = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                // A browser would take it for the end of the page, or for nothing.
                '\0' => escaped.push('\u{fffd}'),
                // These turn around what stands after them.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                c => escaped.push(c),
            }
        }
        Html(escaped)
    }

    /// An element with attributes and contents. Names are our own; values are escaped.
    pub(crate) fn element(name: &'static str, attributes: &[(&'static str, &str)], contents: Html) -> Html {
        let mut html = Html::open(name, attributes);
        html.0.push_str(&contents.0);
        write!(html.0, "</{name}>").expect("a string takes all that is written to it");
        html
    }

    /// An element without contents, such as `input`.
    pub(crate) fn open(name: &'static str, attributes: &[(&'static str, &str)]) -> Html {
        let mut html = format!("<{name}");
        for (attribute, value) in attributes {
            write!(html, " {attribute}=\"{}\"", Html::text(value)).expect("a string takes all that is written to it");
        }
        html.push('>');
        Html(html)
    }

    /// A link to a page of our own.
    pub(crate) fn link(address: &str, contents: Html) -> Html {
        debug_assert!(address.starts_with('/') && !address.starts_with("//"), "it is ours");
        Html::element("a", &[("href", address)], contents)
    }

    /// A link to somewhere else, if that is a page; else only the text. What runs a script is no page.
    pub(crate) fn outside(address: &str, contents: Html) -> Html {
        if !is_page(address) {
            return contents;
        }
        Html::element("a", &[("href", address), ("rel", "noopener noreferrer nofollow"), ("class", "outside")], contents)
    }

    /// This and then that.
    #[must_use]
    pub(crate) fn then(mut self, next: Html) -> Html {
        self.0.push_str(&next.0);
        self
    }

    /// All of them.
    pub(crate) fn all(pieces: impl IntoIterator<Item = Html>) -> Html {
        pieces.into_iter().fold(Html::default(), Html::then)
    }

    /// A text with marks around some of its characters; marks that do not lie in it are left out.
    pub(crate) fn marked(text: &str, marks: &[(usize, usize)]) -> Html {
        let chars: Vec<char> = text.chars().collect();
        let piece = |from: usize, to: usize| Html::text(&chars[from..to].iter().collect::<String>());
        let (mut html, mut at) = (Html::default(), 0);
        for (from, to) in marks {
            if *from >= at && from < to && *to <= chars.len() {
                html = html.then(piece(at, *from)).then(Html::element("mark", &[], piece(*from, *to)));
                at = *to;
            }
        }
        html.then(piece(at, chars.len()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is the address of a page.
pub(crate) fn is_page(text: &str) -> bool {
    let scheme = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    (scheme.starts_with("http://") || scheme.starts_with("https://")) && model::CrawlUrl::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_someone_else_wrote_is_text() {
        assert_eq!(Html::text("<b>&\"'\0\u{202e}").into_string(), "&lt;b&gt;&amp;&quot;&#39;\u{fffd}");
        let link = Html::outside("javascript:alert(1)", Html::text("<x>"));
        assert_eq!(link.into_string(), "&lt;x&gt;");
        for no_page in ["JavaScript://h/%0aalert(1)", "data:text/html,x", " javascript:x", "//h/", "", "http://"] {
            assert!(!is_page(no_page), "{no_page}");
        }
        assert!(is_page("HTTPS://h/\"onclick="));
        let link = Html::outside("https://h/\"onclick=", Html::text("x")).into_string();
        assert!(link.starts_with("<a href=\"https://h/&quot;onclick=\" rel="), "{link}");
    }

    #[test]
    fn marks_are_put_where_they_belong() {
        assert_eq!(Html::marked("a已购房<", &[(1, 3), (4, 5)]).into_string(), "a<mark>已购</mark>房<mark>&lt;</mark>");
        assert_eq!(Html::marked("abc", &[(2, 9), (1, 1), (0, 1)]).into_string(), "<mark>a</mark>bc");
    }
}
