//! The `burstlab` program.

use std::process::ExitCode;

/// Training asks for the same large buffers step after step, which the system's allocator gives back in between: a
/// tenth of a large LSTM step went into page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    burstlab::cli::main().into()
}
