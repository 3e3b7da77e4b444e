//! The trials of an experiment: what each set of hyperparameters came to over its seeds and folds, and what the search did.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};

use super::grouping::group_by;
use super::metric_means::{MeanSpread, SeededValue};
use super::parameter_paths::{clear_names, varying_paths};
use super::settings::{Objectives, RunsOfSetting, titles};
use super::trial_importance::{FinishedTrial, ModelImportance, judge};
use crate::spec::{ObjectiveSpec, SearchOutline, Strategy, lookup, setting_parts, shown_value};
use crate::store::{RevisionRow, RunRow, Status, Store};

/// The trials of an experiment.
#[derive(Debug, Clone)]
pub struct Trials {
    /// The metric that trials are chosen by, on validation.
    pub objective: ObjectiveSpec,
    /// One list for each setting (data, split, horizon): errors of different settings are not comparable.
    pub settings: Vec<TrialSetting>,
}

/// The trials of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialSetting {
    /// What tells this setting from the others, e.g. `horizon 96`; empty if there is only one.
    pub title: String,
    /// The best first.
    pub trials: Vec<TrialRow>,
    /// For each model of which a hyperparameter varies, in the order of the plan.
    pub importance: Vec<ModelImportance>,
}

/// One set of hyperparameters of one model, over its seeds and folds.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialRow {
    /// Its place in the setting by the objective; `None` without one. Trials that lack runs come behind all complete ones.
    pub rank: Option<usize>,
    /// Kind of the model.
    pub model: String,
    /// The hyperparameters in which the trials of this model differ, under the shortest name that is clear.
    pub hyperparameters: Vec<(String, Value)>,
    /// The resolved runs, but for seed and fold.
    pub params: Arc<Value>,
    /// Its runs, in the order of the plan.
    pub run_ids: Vec<String>,
    /// The run with the lowest objective.
    pub best_run: Option<String>,
    /// How many of its runs are done.
    pub done: usize,
    /// How many of its runs failed or timed out.
    pub failed: usize,
    /// Mean objective over the runs that are done, with its spread over seeds.
    pub objective: Option<MeanSpread>,
    /// The objective's metric on the test part.
    pub test: Option<MeanSpread>,
    /// How the search came to it; `None` for a model of which nothing varies.
    pub proposed_by: Option<&'static str>,
    /// Fewest and most epochs that its runs reached; `None` where none was trained.
    pub epochs: Option<(i64, i64)>,
    /// Epochs that a run has at most.
    pub most_epochs: Option<u64>,
    /// Fewest and most epochs after which a run was pruned; `None` where none was.
    pub pruned_at: Option<(i64, i64)>,
}

impl TrialRow {
    /// Whether every run is done.
    pub fn is_complete(&self) -> bool {
        self.done == self.run_ids.len()
    }

    /// The hyperparameters as labels print them, such as `hidden=64 layers=1`.
    pub fn label(&self) -> String {
        let parts = self.hyperparameters.iter().map(|(name, value)| format!("{name}={}", shown_value(value)));
        parts.collect::<Vec<_>>().join(" ")
    }

    /// What became of it: `done`, `pruned at epoch 3`, `2 of 3 runs`.
    pub fn outcome(&self) -> String {
        let span = |(least, most): (i64, i64)| {
            if least == most { least.to_string() } else { format!("{least} to {most}") }
        };
        match self.pruned_at {
            Some(epochs) => format!("pruned at epoch {}", span(epochs)),
            None if self.is_complete() => "done".to_string(),
            None if self.failed > 0 => "failed".to_string(),
            None => "open".to_string(),
        }
    }
}

