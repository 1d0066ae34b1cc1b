//! One request, as far as the site cares: its head, read from the bytes of a connection.

/// Headers beyond this many make a request bad.
const MOST_HEADERS: usize = 128;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Host name and port as the client names this server; safe to print into a page.
    pub(crate) host: String,
    /// The `Cookie` headers, joined.
    pub(crate) cookies: String,
    /// All headers that are text, names in lower case.
    headers: Vec<(String, String)>,
    /// Whether the client may send another request on this connection.
    pub(crate) keep_alive: bool,
    /// Bytes of body that follow.
    pub(crate) body_length: u64,
}

/// What the beginning of a buffer holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A head of so many bytes.
    Whole(Request, usize),
    /// Only the beginning of a head.
    Partial,
    /// Something that is answered with 400 and this text.
    Bad(&'static str),
}

impl Request {
    /// Reads a head; `local` stands in for a missing `Host` header, which HTTP/1.0 allows.
    pub(crate) fn parse(buffer: &[u8], local: &str) -> Head {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let length = match parsed.parse(buffer) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Head::Partial,
            Err(_) => return Head::Bad("malformed request head"),
        };
        let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
            return Head::Bad("malformed request line");
        };
        let mut request = Self {
            method: method.to_owned(),
            target: origin_form(target).to_owned(),
            host: String::new(),
            cookies: String::new(),
            headers: Vec::new(),
            keep_alive: version == 1,
            body_length: 0,
        };
        for header in parsed.headers.iter() {
            let Ok(value) = std::str::from_utf8(header.value) else { continue };
            request.headers.push((header.name.to_ascii_lowercase(), value.to_owned()));
            if header.name.eq_ignore_ascii_case("host") {
                request.host = value.to_owned();
            } else if header.name.eq_ignore_ascii_case("connection") {
                let says = |word: &str| value.split(',').any(|token| token.trim().eq_ignore_ascii_case(word));
                request.keep_alive = if says("close") { false } else { request.keep_alive || says("keep-alive") };
            } else if header.name.eq_ignore_ascii_case("cookie") {
                if !request.cookies.is_empty() {
                    request.cookies.push_str("; ");
                }
                request.cookies.push_str(value);
            } else if header.name.eq_ignore_ascii_case("content-length") {
                let Ok(length) = value.parse() else { return Head::Bad("malformed content-length") };
                request.body_length = length;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                return Head::Bad("request bodies need a content-length");
            }
        }
        if request.host.is_empty() {
            request.host = local.to_owned();
        }
        let printable = |byte: u8| byte.is_ascii_alphanumeric() || b".:-_[]".contains(&byte);
        if !request.host.bytes().all(printable) {
            return Head::Bad("malformed host header");
        }
        Head::Whole(request, length)
    }

    /// Scheme and host: what absolute links begin with.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.host)
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first header of that name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a query parameter, as sent; the first if it is repeated.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| match pair.split_once('=') {
            Some((found, value)) => (found == name).then_some(value),
            None => (pair == name).then_some(""),
        })
    }

    /// A query parameter that is a number from 0 to `most`, or `default` without one. The error is a text for the client.
    pub(crate) fn number(&self, name: &str, default: u64, most: u64) -> Result<u64, String> {
        let Some(text) = self.query(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| *number <= most);
        number.ok_or_else(|| format!("{name} must be a number from 0 to {most}"))
    }
}

/// A client that takes this server for a proxy sends the whole URL; only its path matters here.
fn origin_form(target: &str) -> &str {
    match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &str) -> Request {
        match Request::parse(head.as_bytes(), "127.0.0.1:80") {
            Head::Whole(request, length) => {
                assert_eq!(length, head.len());
                request
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_head_gives_target_host_and_cookies() {
        let request = parse("GET /a?b=1&c HTTP/1.1\r\nHost: example.test:1\r\nCookie: x=1\r\nCOOKIE: y=2\r\n\r\n");
        assert_eq!((request.path(), request.query("b"), request.query("c"), request.query("d")), ("/a", Some("1"), Some(""), None));
        assert_eq!((request.base().as_str(), request.cookies.as_str()), ("http://example.test:1", "x=1; y=2"));
        assert!(request.keep_alive);
    }

    #[test]
    fn http_1_0_needs_no_host_and_closes_unless_asked() {
        let request = parse("GET http://elsewhere.test/x HTTP/1.0\r\n\r\n");
        assert_eq!((request.host.as_str(), request.target.as_str(), request.keep_alive), ("127.0.0.1:80", "/x", false));
        assert!(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
        assert!(!parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").keep_alive);
    }

    #[test]
    fn a_host_that_would_break_a_page_is_refused() {
        assert_eq!(Request::parse(b"GET / HTTP/1.1\r\nHost: a\"><b\r\n\r\n", ""), Head::Bad("malformed host header"));
        assert_eq!(Request::parse(b"GET / HTTP/1.1\r\nHo", ""), Head::Partial);
    }
}
