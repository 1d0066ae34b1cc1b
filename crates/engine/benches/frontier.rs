//! What a page costs the frontier: `cargo bench -p engine --bench frontier -- [postgres://USER@HOST:PORT/DATABASE] [--group N]
//! [--soak MINUTES] [--rate PAGES] [URLS…]`, on disk or in that database, by default with 100000 and 1000000 URLs. The user's password is in
//! GOSSAMER_FRONTIER_PASSWORD.
//!
//! Fills a frontier to so many URLs over a hundredth as many hosts, with pages of 50 links of which ten are new, and at each size measures
//! pages with one and with ten new links, in groups of 256 or as many as are said. Then it begins again, as an engine does after a kill: opens the frontier, wakes
//! every host in the scheduler and hands out the first request of each. Prints a table: microseconds of wall time and of processor time a
//! page, memory, and disk for a folder. What is measured is `commit` and `take`; making the pages is not.
//!
//! With `--soak` pages with one new link follow for so long, `--rate` of them a second if that is said, and each minute is a line on standard
//! error: the minute, the pages so far, microseconds of wall time a page, the longest group in milliseconds. `bench/soak` reads them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::frontier::{
    Access, Address, CrawlRecord, Database, DiskPlace, Ending, Entrance, Fate, Frontier, Holder, Home, Notes, Opening, PageEnd,
};
use engine::request::Request;
use engine::scheduler::{HostRules, Next, PolitenessBy, Scheduler, Want};
use engine::scope::{Scope, Site};
use model::{CrawlName, CrawlUrl, Origin, ParserRef, RunId, Secret};
use tokio::time::Instant;

/// Pages of one group unless another number is said.
const GROUP: usize = 256;

/// Links of a page.
const LINKS: u64 = 50;

/// Groups that are measured at each size.
const MEASURED_GROUPS: u64 = 100;

/// Where a frontier is made.
#[derive(Clone)]
enum Store {
    Disk(PathBuf),
    Database(Address),
}

impl Store {
    /// The one crawl in it.
    fn home(&self) -> Box<dyn Home> {
        match self {
            Store::Disk(path) => Box::new(DiskPlace::new(path.join("frontier"), Duration::from_secs(1))),
            Store::Database(address) => {
                let password = std::env::var("GOSSAMER_FRONTIER_PASSWORD").ok().map(Secret::new);
                let access = Access { password, authority: None };
                let database = Database::reach(address.clone(), access, Duration::from_secs(5)).expect("a database");
                let name = || "a benchmark".to_owned();
                let holder = Holder { name: name(), token: name(), place: name() };
                Box::new(database.enter(CrawlName::new("bench").expect("a name"), holder).expect("a crawl that nobody has"))
            }
        }
    }

    fn open(&self) -> Box<dyn Frontier> {
        let new = CrawlRecord::new(CrawlName::new("bench").expect("a name"), RunId(1), None);
        let opening = Opening { new, is_parser: &|_| true, parsing: Vec::new(), rescan: false };
        match self.home().open(opening).expect("a frontier") {
            Entrance::Alone(frontier, _) => frontier,
            Entrance::Among(..) | Entrance::Complete { .. } => unreachable!("nobody else is at it, and it is never complete"),
        }
    }

    /// A folder or a database.
    fn named(name: &str) -> Store {
        Address::parse(name).map_or_else(|_| Store::Disk(PathBuf::from(name)), Store::Database)
    }

    fn name(&self) -> String {
        match self {
            Store::Disk(path) => path.display().to_string(),
            Store::Database(address) => address.to_string(),
        }
    }

    /// What it takes on disk, in MiB; none for a database, which says that itself.
    fn mib(&self) -> Option<u64> {
        match self {
            Store::Disk(path) => Some(disk_mib(path)),
            Store::Database(_) => None,
        }
    }

    /// An empty one.
    fn begin(&self) -> Box<dyn Frontier> {
        self.home().discard().expect("it can be discarded");
        self.open()
    }
}

/// A made-up web: URL `n` is on host `n % hosts`.
struct Web {
    hosts: u64,
    found: u64,
    random: u64,
    parser: Arc<ParserRef>,
}

impl Web {
    fn origin(&self, host: u64) -> Origin {
        self.url(host).origin()
    }

    fn url(&self, n: u64) -> CrawlUrl {
        let host = n % self.hosts;
        CrawlUrl::parse(&format!("https://host-{host}.example/articles/{:08}/a-title-of-usual-length.html", n / self.hosts)).expect("a URL")
    }

    fn request(&self, n: u64, referrer: Option<&Arc<CrawlUrl>>) -> Request {
        Request { referrer: referrer.cloned(), depth: 1, ..Request::seed(self.url(n), Arc::clone(&self.parser)) }
    }

