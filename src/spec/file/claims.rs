//! The `[[claims]]` entries of an experiment file: reported results, one by one or as tables.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::spec::claim::{Aggregate, ClaimPart, ClaimUnit, Conditions, Expectation, Tolerance, all_targets};

/// A reported result, or with `columns` and `rows` a table of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimEntry {
    /// What is claimed, in a few words; it names the claim in lists and in JUnit files. In a table it comes first in the
    /// name of every claim, and may be left out if there is a column `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Parameters of the resolved run, by their dotted paths, that pick one setting: e.g.
    /// `{ "model.kind" = "dlinear", "task.horizon" = 96 }`. All seeds and folds of that setting are taken together.
    #[serde(rename = "where", default)]
    pub conditions: Conditions,
    /// Name of the metric, e.g. `mse`. A table names its metrics in `columns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// A target's name, or `all` for the mean over the targets in scaled units.
    #[serde(default = "all_targets")]
    pub target: String,
    /// Unit of the metric; without it `scaled` for `all` and `original` for one target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<ClaimUnit>,
    /// The part that it was measured on.
    #[serde(default)]
    pub part: ClaimPart,
    /// What is made of the values of several seeds and folds.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// The reported value. A table reports its values in `rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<f64>,
    /// How far the value may be from the reported one: a number, or a share of it such as `"4%"`.
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
    /// `refuted` for a known miss: it is shown with its `reason`, and is no error. A table lists its misses in `misses`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
    /// Why a miss is expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The header of a table of claims, e.g. `["task.horizon", "mse", "mae"]`: parameters as in `where`, metrics, and
    /// `name`. Every metric of every row is a claim. It is named by the table's `name`, then by the row's `name` or else
    /// by its parameters, then by the metric if there are several: `DLinear, horizon 96, mse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The rows of a table of claims, with a cell for each column, e.g. `[[96, 0.375, 0.399], [192, 0.405, 0.416]]`; `"-"`
    /// where no value is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Vec<ClaimCell>>>,
    /// Known misses of a table: the reason for each, by the name of the claim, as `expect` and `reason` of a single claim.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub misses: BTreeMap<String, String>,
}

/// A cell of a table of claims.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimCell(pub Value);

impl JsonSchema for ClaimCell {
    fn schema_name() -> Cow<'static, str> {
        "ClaimCell".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["number", "string", "boolean"],
            "description": "A parameter's value, a reported value, or a row's name."
        })
    }
}
