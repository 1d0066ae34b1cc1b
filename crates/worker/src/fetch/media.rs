//! Whether a body is a page, told from its declared type or its first bytes.

/// Whether a media type (lower case, without parameters) is one of HTML.
pub(crate) fn is_html(essence: &str) -> bool {
    matches!(essence, "text/html" | "application/xhtml+xml")
}

/// Bytes that are enough to tell.
pub(crate) const SNIFF_BYTES: usize = 512;

/// Whether a body without a declared type begins like HTML, as browsers tell it: after a byte order mark and white space a tag of a
/// page, a comment or a doctype.
pub(crate) fn looks_like_html(bytes: &[u8]) -> bool {
    const STARTS: [&[u8]; 21] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<script",
        b"<iframe",
        b"<h1",
        b"<div",
        b"<font",
        b"<table",
        b"<a",
        b"<style",
        b"<title",
        b"<b",
        b"<body",
        b"<br",
        b"<p",
        b"<!--",
        b"<meta",
        b"<link",
        b"<ul",
        b"<center",
    ];
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    STARTS.iter().any(|tag| {
        let (head, next) = (bytes.get(..tag.len()), bytes.get(tag.len()));
        let ends = *tag == b"<!--" || next.is_none_or(|b| b.is_ascii_whitespace() || *b == b'>' || *b == b'/');
        head.is_some_and(|head| head.eq_ignore_ascii_case(tag)) && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_told_by_how_it_begins() {
        for html in ["<!DOCTYPE HTML><p>", " \n<html lang=x>", "\u{feff}<head>", "<!--x-->", "<p", "<title>"] {
            assert!(looks_like_html(html.as_bytes()), "{html:?}");
        }
        for other in ["", "{\"a\": 1}", "%PDF-1.4", "<?xml version='1.0'?>", "<svg>", "<pre>", "plain text <html>", "\u{1}<html>"] {
            assert!(!looks_like_html(other.as_bytes()), "{other:?}");
        }
    }
}
