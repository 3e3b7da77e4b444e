//! The `[dataset]` table of an experiment file: a trace, a slice of it, and its cleaning.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ColumnsSpec;
use crate::spec::duration::Span;

/// The trace and the slice of it that is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// A catalog name (`burstlab dataset list`), a path, or the built-in `synthetic-burstgpt`.
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
}
