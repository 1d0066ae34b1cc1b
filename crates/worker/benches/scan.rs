//! What reading a page's links costs: `cargo bench -p worker --bench scan -- [FOLDER]`, by default generated pages.
//!
//! Reads every HTML page below the folder, UTF-8 or taken for it, with the scan that parsers use, with html5ever's tokenizer and with the
//! whole parser `page`, in turns, and prints a table: megabytes of HTML per second of this thread's processor time and microseconds a page,
//! with the pages and links that were read. Of five rounds the best counts. Before it measures it compares what both find, and ends with exit code 1 where they differ.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use worker::parse::measured;

const ROUNDS: usize = 5;

/// Pages that are generated where no folder is given.
const GENERATED: usize = 500;

/// Reads a page and counts its links.
type Reader = fn(&str) -> usize;

fn main() -> ExitCode {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let pages = match &folder {
        Some(folder) => pages_below(Path::new(folder)),
        None => (0..GENERATED).map(|n| (PathBuf::from(n.to_string()), generated(n))).collect(),
    };
    let different: Vec<_> = pages.iter().filter(|(_, page)| !measured::agree(page)).map(|(path, _)| path).collect();
    println!("{} pages of {}: {} read differently", pages.len(), folder.as_deref().unwrap_or("generated HTML"), different.len());
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

fn pages_below(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut pages = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for file in folder.read_dir().expect("a folder that can be read") {
            let path = file.expect("a file that can be seen").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                let bytes = std::fs::read(&path).expect("a page that can be read");
                pages.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    pages
}

/// A page as many sites have it: a menu, paragraphs with a few links, and a script.
fn generated(n: usize) -> String {
    let menu: String = (0..40)
        .map(|m| format!("<li class=\"item\"><a href=\"/section/{m}/?from={n}&amp;x=1\" title=\"Section\">Section {m}</a></li>\n"))
        .collect();
    let paragraph =
        "<p class=\"text\">Some <b>words</b> and <a href=\"../page-7.html\">more of them</a>, as many as <code>it</code> takes.</p>\n";
    let script = "<script>for (let i = 0; i < 10; i++) { document.write('<b>' + i + '</b>'); }</script>\n";
    format!(
        "<!doctype html><html lang=\"en\"><head><title>Page {n}</title></head><body><ul>{menu}</ul>{}{script}</body></html>",
        paragraph.repeat(100)
    )
}

/// Processor time that this thread has had: other processes do not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().expect("no time before the beginning"), time.tv_nsec.try_into().expect("less than a second"))
}
