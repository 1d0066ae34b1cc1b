//! Proves politeness at full size, see `tests::polite`.

#![allow(clippy::print_stdout, reason = "a command speaks to the person who started it")]

use clap::Parser;
use tests::polite::{self, Hosts};
use tests::program;

/// Crawls 127.0.0.1 to 127.0.0.N, each with a delay of 0.1 to 2 s and robots of its own, with workers and engine killed under way, and judges
/// by the site's own log. Ends with a panic that names the breach, if there is one.
#[derive(Debug, Parser)]
#[command(name = "polite", max_term_width = 100)]
struct Args {
    /// Hosts
    #[arg(long, value_name = "N", default_value_t = 50)]
    hosts: u8,
    /// Cities of 20 people on each host
    #[arg(long, value_name = "N", default_value_t = 3)]
    cities: u32,
    /// Worker processes
    #[arg(long, value_name = "N", default_value_t = 8)]
    workers: usize,
}

fn main() {
    let Args { hosts, cities, workers } = Args::parse();
    program::build();
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    println!("{}", polite::crawl(&Hosts { numbers: (1..=hosts).collect(), cities, workers }, folder.path()));
}
