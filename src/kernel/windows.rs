//! Linear maps from windows of the past to forecasts, and their gradients.
//!
//! Linear, NLinear and DLinear (Zeng et al., AAAI 2023) are all one linear map of a target's past. Each is first
//! *folded* into the weights of that map, so that the moving average and the subtraction of the last value cost a pass
//! over the weights and none over the windows; the gradient by the folded weights is unfolded again.

use super::buffer::Buffer;
use super::matrix::{Matrix, multiply_into};

/// How the weights of a linear model act on the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// Directly.
    Plain,
    /// On differences from the last value, which is added again.
    Last,
    /// One set of weights on what the moving average leaves over, a second one on the moving average, with replicated
    /// edges.
    Trend {
        /// Width of the average: odd.
        kernel: usize,
    },
}

impl Fold {
    /// How many sets of weights are folded into one.
    pub fn parts(self) -> usize {
        match self {
            Fold::Plain | Fold::Last => 1,
            Fold::Trend { .. } => 2,
        }
    }

    /// Folds `parts x rows x lookback` weights into `rows x lookback`.
    pub fn fold(self, weights: &[f32], lookback: usize) -> Vec<f32> {
        match self {
            Fold::Plain => weights.to_vec(),
            Fold::Last => {
                let mut folded = weights.to_vec();
                for row in folded.chunks_exact_mut(lookback) {
                    let sum: f32 = row.iter().sum();
                    row[lookback - 1] += 1.0 - sum;
                }
                folded
            }
            Fold::Trend { kernel } => {
                let (seasonal, trend) = weights.split_at(weights.len() / 2);
                let mut folded = seasonal.to_vec();
                let mut difference = vec![0.0; lookback];
                let rows = seasonal.chunks_exact(lookback).zip(trend.chunks_exact(lookback));
                for (folded, (seasonal, trend)) in folded.chunks_exact_mut(lookback).zip(rows) {
                    for ((difference, trend), seasonal) in difference.iter_mut().zip(trend).zip(seasonal) {
                        *difference = (trend - seasonal) / kernel as f32;
                    }
                    add_spread(folded, &difference, kernel);
                }
                folded
            }
        }
    }

    /// The gradient by the weights, given the one by the folded weights.
    pub fn unfold(self, by_folded: Vec<f32>, lookback: usize) -> Vec<f32> {
        match self {
            Fold::Plain => by_folded,
            Fold::Last => {
                let mut by_weights = by_folded;
                for row in by_weights.chunks_exact_mut(lookback) {
                    let last = row[lookback - 1];
                    for value in row {
                        *value -= last;
                    }
                }
                by_weights
            }
            Fold::Trend { kernel } => {
                let size = by_folded.len();
                let mut by_weights = by_folded;
                by_weights.resize(2 * size, 0.0);
                let (by_seasonal, by_trend) = by_weights.split_at_mut(size);
                let rows = by_seasonal.chunks_exact_mut(lookback).zip(by_trend.chunks_exact_mut(lookback));
                for (by_seasonal, by_trend) in rows {
                    add_gathered(by_trend, by_seasonal, kernel);
                    for (by_seasonal, by_trend) in by_seasonal.iter_mut().zip(by_trend) {
                        *by_trend /= kernel as f32;
                        *by_seasonal -= *by_trend;
                    }
                }
                by_weights
            }
        }
    }
}

/// For every shift of the averaging window: the steps it moves inside the sequence, then those it clamps to an edge.
fn shifts(lookback: usize, kernel: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let half = kernel / 2;
    // Step `center` meets step `center + offset - half`: `skip` centers clamp to the first step, `keep` do not clamp.
    (0..kernel).map(move |offset| {
        let back = half.saturating_sub(offset).min(lookback);
        let ahead = offset.saturating_sub(half).min(lookback);
        (back, ahead, lookback - back - ahead)
    })
}

/// Adds to each step the values of all centers whose averaging window covers it; an edge counts as often as it is
/// replicated.
fn add_spread(target: &mut [f32], centers: &[f32], kernel: usize) {
    let last = target.len() - 1;
    for (back, ahead, inside) in shifts(target.len(), kernel) {
        let moved = &centers[back..back + inside];
        target[ahead..ahead + inside].iter_mut().zip(moved).for_each(|(target, value)| *target += value);
        target[0] += centers[..back].iter().sum::<f32>();
        target[last] += centers[back + inside..].iter().sum::<f32>();
    }
}

