//! Naive baselines: constants and recent values. A learned model that does not beat them has learned nothing.

use super::{FitData, FitError, Forecaster, OnEpoch, ParameterValues, Parameters, Shape};
use crate::dataset::Windows;

/// How a constant is learned from the training steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statistic {
    Zero,
    Mean,
    Median,
}

/// The same value for every step: zero in original units, or the mean or median of the transformed training steps.
pub struct Constant {
    shape: Shape,
    statistic: Statistic,
    /// One scaled value for each target.
    values: Vec<f32>,
}

impl Constant {
    /// Zero in original units.
    pub fn zero(shape: Shape) -> Self {
        Self::new(shape, Statistic::Zero)
    }

    /// Mean of the training steps.
    pub fn mean(shape: Shape) -> Self {
        Self::new(shape, Statistic::Mean)
    }

    /// Median of the training steps.
    pub fn median(shape: Shape) -> Self {
        Self::new(shape, Statistic::Median)
    }

    fn new(shape: Shape, statistic: Statistic) -> Self {
        Self { shape, statistic, values: vec![0.0; shape.targets] }
    }
}

impl Forecaster for Constant {
    fn fit(&mut self, data: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        for (target, value) in self.values.iter_mut().enumerate() {
            *value = match self.statistic {
                Statistic::Zero => data.scaler.channels[target].scale(0.0) as f32,
                Statistic::Mean => mean(&data.training_values(target)),
                Statistic::Median => median(data.training_values(target)),
            };
        }
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        self.values.repeat(windows.len() * self.shape.horizon)
    }

    fn lookback(&self) -> usize {
        1
    }

    fn parameters(&self) -> Parameters {
        Parameters::from([("value".to_string(), ParameterValues::vector(self.values.clone()))])
    }

    fn load(&mut self, parameters: &Parameters) -> anyhow::Result<()> {
        self.values.clone_from(&parameters.get("value", &[self.shape.targets])?.data);
        Ok(())
    }
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().copied().map(f64::from).sum::<f64>() / values.len().max(1) as f64) as f32
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f32::midpoint(values[middle - 1], values[middle]),
    }
}

/// Which recent values are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The mean of this many last steps; 1 is persistence.
    MeanOfLast(usize),
    /// The value this many steps before, or a whole number of seasons before where that is still to come.
    SeasonBefore(usize),
}

/// Recent values, repeated. Nothing is learned.
pub struct Recent {
    shape: Shape,
    rule: Rule,
}

impl Recent {
    /// The last value.
    pub fn persistence(shape: Shape) -> Self {
        Self { shape, rule: Rule::MeanOfLast(1) }
    }

    /// The mean of the last `window` values.
    pub fn moving_average(shape: Shape, window: usize) -> Self {
        Self { shape, rule: Rule::MeanOfLast(window) }
    }

    /// The value one season before.
    pub fn seasonal(shape: Shape, season: usize) -> Self {
        Self { shape, rule: Rule::SeasonBefore(season) }
    }

    /// Appends one window's forecast, `horizon x targets`, given its last steps, `lookback x channels`.
    fn forecast_window(&self, history: &[f32], forecasts: &mut Vec<f32>) {
        let Shape { channels, targets, horizon, .. } = self.shape;
        match self.rule {
            Rule::MeanOfLast(count) => {
                // Requests and loads have three targets, whose sums need not wait for each other.
                let totals = match targets {
                    3 => sums::<3>(history, channels, 0).to_vec(),
                    _ => (0..targets).map(|target| sums::<1>(history, channels, target)[0]).collect(),
                };
                let means: Vec<f32> = totals.iter().map(|total| (total / count as f64) as f32).collect();
                for _ in 0..horizon {
                    forecasts.extend_from_slice(&means);
                }
            }
            Rule::SeasonBefore(season) => {
                for ahead in 0..horizon {
                    let step = ahead % season;
                    forecasts.extend_from_slice(&history[step * channels..step * channels + targets]);
                }
            }
        }
    }
}

/// The sums of `N` channels from the `first` on, over all steps.
fn sums<const N: usize>(history: &[f32], channels: usize, first: usize) -> [f64; N] {
    let mut totals = [0.0; N];
    for step in history.chunks_exact(channels) {
        for (total, &value) in totals.iter_mut().zip(&step[first..first + N]) {
            *total += f64::from(value);
        }
    }
    totals
}

impl Forecaster for Recent {
    fn fit(&mut self, _: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let mut forecasts = Vec::with_capacity(windows.len() * self.shape.horizon * self.shape.targets);
        for index in 0..windows.len() {
            self.forecast_window(windows.history(index, self.lookback()), &mut forecasts);
        }
        forecasts
    }

    fn lookback(&self) -> usize {
        match self.rule {
            Rule::MeanOfLast(count) => count,
            Rule::SeasonBefore(season) => season,
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    fn load(&mut self, _: &Parameters) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{ScaledSteps, StepTimes};

    /// One target and one feature: targets 0, 1, 2, ... and features 100, 101, ...
    fn steps(count: usize) -> ScaledSteps {
        let inputs = (0..count).flat_map(|step| [step as f32, 100.0 + step as f32]).collect();
        let targets = (0..count).map(|step| step as f32).collect();
        ScaledSteps { inputs, targets, channels: 2, target_count: 1 }
    }

    const SHAPE: Shape = Shape { lookback: 1, horizon: 3, channels: 2, targets: 1, heads: 1 };

    #[test]
    fn persistence_repeats_the_last_value() {
        let steps = steps(10);
        let windows = Windows { steps: &steps, times: StepTimes::default(), origins: 4..6, horizon: 3 };
        assert_eq!(Recent::persistence(SHAPE).forecast(&windows), [3.0, 3.0, 3.0, 4.0, 4.0, 4.0]);
    }

    #[test]
    fn moving_average_is_the_mean_of_the_last_steps() {
        let steps = steps(10);
        let windows = Windows { steps: &steps, times: StepTimes::default(), origins: 4..5, horizon: 3 };
        assert_eq!(Recent::moving_average(SHAPE, 4).forecast(&windows), [1.5; 3]);
    }

    #[test]
    fn a_horizon_beyond_the_season_starts_the_season_again() {
        let steps = steps(10);
        let windows = Windows { steps: &steps, times: StepTimes::default(), origins: 6..7, horizon: 3 };
        assert_eq!(Recent::seasonal(SHAPE, 2).forecast(&windows), [4.0, 5.0, 4.0]);
    }
}
