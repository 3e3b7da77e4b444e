//! Activation functions on whole SIMD registers.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use pulp::Simd;

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// The hyperbolic tangent, to about 1e-7 absolute.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let two = simd.splat_f32s(2.0);
    simd.mul_add_e_f32s(two, sigmoid(simd, simd.add_f32s(x, x)), simd.splat_f32s(-1.0))
}

/// `x (1 - x)`: the slope of the sigmoid where its value is `x`.
#[inline(always)]
pub fn sigmoid_slope<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    simd.mul_f32s(value, simd.sub_f32s(simd.splat_f32s(1.0), value))
}

/// `1 - x²`: the slope of the hyperbolic tangent where its value is `x`.
#[inline(always)]
pub fn tanh_slope<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    simd.negate_mul_add_e_f32s(value, value, simd.splat_f32s(1.0))
}

/// The exponential to about two units in the last place, without a branch: a power of two times a polynomial on
/// ±ln 2 / 2 (Moshier, Cephes, `expf`).
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// 1.5 * 2^23: added to a number, it leaves that number's nearest integer in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    const EXPONENT_BIAS: f32 = 127.0;
    let splat = |value| simd.splat_f32s(value);
    // Comparisons keep a NaN, where a minimum may lose it: a diverging run must be seen to diverge.
    let x = simd.select_f32s(simd.less_than_f32s(x, splat(-87.0)), splat(-87.0), x);
    let x = simd.select_f32s(simd.greater_than_f32s(x, splat(88.0)), splat(88.0), x);
    let rounded = simd.mul_add_e_f32s(x, splat(std::f32::consts::LOG2_E), splat(ROUNDING));
    let power = simd.sub_f32s(rounded, splat(ROUNDING));
    let rest = simd.negate_mul_add_e_f32s(power, splat(LN2_HIGH), x);
    let rest = simd.negate_mul_add_e_f32s(power, splat(LN2_LOW), rest);
    let mut polynomial = splat(1.987_569_1e-4);
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        polynomial = simd.mul_add_e_f32s(polynomial, rest, splat(coefficient));
    }
    let square = simd.mul_f32s(rest, rest);
    let value = simd.add_f32s(simd.mul_add_e_f32s(polynomial, square, rest), splat(1.0));
    let exponent = simd.transmute_u32s_f32s(simd.add_f32s(rounded, splat(EXPONENT_BIAS)));
    let scale = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23)));
    simd.mul_f32s(value, scale)
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, Scalar, WithSimd};

    use super::*;

    /// All functions at some points.
    struct Sample<'a>(&'a mut [f32], &'a mut [f32], &'a mut [f32]);

    impl WithSimd for Sample<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Sample(x, squashed, tangent) = self;
            let x = S::as_mut_simd_f32s(x).0;
            let (squashed, tangent) = (S::as_mut_simd_f32s(squashed).0, S::as_mut_simd_f32s(tangent).0);
            for ((x, squashed), tangent) in x.iter_mut().zip(squashed).zip(tangent) {
                *squashed = sigmoid(simd, *x);
                *tangent = tanh(simd, *x);
                *x = exp(simd, *x);
            }
        }
    }

    fn agrees_with_double_precision(run: impl Fn(Sample<'_>)) {
        let points: Vec<f32> = (-8_688..8_688).map(|step| step as f32 / 100.0).collect();
        let mut exponentials = points.clone();
        let (mut squashed, mut tangents) = (points.clone(), points.clone());
        run(Sample(&mut exponentials, &mut squashed, &mut tangents));
        for (index, x) in points.iter().map(|&x| f64::from(x)).enumerate() {
            let (exponential, squashed) = (f64::from(exponentials[index]), f64::from(squashed[index]));
            assert!((exponential / x.exp() - 1.0).abs() < 3e-7, "exp({x}) = {exponential}");
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            assert!((squashed / sigmoid - 1.0).abs() < 4e-7, "sigmoid({x}) = {squashed}");
            assert!((f64::from(tangents[index]) - x.tanh()).abs() < 3e-7, "tanh({x}) = {}", tangents[index]);
        }
        let mut far = vec![1e30; 64];
        far[0] = f32::NAN;
        far[1] = -1e30;
        let (mut squashed, mut tangents) = (far.clone(), far.clone());
        run(Sample(&mut far.clone(), &mut squashed, &mut tangents));
        assert!(squashed[0].is_nan() && squashed[1] < 1e-37 && squashed[2] == 1.0);
        assert!(tangents[0].is_nan() && tangents[1] == -1.0 && tangents[2] == 1.0);
    }

    #[test]
    fn activations_are_right_to_a_few_units_in_the_last_place() {
        agrees_with_double_precision(|sample| Arch::new().dispatch(sample));
    }

    #[test]
    fn a_processor_without_wide_registers_gives_as_good_activations() {
        agrees_with_double_precision(|sample| sample.with_simd(Scalar::new()));
    }
}
