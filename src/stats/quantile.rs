//! The quantiles that every interval is made of, and those between them.

/// Levels of the quantiles, in increasing order: the ends of the intervals at 95, 80 and 50 %, and the median.
pub const QUANTILES: [f64; 7] = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975];

/// Index of the median.
pub const MEDIAN: usize = 3;

/// The quantile at a level between the least and the greatest of [`QUANTILES`], given the values at these: on a straight line
/// between its neighbours, and exactly the value of a level that is among them.
///
/// It never decreases with the level where the values do not, and lies between its neighbours. Above the median, where quantiles
/// of most distributions grow faster and faster, such a line lies above them: a margin, if anything, is too large.
#[must_use]
pub fn quantile_between(values: &[f64; QUANTILES.len()], level: f64) -> f64 {
    let upper = QUANTILES.partition_point(|own| *own < level).min(QUANTILES.len() - 1);
    if upper == 0 || QUANTILES[upper] <= level {
        return values[upper];
    }
    let (below, above) = (QUANTILES[upper - 1], QUANTILES[upper]);
    let share = (level - below) / (above - below);
    // Rounding must not carry it beyond its neighbours.
    let (low, high) = (values[upper - 1], values[upper]);
    (low + share * (high - low)).clamp(low.min(high), low.max(high))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_recorded_level_is_answered_with_its_own_value_to_the_bit() {
        let values = [0.1, 0.2, 0.3 + f64::EPSILON, 0.7, 1.1, 1e9, 1e300];
        for (level, value) in QUANTILES.into_iter().zip(values) {
            assert_eq!(quantile_between(&values, level), value);
        }
    }

    #[test]
    fn the_level_0_8_lies_a_third_of_the_way_from_0_75_to_0_9() {
        let values = [0.0, 1.0, 2.0, 3.0, 6.0, 9.0, 12.0];
        assert!((quantile_between(&values, 0.8) - 7.0).abs() < 1e-12);
        assert!((quantile_between(&values, 0.95) - 11.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_level_lies_between_its_neighbours_and_never_falls(
            mut values in prop::array::uniform7(0.0..1e6_f64), levels in prop::array::uniform2(0.025..=0.975_f64),
        ) {
            values.sort_by(f64::total_cmp);
            let [low, high] = if levels[0] <= levels[1] { levels } else { [levels[1], levels[0]] };
            prop_assert!(quantile_between(&values, low) <= quantile_between(&values, high));
            let upper = QUANTILES.partition_point(|own| *own < low);
            let between = quantile_between(&values, low);
            prop_assert!(values[upper.saturating_sub(1)] <= between && between <= values[upper]);
        }
    }
}
