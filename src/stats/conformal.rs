//! Conformal prediction: bounds that cover a chosen share of future values, from the past errors of any model.

/// How bounds follow the errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Conformal {
    /// Fixed once, from the calibration errors alone. Its level is guaranteed while the errors do not change over time.
    Split,
    /// Adapted with each error that becomes known.
    Adaptive {
        /// How many of the last known errors the quantile is taken of.
        window: usize,
        /// How far the level moves with each error.
        rate: f64,
    },
}

impl Conformal {
    /// The adaptive method with its usual constants: 500 errors, so that the 2.5 % tails hold a dozen, and the rate of
    /// Gibbs & Candès, 0.005.
    pub const ADAPTIVE: Self = Self::Adaptive { window: 500, rate: 0.005 };
}

/// A bound's offset from its base forecast, at each forecast and after the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct Offsets {
    /// One for each error of the second series.
    pub each: Vec<f64>,
    /// What a forecast after the end of the series would get.
    pub next: f64,
}

/// How many errors [`signed_quantile`] needs for both ends of an interval of this level. With fewer, its ends are the
/// largest errors seen, and the level is not guaranteed.
#[must_use]
pub fn errors_needed(level: f64) -> usize {
    // ⌈(n + 1) (1 + level) / 2⌉ <= n holds from here on; the nudge undoes the rounding of the level.
    (2.0 / (1.0 - level) - 1.0 - 1e-9).ceil() as usize
}

/// The conformal quantile `level` of signed errors in increasing order: the `⌈(n + 1) level⌉`-th smallest for levels from
/// one half on (Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-free predictive inference for regression",
/// *Journal of the American Statistical Association* 113, 2018, pp. 1094-1111), and its mirror image below. Where the
/// errors are too few for the level, it is the outermost one. `None` without errors.
#[must_use]
pub fn signed_quantile(sorted_errors: &[f64], level: f64) -> Option<f64> {
    let n = sorted_errors.len();
    let rank =
        if level >= 0.5 { upper_rank(n, level) } else { (n + 1).saturating_sub(upper_rank(n, 1.0 - level)) };
    sorted_errors.get(rank.clamp(1, n.max(1)) - 1).copied()
}

/// `⌈(n + 1) level⌉`, where a product that exceeds a whole number by its rounding is that number.
fn upper_rank(n: usize, level: f64) -> usize {
    ((n + 1) as f64 * level - 1e-9).ceil() as usize
}

/// The offsets of the bound that is to lie above the share `level` of the values.
///
/// `calibration` and `errors` are actual minus base forecast, each in order of time, the calibration first. At its
/// forecast an error of `errors` is unknown, and so are those of the `delay - 1` forecasts before it: a forecast
/// `delay` steps ahead is judged when its step has come. All of `calibration` is known from the start. No offset
/// depends on an error that is not known yet.
///
/// The adaptive method takes the quantile of the last known errors, and moves its level after each: down by
/// `rate (1 - level)` when the value lay below the bound and up by `rate level` when it lay above, so that in the long
/// run the share below is `level` however the errors drift (Gibbs & Candès, "Adaptive conformal inference under
/// distribution shift", NeurIPS 2021; for each bound by itself, as in Romano, Patterson & Candès, "Conformalized
/// quantile regression", NeurIPS 2019, since these errors are skewed).
///
/// `None` without calibration errors or with a delay of zero.
#[must_use]
pub fn offsets(
    calibration: &[f64],
    errors: &[f64],
    delay: usize,
    level: f64,
    method: Conformal,
) -> Option<Offsets> {
    if calibration.is_empty() || delay == 0 {
        return None;
    }
    match method {
        Conformal::Split => {
            let mut sorted = calibration.to_vec();
            sorted.sort_by(f64::total_cmp);
            let offset = signed_quantile(&sorted, level)?;
            Some(Offsets { each: vec![offset; errors.len()], next: offset })
        }
        Conformal::Adaptive { window, rate } => {
            let mut bound = AdaptiveBound::new(calibration, level, window.max(1), rate);
            let mut each = Vec::with_capacity(errors.len());
            for index in 0..errors.len() {
                if let Some(known) = index.checked_sub(delay) {
                    bound.observe(errors[known], each[known]);
                }
                each.push(bound.offset()?);
            }
            for known in errors.len().saturating_sub(delay)..errors.len() {
                bound.observe(errors[known], each[known]);
            }
            Some(Offsets { next: bound.offset()?, each })
        }
    }
}

/// The last errors, in order of time and of size, and the level that their quantile is taken at.
struct AdaptiveBound {
    recent: std::collections::VecDeque<f64>,
    sorted: Vec<f64>,
    target: f64,
    level: f64,
    window: usize,
    rate: f64,
}

