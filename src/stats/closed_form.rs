//! The normal distribution, and the CRPS of one actual value under the distributions that have a formula for it.
//!
//! The formulas of the CRPS are those of Jordan, Krüger & Lerch, "Evaluating probabilistic forecasts with
//! scoringRules", *Journal of Statistical Software* 90 (2019), appendix A.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2, TAU};

use super::gamma::{ln_gamma, regularized_lower_gamma};
use super::sum::sum;

/// The normal distribution function.
///
/// By libm's `erfc`: that of statrs is off by up to 2e-11, and calls the platform's `exp`, which is not the same everywhere.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The normal quantile function for `p` in `(0, 1)`, to the last digit or two.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    -SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p)
}

/// The normal density.
#[must_use]
pub fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / TAU.sqrt()
}

/// CRPS under the log-normal distribution, whose logarithm has mean `mean_log` and standard deviation `deviation_log`.
#[must_use]
pub fn crps_lognormal(actual: f64, mean_log: f64, deviation_log: f64) -> f64 {
    let mean = (mean_log + 0.5 * deviation_log * deviation_log).exp();
    let z = if actual > 0.0 { (actual.ln() - mean_log) / deviation_log } else { f64::NEG_INFINITY };
    let spread = normal_cdf(z - deviation_log) + normal_cdf(deviation_log * FRAC_1_SQRT_2) - 1.0;
    actual * (2.0 * normal_cdf(z) - 1.0) - 2.0 * mean * spread
}

/// One log-normal distribution of a mixture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LognormalComponent {
    /// Its share of the mixture.
    pub weight: f64,
    /// Mean of the logarithm.
    pub mean_log: f64,
    /// Standard deviation of the logarithm.
    pub deviation_log: f64,
}

impl LognormalComponent {
    fn mean(self) -> f64 {
        (self.mean_log + 0.5 * self.deviation_log * self.deviation_log).exp()
    }

    /// Mean distance of a draw to a value.
    fn distance(self, value: f64) -> f64 {
        let z =
            if value > 0.0 { (value.ln() - self.mean_log) / self.deviation_log } else { f64::NEG_INFINITY };
        let above = self.mean() * (1.0 - 2.0 * normal_cdf(z - self.deviation_log));
        value * (2.0 * normal_cdf(z) - 1.0) + above
    }

    /// Mean distance of a draw to one of `other`.
    fn mean_distance(self, other: Self) -> f64 {
        let deviation = self.deviation_log.hypot(other.deviation_log);
        let half = |of: Self, to: Self| {
            let z = (of.mean_log - to.mean_log + of.deviation_log * of.deviation_log) / deviation;
            of.mean() * (2.0 * normal_cdf(z) - 1.0)
        };
        half(self, other) + half(other, self)
    }
}

/// CRPS under a mixture of log-normal distributions: `E|X - actual| - E|X - X'| / 2`, both by their formulas.
#[must_use]
pub fn crps_lognormal_mixture(actual: f64, components: &[LognormalComponent]) -> f64 {
    let to_actual = components.iter().map(|one| one.weight * one.distance(actual));
    let pairs = components.iter().flat_map(|one| components.iter().map(move |other| (one, other)));
    let apart = pairs.map(|(one, other)| one.weight * other.weight * one.mean_distance(*other));
    sum(to_actual) - 0.5 * sum(apart)
}

/// CRPS under the gamma distribution with this shape and rate.
#[must_use]
pub fn crps_gamma(actual: f64, shape: f64, rate: f64) -> f64 {
    let x = rate * actual.max(0.0);
    let below = regularized_lower_gamma(shape, x);
    let below_next = regularized_lower_gamma(shape + 1.0, x);
    let inverse_beta = (ln_gamma(shape + 0.5) - ln_gamma(0.5) - ln_gamma(shape)).exp();
    actual * (2.0 * below - 1.0) - shape / rate * (2.0 * below_next - 1.0) - inverse_beta / rate
}

