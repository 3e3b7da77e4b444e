//! The comparison: which trial of each model stands for it, how well it does on the test part, and against what.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::claims::{self, Judgement};
use super::significance::{Difference, WindowLosses};
use crate::experiment::{ObjectiveSpec, lookup, run_label, setting_of};
use crate::metric::holm;
use crate::model::BASELINES;
use crate::scheduler::SavedRun;
use crate::store::{EpochRow, ExperimentRow, MetricRow, RunFilter, RunRow, Status, Store, results_folder};

/// Everything that a report shows.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The experiment.
    pub experiment: ExperimentRow,
    /// What trials are chosen by, on validation.
    pub objective: ObjectiveSpec,
    /// All its runs.
    pub runs: Vec<RunRow>,
    /// One leaderboard for each setting (data, split, horizon): errors of different settings do not compare.
    pub boards: Vec<Board>,
    /// Epochs of the runs that stand for their models.
    pub epochs: Vec<EpochRow>,
    /// Every run that is done with its objective, board by board, the best on validation first.
    pub scored: Vec<ScoredRun>,
    /// Its claims, judged.
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
    /// Seconds that it took.
    pub wall_s: Option<f64>,
}

/// The leaderboard of one setting.
#[derive(Debug, Clone)]
pub struct Board {
    /// What tells this setting from the others, e.g. `horizon 96`; empty if there is only one.
    pub title: String,
    /// The models, best on the test part first.
    pub rows: Vec<BoardRow>,
    /// Number of trials that were tried, over all models.
    pub trials: usize,
    /// Lookbacks of the trained models; a naive baseline has one of its own.
    pub lookbacks: Vec<u64>,
    /// A run that stands for its model, with its files: what the data card is read from.
    pub card: Option<SavedRun>,
    /// Names and units of the targets.
    pub targets: Vec<(String, String)>,
}

/// One model with the trial that is best on validation.
#[derive(Debug, Clone)]
pub struct BoardRow {
    /// Kind of the model.
    pub model: String,
    /// The model with the axis values of its chosen trial.
    pub label: String,
    /// Whether it is a naive baseline.
    pub baseline: bool,
    /// Trials of the model in this setting.
    pub trials: usize,
    /// Runs of the chosen trial, over seeds and folds.
    pub run_ids: Vec<String>,
    /// Distinct seeds among those that are; 0 for a model without randomness.
    pub seeds: usize,
    /// The objective on validation.
    pub valid: f64,
    /// The objective's metric on the test part.
    pub test: MeanSpread,
    /// `1 - error / error of the best baseline`; `None` for that baseline itself.
    pub skill: Option<f64>,
    /// Difference to the best baseline, window by window.
    pub difference: Option<Difference>,
    /// The difference's p-value after Holm's correction over the models of the board.
    pub p_value: Option<f64>,
    /// Every metric of the test part: `(target, unit, name)`.
    pub metrics: BTreeMap<(String, String, String), MeanSpread>,
}

/// Mean and standard deviation over runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSpread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (divided by n - 1); `None` for a single run.
    pub spread: Option<f64>,
}

impl MeanSpread {
    /// Mean and standard deviation of some values.
    pub(super) fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = (values.len() > 1)
            .then(|| (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt());
        Self { mean, spread }
    }
}

impl Comparison {
    /// Computes the comparison from the store.
    ///
    /// # Errors
    /// A store or an experiment that cannot be read.
    pub fn read(store: &mut Store, name: &str) -> anyhow::Result<Self> {
        let experiment = store.experiment(name)?;
        let objective: ObjectiveSpec =
            serde_json::from_str(&experiment.objective).context("damaged objective in the store")?;
        let axes: Vec<String> =
            serde_json::from_str(&experiment.axes).context("damaged axes in the store")?;
        let runs = store.runs(&RunFilter { experiment: Some(name.to_string()), ..RunFilter::default() })?;
        let objectives = Objectives::read(store, name, &objective)?;
        let mut settings = by_setting(&runs);
        settings.retain(|(_, members)| members.iter().any(|run| run.status == Status::Done));
        let titles = titles(&settings, &axes);
        let mut boards: Vec<Board> = settings
            .iter()
            .zip(titles)
            .map(|((_, members), title)| Board::new(title, members, &objectives, &axes))
            .collect();
        for row in boards.iter_mut().flat_map(|board| &mut board.rows) {
            row.metrics = mean_metrics(store.metrics_of_runs(&row.run_ids, "test")?);
        }
        let results = results_folder();
        for board in &mut boards {
            board.read_files(&results);
            board.measure_against_baseline(&results, &objective);
        }
        let shown: Vec<String> =
            boards.iter().flat_map(|board| &board.rows).flat_map(|row| &row.run_ids).cloned().collect();
        let epochs = store.epochs_of_runs(&shown)?;
        let scored = settings
            .iter()
            .enumerate()
            .flat_map(|(board, (_, members))| scored_runs(board, members, &objectives, &axes))
            .collect();
        let claims = claims::judge_runs(store, name, &runs)?;
        Ok(Self { experiment, objective, runs, boards, epochs, scored, claims })
    }

