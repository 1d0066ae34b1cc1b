//! Answers that come late, in part, too long, or not at all.

use std::time::Duration;

use bytes::Bytes;

use super::known_page;
use crate::reply::{Answer, HTML, Reply, Step, chunk, head};
use crate::request::Request;

const CHUNK: usize = 64 * 1024;
const MEBIBYTE: u64 = 1024 * 1024;
const PIECES: usize = 20;

pub(super) fn slow(request: &Request) -> Result<Answer, String> {
    let delay = request.number("ms", 1_000, 600_000)?;
    Ok(Answer::Later(Duration::from_millis(delay), Reply::html(known_page())))
}

pub(super) fn never() -> Answer {
    Answer::Script(vec![Step::Hang])
}

pub(super) fn slow_body(request: &Request) -> Result<Answer, String> {
    let pause = Duration::from_millis(request.number("ms", 100, 60_000)?);
    let page = known_page().into_bytes();
    let mut steps = vec![Step::Send(head_of_length(page.len()))];
    for (number, piece) in page.chunks(page.len().div_ceil(PIECES)).enumerate() {
        if number > 0 {
            steps.push(Step::Pause(pause));
        }
        steps.push(Step::Send(Bytes::copy_from_slice(piece)));
    }
    Ok(Answer::Script(steps))
}

pub(super) fn drop_before_headers() -> Answer {
    Answer::Script(Vec::new())
}

pub(super) fn drop_mid_body() -> Answer {
    let mut half = known_page().into_bytes();
    half.resize(5_000, b' ');
    Answer::Script(vec![Step::Send(head_of_length(10_000)), Step::Send(half.into())])
}

pub(super) fn wrong_length() -> Answer {
    let page = known_page();
    Answer::Script(vec![Step::Send(head_of_length(page.len() + 1_000)), Step::Send(page.into())])
}

pub(super) fn wrong_length_short() -> Answer {
    Answer::Script(vec![Step::Send(head_of_length(100)), Step::Send(known_page().into())])
}

pub(super) fn huge(request: &Request) -> Result<Answer, String> {
    let chunks = request.number("mb", 64, 4_096)? * (MEBIBYTE / CHUNK as u64);
    Ok(Answer::Script(vec![Step::Send(chunked_head()), Step::Repeat(filler(), chunks), Step::Send(Bytes::from_static(b"0\r\n\r\n"))]))
}

pub(super) fn endless() -> Answer {
    Answer::Script(vec![Step::Send(chunked_head()), Step::Forever(filler())])
}

fn head_of_length(length: usize) -> Bytes {
    head(200, Some(HTML), &[], Some(length as u64), false).into()
}

fn chunked_head() -> Bytes {
    head(200, Some(HTML), &[("Transfer-Encoding", "chunked".to_owned())], None, false).into()
}

/// One chunk of exactly [`CHUNK`] bytes of paragraphs.
fn filler() -> Bytes {
    let mut paragraphs = b"<p>one more paragraph of a page that goes on and on</p>\n".repeat(CHUNK / 50);
    paragraphs.truncate(CHUNK);
    chunk(&paragraphs)
}
