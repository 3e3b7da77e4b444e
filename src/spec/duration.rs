//! A length of time as people write it in an experiment file: `"30s"`, `"5min"`, `"1h 30m"`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time; written as a string with a unit, kept to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl Span {
    /// The length in seconds.
    pub fn seconds(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Span).map_err(|error| {
            serde::de::Error::custom(format!(
                "`{text}` is not a length of time ({error}); write a number and a unit, as in \"30s\", \"5min\", \"1h 30m\""
            ))
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time with its unit, e.g. \"30s\", \"5min\", \"1h 30m\".",
            "pattern": "^\\s*(\\d+\\s*[a-zA-Z]+\\s*)+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_what_it_writes() {
        for text in ["\"30s\"", "\"5m\"", "\"1h 30m\"", "\"1ms\"", "\"2days\""] {
            let span: Span = serde_json::from_str(text).unwrap();
            let again: Span = serde_json::from_str(&serde_json::to_string(&span).unwrap()).unwrap();
            assert_eq!(span, again, "{text}");
        }
    }

    #[test]
    fn zero_hours_is_a_span() {
        assert_eq!(serde_json::from_str::<Span>("\"0h\"").unwrap().seconds(), 0.0);
    }
}
