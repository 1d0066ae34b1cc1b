//! Content codings: right ones, a damaged one, and a bomb.

use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};

use super::known_page;
use crate::reply::{Answer, HTML, Reply, Step, head};

/// Size of what `gzip-bomb` expands to, in bytes: a little more than 1 GiB.
pub const BOMB_BYTES: u64 = BOMB_START.len() as u64 + BOMB_BLOCK * BOMB_BLOCKS + BOMB_END.len() as u64;

const BOMB_START: &str = "<!DOCTYPE html><html><head><title>A bomb</title></head><body>";
const BOMB_END: &str = "</body></html>";
const BOMB_BLOCK: u64 = 1024 * 1024;
const BOMB_BLOCKS: u64 = 1024;

static GZIP: LazyLock<Bytes> = LazyLock::new(|| gzipped(known_page().as_bytes()).into());
static BROTLI: LazyLock<Bytes> = LazyLock::new(|| {
    let mut coded = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut coded, 4096, 9, 20);
    encoder.write_all(known_page().as_bytes()).expect("writing to memory does not fail");
    drop(encoder);
    coded.into()
});
static ZSTD: LazyLock<Bytes> =
    LazyLock::new(|| zstd::encode_all(known_page().as_bytes(), 3).expect("reading from memory does not fail").into());
static BOMB: LazyLock<Bomb> = LazyLock::new(Bomb::new);

pub(super) fn gzip() -> Answer {
    coded("gzip", GZIP.clone())
}

pub(super) fn brotli() -> Answer {
    coded("br", BROTLI.clone())
}

pub(super) fn zstd() -> Answer {
    coded("zstd", ZSTD.clone())
}

/// Half of the stream is replaced, so that no decoder gets through it by luck.
pub(super) fn bad_gzip() -> Answer {
    let mut damaged = GZIP.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle..].fill(0xff);
    coded("gzip", damaged.into())
}

fn coded(coding: &str, body: Bytes) -> Answer {
    Answer::Reply(Reply::new(200, HTML, body).with("Content-Encoding", coding))
}

pub(crate) fn gzipped(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("writing to memory does not fail");
    encoder.finish().expect("writing to memory does not fail")
}

pub(super) fn gzip_bomb() -> Answer {
    let bomb = &*BOMB;
    let length = bomb.start.len() as u64 + bomb.block.len() as u64 * BOMB_BLOCKS + bomb.end.len() as u64;
    let head = head(200, Some(HTML), &[("Content-Encoding", "gzip".to_owned())], Some(length), false);
    Answer::Script(vec![
        Step::Send(head.into()),
        Step::Send(bomb.start.clone()),
        Step::Repeat(bomb.block.clone(), BOMB_BLOCKS),
        Step::Send(bomb.end.clone()),
    ])
}

/// A gzip member in three parts, of which the middle one is sent many times: a full flush on either side makes it
/// independent of what precedes it and whole bytes long, so repeating its bytes repeats its text.
#[derive(Debug)]
struct Bomb {
    start: Bytes,
    block: Bytes,
    end: Bytes,
}

impl Bomb {
    fn new() -> Self {
        let spaces = vec![b' '; usize::try_from(BOMB_BLOCK).expect("a block fits in memory")];
        let mut deflate = Compress::new(Compression::best(), false);
        let mut part = |plain: &[u8], flush| {
            let mut coded = Vec::with_capacity(64 * 1024);
            deflate.compress_vec(plain, &mut coded, flush).expect("a fresh deflate stream takes any bytes");
            coded
        };
        // Magic, deflate, no flags, no time, no extra flags, unknown system.
        let mut start = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        start.extend(part(BOMB_START.as_bytes(), FlushCompress::Full));
        let block = part(&spaces, FlushCompress::Full);
        let mut end = part(BOMB_END.as_bytes(), FlushCompress::Finish);

        let crc_of = |plain: &[u8]| {
            let mut crc = Crc::new();
            crc.update(plain);
            crc
        };
        let (mut crc, block_crc) = (crc_of(BOMB_START.as_bytes()), crc_of(&spaces));
        for _ in 0..BOMB_BLOCKS {
            crc.combine(&block_crc);
        }
        crc.combine(&crc_of(BOMB_END.as_bytes()));
        end.extend(crc.sum().to_le_bytes());
        // The format keeps the length modulo 2^32, so the low half is meant.
        end.extend(u32::try_from(BOMB_BYTES & 0xffff_ffff).expect("masked to 32 bits").to_le_bytes());
        Self { start: start.into(), block: block.into(), end: end.into() }
    }
}
