//! Numbers as text for people, by one rule for each kind of quantity.
//!
//! Errors and other measured values have four significant digits, counts are whole, durations have the unit that fits,
//! and shares are in percent. From a thousand on, thousands are separated.

/// Numbers from here on, and those below [`SMALL`], are written with a power of ten.
const LARGE: f64 = 1e9;
const SMALL: f64 = 1e-4;
/// From here on a mean of counts is written without a fraction.
const WHOLE_FROM: f64 = 100.0;

/// `1 run`, `12,345 runs`.
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// A count with its thousands separated: `1,404,294`.
pub fn grouped(count: impl std::fmt::Display) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with four significant digits: `0.02856`, `12.35`, `1,404`.
pub fn number(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => value.to_string(),
        0.0 => "0".to_string(),
        size if !(SMALL..LARGE).contains(&size) => format!("{value:.3e}"),
        size => with_decimals(value, decimals(size)),
    }
}

/// Decimals that show four significant digits.
fn decimals(size: f64) -> usize {
    // What rounds to a thousand has the decimals of a thousand.
    let exponent = format!("{size:.3e}").split_once('e').and_then(|(_, exponent)| exponent.parse().ok());
    (3 - exponent.unwrap_or(0_i32)).max(0) as usize
}

/// A number with so many decimals and its thousands separated. What rounds to zero has no sign.
pub fn with_decimals(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let sign = if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) { "-" } else { "" };
    match text.split_once('.') {
        Some((whole, fraction)) => format!("{sign}{}.{fraction}", grouped(whole)),
        None => format!("{sign}{}", grouped(text)),
    }
}

/// A quantity without its unit. Tokens and requests are counts: whole, or with one decimal where they are the mean of
/// a few. Any other unit has four significant digits.
pub fn quantity(value: f64, unit: &str) -> String {
    let is_count = unit.split(['/', ' ']).next().is_some_and(|unit| unit == "tokens" || unit == "requests");
    match value.abs() {
        size if !is_count || !size.is_finite() || size >= LARGE => number(value),
        size if size >= WHOLE_FROM || size.fract() == 0.0 => with_decimals(value, 0),
        _ => with_decimals(value, 1),
    }
}

/// The unit to print beside a name: none where the name ends with it, as `gap_s` and `request_tokens` do.
pub fn unit_beside<'a>(name: &str, unit: &'a str) -> &'a str {
    let is_named = name.strip_suffix(unit).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    if is_named { "" } else { unit }
}

/// Quantities that are read beside one another, each as [`quantity`] writes it; with more digits where different ones would
/// look the same.
pub fn quantities<const N: usize>(values: [f64; N], unit: &str) -> [String; N] {
    let differ = |texts: &[String; N]| {
        let pairs = (0..N).flat_map(|one| (0..one).map(move |other| (one, other)));
        pairs.into_iter().all(|(one, other)| values[one] == values[other] || texts[one] != texts[other])
    };
    let texts = values.map(|value| quantity(value, unit));
    if differ(&texts) || !values.iter().all(|value| value.is_finite()) {
        return texts;
    }
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let has_places = (SMALL..1e15).contains(&largest);
    let with_digits =
        |value, digits| if has_places { with_decimals(value, digits) } else { format!("{value:.digits$e}") };
    let longer = (0..=16).map(|digits| values.map(|value| with_digits(value, digits)));
    longer.into_iter().find(differ).unwrap_or_else(|| values.map(|value| value.to_string()))
}

/// A time of the store to the minute, such as `2026-11-01 08:30`.
pub fn minute(time: &str) -> String {
    time.get(..16).unwrap_or(time).replace('T', " ")
}

/// A rate or share in percent, with its sign.
pub fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share)
}

/// Seconds in the unit that fits, or in their two largest units: `840 ms`, `8.4 s`, `2 min 5 s`, `3 h`.
pub fn duration(seconds: f64) -> String {
    match seconds.abs() {
        0.0 => "0 s".to_string(),
        size if size < 1e-3 => format!("{:.0} µs", 1e6 * seconds),
        size if size < 0.9995 => format!("{:.0} ms", 1e3 * seconds),
        size if size < 9.95 => format!("{seconds:.1} s"),
        _ => long_duration(seconds.round() as u64),
    }
}

fn long_duration(seconds: u64) -> String {
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let parts = units[first..].iter().take(2).filter(|(count, _)| *count > 0);
    parts.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// The text with its first letter in upper case.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!([0, 999, 1_000, 1_404_294].map(grouped), ["0", "999", "1,000", "1,404,294"]);
    }

    #[test]
    fn one_of_a_kind_is_singular() {
        assert_eq!(counted(1, "run"), "1 run");
        assert_eq!(counted(0, "run"), "0 runs");
    }

    #[test]
    fn a_number_has_four_significant_digits() {
        let values =
            [0.285_63, 0.028_563, 9.999_96, 14.0, -140.25, 1_404.4, 999.96, 1.5e8, 2e12, -3e-7, 0.0, -0.0];
        let texts = [
            "0.2856",
            "0.02856",
            "10.00",
            "14.00",
            "-140.2",
            "1,404",
            "1,000",
            "150,000,000",
            "2.000e12",
            "-3.000e-7",
            "0",
            "0",
        ];
        assert_eq!(values.map(number), texts);
        assert_eq!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(number), ["NaN", "inf", "-inf"]);
    }

    #[test]
    fn tokens_and_requests_are_counts() {
        let tokens = [14.0, 15.543, -0.04, 123.4, 15_932.3].map(|value| quantity(value, "tokens"));
        assert_eq!(tokens, ["14", "15.5", "0.0", "123", "15,932"]);
        assert_eq!(quantity(15_932.3, "requests/s"), "15,932");
        assert_eq!(quantity(15.543, "s"), "15.54");
    }

    #[test]
    fn a_unit_is_printed_once() {
        let beside = |name| unit_beside(name, "tokens");
        assert_eq!(["tokens", "request_tokens", "OT", "mytokens"].map(beside), ["", "", "tokens", "tokens"]);
        assert_eq!(unit_beside("OT", ""), "");
    }

    #[test]
    fn a_duration_is_written_in_the_units_that_fit() {
        let seconds = [0.0, 4.2e-5, 0.84, 8.44, 9.96, 125.0, 7_200.0, 12_000.0, 5_269_968.0];
        let texts =
            ["0 s", "42 µs", "840 ms", "8.4 s", "10 s", "2 min 5 s", "2 h", "3 h 20 min", "60 d 23 h"];
        assert_eq!(seconds.map(duration), texts);
    }

    #[test]
    fn numbers_beside_one_another_have_as_many_digits_as_they_need_to_differ() {
        let beside = |values| quantities(values, "");
        assert_eq!(
            beside([100_000_000.25, 99_999_998.5, 100_000_001.5]),
            ["100,000,000", "99,999,998", "100,000,002"]
        );
        assert_eq!(quantities([1e8 + 0.01, 1e8 + 0.02], "s"), ["100,000,000.01", "100,000,000.02"]);
        assert_eq!(quantities([1e-30, 1.000_01e-30], ""), ["1.00000e-30", "1.00001e-30"]);
        assert_eq!(beside([1.0, 1.0, 2.0]), ["1.000", "1.000", "2.000"]);
        assert_eq!(quantities([1e10, 1e10], ""), ["1.000e10", "1.000e10"]);
        assert_eq!(quantities([2.02, 2.03, 700.0], "tokens"), ["2.02", "2.03", "700.00"]);
        assert_eq!(beside([f64::INFINITY, 1e8, 1e8 + 1.0])[0], "inf");
    }
}
