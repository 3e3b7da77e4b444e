//! The hyperparameters of each kind of model. Their doc comments are the manual: the JSON Schema shows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::season::Season;

/// A model without hyperparameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameterless {}

/// Hyperparameters of `moving_average`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MovingAverageSpec {
    /// How many last steps are averaged.
    pub window: usize,
}

impl Default for MovingAverageSpec {
    fn default() -> Self {
        Self { window: 10 }
    }
}

/// Hyperparameters of `seasonal_naive`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeasonalNaiveSpec {
    /// Length of the season: a number of steps, or a length of time such as `"1d"` or `"1w"` of windows, or of the rows of
    /// a series at regular times.
    pub season: Season,
}

/// Hyperparameters of `ewma`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EwmaSpec {
    /// Weight of the newest step, above 0 and up to 1. Left out, each target gets the one of 25 weights between 0.005
    /// and 1 whose squared errors over the training windows are smallest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
}

/// Hyperparameters of `ets`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EtsSpec {
    /// Length of a season of up to 48 steps, which is added where the criterion chooses so: a number of steps, or a length of
    /// time such as `"1d"`. The lookback must have two seasons and 7 steps. Left out, there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<Season>,
}

/// Hyperparameters of `prophet`, by the names and with the defaults of its authors' program.
///
/// Where the training part has more than 200,000 steps, every n-th is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProphetSpec {
    /// Times at which the slope of the trend may change, evenly spread over the first 80 % of the training steps.
    pub n_changepoints: usize,
    /// How far the slope may change at each: the scale of a Laplace prior. Small values give a stiff trend.
    pub changepoint_prior_scale: f64,
    /// How strong a season may be: the scale of a normal prior on its Fourier coefficients.
    pub seasonality_prior_scale: f64,
    /// A season of one day, of Fourier order 4; `auto` where there are steps of two days or more, less than a day apart.
    pub daily_seasonality: Seasonality,
    /// A season of one week, of Fourier order 3; `auto` where there are steps of two weeks or more, less than a week apart.
    pub weekly_seasonality: Seasonality,
    /// Windows from one fit to the next, each to the lookback of its first window, as a planner of LLM serving does it. Left out,
    /// one curve is fitted to the training steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refit_every: Option<usize>,
    /// The scale that is fitted: `scaled`, or `original` as a serving planner does it.
    #[serde(skip_serializing_if = "is_scaled")]
    pub units: FilterUnits,
}

/// Earlier versions knew no other units, so these do not change the identity of a run.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_scaled(units: &FilterUnits) -> bool {
    *units == FilterUnits::Scaled
}

impl Default for ProphetSpec {
    fn default() -> Self {
        Self {
            n_changepoints: 25,
            changepoint_prior_scale: 0.05,
            seasonality_prior_scale: 10.0,
            daily_seasonality: Seasonality::Auto,
            weekly_seasonality: Seasonality::Auto,
            refit_every: None,
            units: FilterUnits::Scaled,
        }
    }
}

/// Whether a season is part of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seasonality {
    /// Where the training steps cover it at least twice.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// Hyperparameters of `kalman`. Only the ratios of the variances matter for its forecasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KalmanSpec {
    /// Variance of the random walk of the level, for each step.
    pub level_variance: f64,
    /// Variance of the random walk of the trend, for each step.
    pub trend_variance: f64,
    /// Variance of an observation around the level.
    pub observation_variance: f64,
    /// Variance of level and trend before the first step of the lookback: around zero in scaled units, and in original units
    /// around the first value and no trend.
    pub initial_variance: f64,
    /// The scale that the filter runs on.
    pub units: FilterUnits,
}

impl Default for KalmanSpec {
    fn default() -> Self {
        Self {
            level_variance: 1.0,
            trend_variance: 0.1,
            observation_variance: 10.0,
            initial_variance: 1_000.0,
            units: FilterUnits::default(),
        }
    }
}

/// The scale that a filter runs on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterUnits {
    /// Seconds, tokens, requests: as a serving planner runs it. A forecast below zero counts as zero.
    #[default]
    Original,
    /// The scale that the networks learn on: logarithms of gaps, counts and tokens.
    Scaled,
}

/// How the weights of a linear model are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// By gradient descent, as the `training` table says.
    #[default]
    GradientDescent,
    /// In closed form: the exact optimum of the mean squared error, which has no seed and reads no `training` table.
    LeastSquares,
}

