//! What a run yields.

use serde::{Deserialize, Serialize};

/// What a run yields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The run.
    pub run_id: String,
    /// Every metric.
    pub metrics: Vec<MetricValue>,
    /// Test errors by hour, burst state and size.
    pub breakdowns: Vec<BreakdownValue>,
    /// Seconds from the job's arrival to its files being in place, without those of waiting for verdicts.
    pub wall_s: f64,
    /// Largest resident set of the worker while the run went on.
    pub peak_rss_bytes: Option<u64>,
}

/// One metric of the forecasts that fall into one bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BreakdownValue {
    /// `test`.
    pub part: String,
    /// `hour`, `burst_state` or `size`.
    pub dimension: String,
    /// Name of the bucket.
    pub bucket: String,
    /// A target's name.
    pub target: String,
    /// `scaled` or `original`.
    pub unit: String,
    /// Name of the metric.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// How many forecast steps fell into the bucket.
    pub forecasts: usize,
}

/// One metric of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// `train`, `valid` or `test`.
    pub part: String,
    /// A target's name, or `all`.
    pub target: String,
    /// `scaled` or `original`.
    pub unit: String,
    /// Name of the metric.
    pub name: String,
    /// Its value.
    pub value: f64,
}
