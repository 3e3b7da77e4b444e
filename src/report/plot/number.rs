//! Numbers as plots print them: compact, with the sign and exponent set in proper typography.

use crate::text::with_decimals;

/// A power of ten and the suffix that stands for it.
struct Magnitude {
    factor: f64,
    suffix: String,
}

/// SI suffixes from a thousand on, a power of ten where those end and for small numbers, and nothing in
/// between.
fn magnitude(size: f64) -> Magnitude {
    let named = |factor: f64, suffix: &str| Magnitude { factor, suffix: suffix.to_owned() };
    match size {
        1e15.. => scientific(size),
        1e12.. => named(1e12, "T"),
        1e9.. => named(1e9, "G"),
        1e6.. => named(1e6, "M"),
        1e3.. => named(1e3, "k"),
        // The power of ten of the smallest numbers would be subnormal, so they are treated as zero.
        ..1e-300 | 1e-3.. => named(1.0, ""),
        _ => scientific(size),
    }
}

fn scientific(size: f64) -> Magnitude {
    let exponent = size.log10().floor();
    let factor = 10f64.powf(exponent);
    Magnitude { factor, suffix: format!("e{}", with_minus(&format!("{exponent:.0}"))) }
}

fn with_minus(text: &str) -> String {
    text.replace('-', "−")
}

/// Fixed-point text, without the minus sign of a value that rounds to zero.
fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.')) {
        with_minus(text.trim_start_matches('-'))
    } else {
        with_minus(&text)
    }
}

/// Decimals that are needed to tell multiples of `step` apart.
fn decimals_of(step: f64) -> usize {
    (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize
}

/// Label of an axis tick. `step` is the distance between ticks and `largest` the largest absolute value on
/// the axis: below a thousandth, all ticks share its power of ten.
pub(super) fn tick(value: f64, step: f64, largest: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let Magnitude { factor, suffix } = magnitude(if largest < 1e-3 { largest } else { value.abs().max(1.0) });
    format!("{}{suffix}", fixed(value / factor, decimals_of(step / factor)))
}

/// A number as people write it in a file: `0.0003`, `1e−5`, `128`, `0.25`. What is not whole has at most four digits.
pub(super) fn as_written(value: f64) -> String {
    let is_whole = value.fract() == 0.0 && value.abs() < 1e6;
    let short = if is_whole { value } else { format!("{value:.3e}").parse().unwrap_or(value) };
    match short.abs() {
        0.0 => "0".to_owned(),
        1e-4..1e6 => with_minus(&short.to_string()),
        _ => with_minus(&format!("{short:e}")),
    }
}

/// A whole number with its thousands separated; a very large one is compact.
pub(super) fn whole(value: f64) -> String {
    if value.abs() < 1e6 { with_minus(&with_decimals(value, 0)) } else { tick(value, value, value.abs()) }
}

/// A value to `digits` significant digits, such as `1.235k` or `0.0123`.
pub(super) fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    Unit::of(value, digits).text(value)
}

/// A number that is not negative, rounded to `digits` significant digits, so that 999.99 counts as a
/// thousand.
fn rounded(value: f64, digits: usize) -> f64 {
    if value < 1e-290 {
        return value;
    }
    let unit = 10f64.powf(value.log10().floor() + 1.0 - digits as f64);
    (value / unit).round() * unit
}

/// Share of a whole as a percentage, such as `2.0 %`.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.1 => "< 0.1 %".to_owned(),
        percent => format!("{} %", fixed(percent, 1)),
    }
}

/// The magnitude and the decimals that suit one value and the numbers printed beside it.
#[derive(Debug, Clone, PartialEq)]
struct Unit {
    factor: f64,
    suffix: String,
    decimals: usize,
}

impl Unit {
    fn of(value: f64, digits: usize) -> Self {
        let Magnitude { factor, suffix } = magnitude(rounded(value.abs(), digits));
        let scaled = rounded(value.abs() / factor, digits);
        let leading = if scaled > 1e-290 { scaled.log10().floor() } else { 0.0 };
        Self { factor, suffix, decimals: (digits as f64 - 1.0 - leading).clamp(0.0, 12.0) as usize }
    }

    fn text(&self, value: f64) -> String {
        format!("{}{}", fixed(value / self.factor, self.decimals), self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_compact_and_as_precise_as_their_step() {
        assert_eq!(tick(0.05, 0.05, 0.2), "0.05");
        assert_eq!(tick(0.2, 0.05, 0.2), "0.20");
        assert_eq!(tick(500.0, 500.0, 1500.0), "500");
        assert_eq!(tick(1500.0, 500.0, 1500.0), "1.5k");
        assert_eq!(tick(3.4e6, 2e5, 4e6), "3.4M");
        assert_eq!(tick(-20.0, 10.0, 20.0), "−20");
        assert_eq!(tick(0.0, 1e12, 5e12), "0");
        assert_eq!(tick(1.00002, 1e-5, 1.1), "1.00002");
    }

    #[test]
    fn tiny_ticks_share_the_power_of_ten_of_the_largest() {
        assert_eq!(tick(5e-7, 5e-7, 2e-6), "0.5e−6");
        assert_eq!(tick(2e-6, 5e-7, 2e-6), "2.0e−6");
    }

    #[test]
    fn hyperparameters_are_written_as_in_a_file() {
        let values = [3e-4, 1e-3, 1e-5, 64.0, 65_536.0, 0.25, 0.1 + 0.2, -1.5, 0.0, 2e7];
        let texts = ["0.0003", "0.001", "1e−5", "64", "65536", "0.25", "0.3", "−1.5", "0", "2e7"];
        assert_eq!(values.map(as_written), texts);
    }

    #[test]
    fn significant_digits_are_counted_from_the_first_nonzero_one() {
        assert_eq!(significant(1234.56, 4), "1.235k");
        assert_eq!(significant(0.012_345, 3), "0.0123");
        assert_eq!(significant(-12.345, 3), "−12.3");
        assert_eq!(significant(1e12, 3), "1.00T");
        assert_eq!(significant(4.2e-9, 2), "4.2e−9");
        assert_eq!(significant(0.0, 3), "0");
        assert_eq!(significant(999.999, 4), "1.000k");
        assert_eq!(significant(9.9996, 4), "10.00");
        assert_eq!(significant(5e-324, 3), "0.00");
    }

    #[test]
    fn a_value_that_rounds_to_zero_has_no_sign() {
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.0004), "< 0.1 %");
        assert_eq!(percent(0.0213), "2.1 %");
    }
}
