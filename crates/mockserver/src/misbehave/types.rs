//! Bodies that are no HTML, and bodies that do not say what they are.

use bytes::Bytes;

use super::known_page;
use crate::reply::{Answer, HTML, Reply};
use crate::routes::PIXEL;
use crate::seed::{Dice, Purpose};

const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

pub(super) fn binary(seed: u64) -> Answer {
    Answer::Reply(Reply::new(200, "application/octet-stream", invented_bytes(seed)))
}

pub(super) fn pdf() -> Answer {
    Answer::Reply(Reply::new(200, "application/pdf", PDF))
}

pub(super) fn image() -> Answer {
    Answer::Reply(Reply::new(200, "image/png", Bytes::from_static(PIXEL)))
}

pub(super) fn no_type_html() -> Answer {
    untyped(known_page())
}

pub(super) fn no_type_binary(seed: u64) -> Answer {
    untyped(invented_bytes(seed))
}

fn untyped(body: impl Into<Bytes>) -> Answer {
    let mut reply = Reply::new(200, HTML, body);
    reply.content_type = None;
    Answer::Reply(reply)
}

/// 4096 bytes, the first of them 0, so that nobody takes them for text.
fn invented_bytes(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed, Purpose::Bytes, 0);
    let mut bytes: Vec<u8> = (0..512).flat_map(|_| dice.next().to_le_bytes()).collect();
    bytes[0] = 0;
    bytes
}
