//! An ensemble: the mean of other models' forecasts, weighted by how well each did on validation.

use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;

/// A fitted model that an ensemble asks.
pub struct Member {
    /// The run it comes from.
    pub run_id: String,
    /// The model, ready to forecast.
    pub forecaster: Box<dyn Forecaster>,
}

/// Weights are inverse mean squared validation errors, for each target, and sum to 1 (Bates & Granger, "The
/// Combination of Forecasts", 1969).
pub struct Ensemble {
    shape: Shape,
    members: Vec<Member>,
    /// `members x targets`.
    weights: Vec<f32>,
}

impl Ensemble {
    /// Equal weights until it is fitted or loaded.
    pub fn new(shape: Shape, members: Vec<Member>) -> Self {
        let weights = vec![1.0 / members.len().max(1) as f32; members.len() * shape.targets];
        Self { shape, members, weights }
    }
}

impl Forecaster for Ensemble {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        let targets = self.shape.targets;
        let errors: Vec<Vec<f64>> = self
            .members
            .iter()
            .map(|member| squared_errors(&member.forecaster.forecast(&data.valid), &data.valid, targets))
            .collect();
        for target in 0..targets {
            let inverse: Vec<f64> =
                errors.iter().map(|error| 1.0 / error[target].max(f64::MIN_POSITIVE)).collect();
            let total: f64 = inverse.iter().sum();
            for (member, weight) in inverse.iter().enumerate() {
                self.weights[member * targets + target] = (weight / total) as f32;
            }
        }
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let targets = self.shape.targets;
        let mut mean = vec![0.0; windows.len() * self.shape.horizon * targets];
        for (index, member) in self.members.iter().enumerate() {
            let weights = &self.weights[index * targets..(index + 1) * targets];
            let forecast = member.forecaster.forecast(windows);
            for (mean, value) in mean.chunks_exact_mut(targets).zip(forecast.chunks_exact(targets)) {
                for target in 0..targets {
                    mean[target] += weights[target] * value[target];
                }
            }
        }
        mean
    }

    fn lookback(&self) -> usize {
        self.members.iter().map(|member| member.forecaster.lookback()).max().unwrap_or(1)
    }

    fn parameters(&self) -> Parameters {
        let shape = vec![self.members.len(), self.shape.targets];
        let mut parameters = Parameters::from([(
            "weights".to_string(),
            ParameterValues { shape, data: self.weights.clone() },
        )]);
        for member in &self.members {
            parameters.extend_under(&format!("members.{}.", member.run_id), &member.forecaster.parameters());
        }
        parameters
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        let weights = parameters.get("weights", &[self.members.len(), self.shape.targets])?;
        self.weights.clone_from(&weights.data);
        for member in &mut self.members {
            member.forecaster.load(&parameters.below(&format!("members.{}.", member.run_id)))?;
        }
        Ok(())
    }
}

/// Mean squared error of each target over windows and horizon.
fn squared_errors(forecast: &[f32], windows: &Windows<'_>, targets: usize) -> Vec<f64> {
    let mut totals = vec![0.0; targets];
    let actual = (0..windows.len()).flat_map(|index| windows.target(index));
    for (at, (forecast, actual)) in forecast.iter().zip(actual).enumerate() {
        totals[at % targets] += f64::from(forecast - actual).powi(2);
    }
    let count = (forecast.len() / targets).max(1) as f64;
    totals.into_iter().map(|total| total / count).collect()
}