impl Trials {
    /// Reads the trials of an experiment from the store: `NAME` for the revision that ran last, or `NAME@2`.
    ///
    /// # Errors
    /// A store or an experiment that cannot be read.
    pub fn read(store: &mut Store, reference: &str) -> anyhow::Result<Self> {
        let revision = store.revision(reference)?;
        let id = revision.id();
        let objective: ObjectiveSpec =
            serde_json::from_str(&revision.objective).context("the store holds a damaged objective")?;
        let axes: Vec<String> =
            serde_json::from_str(&revision.axes).context("the store holds damaged axes")?;
        let runs = store.planned_runs(&id)?;
        let sources = Sources {
            objectives: Objectives::read(store, &id, &objective)?,
            epochs: store.epochs_reached(&id)?,
            outline: outline_of(&revision)?,
        };
        let settings: Vec<RunsOfSetting<'_>> = group_by(&runs, |run| setting_parts(&run.params));
        let titles = titles(&settings, &axes);
        let settings =
            settings.iter().zip(titles).map(|((_, runs), title)| setting(title, runs, &sources)).collect();
        Ok(Self { objective, settings })
    }

    /// Everything as JSON.
    pub fn to_json(&self) -> Value {
        let objective = &self.objective;
        let settings: Vec<Value> = self.settings.iter().map(TrialSetting::to_json).collect();
        json!({
            "objective": { "part": objective.part.as_str(), "metric": objective.metric.as_str(),
                           "target": objective.target, "unit": objective.unit() },
            "settings": settings,
        })
    }
}

impl TrialSetting {
    fn to_json(&self) -> Value {
        let importance: Vec<Value> = self
            .importance
            .iter()
            .map(|own| {
                let shares = own.importance.as_ref().ok().map(|found| {
                    own.names
                        .iter()
                        .cloned()
                        .zip(found.shares.iter().map(|share| json!(share)))
                        .collect::<serde_json::Map<_, _>>()
                });
                json!({ "model": own.model, "trials": own.trials, "shares": shares,
                        "explained": own.importance.as_ref().ok().map(|found| found.explained),
                        "unknown_because": own.importance.as_ref().err() })
            })
            .collect();
        let trials: Vec<Value> = self.trials.iter().map(TrialRow::to_json).collect();
        json!({ "setting": self.title, "trials": trials, "importance": importance })
    }
}

impl TrialRow {
    /// The trial as JSON.
    pub fn to_json(&self) -> Value {
        let mean = |value: &Option<MeanSpread>| value.map(|value| value.mean);
        let spread = |value: &Option<MeanSpread>| value.and_then(|value| value.spread);
        let hyperparameters: serde_json::Map<String, Value> = self.hyperparameters.iter().cloned().collect();
        json!({
            "rank": self.rank, "model": self.model, "hyperparameters": hyperparameters,
            "objective": mean(&self.objective), "objective_spread": spread(&self.objective),
            "test": mean(&self.test), "test_spread": spread(&self.test),
            "runs": self.run_ids.len(), "done": self.done, "failed": self.failed, "outcome": self.outcome(),
            "proposed_by": self.proposed_by, "epochs": self.epochs.map(|(least, most)| [least, most]),
            "most_epochs": self.most_epochs, "pruned_at": self.pruned_at.map(|(least, most)| [least, most]),
            "best_run": self.best_run, "run_ids": self.run_ids, "params": self.params,
        })
    }
}

/// What is known of the runs beside their rows.
struct Sources {
    objectives: Objectives,
    /// Epochs that each run reached.
    epochs: HashMap<String, i64>,
    /// What the experiment's file says about the search, or why that is unknown.
    outline: Result<SearchOutline, String>,
}

/// What the file of a revision says about its search; it is the one place that says from which ranges the values were drawn.
/// The inner error says why a file cannot be read, as another version of this program may have written it.
pub(super) fn outline_of(revision: &RevisionRow) -> anyhow::Result<Result<SearchOutline, String>> {
    let overrides: Vec<String> =
        serde_json::from_str(&revision.overrides).context("the store holds damaged overrides")?;
    Ok(SearchOutline::parse(&revision.path, revision.text.clone(), &overrides)
        .map_err(|_| format!("this version of burstlab cannot read the file of `{}`", revision.id())))
}

