//! The model tables of an experiment file, and what the planner must know of each kind before it is built.

mod arima;
mod season;
mod tables;
mod violations;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::TaskSpec;
pub use arima::{ArimaOrder, ArimaSpec, ConstantTerm, OrderSearch};
pub use season::{Season, SeasonError};
pub use tables::{
    BoostedTreesSpec, DlinearSpec, EnsembleSpec, EtsSpec, EwmaSpec, FilterUnits, GapFamily, KalmanSpec,
    LinearSpec, MovingAverageSpec, NeuralPointProcessSpec, Parameterless, ProphetSpec, RecurrentSpec,
    RenewalSpec, SeasonalNaiveSpec, Seasonality, Solver, TcnSpec, TsMixerSpec,
};

/// Components that a mixture over gaps has at most.
pub const MOST_COMPONENTS: usize = 8;

/// Least lookback of models that are fitted to it: with six steps, the criterion that chooses the form of `ets` is not defined
/// for a trend.
pub const FEWEST_STEPS: usize = 7;

/// Longest season of `ets`: each of its steps is a state to be estimated.
const MOST_SEASON: usize = 48;

/// Kinds of the naive baselines that other models are measured against.
pub const BASELINES: [&str; 7] =
    ["zero", "mean", "median", "persistence", "moving_average", "seasonal_naive", "ewma"];

/// Kinds whose lookback follows from their own hyperparameters; all others read `task.lookback`.
pub const OWN_LOOKBACK: [&str; 9] = [
    "zero",
    "mean",
    "median",
    "persistence",
    "moving_average",
    "seasonal_naive",
    "prophet",
    "renewal",
    "ensemble",
];

/// What keeps a model from fitting to the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The key at fault: `lookback`, which is the task's, or one of the model's own.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

impl Misfit {
    /// Keys of the experiment file that are at fault; `entry` is the `[[models]]` entry of the model.
    pub fn place(&self, model: &ModelSpec, task: &TaskSpec, entry: usize) -> Vec<String> {
        let entry = entry.to_string();
        let keys: Vec<&str> = match self.key {
            "lookback" => vec!["task", task.kind(), "lookback"],
            own => vec!["models", &entry, model.kind(), own],
        };
        keys.into_iter().map(str::to_string).collect()
    }
}

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
    /// The exponentially weighted mean of the last steps, on the transformed channels (Brown, 1956).
    Ewma(EwmaSpec),
    /// Exponential smoothing whose form and weights are chosen on each lookback (Hyndman et al., 2002); the lookback must
    /// have at least 7 steps, each of which costs a forecast about 15 µs without a season.
    Ets(EtsSpec),
    /// Autoregressive integrated moving averages with seasons, by exact maximum likelihood (Box & Jenkins, 1970; Hyndman &
    /// Khandakar, 2008), with quantiles of its own.
    Arima(ArimaSpec),
    /// A trend of straight pieces and seasons in time (Taylor & Letham, 2018); for `window_load` and `series`.
    Prophet(ProphetSpec),
    /// Level and trend by a Kalman filter (Kalman, 1960; Harvey, 1989), as a planner of LLM serving runs it.
    Kalman(KalmanSpec),
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
    /// Layers that mix steps and channels in turn (Chen et al., TMLR 2023).
    TsMixer(TsMixerSpec),
    /// Causal convolutions whose reach doubles from block to block (Bai et al., 2018).
    Tcn(TcnSpec),
    /// Gradient-boosted regression trees on the lookback (Friedman, 2001).
    BoostedTrees(BoostedTreesSpec),
    /// Gaps drawn independently from one distribution, by maximum likelihood (Cox, 1962); for `next_request` alone.
    Renewal(RenewalSpec),
    /// Arrivals that excite further ones for a while (Hawkes, 1971), by maximum likelihood; for `next_request` alone.
    Hawkes(Parameterless),
    /// Gaps from a mixture of log-normal distributions that a recurrent network gives (Shchur et al., ICLR 2020); for
    /// `next_request` alone.
    NeuralPointProcess(NeuralPointProcessSpec),
    /// Weighted mean of other models of the file.
    Ensemble(EnsembleSpec),
}

