//! How many pages a second an engine can hand out: `cargo bench -p engine --bench hand_out -- [PAGES]`, by default 20000 a crawl.
//!
//! The whole engine crawls as its command does with `--quiet` and default flags, but no delay: 100 requests in flight, durable frontier on
//! disk, robots.txt obeyed. Its workers and its itemsaver are fakes on TCP of this machine, in one process of their own, that answer at once
//! ([`fakes`]): a page has one item and 50 links, of which 1 or 10 are new ([`web`]). So what is left is the engine, its frontier and the
//! wire. A crawl ends after so many pages by `--max-pages`, its report is checked, and the engine's processor time is this process's.
//! Medians of rounds that take turns.

mod fakes;
mod web;

use std::process::ExitCode;
use std::time::Duration;

use engine::app::{self, Done};
use engine::args::Args;
use engine::progress::Screen;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;
use worker::Registry;

use fakes::Fakes;
use web::Web;

/// Rounds, of which the median counts.
const ROUNDS: usize = 3;

/// Crawls that are measured: workers, and the web.
const CRAWLS: [(usize, Web); 8] = [
    (1, Web { hosts: 1, new: 1 }),
    (2, Web { hosts: 1, new: 1 }),
    (4, Web { hosts: 1, new: 1 }),
    (1, Web { hosts: 1, new: 10 }),
    (2, Web { hosts: 1, new: 10 }),
    (4, Web { hosts: 1, new: 10 }),
    (2, Web { hosts: 1_000, new: 1 }),
    (2, Web { hosts: 1_000, new: 10 }),
];

/// What one crawl took.
struct Spent {
    wall: f64,
    engine: f64,
    fakes: f64,
    /// URLs it knew in the end.
    discovered: u64,
}

#[allow(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let first = arguments.next();
    if first.as_deref() == Some(fakes::ARGUMENT) {
        return fakes::serve(arguments);
    }
    let pages: u64 = first.map_or(20_000, |pages| pages.parse().expect("a number of pages"));
    rpcsupport::process::init_log(-1);
    let mut crawls: Vec<Vec<Spent>> = CRAWLS.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((workers, web), spent) in CRAWLS.into_iter().zip(&mut crawls) {
            spent.push(crawl(workers, web, pages));
        }
    }
    println!("{pages} pages a crawl, medians of {ROUNDS} rounds\n");
    println!(
        "| workers | hosts | new of 50 links | pages/s (lowest–highest) | engine's CPU s per 1,000 pages | pages a CPU second of the engine | \
         fakes' CPU s per 1,000 pages | URLs in the end |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for ((workers, Web { hosts, new }), spent) in CRAWLS.into_iter().zip(&crawls) {
        let sorted = |part: fn(&Spent) -> f64| {
            let mut parts: Vec<f64> = spent.iter().map(part).collect();
            parts.sort_by(f64::total_cmp);
            parts
        };
        let (wall, engine, fakes) = (sorted(|spent| spent.wall), sorted(|spent| spent.engine), sorted(|spent| spent.fakes));
        let rate = |seconds: f64| pages as f64 / seconds;
        let of_1000 = |seconds: f64| seconds / pages as f64 * 1000.0;
        println!(
            "| {workers} | {hosts} | {new} | {:.0} ({:.0}–{:.0}) | {:.3} | {:.0} | {:.3} | {} |",
            rate(wall[ROUNDS / 2]),
            rate(wall[ROUNDS - 1]),
            rate(wall[0]),
            of_1000(engine[ROUNDS / 2]),
            rate(engine[ROUNDS / 2]),
            of_1000(fakes[ROUNDS / 2]),
            spent[0].discovered,
        );
    }
    ExitCode::SUCCESS
}

/// One crawl of so many pages.
fn crawl(workers: usize, web: Web, pages: u64) -> Spent {
    let folder = tempfile::tempdir().expect("a place for temporary files");
    let fakes = Fakes::start(workers, web);
    let args = Args {
        urls: web.seeds().map(|url| url.to_string()).collect(),
        worker_hosts: Some(fakes.workers().join(",")),
        itemsaver_host: Some(fakes.itemsaver().to_owned()),
        state: Some(folder.path().join("state").display().to_string()),
        delay: Some("0s".to_owned()),
        max_pages: Some(pages.to_string()),
        quiet: true,
        ..Args::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (begun, cpu) = (Instant::now(), process_cpu());
    let done = runtime.block_on(app::run(&args, Registry::builtin(), Screen::default()));
    let Done { report, .. } = done.unwrap_or_else(|error| panic!("{error:?}"));
    let (wall, engine) = (begun.elapsed(), process_cpu() - cpu);
    runtime.shutdown_background();
    let fakes = fakes.end();
    let discovered = report.urls.discovered;
    assert_eq!((report.pages, report.items.saved, report.urls.dead, report.urls.skipped), (pages, pages, 0, 0), "{report:?}");
    assert!(web.is_right(pages, discovered), "{report:?}");
    Spent { wall: wall.as_secs_f64(), engine: engine.as_secs_f64(), fakes: fakes.as_secs_f64(), discovered }
}

/// Processor time of the whole process.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().expect("no time before the beginning"), time.tv_nsec.try_into().expect("less than a second"))
}
