//! The comparison of an experiment's models: the chosen trial of each, its test errors, and its differences to the others.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::board::{Board, Completion, mean_metrics};
use super::capacity::BoardCapacity;
use super::claims::{self, Judgement};
use super::grouping::group_by;
use super::model_search::{ModelSearch, searches};
use super::side_by_side::objective_title;
use super::significance::Difference;
use crate::spec::{ObjectiveSpec, SettingParts, lookup, run_label, setting_of, setting_parts};
use crate::store::{EpochRow, RevisionId, RevisionRow, RunRow, Status, Store};

/// Everything that a report shows.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The revision of the experiment.
    pub experiment: RevisionRow,
    /// The metric that trials are chosen by, on validation.
    pub objective: ObjectiveSpec,
    /// The runs that the revision plans.
    pub runs: Vec<RunRow>,
    /// One leaderboard for each setting (data, split, horizon): errors of different settings are not comparable.
    pub boards: Vec<Board>,
    /// Epochs of the runs of the chosen trials.
    pub epochs: Vec<EpochRow>,
    /// Every finished run with its objective, board by board, the best on validation first.
    pub scored: Vec<ScoredRun>,
    /// The trials of every model that was searched, board by board.
    pub searches: Vec<ModelSearch>,
    /// The claims of the experiment with their verdicts.
    pub claims: Vec<Judgement>,
}

/// One finished run with its objective.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRun {
    /// The run's identity.
    pub run_id: String,
    /// Index of its board.
    pub board: usize,
    /// The model with the axis values of its trial.
    pub label: String,
    /// Its seed.
    pub seed: Option<i64>,
    /// Its fold.
    pub fold: i64,
    /// The objective on the part that trials are chosen on.
    pub valid: Option<f64>,
    /// The objective's metric on the test part.
    pub test: Option<f64>,
    /// Wall time in seconds.
    pub wall_s: Option<f64>,
}

impl Comparison {
    /// Computes the comparison of an experiment (`NAME` for the revision that ran last, or `NAME@2`) from the store and from
    /// the files of its runs below `results`.
    ///
    /// # Errors
    /// A store or an experiment that cannot be read.
    pub fn read(store: &mut Store, results: &Path, reference: &str) -> anyhow::Result<Self> {
        let experiment = store.revision(reference)?;
        Self::of_revision(store, results, experiment)
    }

    /// Computes the comparison of one revision.
    ///
    /// # Errors
    /// A store or a revision that cannot be read.
    pub fn of_revision(store: &mut Store, results: &Path, experiment: RevisionRow) -> anyhow::Result<Self> {
        let id = experiment.id();
        let objective = objective_of(&experiment)?;
        let axes = axes_of(&experiment)?;
        let runs = store.planned_runs(&id)?;
        let objectives = Objectives::read(store, &id, &objective)?;
        let settings = settings_of(&runs);
        let mut boards = boards(&settings, &experiment, &objectives, &axes);
        let seeds: HashMap<&str, Option<i64>> =
            runs.iter().map(|run| (run.run_id.as_str(), run.seed)).collect();
        for row in boards.iter_mut().flat_map(|board| &mut board.rows) {
            row.metrics = mean_metrics(store.metrics_of_runs(&row.run_ids, "test")?, &seeds);
        }
        for board in &mut boards {
            board.read_files(results);
            board.measure_differences(results, &objective);
            board.capacity = BoardCapacity::recorded(board, results);
            board.read_breakdowns(store)?;
        }
        let chosen: Vec<String> =
            boards.iter().flat_map(|board| &board.rows).flat_map(|row| &row.run_ids).cloned().collect();
        let epochs = store.epochs_of_runs(&chosen)?;
        let scored = settings
            .iter()
            .enumerate()
            .flat_map(|(board, (_, runs))| scored_runs(board, runs, &objectives, &axes))
            .collect();
        let searches = searches(store, &experiment, &objective, &objectives, &settings)?;
        let claims = claims::judge_runs(store, &id, &runs)?;
        Ok(Self { experiment, objective, runs, boards, epochs, scored, searches, claims })
    }

