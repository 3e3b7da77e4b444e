//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All well.
    Ok = 0,
    /// Anything that no other code names: a damaged store, a full disk.
    Other = 1,
    /// Wrong usage or an invalid experiment; nothing was run.
    Usage = 2,
    /// Some run failed; the others are recorded.
    RunFailed = 3,
    /// Stopped by the user; what had finished is recorded.
    Interrupted = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
