//! The gamma function's logarithm and its derivative, and the regularized incomplete gamma function.

pub use statrs::function::gamma::digamma;

/// `ln Γ(x)` for `x > 0`.
///
/// libm's: exact to the last digit or two, where that of statrs loses two more.
pub(super) fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// The regularized lower incomplete gamma function `P(a, x)` for `a > 0` and `x >= 0`: the probability that a gamma
/// variate of shape `a` and rate 1 is at most `x`. Accurate to about 13 digits for `a` up to a hundred.
#[must_use]
pub fn regularized_lower_gamma(a: f64, x: f64) -> f64 {
    match x {
        // statrs refuses both ends.
        _ if x <= 0.0 => 0.0,
        f64::INFINITY => 1.0,
        _ => statrs::function::gamma::checked_gamma_lr(a, x).unwrap_or(f64::NAN),
    }
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