/// Hyperparameters of `linear` and `nlinear`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinearSpec {
    /// Weights of their own for each channel, instead of one set that all channels share.
    pub per_channel: bool,
    /// How the weights are found.
    pub solver: Solver,
    /// Penalty on the squared weights, added to the mean squared error in scaled units; for `least_squares` only.
    pub ridge: f64,
}

/// Hyperparameters of `dlinear`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DlinearSpec {
    /// Width of the moving average that extracts the trend, in steps: odd, edges replicated.
    pub kernel: usize,
    /// Weights of their own for each channel, instead of one set that all channels share.
    pub per_channel: bool,
    /// How the weights are found.
    pub solver: Solver,
    /// Penalty on the squared weights, added to the mean squared error in scaled units; for `least_squares` only.
    pub ridge: f64,
}

impl Default for DlinearSpec {
    fn default() -> Self {
        Self { kernel: 25, per_channel: false, solver: Solver::default(), ridge: 0.0 }
    }
}

/// Hyperparameters of `lstm` and `gru`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentSpec {
    /// Units of each layer.
    pub hidden: usize,
    /// Layers on top of each other.
    pub layers: usize,
    /// Share of the units between two layers that is dropped in training.
    pub dropout: f64,
}

impl Default for RecurrentSpec {
    fn default() -> Self {
        Self { hidden: 32, layers: 1, dropout: 0.0 }
    }
}

/// Hyperparameters of `ts_mixer`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TsMixerSpec {
    /// Units between the two layers that mix the channels.
    pub hidden: usize,
    /// Pairs of a layer that mixes steps and one that mixes channels.
    pub blocks: usize,
    /// Share of the units that is dropped in training.
    pub dropout: f64,
}

impl Default for TsMixerSpec {
    fn default() -> Self {
        Self { hidden: 16, blocks: 2, dropout: 0.0 }
    }
}

/// Hyperparameters of `tcn`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcnSpec {
    /// Channels of each convolution.
    pub hidden: usize,
    /// Steps that a convolution reads, `2^block` steps apart.
    pub kernel: usize,
    /// Blocks of two convolutions. Together they reach `1 + 2 (kernel - 1) (2^blocks - 1)` steps back; of a longer
    /// lookback they see the end.
    pub blocks: usize,
    /// Share of the units that is dropped in training.
    pub dropout: f64,
}

impl Default for TcnSpec {
    fn default() -> Self {
        Self { hidden: 16, kernel: 3, blocks: 4, dropout: 0.0 }
    }
}

/// Hyperparameters of `renewal`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewalSpec {
    /// The distribution that the gaps are drawn from.
    pub distribution: GapFamily,
}

/// Hyperparameters of `boosted_trees`.
///
/// Where windows times lookback times channels are more than 40 million, every n-th window is grown on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BoostedTreesSpec {
    /// Trees of each target and step ahead, at most.
    pub trees: usize,
    /// Share of each tree's values that is added.
    pub learning_rate: f64,
    /// Questions between a tree's root and its leaves.
    pub max_depth: usize,
    /// Training windows in a leaf, at least.
    pub min_leaf_windows: usize,
    /// Penalty on the square of a leaf's value.
    pub l2: f64,
    /// Trees without gain on the validation windows after which no more are grown.
    pub patience: usize,
}

impl Default for BoostedTreesSpec {
    fn default() -> Self {
        Self { trees: 200, learning_rate: 0.05, max_depth: 3, min_leaf_windows: 50, l2: 1.0, patience: 20 }
    }
}

/// Hyperparameters of `neural_point_process`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NeuralPointProcessSpec {
    /// Units of each layer of gated recurrent units.
    pub hidden: usize,
    /// Layers on top of each other.
    pub layers: usize,
    /// Share of the units between two layers that is dropped in training.
    pub dropout: f64,
    /// Log-normal distributions that are mixed.
    pub components: usize,
}

impl Default for NeuralPointProcessSpec {
    fn default() -> Self {
        Self { hidden: 16, layers: 1, dropout: 0.0, components: 4 }
    }
}

/// A family of distributions of the gap between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapFamily {
    /// Requests arrive as a Poisson process.
    Exponential,
    /// Gamma; a shape below 1 is burstier than a Poisson process.
    Gamma,
    /// Weibull; a shape below 1 is burstier than a Poisson process.
    Weibull,
    /// The logarithm of the gap is normal.
    Lognormal,
}

/// Hyperparameters of `ensemble`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnsembleSpec {
    /// Kinds of the models that are combined: for each seed and fold, each one's trial that is best on validation,
    /// weighted by the inverse of its validation error, for each target.
    pub members: Vec<String>,
}
