//! The typed experiment file, after every axis has been replaced by one of its values.
//!
//! The doc comments of these fields are the manual: `burstlab schema` turns them into the descriptions of the
//! JSON Schema that editors show.

mod capacity;
mod claims;
mod columns;
mod dataset;
mod kubernetes;
mod scheduler;
mod search;
mod training;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::ModelSpec;
use super::task::TaskSpec;

pub use capacity::{CapacitySpec, PlanFor};
pub use claims::{ClaimCell, ClaimEntry};
pub use columns::{ColumnsSpec, RequestColumns, Separator, SeriesColumns, TimestampUnit};
pub use dataset::{CleaningSpec, DatasetSpec, GapPolicy, RepeatPolicy};
pub use kubernetes::KubernetesSpec;
pub use scheduler::{SchedulerSpec, SlurmSpec};
pub use search::{Metric, ObjectivePart, ObjectiveSpec, SearchSpec, Strategy};
pub use training::{HUBER_DELTA, Loss, Optimizer, Schedule, TrainingSpec};

/// One experiment: a slice of a trace, a forecasting task, and the models to compare on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// Another experiment file that this one derives from, by its path relative to this file. What is not given here comes
    /// from it. Tables are merged key by key; everything else replaces what the base says as a whole: a value, a list such
    /// as `models` or `claims`, an axis. Where a table holds exactly one of several (`task`, `search.pruner`,
    /// `training.schedule`), another one replaces the base's. `name` and `description` are never taken from the base. A
    /// base may have a base of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Name of the experiment: letters, digits, `-`, `_` and `.`; its results live under `results/<name>/`.
    pub name: String,
    /// One sentence that says what the experiment is for; the report shows it at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The trace and the slice of it that is used.
    pub dataset: DatasetSpec,
    /// What is forecast: exactly one of `next_request`, `window_load` and `series`.
    pub task: TaskSpec,
    /// How the steps are divided in time.
    #[serde(default)]
    pub split: SplitSpec,
    /// How models with parameters are trained.
    #[serde(default)]
    pub training: TrainingSpec,
    /// How forecasts are judged.
    #[serde(default)]
    pub evaluation: EvaluationSpec,
    /// Intervals around the forecasts.
    #[serde(default)]
    pub uncertainty: UncertaintySpec,
    /// The service that acts on the forecasts, for the tasks `window_load` and `series`: what every model's forecast of the
    /// work is worth, in replica hours and late work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<CapacitySpec>,
    /// The models to compare; each `[[models]]` entry holds exactly one model table.
    pub models: Vec<ModelSpec>,
    /// How the axes are searched.
    #[serde(default)]
    pub search: SearchSpec,
    /// How the runs are placed on the machine.
    #[serde(default)]
    pub scheduler: SchedulerSpec,
    /// Reported results that the experiment is held to, one by one or as tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimEntry>,
}

/// How the steps are divided: always in time order, by the time of the target, never shuffled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSpec {
    /// Fraction of the steps for training.
    pub train: f64,
    /// Fraction of the steps for validation: the first half is for early stopping and model selection, the second for
    /// calibration of the intervals (see `uncertainty`).
    pub valid: f64,
    /// Fraction of the steps for the final test.
    pub test: f64,
    /// Exact numbers of steps `[train, valid, test]`, instead of the fractions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<[usize; 3]>,
    /// How many targets are left out at the start of the validation part, of its second half, and of the test part.
    pub embargo: usize,
    /// Number of rolling origins: fold `k`, counted from 0, ends `folds - 1 - k` test lengths before the last fold.
    pub folds: usize,
}

impl Default for SplitSpec {
    fn default() -> Self {
        Self { train: 0.70, valid: 0.15, test: 0.15, rows: None, embargo: 0, folds: 1 }
    }
}

/// How forecasts are judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSpec {
    /// Leave out the last windows of each part that do not fill a batch of `training.batch_size`, as some published
    /// code does; the report says so.
    pub drop_last: bool,
    /// Seasonal lag of the MASE denominator, in steps.
    pub mase_season: usize,
    /// Which of the `horizon` steps of a forecast the point metrics judge; intervals are always judged on all of them.
    #[serde(skip_serializing_if = "JudgedSteps::is_all")]
    pub steps: JudgedSteps,
    /// Whether the point forecasts of gaps, tokens and counts are corrected for having been learned as logarithms.
    #[serde(skip_serializing_if = "BiasCorrection::is_none")]
    pub bias_correction: BiasCorrection,
}

/// What the point forecast of a quantity is that models learn as its logarithm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BiasCorrection {
    /// The inverse of the forecast logarithm: the median, if errors are symmetric on the logarithmic scale.
    #[default]
    None,
    /// The mean: the inverse of the forecast logarithm, times the smearing factor of the validation part (Duan, JASA 1983).
    Smearing,
}

impl BiasCorrection {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_none(&self) -> bool {
        *self == BiasCorrection::None
    }
}

/// Which steps of a forecast are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JudgedSteps {
    /// All of them.
    #[default]
    All,
    /// The last one alone, as studies report that forecast one step some way ahead.
    Last,
}

impl JudgedSteps {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_all(&self) -> bool {
        *self == JudgedSteps::All
    }

    /// The judged steps of a forecast, counted from 0.
    pub fn of(self, horizon: usize) -> std::ops::Range<usize> {
        match self {
            JudgedSteps::All => 0..horizon,
            JudgedSteps::Last => horizon.saturating_sub(1)..horizon,
        }
    }
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            drop_last: false,
            mase_season: 1,
            steps: JudgedSteps::All,
            bias_correction: BiasCorrection::None,
        }
    }
}

/// Intervals around the forecasts: at 50, 80 and 95 % for every model, by conformal prediction.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UncertaintySpec {
    /// How the intervals are calibrated.
    pub conformal: ConformalSpec,
}

/// How the intervals are calibrated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConformalSpec {
    /// On the second half of the validation part, then adapted to every error that is known when a forecast is made
    /// (Gibbs & Candès, NeurIPS 2021): keeps its coverage when the traffic drifts.
    #[default]
    Adaptive,
    /// Once, on the second half of the validation part.
    Split,
    /// No intervals: early stopping and selection use the whole validation part, as in published protocols.
    None,
}

impl ConformalSpec {
    /// Whether there are intervals, and so a second half of the validation part that is kept for them.
    pub fn calibrates(self) -> bool {
        self != Self::None
    }
}