/// Adds to each center the values of all steps in its averaging window, edges replicated: the adjoint of
/// [`add_spread`].
fn add_gathered(centers: &mut [f32], values: &[f32], kernel: usize) {
    let last = values[values.len() - 1];
    for (back, ahead, inside) in shifts(values.len(), kernel) {
        let moved = &values[ahead..ahead + inside];
        centers[back..back + inside].iter_mut().zip(moved).for_each(|(center, value)| *center += value);
        centers[..back].iter_mut().for_each(|center| *center += values[0]);
        centers[back + inside..].iter_mut().for_each(|center| *center += last);
    }
}

/// Sizes of a batch of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSizes {
    /// Windows.
    pub batch: usize,
    /// Steps of the past in each.
    pub lookback: usize,
    /// Channels of each step.
    pub channels: usize,
    /// Channels that are forecast: the first ones.
    pub targets: usize,
    /// Steps that are forecast.
    pub horizon: usize,
    /// Sets of weights: 1, or one for each target.
    pub sets: usize,
}

impl WindowSizes {
    /// Windows of all targets that one set of weights meets.
    fn rows(&self) -> usize {
        self.batch * self.targets / self.sets
    }
}

/// The pasts of a batch, `targets x batch x lookback`: every target's past lies in one piece.
#[derive(Debug, Clone)]
pub struct Pasts(Buffer);

impl Pasts {
    /// From `batch x lookback x channels`.
    pub fn gather(sizes: &WindowSizes, input: &[f32]) -> Self {
        let WindowSizes { batch, lookback, channels, targets, .. } = *sizes;
        let mut pasts = Buffer::of(targets * batch * lookback);
        for (target, pasts) in pasts.chunks_exact_mut(batch * lookback).enumerate() {
            let windows = input.chunks_exact(lookback * channels);
            for (past, window) in pasts.chunks_exact_mut(lookback).zip(windows) {
                for (value, step) in past.iter_mut().zip(window.chunks_exact(channels)) {
                    *value = step[target];
                }
            }
        }
        Self(pasts)
    }
}

/// Forecasts, `batch x horizon x targets`, by folded weights, `sets x horizon x lookback`, and a bias, `sets x horizon`.
pub fn window_products(sizes: &WindowSizes, pasts: &Pasts, folded: &[f32], bias: &[f32]) -> Vec<f32> {
    let WindowSizes { batch, lookback, targets, horizon, .. } = *sizes;
    let rows = sizes.rows();
    let mut products = Buffer::of(targets * batch * horizon);
    let sets = folded.chunks_exact(horizon * lookback).zip(bias.chunks_exact(horizon));
    let parts = products.chunks_exact_mut(rows * horizon).zip(pasts.0.chunks_exact(rows * lookback));
    for ((products, pasts), (weights, bias)) in parts.zip(sets) {
        for row in products.chunks_exact_mut(horizon) {
            row.copy_from_slice(bias);
        }
        let weights = Matrix::new(weights, horizon, lookback).transposed();
        multiply_into(products, Matrix::new(pasts, rows, lookback), weights, true);
    }
    let mut forecasts = vec![0.0; batch * horizon * targets];
    for (target, products) in products.chunks_exact(batch * horizon).enumerate() {
        for (forecast, product) in forecasts.chunks_exact_mut(targets).zip(products) {
            forecast[target] = *product;
        }
    }
    forecasts
}

