//! `itemsaver`: the store of a crawl as a program. See the library for what it keeps to.

mod args;
mod command;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Config};
use crate::command::Failure;

/// Pages are many small allocations, made on one thread and freed on another: some 15 % less CPU than with the system's own allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Begun and not finished.
const MIDWAY: u8 = 1;

/// It could not start.
const COULD_NOT_START: u8 = 2;

#[tokio::main]
#[allow(clippy::print_stderr, reason = "a program speaks to the person who started it")]
async fn main() -> ExitCode {
    // Ends here with 0 for --help and 2 for a line that cannot be read.
    let arguments = Arguments::parse_from(rpcsupport::process::arguments());
    let config = match Config::of(arguments, |variable| std::env::var(variable).ok()) {
        Ok(config) => config,
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("itemsaver: {mistake}"));
            return ExitCode::from(COULD_NOT_START);
        }
    };
    rpcsupport::process::init_log(config.verbosity);
    match command::run(config).await {
        Ok(code) => code,
        Err(Failure::Start(why)) => {
            eprintln!("itemsaver: {why}");
            ExitCode::from(COULD_NOT_START)
        }
        Err(Failure::Midway(why)) => {
            eprintln!("itemsaver: {why}");
            ExitCode::from(MIDWAY)
        }
    }
}
