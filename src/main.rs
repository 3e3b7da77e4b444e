//! The `burstlab` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    burstlab::cli::main().into()
}
