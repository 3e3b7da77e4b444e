//! The leaderboard of one setting: the trial that stands for each model, and how far it is from the others.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::comparison::{Objectives, tells_trials_apart};
use super::significance::{Difference, WindowLosses};
use crate::spec::{BASELINES, ObjectiveSpec, lookup, run_label};
use crate::stats::holm;
use crate::store::{BreakdownRow, MetricRow, RunRow, SavedRun, Status, Store};

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
    /// Name of the contender: the kind of the model, and how it is solved if that is not by training.
    pub model: String,
    /// Kind of the model.
    pub kind: String,
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
    /// Difference to the model with the lowest error, window by window; `None` for that model itself. That of the
    /// second row is the one of the winner and its runner-up.
    pub against_best: Option<Difference>,
    /// That difference's p-value after Holm's correction over the models of the board.
    pub p_best: Option<f64>,
    /// Mean of the objective's metric over the seeds of each fold, on the test part.
    pub folds: Vec<(i64, f64)>,
    /// Test errors by hour, burst state and size, means over the runs; only of the best model and of the best
    /// baseline.
    pub breakdowns: Vec<BreakdownRow>,
    /// Every metric of the test part: `(target, unit, name)`.
    pub metrics: BTreeMap<(String, String, String), MeanSpread>,
}

/// Mean over runs, and standard deviation over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSpread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (divided by n - 1); `None` for a single run.
    pub spread: Option<f64>,
}

impl MeanSpread {
    /// Values of runs, each given with its seed: the mean of a seed's folds first, then mean and spread over seeds, so
    /// that what differs between folds is no spread.
    pub(super) fn over_seeds(values: &[(Option<i64>, f64)]) -> Self {
        let mut seeds: BTreeMap<Option<i64>, Vec<f64>> = BTreeMap::new();
        for (seed, value) in values {
            seeds.entry(*seed).or_default().push(*value);
        }
        let means: Vec<f64> = seeds.values().map(|own| own.iter().sum::<f64>() / own.len() as f64).collect();
        Self::of(&means)
    }

    /// Mean and standard deviation of some values.
    pub(super) fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let spread = (values.len() > 1)
            .then(|| (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt());
        Self { mean, spread }
    }
}

