//! Asking a crawl with the engine's own commands.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use engine::frontier::RejectedItem;
use engine::inquiry::status::CrawlStatus;
use engine::inquiry::why::Explanation;
use tokio::time::Instant;

use crate::LIMIT;
use crate::process::Exit;
use crate::program::Program;

/// Runs a command of the engine on the crawl in a state directory, or on the one whose directory it is.
pub fn ask<S: AsRef<OsStr>>(state: &Path, command: impl IntoIterator<Item = S>) -> Exit {
    Program::new("engine").env("GOSSAMER_FRONTIER_PASSWORD", services::postgres::PASSWORD).args(command).arg("--state").arg(state).run()
}

/// Runs a command of the engine on a crawl whose frontier is in a database of a test's server, wherever its engine is.
pub fn ask_database<S: AsRef<OsStr>>(database: &str, command: impl IntoIterator<Item = S>) -> Exit {
    let program = Program::new("engine").env("GOSSAMER_FRONTIER_PASSWORD", services::postgres::PASSWORD);
    let nowhere = tempfile::tempdir().expect("there is a place for temporary files");
    program.within(nowhere.path()).args(command).args(["--frontier", database]).run()
}

/// As [`ask`] where it must succeed. Returns what it answers.
///
/// # Panics
/// When it does not.
pub fn told<S: AsRef<OsStr>>(state: &Path, command: impl IntoIterator<Item = S>) -> String {
    let exit = ask(state, command);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    exit.stdout
}

/// How the crawl stands.
///
/// # Panics
/// When the crawl does not say; so do the others.
pub fn status(state: &Path) -> CrawlStatus {
    serde_json::from_str(&told(state, ["status", "--json"])).expect("a status")
}

/// How the only crawl of a database stands.
pub fn status_in(database: &str) -> CrawlStatus {
    let exit = ask_database(database, ["status", "--json"]);
    assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&exit.stdout).expect("a status")
}

/// The only crawl of a database, which does not run, has every URL in one state and every counter right.
pub fn assert_sound_in(database: &str) {
    let exit = ask_database(database, ["check"]);
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    assert!(exit.stdout.contains(": sound. "), "{}", exit.stdout);
}

/// All about a URL.
pub fn why(state: &Path, url: &str) -> Explanation {
    serde_json::from_str(&told(state, ["why", url, "--json"])).expect("an explanation")
}

/// Asks until the crawl stands as wanted.
pub fn await_status(state: &Path, what: &str, is_so: impl Fn(&CrawlStatus) -> bool) -> CrawlStatus {
    let end = Instant::now() + LIMIT;
    loop {
        let status = status(state);
        if is_so(&status) {
            return status;
        }
        assert!(Instant::now() < end, "waited for {what}, but it stands so:\n{status}");
    }
}

/// The ids of the items that were refused, all for this reason.
///
/// # Panics
/// When one was refused for another.
pub fn rejected_items(state: &Path, reason: &str) -> BTreeSet<String> {
    let lines = told(state, ["dead", "--json", "--limit", "1000000"]);
    let letter = |line: &str| serde_json::from_str::<RejectedItem>(line).unwrap_or_else(|error| panic!("{error} in the line {line}"));
    let id = |letter: RejectedItem| {
        assert_eq!(letter.reason, reason);
        letter.item.id.to_string()
    };
    lines.lines().map(letter).map(id).collect()
}

/// The crawl, which does not run, has every URL in one state and every counter right.
pub fn assert_sound(state: &Path) {
    let exit = ask(state, ["check"]);
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    assert!(exit.stdout.contains(": sound. "), "{}", exit.stdout);
}
