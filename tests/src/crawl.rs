//! One run of the engine, in a folder of its own, with a report.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::process::{Exit, Process};
use crate::program::{Program, workspace};
use crate::report::Report;
use crate::server::Server;
use crate::store::{self, StoredItem};

/// A crawl about to be started: `engine --state FOLDER/state --report FOLDER/report.json …`.
#[derive(Debug)]
pub struct Crawl {
    folder: TempDir,
    program: Program,
}

/// A crawl under way. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    folder: TempDir,
    /// The engine.
    pub process: Process,
}

/// A crawl that has ended.
#[derive(Debug)]
pub struct Finished {
    folder: TempDir,
    /// How the engine ended.
    pub exit: Exit,
    /// What it reported.
    pub report: Report,
}

impl Crawl {
    /// A crawl of nothing yet.
    ///
    /// # Panics
    /// When there is no place for temporary files.
    pub fn new() -> Crawl {
        Crawl::in_state(Path::new("state"))
    }

    /// A crawl of nothing yet that keeps its state where the test says, so that another one can go on from there.
    ///
    /// # Panics
    /// When there is no place for temporary files.
    pub fn in_state(state: &Path) -> Crawl {
        Crawl::by("engine", state)
    }

    /// The same by another binary than `engine`.
    ///
    /// # Panics
    /// When there is no place for temporary files.
    pub fn by(engine: &str, state: &Path) -> Crawl {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let program = Program::new(engine).within(folder.path()).arg("--state").arg(state).args(["--report", "report.json"]);
        Crawl { folder, program }
    }

    /// A crawl of the practice site's people by the project's own spider.
    pub fn of_people(seed: &str) -> Crawl {
        Crawl::new().spider("zhenai").arg(seed)
    }

    /// Reads with a spider file of the project.
    #[must_use]
    pub fn spider(self, name: &str) -> Crawl {
        let file = workspace().join("spiders").join(name).with_extension("toml");
        self.arg("--spider").arg(file)
    }

    /// Fetches with these workers.
    #[must_use]
    pub fn workers<'a>(self, workers: impl IntoIterator<Item = &'a Server>) -> Crawl {
        let hosts: Vec<&str> = workers.into_iter().map(Server::host).collect();
        self.args(["--worker-hosts", &hosts.join(",")])
    }

    /// Stores with this itemsaver.
    #[must_use]
    pub fn itemsaver(self, itemsaver: &Server) -> Crawl {
        self.args(["--itemsaver-host", itemsaver.host()])
    }

    /// Keeps its frontier in this database of a test's server.
    #[must_use]
    pub fn frontier(self, database: &str) -> Crawl {
        self.args(["--frontier", database]).env("GOSSAMER_FRONTIER_PASSWORD", services::postgres::PASSWORD)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Crawl {
        self.program = self.program.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Crawl {
        self.program = self.program.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Crawl {
        self.program = self.program.env(name, value);
        self
    }

    /// Gives it standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Crawl {
        self.program = self.program.input(text);
        self
    }

    /// Starts it.
    pub fn start(self) -> Running {
        Running { folder: self.folder, process: self.program.start() }
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }

    /// Its folder and its program, for a test that starts it in a way of its own.
    pub fn into_parts(self) -> (TempDir, Program) {
        (self.folder, self.program)
    }
}

impl Default for Crawl {
    fn default() -> Crawl {
        Crawl::new()
    }
}

impl Running {
    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time or leaves no report that adds up.
    pub fn finish(self) -> Finished {
        let exit = self.process.exit();
        let file = self.folder.path().join("report.json");
        assert!(file.exists(), "the engine ended with {:?} and no report:\n{}", exit.code, exit.stderr);
        Finished { exit, report: Report::read(&file), folder: self.folder }
    }
}

impl Finished {
    /// A file of the folder it ran in.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store of an embedded itemsaver.
    pub fn store(&self) -> PathBuf {
        self.file("state").join("items.db")
    }

    /// What that store holds.
    pub fn items(&self) -> Vec<StoredItem> {
        store::items(&self.store())
    }

    /// A file of the folder, read.
    ///
    /// # Panics
    /// When it is not there.
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        let file = self.folder.path().join(name);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}
