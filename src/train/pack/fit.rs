//! The training loop of a pack: that of a run alone, for all of them in lockstep.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Int, Tensor, TensorData, s};

use super::descent::PackDescent;
use super::member::{ActiveMember, MemberEnd, PackMember};
use super::{PackNetwork, PackNoise, PackWeights, RowLayout};
use crate::dataset::Windows;
use crate::spec::TrainingSpec;
use crate::train::fit::is_exploded;
use crate::train::{ComputeDevice, Criterion, Epoch, FitData, FitError, Shape};

/// Batches whose losses wait on the device before they are read: reading stops everything until the device is through.
const LOSSES_AT_ONCE: usize = 64;
/// Windows of a validation batch, where the training batch is not larger.
const LEAST_INFERENCE_BATCH: usize = 64;
/// Windows of a validation batch at most.
const MOST_INFERENCE_BATCH: usize = 256;

/// Who is told how a pack goes; members are numbered as they were given.
pub(crate) trait PackAudience {
    /// These members ended an epoch; says of each whether it goes on.
    fn epochs(&mut self, epochs: &[(usize, Epoch)]) -> Vec<bool>;

    /// A member has ended, with the weights of its best epoch on validation or without a result.
    fn ended(&mut self, member: usize, outcome: Result<Vec<f32>, FitError>);
}

/// A pack in training.
struct PackFit<'a> {
    network: &'a dyn PackNetwork,
    layout: Arc<RowLayout>,
    shape: Shape,
    criterion: &'a dyn Criterion,
    device: &'a ComputeDevice,
    members: Vec<ActiveMember<'a>>,
    /// The weights, `models x width`.
    rows: Tensor<2>,
    descent: PackDescent,
}

