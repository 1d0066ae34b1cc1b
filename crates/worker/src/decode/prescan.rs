//! The encoding that a `meta` element declares near the beginning of a page, found as the HTML standard says.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};

/// How far into a page a declaration is looked for.
const PRESCAN_BYTES: usize = 1024;

/// How far a declaration is looked for in a page that cannot be told otherwise. Browsers take one from anywhere and begin again.
const LATER_BYTES: usize = 256 * 1024;

/// The declared encoding, if there is one near the beginning.
pub(super) fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let beginning = &bytes[..bytes.len().min(PRESCAN_BYTES)];
    of_meta(beginning).or_else(|| of_xml(beginning))
}

/// The encoding that a `meta` element further on declares.
pub(super) fn declared_later(bytes: &[u8]) -> Option<&'static Encoding> {
    of_meta(&bytes[..bytes.len().min(LATER_BYTES)])
}

/// The encoding of an XML declaration, which may itself be in UTF-16.
fn of_xml(bytes: &[u8]) -> Option<&'static Encoding> {
    if bytes.starts_with(b"<\0?\0x\0") {
        return Some(UTF_16LE);
    }
    if bytes.starts_with(b"\0<\0?\0x") {
        return Some(UTF_16BE);
    }
    let rest = bytes.strip_prefix(b"<?xml")?;
    let declaration = &rest[..rest.iter().position(|b| *b == b'>')?];
    let at = declaration.windows(8).position(|word| word == b"encoding")?;
    let value = declaration[at + 8..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let quote = value.first().filter(|quote| matches!(quote, b'"' | b'\''))?;
    let label = value[1..].split(|b| b == quote).next().filter(|label| label.len() < value.len() - 1)?;
    Encoding::for_label(label).map(|encoding| if encoding == UTF_16BE || encoding == UTF_16LE { UTF_8 } else { encoding })
}

fn of_meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let mut scanner = Scanner { bytes, at: 0 };
    while scanner.at < scanner.bytes.len() {
        if scanner.looks_at(b"<!--") {
            // The two dashes of `<!-->` may be those that end it.
            scanner.at += 2;
            scanner.skip_past(b"-->");
        } else if scanner.looks_at(b"<meta") && scanner.bytes.get(scanner.at + 5).is_some_and(|b| is_space(*b) || *b == b'/') {
            scanner.at += 5;
            if let Some(encoding) = scanner.meta() {
                return Some(encoding);
            }
        } else if scanner.looks_at_tag() {
            while scanner.peek().is_some_and(|b| !is_space(b) && b != b'>') {
                scanner.at += 1;
            }
            while scanner.attribute().is_some() {}
        } else if scanner.looks_at(b"<!") || scanner.looks_at(b"</") || scanner.looks_at(b"<?") {
            scanner.skip_past(b">");
        } else {
            scanner.at += 1;
        }
    }
    None
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn looks_at(&self, word: &[u8]) -> bool {
        self.bytes.get(self.at..self.at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    fn looks_at_tag(&self) -> bool {
        let name = self.at + if self.looks_at(b"</") { 2 } else { 1 };
        self.peek() == Some(b'<') && self.bytes.get(name).is_some_and(u8::is_ascii_alphabetic)
    }

    fn skip_past(&mut self, end: &[u8]) {
        let found = self.bytes[self.at..].windows(end.len()).position(|window| window == end);
        self.at = found.map_or(self.bytes.len(), |position| self.at + position + end.len());
    }

    fn meta(&mut self) -> Option<&'static Encoding> {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        let mut got_pragma = false;
        let mut needs_pragma = None;
        let mut charset = None;
        while let Some((name, value)) = self.attribute() {
            if seen.contains(&name) {
                continue;
            }
            match name.as_slice() {
                b"http-equiv" => got_pragma |= value == b"content-type",
                b"content" if charset.is_none() => {
                    charset = charset_of_content(&value);
                    needs_pragma = charset.map(|_| true).or(needs_pragma);
                }
                b"charset" => {
                    charset = Encoding::for_label(&value);
                    needs_pragma = Some(false);
                }
                _ => {}
            }
            seen.push(name);
        }
        if needs_pragma? && !got_pragma {
            return None;
        }
        // A page whose declaration could be read as ASCII is not UTF-16.
        charset.map(|encoding| match encoding {
            encoding if encoding == UTF_16BE || encoding == UTF_16LE => UTF_8,
            encoding if encoding == X_USER_DEFINED => WINDOWS_1252,
            encoding => encoding,
        })
    }

    /// The next attribute of the tag that is being read, in lower case; `None` at its end.
    fn attribute(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        while self.peek().is_some_and(|b| is_space(b) || b == b'/') {
            self.at += 1;
        }
        if self.peek()? == b'>' {
            return None;
        }
        let mut name = Vec::new();
        loop {
            match self.peek()? {
                b'=' if !name.is_empty() => break,
                b if is_space(b) => {
                    self.skip_spaces();
                    if self.peek()? != b'=' {
                        return Some((name, Vec::new()));
                    }
                    break;
                }
                b'/' | b'>' => return Some((name, Vec::new())),
                b => name.push(b.to_ascii_lowercase()),
            }
            self.at += 1;
        }
        self.at += 1;
        self.skip_spaces();
        let mut value = Vec::new();
        match self.peek()? {
            quote @ (b'"' | b'\'') => {
                self.at += 1;
                while self.peek()? != quote {
                    value.push(self.peek()?.to_ascii_lowercase());
                    self.at += 1;
                }
                self.at += 1;
            }
            _ => {
                while !is_space(self.peek()?) && self.peek()? != b'>' {
                    value.push(self.peek()?.to_ascii_lowercase());
                    self.at += 1;
                }
            }
        }
        Some((name, value))
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }
}

