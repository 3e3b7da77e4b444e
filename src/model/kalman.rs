//! A level and a trend that wander, tracked by a Kalman filter (Kalman, "A New Approach to Linear Filtering and
//! Prediction Problems", 1960; Harvey, *Forecasting, Structural Time Series Models and the Kalman Filter*, 1989, section
//! 2.3.3).
//!
//! With its default variances this is the load predictor of a planner for LLM serving: `F = [[1, 1], [0, 1]]`,
//! `H = [1, 0]`, `P = 1000 I`, `Q = diag(1, 0.1)`, `R = 10`. The state is built anew from each lookback window, so that
//! a forecast depends on its window alone. The gains do not depend on the values, so the whole filter is one linear map of
//! the window, which is computed once.
//!
//! In scaled units the level starts at zero, which is the mean of the training steps. In original units it starts at the
//! first value of the window: zero there may be a million deviations from everything that was ever seen.

use super::filter_scale::FilterScale;
use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::{FilterUnits, KalmanSpec};

/// The filter, one for each target, all with the same gains.
pub struct Kalman {
    shape: Shape,
    /// `horizon x lookback`: what each step of the window, the oldest first, weighs in each forecast.
    weight: Vec<f32>,
    scale: FilterScale,
}

impl Kalman {
    /// A filter with these variances.
    pub fn new(shape: Shape, spec: &KalmanSpec) -> Self {
        let starts_at_first = spec.units == FilterUnits::Original;
        let weight = weights(spec, starts_at_first, shape.lookback, shape.horizon);
        Self { shape, weight, scale: FilterScale::new(spec.units, shape.targets) }
    }
}

/// Level and trend, their covariance, and what each value seen so far weighs in them.
struct FilterState {
    covariance: [[f64; 2]; 2],
    level: Vec<f64>,
    trend: Vec<f64>,
}

impl FilterState {
    /// Moves one step ahead.
    fn predict(&mut self, spec: &KalmanSpec) {
        for (level, trend) in self.level.iter_mut().zip(&self.trend) {
            *level += trend;
        }
        let [[a, b], [_, d]] = self.covariance;
        self.covariance = [[a + 2.0 * b + d + spec.level_variance, b + d], [b + d, d + spec.trend_variance]];
    }

    /// Takes up the value of step `step` of the window.
    fn update(&mut self, spec: &KalmanSpec, step: usize) {
        let [[a, b], [_, d]] = self.covariance;
        let innovation = a + spec.observation_variance;
        let (of_level, of_trend) = (a / innovation, b / innovation);
        for at in 0..self.level.len() {
            let error = f64::from(u8::from(at == step)) - self.level[at];
            self.level[at] += of_level * error;
            self.trend[at] += of_trend * error;
        }
        self.covariance =
            [[(1.0 - of_level) * a, (1.0 - of_level) * b], [(1.0 - of_level) * b, d - of_trend * b]];
    }
}

/// The filter as a linear map, `horizon x lookback`. Its level starts at zero, or at the first value: then the filter is that
/// of the distances from the first value, and the weights of a forecast add up to one.
fn weights(spec: &KalmanSpec, starts_at_first: bool, lookback: usize, horizon: usize) -> Vec<f32> {
    let variance = spec.initial_variance;
    let mut state = FilterState {
        covariance: [[variance, 0.0], [0.0, variance]],
        level: vec![0.0; lookback],
        trend: vec![0.0; lookback],
    };
    for step in 0..lookback {
        if step > 0 {
            state.predict(spec);
        }
        state.update(spec, step);
    }
    let ahead = |steps: usize| {
        let both = state.level.iter().zip(&state.trend);
        let mut weights: Vec<f64> = both.map(|(level, trend)| level + steps as f64 * trend).collect();
        if starts_at_first && let Some(rest) = weights.get(1..) {
            weights[0] = 1.0 - rest.iter().sum::<f64>();
        }
        weights.into_iter().map(|weight| weight as f32)
    };
    (1..=horizon).flat_map(ahead).collect()
}

