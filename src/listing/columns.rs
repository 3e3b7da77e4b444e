//! The columns of a list of runs: what tells its rows apart, or what was asked for.

use std::collections::HashMap;

use serde_json::Value;

use super::condition::{known_path, paths};
use super::refusal;
use super::sort_key::SortKey;
use crate::compare::group_by;
use crate::spec::{lookup, shown_value};
use crate::store::{RunRow, Store};
use crate::text::{duration, minute, nearest, number};

/// Columns beside parameters and metrics.
pub const COLUMN_NAMES: [&str; 14] = [
    "run_id",
    "experiment",
    "revisions",
    "model",
    "seed",
    "fold",
    "status",
    "device",
    "started_at",
    "finished_at",
    "wall_s",
    "tags",
    "note",
    "parameters",
];
/// Those that a list shows only if its runs differ in them.
const TELLING: [&str; 7] = ["experiment", "revisions", "seed", "fold", "status", "device", "note"];

/// One column of a list of runs.
pub enum RunColumn {
    /// One of [`COLUMN_NAMES`].
    Named(&'static str),
    /// A parameter, by its whole path.
    Parameter(String),
    /// A metric, with its value by run.
    Metric(SortKey, HashMap<String, f64>),
}

impl RunColumn {
    /// A column by its name: one of the list's own, a metric, or a parameter.
    ///
    /// # Errors
    /// A name that no column has, or a store that cannot be read.
    pub fn parse(name: &str, store: &mut Store, runs: &[RunRow]) -> anyhow::Result<Self> {
        if let Some(name) = COLUMN_NAMES.into_iter().find(|known| *known == name) {
            return Ok(Self::Named(name));
        }
        if let Ok(metric) = SortKey::parse(name) {
            let values = metric.values(store, runs)?;
            return Ok(Self::Metric(metric, values));
        }
        if let Some(path) = known_path(name, runs)? {
            return Ok(Self::Parameter(path));
        }
        let known: Vec<String> = runs.iter().flat_map(|run| paths(&run.params)).collect();
        let near = nearest(name, COLUMN_NAMES.into_iter().chain(known.iter().map(String::as_str)));
        let hint = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
        Err(refusal(format!(
            "`{name}` is not a column{hint}; a column is one of {}, a metric such as test.mae.response_tokens, or a \
             parameter such as learning_rate",
            COLUMN_NAMES.join(", ")
        )))
    }

    /// The columns that tell the runs of a list apart, and the metric that it is sorted by.
    pub fn telling(runs: &[RunRow], metric: Option<Self>) -> Vec<Self> {
        let differs = |name: &str| runs.iter().any(|run| named(run, name) != named(&runs[0], name));
        let mut columns = vec![Self::Named("run_id")];
        columns.extend(TELLING[..2].iter().filter(|name| differs(name)).map(|name| Self::Named(name)));
        columns.push(Self::Named("model"));
        if !telling_paths(runs).is_empty() {
            columns.push(Self::Named("parameters"));
        }
        columns.extend(TELLING[2..].iter().filter(|name| differs(name)).map(|name| Self::Named(name)));
        if runs.iter().any(|run| run.tags.is_some()) {
            columns.push(Self::Named("tags"));
        }
        columns.extend([Self::Named("started_at"), Self::Named("wall_s")]);
        columns.extend(metric);
        columns
    }

