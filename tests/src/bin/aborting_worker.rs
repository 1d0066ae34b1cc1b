//! The worker with a parser that aborts it, see `tests::aborting`.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main_with(tests::aborting::registry())
}
