//! Exponential smoothing in state-space form, chosen automatically (Hyndman, Koehler, Snyder & Grose, "A state space
//! framework for automatic forecasting using exponential smoothing methods", *International Journal of Forecasting* 18,
//! 2002; Hyndman, Koehler, Ord & Snyder, *Forecasting with Exponential Smoothing*, 2008), fitted by augurs.
//!
//! Each target of each window is fitted by itself: a level alone, with a trend, or with a damped trend, all with additive
//! errors. Smoothing weights and initial states are those of the greatest likelihood, and the corrected Akaike criterion
//! chooses. Multiplicative errors need data whose zero means something, which the scale that models learn on has not; and
//! seasons are not implemented in augurs.

use augurs_core::{Fit, Predict};
use augurs_ets::AutoETS;
use rayon::prelude::*;

use super::{FitData, FitError, Forecaster, OnEpoch, Parameters, Shape};
use crate::dataset::Windows;

/// Additive errors, any trend, no season. (A trend that is fixed to none offers augurs no candidate.)
const CANDIDATES: &str = "AZN";

/// The smoothing of each window, found when it is asked for. Nothing is learned before.
pub struct Ets {
    shape: Shape,
}

impl Ets {
    /// A smoothing that is chosen on each window.
    pub fn new(shape: Shape) -> Self {
        Self { shape }
    }

    /// The next values of one series. A level alone can be fitted to any finite values; what cannot be fitted is forecast as
    /// no number, which no run passes off as a result.
    fn forecast_values(&self, values: &[f64]) -> Vec<f64> {
        let fitted = AutoETS::new(1, CANDIDATES).and_then(|search| search.fit(values));
        let forecast = fitted.and_then(|model| model.predict(self.shape.horizon, None));
        forecast.map_or_else(|_| vec![f64::NAN; self.shape.horizon], |forecast| forecast.point)
    }
}

impl Forecaster for Ets {
    fn fit(&mut self, _: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let Shape { lookback, horizon, channels, targets, .. } = self.shape;
        let mut forecasts = vec![0.0; windows.len() * horizon * targets];
        // Windows know nothing of each other, so that any number of threads gives the same forecasts.
        forecasts.par_chunks_exact_mut(horizon * targets).enumerate().for_each(|(index, forecast)| {
            let history = windows.history(index, lookback);
            for target in 0..targets {
                let values: Vec<f64> =
                    history.chunks_exact(channels).map(|step| f64::from(step[target])).collect();
                for (ahead, value) in self.forecast_values(&values).into_iter().enumerate() {
                    forecast[ahead * targets + target] = value as f32;
                }
            }
        });
        forecasts
    }

    fn lookback(&self) -> usize {
        self.shape.lookback
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
    use crate::spec::FEWEST_STEPS;
    use proptest::prelude::*;

    use super::*;

    fn ets(horizon: usize) -> Ets {
        Ets::new(Shape { lookback: FEWEST_STEPS, horizon, channels: 1, targets: 1, heads: 1 })
    }

    #[test]
    fn a_constant_stays_what_it_is_and_a_line_goes_on() {
        for constant in [0.0, 1.0, -3.5, 1e6] {
            for length in [FEWEST_STEPS, 8, 50] {
                for value in ets(3).forecast_values(&vec![constant; length]) {
                    assert!(
                        (value - constant).abs() <= 1e-3 * constant.abs().max(1e-3),
                        "{value}, {constant}"
                    );
                }
            }
        }
        let line: Vec<f64> = (0..40).map(|step| 2.0 - 0.25 * f64::from(step)).collect();
        for (ahead, value) in ets(4).forecast_values(&line).into_iter().enumerate() {
            let expected = 2.0 - 0.25 * (40 + ahead) as f64;
            assert!((value - expected).abs() < 1e-2, "{value} against {expected}");
        }
    }

    #[test]
    fn too_few_values_give_no_number() {
        assert!(ets(2).forecast_values(&[1.0, 2.0, 1.5, 0.5, 1.0, 0.0]).iter().all(|value| value.is_nan()));
        assert!(ets(1).forecast_values(&[1.0, 2.0, 1.5, 0.5, 1.0, 0.0, 0.5])[0].is_finite());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn whatever_is_finite_can_be_fitted(
            values in prop::collection::vec(prop_oneof![-4.0_f64..4.0, Just(0.0), -1e6_f64..1e6], FEWEST_STEPS..60),
        ) {
            let forecast = ets(5).forecast_values(&values);
            prop_assert!(forecast.len() == 5 && forecast.iter().all(|value| value.is_finite()), "{:?}", forecast);
        }
    }
}