impl Board {
    /// The board of the runs of one setting, the lowest test error first.
    pub(super) fn new(title: String, runs: &[&RunRow], objectives: &Objectives, axes: &[String]) -> Self {
        let mut contenders: Vec<(String, Vec<&RunRow>)> = Vec::new();
        for run in runs {
            let name = contender(run);
            match contenders.iter_mut().find(|(known, _)| *known == name) {
                Some((_, own)) => own.push(run),
                None => contenders.push((name, vec![run])),
            }
        }
        let mut trials = 0;
        let mut rows: Vec<BoardRow> = Vec::new();
        for (name, own) in contenders {
            if let Some(row) = best_trial(name, &own, objectives, axes) {
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
    pub(super) fn read_files(&mut self, results: &Path) {
        let mut run_ids = self.rows.iter().flat_map(|row| &row.run_ids);
        self.card = run_ids.find_map(|run_id| SavedRun::read(results, run_id).ok());
        let targets = self.card.iter().flat_map(SavedRun::targets);
        self.targets = targets.map(|target| (target.name, target.unit)).collect();
    }

    /// The best naive baseline on the test part: the hardest comparison for every other model.
    pub fn best_baseline(&self) -> Option<&BoardRow> {
        self.rows.iter().find(|row| row.baseline)
    }

    /// Reads the breakdowns of the best model and of the best baseline: nobody looks at those of the others.
    pub(super) fn read_breakdowns(&mut self, store: &mut Store) -> anyhow::Result<()> {
        let first = |baseline| self.rows.iter().position(|row| row.baseline == baseline);
        for index in [first(false), first(true)].into_iter().flatten() {
            let Some(row) = self.rows.get_mut(index) else { continue };
            let mut means: Vec<(BreakdownRow, usize)> = Vec::new();
            for run_id in &row.run_ids {
                for found in store.breakdowns_of_run(run_id)? {
                    let same = |(known, _): &&mut (BreakdownRow, usize)| {
                        (&known.dimension, &known.bucket, &known.target, &known.unit, &known.name)
                            == (&found.dimension, &found.bucket, &found.target, &found.unit, &found.name)
                    };
                    match means.iter_mut().find(same) {
                        Some((known, runs)) => {
                            known.value += found.value;
                            known.forecasts = known.forecasts.max(found.forecasts);
                            *runs += 1;
                        }
                        None => means.push((found, 1)),
                    }
                }
            }
            row.breakdowns = means
                .into_iter()
                .map(|(row, runs)| BreakdownRow { value: row.value / runs as f64, ..row })
                .collect();
            row.breakdowns.sort_by(|a, b| (&a.bucket, &a.target).cmp(&(&b.bucket, &b.target)));
        }
        Ok(())
    }

    /// Measures every model against the best baseline and against the winner.
    pub(super) fn measure_differences(&mut self, results: &Path, objective: &ObjectiveSpec) {
        let losses: Vec<Option<WindowLosses>> =
            self.rows.iter().map(|row| WindowLosses::read(results, &row.run_ids, objective)).collect();
        if let Some(at) = self.rows.iter().position(|row| row.baseline) {
            let error = self.rows[at].test.mean;
            for (index, row) in self.rows.iter_mut().enumerate().filter(|(index, _)| *index != at) {
                row.skill = (error > 0.0).then(|| 1.0 - row.test.mean / error);
                row.difference = difference(losses[index].as_ref(), losses[at].as_ref());
            }
        }
        for (row, own) in self.rows.iter_mut().zip(&losses).skip(1) {
            row.against_best = difference(own.as_ref(), losses[0].as_ref());
        }
        correct(&mut self.rows, |row| row.difference.as_ref(), |row, p_value| row.p_value = Some(p_value));
        correct(&mut self.rows, |row| row.against_best.as_ref(), |row, p_value| row.p_best = Some(p_value));
    }
}

fn difference(own: Option<&WindowLosses>, reference: Option<&WindowLosses>) -> Option<Difference> {
    own?.minus(reference?)
}

/// Holm's correction over the rows that were compared.
fn correct(
    rows: &mut [BoardRow],
    compared: impl Fn(&BoardRow) -> Option<&Difference>,
    set: impl Fn(&mut BoardRow, f64),
) {
    let found: Vec<(usize, f64)> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| compared(row).map(|difference| (index, difference.p_value)))
        .collect();
    let raw: Vec<f64> = found.iter().map(|(_, p_value)| *p_value).collect();
    for ((index, _), adjusted) in found.iter().zip(holm(&raw)) {
        set(&mut rows[*index], adjusted);
    }
}

/// Mean and spread of every metric over the runs of a trial.
pub(super) fn mean_metrics(
    metrics: Vec<MetricRow>,
    seeds: &HashMap<&str, Option<i64>>,
) -> BTreeMap<(String, String, String), MeanSpread> {
    let mut all = BTreeMap::new();
    for metric in metrics {
        let seed = seeds.get(metric.run_id.as_str()).copied().flatten();
        let values: &mut Vec<_> = all.entry((metric.target, metric.unit, metric.name)).or_default();
        values.push((seed, metric.value));
    }
    all.into_iter().map(|(key, values)| (key, MeanSpread::over_seeds(&values))).collect()
}

/// The name under which a run competes. A closed form and a training of the same model are two contenders: choosing
/// between them on validation would hide how far training is from the optimum.
fn contender(run: &RunRow) -> String {
    match lookup(&run.params, "model.solver").and_then(serde_json::Value::as_str) {
        Some("least_squares") => format!("{} (closed form)", run.model),
        _ => run.model.clone(),
    }
}

/// The trial of a contender whose mean objective over seeds and folds is lowest on validation. A trial that lacks runs
/// stands back behind all that are whole: a lucky seed that happened to finish is no better model.
fn best_trial(model: String, runs: &[&RunRow], objectives: &Objectives, axes: &[String]) -> Option<BoardRow> {
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
    let test: Vec<(&RunRow, f64)> =
        members.iter().filter_map(|run| Some((*run, *objectives.test.get(&run.run_id)?))).collect();
    if test.is_empty() {
        return None;
    }
    let mut folds: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (run, value) in &test {
        folds.entry(run.fold).or_default().push(*value);
    }
    let test: Vec<(Option<i64>, f64)> = test.into_iter().map(|(run, value)| (run.seed, value)).collect();
    let mut seeds: Vec<i64> = members.iter().filter_map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    Some(BoardRow {
        model,
        label,
        baseline: BASELINES.contains(&members[0].model.as_str()),
        kind: members[0].model.clone(),
        trials: count,
        run_ids: members.iter().map(|run| run.run_id.clone()).collect(),
        seeds: seeds.len(),
        valid,
        test: MeanSpread::over_seeds(&test),
        skill: None,
        difference: None,
        p_value: None,
        against_best: None,
        p_best: None,
        folds: folds.into_iter().map(|(fold, values)| (fold, MeanSpread::of(&values).mean)).collect(),
        breakdowns: Vec::new(),
        metrics: BTreeMap::new(),
    })
}