/// Trains all members in lockstep, until each of them has ended.
#[expect(clippy::too_many_arguments, reason = "a training is what all of these make it")]
pub(crate) fn fit_pack(
    network: &dyn PackNetwork,
    layout: Arc<RowLayout>,
    members: &[PackMember<'_>],
    shape: Shape,
    criterion: &dyn Criterion,
    device: &ComputeDevice,
    data: &FitData<'_>,
    audience: &mut dyn PackAudience,
) {
    let Some(training) = members.first().map(|member| member.training) else { return };
    let values = members.iter().flat_map(|member| member.weights.iter().copied()).collect();
    let rows = device.plain_tensor([members.len(), layout.width()], values);
    let active = members.iter().enumerate();
    let active = active.map(|(number, member)| ActiveMember::new(number, member, data.train.len()));
    let descent = PackDescent::new(&rows);
    let members = active.collect();
    let mut fit = PackFit { network, layout, shape, criterion, device, members, rows, descent };
    for epoch in 1..=training.epochs {
        let started = Instant::now();
        let seen = fit.train_epoch(epoch, training, &data.train);
        fit.release(audience);
        if fit.members.is_empty() {
            return;
        }
        let losses = fit.validate(epoch, training, &data.valid);
        fit.release(audience);
        let wall_s = started.elapsed().as_secs_f64();
        fit.judge_epoch(epoch, &losses, seen, wall_s, audience);
        if epoch == training.epochs {
            fit.members.iter_mut().for_each(|member| {
                member.end.get_or_insert(MemberEnd::Best);
            });
        }
        fit.release(audience);
        if fit.members.is_empty() {
            return;
        }
    }
}

impl PackFit<'_> {
    /// One pass over the training windows, each member in its own order; returns how many windows each has seen.
    fn train_epoch(&mut self, epoch: usize, training: &TrainingSpec, windows: &Windows<'_>) -> usize {
        for member in &mut self.members {
            member.learning_rate = member.schedule.rate(epoch);
            member.shuffling.shuffle(&mut member.order);
            member.total = 0.0;
        }
        let mut seen = 0;
        let mut unread: Vec<(usize, Tensor<2>)> = Vec::new();
        for start in (0..windows.len()).step_by(training.batch_size) {
            let batch = training.batch_size.min(windows.len() - start);
            // A short last batch is left out only when there is a full one before it to learn from.
            if training.drop_last && batch < training.batch_size && seen > 0 {
                break;
            }
            let losses = self.train_batch(windows, start, batch);
            unread.push((batch, losses));
            if unread.len() == LOSSES_AT_ONCE {
                self.read_losses(epoch, seen + batch, &mut unread);
            }
            seen += batch;
        }
        self.read_losses(epoch, seen, &mut unread);
        seen
    }

    /// One step of every member; returns their losses, `models x 1`.
    fn train_batch(&mut self, windows: &Windows<'_>, start: usize, batch: usize) -> Tensor<2> {
        let Shape { lookback, channels, .. } = self.shape;
        let models = self.members.len();
        let mut histories = Vec::with_capacity(models * batch * lookback * channels);
        let mut targets = Vec::new();
        for member in &self.members {
            let own = &member.order[start..start + batch];
            histories.extend(windows.gather_histories(own, lookback));
            targets.extend(windows.gather_targets(own));
        }
        let input = self.device.plain_tensor([models, batch, lookback, channels], histories);
        let weights = PackWeights::new(&self.rows, &self.layout);
        let sources = self.members.iter_mut().map(|member| (&mut member.noise, member.dropout)).collect();
        let mut noise = PackNoise { sources, device: self.device };
        let (forecast, backward) = self.network.learn(&weights, input, &mut noise);
        let (losses, gradient) = self.loss(forecast, targets);
        let gradients = backward(gradient).into_rows(&self.layout, &self.rows);
        let rows = self.rows.clone();
        self.rows = self.descent.step(rows, gradients, &self.members, self.device);
        losses
    }

    /// The loss of each model, `models x 1`, and the gradients of all of them by the forecasts.
    fn loss(&self, forecast: Tensor<4>, targets: Vec<f32>) -> (Tensor<2>, Tensor<4>) {
        let dims = forecast.dims();
        let [models, batch, horizon, outputs] = dims;
        let each = batch * horizon * outputs;
        if self.criterion.is_mean_squared_error() {
            let error = forecast - self.device.plain_tensor(dims, targets);
            let losses = error.clone().square().reshape([models, each]).mean_dim(1);
            return (losses, error.mul_scalar(2.0 / each as f32));
        }
        let values = self.device.values(forecast);
        let mut gradient = vec![0.0; values.len()];
        let own_targets = targets.chunks_exact(targets.len() / models);
        let parts = values.chunks_exact(each).zip(own_targets).zip(gradient.chunks_exact_mut(each));
        let losses = parts.map(|((values, targets), gradient)| {
            self.criterion.value_and_gradient(values, targets, gradient) as f32
        });
        let losses = self.device.plain_tensor([models, 1], losses.collect());
        (losses, self.device.plain_tensor(dims, gradient))
    }

    /// Reads the losses of the last batches from the device; `seen` windows were trained on in this epoch so far.
    fn read_losses(&mut self, epoch: usize, seen: usize, unread: &mut Vec<(usize, Tensor<2>)>) {
        let sizes: Vec<usize> = unread.iter().map(|(batch, _)| *batch).collect();
        let is_start = sizes.iter().sum::<usize>() == seen;
        if sizes.is_empty() {
            return;
        }
        let losses = Tensor::cat(unread.drain(..).map(|(_, losses)| losses).collect(), 1);
        let losses = self.device.values(losses);
        for (member, losses) in self.members.iter_mut().zip(losses.chunks_exact(sizes.len())) {
            for (at, (&loss, &windows)) in losses.iter().zip(&sizes).enumerate() {
                let is_first = epoch == 1 && is_start && at == 0;
                member.take_loss(epoch, is_first, f64::from(loss), windows);
            }
        }
    }

    /// The validation loss of each member; one that has exploded ends.
    fn validate(&mut self, epoch: usize, training: &TrainingSpec, windows: &Windows<'_>) -> Vec<f64> {
        let models = self.members.len();
        let Shape { lookback, channels, .. } = self.shape;
        let weights = PackWeights::new(&self.rows, &self.layout);
        let indices: Vec<usize> = (0..windows.len()).collect();
        let mut forecasts = vec![Vec::new(); models];
        for batch in indices.chunks(inference_batch(training.batch_size)) {
            let histories = windows.gather_histories(batch, lookback);
            let input = self.device.plain_tensor([1, batch.len(), lookback, channels], histories);
            let forecast = self.network.forecast(&weights, input.repeat_dim(0, models));
            let values = self.device.values(forecast);
            for (all, own) in forecasts.iter_mut().zip(values.chunks_exact(values.len() / models)) {
                all.extend_from_slice(own);
            }
        }
        let targets = windows.gather_targets(&indices);
        let criterion = self.criterion;
        let losses = self.members.iter_mut().zip(&forecasts).map(|(member, forecast)| {
            let loss = criterion.value(forecast, &targets);
            if is_exploded(loss, member.ceiling) {
                member.end = Some(MemberEnd::Error(FitError::Diverged { epoch, loss }));
            }
            loss
        });
        let losses: Vec<f64> = losses.collect();
        // Only of the members that go on.
        let kept = losses.iter().zip(&self.members).filter(|(_, member)| member.end.is_none());
        kept.map(|(loss, _)| *loss).collect()
    }

    /// Tells the epoch, keeps the best weights, and finds out who goes on.
    fn judge_epoch(
        &mut self,
        epoch: usize,
        valid_losses: &[f64],
        seen: usize,
        wall_s: f64,
        audience: &mut dyn PackAudience,
    ) {
        let mut told = Vec::with_capacity(self.members.len());
        for (member, &valid_loss) in self.members.iter_mut().zip(valid_losses) {
            member.schedule.observe(valid_loss);
            let train_loss = member.total / seen as f64;
            let learning_rate = member.learning_rate;
            told.push((member.number, Epoch { epoch, train_loss, valid_loss, learning_rate, wall_s }));
        }
        let verdicts = audience.epochs(&told);
        for (at, (member, &valid_loss)) in self.members.iter_mut().zip(valid_losses).enumerate() {
            if valid_loss < member.best_loss {
                member.best = Some(self.rows.clone().slice(s![at..=at, ..]));
                member.best_loss = valid_loss;
                member.best_epoch = epoch;
            }
            let patience = member.training.early_stopping_patience;
            if !verdicts[at] {
                member.end = Some(MemberEnd::Error(FitError::Stopped { epoch }));
            } else if patience.is_some_and(|patience| epoch - member.best_epoch >= patience) {
                member.end = Some(MemberEnd::Best);
            }
        }
    }

    /// Lets the members go that have ended: the others are trained without them.
    fn release(&mut self, audience: &mut dyn PackAudience) {
        if self.members.iter().all(|member| member.end.is_none()) {
            return;
        }
        let mut kept = Vec::new();
        let mut going = Vec::new();
        let mut ended = Vec::new();
        for (at, mut member) in std::mem::take(&mut self.members).into_iter().enumerate() {
            match member.end.take() {
                None => {
                    kept.push(at as i32);
                    going.push(member);
                }
                Some(MemberEnd::Error(error)) => ended.push((member.number, Err(error))),
                Some(MemberEnd::Best) => {
                    let best = member.best.unwrap_or_else(|| self.rows.clone().slice(s![at..=at, ..]));
                    ended.push((member.number, Ok(self.device.values(best))));
                }
            }
        }
        self.members = going;
        if !kept.is_empty() {
            let device = self.rows.device();
            let count = kept.len();
            let kept: Tensor<1, Int> = Tensor::from_data(TensorData::new(kept, [count]), &device);
            self.rows = self.rows.clone().select(0, kept.clone());
            self.descent.keep(|rows| rows.select(0, kept.clone()));
        }
        for (number, outcome) in ended {
            audience.ended(number, outcome);
        }
    }
}

/// Windows in one validation batch of a pack: its values take the memory of a training batch.
pub(crate) fn inference_batch(batch_size: usize) -> usize {
    batch_size.clamp(LEAST_INFERENCE_BATCH, MOST_INFERENCE_BATCH)
}
