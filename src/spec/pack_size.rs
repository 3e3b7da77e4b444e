//! How many runs are trained together, as people write it: `"auto"` or a number.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The number of runs that are trained together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PackSize {
    /// On a GPU as many as fit into its memory; on the CPU one.
    #[default]
    Auto,
    /// At most so many, on any device.
    Runs(usize),
}

impl fmt::Display for PackSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackSize::Auto => formatter.write_str("auto"),
            PackSize::Runs(runs) => write!(formatter, "{runs}"),
        }
    }
}

impl Serialize for PackSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            PackSize::Auto => serializer.serialize_str("auto"),
            PackSize::Runs(runs) => serializer.serialize_u64(*runs as u64),
        }
    }
}

impl<'de> Deserialize<'de> for PackSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PackSizeVisitor)
    }
}

struct PackSizeVisitor;

impl Visitor<'_> for PackSizeVisitor {
    type Value = PackSize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("\"auto\" or a number of runs")
    }

    fn visit_u64<E: Error>(self, runs: u64) -> Result<PackSize, E> {
        usize::try_from(runs)
            .map(PackSize::Runs)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(runs), &self))
    }

    fn visit_i64<E: Error>(self, runs: i64) -> Result<PackSize, E> {
        usize::try_from(runs)
            .map(PackSize::Runs)
            .map_err(|_| E::invalid_value(Unexpected::Signed(runs), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PackSize, E> {
        match text {
            "auto" => Ok(PackSize::Auto),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl JsonSchema for PackSize {
    fn schema_name() -> Cow<'static, str> {
        "PackSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of runs, or \"auto\".",
            "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "auto" }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_size_reads_back_what_it_writes() {
        for (text, size) in [("\"auto\"", PackSize::Auto), ("24", PackSize::Runs(24))] {
            assert_eq!(serde_json::from_str::<PackSize>(text).unwrap(), size);
            assert_eq!(serde_json::to_string(&size).unwrap(), text);
        }
        assert!(serde_json::from_str::<PackSize>("\"all\"").is_err());
        assert!(serde_json::from_str::<PackSize>("-1").is_err());
    }
}
