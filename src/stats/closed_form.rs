//! CRPS and log score of one actual value under distributions with a formula for it.
//!
//! The formulas of the CRPS are those of Jordan, Krüger & Lerch, "Evaluating probabilistic forecasts with
//! scoringRules", *Journal of Statistical Software* 90 (2019), appendix A. Log scores are `-ln density`.

use std::f64::consts::{FRAC_1_SQRT_2, PI, TAU};

use super::gamma::{ln_gamma, regularized_lower_gamma};
use super::sum::sum;

/// The normal distribution function.
#[must_use]
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// The normal quantile function for `p` in `(0, 1)`: Acklam's rational approximation, made exact by one step of
/// Halley's method.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
        1.0,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        0.007_784_695_709_041_462,
        0.322_467_129_070_039_8,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let polynomial = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |value, c| value * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    let start = if p < 0.024_25 {
        tail(p)
    } else if p > 1.0 - 0.024_25 {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    };
    let error = (normal_cdf(start) - p) * TAU.sqrt() * (0.5 * start * start).exp();
    start - error / (1.0 + 0.5 * start * error)
}

/// The normal density.
#[must_use]
pub fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / TAU.sqrt()
}

/// CRPS under the normal distribution with mean `mean` and standard deviation `deviation > 0`.
#[must_use]
pub fn crps_normal(actual: f64, mean: f64, deviation: f64) -> f64 {
    let z = (actual - mean) / deviation;
    deviation * (z * (2.0 * normal_cdf(z) - 1.0) + 2.0 * normal_density(z) - 1.0 / PI.sqrt())
}

/// CRPS under the log-normal distribution, whose logarithm has mean `mean_log` and standard deviation `deviation_log`.
#[must_use]
pub fn crps_lognormal(actual: f64, mean_log: f64, deviation_log: f64) -> f64 {
    let mean = (mean_log + 0.5 * deviation_log * deviation_log).exp();
    let z = if actual > 0.0 { (actual.ln() - mean_log) / deviation_log } else { f64::NEG_INFINITY };
    let spread = normal_cdf(z - deviation_log) + normal_cdf(deviation_log * FRAC_1_SQRT_2) - 1.0;
    actual * (2.0 * normal_cdf(z) - 1.0) - 2.0 * mean * spread
}