/// The trials of some runs of one setting.
fn setting(title: String, runs: &[&RunRow], sources: &Sources) -> TrialSetting {
    let groups = group_by(runs.iter().copied(), |run| &run.params);
    let groups: Vec<Vec<&RunRow>> = groups.into_iter().map(|(_, runs)| runs).collect();
    let models = group_by(groups, |runs| runs[0].model.clone());
    let mut trials = Vec::new();
    let mut importance = Vec::new();
    for (model, groups) in &models {
        let params: Vec<&Value> = groups.iter().map(|runs| &*runs[0].params).collect();
        let paths = varying_paths(&params);
        let names = clear_names(&paths);
        let mut own: Vec<TrialRow> = groups.iter().map(|runs| trial(runs, &paths, &names, sources)).collect();
        if !paths.is_empty() {
            let finished: Vec<FinishedTrial<'_>> = own
                .iter()
                .filter(|trial| trial.is_complete())
                .filter_map(|trial| {
                    Some(FinishedTrial { params: &trial.params, objective: trial.objective?.mean })
                })
                .collect();
            let outline = sources.outline.as_ref().map_err(String::as_str);
            importance.push(judge(model, &paths, &finished, outline));
        }
        trials.append(&mut own);
    }
    trials.sort_by(|a, b| place(a).cmp(&place(b)).then(value(a).total_cmp(&value(b))));
    for (at, trial) in trials.iter_mut().enumerate() {
        trial.rank = trial.objective.map(|_| at + 1);
    }
    TrialSetting { title, trials, importance }
}

/// Complete trials first, then those with some result by how many runs they lack, then those that came furthest.
fn place(trial: &TrialRow) -> (bool, usize, i64) {
    let has_none = trial.objective.is_none();
    let furthest = if has_none { -trial.epochs.map_or(0, |(_, most)| most) } else { 0 };
    (has_none, if has_none { 0 } else { trial.run_ids.len() - trial.done }, furthest)
}

fn value(trial: &TrialRow) -> f64 {
    trial.objective.map_or(f64::INFINITY, |objective| objective.mean)
}

