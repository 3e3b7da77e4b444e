//! The circular block bootstrap of a mean loss difference between two forecasts.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::sum::{CompensatedSum, deviations, mean};

/// Distances this close to the observed one, as a share of it, are ties that rounding has parted.
const TIE_TOLERANCE: f64 = 1e-10;

/// The mean of a series with its bootstrap confidence interval and the test of its being zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapResult {
    /// The mean of the given differences, in their unit.
    pub mean: f64,
    /// The lower end of the confidence interval.
    pub lower: f64,
    /// The upper end of the confidence interval.
    pub upper: f64,
    /// The two-sided p-value of the mean being zero.
    pub p_value: f64,
}

/// Bootstraps the mean of paired loss differences that are dependent in time, as those of overlapping
/// forecasts are.
///
/// Each of the `resamples` joins blocks of `block` consecutive differences, drawn with replacement, to the
/// length of the series. Resampling whole blocks keeps the dependence within them (Künsch, "The jackknife and
/// the bootstrap for general stationary observations", *Annals of Statistics* 17, 1989, pp. 1217-1241);
/// joining the end of the series to its start lets every difference occur equally often, so that the
/// resampled means centre on the observed one (Politis & Romano, "A circular block-resampling procedure for
/// stationary data", in *Exploring the Limits of Bootstrap*, 1992, pp. 263-270).
///
/// Both answers rest on how far the resampled means lie from the observed one. The p-value is the share of
/// them at least as far away as zero is, `(1 + count) / (1 + resamples)`. The interval is symmetric and holds
/// the share `level` of them (Hall, "On symmetric bootstrap confidence intervals", *Journal of the Royal
/// Statistical Society B* 50, 1988, pp. 35-45), so zero lies outside it exactly when the p-value is at most
/// `1 - level`.
///
/// `None` when `block` is zero or the series holds fewer than two blocks, when `level` is not within `(0, 1)`
/// or needs more resamples (`0.95` needs 19), or when the mean is not finite. With fewer than about ten
/// blocks the p-values are too small. The same seed gives the same result on every machine. A resample takes
/// time proportional to the number of its blocks, whatever their length.
#[must_use]
pub fn block_bootstrap_mean(
    differences: &[f64],
    block: usize,
    resamples: usize,
    level: f64,
    seed: u64,
) -> Option<BootstrapResult> {
    let n = differences.len();
    if block == 0 || n / block < 2 {
        return None;
    }
    let rank = interval_rank(level, resamples)?;
    let mean = mean(differences);
    if !mean.is_finite() {
        return None;
    }
    let observed = mean.abs();
    let blocks = BlockResampler::new(differences, block);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut distances: Vec<f64> =
        (0..resamples).map(|_| join_tie(blocks.mean_deviation(&mut rng).abs(), observed)).collect();
    let count = distances.iter().filter(|distance| **distance >= observed).count();
    let (_, &mut half_width, _) = distances.select_nth_unstable_by(rank - 1, f64::total_cmp);
    Some(BootstrapResult {
        mean,
        lower: mean - half_width,
        upper: mean + half_width,
        p_value: (1 + count) as f64 / (1 + resamples) as f64,
    })
}

/// A block length for [`block_bootstrap_mean`] on `n` differences of losses `horizon` steps ahead.
///
/// The cube root of `n`, the rate at which the best length grows for estimating a variance (Hall, Horowitz &
/// Jing, "On blocking rules for the bootstrap with dependent data", *Biometrika* 82, 1995, pp. 561-574), but
/// at least `horizon`, over which overlapping forecasts share errors, and at most half of `n`, so that there
/// are two blocks.
#[must_use]
pub fn block_length(n: usize, horizon: usize) -> usize {
    let cube_root = (n as f64).cbrt().round() as usize;
    cube_root.max(horizon).min(n / 2).max(1)
}

/// Which of the ascending distances bounds the interval: the least that leaves a p-value above `1 - level` to
/// a mean within it.
fn interval_rank(level: f64, resamples: usize) -> Option<usize> {
    // A product such as 0.07 * 100 exceeds the whole number it stands for by its rounding.
    let rank = (level * (resamples + 1) as f64 - 1e-9).ceil();
    (level > 0.0 && level < 1.0 && rank >= 1.0 && rank <= resamples as f64).then_some(rank as usize)
}

/// The distance, or the observed one where they differ by rounding only. Ties are common: the forecasts of
/// many windows may be equally good, and a resample of those alone lies exactly as far from the mean as zero
/// does.
fn join_tie(distance: f64, observed: f64) -> f64 {
    if (distance - observed).abs() <= TIE_TOLERANCE * observed { observed } else { distance }
}

