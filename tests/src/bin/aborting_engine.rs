//! The engine with a parser that aborts it, see `tests::aborting`.

use std::process::ExitCode;

fn main() -> ExitCode {
    engine::main_with(tests::aborting::registry())
}
