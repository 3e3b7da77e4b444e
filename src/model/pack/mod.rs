//! Models whose runs are trained together: which they are, and the pack that they become.

mod composed;
mod linear;
mod recurrent;
mod tcn;
mod ts_mixer;

use std::sync::Arc;

use super::{BuildContext, CellKind, Fold, ModelSpec, ParameterValues, Parameters, Solver, build_unbounded};
use crate::train::{
    ComputeDevice, Epoch, FitData, FitError, Objective, OnEpoch, PackAudience, PackMember, PackNetwork,
    RowLayout, Shape, fit_pack, inference_batch,
};
use composed::Composed;
use linear::LinearPack;
use recurrent::RecurrentPack;
use tcn::TcnPack;
use ts_mixer::TsMixerPack;

/// Why runs of a model cannot be trained together with others; `None` if they can.
pub fn packing_obstacle(spec: &ModelSpec) -> Option<&'static str> {
    match spec {
        ModelSpec::NeuralPointProcess(_) => Some("its loss is a likelihood that packs do not compute"),
        ModelSpec::Ensemble(_) => Some("an ensemble is chosen from other runs"),
        _ if !spec.is_trained() => Some("it is not trained by gradient descent"),
        _ => None,
    }
}

/// How many values a training step of one run takes, roughly: what the size of a pack follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepValues {
    /// Those that it keeps for its way back.
    pub kept: usize,
    /// Those of its largest tensor.
    pub largest: usize,
}

impl StepValues {
    /// Of a model with these sizes. A batch of validation may be larger than one of training, and counts as if it kept as much.
    pub fn of(spec: &ModelSpec, shape: Shape, batch_size: usize) -> Self {
        let Shape { lookback, horizon, channels, targets, heads } = shape;
        let (kept, widest) = match spec {
            // The gates, the states, and the gradients by them, beside the inputs of the first layer.
            ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) => {
                (spec.layers * spec.hidden * 16 + channels * 4, (4 * spec.hidden).max(channels))
            }
            // The taps side by side, and the values between the layers.
            ModelSpec::Tcn(spec) => (
                spec.blocks * spec.hidden * (2 * spec.kernel + 12) + channels * (spec.kernel + 4),
                spec.kernel * spec.hidden.max(channels),
            ),
            ModelSpec::TsMixer(spec) => {
                (spec.blocks * (6 * spec.hidden + 16 * channels), spec.hidden.max(channels))
            }
            // The histories and what becomes of them.
            _ => (channels * 12, channels),
        };
        let windows = batch_size.max(inference_batch(batch_size));
        let forecasts = horizon * targets * heads;
        // The convolutions of a tcn look beyond the beginning of the window.
        let steps = match spec {
            ModelSpec::Tcn(spec) => lookback + ((spec.kernel - 1) << spec.blocks.min(32)),
            _ => lookback,
        };
        let weights = weights_of(spec, shape);
        Self {
            // The forecasts, their targets, and the gradients by them; the weights, their gradients, the two means of the
            // optimizer, the best weights, and what the optimizer makes of them.
            kept: (steps * kept + forecasts * 6) * windows + weights * 6,
            largest: ((steps * widest).max(forecasts) * windows).max(weights),
        }
    }
}

/// How many weights a model has, roughly and not too few.
fn weights_of(spec: &ModelSpec, shape: Shape) -> usize {
    let Shape { lookback, horizon, channels, targets, heads } = shape;
    let forecasts = horizon * targets * heads;
    match spec {
        ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) => {
            let first = 4 * spec.hidden * (channels + spec.hidden + 2);
            let others = 4 * spec.hidden * (2 * spec.hidden + 2) * spec.layers.saturating_sub(1);
            first + others + (spec.hidden + 1) * forecasts
        }
        ModelSpec::Tcn(spec) => {
            let block = 2 * (spec.kernel * spec.hidden.max(channels) + 1) * spec.hidden;
            spec.blocks * block + spec.hidden * channels + (spec.hidden + 1) * forecasts
        }
        ModelSpec::TsMixer(spec) => {
            let block = (lookback + 1) * lookback + (2 * channels + 1) * spec.hidden + channels;
            spec.blocks * block + (lookback + 1) * horizon * heads + channels * targets
        }
        // One map for each target and head, and for the trend and the rest of `dlinear`.
        _ => 2 * (lookback + 1) * horizon * heads * channels.max(targets),
    }
}

/// A model of a pack: its hyperparameters and what it is built with.
pub struct PackedModel<'a> {
    /// Its hyperparameters.
    pub spec: &'a ModelSpec,
    /// Everything else; the device is that of the whole pack.
    pub context: BuildContext<'a>,
}

