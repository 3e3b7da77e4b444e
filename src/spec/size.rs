//! An amount of memory as people write it in an experiment file: `"2GiB"`, `"512MiB"`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// An amount of memory in bytes; written as a string with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Reads a number and a unit.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let number = text.strip_suffix(unit)?.trim_end();
        if !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let bytes = number.parse::<f64>().ok()? * *factor as f64;
        (bytes.fract() == 0.0 && bytes < 9e18).then_some(Self(bytes as u64))
    }

    /// For people: in the largest unit that it reaches, with one decimal.
    pub fn rounded(self) -> String {
        let (unit, factor) = UNITS[..4].iter().find(|(_, factor)| self.0 >= *factor).unwrap_or(&("B", 1));
        let value = format!("{:.1}", self.0 as f64 / *factor as f64);
        format!("{} {unit}", value.strip_suffix(".0").unwrap_or(&value))
    }
}

/// Exactly, in the largest unit that divides it.
impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        write!(formatter, "{}{unit}", self.0 / factor)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is not an amount of memory; write a number and a unit, as in \"512MiB\" or \"2GiB\""
            ))
        })
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "An amount of memory with its unit, e.g. \"512MiB\", \"2GiB\".",
            "pattern": "^\\s*[0-9.]+\\s*([TGMK]iB|[TGMk]?B)\\s*$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_reads_back_what_it_writes() {
        for (text, bytes) in
            [("2GiB", 2 << 30), ("1.5 GiB", 3 << 29), ("512MB", 512_000_000), ("7B", 7), ("0B", 0)]
        {
            let amount = Bytes::parse(text).unwrap();
            assert_eq!(amount.0, bytes, "{text}");
            assert_eq!(Bytes::parse(&amount.to_string()), Some(amount), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["2", "GiB", "-1GiB", "1e3MiB", "two GiB", "0.3B", "nanB", "99999999999TiB"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn people_see_a_round_figure() {
        assert_eq!(Bytes(2 << 30).rounded(), "2 GiB");
        assert_eq!(Bytes((5 << 30) + (300 << 20)).rounded(), "5.3 GiB");
        assert_eq!(Bytes(0).rounded(), "0 B");
    }
}
