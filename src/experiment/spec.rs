//! The typed experiment file, after every axis has been replaced by one of its values.
//!
//! The doc comments of these fields are the manual: `burstlab schema` turns them into the descriptions of the
//! JSON Schema that editors show.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::claim::ClaimSpec;
use super::columns_spec::ColumnsSpec;
use super::duration::Span;
use super::scheduler_spec::SchedulerSpec;
use crate::model::ModelSpec;
use crate::search::PrunerSpec;

/// One experiment: a slice of a trace, a forecasting task, and the models to compare on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// Name of the experiment: letters, digits, `-`, `_` and `.`; its results live under `results/<name>/`.
    pub name: String,
    /// One sentence that says what the experiment is for; printed at the top of the report.
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
    /// How sure the forecasts are.
    #[serde(default)]
    pub uncertainty: UncertaintySpec,
    /// The models to compare; each `[[models]]` entry holds exactly one model table.
    pub models: Vec<ModelSpec>,
    /// What the report assumes. Nothing here changes a result.
    #[serde(default)]
    pub report: ReportSpec,
    /// How the axes are searched.
    #[serde(default)]
    pub search: SearchSpec,
    /// How the runs are placed on the machine.
    #[serde(default)]
    pub scheduler: SchedulerSpec,
    /// Reported results that the experiment is held to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimSpec>,
}

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
    /// At most this many rows of the slice, from its end: the latest ones. Instead of `max_rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_rows: Option<usize>,
    /// Keep only requests to these models (the `Model` column of BurstGPT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llms: Option<Vec<String>>,
    /// Keep only requests of these kinds (the `Log Type` column of BurstGPT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_types: Option<Vec<String>>,
    /// Which columns of the file hold what; only for a table of requests whose layout is not one that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ColumnsSpec>,
    /// What is removed or repaired before anything is computed.
    #[serde(default)]
    pub cleaning: CleaningSpec,
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

/// Forecast the load of the next time windows.
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

/// How the steps are divided: always in time order, by the time of the target, never shuffled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSpec {
    /// Fraction of the steps for training.
    pub train: f64,
    /// Fraction of the steps for validation: early stopping and model selection on its earlier half, calibration of the
    /// intervals on its later half (see `uncertainty`).
    pub valid: f64,
    /// Fraction of the steps for the final test.
    pub test: f64,
    /// Exact numbers of steps `[train, valid, test]`, instead of the fractions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<[usize; 3]>,
    /// How many first targets of validation, of its later half and of test are left out.
    pub embargo: usize,
    /// Number of rolling origins: fold `k`, counted from 0, ends `folds - 1 - k` test lengths before the last fold.
    pub folds: usize,
}

impl Default for SplitSpec {
    fn default() -> Self {
        Self { train: 0.70, valid: 0.15, test: 0.15, rows: None, embargo: 0, folds: 1 }
    }
}

/// How models with parameters are trained, on the scaled targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSpec {
    /// What training minimises.
    pub loss: Loss,
    /// Error in scaled units beyond which `loss = "huber"` counts distances instead of squares: 1 where it is left out.
    /// Under another loss it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub huber_delta: Option<f64>,
    /// How much each target counts in the loss, by its name, relative to the others; a target that is not named has
    /// weight 1, e.g. `target_weights = { gap_s = 3.0, request_tokens = 0.5 }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub target_weights: BTreeMap<String, f64>,
    /// Passes over the training windows.
    pub epochs: usize,
    /// Windows in one gradient step.
    pub batch_size: usize,
    /// Leave out the last batch of an epoch when it is short.
    pub drop_last: bool,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Learning rate of the first epoch.
    pub learning_rate: f64,
    /// Weight decay: decoupled under `adamw`, added to the gradient under `adam`.
    pub weight_decay: f64,
    /// How the learning rate changes from epoch to epoch.
    pub schedule: Schedule,
    /// Stop after this many epochs without a better validation loss; the best weights are always restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_patience: Option<usize>,
    /// Scale each step's gradient down to at most this Euclidean norm over all parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_clip_norm: Option<f64>,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            loss: Loss::Mse,
            huber_delta: None,
            target_weights: BTreeMap::new(),
            epochs: 10,
            batch_size: 32,
            drop_last: false,
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            schedule: Schedule::Constant,
            early_stopping_patience: None,
            gradient_clip_norm: None,
        }
    }
}