/// CRPS under the exponential distribution with this rate.
#[must_use]
pub fn crps_exponential(actual: f64, rate: f64) -> f64 {
    let below = -(-rate * actual.max(0.0)).exp_m1();
    actual.abs() - 2.0 / rate * below + 0.5 / rate
}

/// CRPS under the Weibull distribution with this shape and scale.
#[must_use]
pub fn crps_weibull(actual: f64, shape: f64, scale: f64) -> f64 {
    let hazard = (actual.max(0.0) / scale).powf(shape);
    let mean = scale * ln_gamma(1.0 + 1.0 / shape).exp();
    let below = -(-hazard).exp_m1();
    let share = regularized_lower_gamma(1.0 + 1.0 / shape, hazard);
    actual * (2.0 * below - 1.0) - 2.0 * mean * share + mean * (-1.0 / shape).exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The CRPS by the midpoint rule on `∫ (F(x) - 1{y <= x})² dx`.
    fn by_quadrature(actual: f64, range: std::ops::Range<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
        let cells = 400_000;
        let width = (range.end - range.start) / f64::from(cells);
        let square = |x: f64| (cdf(x) - f64::from(u8::from(actual <= x))).powi(2);
        (0..cells).map(|cell| square(range.start + (f64::from(cell) + 0.5) * width)).sum::<f64>() * width
    }

    #[test]
    fn the_formulas_agree_with_the_integral_that_defines_them() {
        let cases = [
            (
                crps_gamma(2.2, 1.4, 0.8),
                by_quadrature(2.2, 0.0..80.0, |x| regularized_lower_gamma(1.4, 0.8 * x)),
            ),
            (
                crps_weibull(0.9, 0.8, 1.3),
                by_quadrature(0.9, 0.0..90.0, |x| -(-(x / 1.3).powf(0.8)).exp_m1()),
            ),
            (crps_exponential(0.4, 2.0), by_quadrature(0.4, 0.0..40.0, |x| 1.0 - (-2.0 * x).exp())),
        ];
        for (formula, integral) in cases {
            assert!((formula - integral).abs() < 2e-4, "{formula} {integral}");
        }
    }

    #[test]
    fn an_actual_value_outside_the_support_scores_by_its_distance() {
        assert!((crps_exponential(-1.0, 2.0) - (1.0 + 0.25)).abs() < 1e-12);
    }

    #[test]
    fn normal_quantiles_agree_with_fifty_digit_arithmetic() {
        // Computed with mpmath 1.3.0 at 50 digits, at the doubles that these levels are.
        for (level, want) in [
            (1e-300, -37.047_096_299_361_2),
            (1e-12, -7.034_483_825_301_132),
            (0.025, -1.959_963_984_540_054_3),
            (0.1, -1.281_551_565_544_600_4),
            (0.75, 0.674_489_750_196_081_7),
            (0.975, 1.959_963_984_540_053_8),
            (0.999_999_999_999, 7.034_486_910_047_835_6),
        ] {
            let got = normal_quantile(level);
            assert!((got - want).abs() <= 1e-15 * want.abs(), "{got:e} is not {want:e} at {level:e}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_quantile_undoes_the_distribution_function(p in 1e-12_f64..1.0) {
            prop_assume!(p < 1.0 - 1e-12);
            prop_assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-14_f64.max(1e-13 * p));
        }

        #[test]
        fn the_crps_scales_with_the_unit(
            actual in 0.0_f64..5.0, mean_log in -5.0_f64..5.0, deviation_log in 0.1_f64..2.0, factor in 0.1_f64..9.0,
        ) {
            let before = crps_lognormal(actual, mean_log, deviation_log);
            let after = crps_lognormal(actual * factor, mean_log + factor.ln(), deviation_log);
            prop_assert!((after - factor * before).abs() < 1e-9 * (1.0 + after.abs()));
        }

        #[test]
        fn a_gamma_of_shape_one_is_exponential(actual in 0.0_f64..20.0, rate in 0.1_f64..5.0) {
            prop_assert!((crps_gamma(actual, 1.0, rate) - crps_exponential(actual, rate)).abs() < 1e-10);
        }
    }
}
