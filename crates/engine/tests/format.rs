//! State directories of every format there was, as the version wrote them that made it: later versions open them, or refuse them by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A copy of the directory of a format: what is opened is changed.
fn state(format: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a place for temporary files");
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/state/{format}")), folder.path().join("state"));
    copy(&from, &to);
    // Git keeps no empty folders.
    for keyspace in fs::read_dir(to.join("frontier/keyspaces")).expect("it has keyspaces") {
        fs::create_dir_all(keyspace.expect("an entry").path().join("tables")).expect("it can be written");
    }
    (folder, to)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be written");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

fn engine(state: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(arguments).arg("--state").arg(state).env_clear().output().expect("the engine is built")
}

fn told(state: &Path, arguments: &[&str]) -> String {
    let output = engine(state, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("what is said is UTF-8")
}

#[test]
fn a_state_directory_of_format_2_is_sound_and_tells_every_story() {
    let (_folder, state) = state(2);
    let checked = told(&state, &["check"]);
    assert!(checked.starts_with("crawl example: sound. 8 URLs of 2 sites = 2 done + 2 dead + 1 skipped + 3 queued,"), "{checked}");
    for (url, expected) in [
        ("http://h.example/a", "  state     done: a page, 2026-01-01T00:00:00Z"),
        ("http://h.example/a", "  items     2 parsed = 1 saved + 1 rejected, as version 1767225600000"),
        ("http://h.example/a", "  rejected  thing 1: a reason"),
        ("http://h.example/b", "  state     skipped: wrong status code: 404, 2026-01-01T00:00:00Z"),
        ("http://h.example/c", "  state     dead: redirect loop, 2026-01-01T00:00:00Z"),
        ("http://h.example/d", "  state     done: redirects to http://h.example/target, 2026-01-01T00:00:00Z"),
        ("http://h.example/e", "  tries     failed attempts: 1; lost with a worker: 0"),
        ("http://h.example/found", "  found     on http://h.example/a, depth 1"),
        ("http://h.example/private/not", "  scope     out of scope: a deny rule matches: /private/"),
        ("http://gone.example/", "  state     dead with its site: origin dead: connection refused"),
    ] {
        let story = told(&state, &["why", url]);
        assert!(story.lines().any(|line| line == expected), "{expected:?} is not in\n{story}");
    }
    let requeued = told(&state, &["requeue"]);
    assert!(requeued.starts_with("queued again: 2 URLs, 1 items"), "{requeued}");
    assert!(told(&state, &["check"]).contains("= 2 done + 0 dead + 1 skipped + 5 queued"));
}
