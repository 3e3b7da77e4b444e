//! A reported result that an experiment is held to, as the file states it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::params::lookup;

/// A reported result: one metric of one setting, and how near the experiment must come to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimSpec {
    /// What is claimed, in a few words.
    pub name: String,
    /// Parameters of the resolved run that pick one setting.
    #[serde(rename = "where", default)]
    pub conditions: Conditions,
    /// Name of the metric.
    pub metric: String,
    /// A target's name, or `all` for the mean over the targets in scaled units.
    #[serde(default = "all_targets")]
    pub target: String,
    /// Unit of the metric, if the file names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<ClaimUnit>,
    /// The part that it was measured on.
    #[serde(default)]
    pub part: ClaimPart,
    /// What is made of the values of several seeds and folds.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// The reported value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<f64>,
    /// How far the value may be from the reported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
    /// The value is at most this much; instead of a tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The value is at least this much; instead of a tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Where it was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether it is known not to hold here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
    /// Why a miss is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

pub(super) fn all_targets() -> String {
    "all".to_string()
}

impl ClaimSpec {
    /// Unit of the metric: `all` is a mean over targets, which only scaled units allow.
    pub fn unit(&self) -> ClaimUnit {
        let natural = if self.target == "all" { ClaimUnit::Scaled } else { ClaimUnit::Original };
        self.unit.unwrap_or(natural)
    }

    /// Lowest and highest value that the claim accepts.
    pub fn accepted(&self) -> (f64, f64) {
        match (self.reported, &self.tolerance) {
            (Some(reported), Some(tolerance)) => {
                let allowed = tolerance.around(reported);
                (reported - allowed, reported + allowed)
            }
            _ => (self.at_least.unwrap_or(f64::NEG_INFINITY), self.at_most.unwrap_or(f64::INFINITY)),
        }
    }
}

/// The parameters that pick a claim's setting, as `(dotted path, value)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conditions(pub Vec<(String, Value)>);

impl Conditions {
    /// Whether resolved parameters have all these values.
    pub fn hold(&self, params: &Value) -> bool {
        self.0.iter().all(|(path, wanted)| lookup(params, path).is_some_and(|found| equal(found, wanted)))
    }

    /// The conditions as one JSON object.
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.iter().cloned().collect())
    }
}

/// Equal values; 96 and 96.0 are one number.
pub(super) fn equal(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => found == wanted,
        _ => found == wanted,
    }
}

impl Serialize for Conditions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(path, value)| (path, value)))
    }
}

impl<'de> Deserialize<'de> for Conditions {
    /// `"task.horizon" = 96` and `task.horizon = 96`, which TOML reads as a table in a table, are the same.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut conditions = Vec::new();
        flatten("", Map::deserialize(deserializer)?, &mut conditions)?;
        Ok(Self(conditions))
    }
}

fn flatten<E: serde::de::Error>(
    prefix: &str,
    table: Map<String, Value>,
    conditions: &mut Vec<(String, Value)>,
) -> Result<(), E> {
    for (key, value) in table {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) => flatten(&path, inner, conditions)?,
            Value::Array(_) | Value::Null => {
                return Err(E::custom(format!(
                    "`{path}` must be one number, string or boolean; write a claim for each value, or a table with a column"
                )));
            }
            scalar => conditions.push((path, scalar)),
        }
    }
    Ok(())
}

impl JsonSchema for Conditions {
    fn schema_name() -> Cow<'static, str> {
        "Conditions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Values of resolved parameters by their dotted paths.",
            "additionalProperties": { "type": ["number", "string", "boolean", "object"] }
        })
    }
}

/// How far a value may be from the reported one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// In the metric's unit.
    Absolute(f64),
    /// As a share of the reported value.
    Share(f64),
}

