//! Where a run stands.

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not started.
    Planned,
    /// A worker is at it.
    Running,
    /// Finished, with metrics and files.
    Done,
    /// It ended in an error.
    Failed,
    /// It took longer than allowed.
    TimedOut,
    /// The search pruned it.
    Pruned,
    /// Its supervisor ended before it did.
    Interrupted,
}

impl Status {
    /// Every status, in the order in which a run passes them.
    pub const ALL: [Status; 7] = [
        Status::Planned,
        Status::Running,
        Status::Done,
        Status::Failed,
        Status::TimedOut,
        Status::Pruned,
        Status::Interrupted,
    ];

    /// The status as the store writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Planned => "planned",
            Status::Running => "running",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::TimedOut => "timed_out",
            Status::Pruned => "pruned",
            Status::Interrupted => "interrupted",
        }
    }

    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}