/// Gradients by the folded weights and by the bias, given the one by the forecasts.
pub fn window_gradients(sizes: &WindowSizes, pasts: &Pasts, by_forecasts: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let WindowSizes { batch, lookback, targets, horizon, sets, .. } = *sizes;
    let rows = sizes.rows();
    let mut by_products = Buffer::of(targets * batch * horizon);
    for (target, by_products) in by_products.chunks_exact_mut(batch * horizon).enumerate() {
        for (by_product, by_forecast) in by_products.iter_mut().zip(by_forecasts.chunks_exact(targets)) {
            *by_product = by_forecast[target];
        }
    }
    let mut by_weights = vec![0.0; sets * horizon * lookback];
    let mut by_bias = vec![0.0; sets * horizon];
    let parts = by_products.chunks_exact(rows * horizon).zip(pasts.0.chunks_exact(rows * lookback));
    let targets = by_weights.chunks_exact_mut(horizon * lookback).zip(by_bias.chunks_exact_mut(horizon));
    for ((by_products, pasts), (by_weights, by_bias)) in parts.zip(targets) {
        let by_rows = Matrix::new(by_products, rows, horizon).transposed();
        multiply_into(by_weights, by_rows, Matrix::new(pasts, rows, lookback), false);
        for row in by_products.chunks_exact(horizon) {
            by_bias.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
    }
    (by_weights, by_bias)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::Stream;

    /// The forecast of one target as the paper computes it.
    fn plainly(fold: Fold, past: &[f32], weights: &[f32], bias: f32) -> f32 {
        let dot = |weights: &[f32], past: &[f32]| weights.iter().zip(past).map(|(a, b)| a * b).sum::<f32>();
        match fold {
            Fold::Plain => dot(weights, past) + bias,
            Fold::Last => {
                let last = past[past.len() - 1];
                let moved: Vec<f32> = past.iter().map(|value| value - last).collect();
                dot(weights, &moved) + bias + last
            }
            Fold::Trend { kernel } => {
                let at = |step: isize| past[step.clamp(0, past.len() as isize - 1) as usize];
                let half = (kernel / 2) as isize;
                let average =
                    |center: isize| (center - half..=center + half).map(at).sum::<f32>() / kernel as f32;
                let trend: Vec<f32> = (0..past.len() as isize).map(average).collect();
                let seasonal: Vec<f32> = past.iter().zip(&trend).map(|(past, trend)| past - trend).collect();
                let (by_seasonal, by_trend) = weights.split_at(past.len());
                dot(by_seasonal, &seasonal) + dot(by_trend, &trend) + bias
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A linear model's gradient by a weight is exact in one difference, however large the step.
        #[test]
        fn forecasts_and_gradients_are_those_of_the_paper(
            batch in 1_usize..5, lookback in 1_usize..20, extra in 0_usize..3, targets in 1_usize..4, horizon in 1_usize..5,
            per_target: bool, which in 0_usize..3, half in 0_usize..12, seed in 0_u64..1_000,
        ) {
            let fold = [Fold::Plain, Fold::Last, Fold::Trend { kernel: 2 * half + 1 }][which];
            let sets = if per_target { targets } else { 1 };
            let channels = targets + extra;
            let sizes = WindowSizes { batch, lookback, channels, targets, horizon, sets };
            let mut stream = Stream::weights(seed);
            let input = stream.uniform(batch * lookback * channels, 1.0);
            let weights = stream.uniform(fold.parts() * sets * horizon * lookback, 1.0);
            let bias = stream.uniform(sets * horizon, 1.0);
            let by_forecasts = stream.uniform(batch * horizon * targets, 1.0);
            let pasts = Pasts::gather(&sizes, &input);
            let forecasts = window_products(&sizes, &pasts, &fold.fold(&weights, lookback), &bias);
            let (by_folded, by_bias) = window_gradients(&sizes, &pasts, &by_forecasts);
            let by_weights = fold.unfold(by_folded, lookback);
            // The weights and the bias of one row, all parts one after the other.
            let row = |weights: &[f32], row: usize| -> Vec<f32> {
                weights.chunks_exact(sets * horizon * lookback).flat_map(|part| part[row * lookback..][..lookback].to_vec()).collect()
            };
            let past = |window: usize, target: usize| -> Vec<f32> {
                (0..lookback).map(|step| input[(window * lookback + step) * channels + target]).collect()
            };
            let mut expected_bias = vec![0.0; sets * horizon];
            let mut slopes = vec![0.0; weights.len()];
            for window in 0..batch {
                for step in 0..horizon {
                    for target in 0..targets {
                        let at = (window * horizon + step) * targets + target;
                        let set = if per_target { target } else { 0 };
                        let number = set * horizon + step;
                        let mine = row(&weights, number);
                        let expected = plainly(fold, &past(window, target), &mine, bias[number]);
                        prop_assert!((forecasts[at] - expected).abs() < 1e-4, "{} not {expected}", forecasts[at]);
                        expected_bias[number] += by_forecasts[at];
                        for place in 0..mine.len() {
                            let mut nudged = mine.clone();
                            nudged[place] += 1.0;
                            let moved = plainly(fold, &past(window, target), &nudged, bias[number]) - expected;
                            let (part, place) = (place / lookback, place % lookback);
                            slopes[(part * sets * horizon + number) * lookback + place] += moved * by_forecasts[at];
                        }
                    }
                }
            }
            for (found, expected) in by_weights.iter().zip(&slopes).chain(by_bias.iter().zip(&expected_bias)) {
                prop_assert!((found - expected).abs() < 1e-3, "{found} not {expected}");
            }
        }
    }
}