    /// What all runs of a list have in common, of what it would show if they differed: `experiment sweep, device cpu`.
    pub fn common(runs: &[RunRow]) -> Option<String> {
        let first = runs.first().filter(|_| runs.len() > 1)?;
        let same = |name: &&&str| runs.iter().all(|run| named(run, name) == named(first, name));
        let shown = TELLING.iter().filter(same).filter_map(|name| {
            let value = named(first, name);
            (!value.is_empty() && *name != "fold").then(|| format!("{name} {value}"))
        });
        Some(shown.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
    }

    /// Its header.
    pub fn title(&self) -> String {
        match self {
            Self::Named(name) => (*name).to_string(),
            Self::Parameter(path) => path.rsplit('.').next().unwrap_or(path).to_string(),
            Self::Metric(metric, _) => metric.title(),
        }
    }

    /// Whether it holds numbers.
    pub fn is_numeric(&self) -> bool {
        match self {
            Self::Named(name) => ["seed", "fold", "wall_s"].contains(name),
            Self::Parameter(_) => false,
            Self::Metric(..) => true,
        }
    }

    /// Its cell for people; `telling` are the parameters that tell the runs of the list apart.
    pub fn shown(&self, run: &RunRow, telling: &[String]) -> String {
        match self {
            Self::Named("started_at") => run.started_at.as_deref().map_or("-".to_string(), minute),
            Self::Named("finished_at") => run.finished_at.as_deref().map_or("-".to_string(), minute),
            Self::Named("wall_s") => run.wall_s.map_or("-".to_string(), duration),
            Self::Named("parameters") => parameters(run, telling),
            Self::Named(name) => named(run, name),
            Self::Parameter(path) => lookup(&run.params, path).map_or("-".to_string(), shown_value),
            Self::Metric(_, values) => {
                values.get(&run.run_id).map_or("-".to_string(), |value| number(*value))
            }
        }
    }

    /// Its value for programs, exactly.
    pub fn exact(&self, run: &RunRow) -> Value {
        match self {
            Self::Named("seed") => run.seed.into(),
            Self::Named("fold") => run.fold.into(),
            Self::Named("wall_s") => run.wall_s.into(),
            Self::Named("started_at") => run.started_at.clone().into(),
            Self::Named("finished_at") => run.finished_at.clone().into(),
            Self::Named("note") => run.note.clone().into(),
            Self::Named("tags") => run.tags.clone().into(),
            Self::Named("parameters") => parameters(run, &model_paths(run)).into(),
            Self::Named(name) => named(run, name).into(),
            Self::Parameter(path) => lookup(&run.params, path).cloned().unwrap_or(Value::Null),
            Self::Metric(_, values) => values.get(&run.run_id).copied().into(),
        }
    }
}

/// A column of [`COLUMN_NAMES`] as text.
fn named(run: &RunRow, name: &str) -> String {
    match name {
        "run_id" => run.run_id.clone(),
        "experiment" => run.experiment.clone(),
        "revisions" => run.revisions.clone(),
        "model" => run.model.clone(),
        "seed" => run.seed.map_or(String::new(), |seed| seed.to_string()),
        "fold" => run.fold.to_string(),
        "status" => run.status.as_str().to_string(),
        "device" => run.device.clone(),
        "tags" => run.tags.clone().unwrap_or_default(),
        "note" => run.note.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// The parameters in which runs of the same model differ, and those of no model in which any runs do.
pub fn telling_paths(runs: &[RunRow]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, runs) in group_by(runs, |run| run.model.clone()) {
        let mut own: Vec<String> = runs.iter().flat_map(|run| paths(&run.params)).collect();
        own.sort();
        own.dedup();
        let differs =
            |path: &String| runs.iter().any(|run| lookup(&run.params, path) != lookup(&runs[0].params, path));
        found.extend(own.into_iter().filter(differs));
    }
    found.sort();
    found.dedup();
    found
}

/// The parameters of a run's model.
fn model_paths(run: &RunRow) -> Vec<String> {
    paths(&run.params).into_iter().filter(|path| path.starts_with("model.") && path != "model.kind").collect()
}

/// `hidden=64 lookback=20`: the values of some parameters, as far as a run has them.
fn parameters(run: &RunRow, paths: &[String]) -> String {
    let shown = paths.iter().filter_map(|path| {
        let value = lookup(&run.params, path)?;
        Some(format!("{}={}", path.rsplit('.').next().unwrap_or(path), shown_value(value)))
    });
    shown.collect::<Vec<_>>().join(" ")
}
