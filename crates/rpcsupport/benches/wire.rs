//! What the wire costs: `cargo bench -p rpcsupport --bench wire`.
//!
//! First the encoding, on one thread, by that thread's processor time: a job, and the outcome of a page as a manual has them, with one item
//! and 33 links, or 107. Each once on a host with a name and once on an address with a port. Then whole
//! calls of `process`, over TCP of this machine and in memory, one at a time and 100 in flight, answered at once: time and processor time of
//! the process, in which caller and worker are both. All medians of rounds that take turns.

#![expect(clippy::print_stdout, reason = "a benchmark prints its tables")]

use std::future;
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use model::hello::{Hello, Role};
use model::job::{FetchRules, NetPermit, Validators};
use model::outcome::FetchFacts;
use model::parser::SpiderFile;
use model::{CrawlUrl, Item, ItemId, Job, Link, Outcome, Page, ParserRef, PayloadJson, Verdict, WireError};
use rpcsupport::codec::MessagePack;
use rpcsupport::dial::deadline;
use rpcsupport::{CrawlClient, PeerAddress, Reception, WorkerHandler, dial_worker, memory, serve_worker};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_serde::{Deserializer, Serializer};

/// Rounds, of which the median counts.
const ROUNDS: usize = 9;

/// Times that a message is encoded and decoded in a round.
const MESSAGES: u32 = 300;

/// Calls of a round.
const CALLS: usize = 6_000;

/// Longer than any call takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A host with a name, and one that is an address with a port.
const HOSTS: [(&str, &str); 2] = [("a name", "https://docs.example.org"), ("an address", "http://127.0.0.1:8802")];

#[tokio::main]
async fn main() {
    encoding();
    calls().await;
}

fn page_url(host: &str, n: usize) -> CrawlUrl {
    CrawlUrl::parse(&format!("{host}/api/java.base/java/util/concurrent/locks/ReentrantLock{n}.html")).expect("a URL")
}

fn job(host: &str) -> Job {
    let url = page_url(host, 0);
    let permit = NetPermit { host: url.host_str().to_owned(), port: Some(url.port()) };
    Job {
        key: url.dedup_key(),
        parser: ParserRef::named("page"),
        spider: None,
        cookie: None,
        validators: None,
        fetch: FetchRules { allow_net: vec![permit], ..FetchRules::plain("gossamer/0.1.0 (+https://gossamer.invalid/bot)") },
        url,
    }
}

/// What a worker answers about a page with one item.
fn outcome(host: &str, links: usize) -> Outcome {
    let url = page_url(host, 0);
    let payload = serde_json::json!({
        "status": 200, "title": "ReentrantLock (Java SE 17 & JDK 17)", "lang": "en", "bytes": 26_617, "links": 107, "canonical": "",
        "description": "declaration: module: java.base, package: java.util.concurrent.locks, class: ReentrantLock",
        "content_hash": "13dab8d42ad2218070c0198247c2304a",
    });
    let item = Item {
        item_type: "page".to_owned(),
        id: ItemId::derived(url.dedup_key(), "page", 0),
        payload: PayloadJson::of(&payload).expect("plain data"),
        url,
    };
    let parser = Arc::new(ParserRef::named("page"));
    let link = |n| {
        let url = page_url(host, n);
        Link { key: url.dedup_key(), url, parser: Arc::clone(&parser), priority: 0, modified_ms: None }
    };
    let page = Page { links: (1..=links).map(link).collect(), items: vec![item], ..Page::default() };
    let fetch = FetchFacts {
        status: Some(200),
        bytes: 26_617,
        millis: 3,
        fetched_at_ms: 1_700_000_000_000,
        remote: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8802))),
        content: Some(0x13da_b8d4_2ad2_2180),
        validators: Some(Validators {
            etag: Some("\"6536b4d3-67f9\"".to_owned()),
            last_modified: Some("Mon, 23 Oct 2023 18:01:55 GMT".to_owned()),
        }),
        ..FetchFacts::default()
    };
    Outcome { verdict: Verdict::Page(page), fetch }
}

/// A kind of message, with what each round found.
struct Message {
    name: String,
    bytes: usize,
    encode: Box<dyn Fn()>,
    decode: Box<dyn Fn()>,
    micros: [Vec<f64>; 2],
}

