//! A number of a verdict.

/// One number of a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictFact {
    /// What it is.
    pub label: String,
    /// The number, or one word.
    pub value: String,
    /// Of what, and how far it can be trusted.
    pub note: String,
}
