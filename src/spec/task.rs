//! The `[task]` table of an experiment file: what is forecast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::duration::Span;

/// What is forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskSpec {
    /// One step is one request: forecast arrival, request tokens and response tokens of the next ones.
    NextRequest(NextRequestSpec),
    /// One step is one time window: forecast requests, request tokens and response tokens in the next ones.
    WindowLoad(WindowLoadSpec),
    /// One step is one row of a numeric table: forecast all its columns, as published benchmarks do.
    Series(SeriesSpec),
}

/// Forecast the next requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextRequestSpec {
    /// How many past requests a model sees.
    pub lookback: usize,
    /// How many next requests it forecasts at once.
    #[serde(default = "one")]
    pub horizon: usize,
    /// Further input channels, beside the gap and the two token counts.
    #[serde(default)]
    pub features: Vec<Feature>,
}

/// An input channel that is computed from the requests seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Requests per second over the last 10 requests.
    ArrivalRate,
    /// Mean of request plus response tokens over the last 10 requests.
    MeanTokens,
    /// 1 for a gap below 10 ms (burst), -1 for one above 10 s (sparse), 0 between (steady).
    Burst,
    /// Sine and cosine of the time of day.
    TimeOfDay,
    /// Sine and cosine of the day of the week.
    DayOfWeek,
}

/// Forecast the load of the next time windows: requests, request tokens and response tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowLoadSpec {
    /// Width of a window, e.g. `"30s"`, `"1min"`, `"5min"`.
    pub window: Span,
    /// How many past windows a model sees.
    pub lookback: usize,
    /// How many next windows it forecasts at once.
    #[serde(default = "one")]
    pub horizon: usize,
    /// Also forecast the mean tokens of the requests of a window, as planners do: `request_tokens_mean` and
    /// `response_tokens_mean`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mean_tokens: bool,
    /// What becomes of windows without requests.
    #[serde(default, skip_serializing_if = "EmptyWindows::is_zero")]
    pub empty_windows: EmptyWindows,
}

/// What becomes of a window without requests, whose mean tokens are undefined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyWindows {
    /// It has no requests and no tokens, and its means are 0.
    #[default]
    Zero,
    /// It has no requests and no tokens, and its means are those of the window before it.
    Last,
    /// It is left out: lookback and horizon count windows with requests.
    Skip,
}

impl EmptyWindows {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_zero(&self) -> bool {
        *self == Self::Zero
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Forecast the rows of a numeric table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesSpec {
    /// How many past rows a model sees.
    pub lookback: usize,
    /// How many next rows it forecasts at once.
    #[serde(default = "one")]
    pub horizon: usize,
    /// Also forecast the mean tokens of the requests of a row, as planners do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_tokens: Option<MeanTokensSpec>,
}

/// Columns of a table of load. The tokens of a row, divided by its requests, become further targets: `request_tokens_mean` of
/// the column `request_tokens`, and 0 where there are no requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeanTokensSpec {
    /// Column with the number of requests.
    pub requests: String,
    /// Columns with tokens.
    pub tokens: Vec<String>,
}

fn one() -> usize {
    1
}

impl TaskSpec {
    /// The task's name in files and in the store.
    pub fn kind(&self) -> &'static str {
        match self {
            TaskSpec::NextRequest(_) => "next_request",
            TaskSpec::WindowLoad(_) => "window_load",
            TaskSpec::Series(_) => "series",
        }
    }

    /// Past steps that a model sees.
    pub fn lookback(&self) -> usize {
        match self {
            TaskSpec::NextRequest(spec) => spec.lookback,
            TaskSpec::WindowLoad(spec) => spec.lookback,
            TaskSpec::Series(spec) => spec.lookback,
        }
    }

    /// Changes how many past steps a model sees.
    pub fn set_lookback(&mut self, lookback: usize) {
        match self {
            TaskSpec::NextRequest(spec) => spec.lookback = lookback,
            TaskSpec::WindowLoad(spec) => spec.lookback = lookback,
            TaskSpec::Series(spec) => spec.lookback = lookback,
        }
    }

    /// Steps that are forecast at once.
    pub fn horizon(&self) -> usize {
        match self {
            TaskSpec::NextRequest(spec) => spec.horizon,
            TaskSpec::WindowLoad(spec) => spec.horizon,
            TaskSpec::Series(spec) => spec.horizon,
        }
    }
}