/// What training minimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean squared error: the model forecasts the mean of the scaled values.
    Mse,
    /// Half the squared error up to `huber_delta`, growing like a distance beyond it: outliers count for less (Huber, "Robust
    /// estimation of a location parameter", 1964).
    Huber,
    /// Mean pinball loss of the quantiles at 2.5, 10, 25, 50, 75, 90 and 97.5 %, each with a head of its own; the forecast
    /// is the median. Crossing quantiles are sorted, then calibrated like every model's intervals (Romano, Patterson &
    /// Candès, NeurIPS 2019).
    Pinball,
}

/// The optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Kingma & Ba, ICLR 2015.
    Adam,
    /// Loshchilov & Hutter, ICLR 2019.
    Adamw,
}

/// How the learning rate changes from epoch to epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// The same rate in every epoch.
    Constant,
    /// Half the rate of the epoch before, from one epoch on.
    Halve {
        /// The first epoch (counted from 1) whose rate is halved.
        #[serde(default = "second_epoch")]
        from_epoch: usize,
    },
    /// Multiply the rate when the validation loss has not improved for some epochs.
    ReduceOnPlateau {
        /// Epochs without improvement before the rate is reduced.
        #[serde(default = "plateau_patience")]
        patience: usize,
        /// Factor by which the rate is multiplied.
        #[serde(default = "plateau_factor")]
        factor: f64,
    },
    /// Half a cosine from the rate down to `min_learning_rate` in the last epoch (Loshchilov & Hutter, ICLR 2017).
    Cosine {
        /// Learning rate of the last epoch.
        #[serde(default)]
        min_learning_rate: f64,
    },
}

fn second_epoch() -> usize {
    2
}

fn plateau_patience() -> usize {
    2
}

fn plateau_factor() -> f64 {
    0.5
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
        Self { drop_last: false, mase_season: 1, steps: JudgedSteps::All }
    }
}

/// How sure the forecasts are: intervals at 50, 80 and 95 % for every model, by conformal prediction.
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
    /// On the later half of the validation part, then adapted to every error that is known when a forecast is made
    /// (Gibbs & Candès, NeurIPS 2021): holds its level when the traffic drifts.
    #[default]
    Adaptive,
    /// On the later half of the validation part, once.
    Split,
    /// No intervals: the whole validation part is for early stopping and selection, as in published protocols.
    None,
}

impl ConformalSpec {
    /// Whether there are intervals, and so a later half of the validation part that is kept for them.
    pub fn calibrates(self) -> bool {
        self != Self::None
    }
}

/// What the report assumes. Nothing here changes a result.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSpec {
    /// What a token costs, for the forecast of memory and GPUs. The defaults stand for a dense model of 70 billion
    /// parameters with grouped-query attention in 16 bits, on GPUs of 80 GiB.
    pub resources: ResourcesSpec,
}

/// What a token costs, for the forecast of memory and GPUs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourcesSpec {
    /// Bytes of KV cache for each token: 2 x layers x key-value heads x head size x bytes of a number.
    pub kv_bytes_per_token: f64,
    /// Seconds that a request's tokens stay in the cache, on average.
    pub seconds_in_cache: f64,
    /// Bytes of the model's weights, held once for each replica.
    pub weights_gib: f64,
    /// GPUs that one replica of the model is spread over.
    pub gpus_per_replica: usize,
    /// Memory of a GPU.
    pub gpu_memory_gib: f64,
    /// Share of a GPU's memory that weights and cache may take.
    pub usable_memory: f64,
    /// Tokens that one replica handles in a second, prompt and generated ones together.
    pub tokens_per_second: f64,
}

impl Default for ResourcesSpec {
    fn default() -> Self {
        Self {
            // 2 x 80 layers x 8 heads x 128 x 2 bytes.
            kv_bytes_per_token: 327_680.0,
            seconds_in_cache: 10.0,
            weights_gib: 130.0,
            gpus_per_replica: 4,
            gpu_memory_gib: 80.0,
            usable_memory: 0.9,
            tokens_per_second: 6_000.0,
        }
    }
}

