//! Peers over real TCP, and over memory where that must make no difference.

#![allow(clippy::unwrap_used, reason = "this is a test program, helpers included")]

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use model::error::code;
use model::hello::{CrawlIdentity, Hello, PROTOCOL, Pong, Role};
use model::history::{HistoryAnswer, HistoryRequest};
use model::job::FetchRules;
use model::outcome::{FetchFacts, Page};
use model::parser::SpiderFile;
use model::save::{SaveAnswer, SaveBatch, StoreStats};
use model::schema::TypeSchema;
use model::search::{SearchAnswer, SearchRequest};
use model::{CrawlName, CrawlUrl, Item, ItemId, Job, Outcome, ParserRef, PayloadJson, RetryClass, RunId, Verdict, WireError};
use rpcsupport::dial::deadline;
use rpcsupport::memory::link_worker;
use rpcsupport::{
    CrawlClient, DialError, Drained, ItemSaverHandler, Link, PeerAddress, Reception, WorkerHandler, bind, dial_itemsaver, dial_worker,
    serve_itemsaver, serve_worker,
};
use tarpc::client::RpcError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// A worker that holds every job at a gate. What a job asks for is in the name of its parser.
struct Gated {
    gate: Semaphore,
    /// Jobs that are being worked on.
    at_work: watch::Sender<u32>,
}

/// Counts a job as long as its future lives.
struct AtWork<'a>(&'a watch::Sender<u32>);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

impl Gated {
    fn new() -> Arc<Gated> {
        Arc::new(Gated { gate: Semaphore::new(0), at_work: watch::channel(0).0 })
    }

    fn open(&self) {
        self.gate.add_permits(1_000);
    }

    async fn until_at_work(&self, jobs: u32) {
        let mut changes = self.at_work.subscribe();
        within(changes.wait_for(|n| *n == jobs)).await.unwrap();
    }
}

impl WorkerHandler for Gated {
    async fn put_spider(&self, _: SpiderFile) -> Result<(), WireError> {
        Ok(())
    }

    async fn process(&self, job: Job) -> Outcome {
        self.at_work.send_modify(|n| *n += 1);
        let _counted = AtWork(&self.at_work);
        let _passed = self.gate.acquire().await.unwrap();
        let mut page = Page::default();
        assert_ne!(job.parser.name, "panics");
        if job.parser.name == "too much" {
            page.items = vec![large_item(&job.url)];
        }
        Outcome { verdict: Verdict::Page(page), fetch: FetchFacts { status: Some(200), ..FetchFacts::default() } }
    }
}

/// An item that fits into no frame.
fn large_item(url: &CrawlUrl) -> Item {
    let payload = PayloadJson::of(&"x".repeat(21 * 1024 * 1024)).unwrap();
    Item { url: url.clone(), item_type: "large".to_owned(), id: ItemId::given("1").unwrap(), payload }
}

struct Stores;

impl ItemSaverHandler for Stores {
    async fn put_schema(&self, _: Vec<TypeSchema>) -> Result<(), WireError> {
        Ok(())
    }

    async fn save(&self, batch: SaveBatch) -> Result<SaveAnswer, WireError> {
        Ok(SaveAnswer { pages: batch.pages.iter().map(|_| Vec::new()).collect() })
    }

    async fn stats(&self) -> Result<StoreStats, WireError> {
        Ok(StoreStats { store: "none".to_owned(), items_by_type: Vec::new() })
    }

    async fn search(&self, _: SearchRequest) -> Result<SearchAnswer, WireError> {
        Ok(SearchAnswer::default())
    }

    async fn history(&self, _: HistoryRequest) -> Result<HistoryAnswer, WireError> {
        Ok(HistoryAnswer::default())
    }
}

/// A worker that listens until told to stop.
struct Listening {
    address: SocketAddr,
    worker: Arc<Gated>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Drained>,
}

