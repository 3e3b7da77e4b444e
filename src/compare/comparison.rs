//! The comparison of an experiment's models: the chosen trial of each, its test errors, and its differences to the others.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::board::{Board, Completion};
use super::claims::{self, Judgement};
use super::metric_means::mean_metrics;
use super::model_search::{ModelSearch, searches};
use super::recorded_capacity::recorded_capacity;
use super::settings::{
    Objectives, RunsOfSetting, axes_of, objective_of, objective_title, settings_of, tells_trials_apart,
    titles,
};
use super::significance::Difference;
use crate::spec::{ObjectiveSpec, run_label};
use crate::store::{EpochRow, RevisionRow, RunRow, Status, Store};

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
            board.capacity = recorded_capacity(board, results);
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
