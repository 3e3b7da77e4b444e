//! Exponential smoothing in state-space form, chosen automatically (Hyndman, Koehler, Snyder & Grose, "A state space
//! framework for automatic forecasting using exponential smoothing methods", *International Journal of Forecasting* 18,
//! 2002; Hyndman, Koehler, Ord & Snyder, *Forecasting with Exponential Smoothing*, 2008).
//!
//! Each target of each window is fitted by itself: a level alone, with a trend, or with a damped trend, all with additive
//! errors. Smoothing weights and initial states are those of the greatest likelihood within the bounds of the authors' R
//! package, and the corrected Akaike criterion chooses. With a season, the same forms with one compete too
//! ([`super::ets_season`]). Multiplicative errors need data whose zero means something, which
//! the scale that models learn on does not have.
//!
//! For given weights the errors are linear in the initial states, so the best states follow from the normal equations. Only
//! the weights, one to three numbers, are searched, from several starts, since the likelihood can have several peaks.

use rayon::prelude::*;

use super::ets_season;
use super::simplex::minimum;
use super::smoothing::{Candidate, SmoothingState, SmoothingWeights};
use super::{FitData, FitError, Forecaster, OnEpoch, Parameters, Shape};
use crate::dataset::Windows;
use crate::spec::{EtsSpec, FEWEST_STEPS, Season};

/// Where searches may start, as log-odds between the bounds: of the level's weight, the trend's weight and the damping.
const LEVEL_STARTS: [f64; 5] = [-6.0, -3.0, -1.5, 0.0, 3.0];
const TREND_STARTS: [f64; 4] = [-6.0, -2.0, 0.0, 3.0];
const DAMPING_STARTS: [f64; 2] = [-2.0, 2.0];
/// A search is made from so many of the best starts.
const SEARCHES: usize = 4;
/// Most steps of a search, for each weight.
const STEPS_PER_WEIGHT: usize = 40;
/// A search ends when the logarithms of the squared errors agree to this.
const AGREEMENT: f64 = 1e-10;

/// The smoothing of each window, found when it is asked for. Nothing is learned before.
pub struct Ets {
    shape: Shape,
    /// Steps of a season; 0 without one.
    season: usize,
}

impl Ets {
    /// A smoothing that is chosen on each window.
    pub fn new(shape: Shape, spec: &EtsSpec) -> Self {
        // A length of time has become a number of steps when the run was planned.
        Self { shape, season: spec.season.and_then(Season::steps).unwrap_or(0) }
    }

    /// The next values of one series. They are NaN, which fails the run, for fewer values than [`FEWEST_STEPS`].
    fn forecast_values(&self, values: &[f64]) -> Vec<f64> {
        let horizon = self.shape.horizon;
        chosen(values, self.season)
            .map_or_else(|| vec![f64::NAN; horizon], |chosen| chosen.forecast(horizon).collect())
    }
}

/// The form whose criterion is the lowest, or `None` for fewer values than [`FEWEST_STEPS`].
pub(super) fn chosen(values: &[f64], season: usize) -> Option<Candidate> {
    let origin = values.first().copied().filter(|_| values.len() >= FEWEST_STEPS)?;
    // Relative to the first value, a level that is large beside its changes costs no digits.
    let values: Vec<f64> = values.iter().map(|value| value - origin).collect();
    let candidates = [most_likely::<1>(&values), most_likely::<2>(&values), most_likely::<3>(&values)];
    let with_season = (season > 1).then(|| {
        [
            ets_season::most_likely::<2>(&values, season),
            ets_season::most_likely::<3>(&values, season),
            ets_season::most_likely::<4>(&values, season),
        ]
    });
    let candidates = candidates.into_iter().chain(with_season.into_iter().flatten());
    let mut chosen = candidates.flatten().min_by(|a, b| a.criterion.total_cmp(&b.criterion))?;
    chosen.last.level += origin;
    Some(chosen)
}

