//! The model tables of an experiment file, and what the planner must know of each kind before it is built.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kinds of the naive baselines that other models are measured against.
pub const BASELINES: [&str; 6] =
    ["zero", "mean", "median", "persistence", "moving_average", "seasonal_naive"];

/// Largest size of a layer, and most layers: beyond them a mistake is likelier than a model.
const MOST_HIDDEN: usize = 8_192;
const MOST_LAYERS: usize = 32;

/// One model with its hyperparameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ModelSpec {
    /// Always forecasts zero, in original units.
    Zero(Parameterless),
    /// The mean of the training rows, on the transformed channels.
    Mean(Parameterless),
    /// The median of the training rows, on the transformed channels.
    Median(Parameterless),
    /// Repeats the last value.
    Persistence(Parameterless),
    /// The mean of the last steps, on the transformed channels.
    MovingAverage(MovingAverageSpec),
    /// The value one season before.
    SeasonalNaive(SeasonalNaiveSpec),
    /// One linear layer over time (Zeng et al., AAAI 2023).
    Linear(LinearSpec),
    /// A linear layer on differences from the last value (Zeng et al., AAAI 2023).
    Nlinear(LinearSpec),
    /// Linear layers on trend and remainder (Zeng et al., AAAI 2023).
    Dlinear(DlinearSpec),
    /// Long short-term memory with a two-layer head (Hochreiter & Schmidhuber, 1997).
    Lstm(RecurrentSpec),
    /// Gated recurrent units with a two-layer head (Cho et al., 2014).
    Gru(RecurrentSpec),
    /// Weighted mean of other models of the file.
    Ensemble(EnsembleSpec),
}

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
    /// Length of the season, in steps.
    pub season: usize,
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

/// Hyperparameters of `ensemble`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnsembleSpec {
    /// Kinds of the models that are combined: for each seed and fold, each one's trial that is best on validation,
    /// weighted by the inverse of its validation error, for each target.
    pub members: Vec<String>,
}

impl ModelSpec {
    /// Every kind, in the order of the variants.
    pub const KINDS: [&str; 12] = [
        "zero",
        "mean",
        "median",
        "persistence",
        "moving_average",
        "seasonal_naive",
        "linear",
        "nlinear",
        "dlinear",
        "lstm",
        "gru",
        "ensemble",
    ];

