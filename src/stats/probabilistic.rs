//! Scores of forecasts that are distributions, given by quantiles or by an ensemble: pinball loss and CRPS.

use super::sum::sum;

/// Mean pinball loss of `forecast` as the quantile `level` of `actual`, in the unit of the series: an actual value
/// above the forecast costs `level` times the distance, one below it `1 - level` times (Koenker & Bassett,
/// "Regression quantiles", *Econometrica* 46, 1978, pp. 33-50).
///
/// # Panics
///
/// When the series differ in length or are empty.
#[must_use]
pub fn pinball(actual: &[f64], forecast: &[f64], level: f64) -> f64 {
    assert_eq!(actual.len(), forecast.len(), "a forecast must have the length of the actuals");
    assert!(!actual.is_empty(), "an empty series has no pinball loss");
    sum(actual.iter().zip(forecast).map(|(y, q)| pinball_loss(y - q, level))) / actual.len() as f64
}

/// The pinball loss of one error, actual minus forecast.
#[must_use]
pub fn pinball_loss(error: f64, level: f64) -> f64 {
    (level * error).max((level - 1.0) * error)
}

/// The continuous ranked probability score of one actual value under the empirical distribution of `members`:
/// `E|X - y| - E|X - X'| / 2` (Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation",
/// *Journal of the American Statistical Association* 102, 2007, pp. 359-378, equation 21).
///
/// `None` without members. Takes time `m log m`.
#[must_use]
pub fn crps_ensemble(actual: f64, members: &[f64]) -> Option<f64> {
    let m = members.len() as f64;
    spread(actual, members).map(|(error, pairs)| error - pairs / (m * m))
}

/// As [`crps_ensemble`], fair to small ensembles: members that are drawn from the true distribution have the same
/// expected score however few they are (Ferro, "Fair scores for ensemble forecasts", *Quarterly Journal of the Royal
/// Meteorological Society* 140, 2014, pp. 1917-1923).
///
/// `None` with fewer than two members.
#[must_use]
pub fn crps_ensemble_fair(actual: f64, members: &[f64]) -> Option<f64> {
    let m = members.len() as f64;
    let (error, pairs) = spread(actual, members)?;
    (members.len() > 1).then(|| error - pairs / (m * (m - 1.0)))
}

/// Mean distance of the members to the actual value, and the sum of their distances over unordered pairs.
fn spread(actual: f64, members: &[f64]) -> Option<(f64, f64)> {
    if members.is_empty() {
        return None;
    }
    let mut sorted = members.to_vec();
    sorted.sort_by(f64::total_cmp);
    let m = sorted.len() as f64;
    let error = sum(sorted.iter().map(|member| (member - actual).abs())) / m;
    // The member of rank i, counted from 0, is the larger one of i pairs and the smaller one of m - 1 - i.
    let pairs = sum(sorted.iter().enumerate().map(|(rank, member)| (2.0 * rank as f64 - (m - 1.0)) * member));
    Some((error, pairs))
}

/// The share of the unit interval that each of the increasing quantile levels stands for: up to half-way to its
/// neighbours, and to 0 and 1 at the ends. Two times the pinball loss, weighted so, approximates the CRPS.
#[must_use]
pub fn quantile_weights(levels: &[f64]) -> Vec<f64> {
    let border = |index: usize| match index {
        0 => 0.0,
        _ if index == levels.len() => 1.0,
        _ => f64::midpoint(levels[index - 1], levels[index]),
    };
    (0..levels.len()).map(|index| border(index + 1) - border(index)).collect()
}

/// The CRPS of one actual value under a distribution given by its `quantiles` at increasing `levels`: twice the
/// integral of the pinball loss over the levels (Laio & Tamea, "Verification tools for probabilistic forecasts of
/// continuous hydrological variables", *Hydrology and Earth System Sciences* 11, 2007, pp. 1267-1277), by the
/// rule of [`quantile_weights`]. Exact for an ensemble of `m` members at the levels `(i - 1/2) / m`.
///
/// `None` when there is no level, or not one quantile for each.
#[must_use]
pub fn crps_quantile(actual: f64, levels: &[f64], quantiles: &[f64]) -> Option<f64> {
    if levels.is_empty() || levels.len() != quantiles.len() {
        return None;
    }
    let weighted = levels.iter().zip(quantiles).zip(quantile_weights(levels));
    Some(
        2.0 * sum(
            weighted.map(|((&level, &quantile), weight)| weight * pinball_loss(actual - quantile, level))
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_quantile_form_of_an_ensemble_is_its_crps(
            mut members in prop::collection::vec(-50.0_f64..50.0, 1..40),
            actual in -60.0_f64..60.0,
        ) {
            members.sort_by(f64::total_cmp);
            let m = members.len() as f64;
            let levels: Vec<f64> = (0..members.len()).map(|i| (i as f64 + 0.5) / m).collect();
            let by_quantiles = crps_quantile(actual, &levels, &members).unwrap();
            let by_members = crps_ensemble(actual, &members).unwrap();
            prop_assert!((by_quantiles - by_members).abs() < 1e-9, "{} {}", by_quantiles, by_members);
            prop_assert!(by_members >= -1e-12);
        }

        #[test]
        fn the_empirical_quantile_has_the_lowest_pinball_loss(
            mut values in prop::collection::vec(-50.0_f64..50.0, 1..60),
            level in 0.01_f64..0.99,
            other in -60.0_f64..60.0,
        ) {
            values.sort_by(f64::total_cmp);
            let rank = (level * values.len() as f64).ceil().max(1.0) as usize;
            let loss = |forecast: f64| pinball(&values, &vec![forecast; values.len()], level);
            prop_assert!(loss(values[rank - 1]) <= loss(other) + 1e-12);
        }

        #[test]
        fn the_weights_of_the_levels_add_up_to_one(mut levels in prop::collection::vec(0.001_f64..0.999, 1..20)) {
            levels.sort_by(f64::total_cmp);
            let weights = quantile_weights(&levels);
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(weights.iter().all(|weight| *weight >= 0.0));
        }

        #[test]
        fn one_member_scores_its_distance(member in -9.0_f64..9.0, actual in -9.0_f64..9.0) {
            prop_assert_eq!(crps_ensemble(actual, &[member]), Some((member - actual).abs()));
            prop_assert_eq!(crps_ensemble_fair(actual, &[member]), None);
        }
    }
}
