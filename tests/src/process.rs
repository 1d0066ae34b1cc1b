//! A running process: what it says, how it ends, and signals to it. Dropped, it is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::LIMIT;

/// See the module.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Pid,
    shared: Arc<Shared>,
}

/// How a process ended and what it said.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Whether it ended itself as a bug does that cannot be caught, by SIGABRT.
    pub aborted: bool,
    /// All of standard output, unless the test read it itself.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

#[derive(Debug)]
struct Shared {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<String>,
    /// Pipes that are still read.
    open: usize,
    /// Set under the lock that signals are sent under, so that none goes to another process of the same number.
    ended: Option<ExitStatus>,
}

impl Process {
    pub(crate) fn start(name: &str, command: Command, input: String) -> Process {
        let (process, stdout) = Process::start_reading(name, command, input);
        let shared = Arc::clone(&process.shared);
        process.shared.said().open += 1;
        std::thread::spawn(move || {
            let mut stdout = stdout;
            let mut piece = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = stdout.read(&mut piece) {
                shared.change(|said| said.stdout.extend_from_slice(&piece[..length]));
            }
            shared.change(|said| said.open -= 1);
        });
        process
    }

    pub(crate) fn start_reading(name: &str, mut command: Command, input: String) -> (Process, ChildStdout) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let pid = Pid::from_child(&child);
        let mut stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let shared = Arc::new(Shared { said: Mutex::new(Said { open: 1, ..Said::default() }), changed: Condvar::new() });
        // A process that ends without reading its input leaves a broken pipe, which is no concern of the test's.
        std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let lines = Arc::clone(&shared);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                lines.change(|said| said.stderr.push(String::from_utf8_lossy(&line).into_owned()));
            }
            lines.change(|said| said.open -= 1);
        });
        let end = Arc::clone(&shared);
        std::thread::spawn(move || end.await_end(child, pid));
        (Process { name: name.to_owned(), pid, shared }, stdout)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.shared.said().ended.is_none()
    }

    /// The first line of standard error that contains `text`, once it is there.
    ///
    /// # Panics
    /// When the process ends without it, or it does not come in time.
    pub fn line(&self, text: &str) -> String {
        self.await_that(&format!("a line with {text:?}"), |said| {
            let found = said.stderr.iter().find(|line| line.contains(text)).cloned();
            match found {
                None if said.is_over() => Err("it ended"),
                found => Ok(found),
            }
        })
    }

    /// Whether a line of standard error contains `text` already.
    pub fn has_said(&self, text: &str) -> bool {
        self.shared.said().stderr.iter().any(|line| line.contains(text))
    }

    /// Whether it ends within this time.
    pub fn ends_within(&self, limit: Duration) -> bool {
        let said = self.shared.said();
        let waited = self.shared.changed.wait_timeout_while(said, limit, |said| !said.is_over());
        let (said, _) = waited.expect("no holder of this lock panics");
        said.is_over()
    }

    /// How it ended, once it has.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn exit(&self) -> Exit {
        self.await_that("its end", |said| {
            let exit = |status: ExitStatus| Exit {
                code: status.code(),
                aborted: status.signal() == Some(Signal::ABORT.as_raw()),
                stdout: String::from_utf8_lossy(&said.stdout).into_owned(),
                stderr: said.stderr.join("\n"),
            };
            Ok(said.ended.filter(|_| said.open == 0).map(exit))
        })
    }

    /// Ends it without a word, as `kill -9` does, and returns when it is gone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.await_that("its end after SIGKILL", |said| Ok(said.ended));
    }

    /// Sends `SIGTERM`.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends `SIGINT`, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Freezes it: it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// The memory it has now, in KiB.
    ///
    /// # Panics
    /// When it has ended.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    /// The most memory it has had at once so far, in KiB.
    ///
    /// # Panics
    /// When it has ended.
    pub fn peak_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    fn memory_kib(&self, measure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix(measure)).expect("a running process has this measure");
        line.trim().trim_end_matches(" kB").parse().expect("the kernel writes a number")
    }

    fn signal(&self, signal: Signal) {
        let said = self.shared.said();
        if said.ended.is_none() {
            // Ended but not yet waited for, it is still there to be signalled.
            rustix::process::kill_process(self.pid, signal).expect("it is a child of this process that was not waited for");
        }
    }

    fn await_that<T>(&self, what: &str, mut look: impl FnMut(&Said) -> Result<Option<T>, &'static str>) -> T {
        let mut found = Ok(None);
        let said = self.shared.said();
        let (said, waited) = self
            .shared
            .changed
            .wait_timeout_while(said, LIMIT, |said| {
                found = look(said);
                matches!(found, Ok(None))
            })
            .expect("no holder of this lock panics");
        let why = match found {
            Ok(Some(found)) => return found,
            Err(why) => why,
            Ok(None) => {
                debug_assert!(waited.timed_out());
                "the time is over"
            }
        };
        let stderr = said.stderr.join("\n");
        drop(said);
        panic!("{} ({}): waited for {what}, but {why}. It said:\n{stderr}", self.name, self.id());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Shared {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().expect("no holder of this lock panics")
    }

    fn change(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said());
        self.changed.notify_all();
    }

    /// Waits for the end before it takes the lock, and takes the number back from the system only under it.
    fn await_end(&self, mut child: Child, pid: Pid) {
        while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
        self.change(|said| said.ended = child.wait().ok());
    }
}

impl Said {
    fn is_over(&self) -> bool {
        self.ended.is_some() && self.open == 0
    }
}
