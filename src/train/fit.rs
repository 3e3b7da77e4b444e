//! The training loop: shuffled batches, early stopping with the best weights restored.

use std::time::Instant;

use burn::tensor::Tensor;
use burn_optim::GradientsParams;

use super::adam::Descent;
use super::{ComputeDevice, Criterion, RateSchedule};
use crate::spec::TrainingSpec;
use crate::stats::Stream;
use crate::train::{Epoch, FitData, FitError, Network, OnEpoch, Shape, infer};

/// A loss that is so many times that of the first batch has exploded. Scaled targets have variance 1, so that the loss
/// of the first batch counts as 1 at least.
pub(super) const EXPLODED: f64 = 1e6;

/// Whether a loss has stopped being a number, or has grown beyond all bounds.
pub(super) fn is_exploded(loss: f64, ceiling: f64) -> bool {
    !loss.is_finite() || loss > ceiling
}

/// Trains a network and returns the weights of its best epoch on validation.
#[expect(clippy::too_many_arguments, reason = "a training is what all of these make it")]
pub(crate) fn fit_network<N: Network>(
    mut network: N,
    shape: Shape,
    training: &TrainingSpec,
    criterion: &dyn Criterion,
    seed: u64,
    device: &ComputeDevice,
    data: &FitData<'_>,
    on_epoch: OnEpoch<'_>,
) -> Result<N, FitError> {
    let mut descent = Descent::new(training, device);
    let mut schedule = RateSchedule::new(training);
    let mut shuffling = Stream::shuffling(seed);
    let mut noise = Stream::dropout(seed);
    let mut order: Vec<usize> = (0..data.train.len()).collect();
    let valid_targets = data.valid.gather_targets(&(0..data.valid.len()).collect::<Vec<_>>());
    let mut best = network.clone();
    let mut best_loss = f64::INFINITY;
    let mut best_epoch = 0;
    let mut ceiling = EXPLODED;
    for epoch in 1..=training.epochs {
        let started = Instant::now();
        let learning_rate = schedule.rate(epoch);
        shuffling.shuffle(&mut order);
        let mut total = 0.0;
        let mut seen = 0;
        for batch in order.chunks(training.batch_size) {
            // A short last batch is left out only when there is a full one before it to learn from.
            if training.drop_last && batch.len() < training.batch_size && seen > 0 {
                break;
            }
            let input = device.training_tensor(
                [batch.len(), shape.lookback, shape.channels],
                data.train.gather_histories(batch, shape.lookback),
            );
            let forecast = network.forward(input, Some(&mut noise));
            let (loss, loss_value) =
                batch_loss(criterion, forecast, data.train.gather_targets(batch), shape, device);
            if epoch == 1 && seen == 0 {
                ceiling = EXPLODED * loss_value.max(1.0);
            }
            if is_exploded(loss_value, ceiling) {
                return Err(FitError::Diverged { epoch, loss: loss_value });
            }
            total += loss_value * batch.len() as f64;
            seen += batch.len();
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = descent.step(learning_rate, network, gradients);
        }
        let snapshot = network.valid();
        let forecast = infer(&snapshot, &data.valid, shape, device);
        let valid_loss = criterion.value(&forecast, &valid_targets);
        if is_exploded(valid_loss, ceiling) {
            return Err(FitError::Diverged { epoch, loss: valid_loss });
        }
        schedule.observe(valid_loss);
        let train_loss = total / seen as f64;
        let wall_s = started.elapsed().as_secs_f64();
        let verdict = on_epoch(Epoch { epoch, train_loss, valid_loss, learning_rate, wall_s });
        if valid_loss < best_loss {
            best = network.clone();
            best_loss = valid_loss;
            best_epoch = epoch;
        }
        if verdict.is_break() {
            return Err(FitError::Stopped { epoch });
        }
        if training.early_stopping_patience.is_some_and(|patience| epoch - best_epoch >= patience) {
            break;
        }
    }
    Ok(best)
}

/// The loss of a batch as what gradients are asked of, and its value.
fn batch_loss(
    criterion: &dyn Criterion,
    forecast: Tensor<3>,
    targets: Vec<f32>,
    shape: Shape,
    device: &ComputeDevice,
) -> (Tensor<1>, f64) {
    if criterion.is_mean_squared_error() {
        let [batch, ..] = forecast.dims();
        let target = device.training_tensor([batch, shape.horizon, shape.targets], targets);
        let loss = (forecast - target).square().mean();
        let value = f64::from(device.values(loss.clone())[0]);
        return (loss, value);
    }
    // The product of the forecast with its gradient, held constant, has that gradient.
    let dims = forecast.dims();
    let values = device.values(forecast.clone());
    let mut gradient = vec![0.0; values.len()];
    let value = criterion.value_and_gradient(&values, &targets, &mut gradient);
    ((forecast * device.training_tensor(dims, gradient)).sum(), value)
}
