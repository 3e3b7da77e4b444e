//! The `[search]` table of an experiment file: how trials are chosen from the axes, repeated, compared and pruned.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capacity::REPLICA_HOURS;
use crate::search::PrunerSpec;

/// How the axes are searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSpec {
    /// How trials are chosen from the axes.
    pub strategy: Strategy,
    /// Trials for each model that has axes, under `random`, `sobol` and `tpe`.
    pub trials: usize,
    /// Trials that `tpe` proposes at once, from the results of complete earlier batches: a smaller batch learns sooner, a
    /// larger one keeps more slots busy.
    pub batch: usize,
    /// Seed of the search's own draws under `random`, `sobol` and `tpe`; `seeds` are those of the runs.
    pub seed: u64,
    /// Every trial of a model with randomness is repeated for each of these seeds.
    pub seeds: Vec<u64>,
    /// Axes that move together, each group a list of axis names such as `task.horizon`.
    pub zip: Vec<Vec<String>>,
    /// What makes one trial better than another.
    pub objective: ObjectiveSpec,
    /// How trials are pruned: at most one of `[search.pruner.asha]` and `[search.pruner.median]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruner: Option<PrunerSpec>,
}

impl Default for SearchSpec {
    fn default() -> Self {
        Self {
            strategy: Strategy::Grid,
            trials: 16,
            batch: 8,
            seed: 0,
            seeds: vec![1],
            zip: Vec::new(),
            objective: ObjectiveSpec::default(),
            pruner: None,
        }
    }
}

/// How trials are chosen from the axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Every combination of the axes' values.
    Grid,
    /// Independent draws from the axes.
    Random,
    /// Points of a scrambled Sobol sequence, which cover the axes more evenly than independent draws.
    Sobol,
    /// A tree-structured Parzen estimator: later batches of trials are proposed from the results of earlier ones.
    Tpe,
}

impl Strategy {
    /// Its name in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random => "random",
            Self::Sobol => "sobol",
            Self::Tpe => "tpe",
        }
    }
}

/// What makes one trial better than another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectiveSpec {
    /// Name of the metric.
    pub metric: Metric,
    /// A target's name, or `all` for the mean over the targets in scaled units.
    pub target: String,
    /// The part that it is measured on; never the test part.
    pub part: ObjectivePart,
}

impl Default for ObjectiveSpec {
    fn default() -> Self {
        Self { metric: Metric::Mse, target: "all".to_string(), part: ObjectivePart::Valid }
    }
}

impl ObjectiveSpec {
    /// Unit of the objective: `all` is a mean over targets, which only scaled units allow.
    pub fn unit(&self) -> &'static str {
        if self.target == "all" { "scaled" } else { "original" }
    }

    /// Whether a recorded metric is this objective.
    pub fn matches(&self, part: &str, target: &str, unit: &str, name: &str) -> bool {
        part == self.part.as_str() && self.measures(target, unit, name)
    }

    /// Whether a recorded metric is this objective, on whatever part.
    pub fn measures(&self, target: &str, unit: &str, name: &str) -> bool {
        target == self.target && unit == self.unit() && name == self.metric.as_str()
    }

    /// What it is, for people: `validation mse`, `training mae of gap_s`.
    pub fn in_words(&self) -> String {
        let part = self.part.as_str().replace("valid", "validation").replace("train", "training");
        let target = if self.target == "all" { String::new() } else { format!(" of {}", self.target) };
        format!("{part} {}{target}", self.metric.as_str())
    }

    /// The same metric and target on the validation part.
    #[must_use]
    pub fn on_validation(&self) -> Self {
        Self { part: ObjectivePart::Valid, ..self.clone() }
    }
}

/// A metric that can be an objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean absolute error.
    Mae,
    /// Median absolute error.
    Medae,
    /// Mean squared error.
    Mse,
    /// Root mean squared error.
    Rmse,
    /// Symmetric mean absolute percentage error.
    Smape,
    /// Weighted absolute percentage error.
    Wape,
    /// Mean absolute scaled error.
    Mase,
    /// Hours of replicas under `[capacity]`, of the plan that is chosen; the target is `work_s`.
    ReplicaHours,
}

impl Metric {
    /// The metric's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Metric::Mae => "mae",
            Metric::Medae => "medae",
            Metric::Mse => "mse",
            Metric::Rmse => "rmse",
            Metric::Smape => "smape",
            Metric::Wape => "wape",
            Metric::Mase => "mase",
            Metric::ReplicaHours => REPLICA_HOURS,
        }
    }
}

/// A part that an objective may be measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectivePart {
    /// The training part.
    Train,
    /// The validation part; its first half where the second is kept for calibration.
    Valid,
}

impl ObjectivePart {
    /// The part's name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectivePart::Train => "train",
            ObjectivePart::Valid => "valid",
        }
    }
}
