//! `engine`: see `engine --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    engine::main_with(worker::Registry::builtin())
}
