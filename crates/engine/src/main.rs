//! `engine`: see `engine --help`.

use std::process::ExitCode;

use engine::app::{self, StartError};
use engine::args::{Args, ArgsError};
use engine::config;
use engine::progress::Screen;
use rpcsupport::process;

/// Exit codes: nothing was given up; something was, or the crawl was cut short; it could not start.
const SUCCESS: u8 = 0;
const FAILURE: u8 = 1;
const NOT_STARTED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match Args::read(&process::arguments()) {
        Ok(args) => args,
        Err(ArgsError::Usage(error)) => error.exit(),
        Err(ArgsError::ConfigFile(mistakes)) => return ExitCode::from(tell(&mistakes)),
    };
    let screen = Screen::default();
    process::init_log_to(config::verbosity(&args), screen.clone());
    let code = match app::run(&args, screen).await {
        Ok(done) => {
            if !args.quiet {
                say(&done.report.screen(&done.places));
            }
            if done.report.is_success() { SUCCESS } else { FAILURE }
        }
        Err(StartError::Mistakes(mistakes)) => tell(&mistakes),
        Err(StartError::Failed(error)) => {
            let code = if app::never_began(&error) { NOT_STARTED } else { FAILURE };
            tell(&[format!("{error:#}")]);
            code
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
