//! The name of a revision.

use std::fmt;

/// One revision of an experiment, such as `sweep@2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RevisionId {
    /// Name of the experiment.
    pub experiment: String,
    /// Counted from 1; 0 holds the runs of earlier files, which an old store did not keep.
    pub revision: i64,
}

impl fmt::Display for RevisionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.experiment, self.revision)
    }
}