impl Tolerance {
    /// The tolerance in the metric's unit.
    pub fn around(self, reported: f64) -> f64 {
        match self {
            Tolerance::Absolute(allowed) => allowed,
            Tolerance::Share(share) => share * reported.abs(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let share: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
        Some(Tolerance::Share(share / 100.0))
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Absolute(allowed) => write!(formatter, "{allowed}"),
            // Rounding keeps 0.07 from being shown as 7.000000000000001.
            Tolerance::Share(share) => write!(formatter, "{}%", (share * 1e8).round() / 1e6),
        }
    }
}

impl Serialize for Tolerance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tolerance::Absolute(allowed) => serializer.serialize_f64(*allowed),
            Tolerance::Share(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let tolerance = match &value {
            Value::Number(number) => number.as_f64().map(Tolerance::Absolute),
            Value::String(text) => Tolerance::parse(text),
            _ => None,
        };
        tolerance.ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{value} is not a tolerance; write a number in the metric's unit, or a share as in \"4%\""
            ))
        })
    }
}

impl JsonSchema for Tolerance {
    fn schema_name() -> Cow<'static, str> {
        "Tolerance".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number in the metric's unit, or a share of the reported value such as \"4%\".",
            "oneOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": "^\\s*[0-9.]+\\s*%$" }
            ]
        })
    }
}

/// Names in files and in the store.
macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),+ }) => {
        impl $type {
            /// The name in files and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }

            /// Reads what the store wrote.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($name => Some($type::$variant),)+ _ => None }
            }
        }
    };
}

/// Unit of a claim's metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimUnit {
    /// As the model sees the targets.
    Scaled,
    /// As the trace states them.
    Original,
}
names!(ClaimUnit { Scaled = "scaled", Original = "original" });

/// The part that a claim's metric was measured on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClaimPart {
    /// The training part.
    Train,
    /// The validation part.
    Valid,
    /// The test part.
    #[default]
    Test,
}
names!(ClaimPart { Train = "train", Valid = "valid", Test = "test" });

/// What is made of the values of several seeds and folds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Their mean.
    #[default]
    Mean,
    /// Their median.
    Median,
    /// The lowest, as papers report that show their best seed.
    Min,
    /// The highest.
    Max,
}
names!(Aggregate { Mean = "mean", Median = "median", Min = "min", Max = "max" });

impl Aggregate {
    /// The value made of several; `None` of none.
    pub fn of(self, values: &[f64]) -> Option<f64> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        Some(match self {
            Aggregate::Mean => values.iter().sum::<f64>() / values.len() as f64,
            Aggregate::Median if sorted.len() % 2 == 1 => sorted[middle],
            Aggregate::Median => f64::midpoint(sorted[middle - 1], sorted[middle]),
            Aggregate::Min => first,
            Aggregate::Max => last,
        })
    }
}

/// What is expected of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// It is known not to hold here.
    Refuted,
}
names!(Expectation { Refuted = "refuted" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_number_or_a_share() {
        let read = |text: &str| serde_json::from_str::<Tolerance>(text);
        assert_eq!(read("0.01").unwrap(), Tolerance::Absolute(0.01));
        assert_eq!(read("\"4%\"").unwrap(), Tolerance::Share(0.04));
        assert_eq!(read("\"7 %\"").unwrap().to_string(), "7%");
        assert!((read("\"4%\"").unwrap().around(-0.5) - 0.02).abs() < 1e-15);
        assert!(read("\"four\"").is_err() && read("true").is_err());
    }

    #[test]
    fn dotted_and_quoted_conditions_are_the_same() {
        let quoted: Conditions =
            toml::from_str("\"task.horizon\" = 96\n\"model.kind\" = \"dlinear\"").unwrap();
        let dotted: Conditions = toml::from_str("task.horizon = 96\nmodel.kind = \"dlinear\"").unwrap();
        let sorted = |mut conditions: Conditions| {
            conditions.0.sort_by(|a, b| a.0.cmp(&b.0));
            conditions
        };
        assert_eq!(sorted(quoted), sorted(dotted));
    }

    #[test]
    fn aggregates_of_an_even_number_of_values() {
        let values = [4.0, 1.0, 3.0, 2.0];
        let all = [Aggregate::Mean, Aggregate::Median, Aggregate::Min, Aggregate::Max];
        assert_eq!(all.map(|aggregate| aggregate.of(&values)), [2.5, 2.5, 1.0, 4.0].map(Some));
        assert_eq!(Aggregate::Median.of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(Aggregate::Mean.of(&[]), None);
    }
}
