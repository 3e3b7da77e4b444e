//! One experiment over its revisions: is it getting better, or worse on newer data?

use anyhow::Context;
use serde_json::{Value, json};

use super::leaders::SettingModels;
use super::settings::{objective_of, objective_title};
use crate::store::{RevisionRow, Store};

/// An experiment over its revisions.
#[derive(Debug, Clone)]
pub struct History {
    /// Name of the experiment.
    pub experiment: String,
    /// The metric, such as `mse of all targets in scaled units`; that of the latest revision.
    pub metric: String,
    /// The revisions by number.
    pub revisions: Vec<RevisionRow>,
    /// Each model in each setting.
    pub lines: Vec<ModelHistory>,
    /// Revisions that are judged by another metric, and have no points.
    pub otherwise_judged: Vec<i64>,
}

/// One model in one setting over the revisions.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelHistory {
    /// What tells the setting from others; empty if there is only one.
    pub setting: String,
    /// Name under which the model competes.
    pub model: String,
    /// Whether it is a naive baseline.
    pub baseline: bool,
    /// What it came to in each revision; `None` where it has no result.
    pub points: Vec<Option<HistoryPoint>>,
}

/// What a model came to in one revision.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPoint {
    /// The metric on the test part.
    pub test: f64,
    /// `1 - error / error of the best baseline`; `None` for that baseline itself.
    pub skill: Option<f64>,
    /// The model with the axis values of its trial.
    pub label: String,
}

impl History {
    /// Reads what every model came to in each revision.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn read(store: &mut Store, revisions: Vec<RevisionRow>) -> anyhow::Result<Self> {
        let mut lines: Vec<ModelHistory> = Vec::new();
        let latest = revisions.iter().find(|revision| revision.is_latest).or(revisions.last());
        let latest = latest.context("there is no revision")?;
        let objective = objective_of(latest)?;
        let (metric, experiment) = (objective_title(&objective), latest.experiment.clone());
        let mut otherwise_judged = Vec::new();
        for (at, revision) in revisions.iter().enumerate() {
            let own = objective_of(revision)?;
            if (own.metric, &own.target) != (objective.metric, &objective.target) {
                otherwise_judged.push(revision.revision);
                continue;
            }
            for setting in SettingModels::read(store, revision)? {
                for chosen in setting.models {
                    let known = lines
                        .iter()
                        .position(|line| line.setting == setting.title && line.model == chosen.model);
                    let line = known.unwrap_or_else(|| {
                        lines.push(ModelHistory {
                            setting: setting.title.clone(),
                            model: chosen.model.clone(),
                            baseline: chosen.baseline,
                            points: vec![None; revisions.len()],
                        });
                        lines.len() - 1
                    });
                    lines[line].points[at] =
                        Some(HistoryPoint { test: chosen.test, skill: chosen.skill, label: chosen.label });
                }
            }
        }
        Ok(Self { experiment, metric, revisions, lines, otherwise_judged })
    }

    /// The history as JSON.
    pub fn to_json(&self) -> Value {
        let revisions: Vec<Value> = self
            .revisions
            .iter()
            .map(|one| json!({ "revision": one.revision, "started_at": one.started_at, "note": one.note }))
            .collect();
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                let points: Vec<Value> = line
                    .points
                    .iter()
                    .zip(&self.revisions)
                    .filter_map(|(point, revision)| {
                        let HistoryPoint { test, skill, label } = point.as_ref()?;
                        Some(json!({ "revision": revision.revision, "label": label, "test": test, "skill": skill }))
                    })
                    .collect();
                json!({ "setting": line.setting, "model": line.model, "baseline": line.baseline, "points": points })
            })
            .collect();
        json!({ "experiment": self.experiment, "metric": self.metric, "revisions": revisions, "models": lines })
    }
}
