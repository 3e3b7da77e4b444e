//! The Diebold-Mariano test of equal accuracy, and Holm's correction for making several such tests at once.

use super::special::student_t_two_sided;
use super::sum::{deviations, mean, sum};

/// A test statistic and the probability, were there no difference, of one at least as far from zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestResult {
    /// Positive when the first sample's mean loss is the larger one.
    pub statistic: f64,
    /// The two-sided p-value.
    pub p_value: f64,
}

/// Tests whether two forecasts of the same values, made `horizon` steps ahead, have the same expected loss.
///
/// `loss_a[i]` and `loss_b[i]` are the losses of the two forecasts of one value, in order of time; a negative
/// statistic speaks for the first forecast. The variance of the mean difference takes in the `horizon - 1`
/// autocovariances that overlapping forecasts share, each divided by the length (Diebold & Mariano,
/// "Comparing predictive accuracy", *Journal of Business & Economic Statistics* 13, 1995, pp. 253-263). The
/// statistic is corrected for short series and compared with Student's t on `n - 1` degrees of freedom
/// (Harvey, Leybourne & Newbold, "Testing the equality of prediction mean squared errors", *International
/// Journal of Forecasting* 13, 1997, pp. 281-291).
///
/// `None` when the series differ in length, when they are not longer than `horizon`, when they hold fewer
/// than two values, when `horizon` is zero, or when the variance is not positive. It is zero when the
/// difference is constant, and for `horizon > 1` the truncated sum of autocovariances can also turn out
/// negative.
///
/// Takes time proportional to the length times the horizon.
#[must_use]
pub fn diebold_mariano(loss_a: &[f64], loss_b: &[f64], horizon: usize) -> Option<TestResult> {
    let length = loss_a.len();
    if loss_b.len() != length || length < 2 || !(1..length).contains(&horizon) {
        return None;
    }
    let differences: Vec<f64> = loss_a.iter().zip(loss_b).map(|(a, b)| a - b).collect();
    let n = length as f64;
    let mean = mean(&differences);
    let variance_of_mean = long_run_variance(&differences, horizon) / n;
    if !(variance_of_mean > 0.0 && variance_of_mean.is_finite()) {
        return None;
    }
    let h = horizon as f64;
    let small_sample_correction = ((n + 1.0 - 2.0 * h + h * (h - 1.0) / n) / n).sqrt();
    let statistic = small_sample_correction * mean / variance_of_mean.sqrt();
    Some(TestResult { statistic, p_value: student_t_two_sided(statistic, n - 1.0) })
}

/// The variance of `values` plus twice their autocovariances at the lags below `horizon`.
fn long_run_variance(values: &[f64], horizon: usize) -> f64 {
    let centred: Vec<f64> = deviations(values).collect();
    let autocovariance =
        |lag: usize| sum(centred[lag..].iter().zip(&centred).map(|(x, y)| x * y)) / values.len() as f64;
    autocovariance(0) + 2.0 * (1..horizon).map(autocovariance).sum::<f64>()
}