    /// Repeatable (xorshift64*), so that two runs do the same.
    fn known(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) % self.found
    }

    /// The end of a page with so many new links; the others are known.
    fn page(&mut self, request: Request, new: u64) -> Ending {
        let referrer = Arc::new(request.url.clone());
        let mut links = Vec::with_capacity(LINKS as usize);
        for i in 0..LINKS {
            let n = if i < new {
                self.found += 1;
                self.found - 1
            } else {
                self.known()
            };
            links.push(self.request(n, Some(&referrer)));
        }
        Ending { request: Box::new(request), fate: Fate::Page(PageEnd { links, ..PageEnd::default() }) }
    }
}

struct Crawl {
    web: Web,
    frontier: Box<dyn Frontier>,
    group: usize,
    scope: Scope,
    next_host: u64,
    spent: Spent,
}

#[derive(Clone, Copy, Default)]
struct Spent {
    pages: u64,
    wall: Duration,
    cpu: Duration,
    longest: Duration,
}

impl Crawl {
    fn begin(store: &Store, hosts: u64, group: usize) -> Crawl {
        let web = Web { hosts, found: hosts, random: 0x9E37_79B9_7F4A_7C15, parser: Arc::new(ParserRef::named("page")) };
        let mut frontier = store.begin();
        let mut seeds = 0;
        while seeds < hosts {
            let end = hosts.min(seeds + 10_000);
            frontier.seed((seeds..end).map(|n| web.request(n, None)).collect()).expect("a commit");
            seeds = end;
        }
        let sites = (0..hosts).map(|n| Site::of(&web.url(n)));
        let scope = Scope::new(sites, vec![], vec![], None);
        Crawl { web, frontier, group, scope, next_host: 0, spent: Spent::default() }
    }

    /// One group of pages, each with so many new links.
    fn group(&mut self, size: usize, new: u64) {
        let mut requests = Vec::with_capacity(size);
        while requests.len() < size {
            let origin = self.web.origin(self.next_host);
            self.next_host = (self.next_host + 1) % self.web.hosts;
            let frontier = &mut self.frontier;
            let taken = self.spent.measure(|| frontier.take(&origin, 4, Instant::now())).expect("it can be read");
            requests.extend(taken.requests);
        }
        let group: Vec<Ending> = requests.into_iter().map(|request| self.web.page(request, new)).collect();
        self.spent.pages += group.len() as u64;
        let frontier = &mut self.frontier;
        let scope = &self.scope;
        self.spent.measure(|| frontier.commit(group, &Notes::default(), scope)).expect("a commit");
    }

    /// Goes on with pages of one new link, so many a second at most.
    #[allow(clippy::print_stderr, clippy::disallowed_methods, reason = "a benchmark tells how far it is, and keeps to its rate")]
    fn soak(&mut self, minutes: u64, rate: Option<f64>) {
        let (start, mut pages) = (Instant::now(), 0);
        for minute in 1..=minutes {
            self.spent = Spent::default();
            while start.elapsed() < Duration::from_secs(60 * minute) {
                self.group(self.group, 1);
                let due = rate.map(|rate| Duration::from_secs_f64((pages + self.spent.pages) as f64 / rate));
                std::thread::sleep(due.map_or(Duration::ZERO, |due| due.saturating_sub(start.elapsed())));
            }
            pages += self.spent.pages;
            eprintln!("{minute} {pages} {:.0} {}", self.spent.micros(self.spent.wall), self.spent.longest.as_millis());
        }
    }

    fn measured(&mut self, new: u64) -> Spent {
        self.spent = Spent::default();
        for _ in 0..MEASURED_GROUPS {
            self.group(self.group, new);
        }
        self.spent
    }
}

impl Spent {
    fn measure<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (start, cpu) = (Instant::now(), process_cpu());
        let result = work();
        self.wall += start.elapsed();
        self.cpu += process_cpu().saturating_sub(cpu);
        self.longest = self.longest.max(start.elapsed());
        result
    }

    fn micros(self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.pages as f64
    }
}

/// Processor time of the whole process, compaction included.
fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A line of `/proc/self/status`: `VmHWM:` is the most memory so far, `VmRSS:` what there is now.
fn memory_mib(measure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(measure)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

fn disk_mib(path: &Path) -> u64 {
    fn bytes(path: &Path) -> u64 {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| if entry.path().is_dir() { bytes(&entry.path()) } else { entry.metadata().map_or(0, |data| data.len()) }).sum()
    }
    bytes(path) / (1024 * 1024)
}

