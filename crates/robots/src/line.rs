//! One line of a file.

/// What a line says. Values are as they stand there, without space around them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    UserAgent(&'a [u8]),
    Allow(&'a [u8]),
    Disallow(&'a [u8]),
    CrawlDelay(&'a [u8]),
    Sitemap(&'a [u8]),
    /// A comment, nothing, or what this crate does not read.
    Other,
}

/// The lines of a body, with their numbers from 1. Lines end with LF, CR LF or CR, as in one file they may in turn.
pub(crate) fn lines(body: &[u8]) -> impl Iterator<Item = (u32, Line<'_>)> {
    let mut rest = without_mark(body);
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        let (line, ending) = rest.split_at(end);
        rest = ending.strip_prefix(b"\r\n").or_else(|| ending.get(1..)).unwrap_or_default();
        number += 1;
        Some((number, read(line)))
    })
}

/// The body without a byte order mark, be it a whole one or its beginning.
fn without_mark(body: &[u8]) -> &[u8] {
    let marked = body.iter().zip(b"\xef\xbb\xbf").take_while(|(byte, mark)| byte == mark).count();
    &body[marked..]
}

fn read(line: &[u8]) -> Line<'_> {
    let line = match line.iter().position(|b| *b == b'#') {
        Some(comment) => &line[..comment],
        None => line,
    };
    let line = line.trim_ascii();
    let Some((key, value)) = key_and_value(line) else { return Line::Other };
    let is = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name.as_bytes()));
    if is(&["user-agent", "useragent", "user agent"]) {
        Line::UserAgent(value)
    } else if is(&["disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"]) {
        Line::Disallow(value)
    } else if is(&["allow"]) {
        Line::Allow(value)
    } else if is(&["crawl-delay"]) {
        Line::CrawlDelay(value)
    } else if is(&["sitemap", "site-map"]) {
        Line::Sitemap(value)
    } else {
        Line::Other
    }
}

/// Both sides of the colon; where there is none, of the only white space, which people mean by it.
fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(colon) = line.iter().position(|b| *b == b':') {
        return Some((line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii_start()));
    }
    let space = line.iter().position(u8::is_ascii_whitespace)?;
    let (key, value) = (&line[..space], line[space..].trim_ascii_start());
    (!value.iter().any(u8::is_ascii_whitespace)).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_every_way_and_are_counted() {
        let found: Vec<(u32, Line<'_>)> = lines(b"\xef\xbb\xbfAllow: a\nAllow: b\r\n\rAllow:c\r\r\nAllow :  d # e").collect();
        let expected = [
            (1, Line::Allow(b"a".as_slice())),
            (2, Line::Allow(b"b")),
            (3, Line::Other),
            (4, Line::Allow(b"c")),
            (5, Line::Other),
            (6, Line::Allow(b"d")),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_are_known_in_any_case_and_as_they_are_often_misspelt() {
        for (line, expected) in [
            ("USER-AGENT: a", Line::UserAgent(b"a")),
            ("user agent: a", Line::UserAgent(b"a")),
            ("useragent a", Line::UserAgent(b"a")),
            ("Disallow /x", Line::Disallow(b"/x")),
            ("Disallow", Line::Other),
            ("Disallow:", Line::Disallow(b"")),
            ("disalow: /x y", Line::Disallow(b"/x y")),
            ("allow /x y", Line::Other),
            ("Crawl-Delay: 2", Line::CrawlDelay(b"2")),
            ("Sitemap: http://h/s#x", Line::Sitemap(b"http://h/s")),
            ("site-map: http://h/s", Line::Sitemap(b"http://h/s")),
            ("Noindex: /x", Line::Other),
            ("<html>", Line::Other),
            ("# Allow: /", Line::Other),
            (": /", Line::Other),
        ] {
            assert_eq!(read(line.as_bytes()), expected, "{line:?}");
        }
    }
}
