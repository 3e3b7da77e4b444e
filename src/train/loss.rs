//! What training minimises, as a value and its gradient on plain slices: whatever computes the forecasts, the loss is
//! this one.

use crate::spec::{HUBER_DELTA, Loss, TrainingSpec};
use crate::stats::QUANTILES;

/// A mean loss over the values of a batch, and its gradient.
pub trait Criterion {
    /// The mean loss of forecasts of `target`.
    fn value(&self, forecast: &[f32], target: &[f32]) -> f64;

    /// As [`Criterion::value`], and writes the derivative by each forecast value into `gradient`, of the same length.
    fn value_and_gradient(&self, forecast: &[f32], target: &[f32], gradient: &mut [f32]) -> f64;

    /// Whether this is the plain mean squared error, which tensors compute themselves.
    fn is_mean_squared_error(&self) -> bool {
        false
    }
}

impl Loss {
    /// How many values a model forecasts for each target under this loss.
    pub fn heads(self) -> usize {
        match self {
            Loss::Mse | Loss::Huber => 1,
            Loss::Pinball => QUANTILES.len(),
        }
    }
}

/// Weights of the targets in the loss. They count relative to one another: their mean is brought to 1, so that the same
/// learning rate suits any of them.
pub(crate) fn target_weights<'a>(
    training: &TrainingSpec,
    targets: impl IntoIterator<Item = &'a str>,
) -> Vec<f64> {
    let weight = |target: &str| training.target_weights.get(target).copied().unwrap_or(1.0);
    let mut weights: Vec<f64> = targets.into_iter().map(weight).collect();
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    for weight in &mut weights {
        *weight /= mean;
    }
    weights
}

/// The pinball loss of an error (actual minus forecast) at a level, and its derivative by the forecast.
pub(crate) fn pinball(error: f64, level: f64) -> (f64, f64) {
    let slope = if error >= 0.0 { level } else { level - 1.0 };
    (slope * error, -slope)
}

/// The loss that an experiment asks for, with a weight for each target.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    loss: Loss,
    huber_delta: f64,
    /// One for each target, with mean 1.
    weights: Vec<f64>,
}

impl Objective {
    /// The loss for these targets.
    pub fn new<'a>(training: &TrainingSpec, targets: impl IntoIterator<Item = &'a str>) -> Self {
        let weights = target_weights(training, targets);
        Self { loss: training.loss, huber_delta: training.huber_delta.unwrap_or(HUBER_DELTA), weights }
    }

    /// Loss of one value and its derivative by the forecast.
    fn at(&self, forecast: f32, target: f32, head: usize) -> (f64, f64) {
        let error = f64::from(target - forecast);
        match self.loss {
            Loss::Mse => (error * error, -2.0 * error),
            Loss::Huber => {
                let delta = self.huber_delta;
                if error.abs() <= delta {
                    (0.5 * error * error, -error)
                } else {
                    (delta * (error.abs() - 0.5 * delta), -delta * error.signum())
                }
            }
            Loss::Pinball => pinball(error, QUANTILES[head]),
        }
    }
}

impl Criterion for Objective {
    /// `forecast` holds [`Loss::heads`] values for each value of `target`, whose targets follow one another.
    fn value(&self, forecast: &[f32], target: &[f32]) -> f64 {
        let heads = self.loss.heads();
        let mut total = 0.0;
        let cells = forecast.chunks_exact(heads).zip(target).zip(self.weights.iter().cycle());
        for ((forecast, &target), weight) in cells {
            for (head, &forecast) in forecast.iter().enumerate() {
                total += weight * self.at(forecast, target, head).0;
            }
        }
        total / forecast.len().max(1) as f64
    }

    fn value_and_gradient(&self, forecast: &[f32], target: &[f32], gradient: &mut [f32]) -> f64 {
        let heads = self.loss.heads();
        let count = forecast.len().max(1) as f64;
        let mut total = 0.0;
        let cells = forecast.chunks_exact(heads).zip(gradient.chunks_exact_mut(heads)).zip(target);
        for (((forecast, gradient), &target), weight) in cells.zip(self.weights.iter().cycle()) {
            for (head, (&forecast, gradient)) in forecast.iter().zip(gradient).enumerate() {
                let (value, slope) = self.at(forecast, target, head);
                total += weight * value;
                *gradient = (weight * slope / count) as f32;
            }
        }
        total / count
    }

