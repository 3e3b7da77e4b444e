//! Exit codes, which scripts may rely on.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success.
    Ok = 0,
    /// Any other error: a damaged store, a full disk, a standard output that could not be written (other than by a reader that
    /// has closed the pipe).
    Other = 1,
    /// Wrong usage or an invalid experiment; nothing was run.
    Usage = 2,
    /// A run failed; the others are recorded.
    RunFailed = 3,
    /// A claim was refuted that was not expected to be. A failed run (3) or an interrupt (5) takes precedence, since a claim
    /// is only judged once all its runs are done.
    Refuted = 4,
    /// Stopped by Ctrl-C, by SIGTERM or SIGHUP, or by a budget that is used up; finished runs are recorded, and what ran is
    /// `interrupted`.
    Interrupted = 5,
    /// Two stores that were merged have other metrics for the same run. Those of the store that took in the other are kept, and
    /// the same command finds the same again.
    Conflict = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
