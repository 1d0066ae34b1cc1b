//! Plays seeds of random trouble, see `tests::chaos` and tests/README.md.

#![allow(clippy::print_stdout, reason = "a command speaks to the person who started it")]

use std::ops::Range;
use std::process::ExitCode;

use clap::Parser;
use tests::chaos::schedule::Plan;
use tests::{chaos, program};

/// Kills, ends, freezes and starts the processes of small crawls at random moments, and compares each crawl with the truth.
///
/// Exit codes: 0 every crawl was exact, 1 some was not.
#[derive(Debug, Parser)]
#[command(name = "chaos", max_term_width = 100)]
struct Args {
    /// Seeds to play: `17`, or `0..100` for a hundred of them
    #[arg(long, value_name = "SEEDS", default_value = "0..20", value_parser = seeds)]
    seeds: Range<u64>,
    /// Keep the folder of a seed that fails: state, store, output and what the processes said
    #[arg(long)]
    keep: bool,
    /// Play runs with three engines over a database that is killed as well, on a site of several hosts
    #[arg(long)]
    engines: bool,
    /// Say what would happen, and play nothing
    #[arg(long)]
    plan: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let plan = if args.engines { Plan::of_engines } else { Plan::of };
    if args.plan {
        args.seeds.for_each(|seed| println!("{}", plan(seed)));
        return ExitCode::SUCCESS;
    }
    program::build();
    let (mut exact, mut failed, mut restarts, mut repeated) = (0, Vec::new(), 0, 0);
    for seed in args.seeds {
        match chaos::try_plan(plan(seed), args.keep) {
            Ok(told) => {
                println!("{told}");
                (exact, restarts, repeated) = (exact + 1, restarts + told.restarts, repeated + told.repeated);
            }
            Err(failure) => {
                println!("{failure}");
                failed.push(seed);
            }
        }
    }
    println!("{exact} exact, {} failed {failed:?}; {restarts} restarts of engines, {repeated} pages fetched again", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no number; write 17 or 0..100"));
    match text.split_once("..") {
        Some((first, end)) => Ok(number(first)?..number(end)?),
        None => number(text).map(|seed| seed..seed + 1),
    }
}
