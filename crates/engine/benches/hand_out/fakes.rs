//! Workers and an itemsaver that do nothing and say so at once, in a process of their own.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::hello::Role;
use model::history::{HistoryAnswer, HistoryRequest};
use model::job::Validators;
use model::outcome::FetchFacts;
use model::parser::{ROBOTS_PARSER, SpiderFile};
use model::save::{ItemAnswer, ItemStatus, PageItems, SaveAnswer, SaveBatch, StoreStats};
use model::schema::TypeSchema;
use model::search::{SearchAnswer, SearchRequest};
use model::{Item, ItemId, Job, Link, Outcome, Page, PayloadJson, RetryClass, RobotsRules, Verdict, WireError};
use rpcsupport::{ItemSaverHandler, Reception, WorkerHandler, serve_itemsaver, serve_worker};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::web::Web;

/// The first argument of the process.
pub(crate) const ARGUMENT: &str = "--fakes";

/// Jobs that a fake takes at a time, as a worker does unless told otherwise.
const CAPACITY: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// How long calls may take to end with the process.
const GRACE: Duration = Duration::from_secs(1);

/// The kernel counts processor time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// The process, as its parent has it. It ends when its standard input does.
pub(crate) struct Fakes {
    process: Child,
    input: ChildStdin,
    /// Where the workers listen, and last the itemsaver.
    addresses: Vec<String>,
}

impl Fakes {
    /// Starts so many workers, which know this web, and an itemsaver.
    pub(crate) fn start(workers: usize, web: Web) -> Fakes {
        let program = std::env::current_exe().expect("a running program has a file");
        let numbers = [workers as u64, web.hosts, web.new].map(|number| number.to_string());
        let mut command = Command::new(program);
        command.arg(ARGUMENT).args(numbers).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it can be started again");
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let addresses: Vec<String> = output.lines().take(workers + 1).map(|line| line.expect("an address")).collect();
        assert_eq!(addresses.len(), workers + 1, "all listen");
        Fakes { process, input, addresses }
    }

    pub(crate) fn workers(&self) -> &[String] {
        &self.addresses[..self.addresses.len() - 1]
    }

    pub(crate) fn itemsaver(&self) -> &str {
        self.addresses.last().expect("it is the last")
    }

    /// Ends it. Returns the processor time it has had.
    pub(crate) fn end(mut self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("a running process has one");
        let (_, fields) = stat.rsplit_once(')').expect("the name of the program is in brackets");
        let ticks: u32 = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
        drop(self.input);
        self.process.wait().expect("it is a child of this process");
        TICK * ticks
    }
}

/// The life of the process: says where it listens, a line each, and serves until its standard input ends.
pub(crate) fn serve(arguments: impl Iterator<Item = String>) -> ExitCode {
    let numbers: Vec<u64> = arguments.map(|number| number.parse().expect("a number")).collect();
    let [workers, hosts, new] = numbers[..] else { return ExitCode::FAILURE };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let worker = Arc::new(Worker(Web { hosts, new }));
        for _ in 0..workers {
            let reception = Reception::new(Role::Worker, CAPACITY);
            tokio::spawn(serve_worker(listener().await, reception, Arc::clone(&worker), std::future::pending(), GRACE));
        }
        let reception = Reception::new(Role::ItemSaver, CAPACITY);
        tokio::spawn(serve_itemsaver(listener().await, reception, Arc::new(Saver), std::future::pending(), GRACE));
        // Nothing is ever written to it: it ends with the parent, however that ends.
        let _ = tokio::io::stdin().read(&mut [0]).await;
    });
    runtime.shutdown_background();
    ExitCode::SUCCESS
}

#[allow(clippy::print_stdout, reason = "the parent reads it")]
async fn listener() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
    println!("{}", listener.local_addr().expect("it is bound"));
    listener
}

/// Answers a job as if it had fetched and parsed.
struct Worker(Web);

impl WorkerHandler for Worker {
    async fn put_spider(&self, _: SpiderFile) -> Result<(), WireError> {
        Ok(())
    }

    async fn process(&self, job: Job) -> Outcome {
        let n = Web::number(&job.url).unwrap_or_default();
        let host = u32::try_from(n % self.0.hosts).expect("there are not so many hosts");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let facts = FetchFacts {
            status: Some(200),
            bytes: 26_617,
            millis: 1,
            fetched_at_ms: now.as_millis() as u64,
            // Each host has an address of its own, all of this machine.
            remote: Some(SocketAddr::from((Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host), 80))),
            content: Some(n),
            validators: Some(Validators {
                etag: Some("\"6536b4d3-67f9\"".to_owned()),
                last_modified: Some("Mon, 23 Oct 2023 18:01:55 GMT".to_owned()),
            }),
            ..FetchFacts::default()
        };
        if job.parser.name == ROBOTS_PARSER {
            return Outcome { verdict: Verdict::Robots(RobotsRules::allow_all()), fetch: facts };
        }
        let parser = Arc::new(job.parser.clone());
        let link = |url: model::CrawlUrl| Link { key: url.dedup_key(), url, parser: Arc::clone(&parser), priority: 0, modified_ms: None };
        let page = Page { links: self.0.links(n).map(link).collect(), items: vec![item(&job)], ..Page::default() };
        Outcome { verdict: Verdict::Page(page), fetch: facts }
    }
}

/// An item as the parser `page` makes it.
fn item(job: &Job) -> Item {
    let payload = serde_json::json!({
        "status": 200, "title": "A title of usual length", "description": "What search engines show of the page, in a sentence or two.",
        "canonical": "", "lang": "en", "bytes": 26_617, "links": 50, "content_hash": job.key.to_string(),
    });
    Item {
        url: job.url.clone(),
        item_type: "page".to_owned(),
        id: ItemId::derived(job.key, "page", 0),
        payload: PayloadJson::of(&payload).expect("plain data"),
    }
}

/// Acknowledges all and stores nothing.
struct Saver;

impl ItemSaverHandler for Saver {
    async fn put_schema(&self, _: Vec<TypeSchema>) -> Result<(), WireError> {
        Ok(())
    }

    async fn save(&self, batch: SaveBatch) -> Result<SaveAnswer, WireError> {
        let answers = |page: &PageItems| page.items.iter().map(|_| ItemAnswer::stored(ItemStatus::Created)).collect();
        Ok(SaveAnswer { pages: batch.pages.iter().map(answers).collect() })
    }

    async fn stats(&self) -> Result<StoreStats, WireError> {
        Ok(StoreStats { store: "nowhere".to_owned(), items_by_type: Vec::new() })
    }

    fn search(&self, _: SearchRequest) -> impl Future<Output = Result<SearchAnswer, WireError>> + Send {
        std::future::ready(Err(nothing_is_kept()))
    }

    fn history(&self, _: HistoryRequest) -> impl Future<Output = Result<HistoryAnswer, WireError>> + Send {
        std::future::ready(Err(nothing_is_kept()))
    }
}

fn nothing_is_kept() -> WireError {
    WireError::new("nothing is kept", RetryClass::Dead, "")
}
