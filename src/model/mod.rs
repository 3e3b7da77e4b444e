//! Models: everything that can be asked for a forecast, behind one trait.
//!
//! A new model is a variant of [`ModelSpec`] with its hyperparameters, an implementation of [`Forecaster`] (or, for
//! one that is trained by gradient descent, of [`Network`]) and a line in [`build`].

mod boosted_trees;
mod ensemble;
mod ets;
mod ewma;
mod gap_distribution;
mod hawkes;
mod kalman;
mod least_squares;
mod linear;
mod linear_op;
mod naive;
mod network;
mod neural_point_process;
mod parameters;
mod prophet;
mod prophet_posterior;
mod quantile;
mod recurrent;
mod recurrent_op;
mod renewal;
mod season;
mod simplex;
mod spec;
mod tables;
mod tcn;
mod ts_mixer;
mod violations;

use std::ops::{ControlFlow, Range};

use crate::dataset::{ScaledSteps, Scaler, Windows};
use crate::experiment::TrainingSpec;
use crate::kernel::Fold;
use crate::train::{ComputeDevice, Stream};

pub use ensemble::Member;
pub use ets::FEWEST_STEPS;
pub use gap_distribution::{GapDistribution, MOST_COMPONENTS, resolution_s};
use least_squares::LeastSquares;
use linear::Linear;
pub(crate) use network::infer;
pub use network::{Dense, Network, Noise, Trained};
pub use parameters::{Parameters, Values};
pub use quantile::{MEDIAN, QUANTILES};
use recurrent::Recurrent;
pub use recurrent::{CellKind, RecurrentLayer};
pub use season::Season;
pub use spec::{BASELINES, ModelSpec, OWN_LOOKBACK};
pub use tables::{
    BoostedTreesSpec, DlinearSpec, EnsembleSpec, EwmaSpec, FilterUnits, GapFamily, KalmanSpec, LinearSpec,
    MovingAverageSpec, NeuralPointProcessSpec, Parameterless, ProphetSpec, RecurrentSpec, RenewalSpec,
    SeasonalNaiveSpec, Seasonality, Solver, TcnSpec, TsMixerSpec,
};
pub use violations::Violation;

/// Sizes that a model is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Past steps it sees.
    pub lookback: usize,
    /// Steps it forecasts at once.
    pub horizon: usize,
    /// Input channels.
    pub channels: usize,
    /// Forecast channels: the first ones of the input.
    pub targets: usize,
    /// Values that a network forecasts for each target: 1, or one for each of [`QUANTILES`].
    pub heads: usize,
}

/// What a model may learn from: the training windows, and the validation windows for early stopping and weighting.
pub struct FitData<'a> {
    /// Windows to learn from.
    pub train: Windows<'a>,
    /// Windows to stop, select and weight by.
    pub valid: Windows<'a>,
    /// All steps of the training part, for models that are a statistic of them.
    pub train_steps: Range<usize>,
    /// The scales, to know where zero in original units lies.
    pub scaler: &'a Scaler,
}

impl FitData<'_> {
    /// The scaled values of one target over the training steps.
    fn training_values(&self, target: usize) -> Vec<f32> {
        let steps: &ScaledSteps = self.train.steps;
        self.train_steps.clone().map(|step| steps.targets[step * steps.target_count + target]).collect()
    }
}

/// One epoch of training.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss over the epoch's batches, in scaled units.
    pub train_loss: f64,
    /// Mean loss on the validation windows after the epoch, in scaled units.
    pub valid_loss: f64,
    /// Learning rate of the epoch.
    pub learning_rate: f64,
    /// Seconds it took, validation included.
    pub wall_s: f64,
}

/// Hears of every epoch, and says whether the training goes on.
pub type OnEpoch<'a> = &'a mut dyn FnMut(Epoch) -> ControlFlow<()>;

/// Why a model was not fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The loss stopped being a number, or grew beyond all bounds.
    #[error(
        "diverged at epoch {epoch}: the loss is {loss}; lower training.learning_rate or set training.gradient_clip_norm"
    )]
    Diverged {
        /// Epoch, counted from 1.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
    /// It was told not to go on.
    #[error("stopped after epoch {epoch}")]
    Stopped {
        /// Epoch, counted from 1.
        epoch: usize,
    },
    /// The trees cannot be grown.
    #[error("the trees cannot be grown: {0}")]
    Trees(String),
    /// The curve through time cannot be fitted.
    #[error("Prophet cannot be fitted: {0}")]
    Prophet(String),
    /// The normal equations have no solution in numbers.
    #[error(
        "the least-squares weights cannot be computed: the training windows hold values that are not finite"
    )]
    Unsolvable,
}

/// A model that forecasts the next steps from the past ones.
pub trait Forecaster: Send {
    /// Learns from the training windows; calls `on_epoch` after each pass over them, if it makes any, and goes on only
    /// if that says so.
    ///
    /// # Errors
    /// A training that diverges or is stopped.
    fn fit(&mut self, data: &FitData<'_>, on_epoch: OnEpoch<'_>) -> Result<(), FitError>;

    /// Forecasts every window: `windows x horizon x targets`, in scaled units.
    ///
    /// Only steps before each window's origin are read.
    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32>;

