//! How often the user asked to stop: once, to finish what runs; twice, to stop now. Or just that they asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;

static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Counts Ctrl-C and termination signals from now on.
///
/// # Errors
/// A handler that is set already.
pub fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        ASKED.fetch_add(1, Ordering::SeqCst);
    })
    .context("cannot listen for Ctrl-C")
}

/// Ends the program at the first Ctrl-C or termination signal, whatever it waits for, after `finish`, with this exit code.
///
/// # Errors
/// A handler that is set already.
pub fn end_at_once(finish: impl Fn() + Send + 'static, exit_code: u8) -> anyhow::Result<()> {
    ctrlc::set_handler(move || {
        finish();
        std::process::exit(i32::from(exit_code));
    })
    .context("cannot listen for Ctrl-C")
}

/// How often the user has asked so far.
pub fn asked() -> usize {
    ASKED.load(Ordering::SeqCst)
}
