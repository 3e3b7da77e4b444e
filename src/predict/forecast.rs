//! What a forecast says.

use std::sync::Arc;

use crate::dataset::Channel;
use crate::stats::QUANTILES;

/// The next steps of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The targets, in the order of [`ForecastStep::values`].
    pub targets: Arc<[Channel]>,
    /// Name of [`ForecastStep::time_s`]: `arrival_s` or `start_s`.
    pub time_name: &'static str,
    /// Time of the last known step, in seconds since the trace's first row.
    pub last_s: f64,
    /// The steps, the next one first.
    pub steps: Vec<ForecastStep>,
}

/// One forecast step.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastStep {
    /// Time of the step, in seconds since the trace's first row.
    pub time_s: f64,
    /// The targets in original units. Gaps, counts and tokens are never below zero.
    pub values: Vec<f64>,
    /// For each target the quantiles at the levels of [`QUANTILES`], in original units; empty without intervals.
    pub bounds: Vec<[f64; QUANTILES.len()]>,
}