    /// The model's kind, as the experiment file and the store call it.
    pub fn kind(&self) -> &'static str {
        match self {
            ModelSpec::Zero(_) => "zero",
            ModelSpec::Mean(_) => "mean",
            ModelSpec::Median(_) => "median",
            ModelSpec::Persistence(_) => "persistence",
            ModelSpec::MovingAverage(_) => "moving_average",
            ModelSpec::SeasonalNaive(_) => "seasonal_naive",
            ModelSpec::Linear(_) => "linear",
            ModelSpec::Nlinear(_) => "nlinear",
            ModelSpec::Dlinear(_) => "dlinear",
            ModelSpec::Lstm(_) => "lstm",
            ModelSpec::Gru(_) => "gru",
            ModelSpec::Ensemble(_) => "ensemble",
        }
    }

    /// Version of the model's implementation; raised whenever the same run would give other numbers, so that old
    /// results are not taken for new ones.
    pub fn version(&self) -> u32 {
        match self {
            // The sums of the first version were in another order.
            ModelSpec::Linear(_) | ModelSpec::Nlinear(_) | ModelSpec::Dlinear(_) | ModelSpec::Lstm(_) => 2,
            _ => 1,
        }
    }

    /// Whether the model is a naive baseline that others are measured against.
    pub fn is_baseline(&self) -> bool {
        BASELINES.contains(&self.kind())
    }

    /// Whether the model is trained by gradient descent, and so reads the `training` table and depends on a seed.
    pub fn is_trained(&self) -> bool {
        match self {
            ModelSpec::Linear(spec) | ModelSpec::Nlinear(spec) => spec.solver == Solver::GradientDescent,
            ModelSpec::Dlinear(spec) => spec.solver == Solver::GradientDescent,
            ModelSpec::Lstm(_) | ModelSpec::Gru(_) => true,
            _ => false,
        }
    }

    /// The same model with hyperparameters at their defaults where they cannot matter, so that trials which differ in
    /// nothing else coincide.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let mut normalised = self.clone();
        match &mut normalised {
            // Dropout acts between layers.
            ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) if spec.layers == 1 => spec.dropout = 0.0,
            // The penalty belongs to the closed form.
            ModelSpec::Linear(LinearSpec { solver: Solver::GradientDescent, ridge, .. })
            | ModelSpec::Nlinear(LinearSpec { solver: Solver::GradientDescent, ridge, .. })
            | ModelSpec::Dlinear(DlinearSpec { solver: Solver::GradientDescent, ridge, .. }) => *ridge = 0.0,
            _ => {}
        }
        normalised
    }

    /// The key that says how many past steps the model reads.
    pub fn lookback_key(&self) -> &'static str {
        match self {
            ModelSpec::MovingAverage(_) => "window",
            ModelSpec::SeasonalNaive(_) => "season",
            _ => "lookback",
        }
    }

    /// Past steps that the model reads of its own accord; `None` when it reads `task.lookback` of them.
    pub fn own_lookback(&self) -> Option<usize> {
        match self {
            ModelSpec::Zero(_) | ModelSpec::Mean(_) | ModelSpec::Median(_) | ModelSpec::Persistence(_) => {
                Some(1)
            }
            ModelSpec::MovingAverage(spec) => Some(spec.window),
            ModelSpec::SeasonalNaive(spec) => Some(spec.season),
            // An ensemble reads what its members read, which is known once they are chosen.
            ModelSpec::Ensemble(_) => Some(1),
            ModelSpec::Linear(_)
            | ModelSpec::Nlinear(_)
            | ModelSpec::Dlinear(_)
            | ModelSpec::Lstm(_)
            | ModelSpec::Gru(_) => None,
        }
    }

    /// Impossible hyperparameters, as `(key, what is wrong, remedy)`.
    pub fn violations(&self) -> Vec<Violation> {
        let check = |key, holds: bool, message: String, help| (!holds).then_some((key, message, help));
        let positive = |key, value: usize| {
            check(key, value > 0, "this must be at least 1".to_string(), "give a positive whole number")
        };
        let within = |key, value: usize, least: usize, most: usize, help| {
            check(
                key,
                (least..=most).contains(&value),
                format!("{value} is not between {least} and {most}"),
                help,
            )
        };
        let penalty = |ridge: f64| {
            let message = format!("{ridge} is no penalty");
            check("ridge", ridge >= 0.0 && ridge.is_finite(), message, "give 0 or a small positive number")
        };
        match self {
            ModelSpec::Zero(_) | ModelSpec::Mean(_) | ModelSpec::Median(_) | ModelSpec::Persistence(_) => {
                Vec::new()
            }
            ModelSpec::Linear(spec) | ModelSpec::Nlinear(spec) => Vec::from_iter(penalty(spec.ridge)),
            ModelSpec::MovingAverage(spec) => Vec::from_iter(positive("window", spec.window)),
            ModelSpec::SeasonalNaive(spec) => Vec::from_iter(positive("season", spec.season)),
            ModelSpec::Dlinear(spec) => {
                let message = format!("a kernel of {} has no middle", spec.kernel);
                let odd = !spec.kernel.is_multiple_of(2);
                let kernel = check("kernel", odd, message, "give an odd number, e.g. 25");
                kernel.into_iter().chain(penalty(spec.ridge)).collect()
            }
            ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) => {
                let dropout = format!("{} is not a share of the units", spec.dropout);
                let share = (0.0..1.0).contains(&spec.dropout);
                [
                    within("hidden", spec.hidden, 2, MOST_HIDDEN, "the head halves the hidden units"),
                    within("layers", spec.layers, 1, MOST_LAYERS, "one or two layers are usual"),
                    check("dropout", share, dropout, "give a number from 0 to below 1"),
                ]
                .into_iter()
                .flatten()
                .collect()
            }
            ModelSpec::Ensemble(spec) => {
                let message = "an ensemble has members".to_string();
                let help = "e.g. members = [\"lstm\", \"dlinear\"]";
                Vec::from_iter(check("members", !spec.members.is_empty(), message, help))
            }
        }
    }
}

/// A key of a model's table, what is wrong with its value, and the remedy.
pub type Violation = (&'static str, String, &'static str);