/// A series smoothed from the initial states that leave the least squared errors.
#[derive(Debug, Clone, Copy)]
struct Smoothed {
    squared_errors: f64,
    last: SmoothingState,
}

impl Smoothed {
    /// With a slope if `N` exceeds 1.
    fn new<const N: usize>(values: &[f64], weights: SmoothingWeights) -> Self {
        // From a state of zero, and what a unit of each initial state adds to errors and states.
        let mut zero = SmoothingState { level: 0.0, slope: 0.0 };
        let mut by_level = SmoothingState { level: 1.0, slope: 0.0 };
        let mut by_slope = SmoothingState { level: 0.0, slope: 1.0 };
        let mut squares = 0.0;
        let (mut level_level, mut level_slope, mut slope_slope) = (0.0, 0.0, 0.0);
        let (mut level_error, mut slope_error) = (0.0, 0.0);
        for &value in values {
            let error = zero.observe(weights, value);
            let of_level = by_level.observe(weights, 0.0);
            squares += error * error;
            level_level += of_level * of_level;
            level_error += of_level * error;
            if N > 1 {
                let of_slope = by_slope.observe(weights, 0.0);
                level_slope += of_level * of_slope;
                slope_slope += of_slope * of_slope;
                slope_error += of_slope * error;
            }
        }
        let (level, slope) = if N > 1 {
            let determinant = level_level * slope_slope - level_slope * level_slope;
            (
                (level_slope * slope_error - slope_slope * level_error) / determinant,
                (level_slope * level_error - level_level * slope_error) / determinant,
            )
        } else {
            (-level_error / level_level, 0.0)
        };
        Self {
            squared_errors: squares + level * level_error + slope * slope_error,
            last: SmoothingState {
                level: zero.level + level * by_level.level + slope * by_slope.level,
                slope: zero.slope + level * by_level.slope + slope * by_slope.slope,
            },
        }
    }
}

/// The most likely smoothing with `N` weights: 1 for a level, 2 with a trend, 3 with a damped one. `None` where the series
/// is too short for the criterion.
fn most_likely<const N: usize>(values: &[f64]) -> Option<Candidate> {
    let count = values.len() as f64;
    // The weights, the initial states, and the variance.
    let parameters = (N + N.min(2) + 1) as f64;
    let spare = count - parameters - 1.0;
    // Smaller sums of squared errors are rounding: a series without noise has no likelihood.
    let squares: f64 = values.iter().map(|value| value * value).sum();
    let least = (f64::EPSILON * squares).max(f64::MIN_POSITIVE);
    let cost = |log_odds: [f64; N]| {
        let smoothed = Smoothed::new::<N>(values, SmoothingWeights::of(log_odds));
        let squared_errors = smoothed.squared_errors;
        if squared_errors.is_nan() { f64::INFINITY } else { libm::log(squared_errors.max(least)) }
    };
    let mut starts: Vec<([f64; N], f64)> = starts().map(|start| (start, cost(start))).collect();
    starts.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    let searches = starts.iter().take(SEARCHES);
    let found = searches.map(|(start, _)| minimum(*start, STEPS_PER_WEIGHT * N, AGREEMENT, cost));
    let (log_odds, cost) = found.min_by(|(_, a), (_, b)| a.total_cmp(b)).filter(|_| spare > 0.0)?;
    let weights = SmoothingWeights::of(log_odds);
    Some(Candidate {
        criterion: count * cost + 2.0 * parameters * (1.0 + (parameters + 1.0) / spare),
        damping: weights.damping,
        last: Smoothed::new::<N>(values, weights).last,
        season: Vec::new(),
    })
}

