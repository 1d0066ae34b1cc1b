//! Measures what trouble costs at a size that tests have no time for, see tests/README.md.

#![allow(clippy::print_stdout, reason = "a command speaks to the person who started it")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::measure::kills::{self, Kills};
use tests::measure::outage::{self, Outage};
use tests::measure::search_server::{self, SearchServer};
use tests::program;

/// Crawls at full size with an engine that is killed, or an itemsaver that is away. Exit codes: 0 as it must be, 1 not.
#[derive(Debug, Parser)]
#[command(name = "kills", max_term_width = 100)]
enum Args {
    /// Crawl a folder of HTML, the engine killed again and again, and compare with a crawl in peace
    Kills {
        /// The folder; its first page is index.html
        folder: PathBuf,
        /// Where the crawls keep their state [default: a temporary folder]
        #[arg(long, value_name = "DIR")]
        state: Option<PathBuf>,
        /// How often the engine is killed, 0.3 to 2 s after its start
        #[arg(long, value_name = "N", default_value_t = 20)]
        times: u32,
        /// How much later each answer of the site comes, in milliseconds
        #[arg(long, value_name = "MS", default_value_t = 50)]
        latency: u64,
        /// What the moments are drawn from
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Freeze the itemsaver for a while at full rate, and watch the engine's memory
    Outage {
        /// For how long, in seconds; memory is watched but for the first ten
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        seconds: u64,
        /// Cities of 10 pages with 20 people each
        #[arg(long, value_name = "N", default_value_t = 100)]
        cities: u32,
    },
    /// Crawl people into a real Elasticsearch node that is killed in the middle, one in a thousand of them against its mapping
    Server {
        /// Cities of 10 pages with 20 people each
        #[arg(long, value_name = "N", default_value_t = 500)]
        cities: u32,
        /// How long the node is away, in seconds; memory is watched but for the first ten
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    program::build();
    let lines: Vec<(String, bool)> = match args {
        Args::Kills { folder, state, times, latency, seed } => kills::measure(&Kills { folder, state, times, latency_ms: latency, seed })
            .iter()
            .map(|told| (told.to_string(), told.is_well()))
            .collect(),
        Args::Outage { seconds, cities } => {
            let told = outage::measure(&Outage { seconds, cities });
            vec![(told.to_string(), told.is_well())]
        }
        Args::Server { cities, seconds } => vec![(search_server::measure(&SearchServer { cities, seconds }).to_string(), true)],
    };
    for (line, _) in &lines {
        println!("{line}");
    }
    if lines.iter().all(|(_, is_well)| *is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
