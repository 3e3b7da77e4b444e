//! One trial of a search as plots show it.

use super::scale::is_drawable;

/// One trial.
#[derive(Debug, Clone, PartialEq)]
pub struct PlottedTrial {
    /// Its place in the order of the search, counted from 1.
    pub number: usize,
    /// Its values, for its tooltip.
    pub label: String,
    /// What became of it.
    pub state: PlottedState,
    /// Whether the search drew it before it had learned from any.
    pub is_start: bool,
    /// Its objective; of a pruned trial what it was when it was pruned. `None` where it is unknown.
    pub objective: Option<f64>,
    /// Its value on each axis; `None` where it has none.
    pub values: Vec<Option<f64>>,
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlottedState {
    /// It has a result.
    Done,
    /// It was pruned after this epoch.
    Pruned(i64),
    /// It has no result.
    Failed,
}

impl PlottedState {
    /// Its word in legends and data.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pruned(_) => "pruned",
            Self::Failed => "failed",
        }
    }
}

impl PlottedTrial {
    /// The objective, if it can be drawn; that of a failed trial is that of some of its runs.
    pub(super) fn height(&self) -> Option<f64> {
        self.objective.filter(|value| self.state != PlottedState::Failed && is_drawable(*value))
    }
}
