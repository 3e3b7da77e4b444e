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
    /// A claim was refuted that was not expected to be. A failed run (3) or an interrupt (5) comes first: a claim is
    /// judged when all its runs are done, so those say more.
    Refuted = 4,
    /// Stopped by the user or by a spent budget; what had finished is recorded.
    Interrupted = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