/// Opens a frontier again and hands out the first request of every host, each with a delay. Returns how many there were, how long it took
/// until the first was handed out, and the memory in the end.
fn begin_again(store: &Store) -> (usize, Duration, u64) {
    let start = Instant::now();
    let mut frontier = store.open();
    let mut scheduler = Scheduler::new(HostRules {
        delay: Some(Duration::from_millis(1)),
        jitter: 0.0,
        throttle: None,
        per_host: None,
        per_address: None,
        by: PolitenessBy::Host,
        max_pages: None,
        ignore_robots: true,
        backoff: Duration::from_secs(1),
        give_up: Duration::from_secs(3600),
        give_up_unanswered: Duration::from_secs(60),
        overrides: Vec::new(),
    });
    for (origin, health) in &frontier.seed(Vec::new()).expect("a commit").woken {
        scheduler.restore(origin, health, start);
    }
    let (mut first, mut handed_out) = (None, 0);
    loop {
        match scheduler.next(Instant::now()) {
            Next::Request(..) => {
                first.get_or_insert_with(|| start.elapsed());
                handed_out += 1;
            }
            Next::Robots(..) | Next::Forbidden(_) => unreachable!("robots.txt is ignored"),
            Next::Wait(_) => {
                let Some(Want { origin, most, .. }) = scheduler.wants() else { break };
                let taken = frontier.take(&origin, most, Instant::now()).expect("it can be read");
                scheduler.refill(&origin, taken.requests, taken.more, taken.later, Instant::now());
            }
        }
    }
    (handed_out, first.unwrap_or_default(), memory_mib("VmRSS:"))
}

/// Begins again in a process of its own, as an engine does: what the filling left behind in this one does not count.
fn begin_again_elsewhere(store: &Store) -> (u64, f64, u64) {
    let program = std::env::current_exe().expect("a running program has a file");
    let output = std::process::Command::new(program).arg(AGAIN).arg(store.name()).output().expect("it can be started again");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let mut numbers = text.split_whitespace().map(|number| number.parse::<f64>().expect("a number"));
    let mut next = || numbers.next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (next() as u64, next(), next() as u64)
}

/// The first argument of the process that begins again.
const AGAIN: &str = "--again";

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]
fn main() {
    if std::env::args().nth(1).is_some_and(|first| first == AGAIN) {
        let name = std::env::args().nth(2).expect("a folder or a database");
        let (handed_out, first, memory) = begin_again(&Store::named(&name));
        println!("{handed_out} {} {memory}", first.as_secs_f64());
        return;
    }
    let (mut group, mut soak, mut rate, mut sizes, mut database) = (GROUP, 0, None, Vec::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number =
            || arguments.next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_else(|| panic!("{argument} needs a number"));
        match argument.as_str() {
            "--group" => group = number() as usize,
            "--soak" => soak = number(),
            "--rate" => rate = Some(number() as f64),
            // What cargo says to every benchmark.
            "--bench" => {}
            size => match size.parse() {
                Ok(size) => sizes.push(size),
                Err(_) => database = Some(Address::parse(size).expect("a number of URLs or the address of a database")),
            },
        }
    }
    if sizes.is_empty() {
        sizes = vec![100_000, 1_000_000];
    }
    sizes.sort_unstable();
    println!(
        "| URLs | hosts | 1 new of 50: µs a page (CPU) | 10 new of 50: µs a page (CPU) | longest group ms | peak MiB | disk MiB | \
         first request after a restart s | MiB then, every host active |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for size in sizes {
        let folder = tempfile::tempdir().expect("a place for temporary files");
        let hosts = (size / 100).max(1);
        let store = database.clone().map_or_else(|| Store::Disk(folder.path().to_owned()), Store::Database);
        let mut crawl = Crawl::begin(&store, hosts, group);
        while crawl.web.found < size {
            crawl.group(GROUP, 10);
        }
        let one = crawl.measured(1);
        let ten = crawl.measured(10);
        let longest = one.longest.max(ten.longest).as_millis();
        let (peak, disk) = (memory_mib("VmHWM:"), store.mib().map_or_else(|| "-".to_owned(), |mib| mib.to_string()));
        if soak > 0 {
            eprintln!("{size} URLs: {:.0} and {:.0} µs a page, the longest group {longest} ms", one.micros(one.wall), ten.micros(ten.wall));
            crawl.soak(soak, rate);
        }
        drop(crawl);
        let (handed_out, first, after) = begin_again_elsewhere(&store);
        assert_eq!(handed_out, hosts, "every host has something queued");
        println!(
            "| {size} | {hosts} | {:.0} ({:.0}) | {:.0} ({:.0}) | {longest} | {peak} | {disk} | {first:.1} | {after} |",
            one.micros(one.wall),
            one.micros(one.cpu),
            ten.micros(ten.wall),
            ten.micros(ten.cpu),
        );
    }
}
