//! Compensated sums and the means and deviations built on them, accurate for millions of values.

use std::iter::Sum;
use std::ops::AddAssign;

/// A running sum that carries its own rounding error along, so the error does not grow with the count
/// (Neumaier, *Zeitschrift für Angewandte Mathematik und Mechanik* 54, 1974, p. 39).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CompensatedSum {
    sum: f64,
    lost: f64,
}

impl CompensatedSum {
    /// The sum so far; infinite when it overflowed or met an infinity.
    pub(super) fn value(self) -> f64 {
        // Once the sum is infinite, the lost part is infinity minus infinity and must not be added.
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

impl AddAssign<f64> for CompensatedSum {
    fn add_assign(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost +=
            if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }
}

impl Sum<f64> for CompensatedSum {
    fn sum<I: Iterator<Item = f64>>(values: I) -> Self {
        values.fold(Self::default(), |mut total, value| {
            total += value;
            total
        })
    }
}

/// The sum of `values`.
pub(super) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.sum::<CompensatedSum>().value()
}

/// The mean of `values`; NaN when there are none.
pub(super) fn mean(values: &[f64]) -> f64 {
    sum(values.iter().copied()) / values.len() as f64
}

/// Mean and standard deviation (divided by n) of some values, as exact as their digits allow: adding a constant to all of
/// them, or multiplying all by one, changes neither the deviation nor how far each value lies from the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// The mean, as far as a double holds it.
    pub mean: f64,
    /// What the mean lost by rounding: `(value - mean) - mean_rest` loses nothing even where the mean is a hundred million
    /// deviations from zero.
    pub mean_rest: f64,
    /// The standard deviation; zero exactly when all values are the same.
    pub deviation: f64,
}

impl Moments {
    /// The moments of some values; those of no value are zero.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let Some(&origin) = values.first() else {
            return Self { mean: 0.0, mean_rest: 0.0, deviation: 0.0 };
        };
        let shift = mean_distance(values, origin);
        let mean = origin + shift;
        // The rounding error of the sum, exactly (Knuth, *The Art of Computer Programming* 2, section 4.2.2, theorem B).
        let added = mean - origin;
        let mean_rest = (origin - (mean - added)) + (shift - added);
        // Squares of very small or very large values would leave the range of a double.
        let largest = deviations(values).map(f64::abs).fold(0.0, f64::max);
        let squares = sum(deviations(values).map(|deviation| (deviation / largest).powi(2)));
        let deviation = if largest > 0.0 { largest * (squares / values.len() as f64).sqrt() } else { 0.0 };
        Self { mean, mean_rest, deviation }
    }
}

/// The mean of the values' distances from `origin`.
fn mean_distance(values: &[f64], origin: f64) -> f64 {
    sum(values.iter().map(|value| value - origin)) / values.len() as f64
}

/// What is left of each of `values` after their mean is taken away.
///
/// The values are first shifted by the first one, so the deviations of a constant are exactly zero whatever
/// the constant is; subtracting its rounded mean would leave noise that passes for variation.
pub(super) fn deviations(values: &[f64]) -> impl Iterator<Item = f64> {
    let origin = values.first().copied().unwrap_or(0.0);
    let shift = mean_distance(values, origin);
    values.iter().map(move |value| (value - origin) - shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_value_survives_between_two_large_ones_that_cancel() {
        let values = [1.0, 1e100, 1.0, -1e100];
        assert_eq!(sum(values.into_iter()).to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn a_million_tenths_add_up_to_a_hundred_thousand() {
        let total = sum(std::iter::repeat_n(0.1, 1_000_000));
        assert!((total - 100_000.0).abs() < 1e-10, "{total}");
    }

    #[test]
    fn a_sum_that_overflows_is_infinite_and_not_nan() {
        let total = sum([f64::MAX, f64::MAX, 1.0].into_iter());
        assert!(total.is_infinite() && total > 0.0, "{total}");
    }

    #[test]
    fn the_mean_of_nothing_is_nan() {
        assert!(mean(&[]).is_nan());
    }

    #[test]
    fn a_constant_deviates_by_exactly_zero() {
        let values = [0.1; 7];
        assert!(deviations(&values).all(|deviation| deviation == 0.0));
    }

    #[test]
    fn a_tiny_and_a_huge_series_have_a_deviation() {
        for size in [1e-300, 1e-30, 1.0, 1e300] {
            let Moments { mean, deviation, .. } = Moments::of(&[size, -size]);
            assert!(mean == 0.0 && (deviation / size - 1.0).abs() < 1e-15, "{size}: {deviation}");
        }
    }

    proptest! {
        #[test]
        fn an_offset_changes_neither_the_deviation_nor_the_distances_from_the_mean(
            ticks in prop::collection::vec(-100_000_i32..100_000, 1..60), offset in -1_000_000_000_i32..1_000_000_000,
        ) {
            // Sixteenths are not rounded beside any of these offsets.
            let values: Vec<f64> = ticks.iter().map(|&tick| f64::from(tick) / 16.0).collect();
            let moved: Vec<f64> = values.iter().map(|value| value + f64::from(offset)).collect();
            let (before, after) = (Moments::of(&values), Moments::of(&moved));
            prop_assert_eq!(before.deviation.to_bits(), after.deviation.to_bits());
            for (value, moved) in values.iter().zip(&moved) {
                let [own, other] = [(value, before), (moved, after)].map(|(value, moments)| (value - moments.mean) - moments.mean_rest);
                prop_assert!((own - other).abs() <= 1e-15 * (before.deviation + own.abs()), "{} {}", own, other);
            }
        }
    }

    #[test]
    fn deviations_add_up_to_zero() {
        let values = [3.0, -1.5, 8.25, 0.5];
        let mean = mean(&values);
        for (deviation, value) in deviations(&values).zip(values) {
            assert!((deviation - (value - mean)).abs() < 1e-15);
        }
        assert!(sum(deviations(&values)).abs() < 1e-15);
    }
}
