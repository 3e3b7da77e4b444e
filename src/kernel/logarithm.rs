//! The logarithm of many numbers at once.

#![expect(clippy::inline_always, reason = "what is not inlined is compiled for the oldest processor")]

use pulp::{Arch, Simd, WithSimd};

/// Numbers that are looked at together: whether all of them suit the fast way is asked once.
const BLOCK: usize = 64;
/// Up to here one more is still felt.
const GREATEST: f64 = 9_007_199_254_740_992.0;

/// Replaces every `x` by `ln(1 + x)`, to the bit what `libm::log1p` gives, on every processor.
pub fn ln_1p(values: &mut [f64]) {
    Arch::new().dispatch(Ln1p(values));
}

struct Ln1p<'a>(&'a mut [f64]);

impl WithSimd for Ln1p<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for block in self.0.chunks_mut(BLOCK) {
            let outside = block.iter().fold(false, |outside, x| outside | !(0.0..=GREATEST).contains(x));
            if outside {
                for x in block {
                    *x = libm::log1p(*x);
                }
            } else {
                for x in block {
                    *x = ln_1p_of(*x);
                }
            }
        }
    }
}

/// `ln(1 + x)` for `x` from 0 to [`GREATEST`] without a branch, so that several are computed side by side: the
/// operations of FreeBSD's `s_log1p.c` in their order, which is what makes the last bit the same.
#[inline(always)]
fn ln_1p_of(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const COEFFICIENTS: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    /// Below this, which is √2 - 1 in its highest bits, nothing is split off as a power of two.
    const SMALL: f64 = f64::from_bits(0x3fda_827a << 32);
    /// The highest bits of √½: mantissas are taken from there to √2.
    const ROOT_HALF: u64 = 0x3fe6_a09e << 32;
    const ONE: u64 = 0x3ff0_0000 << 32;
    /// 2^52, whose lowest bits are a whole number.
    const WHOLE: u64 = 0x4330_0000 << 32;
    let sum = 1.0 + x;
    let shifted = sum.to_bits() + (ONE - ROOT_HALF);
    let power = f64::from_bits(WHOLE | (shifted >> 52)) - (4_503_599_627_370_496.0 + 1_023.0);
    let mantissa = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff) + ROOT_HALF);
    // What rounding the sum lost.
    let lost = if power >= 2.0 { 1.0 - (sum - x) } else { x - (sum - 1.0) } / sum;
    let small = x < SMALL;
    let rest = if small { x } else { mantissa - 1.0 };
    let lost = if small { 0.0 } else { lost };
    let power = if small { 0.0 } else { power };
    let half_square = 0.5 * rest * rest;
    let ratio = rest / (2.0 + rest);
    let square = ratio * ratio;
    let fourth = square * square;
    let [c1, c2, c3, c4, c5, c6, c7] = COEFFICIENTS;
    let even = fourth * (c2 + fourth * (c4 + fourth * c6));
    let odd = square * (c1 + fourth * (c3 + fourth * (c5 + fourth * c7)));
    let polynomial = odd + even;
    ratio * (half_square + polynomial) + (power * LN2_LOW + lost) - half_square + rest + power * LN2_HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulp::Scalar;

    use super::*;

    fn same_as_libm(values: &[f64]) {
        let (mut wide, mut narrow) = (values.to_vec(), values.to_vec());
        ln_1p(&mut wide);
        Ln1p(&mut narrow).with_simd(Scalar::new());
        for ((x, wide), narrow) in values.iter().zip(wide).zip(narrow) {
            let right = libm::log1p(*x);
            assert!(wide.to_bits() == right.to_bits() || (wide.is_nan() && right.is_nan()), "ln(1 + {x:e})");
            assert_eq!(wide.to_bits(), narrow.to_bits());
        }
    }

    #[test]
    fn the_logarithm_is_to_the_bit_that_of_libm() {
        let whole: Vec<f64> = (0..200_000).map(f64::from).collect();
        same_as_libm(&whole);
        let gaps: Vec<f64> = (0..200_000).map(|step| f64::from(step) * 0.001_3).collect();
        same_as_libm(&gaps);
        let root = std::f64::consts::SQRT_2 - 1.0;
        let near: Vec<f64> =
            (0..4_000_u64).map(|step| f64::from_bits(root.to_bits() - 2_000 + step)).collect();
        same_as_libm(&near);
        let powers: Vec<f64> = (-1_070..53).map(|power| libm::exp2(f64::from(power))).collect();
        same_as_libm(&powers);
        same_as_libm(&[-0.5, f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0, -0.0]);
    }

    proptest! {
        #[test]
        fn of_any_number_too(values in prop::collection::vec(any::<f64>().prop_map(f64::abs), 1..200)) {
            same_as_libm(&values);
        }

        #[test]
        fn of_any_ordinary_number_too(powers in prop::collection::vec(-30.0_f64..36.0, 1..500)) {
            same_as_libm(&powers.iter().map(|power| power.exp()).collect::<Vec<_>>());
        }
    }
}
