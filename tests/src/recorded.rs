//! A worker of an earlier version, as a recording of what it answered: so that a fleet of mixed versions is tested with bytes that an older
//! program wrote, not with what this one believes of them.
//!
//! A recording is the conversation itself: the frames of each call and of its answer, one after the other, each with its length before it
//! (32 bits, big endian). `cargo run -p tests --bin record` makes one. Played back, each call gets the recorded answer to the same call: for
//! a job the one with the same URL.

use std::collections::HashMap;
use std::io::Cursor;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use crate::runtime::{runtime, within_limit};

/// A played back worker on a port of its own until dropped.
#[derive(Debug)]
pub struct RecordedWorker {
    host: String,
    server: JoinHandle<()>,
}

/// A call, as far as its answer depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Call {
    Hello,
    PutSpider,
    Ping,
    Process { url: String },
}

/// What a client sends; everything that is not needed here is skipped, as an older peer would.
#[derive(Deserialize)]
enum Message {
    Request { id: u64, message: Method },
    Cancel(#[allow(dead_code, reason = "it is told apart, and no more")] IgnoredAny),
}

#[derive(Deserialize)]
enum Method {
    Hello(IgnoredAny),
    PutSpider(IgnoredAny),
    Ping(IgnoredAny),
    Process { job: JobUrl },
}

#[derive(Deserialize)]
struct JobUrl {
    url: String,
}

type Frames = Framed<TcpStream, LengthDelimitedCodec>;

fn framed(stream: TcpStream) -> Frames {
    LengthDelimitedCodec::builder().max_frame_length(20 * 1024 * 1024).new_framed(stream)
}

/// The number of a call and what it asks; none for a cancellation.
fn call(frame: &[u8]) -> Option<(u64, Call)> {
    match rmp_serde::from_slice(frame).expect("a peer sends messages of this protocol") {
        Message::Cancel(_) => None,
        Message::Request { id, message } => Some((
            id,
            match message {
                Method::Hello(_) => Call::Hello,
                Method::PutSpider(_) => Call::PutSpider,
                Method::Ping(_) => Call::Ping,
                Method::Process { job } => Call::Process { url: job.url },
            },
        )),
    }
}

/// How an answer begins: a map of two, the number of its call first.
const ANSWER: &[u8] = b"\x82\xaarequest_id";

/// The number in an answer, and where the rest begins.
fn number(answer: &[u8]) -> (u64, usize) {
    let number = answer.strip_prefix(ANSWER).expect("an answer begins with the number of its call");
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(number));
    let id = u64::deserialize(&mut reader).expect("a number");
    (id, ANSWER.len() + usize::try_from(reader.position()).expect("it is a few bytes on"))
}

/// The answer to another call.
fn renumbered(answer: &[u8], id: u64) -> Vec<u8> {
    let (_, rest) = number(answer);
    [ANSWER, &rmp_serde::to_vec(&id).expect("a number"), &answer[rest..]].concat()
}

impl RecordedWorker {
    /// Plays a recording back.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn play(recording: &Path) -> RecordedWorker {
        let answers = Arc::new(read(recording));
        let listener = within_limit("a port", TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let host = listener.local_addr().expect("a bound listener has an address").to_string();
        let server = runtime().spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer_all(framed(stream), Arc::clone(&answers)));
            }
        });
        RecordedWorker { host, server }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for RecordedWorker {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer_all(mut frames: Frames, answers: Arc<HashMap<Call, Vec<u8>>>) {
    while let Some(Ok(frame)) = frames.next().await {
        let Some((id, call)) = call(&frame) else { continue };
        let answer = answers.get(&call).unwrap_or_else(|| panic!("{call:?} was not recorded"));
        if frames.send(Bytes::from(renumbered(answer, id))).await.is_err() {
            return;
        }
    }
}

fn read(recording: &Path) -> HashMap<Call, Vec<u8>> {
    let bytes = std::fs::read(recording).unwrap_or_else(|error| panic!("{}: {error}", recording.display()));
    let mut rest = &bytes[..];
    let mut next = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (frame, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        rest = after;
        Some(frame.to_vec())
    };
    let mut answers = HashMap::new();
    while let (Some(request), Some(answer)) = (next(), next()) {
        let (_, call) = call(&request).expect("a cancellation has no answer to be recorded");
        answers.insert(call, answer);
    }
    answers
}

/// A proxy before a worker that records one connection into a file; each kind of call, and each URL, once.
///
/// # Errors
/// When the port is taken, the worker is not there, or the file cannot be written.
pub async fn record(port: u16, worker: &str, file: &Path) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let (stream, _) = listener.accept().await?;
    let (mut to_client, mut from_client) = framed(stream).split();
    let (mut to_worker, mut from_worker) = framed(TcpStream::connect(worker).await?).split();
    let open: Mutex<HashMap<u64, Vec<u8>>> = Mutex::default();
    let requests = async {
        while let Some(Ok(frame)) = from_client.next().await {
            if let Some((id, _)) = call(&frame) {
                open.lock().expect("no holder of this lock panics").insert(id, frame.to_vec());
            }
            if to_worker.send(frame.freeze()).await.is_err() {
                return;
            }
        }
    };
    let mut recorded = HashMap::new();
    let answers = async {
        while let Some(Ok(frame)) = from_worker.next().await {
            let request = open.lock().expect("no holder of this lock panics").remove(&number(&frame).0);
            if let Some(request) = request {
                let (_, call) = call(&request).expect("a cancellation is not kept");
                recorded.entry(call).or_insert((request, frame.to_vec()));
            }
            if to_client.send(frame.freeze()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
    let mut bytes = Vec::new();
    for frame in recorded.into_values().flat_map(|(request, answer)| [request, answer]) {
        bytes.extend_from_slice(&u32::try_from(frame.len()).expect("frames are bounded").to_be_bytes());
        bytes.extend_from_slice(&frame);
    }
    tokio::fs::write(file, bytes).await
}