/// Adjusts p-values in `[0, 1]` so that rejecting those at most `α` makes any false rejection at most `α`
/// likely, whatever their dependence (Holm, "A simple sequentially rejective multiple test procedure",
/// *Scandinavian Journal of Statistics* 6, 1979, pp. 65-70).
///
/// The adjusted values stand in the order of the given ones.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut ascending: Vec<usize> = (0..p.len()).collect();
    ascending.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest_yet: f64 = 0.0;
    for (rank, index) in ascending.into_iter().enumerate() {
        let still_tested = (p.len() - rank) as f64;
        largest_yet = largest_yet.max(still_tested * p[index]).min(1.0);
        adjusted[index] = largest_yet;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two loss series of one length.
    fn losses() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        prop::collection::vec((0.0..10.0, 0.0..10.0), 12..60).prop_map(|pairs| pairs.into_iter().unzip())
    }

    #[test]
    fn diebold_mariano_of_a_worked_example_is_the_one_computed_by_hand() {
        // The differences 1, 3, 1, 3 have mean 2 and variance 1, so the corrected statistic is 2 √(3/4) /
        // √(1/4).
        let result = diebold_mariano(&[2.0, 4.0, 2.0, 4.0], &[1.0; 4], 1).unwrap();
        assert!((result.statistic - 12.0_f64.sqrt()).abs() < 1e-12);
        // Student's t with three degrees of freedom has a closed form.
        let angle = 2.0_f64.atan();
        let p_value = 1.0 - 2.0 / std::f64::consts::PI * (angle + angle.sin() * angle.cos());
        assert!((result.p_value - p_value).abs() < 1e-12);
    }

    #[test]
    fn a_constant_difference_has_no_statistic() {
        assert_eq!(diebold_mariano(&[0.1; 9], &[0.0; 9], 1), None);
    }

    #[test]
    fn a_negative_long_run_variance_has_no_statistic() {
        let alternating: Vec<f64> = (0..20).map(|i| f64::from(i % 2)).collect();
        assert!(diebold_mariano(&alternating, &[0.0; 20], 1).is_some());
        assert_eq!(diebold_mariano(&alternating, &[0.0; 20], 2), None);
    }

    #[test]
    fn series_that_cannot_be_compared_have_no_statistic() {
        let ascending = [0.0, 1.0, 5.0];
        assert_eq!(diebold_mariano(&ascending, &[0.0; 2], 1), None);
        assert_eq!(diebold_mariano(&ascending, &[0.0; 3], 0), None);
        assert_eq!(diebold_mariano(&ascending, &[0.0; 3], 3), None);
        assert_eq!(diebold_mariano(&[1.0], &[0.0], 1), None);
        assert_eq!(diebold_mariano(&[], &[], 1), None);
        assert_eq!(diebold_mariano(&[0.0, f64::NAN, 5.0], &[0.0; 3], 1), None);
    }

    #[test]
    fn holm_of_nothing_is_nothing() {
        assert_eq!(holm(&[]), Vec::<f64>::new());
    }

    #[test]
    fn holm_leaves_a_single_p_value_alone() {
        assert_eq!(holm(&[0.03]), [0.03]);
    }

    proptest! {
        #[test]
        fn swapping_the_forecasts_turns_the_statistic_and_keeps_the_p_value(
            (a, b) in losses(),
            horizon in 1_usize..4,
        ) {
            let (there, back) = (diebold_mariano(&a, &b, horizon), diebold_mariano(&b, &a, horizon));
            prop_assert_eq!(there.is_some(), back.is_some());
            if let (Some(there), Some(back)) = (there, back) {
                let tolerance = 1e-9 * there.statistic.abs().max(1.0);
                prop_assert!((there.statistic + back.statistic).abs() <= tolerance);
                prop_assert!((there.p_value - back.p_value).abs() < 1e-9);
            }
        }

        #[test]
        fn the_statistic_does_not_depend_on_the_unit_of_the_losses((a, b) in losses(), scale in 0.01..100.0) {
            let scaled = |losses: &[f64]| losses.iter().map(|loss| loss * scale).collect::<Vec<f64>>();
            let before = diebold_mariano(&a, &b, 1).unwrap();
            let after = diebold_mariano(&scaled(&a), &scaled(&b), 1).unwrap();
            let tolerance = 1e-9 * before.statistic.abs().max(1.0);
            prop_assert!((before.statistic - after.statistic).abs() <= tolerance);
        }

        #[test]
        fn the_p_value_is_a_probability((a, b) in losses(), horizon in 1_usize..4) {
            let p_value = diebold_mariano(&a, &b, horizon).map_or(1.0, |result| result.p_value);
            prop_assert!((0.0..=1.0).contains(&p_value), "{p_value}");
        }

        #[test]
        fn holm_lies_between_the_p_value_and_bonferroni(p in prop::collection::vec(0.0..=1.0, 0..20)) {
            for (&before, after) in p.iter().zip(holm(&p)) {
                prop_assert!(before <= after && after <= (p.len() as f64 * before).min(1.0));
            }
        }

        #[test]
        fn holm_keeps_the_order_of_the_p_values(p in prop::collection::vec(0.0..=1.0, 0..20)) {
            let mut pairs: Vec<(f64, f64)> = p.iter().copied().zip(holm(&p)).collect();
            pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
            prop_assert!(pairs.is_sorted_by(|left, right| left.1 <= right.1));
        }
    }
}
