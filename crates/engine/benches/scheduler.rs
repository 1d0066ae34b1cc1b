//! What a request costs the scheduler: `cargo bench -p engine --bench scheduler`.
//!
//! 100 requests are in flight over 1, 1,000 and 100,000 hosts, each with a robots.txt of three rules. Hosts have no delay, or one of a second,
//! which costs no time here since the clock is an argument. Measured is this thread's processor time, in nanoseconds a request, for each of
//! the three things that the engine's loop does: take what is due (`next`), note its end (`ended`, `answered`, `changes`) and fill windows
//! (`wants`, `refill`, at first `read_robots`). Making the requests is not measured. Medians of rounds that take turns.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use engine::request::Request;
use engine::scheduler::{Health, HostRules, KnownRobots, Measured, Next, PolitenessBy, ROBOTS_KEPT, Scheduler, Slot, Want};
use model::{CrawlUrl, Origin, ParserRef, RobotsRules};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// Rounds, of which the median counts.
const ROUNDS: usize = 5;

/// Requests of a round.
const REQUESTS: usize = 200_000;

/// Requests in flight, as many as an engine has unless told otherwise.
const IN_FLIGHT: usize = 100;

/// Most requests that the frontier has for a window at a time.
const FOUND: usize = 64;

/// Hosts and their delay. One host with a delay is left out: there is nothing to schedule.
const CRAWLS: [(usize, Duration); 5] = [
    (1, Duration::ZERO),
    (1_000, Duration::ZERO),
    (100_000, Duration::ZERO),
    (1_000, Duration::from_secs(1)),
    (100_000, Duration::from_secs(1)),
];

const ROBOTS: &[u8] = b"User-agent: *\nDisallow: /private/\nDisallow: /search?\nAllow: /search?about\n";

struct Crawl {
    hosts: usize,
    delay: Duration,
    scheduler: Scheduler,
    robots: KnownRobots,
    parser: Arc<ParserRef>,
    now: Instant,
    in_flight: VecDeque<Box<Request>>,
    made: usize,
    /// Waking a host, once.
    woken: Duration,
    rounds: Vec<Spent>,
}

/// Processor time of a round.
#[derive(Clone, Copy, Default)]
struct Spent {
    take: Duration,
    end: Duration,
    fill: Duration,
}

impl Crawl {
    fn begin((hosts, delay): (usize, Duration)) -> Crawl {
        let mut scheduler = Scheduler::new(HostRules {
            delay: Some(delay),
            jitter: 0.1,
            throttle: None,
            per_host: None,
            per_address: None,
            by: PolitenessBy::Host,
            max_pages: None,
            ignore_robots: false,
            backoff: Duration::from_secs(1),
            give_up: Duration::from_secs(3600),
            give_up_unanswered: Duration::from_secs(60),
            overrides: Vec::new(),
        });
        let now = Instant::now();
        let origins: Vec<Origin> = (0..hosts).map(|host| url(host, 0).origin()).collect();
        let mut woken = Duration::ZERO;
        measure(&mut woken, || origins.iter().for_each(|origin| scheduler.wake(origin, &Health::default(), now)));
        let rules = Arc::new(RobotsRules::parse(ROBOTS, "gossamer"));
        Crawl {
            hosts,
            delay,
            scheduler,
            robots: KnownRobots { rules, until: now + 1000 * ROBOTS_KEPT },
            parser: Arc::new(ParserRef::named("page")),
            now,
            in_flight: VecDeque::with_capacity(IN_FLIGHT),
            made: 0,
            woken,
            rounds: Vec::new(),
        }
    }

    fn measure(&mut self) {
        let mut spent = Spent::default();
        let mut taken = 0;
        while taken < REQUESTS {
            let before = self.in_flight.len();
            let due = self.take(&mut spent.take);
            taken += self.in_flight.len() - before;
            let filled = self.fill(&mut spent.fill);
            let ended = self.end(&mut spent.end);
            if filled == 0 && ended == 0 {
                self.now = due.expect("a host has its turn some time");
            }
        }
        self.rounds.push(spent);
    }

