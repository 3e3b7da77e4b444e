//! Why a slice cannot be taken, or a column not found.

/// A slice that cannot be taken: the key of `[dataset]` at fault, what is wrong, the remedy.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceError {
    /// Keys below `dataset`.
    pub key: Vec<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}