/// Every combination of the starts of `N` weights.
fn starts<const N: usize>() -> impl Iterator<Item = [f64; N]> {
    let choices: [&[f64]; 3] = [&LEVEL_STARTS, &TREND_STARTS, &DAMPING_STARTS];
    let count = choices[..N].iter().map(|choice| choice.len()).product::<usize>();
    (0..count).map(move |mut index| {
        std::array::from_fn(|weight| {
            let choice = choices[weight];
            let start = choice[index % choice.len()];
            index /= choice.len();
            start
        })
    })
}

impl Forecaster for Ets {
    fn fit(&mut self, _: &FitData<'_>, _: OnEpoch<'_>) -> Result<(), FitError> {
        Ok(())
    }

    fn forecast(&self, windows: &Windows<'_>) -> Vec<f32> {
        let Shape { lookback, horizon, channels, targets, .. } = self.shape;
        let mut forecasts = vec![0.0; windows.len() * horizon * targets];
        // Each window is forecast by itself, so any number of threads gives the same forecasts.
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
    use std::f64::consts::TAU;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn ets(horizon: usize) -> Ets {
        Ets::new(
            Shape { lookback: FEWEST_STEPS, horizon, channels: 1, targets: 1, heads: 1 },
            &EtsSpec::default(),
        )
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

    fn golden() -> Vec<Value> {
        let golden: Value = serde_json::from_str(include_str!("../../tests/golden_ets.json")).unwrap();
        golden["series"].as_array().unwrap().clone()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    /// The log-likelihood of squared errors whose logarithm is `cost`, at the best variance.
    fn log_likelihood(count: usize, cost: f64) -> f64 {
        let count = count as f64;
        -0.5 * count * ((TAU / count).ln() + 1.0 + cost)
    }

    /// The corrected Akaike criterion, the log-likelihood and the forecast at fixed weights, and what statsmodels found.
    fn compare_smoothing<const N: usize>(values: &[f64], model: &Value) -> f64 {
        let fixed = &model["fixed"];
        let weights = numbers(&fixed["weights"]);
        let at = |index: usize, other: f64| weights.get(index).copied().unwrap_or(other);
        let weights = SmoothingWeights { level: at(0, 0.0), trend: at(1, 0.0), damping: at(2, 1.0) };
        let smoothed = Smoothed::new::<N>(values, weights);
        let found = log_likelihood(values.len(), smoothed.squared_errors.ln());
        let want = fixed["log_likelihood"].as_f64().unwrap();
        assert!((found - want).abs() < 1e-6, "{found} against {want}");
        let candidate =
            Candidate { criterion: 0.0, damping: weights.damping, last: smoothed.last, season: Vec::new() };
        for (found, want) in candidate.forecast(5).zip(numbers(&fixed["forecast"])) {
            assert!((found - want).abs() < 1e-6 * want.abs().max(1.0), "{found} against {want}");
        }
        let candidate = most_likely::<N>(values).unwrap();
        // The criterion leaves out what depends on the length of the series alone.
        candidate.criterion - 2.0 * log_likelihood(values.len(), 0.0)
    }

    #[test]
    fn smoothings_are_those_of_statsmodels_and_no_less_likely_than_the_best_of_them() {
        for series in golden() {
            let (values, models) = (numbers(&series["values"]), &series["models"]);
            let found = [
                ("ANN", compare_smoothing::<1>(&values, &models["ANN"])),
                ("AAN", compare_smoothing::<2>(&values, &models["AAN"])),
                ("AAdN", compare_smoothing::<3>(&values, &models["AAdN"])),
            ];
            let wanted = found.map(|(form, _)| (form, models[form]["aicc"].as_f64().unwrap()));
            for ((form, found), (_, want)) in found.iter().zip(&wanted) {
                // statsmodels lets the trend's weight be a little smaller than we do.
                assert!(found - want < 0.05, "{found} against {want} for {form} of {}", series["name"]);
            }
            let best =
                |all: [(&'static str, f64); 3]| all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
            assert_eq!(best(found), best(wanted), "{}", series["name"]);
        }
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