    /// Runs with another status than done.
    pub fn unfinished(&self) -> impl Iterator<Item = &RunRow> {
        self.runs.iter().filter(|run| run.status != Status::Done)
    }

    /// `mse of all targets in scaled units`: what the leaderboard is sorted by.
    pub fn objective_title(&self) -> String {
        let objective = &self.objective;
        let target = if objective.target == "all" { "all targets" } else { &objective.target };
        format!("{} of {target} in {} units", objective.metric.as_str(), objective.unit())
    }

    /// The leaderboards as JSON.
    pub fn to_json(&self) -> Value {
        let objective = &self.objective;
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
                            "seeds": row.seeds, "run_ids": row.run_ids, "valid": row.valid,
                            "test": row.test.mean, "test_spread": row.test.spread, "skill": row.skill,
                            "p_value": row.p_value,
                        })
                    })
                    .collect();
                json!({ "setting": board.title, "metric": objective.metric.as_str(), "target": objective.target,
                        "unit": objective.unit(), "models": rows })
            })
            .collect();
        Value::Array(boards)
    }
}

/// The objective of every finished run. A sweep of many runs has millions of metrics: only these are read of all runs.
struct Objectives {
    /// On the part that trials are chosen on.
    chosen: HashMap<String, f64>,
    /// On the test part.
    test: HashMap<String, f64>,
}

impl Objectives {
    fn read(store: &mut Store, experiment: &str, objective: &ObjectiveSpec) -> anyhow::Result<Self> {
        let mut on = |part: &str| {
            let name = objective.metric.as_str();
            store.metric_of_runs(experiment, [part, &objective.target, objective.unit(), name])
        };
        Ok(Self { chosen: on(objective.part.as_str())?, test: on("test")? })
    }
}

