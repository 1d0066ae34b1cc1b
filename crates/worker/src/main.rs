//! The binary `worker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main_with(worker::Registry::builtin())
}
