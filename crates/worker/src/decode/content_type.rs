//! The Content-Type header.

use encoding_rs::Encoding;

/// What a server says a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    essence: String,
    charset: Option<&'static Encoding>,
}

impl ContentType {
    /// Reads a header's value. What cannot be read is an empty type.
    pub fn parse(value: &str) -> ContentType {
        let mut parts = value.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let charset = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let label = value.trim().trim_matches(['"', '\'']);
            if name.trim().eq_ignore_ascii_case("charset") { Encoding::for_label(label.as_bytes()) } else { None }
        });
        ContentType { essence, charset }
    }

    /// Type and subtype such as `text/html`, lower case; empty if there are none.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The encoding it names, if that is one that exists.
    pub fn charset(&self) -> Option<&'static Encoding> {
        self.charset
    }
}
