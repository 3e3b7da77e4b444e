//! The leaderboard of one setting: the chosen trial of each model, and how far it is from the others.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::capacity::BoardCapacity;
use super::comparison::{Objectives, tells_trials_apart};
use super::grouping::group_by;
use super::significance::{Difference, Significance};
use super::window_losses::WindowLosses;
use crate::spec::BASELINES;
use crate::spec::{ObjectiveSpec, lookup, run_label};
use crate::stats::holm;
use crate::store::SavedRun;
use crate::store::{BreakdownRow, MetricRow, RunRow, Status, Store};

/// The leaderboard of one setting.
#[derive(Debug, Clone)]
pub struct Board {
    /// What tells this setting from the others, e.g. `horizon 96`; empty if there is only one.
    pub title: String,
    /// The models, the lowest test error first.
    pub rows: Vec<BoardRow>,
    /// Number of trials over all models.
    pub trials: usize,
    /// How many of its runs ended.
    pub completion: Completion,
    /// Lookbacks of the trained models; a naive baseline has its own.
    pub lookbacks: Vec<u64>,
    /// The files of one of the chosen runs, from which the data card is read; `None` where all are gone.
    pub saved_run: Option<SavedRun>,
    /// The targets; empty where the files are gone.
    pub targets: Vec<Target>,
    /// What acting on the forecasts costs, where the experiment has a service that does.
    pub capacity: Option<BoardCapacity>,
}

/// How many runs of a board ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Runs of the setting.
    pub runs: usize,
    /// Runs that are done or pruned.
    pub done: usize,
    /// Runs that failed or timed out.
    pub failed: usize,
    /// Trials that the search has yet to propose, over all settings.
    pub unproposed: usize,
    /// Models without a result.
    pub absent: Vec<String>,
}

impl Completion {
    /// Whether further results are to come. Models that are compared before may change places.
    pub fn is_partial(&self) -> bool {
        self.done + self.failed < self.runs || self.unproposed > 0
    }
}

/// A forecast quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, such as `gap_s`.
    pub name: String,
    /// Its unit; empty where it has none, or where the files that hold it are gone.
    pub unit: String,
}

/// One model with the trial that is best on validation.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardRow {
    /// Name under which it competes: the kind of the model, and how it is solved if that is not by training.
    pub model: String,
    /// Kind of the model.
    pub kind: String,
    /// The model with the axis values of its chosen trial.
    pub label: String,
    /// Whether it is a naive baseline.
    pub baseline: bool,
    /// Trials of the model in this setting.
    pub trials: usize,
    /// Trials of which every run is done or pruned.
    pub trials_done: usize,
    /// Runs of the chosen trial, over seeds and folds.
    pub run_ids: Vec<String>,
    /// Distinct seeds of these runs; 0 for a model without randomness.
    pub seeds: usize,
    /// The objective on validation.
    pub valid: f64,
    /// The objective's metric on the test part.
    pub test: MeanSpread,
    /// `1 - error / error of the best baseline`; `None` for that baseline itself.
    pub skill: Option<f64>,
    /// Difference to the best baseline; `None` for that baseline itself, and where it could not be measured.
    pub against_baseline: Option<Difference>,
    /// Difference to the model with the lowest error; `None` for that model itself, and where it could not be measured.
    /// In the second row it compares the winner with its runner-up.
    pub against_best: Option<Difference>,
    /// Test error in each fold, the mean over seeds.
    pub folds: Vec<FoldError>,
    /// Test errors by hour, burst state and size, the means over runs; only of the best model and of the best baseline.
    pub breakdowns: Vec<BreakdownRow>,
    /// Every metric of the test part.
    pub metrics: BTreeMap<MetricKey, MeanSpread>,
}

/// The test error of a model in one fold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldError {
    /// The fold.
    pub fold: i64,
    /// The objective's metric, the mean over the seeds.
    pub error: f64,
}

/// Which metric of the test part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricKey {
    /// A target, or `all`.
    pub target: String,
    /// `original` or `scaled`.
    pub unit: String,
    /// Name of the metric, such as `mae`.
    pub name: String,
}

impl MetricKey {
    /// A metric of one target in original units.
    pub fn original(target: &str, name: &str) -> Self {
        Self { target: target.to_string(), unit: "original".to_string(), name: name.to_string() }
    }

