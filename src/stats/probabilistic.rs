//! Scores of forecasts that are given by quantiles: pinball loss and CRPS.

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
fn pinball_loss(error: f64, level: f64) -> f64 {
    (level * error).max((level - 1.0) * error)
}

/// The share of the unit interval that each of the increasing quantile levels stands for: up to half-way to its
/// neighbours, and to 0 and 1 at the ends. Two times the pinball loss, weighted so, approximates the CRPS.
fn quantile_weights(levels: &[f64]) -> Vec<f64> {
    let border = |index: usize| match index {
        0 => 0.0,
        _ if index == levels.len() => 1.0,
        _ => f64::midpoint(levels[index - 1], levels[index]),
    };
    (0..levels.len()).map(|index| border(index + 1) - border(index)).collect()
}

/// The CRPS of one actual value under a distribution given by its `quantiles` at increasing `levels`: twice the
/// integral of the pinball loss over the levels (Laio & Tamea, "Verification tools for probabilistic forecasts of
/// continuous hydrological variables", *Hydrology and Earth System Sciences* 11, 2007, pp. 1267-1277). Each level
/// stands for the levels up to half-way to its neighbours. Exact for an ensemble of `m` members at the levels `(i - 1/2) / m`.
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
            // E|X - y| - E|X - X'| / 2 (Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation",
            // *Journal of the American Statistical Association* 102, 2007, equation 21).
            let distances = |to: f64| members.iter().map(|member| (member - to).abs()).sum::<f64>() / m;
            let by_members = distances(actual) - members.iter().map(|&to| distances(to)).sum::<f64>() / (2.0 * m);
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

    }
}