    /// Forecasts of the quantiles of every window, `windows x horizon x targets x quantiles` at the levels of
    /// [`QUANTILES`], in scaled units; `None` from a model that forecasts one value.
    fn quantiles(&self, _windows: &Windows<'_>) -> Option<Vec<f32>> {
        None
    }

    /// The distribution of the first gap after each window; `None` from a model that knows none.
    fn gap_distributions(&self, _windows: &Windows<'_>) -> Option<Vec<GapDistribution>> {
        None
    }

    /// Past steps that a forecast reads.
    fn lookback(&self) -> usize;

    /// What was learned, named as PyTorch names it where PyTorch has such a model.
    fn parameters(&self) -> Parameters;

    /// Takes up what was learned before.
    ///
    /// # Errors
    /// A parameter that is missing or has another shape.
    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()>;
}

/// What a model is built with, beside its hyperparameters.
pub struct BuildContext<'a> {
    /// Sizes.
    pub shape: Shape,
    /// How it is trained.
    pub training: &'a TrainingSpec,
    /// Seed of the run's random stream.
    pub seed: u64,
    /// Where it computes.
    pub device: &'a ComputeDevice,
    /// The chosen members of an ensemble, ready to forecast; empty for every other model.
    pub members: Vec<Member>,
}

/// Builds a model, ready to be fitted or to be loaded.
pub fn build(spec: &ModelSpec, context: BuildContext<'_>) -> Box<dyn Forecaster> {
    let shape = context.shape;
    match spec {
        ModelSpec::Zero(_) => Box::new(naive::Constant::zero(shape)),
        ModelSpec::Mean(_) => Box::new(naive::Constant::mean(shape)),
        ModelSpec::Median(_) => Box::new(naive::Constant::median(shape)),
        ModelSpec::Persistence(_) => Box::new(naive::Recent::persistence(shape)),
        ModelSpec::MovingAverage(spec) => Box::new(naive::Recent::moving_average(shape, spec.window)),
        // Its season is its lookback.
        ModelSpec::SeasonalNaive(_) => Box::new(naive::Recent::seasonal(shape, context.shape.lookback)),
        ModelSpec::Ewma(spec) => Box::new(ewma::Ewma::new(shape, spec.alpha)),
        ModelSpec::Ets(_) => Box::new(ets::Ets::new(shape)),
        ModelSpec::Prophet(spec) => Box::new(prophet::Prophet::new(shape, spec)),
        ModelSpec::Kalman(spec) => Box::new(kalman::Kalman::new(shape, spec)),
        ModelSpec::Linear(spec) => linear(Fold::Plain, spec.per_channel, spec.solver, spec.ridge, &context),
        ModelSpec::Nlinear(spec) => linear(Fold::Last, spec.per_channel, spec.solver, spec.ridge, &context),
        ModelSpec::Dlinear(spec) => {
            let fold = Fold::Trend { kernel: spec.kernel };
            linear(fold, spec.per_channel, spec.solver, spec.ridge, &context)
        }
        ModelSpec::Lstm(spec) => recurrent(CellKind::Lstm, spec, &context),
        ModelSpec::Gru(spec) => recurrent(CellKind::Gru, spec, &context),
        ModelSpec::TsMixer(spec) => {
            let mut stream = Stream::weights(context.seed);
            let network = ts_mixer::TsMixer::new(shape, spec, &mut stream, context.device);
            Box::new(Trained::new(network, &context))
        }
        ModelSpec::Tcn(spec) => {
            let mut stream = Stream::weights(context.seed);
            let network = tcn::Tcn::new(shape, spec, &mut stream, context.device);
            Box::new(Trained::new(network, &context))
        }
        ModelSpec::BoostedTrees(spec) => Box::new(boosted_trees::BoostedTrees::new(shape, spec)),
        ModelSpec::Renewal(spec) => Box::new(renewal::Renewal::new(shape, spec.distribution)),
        ModelSpec::Hawkes(_) => Box::new(hawkes::Hawkes::new(shape)),
        ModelSpec::NeuralPointProcess(spec) => {
            Box::new(neural_point_process::NeuralPointProcess::new(spec, &context))
        }
        ModelSpec::Ensemble(_) => Box::new(ensemble::Ensemble::new(shape, context.members)),
    }
}

fn linear(
    fold: Fold,
    per_channel: bool,
    solver: Solver,
    ridge: f64,
    context: &BuildContext<'_>,
) -> Box<dyn Forecaster> {
    match solver {
        Solver::GradientDescent => {
            let mut stream = Stream::weights(context.seed);
            let network = Linear::new(fold, context.shape, per_channel, &mut stream, context.device);
            Box::new(Trained::new(network, context))
        }
        Solver::LeastSquares => Box::new(LeastSquares::new(fold, context.shape, per_channel, ridge)),
    }
}

fn recurrent(kind: CellKind, spec: &RecurrentSpec, context: &BuildContext<'_>) -> Box<dyn Forecaster> {
    let mut stream = Stream::weights(context.seed);
    let network = Recurrent::new(kind, context.shape, spec, &mut stream, context.device);
    Box::new(Trained::new(network, context))
}
