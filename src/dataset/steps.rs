//! The steps of a task: one row for each request, window or table row, one column for each channel, in original units.

use super::values::Values;
use crate::capacity::WORK;

/// How a channel is brought to a scale that models learn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// `ln(1 + x)`, then z-scored: positive heavy-tailed quantities.
    Log1p,
    /// z-scored.
    Identity,
    /// Left as it is: indicators, sines and cosines.
    Raw,
}

/// One channel of the steps.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Channel {
    /// Its name in the store: `gap_s`, `request_tokens`, a column's name.
    pub name: String,
    /// Its unit, for plots.
    pub unit: String,
    /// How it is brought to scale.
    pub transform: Transform,
}

/// The steps of a task in time order.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// Channels; the first [`Steps::targets`] of them are forecast.
    pub channels: Vec<Channel>,
    /// How many of the channels are forecast.
    pub targets: usize,
    /// Time of each step in seconds since the trace's first row: the arrival, the start of the window, the row's date.
    pub time_s: Values<f64>,
    /// `steps x channels`, row by row, in original units.
    pub values: Values<f64>,
}

impl Steps {
    /// Number of steps.
    pub fn len(&self) -> usize {
        self.time_s.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.time_s.is_empty()
    }

    /// Values of one channel, step by step.
    pub fn channel(&self, index: usize) -> impl Iterator<Item = f64> {
        self.values.iter().skip(index).step_by(self.channels.len()).copied()
    }

    /// The channels that are forecast.
    pub fn target_channels(&self) -> &[Channel] {
        &self.channels[..self.targets]
    }
}

/// Why a task cannot be made of a trace.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TaskError {
    /// The task is for another kind of trace.
    #[error("{0}")]
    Kind(&'static str),
    /// The window is too narrow for the span of the trace.
    #[error("windows this narrow are {0} in this slice, more than {MOST_WINDOWS}")]
    Window(f64),
    /// A column that the experiment file names is not in the table.
    #[error("the table has no column `{name}`")]
    Column {
        /// The key that names it, with the tables that it is in.
        key: Vec<&'static str>,
        /// The name.
        name: String,
        /// The columns of the table.
        columns: Vec<String>,
    },
    /// A column has the name of the target that `[capacity]` adds.
    #[error("the table has a column `{WORK}`, which is the name of the work that [capacity] adds")]
    WorkColumn,
    /// A column has the name of a target that `mean_tokens` adds.
    #[error("the table has a column `{0}`, which is the name of the mean that mean_tokens adds")]
    MeanName(String),
    /// A row has so few requests, or so many tokens, that their mean is no number.
    #[error("row {row} has no mean tokens: {requests} requests")]
    Mean {
        /// The row, counted from 1 within the slice.
        row: usize,
        /// Its requests.
        requests: f64,
    },
}

/// More windows than this are a mistake in the file: their three channels alone would take gigabytes.
pub const MOST_WINDOWS: usize = 20_000_000;

/// What a replica does in a second.
pub(super) const WORK_UNIT: &str = "replica-s";

pub(super) fn channel(name: &str, unit: &str, transform: Transform) -> Channel {
    Channel { name: name.to_string(), unit: unit.to_string(), transform }
}
