//! The metric that a list of runs is sorted by, and its order.

use std::collections::HashMap;

use super::refusal;
use crate::capacity::{CAPACITY_NAMES, WORK};
use crate::stats::{INTERVAL_NAMES, NAMES};
use crate::store::{RunRow, Store};

/// The metric that the list is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey {
    /// `train`, `valid` or `test`.
    pub part: String,
    /// Name of the metric.
    pub name: String,
    target: String,
}

impl SortKey {
    /// Reads `NAME`, `PART.NAME` or `PART.NAME.TARGET`.
    ///
    /// # Errors
    /// A text that names no metric.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let (part, name, target) = match parts.as_slice() {
            [name] => ("valid", *name, "all"),
            [part, name] => (*part, *name, "all"),
            [part, name, target] => (*part, *name, *target),
            _ => ("", "", ""),
        };
        let known = [&NAMES[..], &INTERVAL_NAMES, &CAPACITY_NAMES].concat();
        if !["train", "valid", "test"].contains(&part) || !known.contains(&name) {
            return Err(refusal(format!(
                "`{text}` is not a metric; write NAME, PART.NAME or PART.NAME.TARGET with a part of train, valid, test \
                 and a name of {}",
                known.join(", ")
            )));
        }
        // What acting on forecasts costs is of the work, whatever the other targets are.
        let target = if CAPACITY_NAMES.contains(&name) { WORK } else { target };
        Ok(Self { part: part.into(), name: name.into(), target: target.into() })
    }

    /// The header of its column.
    pub fn title(&self) -> String {
        if self.target == "all" {
            format!("{}.{}", self.part, self.name)
        } else {
            format!("{}.{}.{}", self.part, self.name, self.target)
        }
    }

    /// Part, target, unit and name: scaled for `all`, in original units for one target.
    pub fn key(&self) -> [&str; 4] {
        let unit = if self.target == "all" { "scaled" } else { "original" };
        [&self.part, &self.target, unit, &self.name]
    }

    /// Whether the highest value is the best.
    pub fn is_higher_better(&self) -> bool {
        !crate::stats::lower_is_better(&self.name)
    }

    /// The metric of each run.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn values(&self, store: &mut Store, runs: &[RunRow]) -> anyhow::Result<HashMap<String, f64>> {
        let run_ids: Vec<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
        store.metric_of(self.key(), &run_ids)
    }
}
