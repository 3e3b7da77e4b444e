//! A source that cannot be had, and what to do about it.

/// A source that is not on this machine, or cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct MissingSource {
    /// The missing source, and where it was looked for.
    pub message: String,
    /// The command that fetches it, the nearest name, or where it was looked for.
    pub help: String,
}