impl Forecaster for Kalman {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        self.scale.fit(data.scaler);
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let Shape { lookback, horizon, channels, targets, .. } = self.shape;
        let mut forecasts = vec![0.0; windows.len() * horizon * targets];
        if windows.is_empty() {
            return forecasts;
        }
        let first = windows.origins.start - lookback;
        let seen = &windows.steps.inputs[first * channels..(windows.origins.end - 1) * channels];
        for target in 0..targets {
            let values: Vec<f64> = seen
                .chunks_exact(channels)
                .map(|step| self.scale.filtered_unit(target, step[target]))
                .collect();
            for (index, past) in values.windows(lookback).enumerate() {
                for (ahead, weight) in self.weight.chunks_exact(lookback).enumerate() {
                    let forecast =
                        past.iter().zip(weight).map(|(value, &weight)| value * f64::from(weight)).sum();
                    forecasts[(index * horizon + ahead) * targets + target] =
                        self.scale.scaled_unit(target, forecast);
                }
            }
        }
        forecasts
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        let weight = ParameterValues {
            shape: vec![self.shape.horizon, self.shape.lookback],
            data: self.weight.clone(),
        };
        Parameters::from([("weight".to_string(), weight), self.scale.parameter()])
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        let Shape { lookback, horizon, .. } = self.shape;
        self.weight.clone_from(&parameters.get("weight", &[horizon, lookback])?.data);
        self.scale.load(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook filter in matrices, with the planner's constants, in the order update, predict, update, ...
    fn textbook(values: &[f64], steps_ahead: f64) -> f64 {
        let (mut level, mut trend) = (0.0, 0.0);
        let mut p = [[1_000.0, 0.0], [0.0, 1_000.0]];
        for (step, value) in values.iter().enumerate() {
            if step > 0 {
                level += trend;
                let f = [[1.0, 1.0], [0.0, 1.0]];
                let times = |a: [[f64; 2]; 2], b: [[f64; 2]; 2]| {
                    let cell = |i: usize, j: usize| a[i][0] * b[0][j] + a[i][1] * b[1][j];
                    [[cell(0, 0), cell(0, 1)], [cell(1, 0), cell(1, 1)]]
                };
                p = times(times(f, p), [[1.0, 0.0], [1.0, 1.0]]);
                p[0][0] += 1.0;
                p[1][1] += 0.1;
            }
            let s = p[0][0] + 10.0;
            let gain = [p[0][0] / s, p[1][0] / s];
            let error = value - level;
            level += gain[0] * error;
            trend += gain[1] * error;
            let row = p[0];
            p = [0, 1].map(|i| [0, 1].map(|j| p[i][j] - gain[i] * row[j]));
        }
        level + steps_ahead * trend
    }

    #[test]
    fn the_linear_map_is_the_filter() {
        let values = [3.0, 5.0, 4.0, 8.0, 9.5, 9.0, 14.0];
        let weights = weights(&KalmanSpec::default(), false, values.len(), 3);
        for (ahead, weights) in weights.chunks_exact(values.len()).enumerate() {
            let own: f64 = values.iter().zip(weights).map(|(value, &weight)| value * f64::from(weight)).sum();
            assert!((own - textbook(&values, (ahead + 1) as f64)).abs() < 1e-4, "{own}");
        }
    }

    #[test]
    fn a_straight_line_goes_on() {
        let weights = weights(&KalmanSpec::default(), false, 60, 2);
        let line = |step: usize| 7.0 + 2.0 * step as f64;
        for (ahead, weights) in weights.chunks_exact(60).enumerate() {
            let own: f64 =
                weights.iter().enumerate().map(|(step, &weight)| line(step) * f64::from(weight)).sum();
            assert!((own - line(60 + ahead)).abs() < 0.05, "{own} against {}", line(60 + ahead));
        }
    }

    #[test]
    fn a_level_that_starts_at_the_first_value_forecasts_a_constant_as_that_constant() {
        for (lookback, initial_variance) in [(1, 1_000.0), (3, 1.0), (40, 1_000.0)] {
            let spec = KalmanSpec { initial_variance, ..KalmanSpec::default() };
            for weights in weights(&spec, true, lookback, 3).chunks_exact(lookback) {
                let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
                assert!((total - 1.0).abs() < 1e-6, "{lookback}: {total}");
            }
        }
    }
}
