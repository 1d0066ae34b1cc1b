//! Reading a body within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use model::WireError;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::budget::Share;
use super::failure;
use super::media::{SNIFF_BYTES, looks_like_html};
use super::wanted::Most;

/// The limits of one body.
pub(super) struct Limits {
    pub(super) most: Most,
    /// When the fetch must be complete. Moved on by what this worker itself made it wait.
    pub(super) deadline: Instant,
    /// The whole time the fetch has, for the message.
    pub(super) timeout: Duration,
    /// Whether the first bytes must look like HTML, because no header says what they are.
    pub(super) sniff: bool,
}

/// How reading ended; `read` are the bytes that came, after decompression.
pub(super) struct Read {
    pub(super) read: u64,
    pub(super) body: Result<Bytes, NoBody>,
}

pub(super) enum NoBody {
    Failed(WireError),
    /// It does not look like HTML.
    NotHtml,
}

/// Reads a body to its end, piece by piece, each accounted for before the next is asked for. A body of one piece is not copied.
pub(super) async fn read(response: &mut Response, limits: &mut Limits, share: &Share) -> Read {
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    let mut read = 0u64;
    let mut unsure = limits.sniff;
    let mut full = false;
    let body = loop {
        let next = async { if full { Ok(None) } else { response.chunk().await } };
        let mut chunk = match timeout_at(limits.deadline, next).await {
            Err(_) => break Err(NoBody::Failed(failure::fetch_timeout(limits.timeout.as_millis() as u64))),
            Ok(Err(error)) => break Err(NoBody::Failed(failure::of_body(&error))),
            Ok(Ok(None)) => {
                let whole = match rest {
                    Some(rest) => rest.freeze(),
                    None => first,
                };
                break if unsure && !looks_like_html(&whole) { Err(NoBody::NotHtml) } else { Ok(whole) };
            }
            Ok(Ok(Some(chunk))) => chunk,
        };
        read += chunk.len() as u64;
        if read > limits.most.bytes {
            if !limits.most.cut {
                break Err(NoBody::Failed(failure::body_too_large(limits.most.bytes)));
            }
            // One byte beyond the limit stays, so that whoever reads it knows that it was cut.
            let beyond = usize::try_from(read - limits.most.bytes).unwrap_or(usize::MAX);
            chunk.truncate(chunk.len().saturating_sub(beyond) + 1);
            full = true;
        }
        let asked = Instant::now();
        share.grow(chunk.len() as u64).await;
        limits.deadline += asked.elapsed();
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&chunk),
            None if first.is_empty() => first = chunk,
            None => {
                let mut both = BytesMut::with_capacity(expected(response, limits.most.bytes).max(2 * (first.len() + chunk.len())));
                both.extend_from_slice(&first);
                both.extend_from_slice(&chunk);
                rest = Some(both);
            }
        }
        if unsure && read >= SNIFF_BYTES as u64 {
            if !looks_like_html(rest.as_deref().unwrap_or(&first)) {
                break Err(NoBody::NotHtml);
            }
            unsure = false;
        }
    };
    Read { read, body }
}

/// Bytes to make room for: what the server announces, as far as that is believed before it comes.
fn expected(response: &Response, limit: u64) -> usize {
    const BELIEVED: u64 = 1024 * 1024;
    usize::try_from(response.content_length().unwrap_or_default().min(limit).min(BELIEVED)).unwrap_or_default()
}