/// How the axes are searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSpec {
    /// How trials are chosen from the axes.
    pub strategy: Strategy,
    /// Trials for each model that has axes, under `random`, `sobol` and `tpe`.
    pub trials: usize,
    /// Trials that `tpe` proposes at once, from the results of complete earlier batches only: a smaller batch learns
    /// sooner, a larger one keeps more slots busy.
    pub batch: usize,
    /// Seed of the search's own draws under `random`, `sobol` and `tpe`; `seeds` are those of the runs.
    pub seed: u64,
    /// Every trial of a model with randomness is repeated for each of these seeds.
    pub seeds: Vec<u64>,
    /// Axes that move together, each group a list of axis names such as `task.horizon`.
    pub zip: Vec<Vec<String>>,
    /// What makes one trial better than another.
    pub objective: ObjectiveSpec,
    /// How trials are given up early: at most one of `[search.pruner.asha]` and `[search.pruner.median]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruner: Option<PrunerSpec>,
}

impl Default for SearchSpec {
    fn default() -> Self {
        Self {
            strategy: Strategy::Grid,
            trials: 16,
            batch: 8,
            seed: 0,
            seeds: vec![1],
            zip: Vec::new(),
            objective: ObjectiveSpec::default(),
            pruner: None,
        }
    }
}

/// How trials are chosen from the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Every combination of the axes' values.
    Grid,
    /// Independent draws from the axes.
    Random,
    /// Points of a scrambled Sobol sequence, which covers the axes more evenly than independent draws.
    Sobol,
    /// A tree-structured Parzen estimator: later batches of trials are proposed from the results of earlier ones.
    Tpe,
}

/// What makes one trial better than another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveSpec {
    /// Name of the metric.
    pub metric: Metric,
    /// A target's name, or `all` for the mean over the targets in scaled units.
    pub target: String,
    /// The part it is measured on. Selecting on the test part is refused.
    pub part: ObjectivePart,
}

impl Default for ObjectiveSpec {
    fn default() -> Self {
        Self { metric: Metric::Mse, target: "all".to_string(), part: ObjectivePart::Valid }
    }
}

impl ObjectiveSpec {
    /// Unit of the objective: `all` is a mean over targets, which only scaled units allow.
    pub fn unit(&self) -> &'static str {
        if self.target == "all" { "scaled" } else { "original" }
    }

    /// Whether a recorded metric is this objective.
    pub fn matches(&self, part: &str, target: &str, unit: &str, name: &str) -> bool {
        part == self.part.as_str() && self.measures(target, unit, name)
    }

    /// Whether a recorded metric is this objective, on whatever part.
    pub fn measures(&self, target: &str, unit: &str, name: &str) -> bool {
        target == self.target && unit == self.unit() && name == self.metric.as_str()
    }

    /// The same metric and target on the validation part.
    #[must_use]
    pub fn on_validation(&self) -> Self {
        Self { part: ObjectivePart::Valid, ..self.clone() }
    }
}

/// A metric that can be an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean absolute error.
    Mae,
    /// Median absolute error.
    Medae,
    /// Mean squared error.
    Mse,
    /// Root mean squared error.
    Rmse,
    /// Symmetric mean absolute percentage error.
    Smape,
    /// Weighted absolute percentage error.
    Wape,
    /// Mean absolute scaled error.
    Mase,
}

impl Metric {
    /// The metric's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Mae => "mae",
            Metric::Medae => "medae",
            Metric::Mse => "mse",
            Metric::Rmse => "rmse",
            Metric::Smape => "smape",
            Metric::Wape => "wape",
            Metric::Mase => "mase",
        }
    }
}

/// A part that an objective may be measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectivePart {
    /// The training part.
    Train,
    /// The validation part; its earlier half where the later one is kept for calibration.
    Valid,
}

impl ObjectivePart {
    /// The part's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectivePart::Train => "train",
            ObjectivePart::Valid => "valid",
        }
    }
}
