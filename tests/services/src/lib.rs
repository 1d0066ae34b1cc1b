//! Real servers for the tests: search servers here, and the database in [`postgres`].
//!
//! [`shared`] is one node of each server for all tests of a run, whichever test programs they are in: the first test that asks starts it,
//! and it ends when `cargo` has. Each test makes indices of its own. [`Node`] is a node of one's own, to be killed.
//!
//! The scripts beside this crate do the work; its README says what they need. Where that is missing, tests fail with the sentence that
//! says what to install.

pub mod postgres;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// Which search server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch.
    Opensearch,
}

impl Server {
    /// Its folder here, and the kind of store it is.
    pub fn word(self) -> &'static str {
        match self {
            Server::Elasticsearch => "elasticsearch",
            Server::Opensearch => "opensearch",
        }
    }
}

/// The URL of the node that all tests of this run share.
///
/// # Panics
/// When it cannot be started; the message says why.
pub fn shared(server: Server) -> &'static str {
    static NODES: [OnceLock<String>; 2] = [OnceLock::new(), OnceLock::new()];
    NODES[server as usize].get_or_init(|| {
        let run = run();
        let runs = target().join("services");
        remove_runs_that_have_ended(&runs);
        let folder = runs.join(format!("run-{run}")).join(server.word());
        start(server, &folder, &["--while", &run.to_string()]).1
    })
}

/// A node of one's own; ended when dropped.
#[derive(Debug)]
pub struct Node {
    server: Server,
    folder: PathBuf,
    url: String,
    pid: Option<Pid>,
}

impl Node {
    /// Starts a node that keeps its data in this folder.
    ///
    /// # Panics
    /// When it cannot be started; the message says why.
    pub fn start(server: Server, folder: &Path) -> Node {
        let (pid, url) = start(server, folder, &["--while", &std::process::id().to_string()]);
        Node { server, folder: folder.to_owned(), url, pid: Some(pid) }
    }

    /// Where it answers, now or once it is started again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it without a word, as `kill -9` does, and returns when it is gone.
    pub fn kill(&mut self) {
        let Some(pid) = self.pid.take() else { return };
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // Gone already is as good.
        let _ = kill_process(pid, Signal::KILL);
        let mut ends = [PollFd::new(&process, PollFlags::IN)];
        while poll(&mut ends, None).is_err() {}
    }

    /// Starts it again where it was, with its data.
    ///
    /// # Panics
    /// As [`Node::start`].
    pub fn start_again(&mut self) {
        let port = self.url.rsplit(':').next().unwrap_or_default();
        let (pid, _) = start(self.server, &self.folder, &["--port", port, "--while", &std::process::id().to_string()]);
        self.pid = Some(pid);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Process and URL.
fn start(server: Server, folder: &Path, options: &[&str]) -> (Pid, String) {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("start"));
    script.arg(server.word()).arg(folder).args(options).env("CARGO_TARGET_DIR", target());
    let output = script.output().unwrap_or_else(|error| panic!("cannot run {script:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let told = |word: &str| said.lines().find_map(|line| line.strip_prefix(word)).map(str::to_owned);
    let pid = told("pid ").and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    match (output.status.success(), pid, told("url ")) {
        (true, Some(pid), Some(url)) => (pid, url),
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The process whose end is the end of the run: `cargo`, or this one when it was started otherwise.
fn run() -> u32 {
    let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get().unsigned_abs());
    let name = std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default();
    if name.trim() == "cargo" { parent } else { std::process::id() }
}

/// The folder that this test program was built in: `target/debug/deps/name`.
fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a file");
    program.ancestors().nth(3).expect("it is in a target folder").to_owned()
}

fn remove_runs_that_have_ended(runs: &Path) {
    for run in std::fs::read_dir(runs).into_iter().flatten().flatten() {
        let name = run.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix("run-")).and_then(|pid| pid.parse::<u32>().ok());
        if process.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Another test program may be faster.
            let _ = std::fs::remove_dir_all(run.path());
        }
    }
}
