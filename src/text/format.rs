//! Numbers, counts and durations as text for people.

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

/// A number with about five significant digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if !value.is_finite() || size == 0.0 => format!("{value}"),
        size if size >= 1e7 => format!("{value:.3e}"),
        size if size >= 10_000.0 => format!("{value:.0}"),
        size if size >= 1_000.0 => format!("{value:.1}"),
        size if size >= 100.0 => format!("{value:.2}"),
        size if size >= 10.0 => format!("{value:.3}"),
        size if size >= 1e-3 => format!("{value:.4}"),
        _ => format!("{value:.3e}"),
    }
}

/// A rate or share in percent, with its sign.
pub fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share)
}

/// Seconds in their two largest units: `0.8 s`, `2 min 5 s`, `3 h 20 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3_600, whole % 3_600 / 60),
    }
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
    fn a_duration_is_written_in_its_two_largest_units() {
        assert_eq!(duration(0.84), "0.8 s");
        assert_eq!(duration(125.0), "2 min 5 s");
        assert_eq!(duration(12_000.0), "3 h 20 min");
    }
}
