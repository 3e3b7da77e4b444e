//! Which forecast is acted on.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which forecast is acted on: the point forecast, or a quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlanLevel {
    /// The point forecast, `"mean"` in files.
    Mean,
    /// The quantile at a level, as [`crate::stats::quantile_between`] gives it.
    Quantile(f64),
}

impl PlanLevel {
    /// The forecast in words: `its mean` or `its 90 % quantile`.
    pub fn in_words(self) -> String {
        match self {
            PlanLevel::Mean => "its mean".to_string(),
            // Rounding keeps 0.975 from being shown as 97.50000000000001.
            PlanLevel::Quantile(level) => format!("its {} % quantile", (level * 1e8).round() / 1e6),
        }
    }
}

impl fmt::Display for PlanLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanLevel::Mean => formatter.write_str("mean"),
            PlanLevel::Quantile(level) => write!(formatter, "{level}"),
        }
    }
}

impl Serialize for PlanLevel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            PlanLevel::Mean => serializer.serialize_str("mean"),
            PlanLevel::Quantile(level) => serializer.serialize_f64(*level),
        }
    }
}

impl<'de> Deserialize<'de> for PlanLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LevelVisitor)
    }
}

struct LevelVisitor;

impl Visitor<'_> for LevelVisitor {
    type Value = PlanLevel;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"mean\" or the level of a quantile, such as 0.9")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PlanLevel, E> {
        if text == "mean" { Ok(PlanLevel::Mean) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }

    fn visit_f64<E: Error>(self, level: f64) -> Result<PlanLevel, E> {
        Ok(PlanLevel::Quantile(level))
    }

    fn visit_i64<E: Error>(self, level: i64) -> Result<PlanLevel, E> {
        Ok(PlanLevel::Quantile(level as f64))
    }

    fn visit_u64<E: Error>(self, level: u64) -> Result<PlanLevel, E> {
        Ok(PlanLevel::Quantile(level as f64))
    }
}

impl JsonSchema for PlanLevel {
    fn schema_name() -> Cow<'static, str> {
        "PlanLevel".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "\"mean\" for the point forecast, or the level of a quantile, such as 0.9.",
            "anyOf": [
                { "const": "mean" },
                { "type": "number", "minimum": 0.025, "maximum": 0.975 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_reads_back_what_it_writes() {
        for (text, level) in [("\"mean\"", PlanLevel::Mean), ("0.975", PlanLevel::Quantile(0.975))] {
            let read: PlanLevel = serde_json::from_str(text).unwrap();
            assert_eq!((read, serde_json::to_string(&read).unwrap()), (level, text.to_string()));
        }
        assert!(serde_json::from_str::<PlanLevel>("\"median\"").is_err());
        assert_eq!(PlanLevel::Quantile(0.975).in_words(), "its 97.5 % quantile");
    }
}