/// Trains models of one shape together. Each outcome is told when its model has ended.
pub fn fit_together(models: &[PackedModel<'_>], data: &FitData<'_>, audience: &mut dyn PackedModelAudience) {
    let Some(PackedModel { spec, context }) = models.first() else { return };
    let (shape, device) = (context.shape, context.device);
    let Some(network) = network(spec, shape) else { return };
    // The weights are drawn on the CPU, whatever the device is: from there they go to it in one piece.
    let cpu = ComputeDevice::cpu();
    let initial: Vec<Parameters> = models.iter().map(|model| initial_weights(model, &cpu)).collect();
    let named = initial[0].iter().map(|(name, values)| (name.clone(), values.shape.clone()));
    let layout = Arc::new(RowLayout::new(named));
    let members = models.iter().zip(&initial).map(|(model, weights)| PackMember {
        training: model.context.training,
        seed: model.context.seed,
        dropout: dropout_rate(model.spec),
        weights: weights.iter().flat_map(|(_, values)| values.data.iter().copied()).collect(),
    });
    let members: Vec<PackMember<'_>> = members.collect();
    let targets = data.scaler.channels.iter().take(shape.targets).map(|scale| scale.channel.name.as_str());
    let objective = Objective::new(context.training, targets);
    let mut listener = Listener { audience, layout: layout.clone() };
    fit_pack(network.as_ref(), layout, &members, shape, &objective, device, data, &mut listener);
}

/// Trains a model as a pack of one. On a GPU the recurrent layers then take fewer and larger operations than in
/// [`super::Forecaster::fit`], whose kernels only the CPU has; any other model computes as it does in a pack.
///
/// # Errors
/// As [`super::Forecaster::fit`].
pub fn fit_alone(
    model: PackedModel<'_>,
    data: &FitData<'_>,
    on_epoch: OnEpoch<'_>,
) -> Result<Parameters, FitError> {
    let mut lone = LoneModel { on_epoch, outcome: None };
    fit_together(&[model], data, &mut lone);
    // A pack tells the outcome of each of its models, and only models without an obstacle come here.
    lone.outcome.unwrap_or_else(|| unreachable!("a pack that has not ended"))
}

/// Who is told how a pack of one goes.
struct LoneModel<'a> {
    on_epoch: OnEpoch<'a>,
    outcome: Option<Result<Parameters, FitError>>,
}

impl PackedModelAudience for LoneModel<'_> {
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool> {
        epochs.iter().map(|(_, epoch)| (self.on_epoch)(*epoch).is_continue()).collect()
    }

    fn ended(&mut self, _model: usize, outcome: Result<Parameters, FitError>) {
        self.outcome = Some(outcome);
    }
}

/// Who is told how models are trained together.
pub trait PackedModelAudience {
    /// These models ended an epoch; says of each whether it goes on.
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool>;

    /// A model has ended, with what it has learned or without.
    fn ended(&mut self, model: usize, outcome: Result<Parameters, FitError>);
}

/// Gives rows their names back.
struct Listener<'a> {
    audience: &'a mut dyn PackedModelAudience,
    layout: Arc<RowLayout>,
}

impl PackAudience for Listener<'_> {
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool> {
        self.audience.epochs(epochs)
    }

    fn ended(&mut self, member: usize, outcome: Result<Vec<f32>, FitError>) {
        let layout = &self.layout;
        let named = outcome.map(|row| {
            let mut parameters = Parameters::default();
            for (name, shape, values) in layout.parts(&row) {
                let values = ParameterValues { shape: shape.to_vec(), data: values.to_vec() };
                parameters.insert(name.to_string(), values);
            }
            parameters
        });
        self.audience.ended(member, named);
    }
}

fn initial_weights(model: &PackedModel<'_>, cpu: &ComputeDevice) -> Parameters {
    let context = BuildContext { device: cpu, members: Vec::new(), ..model.context };
    build_unbounded(model.spec, &context, Vec::new()).parameters()
}

fn dropout_rate(spec: &ModelSpec) -> f64 {
    match spec {
        ModelSpec::Lstm(spec) | ModelSpec::Gru(spec) => spec.dropout,
        ModelSpec::TsMixer(spec) => spec.dropout,
        ModelSpec::Tcn(spec) => spec.dropout,
        _ => 0.0,
    }
}

/// The network of a pack; `None` for a model with a [`packing_obstacle`].
fn network(spec: &ModelSpec, shape: Shape) -> Option<Box<dyn PackNetwork>> {
    let linear = |fold, per_channel, solver| -> Option<Box<dyn PackNetwork>> {
        let network = LinearPack::new(fold, per_channel, shape);
        (solver == Solver::GradientDescent).then(|| Box::new(Composed(network)) as Box<dyn PackNetwork>)
    };
    match spec {
        ModelSpec::Linear(spec) => linear(Fold::Plain, spec.per_channel, spec.solver),
        ModelSpec::Nlinear(spec) => linear(Fold::Last, spec.per_channel, spec.solver),
        ModelSpec::Dlinear(spec) => {
            linear(Fold::Trend { kernel: spec.kernel }, spec.per_channel, spec.solver)
        }
        ModelSpec::Lstm(spec) => Some(Box::new(RecurrentPack::new(CellKind::Lstm, spec, shape))),
        ModelSpec::Gru(spec) => Some(Box::new(RecurrentPack::new(CellKind::Gru, spec, shape))),
        ModelSpec::TsMixer(spec) => Some(Box::new(Composed(TsMixerPack::new(spec)))),
        ModelSpec::Tcn(spec) => Some(Box::new(Composed(TcnPack::new(spec, shape)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
