//! Scores of interval forecasts: coverage, width and the Winkler score that weighs the two.

use super::sum::sum;

/// How well intervals of one level hold the values that came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntervalScore {
    /// Share of the actual values that lie within their interval, its ends included.
    pub coverage: f64,
    /// Mean width, in the unit of the series.
    pub width: f64,
    /// Mean Winkler score, in the unit of the series: the width, plus `2 / (1 - level)` times the distance to the
    /// nearer end for a value outside (Winkler, "A decision-theoretic approach to interval estimation", *Journal of
    /// the American Statistical Association* 67, 1972, pp. 187-191). Lower is better, and no interval does better in
    /// expectation than the one between the true quantiles.
    pub winkler: f64,
}

/// Scores the intervals between `lower` and `upper`, which are to hold the share `level` of `actual`.
///
/// # Panics
///
/// When the series differ in length or are empty.
#[must_use]
pub fn interval_score(actual: &[f64], lower: &[f64], upper: &[f64], level: f64) -> IntervalScore {
    assert!(
        actual.len() == lower.len() && actual.len() == upper.len(),
        "an interval must have the length of the actuals"
    );
    assert!(!actual.is_empty(), "an empty series has no interval score");
    let n = actual.len() as f64;
    let each = || actual.iter().zip(lower.iter().zip(upper));
    let within = each().filter(|(y, (lower, upper))| *lower <= *y && *y <= *upper).count();
    let width = sum(each().map(|(_, (lower, upper))| upper - lower)) / n;
    let missed = sum(each().map(|(y, (lower, upper))| (lower - y).max(y - upper).max(0.0))) / n;
    IntervalScore { coverage: within as f64 / n, width, winkler: width + 2.0 / (1.0 - level) * missed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::pinball;

    proptest! {
        #[test]
        fn the_winkler_score_is_the_pinball_loss_of_both_ends_over_half_the_miscoverage(
            triples in prop::collection::vec((-9.0_f64..9.0, -9.0_f64..9.0, 0.0_f64..9.0), 1..40),
            level in 0.05_f64..0.99,
        ) {
            let actual: Vec<f64> = triples.iter().map(|(y, _, _)| *y).collect();
            let lower: Vec<f64> = triples.iter().map(|(_, lower, _)| *lower).collect();
            let upper: Vec<f64> = triples.iter().map(|(_, lower, width)| lower + width).collect();
            let score = interval_score(&actual, &lower, &upper, level);
            let half = (1.0 - level) / 2.0;
            let ends = pinball(&actual, &lower, half) + pinball(&actual, &upper, 1.0 - half);
            prop_assert!((score.winkler - ends / half).abs() < 1e-9 * (1.0 + score.winkler));
        }

        #[test]
        fn a_wider_interval_never_covers_less(
            triples in prop::collection::vec((-9.0_f64..9.0, -9.0_f64..9.0, 0.0_f64..9.0), 1..40),
            more in 0.0_f64..5.0,
        ) {
            let actual: Vec<f64> = triples.iter().map(|(y, _, _)| *y).collect();
            let lower: Vec<f64> = triples.iter().map(|(_, lower, _)| *lower).collect();
            let upper: Vec<f64> = triples.iter().map(|(_, lower, width)| lower + width).collect();
            let wider: Vec<f64> = upper.iter().map(|upper| upper + more).collect();
            let score = interval_score(&actual, &lower, &upper, 0.8);
            let wide = interval_score(&actual, &lower, &wider, 0.8);
            prop_assert!((0.0..=1.0).contains(&score.coverage) && wide.coverage >= score.coverage);
            prop_assert!((wide.width - score.width - more).abs() < 1e-9);
        }
    }
}
