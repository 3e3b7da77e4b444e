//! Models: everything that can be asked for a forecast, behind one trait.
//!
//! A new model is a variant of [`ModelSpec`] with its hyperparameters, an implementation of [`Forecaster`] (or, for
//! one that is trained by gradient descent, of [`crate::train::Network`]) and a line in [`build`].

mod arima;
mod boosted_trees;
mod cell_kind;
mod ensemble;
mod ets;
mod ets_season;
mod ewma;
mod filter_scale;
mod gap_distribution;
mod hawkes;
pub mod intervals;
mod kalman;
mod least_squares;
mod linear;
mod linear_op;
mod naive;
mod network;
mod neural_point_process;
mod normal_equations;
pub mod pack;
mod parameters;
mod prophet;
mod prophet_posterior;
mod recurrent;
mod recurrent_op;
mod renewal;
mod simplex;
mod smoothing;
mod support;
mod tcn;
mod ts_mixer;

use crate::dataset::{ChannelScale, Windows};
use crate::kernel::Fold;
use crate::spec::{BiasCorrection, ModelSpec, RecurrentSpec, Solver, TrainingSpec};
use crate::stats::Stream;
use crate::train::{ComputeDevice, FitData, FitError, OnEpoch, Shape};

pub use cell_kind::CellKind;
pub use ensemble::Member;
pub use gap_distribution::{GapDistribution, resolution_s};
use least_squares::LeastSquares;
use linear::Linear;
pub use network::{Dense, Trained};
pub use parameters::{ParameterValues, Parameters};
use recurrent::Recurrent;
pub use recurrent::RecurrentLayer;
use support::InSupport;

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
    /// [`crate::stats::QUANTILES`], in scaled units; `None` from a model that forecasts one value.
    fn quantiles(&self, _windows: &Windows<'_>) -> Option<Vec<f32>> {
        None
    }

    /// The distribution of the first gap after each window; `None` from a model that knows none.
    fn gap_distributions(&self, _windows: &Windows<'_>) -> Option<Vec<GapDistribution>> {
        None
    }

    /// Past steps that a forecast reads.
    fn lookback(&self) -> usize;

    /// Takes up what was learned in a pack of models, and ends as [`Forecaster::fit`] would have.
    ///
    /// # Errors
    /// A parameter that is missing or has another shape.
    fn take_up(&mut self, learned: &Parameters, _data: &FitData<'_>) -> anyhow::Result<()> {
        self.load(learned)
    }

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
    /// The scales of the channels, which say what each target can be.
    pub scales: &'a [ChannelScale],
    /// Whether point forecasts of means on a logarithmic scale are corrected.
    pub correction: BiasCorrection,
    /// The chosen members of an ensemble, ready to forecast; empty for every other model.
    pub members: Vec<Member>,
}

/// Builds a model, ready to be fitted or to be loaded. Whatever it is, its forecasts lie in the support of their targets.
pub fn build(spec: &ModelSpec, mut context: BuildContext<'_>) -> Box<dyn Forecaster> {
    let members = std::mem::take(&mut context.members);
    // Zero is zero even beside a target that is always five.
    let repeats_constants = !matches!(spec, ModelSpec::Zero(_));
    Box::new(InSupport::new(build_unbounded(spec, &context, members), &context, repeats_constants))
}

fn build_unbounded(
    spec: &ModelSpec,
    context: &BuildContext<'_>,
    members: Vec<Member>,
) -> Box<dyn Forecaster> {
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
        ModelSpec::Ets(spec) => Box::new(ets::Ets::new(shape, spec)),
        ModelSpec::Arima(spec) => Box::new(arima::Arima::new(shape, spec)),
        ModelSpec::Prophet(spec) => Box::new(prophet::Prophet::new(shape, spec)),
        ModelSpec::Kalman(spec) => Box::new(kalman::Kalman::new(shape, spec)),
        ModelSpec::Linear(spec) => linear(Fold::Plain, spec.per_channel, spec.solver, spec.ridge, context),
        ModelSpec::Nlinear(spec) => linear(Fold::Last, spec.per_channel, spec.solver, spec.ridge, context),
        ModelSpec::Dlinear(spec) => {
            let fold = Fold::Trend { kernel: spec.kernel };
            linear(fold, spec.per_channel, spec.solver, spec.ridge, context)
        }
        ModelSpec::Lstm(spec) => recurrent(CellKind::Lstm, spec, context),
        ModelSpec::Gru(spec) => recurrent(CellKind::Gru, spec, context),
        ModelSpec::TsMixer(spec) => {
            let mut stream = Stream::weights(context.seed);
            let network = ts_mixer::TsMixer::new(shape, spec, &mut stream, context.device);
            Box::new(Trained::new(network, context))
        }
        ModelSpec::Tcn(spec) => {
            let mut stream = Stream::weights(context.seed);
            let network = tcn::Tcn::new(shape, spec, &mut stream, context.device);
            Box::new(Trained::new(network, context))
        }
        ModelSpec::BoostedTrees(spec) => Box::new(boosted_trees::BoostedTrees::new(shape, spec)),
        ModelSpec::Renewal(spec) => Box::new(renewal::Renewal::new(shape, spec.distribution)),
        ModelSpec::Hawkes(_) => Box::new(hawkes::Hawkes::new(shape)),
        ModelSpec::NeuralPointProcess(spec) => {
            Box::new(neural_point_process::NeuralPointProcess::new(spec, context))
        }
        ModelSpec::Ensemble(_) => Box::new(ensemble::Ensemble::new(shape, members)),
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