/// One trial with all its runs.
fn trial(runs: &[&RunRow], paths: &[String], names: &[String], sources: &Sources) -> TrialRow {
    let first = runs[0];
    let over_seeds = |values: &HashMap<String, f64>| {
        let done = runs.iter().filter(|run| run.status == Status::Done);
        let values: Vec<(Option<i64>, f64)> =
            done.filter_map(|run| Some((run.seed, *values.get(&run.run_id)?))).collect();
        let mean = values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64;
        let spread =
            MeanSpread::over_seeds(values.iter().map(|&(seed, value)| SeededValue { seed, value })).spread;
        (!values.is_empty()).then_some(MeanSpread { mean, spread })
    };
    let span = |runs: Vec<&&RunRow>| {
        let reached: Vec<i64> =
            runs.iter().filter_map(|run| sources.epochs.get(&run.run_id).copied()).collect();
        Some((*reached.iter().min()?, *reached.iter().max()?))
    };
    let objective =
        |run: &&&RunRow| sources.objectives.chosen.get(&run.run_id).copied().unwrap_or(f64::INFINITY);
    let done = runs.iter().filter(|run| run.status == Status::Done);
    let strategy = sources.outline.as_ref().ok().map(|outline| outline.search.strategy);
    TrialRow {
        rank: None,
        model: first.model.clone(),
        hyperparameters: paths
            .iter()
            .zip(names)
            .filter_map(|(path, name)| Some((name.clone(), lookup(&first.params, path)?.clone())))
            .collect(),
        params: first.params.clone(),
        run_ids: runs.iter().map(|run| run.run_id.clone()).collect(),
        best_run: done
            .clone()
            .min_by(|a, b| objective(a).total_cmp(&objective(b)))
            .map(|run| run.run_id.clone()),
        done: done.count(),
        failed: runs.iter().filter(|run| matches!(run.status, Status::Failed | Status::TimedOut)).count(),
        objective: over_seeds(&sources.objectives.chosen),
        test: over_seeds(&sources.objectives.test),
        proposed_by: strategy.filter(|_| !paths.is_empty()).map(Strategy::as_str),
        epochs: span(runs.iter().collect()),
        most_epochs: lookup(&first.params, "training.epochs").and_then(Value::as_u64),
        pruned_at: span(runs.iter().filter(|run| run.status == Status::Pruned).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures::run;

    fn gru(run_id: &str, hidden: i64, seed: i64, status: Status) -> RunRow {
        let mut run = run(run_id, "gru", Some(seed), status);
        Arc::make_mut(&mut run.params)["model"]["hidden"] = json!(hidden);
        Arc::make_mut(&mut run.params)["training"] = json!({ "epochs": 9 });
        run
    }

    fn sources(chosen: &[(&str, f64)], epochs: &[(&str, i64)]) -> Sources {
        let chosen: HashMap<String, f64> =
            chosen.iter().map(|(id, value)| ((*id).to_string(), *value)).collect();
        Sources {
            objectives: Objectives { test: chosen.clone(), chosen },
            epochs: epochs.iter().map(|(id, epoch)| ((*id).to_string(), *epoch)).collect(),
            outline: Err("its file is lost".to_string()),
        }
    }

    #[test]
    fn complete_trials_come_first_and_those_without_a_result_by_how_far_they_came() {
        let runs = [
            gru("a1", 2, 1, Status::Done),
            gru("a2", 2, 2, Status::Done),
            gru("b1", 4, 1, Status::Done),
            gru("b2", 4, 2, Status::Failed),
            gru("c1", 8, 1, Status::Pruned),
            gru("c2", 8, 2, Status::Pruned),
            gru("d1", 16, 1, Status::Pruned),
            gru("d2", 16, 2, Status::Pruned),
        ];
        let sources = sources(
            &[("a1", 0.4), ("a2", 0.6), ("b1", 0.1)],
            &[("a1", 9), ("a2", 9), ("b1", 9), ("c1", 1), ("c2", 1), ("d1", 3), ("d2", 1)],
        );
        let setting = setting(String::new(), &runs.iter().collect::<Vec<_>>(), &sources);
        let told: Vec<(Option<usize>, String, String)> =
            setting.trials.iter().map(|trial| (trial.rank, trial.label(), trial.outcome())).collect();
        let expected = [
            (Some(1), "hidden=2", "done"),
            (Some(2), "hidden=4", "failed"),
            (None, "hidden=16", "pruned at epoch 1 to 3"),
            (None, "hidden=8", "pruned at epoch 1"),
        ];
        assert_eq!(
            told,
            expected.map(|(rank, label, outcome)| (rank, label.to_string(), outcome.to_string()))
        );
        let best = &setting.trials[0];
        assert_eq!(
            (best.best_run.as_deref(), best.objective.map(|value| value.mean)),
            (Some("a1"), Some(0.5))
        );
        assert!((best.objective.unwrap().spread.unwrap() - 0.02_f64.sqrt()).abs() < 1e-12);
        assert_eq!((best.epochs, best.most_epochs, best.proposed_by), (Some((9, 9)), Some(9), None));
        assert_eq!(setting.importance[0].importance, Err("its file is lost".to_string()));
    }

    #[test]
    fn hyperparameters_have_the_shortest_name_that_is_clear() {
        let params = |rate: f64, hidden: i64| {
            json!({ "model": { "kind": "x", "rate": rate, "hidden": hidden }, "training": { "rate": -rate, "epochs": 3 },
                    "task": { "lookback": 4 } })
        };
        let (one, other) = (params(0.1, 2), params(0.2, 4));
        let paths = varying_paths(&[&one, &other]);
        let mut names = clear_names(&paths);
        names.sort();
        assert_eq!(names, ["hidden", "model.rate", "training.rate"]);
        assert!(varying_paths(&[&one, &one]).is_empty());
    }
}
