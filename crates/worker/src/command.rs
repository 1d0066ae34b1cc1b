//! The command `worker`, for the binary of this crate and for binaries with parsers of their own.

use std::pin::pin;
use std::process::ExitCode;

use clap::Parser;
use rpcsupport::process::{arguments, init_log, raise_file_limit, shutdown_signal};

use crate::args::{Args, Command};
use crate::parse::Registry;
use crate::serve::run;
use crate::worker::Worker;

/// Exit code for what kept the worker from starting.
const USAGE: u8 = 2;

/// Reads the command line, serves until SIGTERM or Ctrl-C, finishes what is in flight and ends. A second signal ends at once.
///
/// Exit codes: 0 after a signal, 2 when it could not start, with every reason on standard error.
pub fn main_with(registry: Registry) -> ExitCode {
    let args = match Args::try_parse_from(arguments()) {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let command = match args.check() {
        Ok(command) => command,
        Err(wrong) => return refuse(&wrong),
    };
    init_log(command.verbosity);
    raise_file_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&[format!("cannot start: {error}")]),
    };
    let code = runtime.block_on(serve(command, registry));
    // A parse that is still running cannot be stopped and is of no use any more.
    runtime.shutdown_background();
    code
}

async fn serve(command: Command, registry: Registry) -> ExitCode {
    let worker = match Worker::new(&command.config, registry) {
        Ok(worker) => worker,
        Err(error) => return refuse(&[format!("cannot start parsing threads: {error}")]),
    };
    let listener = match rpcsupport::bind(command.listen).await {
        Ok(listener) => listener,
        Err(error) => return refuse(&[error.to_string()]),
    };
    if command.beyond_loopback {
        tracing::warn!(address = %command.listen, "nothing between engines and this worker is encrypted or authenticated");
    }
    let address = listener.local_addr().unwrap_or(command.listen);
    let mut shutdown = pin!(shutdown_signal());
    // Polled before anybody is told the address: a signal sent from then on is heard, and does not kill.
    tokio::select! { biased; () = &mut shutdown => return ExitCode::SUCCESS, () = async {} => {} }
    say(&format!("Listening on {address}"));
    let serving = run(listener, &command.config, worker, shutdown, command.grace);
    let twice = async {
        shutdown_signal().await;
        shutdown_signal().await;
    };
    tokio::select! {
        drained = serving => {
            if drained.left > 0 {
                tracing::warn!(jobs = drained.left, "cut off by the end of the grace");
            }
        }
        () = twice => tracing::warn!("ended at once by a second signal"),
    }
    ExitCode::SUCCESS
}

fn refuse(reasons: &[String]) -> ExitCode {
    for reason in reasons {
        say(&format!("worker: {reason}"));
    }
    ExitCode::from(USAGE)
}

#[allow(clippy::print_stderr, reason = "said to the person who started the process, whatever the log level")]
fn say(sentence: &str) {
    eprintln!("{sentence}");
}
