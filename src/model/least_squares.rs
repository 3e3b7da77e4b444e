//! Linear, NLinear and DLinear in closed form: the exact optimum of the training objective that gradient descent
//! approaches, by the normal equations.
//!
//! The moments of the windows are summed block by block in double precision, so that memory does not grow with the
//! number of windows; the equations are solved through the eigenvalues of the moment matrix (faer), which gives the
//! smallest of all optimal weights where there are many.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

use super::linear::parameter_names;
use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;
use crate::kernel::{Fold, Pasts, WindowSizes, window_products};

/// Windows whose moments are summed at a time.
const BLOCK: usize = 512;
/// Windows in one batch of forecasts.
const FORECAST_BATCH: usize = 1_024;
/// Directions whose variance is a smaller share of the largest one are left out.
const RANK_TOLERANCE: f64 = 1e-11;

/// A linear model whose weights are computed, not trained.
pub struct LeastSquares {
    fold: Fold,
    shape: Shape,
    sets: usize,
    ridge: f64,
    /// `parts x sets x horizon x lookback`.
    weight: Vec<f32>,
    /// `parts x sets x horizon`; all but the first part's are zero.
    bias: Vec<f32>,
}

impl LeastSquares {
    /// Minimises the mean squared error over the training windows plus `ridge` times the squared weights.
    pub fn new(fold: Fold, shape: Shape, per_channel: bool, ridge: f64) -> Self {
        let sets = if per_channel { shape.targets } else { 1 };
        let rows = fold.parts() * sets * shape.horizon;
        Self { fold, shape, sets, ridge, weight: vec![0.0; rows * shape.lookback], bias: vec![0.0; rows] }
    }

    fn sizes(&self, batch: usize) -> WindowSizes {
        let Shape { lookback, horizon, channels, targets, .. } = self.shape;
        WindowSizes { batch, lookback, channels, targets, horizon, sets: self.sets }
    }
}

impl Forecaster for LeastSquares {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        let Shape { lookback, horizon, targets, .. } = self.shape;
        for set in 0..self.sets {
            let mine = if self.sets == 1 { 0..targets } else { set..set + 1 };
            let mut moments = NormalSums::new(lookback, horizon);
            for target in mine {
                moments.add_windows(self.fold, &data.train, target);
            }
            let (weight, bias) = moments.solve(self.fold, self.ridge)?;
            for (part, weight) in weight.chunks_exact(horizon * lookback).enumerate() {
                let first = (part * self.sets + set) * horizon * lookback;
                self.weight[first..first + horizon * lookback].copy_from_slice(weight);
            }
            self.bias[set * horizon..(set + 1) * horizon].copy_from_slice(&bias);
        }
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let folded = self.fold.fold(&self.weight, self.shape.lookback);
        let bias = &self.bias[..self.sets * self.shape.horizon];
        let indices: Vec<usize> = (0..windows.len()).collect();
        indices
            .chunks(FORECAST_BATCH)
            .flat_map(|batch| {
                let sizes = self.sizes(batch.len());
                let pasts = Pasts::gather(&sizes, &windows.gather_histories(batch, self.shape.lookback));
                window_products(&sizes, &pasts, &folded, bias)
            })
            .collect()
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
    }

    fn parameters(&self) -> Parameters {
        let Shape { lookback, horizon, .. } = self.shape;
        let mut parameters = Parameters::default();
        let weights = self.weight.chunks_exact(horizon * lookback);
        for (name, data) in parameter_names(self.fold, self.sets, "weight").into_iter().zip(weights) {
            parameters.insert(name, ParameterValues { shape: vec![horizon, lookback], data: data.to_vec() });
        }
        let biases = self.bias.chunks_exact(horizon);
        for (name, data) in parameter_names(self.fold, self.sets, "bias").into_iter().zip(biases) {
            parameters.insert(name, ParameterValues::vector(data.to_vec()));
        }
        parameters
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        let Shape { lookback, horizon, .. } = self.shape;
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for name in parameter_names(self.fold, self.sets, "weight") {
            weight.extend_from_slice(&parameters.get(&name, &[horizon, lookback])?.data);
        }
        for name in parameter_names(self.fold, self.sets, "bias") {
            bias.extend_from_slice(&parameters.get(&name, &[horizon])?.data);
        }
        (self.weight, self.bias) = (weight, bias);
        Ok(())
    }
}

/// Sums over windows of everything that the normal equations need.
struct NormalSums {
    count: f64,
    /// Of the past: `lookback`.
    past: Vec<f64>,
    /// Of what is forecast: `horizon`.
    future: Vec<f64>,
    /// Past times past.
    square: Mat<f64>,
    /// Past times future.
    cross: Mat<f64>,
}

