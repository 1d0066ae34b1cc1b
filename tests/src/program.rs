//! A program of this workspace, about to be started.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};

use crate::process::{Exit, Process};

/// One of the workspace's binaries with its arguments. Its environment is empty but for `PATH` and what is given here, so that no
/// `GOSSAMER_…` of the person who runs the tests changes them.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
    input: String,
}

/// The folder with the workspace's binaries: `cargo test --workspace` builds them beside the tests, and [`build`] beside a command.
///
/// # Panics
/// When this program does not lie in a target folder.
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a file");
    let folder = program.parent().expect("a file has a folder");
    // A test lies in the folder `deps` of the one that a command lies in.
    let tests = folder.ends_with("deps").then(|| folder.parent()).flatten();
    tests.unwrap_or(folder).to_owned()
}

/// Builds the product's binaries into [`folder`], for a command of this crate: `cargo run` builds that alone.
///
/// # Panics
/// When they cannot be built.
pub fn build() {
    let folder = folder();
    let target = folder.parent().expect("binaries lie in a target folder");
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace()).args(["build", "--quiet", "--locked", "--bins", "--profile", profile, "--target-dir"]).arg(target);
    let built = command.args(["-p", "engine", "-p", "worker", "-p", "itemsaver"]).status();
    assert!(built.is_ok_and(|status| status.success()), "the binaries cannot be built: see {command:?}");
}

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace")
}

impl Program {
    /// The binary of this name, without arguments and without input.
    ///
    /// # Panics
    /// When it is not built.
    pub fn new(name: &str) -> Program {
        let file = folder().join(name);
        assert!(file.is_file(), "{} is missing: `cargo test --workspace` or `cargo build` builds it", file.display());
        Program::of_file(name, &file)
    }

    /// Any other executable.
    pub fn of_file(name: &str, file: &Path) -> Program {
        let mut command = Command::new(file);
        command.env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        Program { name: name.to_owned(), command, input: String::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Program {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Program {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Program {
        self.command.env(name, value);
        self
    }

    /// Sets the folder it runs in.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Program {
        self.command.current_dir(folder);
        self
    }

    /// Sets what it reads from standard input, which ends after that.
    #[must_use]
    pub fn input(mut self, text: &str) -> Program {
        text.clone_into(&mut self.input);
        self
    }

    /// Starts it; standard output is collected.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(self) -> Process {
        let Program { name, command, input } = self;
        Process::start(&name, command, input)
    }

    /// Starts it with standard output in the hands of the test.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_reading(self) -> (Process, ChildStdout) {
        let Program { name, command, input } = self;
        Process::start_reading(&name, command, input)
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started or does not end in time.
    pub fn run(self) -> Exit {
        self.start().exit()
    }
}
