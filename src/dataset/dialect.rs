//! How a CSV file is written: what separates its fields, and whether its numbers have a decimal point or comma.

use std::borrow::Cow;

use crate::spec::{ColumnsSpec, Separator};

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What separates two fields.
    pub separator: u8,
    /// What separates the whole part of a number from its fraction.
    pub decimal: Decimal,
}

/// What separates the whole part of a number from its fraction, everywhere in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// A point.
    Point,
    /// A comma.
    Comma,
    /// Either: no number has had a fraction yet, and the first one decides.
    Open,
}

impl Dialect {
    /// The dialect that the experiment file gives, or else the header suggests.
    pub fn of(header: &str, columns: Option<&ColumnsSpec>) -> Self {
        let bare: String = header.split('"').step_by(2).collect();
        let found = || [b',', b';', b'\t'].into_iter().find(|byte| bare.as_bytes().contains(byte));
        let separator = columns.and_then(|columns| columns.separator);
        let separator = separator.map(Separator::byte).or_else(found).unwrap_or(b',');
        let decimal = match columns.and_then(|columns| columns.decimal_comma) {
            Some(true) => Decimal::Comma,
            Some(false) => Decimal::Point,
            None if separator == b',' => Decimal::Point,
            None => Decimal::Open,
        };
        Self { separator, decimal }
    }
}

impl Decimal {
    /// Parses a number. The first fraction of a file settles which mark all others must have.
    pub fn number(&mut self, text: &str) -> Option<f64> {
        let mark = text.bytes().find(|byte| matches!(byte, b'.' | b','));
        let (settled, text) = match (mark, *self) {
            (None, own) => (own, Cow::Borrowed(text)),
            (Some(b'.'), Decimal::Point | Decimal::Open) => (Decimal::Point, Cow::Borrowed(text)),
            (Some(b','), Decimal::Comma | Decimal::Open) if !text.contains('.') => {
                (Decimal::Comma, Cow::Owned(text.replacen(',', ".", 1)))
            }
            _ => return None,
        };
        let number = text.parse().ok()?;
        *self = settled;
        Some(number)
    }

    /// The mark of two parts of a file together; `None` where one has points and the other commas.
    pub fn with(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Decimal::Open, known) | (known, Decimal::Open) => Some(known),
            (one, other) => (one == other).then_some(one),
        }
    }

    /// What may be wrong with a number that cannot be parsed, to be appended to a message.
    pub fn hint(self, text: &str) -> &'static str {
        let would_be = |mut other: Self| other.number(text).is_some();
        match self {
            Decimal::Point if would_be(Decimal::Comma) => {
                "; if it has a decimal comma, set decimal_comma = true in [dataset.columns]"
            }
            Decimal::Comma if would_be(Decimal::Point) => "; the numbers of this file have a decimal comma",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_separator_and_a_comma_in_it_wins() {
        for (header, separator) in [
            ("a,b", b','),
            ("a;b,c", b','),
            ("a;b\tc", b';'),
            ("a\tb", b'\t'),
            ("\"a,b\";c", b';'),
            ("a", b','),
        ] {
            assert_eq!(Dialect::of(header, None).separator, separator, "{header:?}");
        }
    }

    #[test]
    fn the_first_fraction_settles_the_mark_of_all_others() {
        let mut decimal = Decimal::Open;
        assert_eq!(decimal.number("1e3"), Some(1_000.0));
        assert_eq!(decimal.number("1.234,5"), None);
        assert_eq!(decimal.number("1,234,5"), None);
        assert_eq!(decimal, Decimal::Open);
        assert_eq!(decimal.number("-1,5e2"), Some(-150.0));
        assert_eq!((decimal.number("1.5"), decimal), (None, Decimal::Comma));
        assert_eq!(decimal.with(Decimal::Open), Some(Decimal::Comma));
        assert_eq!(decimal.with(Decimal::Point), None);
    }
}
