//! The command `engine`, for the binary of this crate and for binaries with parsers of their own.

use std::process::ExitCode;

use rpcsupport::process;
use worker::Registry;

use crate::app::{self, Done, StartError};
use crate::args::{Args, ArgsError};
use crate::commands;
use crate::config;
use crate::progress::Screen;

/// Exit codes: nothing was given up; something was, or the crawl was cut short; it could not start.
const SUCCESS: u8 = 0;
const FAILURE: u8 = 1;
const NOT_STARTED: u8 = 2;

/// Reads the command line, crawls and ends. The embedded worker has the parsers of `registry`, and spiders may name them, also for workers
/// elsewhere; those must have them too.
///
/// Exit codes: 0 when nothing was given up, 1 when something was or the crawl was cut short, 2 when it could not start, with every reason
/// on standard error.
pub fn main_with(registry: Registry) -> ExitCode {
    let args = match Args::read(&process::arguments()) {
        Ok(args) => args,
        Err(ArgsError::Usage(error)) => error.exit(),
        Err(ArgsError::ConfigFile(mistakes)) => return ExitCode::from(tell(&mistakes)),
    };
    let screen = Screen::default();
    process::init_log_to(config::verbosity(&args), screen.clone());
    process::raise_file_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(tell(&[format!("cannot start the runtime: {error}")])),
    };
    if let Some(command) = args.command {
        let done = runtime.block_on(commands::run(command));
        runtime.shutdown_background();
        return done.map_or_else(|error| ExitCode::from(tell(&[error.to_string()])), ExitCode::from);
    }
    let result = runtime.block_on(app::run(&args, registry, screen));
    // Nothing is waited for any more: a disk or a reader that hangs must not keep the process.
    runtime.shutdown_background();
    let code = match result {
        Ok(Done { report, places, report_problem }) => {
            if !args.quiet {
                say(&report.screen(&places));
            }
            let problem = report_problem.map(|problem| tell(&[format!("{problem:#}")]));
            if report.is_success() && problem.is_none() { SUCCESS } else { FAILURE }
        }
        Err(StartError::Mistakes(mistakes)) => tell(&mistakes),
        Err(StartError::Failed(error)) => tell(&[format!("{error:#}")]),
        Err(StartError::BrokenOff(error)) => {
            tell(&[format!("{error:#}")]);
            FAILURE
        }
    };
    ExitCode::from(code)
}

fn tell(mistakes: &[String]) -> u8 {
    let lines: Vec<String> = mistakes.iter().map(|mistake| format!("error: {mistake}\n")).collect();
    say(&lines.concat());
    NOT_STARTED
}

#[allow(clippy::print_stderr, reason = "what is said to a person goes to standard error")]
fn say(text: &str) {
    eprint!("{text}");
}
