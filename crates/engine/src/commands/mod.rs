//! The commands beside crawling: `engine why`, `status`, `check`, `dead`, `requeue`, `frontier copy`, `audit`, `doctor`, and what is told to a running crawl.
//!
//! Those that look ask the running engine if there is one, over its control socket, and read the state directory itself otherwise: the answer
//! has the same form. Answers go to standard output, everything else to standard error.

pub mod args;
mod audit;
mod check;
mod control;
mod copy;
mod dead;
mod doctor;
mod place;
mod requeue;
mod status;
mod why;

use std::io::{self, Write};
use std::process::ExitCode;

use args::{Command, FrontierCommand};
use thiserror::Error;

use crate::control::client::ControlError;
use crate::frontier::FrontierError;

/// Why a command did not do what it was told; nothing was changed.
#[derive(Debug, Error)]
pub enum CommandError {
    /// Something on the command line, with what would be right.
    #[error("{0}")]
    Mistake(String),
    /// The state directory cannot be used.
    #[error("{0:#}")]
    State(anyhow::Error),
    /// The frontier cannot be used.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// The running engine does not answer, or refuses.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The answer could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

/// How a command ended that did what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Well,
    /// It found something wrong that is still so.
    Wrong,
}

/// Does what a command says.
///
/// # Errors
/// [`CommandError`]; nothing was changed then.
pub async fn run(command: Command) -> Result<Outcome, CommandError> {
    match command {
        Command::Why(args) => why::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Check(args) => check::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Dead(args) => dead::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Requeue(args) => requeue::run(args).await,
        Command::Frontier(FrontierCommand::Copy(args)) => copy::run(&args),
        Command::Pause(args) => control::pause(args).await,
        Command::Resume(args) => control::resume(args).await,
        Command::Add(args) => control::add(args).await,
        Command::Workers(args) => control::workers(args).await,
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Well => ExitCode::SUCCESS,
            Outcome::Wrong => ExitCode::FAILURE,
        }
    }
}

/// Writes an answer. A reader that has read enough, as `head` does, is content.
fn answer(text: &str) -> Result<Outcome, CommandError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(Outcome::Well),
    }
}

/// An answer as JSON, on lines of its own.
fn answer_json(value: &impl serde::Serialize) -> Result<Outcome, CommandError> {
    let text = serde_json::to_string_pretty(value).expect("what is answered has a JSON form");
    answer(&format!("{text}\n"))
}