    fn is_mean_squared_error(&self) -> bool {
        self.loss == Loss::Mse && self.weights.iter().all(|weight| *weight == 1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::pinball;

    fn objective(loss: Loss, weights: [f64; 3]) -> Objective {
        let target_weights = ["a", "b", "c"].map(str::to_string).into_iter().zip(weights).collect();
        let training =
            TrainingSpec { loss, huber_delta: Some(0.4), target_weights, ..TrainingSpec::default() };
        Objective::new(&training, ["a", "b", "c"])
    }

    #[test]
    fn the_pinball_loss_is_the_mean_over_the_quantiles_of_the_metric() {
        let target = [0.3_f32, -1.0];
        let forecast: Vec<f32> = (0..14_u8).map(|cell| f32::from(cell) * 0.2 - 1.5).collect();
        let each = QUANTILES.iter().enumerate().map(|(head, &level)| {
            let own = [f64::from(forecast[head]), f64::from(forecast[7 + head])];
            pinball(&target.map(f64::from), &own, level)
        });
        let mean = each.sum::<f64>() / 7.0;
        assert!((objective(Loss::Pinball, [1.0; 3]).value(&forecast, &target) - mean).abs() < 1e-6);
    }

    #[test]
    fn the_huber_loss_is_half_the_square_near_zero_and_a_distance_beyond_delta() {
        let objective = objective(Loss::Huber, [1.0; 3]);
        let single = |error: f32| objective.value(&[0.0], &[error]);
        assert!((single(0.3) - 0.045).abs() < 1e-7);
        assert!((single(-2.0) - 0.4 * (2.0 - 0.2)).abs() < 1e-7);
    }

    #[test]
    fn weights_count_relative_to_one_another() {
        let (forecast, target) = ([0.0; 3], [1.0, 2.0, 3.0]);
        let value = |weights| objective(Loss::Mse, weights).value(&forecast, &target);
        assert!((value([5.0; 3]) - value([1.0; 3])).abs() < 1e-12);
        assert!((value([0.0, 0.0, 9.0]) - 9.0).abs() < 1e-12, "only the third target counts");
        assert!(objective(Loss::Mse, [2.0; 3]).is_mean_squared_error());
        assert!(!objective(Loss::Mse, [1.0, 1.0, 2.0]).is_mean_squared_error());
    }

    proptest! {
        #[test]
        fn the_gradient_is_that_of_finite_differences(
            target in prop::collection::vec(-2.0_f32..2.0, 3), offset in prop::collection::vec(0.1_f32..1.0, 21),
            loss in prop::sample::select(vec![Loss::Mse, Loss::Huber, Loss::Pinball]), sign in any::<bool>(),
            weights in prop::array::uniform3(0.1_f64..4.0),
        ) {
            let heads = loss.heads();
            let objective = objective(loss, weights);
            // Off the kinks, where the pinball loss has no derivative and the Huber loss no second one.
            let signed = |offset: f32| {
                let offset = if (offset - 0.4).abs() < 0.02 { 0.5 } else { offset };
                if sign { offset } else { -offset }
            };
            let forecast: Vec<f32> = (0..3 * heads).map(|cell| target[cell / heads] + signed(offset[cell])).collect();
            let mut gradient = vec![0.0; forecast.len()];
            let value = objective.value_and_gradient(&forecast, &target, &mut gradient);
            prop_assert!((value - objective.value(&forecast, &target)).abs() < 1e-12);
            for cell in 0..forecast.len() {
                let moved = |by: f32| {
                    let mut moved = forecast.clone();
                    moved[cell] += by;
                    objective.value(&moved, &target)
                };
                let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                prop_assert!((slope - f64::from(gradient[cell])).abs() < 4e-4, "{} {}", slope, gradient[cell]);
            }
        }
    }
}