/// CRPS under a mixture of log-normal distributions, each given by its weight and by mean and standard deviation of the
/// logarithm: `E|X - actual| - E|X - X'| / 2`, both by their formulas.
#[must_use]
pub fn crps_lognormal_mixture(actual: f64, components: &[[f64; 3]]) -> f64 {
    let mean = |mean_log: f64, deviation_log: f64| (mean_log + 0.5 * deviation_log * deviation_log).exp();
    let to_actual = |&[weight, mean_log, deviation_log]: &[f64; 3]| {
        let z = if actual > 0.0 { (actual.ln() - mean_log) / deviation_log } else { f64::NEG_INFINITY };
        let above = mean(mean_log, deviation_log) * (1.0 - 2.0 * normal_cdf(z - deviation_log));
        weight * (actual * (2.0 * normal_cdf(z) - 1.0) + above)
    };
    let apart = |&[weight, mean_log, deviation_log]: &[f64; 3],
                 &[other, other_mean_log, other_deviation_log]: &[f64; 3]| {
        let wide = deviation_log.hypot(other_deviation_log);
        let half = |mean_log: f64, deviation_log: f64, other_mean_log: f64| {
            let z = (mean_log - other_mean_log + deviation_log * deviation_log) / wide;
            mean(mean_log, deviation_log) * (2.0 * normal_cdf(z) - 1.0)
        };
        let distance = half(mean_log, deviation_log, other_mean_log)
            + half(other_mean_log, other_deviation_log, mean_log);
        weight * other * distance
    };
    let spread = sum(components.iter().flat_map(|one| components.iter().map(move |other| apart(one, other))));
    sum(components.iter().map(to_actual)) - 0.5 * spread
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

/// CRPS under the logistic distribution with this location and scale.
#[must_use]
pub fn crps_logistic(actual: f64, location: f64, scale: f64) -> f64 {
    let z = (actual - location) / scale;
    // -ln F(z) = ln(1 + exp(-z)), without overflow on either side.
    let minus_ln_cdf = (-z).max(0.0) + (-z.abs()).exp().ln_1p();
    scale * (z + 2.0 * minus_ln_cdf - 1.0)
}

/// CRPS under the Poisson distribution with this mean: the squared distance of its distribution function from the step
/// at the actual value, summed over the unit steps that the function is made of.
#[must_use]
pub fn crps_poisson(actual: f64, mean: f64) -> f64 {
    let last = (mean + 40.0 * mean.sqrt() + 60.0).max(actual + 1.0).ceil() as usize;
    let mut below = 0.0;
    // Left of zero the distribution function is 0, and the step may be 1 there.
    let mut terms = vec![(-actual).max(0.0)];
    for count in 0..last {
        let k = count as f64;
        below += (k * mean.ln() - mean - ln_gamma(k + 1.0)).exp();
        let before = (actual - k).clamp(0.0, 1.0);
        terms.push(before * below * below + (1.0 - before) * (1.0 - below) * (1.0 - below));
    }
    sum(terms.into_iter())
}

/// Log score under the normal distribution.
#[must_use]
pub fn log_score_normal(actual: f64, mean: f64, deviation: f64) -> f64 {
    let z = (actual - mean) / deviation;
    0.5 * (z * z + TAU.ln()) + deviation.ln()
}

/// Log score under the log-normal distribution; infinite where the actual value is not positive.
#[must_use]
pub fn log_score_lognormal(actual: f64, mean_log: f64, deviation_log: f64) -> f64 {
    if actual > 0.0 {
        log_score_normal(actual.ln(), mean_log, deviation_log) + actual.ln()
    } else {
        f64::INFINITY
    }
}

/// Log score under the gamma distribution with this shape and rate; infinite where the actual value is negative.
#[must_use]
pub fn log_score_gamma(actual: f64, shape: f64, rate: f64) -> f64 {
    if actual < 0.0 {
        return f64::INFINITY;
    }
    ln_gamma(shape) - shape * rate.ln() - (shape - 1.0) * actual.ln() + rate * actual
}

/// Log score under the exponential distribution with this rate; infinite where the actual value is negative.
#[must_use]
pub fn log_score_exponential(actual: f64, rate: f64) -> f64 {
    if actual < 0.0 { f64::INFINITY } else { rate * actual - rate.ln() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The CRPS by the midpoint rule on `∫ (F(x) - 1{y <= x})² dx`.
    fn by_quadrature(actual: f64, (from, to): (f64, f64), cdf: impl Fn(f64) -> f64) -> f64 {
        let cells = 400_000;
        let width = (to - from) / f64::from(cells);
        let square = |x: f64| (cdf(x) - f64::from(u8::from(actual <= x))).powi(2);
        (0..cells).map(|cell| square(from + (f64::from(cell) + 0.5) * width)).sum::<f64>() * width
    }

    #[test]
    fn the_formulas_agree_with_the_integral_that_defines_them() {
        let cases = [
            (crps_normal(1.3, 0.4, 1.7), by_quadrature(1.3, (-30.0, 30.0), |x| normal_cdf((x - 0.4) / 1.7))),
            (
                crps_gamma(2.2, 1.4, 0.8),
                by_quadrature(2.2, (0.0, 80.0), |x| regularized_lower_gamma(1.4, 0.8 * x)),
            ),
            (
                crps_weibull(0.9, 0.8, 1.3),
                by_quadrature(0.9, (0.0, 90.0), |x| -(-(x / 1.3).powf(0.8)).exp_m1()),
            ),
            (crps_exponential(0.4, 2.0), by_quadrature(0.4, (0.0, 40.0), |x| 1.0 - (-2.0 * x).exp())),
            (crps_poisson(2.5, 3.0), {
                let pmf = |k: f64| (k * 3.0_f64.ln() - 3.0 - ln_gamma(k + 1.0)).exp();
                by_quadrature(2.5, (-1.0, 40.0), |x| {
                    (0..=x.floor().max(-1.0) as i32).filter(|_| x >= 0.0).map(|k| pmf(f64::from(k))).sum()
                })
            }),
        ];
        for (formula, integral) in cases {
            assert!((formula - integral).abs() < 2e-4, "{formula} {integral}");
        }
    }

    #[test]
    fn an_actual_value_outside_the_support_scores_by_its_distance() {
        assert!((crps_exponential(-1.0, 2.0) - (1.0 + 0.25)).abs() < 1e-12);
        assert!((crps_poisson(-2.0, 3.0) - crps_poisson(0.0, 3.0) - 2.0).abs() < 1e-12);
        assert_eq!(log_score_exponential(-0.1, 1.0), f64::INFINITY);
    }

    proptest! {
        #[test]
        fn the_normal_quantile_undoes_the_distribution_function(p in 1e-12_f64..1.0) {
            prop_assume!(p < 1.0 - 1e-12);
            prop_assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-14_f64.max(1e-13 * p));
        }

        #[test]
        fn the_crps_shifts_and_scales_with_the_distribution(
            actual in -5.0_f64..5.0, mean in -5.0_f64..5.0, deviation in 0.1_f64..5.0, shift in -5.0_f64..5.0,
            factor in 0.1_f64..9.0,
        ) {
            let moved = crps_normal(actual * factor + shift, mean * factor + shift, deviation * factor);
            prop_assert!((moved - factor * crps_normal(actual, mean, deviation)).abs() < 1e-9);
        }

        #[test]
        fn a_gamma_of_shape_one_is_exponential(actual in 0.0_f64..20.0, rate in 0.1_f64..5.0) {
            prop_assert!((crps_gamma(actual, 1.0, rate) - crps_exponential(actual, rate)).abs() < 1e-10);
            prop_assert!((log_score_gamma(actual, 1.0, rate) - log_score_exponential(actual, rate)).abs() < 1e-10);
        }
    }
}