impl AdaptiveBound {
    fn new(calibration: &[f64], target: f64, window: usize, rate: f64) -> Self {
        let recent = &calibration[calibration.len().saturating_sub(window)..];
        let mut sorted = recent.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { recent: recent.iter().copied().collect(), sorted, target, level: target, window, rate }
    }

    fn offset(&self) -> Option<f64> {
        signed_quantile(&self.sorted, self.level)
    }

    /// Records an error and the offset that its forecast was given.
    fn observe(&mut self, error: f64, offset: f64) {
        let below = f64::from(u8::from(error <= offset));
        // Beyond 0 and 1 the quantile stays the same, so the level must not drift away.
        self.level = (self.level + self.rate * (self.target - below)).clamp(0.0, 1.0);
        if self.recent.len() == self.window
            && let Some(oldest) = self.recent.pop_front()
        {
            let at = self.sorted.partition_point(|value| value.total_cmp(&oldest).is_lt());
            self.sorted.remove(at);
        }
        self.recent.push_back(error);
        let at = self.sorted.partition_point(|value| value.total_cmp(&error).is_lt());
        self.sorted.insert(at, error);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn uniform(count: usize, scale: f64, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| scale * rng.random_range(-1.0..1.0)).collect()
    }

    fn share_below(errors: &[f64], offsets: &Offsets) -> f64 {
        errors.iter().zip(&offsets.each).filter(|(error, offset)| error <= offset).count() as f64
            / errors.len() as f64
    }

    #[test]
    fn an_interval_needs_more_errors_the_higher_its_level() {
        assert_eq!([0.5, 0.8, 0.95].map(errors_needed), [3, 9, 39]);
    }

    #[test]
    fn when_the_errors_double_the_adaptive_bound_follows_and_the_split_one_does_not() {
        let (calibration, errors) = (uniform(600, 1.0, 1), uniform(4_000, 2.0, 2));
        let share = |method| share_below(&errors, &offsets(&calibration, &errors, 1, 0.9, method).unwrap());
        assert!((share(Conformal::ADAPTIVE) - 0.9).abs() < 0.01, "{}", share(Conformal::ADAPTIVE));
        assert!(share(Conformal::Split) < 0.75, "{}", share(Conformal::Split));
    }

    #[test]
    fn without_drift_both_hold_their_level() {
        let (calibration, errors) = (uniform(2_000, 1.0, 3), uniform(4_000, 1.0, 4));
        for method in [Conformal::Split, Conformal::ADAPTIVE] {
            for level in [0.025, 0.25, 0.75, 0.975] {
                let share = share_below(&errors, &offsets(&calibration, &errors, 5, level, method).unwrap());
                assert!((share - level).abs() < 0.02, "{method:?} {level} {share}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_offset_depends_on_an_error_that_is_not_known_yet(
            calibration in prop::collection::vec(-5.0_f64..5.0, 1..60),
            errors in prop::collection::vec(-5.0_f64..5.0, 1..60),
            delay in 1_usize..9, at in 0_usize..60, other in -50.0_f64..50.0, level in 0.01_f64..0.99,
        ) {
            prop_assume!(at < errors.len());
            let method = Conformal::Adaptive { window: 20, rate: 0.05 };
            let before = offsets(&calibration, &errors, delay, level, method).unwrap();
            let mut changed = errors.clone();
            changed[at] = other;
            let after = offsets(&calibration, &changed, delay, level, method).unwrap();
            let last = (at + delay).min(errors.len());
            prop_assert_eq!(&before.each[..last], &after.each[..last]);
        }

        #[test]
        fn the_two_ends_are_mirror_images(
            errors in prop::collection::vec(-5.0_f64..5.0, 1..80), level in 0.01_f64..0.99,
        ) {
            let mut sorted = errors.clone();
            sorted.sort_by(f64::total_cmp);
            let mirrored: Vec<f64> = sorted.iter().rev().map(|error| -error).collect();
            let upper = signed_quantile(&sorted, level).unwrap();
            prop_assume!(level != 0.5);
            prop_assert_eq!(upper, -signed_quantile(&mirrored, 1.0 - level).unwrap());
        }

        #[test]
        fn at_least_the_level_of_the_calibration_lies_below_the_split_bound(
            errors in prop::collection::vec(-5.0_f64..5.0, 40..80), level in 0.5_f64..0.95,
        ) {
            let bound = offsets(&errors, &[], 1, level, Conformal::Split).unwrap().next;
            let below = errors.iter().filter(|error| **error <= bound).count() as f64;
            prop_assert!(below / errors.len() as f64 >= level - 1e-9);
            let mut symmetric: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
            symmetric.sort_by(f64::total_cmp);
            let width = signed_quantile(&symmetric, level).unwrap();
            let within = symmetric.iter().filter(|error| **error <= width).count() as f64;
            prop_assert!(within / errors.len() as f64 >= level - 1e-9);
        }
    }
}