impl ModelSpec {
    /// Every kind, in the order of the variants.
    pub const KINDS: [&str; 23] = [
        "zero",
        "mean",
        "median",
        "persistence",
        "moving_average",
        "seasonal_naive",
        "ewma",
        "ets",
        "arima",
        "prophet",
        "kalman",
        "linear",
        "nlinear",
        "dlinear",
        "lstm",
        "gru",
        "ts_mixer",
        "tcn",
        "boosted_trees",
        "renewal",
        "hawkes",
        "neural_point_process",
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
            ModelSpec::Ewma(_) => "ewma",
            ModelSpec::Ets(_) => "ets",
            ModelSpec::Arima(_) => "arima",
            ModelSpec::Prophet(_) => "prophet",
            ModelSpec::Kalman(_) => "kalman",
            ModelSpec::Linear(_) => "linear",
            ModelSpec::Nlinear(_) => "nlinear",
            ModelSpec::Dlinear(_) => "dlinear",
            ModelSpec::Lstm(_) => "lstm",
            ModelSpec::Gru(_) => "gru",
            ModelSpec::TsMixer(_) => "ts_mixer",
            ModelSpec::Tcn(_) => "tcn",
            ModelSpec::BoostedTrees(_) => "boosted_trees",
            ModelSpec::Renewal(_) => "renewal",
            ModelSpec::Hawkes(_) => "hawkes",
            ModelSpec::NeuralPointProcess(_) => "neural_point_process",
            ModelSpec::Ensemble(_) => "ensemble",
        }
    }

    /// Version of the model's implementation; raised whenever the same run would give other numbers, so that old
    /// results are not taken for new ones.
    pub fn version(&self) -> u32 {
        match self {
            // The first versions differ in the order of sums (linear models, lstm), in peaks of the likelihood that their
            // search missed (ets), in the last digits of the Fourier columns (prophet), in the level that a filter in original
            // units starts from (kalman), and in the points that a mixture starts from and the likelihood of its tails
            // (neural_point_process).
            ModelSpec::Linear(_)
            | ModelSpec::Nlinear(_)
            | ModelSpec::Dlinear(_)
            | ModelSpec::Lstm(_)
            | ModelSpec::Ets(_)
            | ModelSpec::Prophet(_)
            | ModelSpec::Kalman(_) => 2,
            ModelSpec::NeuralPointProcess(_) => 3,
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
            ModelSpec::Lstm(_)
            | ModelSpec::Gru(_)
            | ModelSpec::TsMixer(_)
            | ModelSpec::Tcn(_)
            | ModelSpec::NeuralPointProcess(_) => true,
            _ => false,
        }
    }

    /// Whether a GPU would compute any of it: its training, or that of its members.
    pub fn computes_on_gpu(&self) -> bool {
        self.is_trained() || matches!(self, ModelSpec::Ensemble(_))
    }

    /// Whether its forecasts depend on how far apart the steps are in time.
    pub fn needs_a_clock(&self) -> bool {
        matches!(self, ModelSpec::Prophet(_))
    }

    /// Whether what its training minimises is `training.loss`.
    pub fn reads_loss(&self) -> bool {
        self.is_trained() && !matches!(self, ModelSpec::NeuralPointProcess(_))
    }

    /// The same model with hyperparameters at their defaults where they cannot matter, so that trials which differ in
    /// nothing else coincide, and with a season in steps of the task.
    #[must_use]
    pub fn normalised(&self, task: &TaskSpec) -> Self {
        let mut normalised = self.clone();
        match &mut normalised {
            ModelSpec::SeasonalNaive(spec) => {
                if let Ok(Some(steps)) = spec.season.steps_of(task) {
                    spec.season = Season::Steps(steps);
                }
            }
            ModelSpec::Ets(EtsSpec { season: Some(season) })
            | ModelSpec::Arima(ArimaSpec { season: Some(season), .. }) => {
                if let Ok(Some(steps)) = season.steps_of(task) {
                    *season = Season::Steps(steps);
                }
            }
            // Dropout acts between layers.
            ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) if spec.layers == 1 => spec.dropout = 0.0,
            ModelSpec::NeuralPointProcess(spec) if spec.layers == 1 => spec.dropout = 0.0,
            // The penalty belongs to the closed form.
            ModelSpec::Linear(LinearSpec { solver: Solver::GradientDescent, ridge, .. })
            | ModelSpec::Nlinear(LinearSpec { solver: Solver::GradientDescent, ridge, .. })
            | ModelSpec::Dlinear(DlinearSpec { solver: Solver::GradientDescent, ridge, .. }) => *ridge = 0.0,
            _ => {}
        }
        if let ModelSpec::Arima(spec) = &mut normalised {
            spec.normalise();
        }
        normalised
    }

    /// What keeps the model from fitting to the lookback of a task, as far as that is known without the data.
    pub fn misfit(&self, task: &TaskSpec) -> Option<Misfit> {
        let lookback = task.lookback();
        match self {
            ModelSpec::Ets(spec) => {
                // The rows of a series say later how many steps a length of time is.
                let season = spec.season.map_or(Ok(Some(0)), |season| season.steps_of(task)).ok()??;
                if season == 1 || season > MOST_SEASON {
                    return Some(Misfit {
                        key: "season",
                        message: format!(
                            "the season of ets has 2 to {MOST_SEASON} steps, and this one has {season}"
                        ),
                        help: "give a shorter season or wider steps, or use arima, prophet or seasonal_naive",
                    });
                }
                let needed = FEWEST_STEPS + 2 * season;
                let with =
                    if season > 0 { format!(" with a season of {season} steps") } else { String::new() };
                (lookback < needed).then(|| Misfit {
                    key: "lookback",
                    message: format!("ets{with} needs a lookback of at least {needed}, got {lookback}"),
                    help: "ets is fitted to the lookback alone: give more steps, or leave ets out",
                })
            }
            ModelSpec::Prophet(spec) if spec.refit_every.is_some() && lookback < FEWEST_STEPS => {
                Some(Misfit {
                    key: "lookback",
                    message: format!(
                        "prophet with refit_every needs a lookback of at least {FEWEST_STEPS}, got {lookback}"
                    ),
                    help: "it is fitted to the lookback then: give more steps, or leave refit_every out",
                })
            }
            ModelSpec::Arima(spec) => {
                // The rows of a series say later how many steps a length of time is.
                let season = spec.season.map_or(Ok(Some(0)), |season| season.steps_of(task)).ok()??;
                spec.misfit(season, lookback)
            }
            _ => None,
        }
    }

    /// The season of the model, as it is given.
    pub fn season(&self) -> Option<Season> {
        match self {
            ModelSpec::SeasonalNaive(spec) => Some(spec.season),
            ModelSpec::Ets(spec) => spec.season,
            ModelSpec::Arima(spec) => spec.season,
            _ => None,
        }
    }

    /// Gives the model a season of so many steps.
    pub(super) fn set_season(&mut self, steps: usize) {
        match self {
            ModelSpec::SeasonalNaive(spec) => spec.season = Season::Steps(steps),
            ModelSpec::Ets(spec) => spec.season = Some(Season::Steps(steps)),
            ModelSpec::Arima(spec) => spec.season = Some(Season::Steps(steps)),
            _ => {}
        }
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
            ModelSpec::SeasonalNaive(spec) => Some(spec.season.steps().unwrap_or(1)),
            // Prophet needs one step to know the time, unless it is fitted to its lookback.
            ModelSpec::Prophet(spec) => spec.refit_every.is_none().then_some(1),
            // An ensemble reads what its members read, which are chosen later.
            ModelSpec::Ensemble(_) | ModelSpec::Renewal(_) => Some(1),
            ModelSpec::Ewma(_)
            | ModelSpec::Ets(_)
            | ModelSpec::Arima(_)
            | ModelSpec::Kalman(_)
            | ModelSpec::Hawkes(_)
            | ModelSpec::Linear(_)
            | ModelSpec::Nlinear(_)
            | ModelSpec::Dlinear(_)
            | ModelSpec::Lstm(_)
            | ModelSpec::Gru(_)
            | ModelSpec::TsMixer(_)
            | ModelSpec::Tcn(_)
            | ModelSpec::BoostedTrees(_)
            | ModelSpec::NeuralPointProcess(_) => None,
        }
    }
}