    /// Runs that are neither done nor pruned.
    pub fn unfinished(&self) -> impl Iterator<Item = &RunRow> {
        self.runs.iter().filter(|run| run.status != Status::Done && run.status != Status::Pruned)
    }

    /// Runs that the search pruned: they count neither as failures nor as candidates.
    pub fn pruned(&self) -> impl Iterator<Item = &RunRow> {
        self.runs.iter().filter(|run| run.status == Status::Pruned)
    }

    /// The metric that the leaderboard is sorted by, such as `mse of all targets in scaled units`.
    pub fn objective_title(&self) -> String {
        objective_title(&self.objective)
    }

    /// The leaderboards as JSON.
    pub fn to_json(&self) -> Value {
        let objective = &self.objective;
        let p_value = |difference: Option<&Difference>| difference.map(|difference| difference.holm_p_value);
        let boards: Vec<Value> = self
            .boards
            .iter()
            .map(|board| {
                let rows: Vec<Value> = board
                    .rows
                    .iter()
                    .map(|row| {
                        json!({
                            "model": row.model, "label": row.label, "baseline": row.baseline, "trials": row.trials,
                            "trials_done": row.trials_done,
                            "seeds": row.seeds, "run_ids": row.run_ids, "valid": row.valid,
                            "test": row.test.mean, "test_spread": row.test.spread, "skill": row.skill,
                            "p_value": p_value(row.against_baseline.as_ref()),
                            "p_value_against_best": p_value(row.against_best.as_ref()),
                        })
                    })
                    .collect();
                let Completion { runs, done, failed, .. } = &board.completion;
                let mut shown = json!({ "setting": board.title, "complete": !board.completion.is_partial(),
                        "runs": runs, "done": done, "failed": failed, "metric": objective.metric.as_str(), "target": objective.target,
                        "unit": objective.unit(), "models": rows });
                if let Some(capacity) = &board.capacity {
                    shown["capacity"] = capacity.to_json();
                }
                shown
            })
            .collect();
        Value::Array(boards)
    }
}

/// The leaderboards of a revision, from what the store has alone: no difference is tested, and nothing is read from files.
///
/// # Errors
/// A store that cannot be read.
pub(super) fn leaderboards(store: &mut Store, revision: &RevisionRow) -> anyhow::Result<Vec<Board>> {
    let runs = store.planned_runs(&revision.id())?;
    let objectives = Objectives::read(store, &revision.id(), &objective_of(revision)?)?;
    Ok(boards(&settings_of(&runs), revision, &objectives, &axes_of(revision)?))
}

/// The metric that the trials of a revision are chosen by.
pub(super) fn objective_of(revision: &RevisionRow) -> anyhow::Result<ObjectiveSpec> {
    serde_json::from_str(&revision.objective).context("the store holds a damaged objective")
}

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

pub(super) fn boards(
    settings: &[RunsOfSetting<'_>],
    revision: &RevisionRow,
    objectives: &Objectives,
    axes: &[String],
) -> Vec<Board> {
    let board = |((_, runs), title): (&RunsOfSetting<'_>, String)| {
        Board::new(title, runs, revision.unproposed as usize, objectives, axes)
    };
    settings.iter().zip(titles(settings, axes)).map(board).collect()
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

/// The runs of one board with their objectives, the best on validation first.
fn scored_runs(board: usize, runs: &[&RunRow], objectives: &Objectives, axes: &[String]) -> Vec<ScoredRun> {
    let mut scored: Vec<ScoredRun> = runs
        .iter()
        .filter(|run| run.status == Status::Done)
        .map(|run| ScoredRun {
            run_id: run.run_id.clone(),
            board,
            label: run_label(&run.params, axes.iter().filter(|axis| tells_trials_apart(axis))),
            seed: run.seed,
            fold: run.fold,
            valid: objectives.chosen.get(&run.run_id).copied(),
            test: objectives.test.get(&run.run_id).copied(),
            wall_s: run.wall_s,
        })
        .collect();
    let key = |run: &ScoredRun| run.valid.unwrap_or(f64::INFINITY);
    scored.sort_by(|a, b| key(a).total_cmp(&key(b)));
    scored
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
