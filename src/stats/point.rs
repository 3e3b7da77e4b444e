//! Accuracy measures of point forecasts: absolute, squared, relative and scaled errors, bias and fit.

use super::sum::{CompensatedSum, deviations, sum};

/// The names of the point metrics, in the order in which [`PointMetrics::named`] gives them.
pub const NAMES: [&str; 9] = ["mae", "medae", "mse", "rmse", "smape", "wape", "mase", "r2", "bias"];

/// The names of the metrics of intervals at 50, 80 and 95 % and of the quantiles that bound them: share of the values
/// within, mean width, Winkler score; mean pinball loss over the seven quantiles; CRPS from them.
pub const INTERVAL_NAMES: [&str; 11] = [
    "coverage_50",
    "width_50",
    "winkler_50",
    "coverage_80",
    "width_80",
    "winkler_80",
    "coverage_95",
    "width_95",
    "winkler_95",
    "pinball",
    "crps",
];

/// The name of the share of point forecasts that lie within their own interval at 50 %.
pub const POINT_WITHIN: &str = "point_within_50";

/// How far one series of point forecasts lies from the actual values.
///
/// The error is forecast minus actual. Hyndman & Koehler, "Another look at measures of forecast accuracy",
/// *International Journal of Forecasting* 22 (2006), pp. 679-688, propose `mase` and discuss the failings of
/// the others; `wape` is the ratio of the mean absolute error to the mean of Kolassa & Schütz, "Advantages of
/// the MAD/Mean ratio over the MAPE", *Foresight* 6 (2007), pp. 40-43.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointMetrics {
    /// Mean absolute error, in the unit of the series.
    pub mae: f64,
    /// Median absolute error, in the unit of the series.
    pub medae: f64,
    /// Mean squared error, in the squared unit of the series.
    pub mse: f64,
    /// Square root of the mean squared error, in the unit of the series.
    pub rmse: f64,
    /// Symmetric mean absolute percentage error in percent, from 0 to 200: the mean of
    /// `200 |error| / (|actual| + |forecast|)`, where a pair of zeros counts 0.
    pub smape: f64,
    /// Sum of absolute errors over the sum of absolute actuals, as a fraction; `None` when every actual is
    /// zero.
    pub wape: Option<f64>,
    /// Mean absolute error over the seasonal scale of the training series (see [`seasonal_scale`]); `None`
    /// when there is no scale or it is zero.
    pub mase: Option<f64>,
    /// Coefficient of determination: one minus the squared error over the squared deviation of the actuals
    /// from their mean; `None` when the actuals are constant.
    pub r2: Option<f64>,
    /// Mean error, in the unit of the series: positive when the forecasts are too high.
    pub bias: f64,
}

impl PointMetrics {
    /// The metrics that are defined, each with its name, in the order of [`NAMES`].
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let values = [
            Some(self.mae),
            Some(self.medae),
            Some(self.mse),
            Some(self.rmse),
            Some(self.smape),
            self.wape,
            self.mase,
            self.r2,
            Some(self.bias),
        ];
        NAMES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Whether a smaller value of the metric called `name` is a better one: true of all but `r2`.
///
/// `bias` is best at zero and not at minus infinity, so the answer for it holds for its absolute value.
#[must_use]
pub fn lower_is_better(name: &str) -> bool {
    name != "r2" && !name.starts_with("coverage_") && name != POINT_WITHIN
}

/// Scores `forecast` against `actual`, two series of one length in one unit.
///
/// `seasonal_scale` is the mean absolute seasonal difference of the training series in the same unit; without
/// it there is no `mase`. The values are expected to be finite: a NaN turns the measures that average into
/// NaN. Takes time linear in the length.
///
/// # Panics
///
/// When the series differ in length or are empty.
#[must_use]
pub fn point_metrics(actual: &[f64], forecast: &[f64], seasonal_scale: Option<f64>) -> PointMetrics {
    assert_eq!(actual.len(), forecast.len(), "a forecast must have the length of the actuals");
    let errors: Vec<f64> = actual.iter().zip(forecast).map(|(actual, forecast)| forecast - actual).collect();
    score_errors(actual, &errors, seasonal_scale)
}

/// As [`point_metrics`], given the errors, forecast minus actual, instead of the forecasts: where both are far from zero,
/// their difference has lost digits that whoever knows it otherwise can keep.
///
/// # Panics
///
/// When the series differ in length or are empty.
#[must_use]
pub fn score_errors(actual: &[f64], errors: &[f64], seasonal_scale: Option<f64>) -> PointMetrics {
    assert_eq!(actual.len(), errors.len(), "errors must have the length of the actuals");
    assert!(!actual.is_empty(), "an empty series has no metrics");
    let n = actual.len() as f64;
    let totals = Totals::of(actual, errors);
    let absolute_error = totals.absolute_error.value();
    let squared_error = totals.squared_error.value();
    let mae = absolute_error / n;
    let mse = squared_error / n;
    PointMetrics {
        mae,
        medae: median(&mut errors.iter().map(|error| error.abs()).collect::<Vec<_>>()),
        mse,
        rmse: mse.sqrt(),
        smape: 200.0 * totals.relative_error.value() / n,
        wape: ratio(absolute_error, totals.absolute_actual.value()),
        mase: seasonal_scale.and_then(|scale| ratio(mae, scale)),
        r2: ratio(squared_error, sum_of_squared_deviations(actual)).map(|unexplained| 1.0 - unexplained),
        bias: totals.error.value() / n,
    }
}

/// The mean absolute difference between the values of `train` that lie `season` steps apart: the mean
/// absolute error of the seasonal naive forecast within the training series, by which `mase` is scaled.
///
/// `None` when `season` is zero or `train` is not longer than a season. A perfectly seasonal series has scale
/// zero.
#[must_use]
pub fn seasonal_scale(train: &[f64], season: usize) -> Option<f64> {
    if season == 0 || train.len() <= season {
        return None;
    }
    let later = &train[season..];
    let differences = later.iter().zip(train).map(|(later, earlier)| (later - earlier).abs());
    Some(sum(differences) / later.len() as f64)
}

/// The sums over a series that the averaging measures share.
#[derive(Default)]
struct Totals {
    error: CompensatedSum,
    absolute_error: CompensatedSum,
    squared_error: CompensatedSum,
    /// Sum of `|error| / (|actual| + |forecast|)`.
    relative_error: CompensatedSum,
    absolute_actual: CompensatedSum,
}

impl Totals {
    fn of(actual: &[f64], errors: &[f64]) -> Self {
        let mut totals = Self::default();
        for (actual, error) in actual.iter().zip(errors) {
            totals.error += *error;
            totals.absolute_error += error.abs();
            totals.squared_error += error * error;
            totals.relative_error += ratio(error.abs(), actual.abs() + (actual + error).abs()).unwrap_or(0.0);
            totals.absolute_actual += actual.abs();
        }
        totals
    }
}

/// `numerator / denominator`, undefined when the denominator is zero.
fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator != 0.0).then(|| numerator / denominator)
}

