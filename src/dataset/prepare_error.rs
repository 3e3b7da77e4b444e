//! Why data cannot be prepared for a run, and which key of the experiment file is at fault.

use std::fmt;

use super::missing_source::MissingSource;
use super::row_cleaner::REMEDY;
use super::slice_error::SliceError;
use super::split::{Part, SplitError};
use super::steps::TaskError;
use super::trace::TraceError;
use crate::spec::{Misfit, RunSpec, SeasonError, Span};
use crate::text::nearest;

/// Why data could not be prepared.
#[derive(Debug, Clone, PartialEq)]
pub enum PrepareError {
    /// The source is not on this machine.
    Missing(MissingSource),
    /// The file is malformed.
    Trace(TraceError),
    /// The slice cannot be taken.
    Slice(SliceError),
    /// The task does not fit the trace.
    Task(TaskError),
    /// The parts do not fit the data or the task.
    Split(SplitError),
    /// `evaluation.drop_last` would leave a part without a batch.
    Batch {
        /// The part.
        part: Part,
        /// Its windows.
        windows: usize,
        /// Windows in a batch.
        batch: usize,
    },
    /// A model needs to know when the next rows come, and some are not where they should be.
    Clock {
        /// What is wrong with the first of them.
        fault: String,
        /// The model.
        model: &'static str,
    },
    /// The season of a model is not a number of rows.
    Season(SeasonError),
    /// A loss weight is of no target.
    Weighted {
        /// What is weighted.
        name: String,
        /// The targets.
        targets: Vec<String>,
    },
    /// No target counts in the loss.
    Weightless,
    /// The horizon does not reach beyond the cold start of `[capacity]`.
    Horizon {
        /// Windows that are forecast.
        horizon: usize,
        /// Windows that must be.
        needed: usize,
        /// The cold start.
        cold_start: Span,
        /// The width of a window.
        window: String,
    },
    /// The rows are not a fixed time apart, as the windows of `[capacity]` must be.
    Uneven(String),
    /// A part is too short for a replay.
    Replay {
        /// The part.
        part: Part,
        /// Its forecasts.
        forecasts: usize,
    },
    /// The model does not fit to the task.
    Misfit(Misfit),
    /// The split leaks.
    Leak(String),
}

