//! Activation functions on whole SIMD registers.
//!
//! Those that take an exponential take several registers and go through all of them stage by stage: one result alone is a
//! chain of some twenty operations that wait for each other, which leaves the processor idle most of the time.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use pulp::Simd;

/// 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid<S: Simd, const N: usize>(simd: S, mut x: [S::f32s; N]) -> [S::f32s; N] {
    let one = simd.splat_f32s(1.0);
    for x in &mut x {
        *x = simd.neg_f32s(*x);
    }
    let mut values = exp(simd, x);
    for value in &mut values {
        *value = simd.div_f32s(one, simd.add_f32s(one, *value));
    }
    values
}

/// The hyperbolic tangent, to about 1e-7 absolute.
#[inline(always)]
pub fn tanh<S: Simd, const N: usize>(simd: S, mut x: [S::f32s; N]) -> [S::f32s; N] {
    for x in &mut x {
        *x = simd.add_f32s(*x, *x);
    }
    let mut values = sigmoid(simd, x);
    for value in &mut values {
        *value = tanh_of_sigmoid(simd, *value);
    }
    values
}

/// The hyperbolic tangent of `x`, given the sigmoid of `2 x`.
#[inline(always)]
pub fn tanh_of_sigmoid<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(2.0), value, simd.splat_f32s(-1.0))
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
fn exp<S: Simd, const N: usize>(simd: S, mut x: [S::f32s; N]) -> [S::f32s; N] {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// 1.5 * 2^23: added to a number, it leaves that number's nearest integer in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    const EXPONENT_BIAS: f32 = 127.0;
    let splat = |value| simd.splat_f32s(value);
    // Comparisons keep a NaN, where a minimum may lose it: a diverging run must be seen to diverge.
    for x in &mut x {
        *x = simd.select_f32s(simd.less_than_f32s(*x, splat(-87.0)), splat(-87.0), *x);
    }
    for x in &mut x {
        *x = simd.select_f32s(simd.greater_than_f32s(*x, splat(88.0)), splat(88.0), *x);
    }
    let mut rounded = x;
    for rounded in &mut rounded {
        *rounded = simd.mul_add_e_f32s(*rounded, splat(std::f32::consts::LOG2_E), splat(ROUNDING));
    }
    let mut rest = x;
    for (rest, rounded) in rest.iter_mut().zip(&rounded) {
        let power = simd.sub_f32s(*rounded, splat(ROUNDING));
        *rest = simd.negate_mul_add_e_f32s(power, splat(LN2_HIGH), *rest);
        *rest = simd.negate_mul_add_e_f32s(power, splat(LN2_LOW), *rest);
    }
    let mut values = [splat(1.987_569_1e-4); N];
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        for (value, rest) in values.iter_mut().zip(&rest) {
            *value = simd.mul_add_e_f32s(*value, *rest, splat(coefficient));
        }
    }
    for ((value, rest), rounded) in values.iter_mut().zip(&rest).zip(&rounded) {
        let square = simd.mul_f32s(*rest, *rest);
        let mantissa = simd.add_f32s(simd.mul_add_e_f32s(*value, square, *rest), splat(1.0));
        let exponent = simd.transmute_u32s_f32s(simd.add_f32s(*rounded, splat(EXPONENT_BIAS)));
        let scale = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23)));
        *value = simd.mul_f32s(mantissa, scale);
    }
    values
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
                [*squashed] = sigmoid(simd, [*x]);
                [*tangent, _] = tanh(simd, [*x, *squashed]);
                [*x] = exp(simd, [*x]);
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