impl Listening {
    async fn new(capacity: u32) -> Listening {
        Listening::with_grace(capacity, LIMIT).await
    }

    async fn with_grace(capacity: u32, grace: Duration) -> Listening {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, worker) = (listener.local_addr().unwrap(), Gated::new());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // A stopper that is dropped stops nothing.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let served = tokio::spawn(serve_worker(listener, reception(capacity), Arc::clone(&worker), shutdown, grace));
        Listening { address, worker, stop, served }
    }

    async fn link(&self) -> Link<CrawlClient> {
        dial_worker(&peer(self.address), hello(), LIMIT).await.unwrap()
    }
}

fn reception(capacity: u32) -> Reception {
    Reception::new(Role::Worker, NonZeroU32::new(capacity).unwrap())
}

fn hello() -> Hello {
    Hello::new(Role::Engine, Some(CrawlIdentity { crawl: CrawlName::new("c").unwrap(), run: RunId(1), epoch: 1 }))
}

fn peer(address: SocketAddr) -> PeerAddress {
    address.to_string().parse().unwrap()
}

fn job(parser: &str) -> Job {
    let url = CrawlUrl::parse("http://h/").unwrap();
    let fetch = FetchRules::plain("test");
    Job { key: url.dedup_key(), url, parser: ParserRef::named(parser), spider: None, cookie: None, validators: None, fetch }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("it happens in time")
}

fn start(link: &Link<CrawlClient>, parser: &str) -> JoinHandle<Result<Outcome, RpcError>> {
    let (client, job) = (link.client.clone(), job(parser));
    tokio::spawn(async move { client.process(deadline(LIMIT), job).await })
}

async fn ping(link: &Link<CrawlClient>) -> Pong {
    link.client.ping(deadline(LIMIT)).await.unwrap()
}

/// The code of an outcome that is no page.
fn refusal(outcome: Outcome) -> (String, RetryClass) {
    match outcome.verdict {
        Verdict::Failed(error) => (error.code, error.retry),
        other => panic!("{other:?}"),
    }
}

/// The job was answered with a page.
async fn assert_page(job: JoinHandle<Result<Outcome, RpcError>>) {
    let outcome = within(job).await.unwrap().unwrap();
    assert!(matches!(outcome.verdict, Verdict::Page(_)), "{outcome:?}");
}

/// The job will never be answered.
async fn assert_lost(job: JoinHandle<Result<Outcome, RpcError>>) {
    assert!(within(job).await.unwrap().is_err());
}

#[tokio::test]
async fn a_peer_of_the_wrong_role_is_refused_by_name_both_ways() {
    let worker = Listening::new(1).await;
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let itemsaver = listener.local_addr().unwrap();
    let reception = Reception::new(Role::ItemSaver, NonZeroU32::MIN);
    tokio::spawn(serve_itemsaver(listener, reception, Arc::new(Stores), std::future::pending(), LIMIT));

    let error = dial_worker(&peer(itemsaver), hello(), LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{itemsaver} is an itemsaver, expected a worker"));
    assert!(!error.is_passing());
    let error = dial_itemsaver(&peer(worker.address), hello(), LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{} is a worker, expected an itemsaver", worker.address));
    assert!(!error.is_passing());

    let link = dial_itemsaver(&peer(itemsaver), hello(), LIMIT).await.unwrap();
    assert_eq!((link.welcome.role, link.welcome.capacity), (Role::ItemSaver, 1));
    assert_eq!(link.client.stats(deadline(LIMIT)).await.unwrap().unwrap().store, "none");
}

#[tokio::test]
async fn another_protocol_version_is_refused_with_both_named() {
    let worker = Listening::new(1).await;
    let other = Hello { protocol: PROTOCOL + 1, software: "gossamer 99".to_owned(), ..hello() };
    let error = dial_worker(&peer(worker.address), other, LIMIT).await.unwrap_err();
    let DialError::Refused(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.code, code::WRONG_VERSION);
    let said = error.to_string();
    assert!(said.contains("gossamer 99") && said.contains(&format!("protocol {PROTOCOL}")), "{said}");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn what_is_no_peer_is_told_as_such_within_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _read = stream.read(&mut [0; 1024]).await;
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
        }
    });
    let error = within(dial_worker(&peer(address), hello(), LIMIT)).await.unwrap_err();
    assert!(matches!(error, DialError::Foreign(_)), "{error:?}");
    assert!(error.to_string().contains("is something else listening there?"), "{error}");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_listener_that_never_answers_is_given_up_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limit = Duration::from_millis(200);
    let error = within(dial_worker(&peer(address), hello(), limit)).await.unwrap_err();
    assert!(matches!(error, DialError::Timeout(after) if after == limit), "{error:?}");
    assert_eq!(error.to_string(), "no answer within 0.2 s");
    assert!(error.is_passing());
}

