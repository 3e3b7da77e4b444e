//! `[dataset.columns]`: which column of a table of requests holds what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which columns of a CSV, JSONL or Parquet file hold the requests, for a file whose layout is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnsSpec {
    /// Column with the arrival time of each request; the rows must be in its order.
    pub timestamp: String,
    /// What `timestamp` holds.
    pub timestamp_unit: TimestampUnit,
    /// Column with the prompt tokens of each request.
    pub request_tokens: String,
    /// Column with the generated tokens of each request.
    pub response_tokens: String,
    /// Column with the name of the LLM, for `dataset.llms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<String>,
    /// Column with the kind of each request, for `dataset.log_types`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_type: Option<String>,
}

/// What a column of timestamps holds. Numbers count from some midnight, as Unix time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimestampUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// A date and time such as `2023-11-16 18:15:46.6805900` or `2024-05-12T00:00:00Z`, or Parquet's timestamps and dates.
    #[serde(rename = "datetime")]
    DateTime,
}

impl TimestampUnit {
    /// How many of them make a second; `None` for dates.
    pub fn per_second(self) -> Option<f64> {
        match self {
            TimestampUnit::Seconds => Some(1.0),
            TimestampUnit::Milliseconds => Some(1e3),
            TimestampUnit::Microseconds => Some(1e6),
            TimestampUnit::Nanoseconds => Some(1e9),
            TimestampUnit::DateTime => None,
        }
    }

    /// The unit's name.
    pub fn as_str(self) -> &'static str {
        match self {
            TimestampUnit::Seconds => "seconds",
            TimestampUnit::Milliseconds => "milliseconds",
            TimestampUnit::Microseconds => "microseconds",
            TimestampUnit::Nanoseconds => "nanoseconds",
            TimestampUnit::DateTime => "dates",
        }
    }
}
