//! The frame around every page, and the escaping of text within it.

use std::borrow::Cow;

/// Text as it stands in HTML, in element content and in quoted attributes alike.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// A whole document. `title` is text, `body` is HTML.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!("<!DOCTYPE html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{title}</title></head><body>{body}</body></html>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_html_would_read_as_markup_is_escaped() {
        assert_eq!(escape("a & b's <3 \"c\""), "a &amp; b&#39;s &lt;3 &quot;c&quot;");
        assert!(matches!(escape("山雀"), Cow::Borrowed(_)));
    }
}
