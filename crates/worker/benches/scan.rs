//! What reading a page's links costs: `cargo bench -p worker --bench scan -- [FOLDER]`, by default generated pages.
//!
//! Reads every HTML page below the folder, UTF-8 or taken for it, with the scan that parsers use, with html5ever's tokenizer and with the
//! whole parser `page`, in turns, and prints a table: megabytes of HTML per second of this thread's processor time and microseconds a page,
//! with the pages and links that were read. Of five rounds the best counts. Before it measures it compares what both find, and ends with exit code 1 where they differ.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod clock;
mod pages;

use std::process::ExitCode;
use std::time::Duration;

use clock::cpu_time;
use worker::parse::measured;

const ROUNDS: usize = 5;

/// Reads a page and counts its links.
type Reader = fn(&str) -> usize;

fn main() -> ExitCode {
    let (source, pages) = pages::read();
    let different: Vec<_> = pages.iter().filter(|(_, page)| !measured::agree(page)).map(|(path, _)| path).collect();
    println!("{} pages of {}: {} read differently", pages.len(), source, different.len());
    for path in different.iter().take(10) {
        println!("  {}", path.display());
    }
    let bytes: usize = pages.iter().map(|(_, page)| page.len()).sum();
    let readers: [(&str, Reader); 3] = [
        ("tokens (html5ever)", measured::links_of_tokens),
        ("scan", measured::links),
        ("parser `page`, with its scan", measured::links_of_parser),
    ];
    let mut best = [Duration::MAX; 3];
    let mut links = [0; 3];
    for _ in 0..ROUNDS {
        for (n, (_, read)) in readers.iter().enumerate() {
            let begun = cpu_time();
            links[n] = pages.iter().map(|(_, page)| read(page)).sum();
            best[n] = best[n].min(cpu_time() - begun);
        }
    }
    println!("\n| | MB/s | µs a page | pages | MB | links |\n|---|---|---|---|---|---|");
    for (n, (name, _)) in readers.iter().enumerate() {
        let seconds = best[n].as_secs_f64();
        let (rate, each) = (bytes as f64 / 1e6 / seconds, seconds * 1e6 / pages.len() as f64);
        println!("| {name} | {rate:.0} | {each:.1} | {} | {:.1} | {} |", pages.len(), bytes as f64 / 1e6, links[n]);
    }
    if different.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