impl NormalSums {
    fn new(lookback: usize, horizon: usize) -> Self {
        Self {
            count: 0.0,
            past: vec![0.0; lookback],
            future: vec![0.0; horizon],
            square: Mat::zeros(lookback, lookback),
            cross: Mat::zeros(lookback, horizon),
        }
    }

    /// Adds every window of one target; NLinear's are taken relative to the last value of the past.
    fn add_windows(&mut self, fold: Fold, windows: &Windows<'_>, target: usize) {
        let (lookback, horizon) = (self.past.len(), self.future.len());
        let (channels, targets) = (windows.steps.channels, windows.steps.target_count);
        for first in (0..windows.len()).step_by(BLOCK) {
            let block = first..(first + BLOCK).min(windows.len());
            let mut past = Mat::zeros(block.len(), lookback);
            let mut future = Mat::zeros(block.len(), horizon);
            for (row, window) in block.enumerate() {
                let history = windows.history(window, lookback);
                let base = match fold {
                    Fold::Last => f64::from(history[(lookback - 1) * channels + target]),
                    Fold::Plain | Fold::Trend { .. } => 0.0,
                };
                for step in 0..lookback {
                    past[(row, step)] = f64::from(history[step * channels + target]) - base;
                    self.past[step] += past[(row, step)];
                }
                let values = windows.target(window);
                for step in 0..horizon {
                    future[(row, step)] = f64::from(values[step * targets + target]) - base;
                    self.future[step] += future[(row, step)];
                }
            }
            self.count += past.nrows() as f64;
            matmul(self.square.as_mut(), Accum::Add, past.transpose(), past.as_ref(), 1.0, Par::Seq);
            matmul(self.cross.as_mut(), Accum::Add, past.transpose(), future.as_ref(), 1.0, Par::Seq);
        }
    }

    /// Weights, `parts x horizon x lookback`, and bias, `horizon`.
    fn solve(&self, fold: Fold, ridge: f64) -> Result<(Vec<f32>, Vec<f32>), FitError> {
        let (lookback, horizon) = (self.past.len(), self.future.len());
        let mean = |sum: &f64| sum / self.count;
        let past: Vec<f64> = self.past.iter().map(mean).collect();
        let future: Vec<f64> = self.future.iter().map(mean).collect();
        let square =
            Mat::from_fn(lookback, lookback, |a, b| self.square[(a, b)] / self.count - past[a] * past[b]);
        let cross =
            Mat::from_fn(lookback, horizon, |a, b| self.cross[(a, b)] / self.count - past[a] * future[b]);
        let features = features(fold, lookback);
        let square = &features * &square * features.transpose();
        let cross = &features * &cross;
        let weight = solve_symmetric(square.as_ref(), cross.as_ref(), ridge)?;
        let past = &features * Mat::from_fn(lookback, 1, |step, _| past[step]);
        let explained = weight.transpose() * &past;
        let bias = (0..horizon).map(|step| (future[step] - explained[(step, 0)]) as f32).collect();
        let parts = fold.parts();
        let weight = (0..parts)
            .flat_map(|part| (0..horizon).map(move |row| (part, row)))
            .flat_map(|(part, row)| (0..lookback).map(move |step| (part * lookback + step, row)))
            .map(|at| weight[at] as f32)
            .collect();
        Ok((weight, bias))
    }
}

/// The matrix, `(parts lookback) x lookback`, that turns the past into what the weights are applied to.
fn features(fold: Fold, lookback: usize) -> Mat<f64> {
    match fold {
        // NLinear's differences are taken when the windows are read.
        Fold::Plain | Fold::Last => Mat::identity(lookback, lookback),
        Fold::Trend { kernel } => {
            let half = kernel / 2;
            let mut features = Mat::zeros(2 * lookback, lookback);
            for center in 0..lookback {
                features[(center, center)] += 1.0;
                for offset in 0..kernel {
                    let step = (center + offset).saturating_sub(half).min(lookback - 1);
                    features[(lookback + center, step)] += 1.0 / kernel as f64;
                    features[(center, step)] -= 1.0 / kernel as f64;
                }
            }
            features
        }
    }
}

/// The smallest solution of `(square + ridge) x = right` for a symmetric, positive semidefinite matrix.
fn solve_symmetric(
    square: MatRef<'_, f64>,
    right: MatRef<'_, f64>,
    ridge: f64,
) -> Result<Mat<f64>, FitError> {
    let eigen = square.self_adjoint_eigen(Side::Lower).map_err(|_| FitError::Unsolvable)?;
    let (vectors, values) = (eigen.U(), eigen.S().column_vector());
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(*value));
    let mut rotated = vectors.transpose() * right;
    for row in 0..rotated.nrows() {
        let value = values[row];
        let factor = if value > RANK_TOLERANCE * largest { 1.0 / (value + ridge) } else { 0.0 };
        for column in 0..rotated.ncols() {
            rotated[(row, column)] *= factor;
        }
    }
    Ok(vectors * rotated)
}