/// Draws circular block resamples of a series and gives their means relative to the mean of the series.
struct BlockResampler {
    n: usize,
    block: usize,
    /// `prefix[i]` is the sum of the first `i` deviations from the mean, going round the series past its end.
    prefix: Vec<f64>,
}

impl BlockResampler {
    fn new(values: &[f64], block: usize) -> Self {
        let centred: Vec<f64> = deviations(values).collect();
        let mut total = CompensatedSum::default();
        let mut prefix = Vec::with_capacity(centred.len() + block);
        prefix.push(0.0);
        for &deviation in centred.iter().chain(&centred[..block - 1]) {
            total += deviation;
            prefix.push(total.value());
        }
        Self { n: values.len(), block, prefix }
    }

    /// The mean of one resample less the mean of the series; the last block is cut to the length of the
    /// series.
    fn mean_deviation(&self, rng: &mut ChaCha8Rng) -> f64 {
        let mut draw = |length: usize| {
            let start = rng.random_range(0..self.n);
            self.prefix[start + length] - self.prefix[start]
        };
        let whole_blocks: f64 = (0..self.n / self.block).map(|_| draw(self.block)).sum();
        let remainder = self.n % self.block;
        let cut_block = if remainder > 0 { draw(remainder) } else { 0.0 };
        (whole_blocks + cut_block) / self.n as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An autoregression `x[t] = persistence * x[t-1] + noise`, the noise uniform on `[-1, 1)`.
    fn autoregression(n: usize, persistence: f64, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut level = 0.0;
        let mut step = || {
            level = persistence * level + rng.random_range(-1.0..1.0);
            level
        };
        (0..n + 100).map(|_| step()).skip(100).collect()
    }

    fn half_width(differences: &[f64], block: usize) -> f64 {
        let result = block_bootstrap_mean(differences, block, 1999, 0.95, 7).unwrap();
        0.5 * (result.upper - result.lower)
    }

    #[test]
    fn two_values_have_the_p_value_that_enumeration_gives() {
        // The resampled means of 0 and 2 are 0, 1, 1 and 2, of which two lie as far from 1 as zero does.
        let result = block_bootstrap_mean(&[0.0, 2.0], 1, 20_000, 0.9, 1).unwrap();
        assert!((result.p_value - 0.5).abs() < 0.015, "{}", result.p_value);
    }

    #[test]
    fn ties_count_although_rounding_parts_them() {
        // A resample without the one nonzero value, of chance (1 - 1/7)^7 = 0.340, lies as far off as zero
        // does; so does one that holds it twice, and those that hold it more often lie farther: 0.264
        // together.
        let differences = [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let result = block_bootstrap_mean(&differences, 1, 20_000, 0.95, 1).unwrap();
        assert!((result.p_value - 0.604).abs() < 0.015, "{}", result.p_value);
    }

    #[test]
    fn a_block_runs_on_from_the_end_to_the_start() {
        let resampler = BlockResampler::new(&[1.0, 2.0, 3.0, 4.0, 5.0], 2);
        // From the last value on: the deviations 2 of the value 5 and -2 of the value 1.
        assert!((resampler.prefix[5 - 1 + 2] - resampler.prefix[5 - 1]).abs() < 1e-15);
    }

    #[test]
    fn independent_values_have_the_interval_of_the_normal_law() {
        let n = 4000;
        let theory = 1.96 * (1.0 / 3.0_f64).sqrt() / (n as f64).sqrt();
        let ratio = half_width(&autoregression(n, 0.0, 3), 1) / theory;
        assert!((ratio - 1.0).abs() < 0.06, "{ratio}");
    }

    #[test]
    fn blocks_widen_the_interval_of_persistent_values() {
        // The mean of an autoregression with persistence 0.6 varies √((1 + 0.6) / (1 - 0.6)) = 2 times as
        // much as that of independent values.
        let differences = autoregression(8000, 0.6, 5);
        let ratio = half_width(&differences, 60) / half_width(&differences, 1);
        assert!((ratio - 2.0).abs() < 0.2, "{ratio}");
    }

    #[test]
    fn blocks_restore_the_size_of_the_test_on_persistent_values() {
        let share_rejected = |block: usize| {
            let rejected = (0..400).filter(|&seed| {
                let differences = autoregression(300, 0.5, seed);
                block_bootstrap_mean(&differences, block, 199, 0.95, seed).unwrap().p_value <= 0.05
            });
            rejected.count() as f64 / 400.0
        };
        let (single, blocks) = (share_rejected(1), share_rejected(15));
        assert!(single > 0.2, "{single}");
        assert!(blocks < 0.1, "{blocks}");
    }

    #[test]
    fn the_same_seed_gives_the_same_result() {
        let differences = autoregression(50, 0.3, 11);
        let run = |seed| block_bootstrap_mean(&differences, 4, 99, 0.9, seed);
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn equal_forecasts_have_a_p_value_of_one() {
        let result = block_bootstrap_mean(&[0.0; 10], 2, 99, 0.95, 1);
        assert_eq!(result, Some(BootstrapResult { mean: 0.0, lower: 0.0, upper: 0.0, p_value: 1.0 }));
    }

    #[test]
    fn what_cannot_be_resampled_has_no_result() {
        let differences = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(block_bootstrap_mean(&differences, 0, 99, 0.95, 1), None);
        assert_eq!(block_bootstrap_mean(&differences, 3, 99, 0.95, 1), None);
        assert_eq!(block_bootstrap_mean(&[], 1, 99, 0.95, 1), None);
        assert_eq!(block_bootstrap_mean(&[1.0, f64::NAN], 1, 99, 0.95, 1), None);
        for level in [0.0, 1.0, -0.5, f64::NAN] {
            assert_eq!(block_bootstrap_mean(&differences, 1, 99, level, 1), None);
        }
    }

    #[test]
    fn a_level_needs_enough_resamples() {
        assert_eq!(interval_rank(0.95, 18), None);
        assert_eq!(interval_rank(0.95, 19), Some(19));
        assert_eq!(interval_rank(0.99, 999), Some(990));
        assert_eq!(interval_rank(0.07, 99), Some(7));
    }

    #[test]
    fn block_length_follows_the_cube_root_between_the_horizon_and_half_the_series() {
        assert_eq!(block_length(1000, 1), 10);
        assert_eq!(block_length(1000, 24), 24);
        assert_eq!(block_length(10, 24), 5);
        assert_eq!(block_length(1, 3), 1);
    }

    proptest! {
        #[test]
        fn the_interval_is_centred_on_the_mean(
            differences in prop::collection::vec(-10.0..10.0, 2..60),
            seed in any::<u64>(),
        ) {
            let block = block_length(differences.len(), 2);
            let result = block_bootstrap_mean(&differences, block, 99, 0.9, seed).unwrap();
            prop_assert!(result.lower <= result.mean && result.mean <= result.upper);
            prop_assert!((result.lower + result.upper - 2.0 * result.mean).abs() < 1e-12);
            prop_assert!((0.01..=1.0).contains(&result.p_value));
        }

        #[test]
        fn zero_lies_outside_the_interval_exactly_when_the_p_value_is_small(
            differences in prop::collection::vec(-3.0..5.0, 10..60),
            seed in any::<u64>(),
        ) {
            let result = block_bootstrap_mean(&differences, 2, 199, 0.9, seed).unwrap();
            let outside = result.lower > 0.0 || result.upper < 0.0;
            prop_assert_eq!(outside, result.p_value <= 0.1 + 1e-12);
        }

        #[test]
        fn scaling_the_differences_scales_the_interval_and_keeps_the_p_value(
            differences in prop::collection::vec(-3.0..5.0, 10..60),
            exponent in -8_i32..8,
            negative in any::<bool>(),
        ) {
            // A power of two scales without rounding.
            let scale = f64::powi(2.0, exponent) * if negative { -1.0 } else { 1.0 };
            let scaled: Vec<f64> = differences.iter().map(|difference| difference * scale).collect();
            let before = block_bootstrap_mean(&differences, 3, 99, 0.9, 1).unwrap();
            let after = block_bootstrap_mean(&scaled, 3, 99, 0.9, 1).unwrap();
            prop_assert_eq!(before.p_value.to_bits(), after.p_value.to_bits());
            let width = (before.upper - before.lower) * scale.abs();
            prop_assert!((after.upper - after.lower - width).abs() <= 1e-12 * width);
        }

        #[test]
        fn the_rule_of_thumb_gives_a_block_that_the_bootstrap_takes(
            n in 2_usize..200,
            horizon in 0_usize..300,
        ) {
            let differences = autoregression(n, 0.2, 1);
            prop_assert!(block_bootstrap_mean(&differences, block_length(n, horizon), 19, 0.9, 1).is_some());
        }
    }
}
