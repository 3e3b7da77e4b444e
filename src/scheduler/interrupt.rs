//! How often the user asked to stop: once, to finish what runs; twice, to stop now.

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

/// How often the user has asked so far.
pub fn asked() -> usize {
    ASKED.load(Ordering::SeqCst)
}