impl PrepareError {
    /// Keys of the experiment file that are at fault; `entry` is the run's `[[models]]` entry.
    pub fn place(&self, spec: &RunSpec, entry: usize) -> Vec<String> {
        let kind = spec.task.kind();
        let keys = |keys: &[&str]| keys.iter().map(ToString::to_string).collect();
        match self {
            PrepareError::Missing(_) | PrepareError::Trace(_) => keys(&["dataset", "source"]),
            PrepareError::Slice(error) => keys(&[&["dataset"], error.key.as_slice()].concat()),
            PrepareError::Task(TaskError::Kind(_)) => keys(&["task", kind]),
            PrepareError::Task(TaskError::Window(_)) => keys(&["task", kind, "window"]),
            PrepareError::Task(TaskError::Column { key, .. }) => keys(key),
            PrepareError::Task(TaskError::MeanName(_) | TaskError::Mean { .. }) => {
                keys(&["task", kind, "mean_tokens"])
            }
            PrepareError::Task(TaskError::WorkColumn) | PrepareError::Uneven(_) => keys(&["capacity"]),
            PrepareError::Horizon { .. } => keys(&["task", kind, "horizon"]),
            PrepareError::Split(SplitError::Beyond { .. }) => keys(&["split", "rows"]),
            // The horizon is at fault if it does not fit alone; else what is added to it.
            PrepareError::Split(SplitError::TooShort {
                found, needed: [(_, name), (horizon, _)], ..
            }) => match *name {
                _ if horizon > found => keys(&["task", kind, "horizon"]),
                "embargo" => keys(&["split", "embargo"]),
                "lookback" => keys(&["task", kind, "lookback"]),
                own => keys(&["models", &entry.to_string(), spec.model.kind(), own]),
            },
            PrepareError::Clock { model, .. } => keys(&["models", &entry.to_string(), model]),
            PrepareError::Season(_) => keys(&["models", &entry.to_string(), spec.model.kind(), "season"]),
            PrepareError::Misfit(misfit) => misfit.place(&spec.model, &spec.task, entry),
            PrepareError::Batch { .. } => keys(&["training", "batch_size"]),
            PrepareError::Weighted { name, .. } => keys(&["training", "target_weights", name]),
            PrepareError::Weightless => keys(&["training", "target_weights"]),
            PrepareError::Replay { .. } | PrepareError::Leak(_) => keys(&["split"]),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            PrepareError::Missing(error) => error.help.clone(),
            PrepareError::Slice(error) => error.help.clone(),
            PrepareError::Trace(_) => "mend the file, or clean it first".to_string(),
            PrepareError::Task(TaskError::Kind(_)) => "choose a task that fits the data".to_string(),
            PrepareError::Task(TaskError::Window(_)) => "give a wider window".to_string(),
            PrepareError::Task(TaskError::Column { name, columns, .. }) => {
                match nearest(name, columns.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`? The columns are {}", columns.join(", ")),
                    None => format!("the columns are {}", columns.join(", ")),
                }
            }
            PrepareError::Task(TaskError::Mean { .. }) => {
                "requests are counts of zero or more; correct that row, or leave mean_tokens out".to_string()
            }
            PrepareError::Task(TaskError::WorkColumn | TaskError::MeanName(_)) => {
                "give that column another name".to_string()
            }
            PrepareError::Horizon { needed, .. } => {
                format!("set horizon = {needed} or more, or give a shorter capacity.cold_start")
            }
            PrepareError::Uneven(_) => format!("use rows that are a fixed time apart: {REMEDY}"),
            PrepareError::Replay { .. } => "use more data, or a larger part".to_string(),
            PrepareError::Split(SplitError::Beyond { .. }) => "use more data, or smaller parts".to_string(),
            PrepareError::Split(SplitError::TooShort { needed: [(_, name), _], half, .. }) => {
                let whole = if *half {
                    "; or give the whole valid part to selection, with uncertainty.conformal = \"none\""
                } else {
                    ""
                };
                format!("use more data, a smaller {name} or a shorter horizon{whole}")
            }
            PrepareError::Clock { .. } => REMEDY.to_string(),
            PrepareError::Season(_) => {
                "give the season as a number of steps, e.g. season = 24 for the day of an hourly table"
                    .to_string()
            }
            PrepareError::Misfit(misfit) => misfit.help.to_string(),
            PrepareError::Batch { .. } => {
                "use a smaller batch, or leave evaluation.drop_last out".to_string()
            }
            PrepareError::Weighted { name, targets } => {
                match nearest(name, targets.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`? The targets are {}", targets.join(", ")),
                    None => format!("the targets are {}", targets.join(", ")),
                }
            }
            PrepareError::Weightless => "give some target a positive weight".to_string(),
            PrepareError::Leak(_) => "the split must keep the parts apart".to_string(),
        }
    }
}

impl fmt::Display for PrepareError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrepareError::Missing(error) => formatter.write_str(&error.message),
            PrepareError::Trace(error) => error.fmt(formatter),
            PrepareError::Slice(error) => formatter.write_str(&error.message),
            PrepareError::Task(error) => error.fmt(formatter),
            PrepareError::Split(error) => error.fmt(formatter),
            PrepareError::Clock { fault, model } => {
                write!(formatter, "{fault}, and this {model} needs rows at regular times")
            }
            PrepareError::Season(error) => error.fmt(formatter),
            PrepareError::Misfit(misfit) => formatter.write_str(&misfit.message),
            PrepareError::Batch { part, windows, batch } => {
                write!(
                    formatter,
                    "the {} part has {windows} windows, not one batch of {batch}",
                    part.as_str()
                )
            }
            PrepareError::Weighted { name, .. } => {
                write!(formatter, "`{name}` is not a target of this task")
            }
            PrepareError::Weightless => formatter.write_str("no target counts in the loss"),
            PrepareError::Horizon { horizon, needed, cold_start, window } => write!(
                formatter,
                "a horizon of {horizon} does not reach beyond the cold start: it must be at least {needed}, the next \
                 window and the {cold_start} of the cold start, in windows of {window}"
            ),
            PrepareError::Uneven(fault) => {
                write!(formatter, "[capacity] counts in windows of one length, but {fault}")
            }
            PrepareError::Replay { part, forecasts } => write!(
                formatter,
                "the {} part has {forecasts} forecast, but a replay of [capacity] needs at least two",
                part.as_str()
            ),
            PrepareError::Leak(message) => formatter.write_str(message),
        }
    }
}

impl std::error::Error for PrepareError {}