/// The squared deviations from the mean, added up over a second pass: the one-pass formula, the sum of
/// squares less the square of the sum, cancels catastrophically when the mean is far from zero.
fn sum_of_squared_deviations(values: &[f64]) -> f64 {
    sum(deviations(values).map(|deviation| deviation * deviation))
}

/// The median of a non-empty slice, in linear time and at the cost of its order.
fn median(values: &mut [f64]) -> f64 {
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    if even { below.iter().copied().fold(f64::NEG_INFINITY, f64::max).midpoint(upper) } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1e-9)
    }

    /// Pairs of an actual value and its forecast.
    fn pairs() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        prop::collection::vec((-1e3..1e3, -1e3..1e3), 1..80).prop_map(|pairs| pairs.into_iter().unzip())
    }

    #[test]
    fn median_of_an_even_count_is_the_mean_of_the_middle_two() {
        assert!(close(median(&mut [7.0, 1.0, 4.0, 2.0]), 3.0));
        assert!(close(median(&mut [9.0, 1.0, 4.0]), 4.0));
    }

    #[test]
    fn metrics_of_a_worked_example_are_those_computed_by_hand() {
        let scored = point_metrics(&[1.0, 2.0, 3.0, 6.0], &[2.0, 2.0, 1.0, 9.0], Some(0.5));
        let expected = PointMetrics {
            mae: 1.5,
            medae: 1.5,
            mse: 3.5,
            rmse: 3.5_f64.sqrt(),
            smape: 50.0 * (1.0 / 3.0 + 0.0 + 2.0 / 4.0 + 3.0 / 15.0),
            wape: Some(0.5),
            mase: Some(3.0),
            r2: Some(0.0),
            bias: 0.5,
        };
        assert!(
            scored.named().zip(expected.named()).all(|(got, want)| got.0 == want.0 && close(got.1, want.1))
        );
    }

    #[test]
    fn all_metrics_of_an_ordinary_series_are_named_in_order() {
        let scored = point_metrics(&[1.0, 2.0], &[2.0, 2.0], Some(1.0));
        let names: Vec<_> = scored.named().map(|(name, _)| name).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn undefined_metrics_are_left_out_of_the_named_ones() {
        let scored = point_metrics(&[0.0, 0.0], &[0.0, 1.0], Some(0.0));
        assert_eq!((scored.wape, scored.mase, scored.r2), (None, None, None));
        let names: Vec<_> = scored.named().map(|(name, _)| name).collect();
        assert_eq!(names, ["mae", "medae", "mse", "rmse", "smape", "bias"]);
    }

    #[test]
    fn a_constant_that_has_no_exact_binary_form_still_has_no_r2() {
        assert_eq!(point_metrics(&[0.1; 7], &[0.2; 7], None).r2, None);
    }

    #[test]
    fn a_pair_of_zeros_adds_nothing_to_smape() {
        assert!(close(point_metrics(&[0.0, 1.0], &[0.0, 3.0], None).smape, 50.0));
    }

    #[test]
    fn only_r2_is_better_when_higher() {
        let higher: Vec<_> = NAMES.into_iter().filter(|name| !lower_is_better(name)).collect();
        assert_eq!(higher, ["r2"]);
    }

    #[test]
    fn seasonal_scale_needs_more_than_one_season() {
        assert_eq!(seasonal_scale(&[1.0, 2.0, 3.0], 3), None);
        assert_eq!(seasonal_scale(&[1.0, 2.0, 3.0], 0), None);
        assert_eq!(seasonal_scale(&[1.0, 2.0, 4.0], 1), Some(1.5));
        assert_eq!(seasonal_scale(&[1.0, 2.0, 1.0, 2.0], 2), Some(0.0));
    }

    #[test]
    fn a_large_offset_does_not_blur_the_metrics_of_a_million_values() {
        let offset = 1e6;
        let actual: Vec<f64> = (0..1_000_000).map(|i| offset + f64::from(i % 4)).collect();
        let forecast: Vec<f64> = actual.iter().map(|y| y + 0.25).collect();
        let scored = point_metrics(&actual, &forecast, None);
        assert!(close(scored.mae, 0.25) && close(scored.bias, 0.25) && close(scored.mse, 0.0625));
        assert!(scored.r2.is_some_and(|r2| close(r2, 1.0 - 0.0625 / 1.25)));
    }

    #[test]
    #[should_panic(expected = "length of the actuals")]
    fn series_of_unequal_length_are_refused() {
        let _ = point_metrics(&[1.0, 2.0], &[1.0], None);
    }

    proptest! {
        #[test]
        fn rmse_squared_is_mse_and_bounds_mae_and_bias((actual, forecast) in pairs()) {
            let scored = point_metrics(&actual, &forecast, None);
            prop_assert!(close(scored.rmse * scored.rmse, scored.mse));
            prop_assert!(scored.mae <= scored.rmse * (1.0 + 1e-12));
            prop_assert!(scored.bias.abs() <= scored.mae * (1.0 + 1e-12));
            prop_assert!((0.0..=200.0 + 1e-9).contains(&scored.smape));
        }

        #[test]
        fn at_least_half_of_the_errors_are_no_larger_than_medae((actual, forecast) in pairs()) {
            let medae = point_metrics(&actual, &forecast, None).medae;
            let errors = actual.iter().zip(&forecast).map(|(y, f)| (f - y).abs());
            let below = errors.clone().filter(|error| *error <= medae).count();
            let above = errors.filter(|error| *error >= medae).count();
            prop_assert!(2 * below >= actual.len() && 2 * above >= actual.len());
        }

        #[test]
        fn a_perfect_forecast_errs_by_zero((actual, _) in pairs()) {
            for (name, value) in point_metrics(&actual, &actual, Some(1.0)).named() {
                let best = if name == "r2" { 1.0 } else { 0.0 };
                prop_assert!(value - best == 0.0, "{name} is {value}");
            }
        }

        #[test]
        fn scaling_both_series_scales_errors_and_leaves_ratios(
            (actual, forecast) in pairs(),
            scale in 0.01..100.0,
        ) {
            let scaled = |values: &[f64]| values.iter().map(|value| value * scale).collect::<Vec<f64>>();
            let before = point_metrics(&actual, &forecast, Some(2.0));
            let after = point_metrics(&scaled(&actual), &scaled(&forecast), Some(2.0 * scale));
            for ((name, before), (_, after)) in before.named().zip(after.named()) {
                let factor = match name {
                    "mae" | "medae" | "rmse" | "bias" => scale,
                    "mse" => scale * scale,
                    _ => 1.0,
                };
                let expected = before * factor;
                prop_assert!((after - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{name}");
            }
        }

        #[test]
        fn swapping_the_series_turns_bias_and_keeps_the_symmetric_errors((actual, forecast) in pairs()) {
            let there = point_metrics(&actual, &forecast, None);
            let back = point_metrics(&forecast, &actual, None);
            prop_assert!(close(there.bias, -back.bias));
            prop_assert!(close(there.mae, back.mae) && close(there.smape, back.smape));
            prop_assert!(close(there.mse, back.mse) && close(there.medae, back.medae));
        }

        #[test]
        fn forecasting_the_mean_has_an_r2_of_zero(actual in prop::collection::vec(-1e3..1e3, 2..80)) {
            let mean = sum(actual.iter().copied()) / actual.len() as f64;
            let r2 = point_metrics(&actual, &vec![mean; actual.len()], None).r2;
            prop_assert!(r2.is_some_and(|r2| r2.abs() < 1e-9));
        }

        #[test]
        fn the_seasonal_naive_forecast_of_the_training_series_has_a_mase_of_one(
            train in prop::collection::vec(-1e3..1e3, 8..80),
            season in 1_usize..8,
        ) {
            let scale = seasonal_scale(&train, season);
            let naive = &train[..train.len() - season];
            let mase = point_metrics(&train[season..], naive, scale).mase;
            prop_assert!(mase.is_none_or(|mase| close(mase, 1.0)));
        }
    }
}
