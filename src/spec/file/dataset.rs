//! The `[dataset]` table of an experiment file: a trace, a slice of it, and its cleaning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ColumnsSpec;
use crate::spec::duration::Span;

/// The trace and the slice of it that is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// A catalog name (`burstlab dataset list`), a path, or the built-in `synthetic-burstgpt`. A relative path is looked for
    /// beside this file, then in the current folder and in the dataset folder.
    pub source: String,
    /// Start of the slice, as an offset from the first request, e.g. `"0h"`, `"2d"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Span>,
    /// End of the slice (exclusive), as an offset from the first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Span>,
    /// At most this many rows of the slice, from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<usize>,
    /// At most this many rows of the slice, from its end; instead of `max_rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_rows: Option<usize>,
    /// Keep only requests to these models (the `Model` column of BurstGPT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llms: Option<Vec<String>>,
    /// Keep only requests of these kinds (the `Log Type` column of BurstGPT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_types: Option<Vec<String>>,
    /// Which columns of the file hold what, for a table of requests whose layout is not one that is known, and how a CSV
    /// file is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ColumnsSpec>,
    /// What is removed or repaired before anything is computed.
    #[serde(default)]
    pub cleaning: CleaningSpec,
}

impl DatasetSpec {
    /// A whole trace without a slice.
    pub fn whole(source: String, columns: Option<ColumnsSpec>, cleaning: CleaningSpec) -> Self {
        Self {
            source,
            start: None,
            end: None,
            max_rows: None,
            latest_rows: None,
            llms: None,
            log_types: None,
            columns,
            cleaning,
        }
    }
}

/// What is removed or repaired before anything is computed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CleaningSpec {
    /// Drop requests with zero request tokens or zero response tokens (failed requests).
    pub drop_zero_tokens: bool,
    /// Spread requests that share one timestamp by this step, e.g. `"1ms"`, never past the next timestamp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_duplicate_timestamps: Option<Span>,
    /// Clip the models' inputs above this quantile of the training rows, e.g. `0.99`. Values that a forecast is
    /// judged against are never clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_quantile: Option<f64>,
    /// What is done where rows of a series are missing. By default the rows stay as they are, and a model or a forecast whose
    /// times need a regular clock is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gaps: Option<GapPolicy>,
    /// What is done with rows of a series that share a time. By default they stay as they are, as with gaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<RepeatPolicy>,
}

/// What is done where rows of a series are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapPolicy {
    /// The series is refused, with the row.
    Refuse,
    /// The missing rows are filled in on a straight line, which reveals the next observed row.
    Interpolate,
    /// The missing rows take the values of the last row before them.
    Last,
    /// The rows stay as they are, and every model accepts them.
    Keep,
}

/// What is done with rows of a series that share a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatPolicy {
    /// The series is refused, with the row.
    Refuse,
    /// The first of them stays.
    First,
    /// The last of them stays.
    Last,
    /// One row takes their mean.
    Mean,
}