#[tokio::test]
async fn nothing_listening_and_no_such_name_are_told_apart() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = dial_worker(&peer(socket.local_addr().unwrap()), hello(), LIMIT).await.unwrap_err();
    assert_eq!(error.to_string(), "connection refused: nothing listens there");
    assert!(error.is_passing());
    let error = dial_worker(&"no-such-host.invalid:9000".parse().unwrap(), hello(), LIMIT).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot resolve no-such-host.invalid: "), "{error}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_to_the_one_that_listens() {
    // `localhost` is 127.0.0.1 and, where the machine has it, ::1 as well; the worker listens on the first alone.
    let worker = Listening::new(3).await;
    let by_name: PeerAddress = format!("localhost:{}", worker.address.port()).parse().unwrap();
    let link = dial_worker(&by_name, hello(), LIMIT).await.unwrap();
    assert_eq!(link.welcome.capacity, 3);
}

#[tokio::test]
async fn pings_are_answered_while_every_job_is_held_and_more_are_refused() {
    const CAPACITY: u32 = 4;
    let worker = Listening::new(CAPACITY).await;
    let link = worker.link().await;
    pings_while_held(&link, &worker.worker, CAPACITY).await;
}

#[tokio::test]
async fn pings_over_memory_are_answered_while_every_job_is_held_and_more_are_refused() {
    const CAPACITY: u32 = 4;
    let worker = Gated::new();
    let link = link_worker(&reception(CAPACITY), Arc::clone(&worker), hello()).await.unwrap();
    pings_while_held(&link, &worker, CAPACITY).await;
}

async fn pings_while_held(link: &Link<CrawlClient>, worker: &Gated, capacity: u32) {
    let jobs: Vec<_> = (0..capacity).map(|_| start(link, "any")).collect();
    worker.until_at_work(capacity).await;
    for _ in 0..10 {
        assert_eq!(ping(link).await, Pong { in_flight: capacity, draining: false, capacity: Some(capacity) });
    }
    let refused = link.client.process(deadline(LIMIT), job("any")).await.unwrap();
    assert_eq!(refusal(refused), (code::BUSY.to_owned(), RetryClass::Peer));
    worker.open();
    for job in jobs {
        assert_page(job).await;
    }
    assert_eq!(ping(link).await, Pong { in_flight: 0, draining: false, capacity: Some(capacity) });
}

#[tokio::test]
async fn capacity_is_that_of_the_process_and_not_of_a_connection() {
    let worker = Listening::new(1).await;
    let (one, other) = (worker.link().await, worker.link().await);
    assert_eq!(one.welcome.instance, other.welcome.instance);
    let held = start(&one, "any");
    worker.worker.until_at_work(1).await;
    let refused = other.client.process(deadline(LIMIT), job("any")).await.unwrap();
    assert_eq!(refusal(refused).0, code::BUSY);
    worker.worker.open();
    assert_page(held).await;
}

