//! Exponential smoothing of the level (Brown, "Exponential Smoothing for Predicting Demand", 1956; Gardner,
//! "Exponential smoothing: the state of the art", *Journal of Forecasting* 4, 1985).

use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;

/// Weights that are tried where none is given: evenly spaced in their logarithm.
const CANDIDATES: usize = 25;
const SMALLEST: f64 = 0.005;
/// Training windows that the candidates are judged on, evenly spread: more would not change the choice.
const MOST_JUDGED: usize = 20_000;

/// The level `s`, which moves towards each value `x` of the lookback by `alpha (x - s)`, starting at the oldest one; it
/// is the forecast of every step ahead. Runs on the scale that the networks learn on.
pub struct Ewma {
    shape: Shape,
    given: Option<f64>,
    /// One for each target.
    alpha: Vec<f32>,
}

impl Ewma {
    /// With a given weight of the newest step, or one that is chosen for each target on the training windows.
    pub fn new(shape: Shape, alpha: Option<f64>) -> Self {
        Self { shape, given: alpha, alpha: vec![1.0; shape.targets] }
    }

    fn levels(&self, history: &[f32], weights: &[Vec<f64>]) -> impl Iterator<Item = f32> {
        weights
            .iter()
            .enumerate()
            .map(|(target, weights)| weighted_sum(history, self.shape.channels, target, weights) as f32)
    }

    /// The weight with the smallest squared one-step errors over the training windows; the first of several.
    fn choose(&self, windows: &Windows<'_>, target: usize) -> f32 {
        let stride = windows.len().div_ceil(MOST_JUDGED).max(1);
        let last = (CANDIDATES - 1) as f64;
        let candidates =
            (0..CANDIDATES).map(|step| (SMALLEST.ln() * (1.0 - step as f64 / last)).exp() as f32);
        let error = |alpha: f32| -> f64 {
            let weights = smoothing_weights(alpha, self.shape.lookback);
            (0..windows.len())
                .step_by(stride)
                .map(|window| {
                    let history = windows.history(window, self.shape.lookback);
                    let level = weighted_sum(history, self.shape.channels, target, &weights);
                    (f64::from(windows.target(window)[target]) - level).powi(2)
                })
                .sum()
        };
        let judged = candidates.map(|alpha| (alpha, error(alpha)));
        judged.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(1.0, |(alpha, _)| alpha)
    }
}

/// What each step of the lookback, the oldest first, weighs in the level. The weights sum to 1.
fn smoothing_weights(alpha: f32, lookback: usize) -> Vec<f64> {
    let alpha = f64::from(alpha);
    let mut weight = alpha;
    let mut weights: Vec<f64> = (0..lookback)
        .map(|_| {
            let own = weight;
            weight *= 1.0 - alpha;
            own
        })
        .collect();
    // The oldest step starts the level, so it has what is left.
    if let Some(oldest) = weights.last_mut() {
        *oldest /= alpha;
    }
    weights.reverse();
    weights
}

/// The weighted sum of one channel over a history of `lookback x channels`.
pub(super) fn weighted_sum(history: &[f32], channels: usize, channel: usize, weights: &[f64]) -> f64 {
    history.chunks_exact(channels).zip(weights).map(|(step, weight)| weight * f64::from(step[channel])).sum()
}

impl Forecaster for Ewma {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        self.alpha = (0..self.shape.targets)
            .map(|target| self.given.map_or_else(|| self.choose(&data.train, target), |alpha| alpha as f32))
            .collect();
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let weights: Vec<Vec<f64>> =
            self.alpha.iter().map(|&alpha| smoothing_weights(alpha, self.shape.lookback)).collect();
        let mut forecasts = Vec::with_capacity(windows.len() * self.shape.horizon * self.shape.targets);
        for index in 0..windows.len() {
            let history = windows.history(index, self.shape.lookback);
            let first = forecasts.len();
            forecasts.extend(self.levels(history, &weights));
            for _ in 1..self.shape.horizon {
                forecasts.extend_from_within(first..first + self.shape.targets);
            }
        }
        forecasts
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        Parameters::from([("alpha".to_string(), ParameterValues::vector(self.alpha.clone()))])
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        self.alpha.clone_from(&parameters.get("alpha", &[self.shape.targets])?.data);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_weighted_sum_is_the_smoothing_recursion(
            values in prop::collection::vec(-3.0_f32..3.0, 1..40), alpha in 0.001_f32..=1.0,
        ) {
            let mut level = f64::from(values[0]);
            for &value in &values[1..] {
                level += f64::from(alpha) * (f64::from(value) - level);
            }
            let weights = smoothing_weights(alpha, values.len());
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            prop_assert!((weighted_sum(&values, 1, 0, &weights) - level).abs() < 1e-9);
        }
    }
}
