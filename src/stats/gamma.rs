//! The logarithm of the gamma function and the regularized incomplete gamma function.

/// `ln Γ(x)` for `x > 0`.
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// The derivative of `ln Γ` at `x > 0`: up to 8 by its recurrence, beyond by its asymptotic series (Abramowitz & Stegun,
/// 6.3.5 and 6.3.18).
#[must_use]
pub fn digamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 8.0 {
        below -= 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series = inverse
        * (1.0 / 12.0
            - inverse * (1.0 / 120.0 - inverse * (1.0 / 252.0 - inverse * (1.0 / 240.0 - inverse / 132.0))));
    below + x.ln() - 0.5 / x - series
}

/// The regularized lower incomplete gamma function `P(a, x)` for `a > 0` and `x >= 0`: the probability that a gamma
/// variate of shape `a` and rate 1 is at most `x`.
///
/// A power series below `a + 1` and Lentz's continued fraction above (Press et al., *Numerical Recipes*, 3rd edition,
/// section 6.2). Accurate to about 13 digits for `a` up to a thousand.
#[must_use]
pub fn regularized_lower_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let kernel = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 { kernel * series(a, x) } else { 1.0 - kernel * continued_fraction(a, x) }
}

/// More terms than any argument that is not absurd needs.
const MOST_TERMS: usize = 100_000;

fn series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut total = term;
    for count in 1..MOST_TERMS {
        term *= x / (a + count as f64);
        total += term;
        if term.abs() < total.abs() * 1e-17 {
            break;
        }
    }
    total
}

fn continued_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut beta = x + 1.0 - a;
    let mut ascending = 1.0 / TINY;
    let mut descending = 1.0 / nonzero(beta);
    let mut value = descending;
    for count in 1..MOST_TERMS {
        let alpha = -(count as f64) * (count as f64 - a);
        beta += 2.0;
        descending = 1.0 / nonzero(alpha * descending + beta);
        ascending = nonzero(beta + alpha / ascending);
        let change = ascending * descending;
        value *= change;
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digamma_function_has_its_known_values() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        assert!((digamma(1.0) + EULER).abs() < 1e-10);
        assert!((digamma(0.5) + EULER + 2.0 * std::f64::consts::LN_2).abs() < 1e-10);
        assert!((digamma(100.0) - 4.600_161_852_738_087).abs() < 1e-10);
    }

    proptest! {
        #[test]
        fn shape_one_is_the_exponential_law(x in 0.0_f64..40.0) {
            prop_assert!((regularized_lower_gamma(1.0, x) + (-x).exp_m1()).abs() < 1e-13);
        }

        #[test]
        fn shape_one_half_is_the_error_function(x in 0.0_f64..40.0) {
            prop_assert!((regularized_lower_gamma(0.5, x) - libm::erf(x.sqrt())).abs() < 1e-13);
        }

        #[test]
        fn the_recurrence_in_the_shape_holds(a in 0.05_f64..200.0, x in 0.0_f64..300.0) {
            let step = (a * x.ln() - x - ln_gamma(a + 1.0)).exp();
            let left = regularized_lower_gamma(a + 1.0, x);
            prop_assert!((left - (regularized_lower_gamma(a, x) - step)).abs() < 1e-11);
        }
    }
}