#[tokio::test]
async fn capacity_is_divided_while_two_engines_are_connected_and_whole_again_when_one_has_gone() {
    let worker = Listening::new(7).await;
    let one = worker.link().await;
    let other = worker.link().await;
    assert_eq!((one.welcome.capacity, other.welcome.capacity), (7, 4));
    assert_eq!((ping(&one).await.capacity, ping(&other).await.capacity), (Some(4), Some(4)));
    let held = [start(&one, "any"), start(&other, "any")];
    worker.worker.until_at_work(2).await;
    drop(other);
    // With its connection goes what it had at work, and then its share.
    within(async { while ping(&one).await.capacity != Some(7) {} }).await;
    worker.worker.until_at_work(1).await;
    worker.worker.open();
    let [kept, lost] = held;
    assert_page(kept).await;
    assert_lost(lost).await;
}

#[tokio::test]
async fn capacity_over_memory_is_divided_while_two_engines_are_linked() {
    let (reception, worker) = (reception(7), Gated::new());
    let one = link_worker(&reception, Arc::clone(&worker), hello()).await.unwrap();
    let other = link_worker(&reception, worker, hello()).await.unwrap();
    assert_eq!((one.welcome.capacity, other.welcome.capacity), (7, 4));
    drop(one);
    within(async { while ping(&other).await.capacity != Some(7) {} }).await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let worker = Listening::new(10).await;
    let link = worker.link().await;
    let held = [start(&link, "any"), start(&link, "any")];
    worker.worker.until_at_work(2).await;
    worker.stop.send(()).unwrap();
    // Told with every ping from the moment the drain has begun.
    within(async { while !ping(&link).await.draining {} }).await;
    let refused = link.client.process(deadline(LIMIT), job("any")).await.unwrap();
    assert_eq!(refusal(refused), (code::DRAINING.to_owned(), RetryClass::Peer));
    let error = dial_worker(&peer(worker.address), hello(), LIMIT).await.unwrap_err();
    assert!(matches!(error, DialError::Connect(_)), "nobody new is let in: {error:?}");
    worker.worker.open();
    for job in held {
        assert_page(job).await;
    }
    assert_eq!(within(worker.served).await.unwrap(), Drained { left: 0 });
}

#[tokio::test]
async fn a_drain_that_takes_too_long_says_what_it_cut_off() {
    let worker = Listening::with_grace(5, Duration::from_millis(50)).await;
    let mut link = worker.link().await;
    let held = [start(&link, "any"), start(&link, "any")];
    worker.worker.until_at_work(2).await;
    worker.stop.send(()).unwrap();
    assert_eq!(within(worker.served).await.unwrap(), Drained { left: 2 });
    for job in held {
        assert_lost(job).await;
    }
    worker.worker.until_at_work(0).await;
    within(link.closed()).await;
}

#[tokio::test]
async fn dropping_the_link_cancels_what_the_worker_has_in_flight_for_it_and_nothing_else() {
    let worker = Listening::new(10).await;
    let (dropped, kept) = (worker.link().await, worker.link().await);
    let lost = [start(&dropped, "any"), start(&dropped, "any")];
    let held = start(&kept, "any");
    worker.worker.until_at_work(3).await;
    drop(dropped);
    worker.worker.until_at_work(1).await;
    for job in lost {
        assert_lost(job).await;
    }
    assert_eq!(ping(&kept).await.in_flight, 1);
    worker.worker.open();
    assert_page(held).await;
}

#[tokio::test]
async fn dropping_a_link_over_memory_cancels_what_the_worker_has_in_flight() {
    let worker = Gated::new();
    let link = link_worker(&reception(10), Arc::clone(&worker), hello()).await.unwrap();
    let lost = start(&link, "any");
    worker.until_at_work(1).await;
    drop(link);
    worker.until_at_work(0).await;
    assert_lost(lost).await;
}