/// Runs by what makes their errors comparable, in the order in which they are planned.
fn by_setting(runs: &[RunRow]) -> Vec<(Value, Vec<&RunRow>)> {
    let mut settings: Vec<(Value, Vec<&RunRow>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for run in runs {
        let setting = setting_of(&run.params);
        let place = *places.entry(setting.to_string()).or_insert(settings.len());
        if place == settings.len() {
            settings.push((setting, Vec::new()));
        }
        settings[place].1.push(run);
    }
    settings
}

/// Mean and spread of every metric over the runs of a trial.
fn mean_metrics(metrics: Vec<MetricRow>) -> BTreeMap<(String, String, String), MeanSpread> {
    let mut all: BTreeMap<(String, String, String), Vec<f64>> = BTreeMap::new();
    for metric in metrics {
        all.entry((metric.target, metric.unit, metric.name)).or_default().push(metric.value);
    }
    all.into_iter().map(|(key, values)| (key, MeanSpread::of(&values))).collect()
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

/// Settings are told apart by the axes that they differ in.
fn titles(settings: &[(Value, Vec<&RunRow>)], axes: &[String]) -> Vec<String> {
    settings
        .iter()
        .map(|(setting, _)| {
            let differing = axes.iter().filter(|axis| {
                let values: Vec<_> = settings.iter().map(|(other, _)| lookup(other, axis)).collect();
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

impl Board {
    fn new(title: String, runs: &[&RunRow], objectives: &Objectives, axes: &[String]) -> Self {
        let mut models: Vec<&str> = Vec::new();
        for run in runs {
            if !models.contains(&run.model.as_str()) {
                models.push(&run.model);
            }
        }
        let mut trials = 0;
        let mut rows: Vec<BoardRow> = Vec::new();
        for model in models {
            let own: Vec<&RunRow> = runs.iter().filter(|run| run.model == model).copied().collect();
            if let Some(row) = best_trial(model, &own, objectives, axes) {
                trials += row.trials;
                rows.push(row);
            }
        }
        rows.sort_by(|a, b| a.test.mean.total_cmp(&b.test.mean));
        let mut lookbacks: Vec<u64> = runs
            .iter()
            .filter(|run| run.params.get("training").is_some())
            .filter_map(|run| lookup(&run.params, "task.lookback")?.as_u64())
            .collect();
        lookbacks.sort_unstable();
        lookbacks.dedup();
        Self { title, rows, trials, lookbacks, card: None, targets: Vec::new() }
    }

    /// Reads the data card from the files of a run that stands for its model.
    fn read_files(&mut self, results: &Path) {
        let mut run_ids = self.rows.iter().flat_map(|row| &row.run_ids);
        self.card = run_ids.find_map(|run_id| SavedRun::read(results, run_id).ok());
        let targets = self.card.iter().flat_map(SavedRun::targets);
        self.targets = targets.map(|target| (target.name, target.unit)).collect();
    }

    /// The best naive baseline on the test part: the hardest comparison for every other model.
    pub fn best_baseline(&self) -> Option<&BoardRow> {
        self.rows.iter().find(|row| row.baseline)
    }

    fn measure_against_baseline(&mut self, results: &Path, objective: &ObjectiveSpec) {
        let Some(baseline) = self.best_baseline().cloned() else {
            return;
        };
        let reference = WindowLosses::read(results, &baseline.run_ids, objective);
        let mut compared = Vec::new();
        for (index, row) in self.rows.iter_mut().enumerate() {
            if row.model == baseline.model {
                continue;
            }
            if baseline.test.mean > 0.0 {
                row.skill = Some(1.0 - row.test.mean / baseline.test.mean);
            }
            let own = WindowLosses::read(results, &row.run_ids, objective);
            row.difference = match (&own, &reference) {
                (Some(own), Some(reference)) => own.minus(reference),
                _ => None,
            };
            if let Some(difference) = &row.difference {
                compared.push((index, difference.p_value));
            }
        }
        let raw: Vec<f64> = compared.iter().map(|(_, p_value)| *p_value).collect();
        for ((index, _), adjusted) in compared.iter().zip(holm(&raw)) {
            self.rows[*index].p_value = Some(adjusted);
        }
    }
}

/// Other axes tell settings apart.
fn tells_trials_apart(axis: &str) -> bool {
    axis.starts_with("model.") || axis.starts_with("training.") || axis == "task.lookback"
}

/// The trial of a model whose mean objective over seeds and folds is lowest on validation. A trial that lacks runs
/// stands back behind all that are whole: a lucky seed that happened to finish is no better model.
fn best_trial(model: &str, runs: &[&RunRow], objectives: &Objectives, axes: &[String]) -> Option<BoardRow> {
    let mut trials: Vec<Vec<&RunRow>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for run in runs {
        let place = *places.entry(run.params.to_string()).or_insert(trials.len());
        if place == trials.len() {
            trials.push(Vec::new());
        }
        trials[place].push(run);
    }
    let count = trials.len();
    let scored = trials.into_iter().filter_map(|members| {
        let total = members.len();
        let done: Vec<(&RunRow, f64)> = members
            .into_iter()
            .filter(|run| run.status == Status::Done)
            .filter_map(|run| Some((run, *objectives.chosen.get(&run.run_id)?)))
            .collect();
        let values: Vec<f64> = done.iter().map(|(_, value)| *value).collect();
        let members: Vec<&RunRow> = done.into_iter().map(|(run, _)| run).collect();
        (!values.is_empty()).then(|| (MeanSpread::of(&values).mean, total, members))
    });
    let (valid, total, members) = scored.min_by(|(a, a_total, a_done), (b, b_total, b_done)| {
        (a_total - a_done.len()).cmp(&(b_total - b_done.len())).then(a.total_cmp(b))
    })?;
    let mut label = run_label(&members[0].params, axes.iter().filter(|axis| tells_trials_apart(axis)));
    if members.len() < total {
        label = format!("{label} ({} of {total} runs)", members.len());
    }
    let test: Vec<f64> = members.iter().filter_map(|run| objectives.test.get(&run.run_id).copied()).collect();
    if test.is_empty() {
        return None;
    }
    let mut seeds: Vec<i64> = members.iter().filter_map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    Some(BoardRow {
        model: model.to_string(),
        label,
        baseline: BASELINES.contains(&model),
        trials: count,
        run_ids: members.iter().map(|run| run.run_id.clone()).collect(),
        seeds: seeds.len(),
        valid,
        test: MeanSpread::of(&test),
        skill: None,
        difference: None,
        p_value: None,
        metrics: BTreeMap::new(),
    })
}
