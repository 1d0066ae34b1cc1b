//! Answers: well-formed ones, and scripts of what to do to a connection.

use std::time::Duration;

use bytes::Bytes;

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

/// What to do about a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Send this; the connection can go on.
    Reply(Reply),
    /// Wait so long, then send this.
    Later(Duration, Reply),
    /// Wait until the gate of this name is open, then send a small page.
    Gate(String),
    /// Do this and close the connection.
    Script(Vec<Step>),
}

/// One thing done to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Bytes),
    Pause(Duration),
    /// The same bytes so many times.
    Repeat(Bytes, u64),
    /// The same bytes until the client leaves.
    Forever(Bytes),
    /// Nothing until the client leaves.
    Hang,
}

/// A well-formed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// `None`: no such header.
    pub(crate) content_type: Option<&'static str>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: Some(content_type), headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn html(body: String) -> Self {
        Self::new(200, HTML, body)
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.push('\n');
        Self::new(status, TEXT, text)
    }

    pub(crate) fn not_found() -> Self {
        Self::text(404, "404 page not found")
    }

    pub(crate) fn redirect(status: u16, location: impl Into<String>) -> Self {
        Self::text(status, "elsewhere").with("Location", location)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The status line and headers, with the true length of the body. Statuses that have no body have no length either.
    pub(crate) fn head(&self, keep_alive: bool) -> Vec<u8> {
        let length = (!self.has_no_body()).then_some(self.body.len() as u64);
        head(self.status, self.content_type, &self.headers, length, keep_alive)
    }

    pub(crate) fn has_no_body(&self) -> bool {
        matches!(self.status, 100..=199 | 204 | 304)
    }

    /// An interim status ends no exchange, so nothing orderly can follow it on the connection.
    pub(crate) fn is_interim(&self) -> bool {
        (100..=199).contains(&self.status)
    }
}

/// A head with any claim about the body, true or not.
pub(crate) fn head(
    status: u16,
    content_type: Option<&str>,
    headers: &[(&'static str, String)],
    content_length: Option<u64>,
    keep_alive: bool,
) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    let mut line = |name: &str, value: &str| {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    };
    if let Some(content_type) = content_type {
        line("Content-Type", content_type);
    }
    for (name, value) in headers {
        line(name, value);
    }
    if let Some(length) = content_length {
        line("Content-Length", &length.to_string());
    }
    if !keep_alive {
        line("Connection", "close");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Practice Status",
    }
}