    /// A metric over all targets in scaled units.
    pub fn all_scaled(name: &str) -> Self {
        Self { target: "all".to_string(), unit: "scaled".to_string(), name: name.to_string() }
    }
}

/// Mean over runs, and standard deviation over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanSpread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (divided by n - 1); `None` for a single run.
    pub spread: Option<f64>,
}

/// One value of a run with the run's seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SeededValue {
    /// `None` for a model without randomness.
    pub(super) seed: Option<i64>,
    /// The value.
    pub(super) value: f64,
}

impl MeanSpread {
    /// Averages the folds of each seed first, then takes mean and spread over seeds: differences between folds do not
    /// count as spread.
    pub(super) fn over_seeds(values: impl IntoIterator<Item = SeededValue>) -> Self {
        let mut seeds: BTreeMap<Option<i64>, Vec<f64>> = BTreeMap::new();
        for SeededValue { seed, value } in values {
            seeds.entry(seed).or_default().push(value);
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

impl BoardRow {
    /// The verdict on the difference to the best baseline.
    pub fn significance_against_baseline(&self) -> Significance {
        Significance::of(self.against_baseline.as_ref())
    }

    /// The verdict on the difference to the model with the lowest error.
    pub fn significance_against_best(&self) -> Significance {
        Significance::of(self.against_best.as_ref())
    }

    /// Mean of a metric of one target in original units.
    pub fn original(&self, target: &str, name: &str) -> Option<f64> {
        self.metrics.get(&MetricKey::original(target, name)).map(|value| value.mean)
    }
}

impl Board {
    /// The board of the runs of one setting, the lowest test error first.
    pub(super) fn new(
        title: String,
        runs: &[&RunRow],
        unproposed: usize,
        objectives: &Objectives,
        axes: &[String],
    ) -> Self {
        let contenders = group_by(runs.iter().copied(), |run| contender(run));
        let models: Vec<String> = contenders.iter().map(|(model, _)| model.clone()).collect();
        let mut rows: Vec<BoardRow> = contenders
            .into_iter()
            .filter_map(|(model, runs)| best_trial(model, runs, objectives, axes))
            .collect();
        rows.sort_by(|a, b| a.test.mean.total_cmp(&b.test.mean));
        set_skills(&mut rows);
        let trials = rows.iter().map(|row| row.trials).sum();
        let lookbacks = lookbacks(runs.iter().copied());
        let has_row = |model: &String| rows.iter().any(|row| row.model == *model);
        let completion = Completion {
            runs: runs.len(),
            done: runs.iter().filter(|run| is_done(run)).count(),
            failed: runs.iter().filter(|run| matches!(run.status, Status::Failed | Status::TimedOut)).count(),
            unproposed,
            absent: models.into_iter().filter(|model| !has_row(model)).collect(),
        };
        Self {
            title,
            rows,
            trials,
            completion,
            lookbacks,
            saved_run: None,
            targets: Vec::new(),
            capacity: None,
        }
    }

    /// Reads the files of one of the chosen runs.
    pub(super) fn read_files(&mut self, results: &Path) {
        let mut run_ids = self.rows.iter().flat_map(|row| &row.run_ids);
        self.saved_run = run_ids.find_map(|run_id| SavedRun::read(results, run_id).ok());
        let targets = self.saved_run.iter().flat_map(SavedRun::targets);
        self.targets = targets.map(|target| Target { name: target.name, unit: target.unit }).collect();
    }

    /// The best naive baseline on the test part: the hardest comparison for every other model.
    pub fn best_baseline(&self) -> Option<&BoardRow> {
        self.rows.iter().find(|row| row.baseline)
    }

    /// The fewest blocks of dependent windows that a difference to the best baseline was resampled from.
    pub fn fewest_blocks(&self) -> Option<usize> {
        self.rows
            .iter()
            .filter_map(|row| row.against_baseline.as_ref())
            .map(|difference| difference.blocks)
            .min()
    }

    /// Reads the breakdowns of the best model and of the best baseline; those of the other models are not shown.
    pub(super) fn read_breakdowns(&mut self, store: &mut Store) -> anyhow::Result<()> {
        let first = |baseline| self.rows.iter().position(|row| row.baseline == baseline);
        for index in [first(false), first(true)].into_iter().flatten() {
            let Some(row) = self.rows.get_mut(index) else { continue };
            let mut all = Vec::new();
            for run_id in &row.run_ids {
                all.extend(store.breakdowns_of_run(run_id)?);
            }
            row.breakdowns = mean_breakdowns(all);
        }
        Ok(())
    }

    /// Measures every model against the best baseline and against the winner. As long as runs are to come, no difference
    /// is tested: trials are not chosen yet, and there is nothing to correct the p-values for.
    pub(super) fn measure_differences(&mut self, results: &Path, objective: &ObjectiveSpec) {
        let is_partial = self.completion.is_partial();
        let losses = |row: &BoardRow| {
            if is_partial { None } else { WindowLosses::read(results, &row.run_ids, objective) }
        };
        let losses: Vec<Option<WindowLosses>> = self.rows.iter().map(losses).collect();
        let difference = |own: usize, reference: usize| {
            Difference::measure(losses[own].as_ref()?, losses[reference].as_ref()?)
        };
        if let Some(reference) = self.rows.iter().position(|row| row.baseline) {
            for (index, row) in self.rows.iter_mut().enumerate().filter(|(index, _)| *index != reference) {
                row.against_baseline = difference(index, reference);
            }
        }
        for (index, row) in self.rows.iter_mut().enumerate().skip(1) {
            row.against_best = difference(index, 0);
        }
        correct(self.rows.iter_mut().filter_map(|row| row.against_baseline.as_mut()));
        correct(self.rows.iter_mut().filter_map(|row| row.against_best.as_mut()));
    }
}

/// The skill of every model against the best naive baseline.
fn set_skills(rows: &mut [BoardRow]) {
    let Some(reference) = rows.iter().position(|row| row.baseline) else { return };
    let error = rows[reference].test.mean;
    for (_, row) in rows.iter_mut().enumerate().filter(|(index, _)| *index != reference) {
        row.skill = (error > 0.0).then(|| 1.0 - row.test.mean / error);
    }
}

/// Applies Holm's correction over some differences.
pub(super) fn correct<'a>(differences: impl Iterator<Item = &'a mut Difference>) {
    let differences: Vec<&mut Difference> = differences.collect();
    let p_values: Vec<f64> = differences.iter().map(|difference| difference.p_value).collect();
    for (difference, corrected) in differences.into_iter().zip(holm(&p_values)) {
        difference.holm_p_value = corrected;
    }
}

/// The mean over runs of each breakdown, in the order of buckets and targets.
fn mean_breakdowns(all: Vec<BreakdownRow>) -> Vec<BreakdownRow> {
    let groups = group_by(all, |row| {
        [&row.dimension, &row.bucket, &row.target, &row.unit, &row.name].map(String::clone)
    });
    let means = groups.into_iter().filter_map(|(_, rows)| {
        let value = rows.iter().map(|row| row.value).sum::<f64>() / rows.len() as f64;
        let forecasts = rows.iter().map(|row| row.forecasts).max()?;
        Some(BreakdownRow { value, forecasts, ..rows.into_iter().next()? })
    });
    let mut means: Vec<BreakdownRow> = means.collect();
    means.sort_by(|a, b| (&a.bucket, &a.target).cmp(&(&b.bucket, &b.target)));
    means
}

/// Mean and spread of every metric over the runs of a trial.
pub(super) fn mean_metrics(
    metrics: Vec<MetricRow>,
    seeds: &HashMap<&str, Option<i64>>,
) -> BTreeMap<MetricKey, MeanSpread> {
    let mut all: BTreeMap<MetricKey, Vec<SeededValue>> = BTreeMap::new();
    for metric in metrics {
        let seed = seeds.get(metric.run_id.as_str()).copied().flatten();
        let key = MetricKey { target: metric.target, unit: metric.unit, name: metric.name };
        all.entry(key).or_default().push(SeededValue { seed, value: metric.value });
    }
    all.into_iter().map(|(key, values)| (key, MeanSpread::over_seeds(values))).collect()
}

/// Lookbacks of the trained models among some runs, in increasing order.
pub(crate) fn lookbacks<'a>(runs: impl Iterator<Item = &'a RunRow>) -> Vec<u64> {
    let mut lookbacks: Vec<u64> = runs
        .filter(|run| run.params.get("training").is_some())
        .filter_map(|run| lookup(&run.params, "task.lookback")?.as_u64())
        .collect();
    lookbacks.sort_unstable();
    lookbacks.dedup();
    lookbacks
}

/// The name under which a run competes. A closed form and a training of the same model are two contenders: choosing
/// between them on validation would hide how far training is from the optimum.
pub(super) fn contender(run: &RunRow) -> String {
    contender_name(&run.model, lookup(&run.params, "model.solver").and_then(serde_json::Value::as_str))
}

/// As [`contender`], of a model and how it is solved.
pub(super) fn contender_name(model: &str, solver: Option<&str>) -> String {
    match solver {
        Some("least_squares") => format!("{model} (closed form)"),
        _ => model.to_string(),
    }
}

/// Whether nothing more comes of a run.
fn is_done(run: &RunRow) -> bool {
    matches!(run.status, Status::Done | Status::Pruned)
}

/// A trial with its runs that are done.
struct TrialRuns<'a> {
    /// The runs that are done and have an objective.
    done: Vec<&'a RunRow>,
    /// How many runs the trial has.
    planned: usize,
    /// Mean objective on the part that trials are chosen on.
    valid: f64,
}