#[tokio::test]
async fn a_call_whose_deadline_passes_is_cancelled_at_the_worker() {
    let worker = Listening::new(10).await;
    let link = worker.link().await;
    let answer = within(link.client.process(deadline(Duration::from_millis(100)), job("any"))).await;
    assert!(matches!(answer, Err(RpcError::DeadlineExceeded)), "{answer:?}");
    worker.worker.until_at_work(0).await;
}

#[tokio::test]
async fn a_call_over_memory_whose_deadline_passes_is_cancelled_at_the_worker() {
    let worker = Gated::new();
    let link = link_worker(&reception(10), Arc::clone(&worker), hello()).await.unwrap();
    let answer = within(link.client.process(deadline(Duration::from_millis(100)), job("any"))).await;
    assert!(matches!(answer, Err(RpcError::DeadlineExceeded)), "{answer:?}");
    worker.until_at_work(0).await;
}

#[tokio::test]
async fn a_client_that_outlives_its_link_over_memory_calls_nobody() {
    let link = link_worker(&reception(10), Gated::new(), hello()).await.unwrap();
    let client = link.client.clone();
    assert!(client.ping(deadline(LIMIT)).await.is_ok());
    drop(link);
    assert!(matches!(client.ping(deadline(LIMIT)).await, Err(RpcError::Shutdown)));
    assert!(matches!(client.process(deadline(LIMIT), job("any")).await, Err(RpcError::Shutdown)));
}

#[tokio::test]
async fn a_call_over_memory_that_panics_is_told_at_once_and_leaves_its_place() {
    let worker = Gated::new();
    worker.open();
    let link = link_worker(&reception(10), worker, hello()).await.unwrap();
    let answer = link.client.process(deadline(LIMIT), job("panics")).await;
    assert!(matches!(answer, Err(RpcError::Server(_))), "{answer:?}");
    assert_eq!(ping(&link).await.in_flight, 0);
    assert_page(start(&link, "any")).await;
}

#[tokio::test]
async fn a_worker_that_is_gone_closes_its_links() {
    let worker = Listening::new(10).await;
    let mut link = worker.link().await;
    let held = start(&link, "any");
    worker.worker.until_at_work(1).await;
    worker.served.abort();
    within(link.closed()).await;
    assert_lost(held).await;
}

#[tokio::test]
async fn an_answer_over_the_frame_limit_fails_and_the_worker_goes_on() {
    let worker = Listening::new(10).await;
    worker.worker.open();
    let link = worker.link().await;
    assert_lost(start(&link, "too much")).await;
    drop(link);
    let again = worker.link().await;
    assert_page(start(&again, "any")).await;
    assert_eq!(ping(&again).await.in_flight, 0);
}

#[tokio::test]
async fn a_frame_over_the_limit_from_a_stranger_closes_that_connection_alone() {
    let worker = Listening::new(10).await;
    let link = worker.link().await;
    let mut stranger = tokio::net::TcpStream::connect(worker.address).await.unwrap();
    // A length of 4 GiB, and bytes that are no message.
    stranger.write_all(&[0xff; 64]).await.unwrap();
    let mut rest = Vec::new();
    let closed = within(stranger.read_to_end(&mut rest)).await;
    assert!(closed.is_err() || rest.is_empty(), "{rest:?}");
    assert_eq!(ping(&link).await, Pong { in_flight: 0, draining: false, capacity: Some(10) });
}

#[tokio::test]
async fn a_peer_that_is_killed_while_it_is_greeted_may_be_there_again_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: PeerAddress = listener.local_addr().unwrap().to_string().parse().unwrap();
    let killed = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The hello has come; what closes now with unread bytes, or without lingering, is a reset and no goodbye.
        stream.read_exact(&mut [0; 8]).await.unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let error = within(dial_worker(&address, hello(), LIMIT)).await.unwrap_err();
    assert!(matches!(error, DialError::HungUp) && error.is_passing(), "{error:?}");
    killed.await.unwrap();
}