    /// Takes what is due, until enough is in flight. Returns when more is due.
    fn take(&mut self, spent: &mut Duration) -> Option<Instant> {
        let Crawl { scheduler, in_flight, now, .. } = self;
        measure(spent, || {
            while in_flight.len() < IN_FLIGHT {
                match scheduler.next(*now) {
                    Next::Request(request, _) => in_flight.push_back(request),
                    Next::Wait(due) => return due,
                    Next::Robots(..) | Next::Forbidden(_) => unreachable!("the rules are known and allow all"),
                }
            }
            Some(*now)
        })
    }

    /// Fills all windows that want it. Returns how many.
    fn fill(&mut self, spent: &mut Duration) -> usize {
        let mut wants = Vec::new();
        measure(spent, || wants.extend(std::iter::from_fn(|| self.scheduler.wants())));
        let made: Vec<(Want, Vec<Request>)> = wants.into_iter().map(|want| self.found(want)).collect();
        let filled = made.len();
        let Crawl { scheduler, robots, now, .. } = self;
        measure(spent, || {
            for (Want { origin, robots: wanted, .. }, requests) in made {
                if wanted {
                    scheduler.read_robots(&origin, Some(robots.clone()), *now);
                }
                scheduler.refill(&origin, requests, true, None, *now);
            }
        });
        filled
    }

    /// What the frontier has for a window.
    fn found(&mut self, want: Want) -> (Want, Vec<Request>) {
        let name = want.origin.as_str();
        let host = name.rsplit_once('-').and_then(|(_, rest)| rest.strip_suffix(".example")?.parse().ok()).expect("a host of this crawl");
        let requests = (0..want.most.min(FOUND)).map(|_| {
            self.made += 1;
            Request::seed(url(host, self.made), Arc::clone(&self.parser))
        });
        let requests = requests.collect();
        (want, requests)
    }

    /// Ends what has been in flight longest, half of all. Returns how many.
    fn end(&mut self, spent: &mut Duration) -> usize {
        let ends: Vec<(Origin, Box<Request>)> =
            self.in_flight.drain(..self.in_flight.len().div_ceil(2)).map(|request| (request.url.origin(), request)).collect();
        let Crawl { scheduler, now, .. } = self;
        measure(spent, || {
            for (origin, _) in &ends {
                let measured = Measured { took: Duration::from_millis(50), well: true, address: None, worker: 0 };
                scheduler.ended(origin, Slot::Free, Some(measured), *now, 0.5);
                scheduler.answered(origin, *now);
            }
            scheduler.changes().for_each(drop);
        });
        ends.len()
    }

    /// The median of the rounds, in nanoseconds a request.
    fn nanos(&self, part: impl Fn(&Spent) -> Duration) -> f64 {
        let mut rounds: Vec<Duration> = self.rounds.iter().map(part).collect();
        rounds.sort_unstable();
        rounds[ROUNDS / 2].as_secs_f64() * 1e9 / REQUESTS as f64
    }
}

fn url(host: usize, n: usize) -> CrawlUrl {
    CrawlUrl::parse(&format!("https://host-{host}.example/articles/{n:08}/a-title-of-usual-length.html")).expect("a URL")
}

fn measure<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let begun = cpu_time();
    let result = work();
    *spent += cpu_time() - begun;
    result
}

/// Processor time that this thread has had: other processes do not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().expect("no time before the beginning"), time.tv_nsec.try_into().expect("less than a second"))
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() {
    let mut crawls: Vec<Crawl> = CRAWLS.into_iter().map(Crawl::begin).collect();
    // The first round fills the windows of all hosts and does not count.
    for round in 0..=ROUNDS {
        crawls.iter_mut().for_each(Crawl::measure);
        if round == 0 {
            crawls.iter_mut().for_each(|crawl| crawl.rounds.clear());
        }
    }
    println!(
        "| hosts | delay | requests of a round | take ns | note the end ns | fill windows ns | in all ns a request | wake a host ns |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for crawl in &crawls {
        let Crawl { hosts, delay, woken, .. } = crawl;
        let (take, end, fill) = (crawl.nanos(|spent| spent.take), crawl.nanos(|spent| spent.end), crawl.nanos(|spent| spent.fill));
        let (delay, wake) = (delay.as_secs(), woken.as_secs_f64() * 1e9 / *hosts as f64);
        println!("| {hosts} | {delay} s | {REQUESTS} | {take:.0} | {end:.0} | {fill:.0} | {:.0} | {wake:.0} |", take + end + fill);
    }
}
