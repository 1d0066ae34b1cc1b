//! `frontend`: the search page as a program. See the library for what it serves.

mod args;

use std::pin::pin;
use std::process::ExitCode;

use clap::Parser as _;
use rpcsupport::process::shutdown_signal;

use crate::args::{Arguments, Config};

/// It could not start.
const COULD_NOT_START: u8 = 2;

#[tokio::main]
#[allow(clippy::print_stderr, reason = "a program speaks to the person who started it")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse_from(rpcsupport::process::arguments());
    let Config { verbosity, address, itemsaver } = match Config::of(arguments) {
        Ok(config) => config,
        Err(mistakes) => {
            mistakes.iter().for_each(|mistake| eprintln!("frontend: {mistake}"));
            return ExitCode::from(COULD_NOT_START);
        }
    };
    rpcsupport::process::init_log(verbosity);
    let listener = match rpcsupport::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("frontend: {error}");
            return ExitCode::from(COULD_NOT_START);
        }
    };
    let mut shutdown = pin!(shutdown_signal());
    // Polled before anybody is told the address: a signal sent from then on is heard, and does not kill.
    tokio::select! { biased; () = &mut shutdown => return ExitCode::SUCCESS, () = async {} => {} }
    let address = listener.local_addr().unwrap_or(address);
    if !address.ip().is_loopback() {
        eprintln!("warning: other machines reach {address}, and whoever reaches it sees all items");
    }
    eprintln!("searching in the itemsaver at {itemsaver}");
    eprintln!("Listening on {address}: http://{address}/search");
    // A page is made in a moment: what is under way ends before this returns, or with the process soon after.
    frontend::run(listener, itemsaver, shutdown).await;
    ExitCode::SUCCESS
}
