//! The settings of a revision, what tells them apart, the objective of their runs, and the names under which models compete.

use std::collections::HashMap;

use anyhow::Context;
use serde_json::Value;

use super::grouping::group_by;
use crate::spec::{ObjectiveSpec, SettingParts, lookup, setting_of, setting_parts};
use crate::store::{RevisionId, RevisionRow, RunRow, Status, Store};

/// The metric that the trials of a revision are chosen by.
pub(super) fn objective_of(revision: &RevisionRow) -> anyhow::Result<ObjectiveSpec> {
    serde_json::from_str(&revision.objective).context("the store holds a damaged objective")
}

/// The axes of a revision's search.
pub(super) fn axes_of(revision: &RevisionRow) -> anyhow::Result<Vec<String>> {
    serde_json::from_str(&revision.axes).context("the store holds damaged axes")
}

/// What tells a setting from others, and its runs.
pub(super) type RunsOfSetting<'a> = (SettingParts<'a>, Vec<&'a RunRow>);

/// The runs of each setting that has a finished one.
pub(super) fn settings_of(runs: &[RunRow]) -> Vec<RunsOfSetting<'_>> {
    let mut settings = group_by(runs, |run| setting_parts(&run.params));
    settings.retain(|(_, runs)| runs.iter().any(|run| run.status == Status::Done));
    settings
}

/// The objective of every finished run. It is the only metric that is read for all runs: a large sweep has millions.
pub(super) struct Objectives {
    /// On the part that trials are chosen on.
    pub(super) chosen: HashMap<String, f64>,
    /// On the test part.
    pub(super) test: HashMap<String, f64>,
}

impl Objectives {
    pub(super) fn read(
        store: &mut Store,
        revision: &RevisionId,
        objective: &ObjectiveSpec,
    ) -> anyhow::Result<Self> {
        let mut on = |part: &str| {
            let name = objective.metric.as_str();
            store.metric_of_runs(revision, [part, &objective.target, objective.unit(), name])
        };
        Ok(Self { chosen: on(objective.part.as_str())?, test: on("test")? })
    }
}

/// A metric for people, such as `mse of all targets in scaled units`.
pub(super) fn objective_title(objective: &ObjectiveSpec) -> String {
    let target = if objective.target == "all" { "all targets" } else { &objective.target };
    format!("{} of {target} in {} units", objective.metric.as_str(), objective.unit())
}

/// The title of each setting: the axes in which the settings differ.
pub(super) fn titles(settings: &[RunsOfSetting<'_>], axes: &[String]) -> Vec<String> {
    let settings: Vec<Value> = settings.iter().map(|(_, runs)| setting_of(&runs[0].params)).collect();
    settings
        .iter()
        .map(|setting| {
            let differing = axes.iter().filter(|axis| {
                let values: Vec<_> = settings.iter().map(|other| lookup(other, axis)).collect();
                values.iter().any(|value| *value != values[0])
            });
            let parts = differing.filter_map(|axis| {
                let name = axis.rsplit('.').next().unwrap_or(axis);
                lookup(setting, axis).map(|value| format!("{name} {value}"))
            });
            parts.collect::<Vec<_>>().join(", ")
        })
        .collect()
}

/// Whether an axis distinguishes trials of one setting; every other axis distinguishes settings.
pub(super) fn tells_trials_apart(axis: &str) -> bool {
    axis.starts_with("model.") || axis.starts_with("training.") || axis == "task.lookback"
}

/// The name under which a run competes. A closed form and a training of the same model are two contenders: choosing
/// between them on validation would hide how far training is from the optimum.
pub(super) fn contender(run: &RunRow) -> String {
    contender_name(&run.model, lookup(&run.params, "model.solver").and_then(Value::as_str))
}

/// As [`contender`], of a model and how it is solved.
pub(super) fn contender_name(model: &str, solver: Option<&str>) -> String {
    match solver {
        Some("least_squares") => format!("{model} (closed form)"),
        _ => model.to_string(),
    }
}
