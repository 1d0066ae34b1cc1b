//! The requests a test makes itself.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::LIMIT;

/// The body of a page, fetched without any of the code under test.
///
/// # Panics
/// When it is not answered 200 in time.
pub fn get(url: &str) -> String {
    ask(url, "GET", "")
}

/// Puts JSON there. Returns the body of the answer.
///
/// # Panics
/// When it is not answered 200 in time.
pub fn put(url: &str, json: &str) -> String {
    ask(url, "PUT", json)
}

fn ask(url: &str, method: &str, json: &str) -> String {
    let rest = url.strip_prefix("http://").expect("tests use http alone");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).unwrap_or_else(|error| panic!("cannot connect to {host}: {error}"));
    stream.set_read_timeout(Some(LIMIT)).expect("the limit is not zero");
    let body = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}", json.len());
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{body}");
    stream.write_all(request.as_bytes()).expect("a server reads its requests");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text and comes in time");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{url}: {head}");
    body.to_owned()
}