impl<'a> TrialRuns<'a> {
    /// `None` where no run is done.
    fn new(runs: &[&'a RunRow], objectives: &Objectives) -> Option<Self> {
        let scored = runs
            .iter()
            .filter(|run| run.status == Status::Done)
            .filter_map(|run| Some((*run, *objectives.chosen.get(&run.run_id)?)));
        let (done, values): (Vec<&RunRow>, Vec<f64>) = scored.unzip();
        (!done.is_empty()).then(|| Self { planned: runs.len(), valid: MeanSpread::of(&values).mean, done })
    }

    fn missing(&self) -> usize {
        self.planned - self.done.len()
    }
}

/// The trial of a contender whose mean objective over seeds and folds is lowest on validation. Incomplete trials rank
/// behind all complete ones: a lucky seed that happened to finish does not make a better model.
fn best_trial(
    model: String,
    runs: Vec<&RunRow>,
    objectives: &Objectives,
    axes: &[String],
) -> Option<BoardRow> {
    let trials = group_by(runs, |run| &run.params);
    let count = trials.len();
    let trials_done = trials.iter().filter(|(_, runs)| runs.iter().all(|run| is_done(run))).count();
    let chosen = trials
        .iter()
        .filter_map(|(_, runs)| TrialRuns::new(runs, objectives))
        .min_by(|a, b| a.missing().cmp(&b.missing()).then(a.valid.total_cmp(&b.valid)))?;
    let first = chosen.done.first()?;
    let mut label = run_label(&first.params, axes.iter().filter(|axis| tells_trials_apart(axis)));
    if chosen.missing() > 0 {
        label = format!("{label} ({} of {} runs)", chosen.done.len(), chosen.planned);
    }
    let test: Vec<(&RunRow, f64)> =
        chosen.done.iter().filter_map(|run| Some((*run, *objectives.test.get(&run.run_id)?))).collect();
    if test.is_empty() {
        return None;
    }
    let mut folds: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (run, value) in &test {
        folds.entry(run.fold).or_default().push(*value);
    }
    let mut seeds: Vec<i64> = chosen.done.iter().filter_map(|run| run.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    Some(BoardRow {
        model,
        label,
        baseline: BASELINES.contains(&first.model.as_str()),
        kind: first.model.clone(),
        trials: count,
        trials_done,
        run_ids: chosen.done.iter().map(|run| run.run_id.clone()).collect(),
        seeds: seeds.len(),
        valid: chosen.valid,
        test: MeanSpread::over_seeds(
            test.iter().map(|(run, value)| SeededValue { seed: run.seed, value: *value }),
        ),
        skill: None,
        against_baseline: None,
        against_best: None,
        folds: folds
            .into_iter()
            .map(|(fold, values)| FoldError { fold, error: MeanSpread::of(&values).mean })
            .collect(),
        breakdowns: Vec::new(),
        metrics: BTreeMap::new(),
    })
}
