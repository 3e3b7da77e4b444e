//! What training minimises, as a value and its gradient on plain slices: whatever computes the forecasts, the loss is
//! this one.

use crate::experiment::Loss;
use crate::model::QUANTILES;

impl Loss {
    /// How many values a model forecasts for each target under this loss.
    pub fn heads(self) -> usize {
        match self {
            Loss::Mse => 1,
            Loss::Pinball => QUANTILES.len(),
        }
    }

    /// The mean loss of a batch: `forecast` holds [`Loss::heads`] values for each value of `target`.
    pub fn value(self, forecast: &[f32], target: &[f32]) -> f64 {
        let heads = self.heads();
        let mut total = 0.0;
        for (forecast, &target) in forecast.chunks_exact(heads).zip(target) {
            for (head, &forecast) in forecast.iter().enumerate() {
                total += self.at(forecast, target, head).0;
            }
        }
        total / forecast.len().max(1) as f64
    }

    /// As [`Loss::value`], and writes the derivative by each forecast value into `gradient`, of the same length.
    pub fn value_and_gradient(self, forecast: &[f32], target: &[f32], gradient: &mut [f32]) -> f64 {
        let heads = self.heads();
        let count = forecast.len().max(1) as f64;
        let mut total = 0.0;
        let cells = forecast.chunks_exact(heads).zip(gradient.chunks_exact_mut(heads)).zip(target);
        for ((forecast, gradient), &target) in cells {
            for (head, (&forecast, gradient)) in forecast.iter().zip(gradient).enumerate() {
                let (value, slope) = self.at(forecast, target, head);
                total += value;
                *gradient = (slope / count) as f32;
            }
        }
        total / count
    }

    /// Loss of one value and its derivative by the forecast.
    fn at(self, forecast: f32, target: f32, head: usize) -> (f64, f64) {
        let error = f64::from(target - forecast);
        match self {
            Loss::Mse => (error * error, -2.0 * error),
            Loss::Pinball => {
                let slope = if error >= 0.0 { QUANTILES[head] } else { QUANTILES[head] - 1.0 };
                (slope * error, -slope)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::pinball;

    #[test]
    fn the_pinball_loss_is_the_mean_over_the_quantiles_of_the_metric() {
        let target = [0.3_f32, -1.0];
        let forecast: Vec<f32> = (0..14_u8).map(|cell| f32::from(cell) * 0.2 - 1.5).collect();
        let each = QUANTILES.iter().enumerate().map(|(head, &level)| {
            let own = [f64::from(forecast[head]), f64::from(forecast[7 + head])];
            pinball(&target.map(f64::from), &own, level)
        });
        let mean = each.sum::<f64>() / 7.0;
        assert!((Loss::Pinball.value(&forecast, &target) - mean).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_gradient_is_that_of_finite_differences(
            target in prop::collection::vec(-2.0_f32..2.0, 3), offset in prop::collection::vec(0.1_f32..1.0, 21),
            loss in prop::sample::select(vec![Loss::Mse, Loss::Pinball]), sign in any::<bool>(),
        ) {
            let heads = loss.heads();
            // Off the kink, where the pinball loss has no derivative.
            let signed = |offset: f32| if sign { offset } else { -offset };
            let forecast: Vec<f32> = (0..3 * heads).map(|cell| target[cell / heads] + signed(offset[cell])).collect();
            let mut gradient = vec![0.0; forecast.len()];
            let value = loss.value_and_gradient(&forecast, &target, &mut gradient);
            prop_assert!((value - loss.value(&forecast, &target)).abs() < 1e-12);
            for cell in 0..forecast.len() {
                let moved = |by: f32| {
                    let mut moved = forecast.clone();
                    moved[cell] += by;
                    loss.value(&moved, &target)
                };
                let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                prop_assert!((slope - f64::from(gradient[cell])).abs() < 2e-4, "{} {}", slope, gradient[cell]);
            }
        }
    }
}
