//! Relative addresses joined without a URL parser, where their characters show what it would say: nearly all of a page's links are a path
//! of letters and digits beside the page.

use memchr::memchr_iter;
use model::url::MAX_URL_BYTES;
use model::{CrawlUrl, Origin};
use url::{Position, Url};

/// The folder of a base address, which relative paths go into.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    origin: Origin,
    /// The base up to and with the last slash of its path.
    text: String,
    /// Where the slashes of its path are: the folders around it.
    slashes: Vec<usize>,
}

impl Folder {
    /// The folder of a web address without user name and password; none for any other. None either where joining would be dear, since nothing
    /// in it can be crawled, or where a name in the path may be taken for the letter of a drive, which `..` does not leave.
    pub(super) fn of(base: &Url) -> Option<Folder> {
        if !matches!(base.scheme(), "http" | "https") || !base.username().is_empty() || base.password().is_some() {
            return None;
        }
        let (before, path) = (&base[..Position::BeforePath], base.path());
        let folder = &path[..=path.rfind('/')?];
        let is_plain = before.len() + folder.len() <= MAX_URL_BYTES && !folder.contains([':', '|']);
        if !is_plain {
            return None;
        }
        let text = [before, folder].concat();
        let slashes = memchr_iter(b'/', folder.as_bytes()).map(|at| before.len() + at).collect();
        Some(Folder { origin: CrawlUrl::parse(before).ok()?.origin(), text, slashes })
    }

    /// The address that a path means here; none where that takes a parser to say.
    pub(super) fn join(&self, href: &str) -> Option<CrawlUrl> {
        let path = path_of(href)?;
        let (mut rest, mut depth) = match path.strip_prefix('/') {
            // Another host follows.
            Some(rest) if rest.starts_with('/') => return None,
            Some(rest) => (rest, 1),
            None => (path, self.slashes.len()),
        };
        // From the root it goes nowhere.
        while let Some(after) = rest.strip_prefix("../") {
            depth = (depth - 1).max(1);
            rest = after;
        }
        let folder = &self.text[..=self.slashes[depth - 1]];
        let query = &href[path.len()..];
        let mut text = String::with_capacity(folder.len() + rest.len() + query.len());
        text.push_str(folder);
        if rest.starts_with('.') || rest.contains("/.") {
            self.walk(rest, &mut text);
        } else {
            text.push_str(rest);
        }
        text.push_str(query);
        // It looks once more, and asks the parser where it has a doubt.
        CrawlUrl::on(&self.origin, text).ok()
    }

    /// Goes where a path leads, segment by segment.
    fn walk(&self, path: &str, text: &mut String) {
        let mut rest = path;
        // What is there always ends with the slash of a folder.
        while let Some((segment, after)) = rest.split_once('/') {
            match segment {
                "." => {}
                ".." => self.leave(text),
                _ => {
                    text.push_str(segment);
                    text.push('/');
                }
            }
            rest = after;
        }
        match rest {
            "." => {}
            ".." => self.leave(text),
            _ => text.push_str(rest),
        }
    }

    /// Goes up to the folder around the one that is there; from the root nowhere.
    fn leave(&self, text: &mut String) {
        let inner = &text[..text.len() - 1];
        if inner.len() > self.slashes[0] {
            let slash = inner.rfind('/').expect("the path begins with one");
            text.truncate(slash + 1);
        }
    }
}

/// The path of an address that is a path, perhaps with a query; none for any other, and where a dot may be escaped. Of the path's bytes only
/// those are looked at that would make it something else; whether all others stand for themselves, [`CrawlUrl`] sees.
fn path_of(href: &str) -> Option<&str> {
    let bytes = href.as_bytes();
    // Nearly every path has nothing of all that. All of it is looked at, since without a way out in between many bytes are compared at a time.
    let is_odd = |b: u8| !b.is_ascii_graphic() | matches!(b, b'?' | b':' | b'|' | b'#' | b'\\' | b'%');
    if !bytes.iter().fold(bytes.is_empty(), |odd, b| odd | is_odd(*b)) {
        return Some(href);
    }
    let end = bytes.iter().position(|b| matches!(b, b'?' | b':' | b'|' | b'#' | b'\\')).unwrap_or(bytes.len());
    let path = &href[..end];
    let is_path = !path.is_empty() && bytes[end..].first().is_none_or(|b| *b == b'?') && !path.contains("%2");
    let is_printed = || bytes.iter().all(|b| matches!(b, b'!'..=b'~') && *b != b'#');
    (is_path && is_printed()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(base: &str, href: &str) -> Option<String> {
        Folder::of(&Url::parse(base).unwrap())?.join(href).map(String::from)
    }

    #[test]
    fn a_path_goes_where_the_parser_would_have_it_go() {
        for (base, href, expected) in [
            ("http://h/a/b.html", "c.html", "http://h/a/c.html"),
            ("http://h/a/b.html?q#f", "../c/./d/", "http://h/c/d/"),
            ("http://h:81/a/b/", "../..", "http://h:81/"),
            ("https://h/a", "../../../x", "https://h/x"),
            ("http://127.0.0.1:8080/a/b", "/c/../d?e=/../f:g", "http://127.0.0.1:8080/d?e=/../f:g"),
            ("http://h/a//b", "../c", "http://h/a/c"),
        ] {
            assert_eq!(joined(base, href).as_deref(), Some(expected), "{base} {href}");
        }
    }

    #[test]
    fn what_is_no_plain_path_is_left_to_the_parser() {
        for href in ["C|/../x", "", "?a", "#a", "//other/", "mailto:a@b", "a b", "\\a", "a\nb", "%2e%2e/a", "é", "a#b", "http://h/"] {
            assert_eq!(joined("http://h/a/b", href), None, "{href:?}");
        }
        for base in ["http://user@h/", "http://h/c:/p", "http://h/c|/p", &format!("http://h/{}/", "a".repeat(MAX_URL_BYTES))] {
            assert_eq!(joined(base, "../y"), None);
        }
    }

    proptest! {
        #[test]
        fn where_it_answers_it_says_what_the_parser_says(
            base in proptest::sample::select(vec![
                "http://h/", "http://h/d/p?q=1#f", "https://h:8443/a/b/c/", "http://127.0.0.1:81/x//y/z", "http://[::1]/a'b/^|/c", "http://[::1]:81/a/b", "http://xn--bcher-kva.example/a/b/", "http://h.example/%41/..a/b",
                "http://h/a/b|c", "http://h/c:/p", "http://h/c|/d/p",
            ]),
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "/", "/", "a", "B", "c|", "c:", "..", ".", "...", "-", "~", "%", "%2e", "%2E", "%41", "?", ":", "@", ";", "=", "&", "'", "^", "|", "\\", " ", "\t", "#", "é", "x.html",
            ]), 1..9),
        ) {
            let href = pieces.concat();
            if let Some(url) = joined(base, &href) {
                let parsed = Url::parse(base).unwrap().join(&href).map(|url| CrawlUrl::from_url(url).map(String::from));
                prop_assert_eq!(parsed, Ok(Ok(url)), "{:?} {:?}", base, href);
            }
        }
    }
}