impl Message {
    fn new<T: Serialize + DeserializeOwned + 'static>(name: String, value: T) -> Message {
        let encoded = |value: &T| Pin::new(&mut MessagePack).serialize(value).expect("it can be encoded");
        let bytes = BytesMut::from(&encoded(&value)[..]);
        let decode = move |bytes: &BytesMut| -> T { Pin::new(&mut MessagePack).deserialize(bytes).expect("it can be decoded") };
        Message {
            name,
            bytes: bytes.len(),
            encode: Box::new(move || _ = black_box(encoded(&value))),
            decode: Box::new(move || _ = black_box(decode(&bytes))),
            micros: [Vec::new(), Vec::new()],
        }
    }

    fn measure(&mut self) {
        for (work, micros) in [&self.encode, &self.decode].into_iter().zip(&mut self.micros) {
            let begun = cpu_time(ClockId::ThreadCPUTime);
            (0..MESSAGES).for_each(|_| work());
            micros.push((cpu_time(ClockId::ThreadCPUTime) - begun).as_secs_f64() * 1e6 / f64::from(MESSAGES));
        }
    }
}

fn encoding() {
    let mut messages = Vec::new();
    for (kind, host) in HOSTS {
        messages.push(Message::new(format!("job, {kind}"), job(host)));
        for links in [33, 107] {
            messages.push(Message::new(format!("page with {links} links, {kind}"), outcome(host, links)));
        }
    }
    for _ in 0..ROUNDS {
        messages.iter_mut().for_each(Message::measure);
    }
    println!("| message | bytes | encode µs | decode µs |\n|---|---:|---:|---:|");
    for Message { name, bytes, micros: [encode, decode], .. } in messages {
        println!("| {name} | {bytes} | {:.1} | {:.1} |", median(encode), median(decode));
    }
}

/// A worker that has the answer ready.
struct Ready(Outcome);

impl WorkerHandler for Ready {
    async fn put_spider(&self, _: SpiderFile) -> Result<(), WireError> {
        Ok(())
    }

    async fn process(&self, _: Job) -> Outcome {
        self.0.clone()
    }
}

/// A way to call, with what each round found.
struct Way {
    name: String,
    client: CrawlClient,
    in_flight: usize,
    /// Microseconds of time, and of processor time, a call.
    micros: [Vec<f64>; 2],
}

impl Way {
    /// Makes the calls of a round, each of so many tasks one after the other.
    async fn measure(&mut self) {
        let (begun, cpu) = (Instant::now(), cpu_time(ClockId::ProcessCPUTime));
        let mut callers = JoinSet::new();
        for _ in 0..self.in_flight {
            let client = self.client.clone();
            let (job, calls) = (job(HOSTS[0].1), CALLS / self.in_flight);
            callers.spawn(async move {
                for _ in 0..calls {
                    let outcome = client.process(deadline(LIMIT), job.clone()).await.expect("an answer");
                    assert!(matches!(black_box(outcome).verdict, Verdict::Page(_)), "the worker lets everybody in");
                }
            });
        }
        callers.join_all().await;
        let spent = [begun.elapsed(), cpu_time(ClockId::ProcessCPUTime) - cpu];
        for (micros, spent) in self.micros.iter_mut().zip(spent) {
            micros.push(spent.as_secs_f64() * 1e6 / CALLS as f64);
        }
    }
}

async fn calls() {
    let hello = Hello::new(Role::Engine, None);
    let (mut ways, mut links) = (Vec::new(), Vec::new());
    for of_page in [0, 33] {
        let reception = Reception::new(Role::Worker, NonZeroU32::new(1000).expect("it is not 0"));
        let worker = Arc::new(Ready(outcome(HOSTS[0].1, of_page)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let address: PeerAddress = listener.local_addr().expect("it is bound").to_string().parse().expect("an address");
        tokio::spawn(serve_worker(listener, reception.clone(), Arc::clone(&worker), future::pending(), Duration::ZERO));
        let tcp = dial_worker(&address, hello.clone(), LIMIT).await.expect("a worker");
        let memory = memory::link_worker(&reception, worker, hello.clone()).await.expect("a worker");
        for (transport, link) in [("TCP", tcp), ("memory", memory)] {
            for in_flight in [1, 100] {
                let name = format!("{transport} | {of_page}");
                ways.push(Way { name, client: link.client.clone(), in_flight, micros: [Vec::new(), Vec::new()] });
            }
            links.push(link);
        }
    }
    for _ in 0..ROUNDS {
        for way in &mut ways {
            way.measure().await;
        }
    }
    println!("\n| transport | links in the answer | in flight | calls of a round | µs a call | CPU µs a call, both ends |");
    println!("|---|---:|---:|---:|---:|---:|");
    for Way { name, in_flight, micros: [wall, cpu], .. } in ways {
        println!("| {name} | {in_flight} | {CALLS} | {:.1} | {:.1} |", median(wall), median(cpu));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time that this thread, or this process, has had: other processes do not count.
fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.try_into().expect("no time before the beginning"), time.tv_nsec.try_into().expect("less than a second"))
}