/// The encoding named in the `content` of a `meta http-equiv`, already in lower case.
fn charset_of_content(content: &[u8]) -> Option<&'static Encoding> {
    const WORD: &[u8] = b"charset";
    let mut rest = content;
    loop {
        let at = rest.windows(WORD.len()).position(|window| window == WORD)?;
        rest = rest[at + WORD.len()..].trim_ascii_start();
        if let Some(value) = rest.strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            let label = match value.first()? {
                quote @ (b'"' | b'\'') => value[1..].split(|b| b == quote).next().filter(|label| label.len() < value.len() - 1)?,
                _ => value.split(|b| is_space(*b) || *b == b';').next()?,
            };
            return Encoding::for_label(label);
        }
    }
}

fn is_space(b: u8) -> bool {
    matches!(b, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn declarations_are_found_as_the_standard_says() {
        for (html, expected) in [
            ("<meta charset=gbk>", Some("GBK")),
            ("<META CHARSET = 'Shift_JIS' >", Some("Shift_JIS")),
            ("<meta/charset=big5>", Some("Big5")),
            ("<meta http-equiv=Content-Type content='text/html; charset=gb2312'>", Some("GBK")),
            ("<meta content='text/html; charset = \"euc-kr\"' http-equiv=content-type>", Some("EUC-KR")),
            ("<meta content='text/html; charset=gbk'>", None),
            ("<meta http-equiv=refresh content='charset=gbk'>", None),
            ("<meta name=x charset=utf-16le>", Some("UTF-8")),
            ("<meta charset=x-user-defined>", Some("windows-1252")),
            ("<meta charset=nonsense><meta charset=gbk>", Some("GBK")),
            ("<metal charset=gbk>", None),
            ("<!-- <meta charset=gbk> --><meta charset=big5>", Some("Big5")),
            ("<!--><meta charset=gbk>", Some("GBK")),
            ("<p title='<meta charset=gbk>'>", None),
            ("<a b='>'<meta charset=gbk>", None),
            ("</p x='<meta charset=gbk>'><meta charset=big5>", Some("Big5")),
            ("<?xml version='1.0' encoding='gbk'?><meta charset=big5>", Some("Big5")),
            ("<meta charset=gbk charset=big5>", Some("GBK")),
            ("<?xml version='1.0' encoding='gbk'?><p>", Some("GBK")),
            ("<?xml version=\"1.0\" encoding = \"EUC-JP\" ?>", Some("EUC-JP")),
            ("<?xml version='1.0' encoding='utf-16'?>", Some("UTF-8")),
            ("<?xml version='1.0' encoding='nonsense'?>", None),
            ("<?xml version='1.0' encoding='gbk?>", None),
            (" <?xml version='1.0' encoding='gbk'?>", None),
            ("<\0?\0x\0m\0", Some("UTF-16LE")),
            ("\0<\0?\0x\0m", Some("UTF-16BE")),
            ("<meta charset=gbk", None),
            ("", None),
        ] {
            assert_eq!(declared(html.as_bytes()).map(Encoding::name), expected, "{html}");
        }
    }

    #[test]
    fn only_the_first_kilobyte_is_looked_at() {
        let page = |before| format!("{}<meta charset=gbk>", " ".repeat(before));
        assert!(declared(page(1024 - 18).as_bytes()).is_some());
        assert!(declared(page(1024 - 17).as_bytes()).is_none());
        assert!(declared_later(page(1024 - 17).as_bytes()).is_some());
        assert!(declared_later(page(LATER_BYTES).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_scan_panic_or_hang(text in "[<>!/?a-c='\" -]{0,60}(<meta [a-z='\"/> -]{0,40})?") {
            let _ = declared(text.as_bytes());
        }
    }
}
