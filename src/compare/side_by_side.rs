//! Revisions, models and runs beside each other: what differs in their settings, and whether one is better.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::compared_runs::{ComparedReference, is_of_model};
use super::leaders::{ChosenTrial, SettingModels};
use super::metric_means::{MeanSpread, MetricKey, mean_metrics};
use super::parameter_paths::leaves;
use super::settings::{objective_of, objective_title};
use super::significance::{Difference, Significance, correct};
use super::window_losses::WindowLosses;
use crate::spec::{Metric, ObjectiveSpec, lookup, run_label, setting_of};
use crate::store::{MetricRow, Named, RunFilter, RunRow, Status, Store};

/// One thing that is compared: the chosen trial of a model in one setting, or one run.
#[derive(Debug, Clone)]
pub struct Contender {
    /// What named it, such as `sweep@2` or `sweep@2:lstm`.
    pub reference: String,
    /// Name under which its model competes.
    pub model: String,
    /// The model with the axis values of its trial.
    pub label: String,
    /// What tells its setting from others of its revision; empty if there is only one.
    pub setting: String,
    /// Its runs, over seeds and folds.
    pub run_ids: Vec<String>,
    /// The resolved run of the first of them.
    pub params: Arc<Value>,
    /// SHA-256 of the data.
    pub dataset_sha256: String,
    /// Every metric of the test part.
    pub metrics: BTreeMap<MetricKey, MeanSpread>,
    /// The metric that it was chosen by.
    pub objective: ObjectiveSpec,
    /// The folds of its runs.
    pub folds: BTreeSet<i64>,
    /// The seeds of its runs; empty for a model without randomness.
    pub seeds: BTreeSet<i64>,
    /// How many runs of its setting are to come, of how many: its trial may not be the best one yet.
    pub to_come: Option<(usize, usize)>,
}

/// A setting of two contenders that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedSetting {
    /// Dotted path, such as `training.epochs`.
    pub path: String,
    /// The first one's value, if it has it.
    pub base: Option<Value>,
    /// The other's.
    pub other: Option<Value>,
}

/// Two contenders beside each other.
#[derive(Debug, Clone)]
pub struct Pair {
    /// Of the first reference.
    pub base: Contender,
    /// Of another reference.
    pub other: Contender,
    /// Where their settings differ.
    pub changed: Vec<ChangedSetting>,
    /// Whether they were judged on the same windows.
    pub verdict: PairVerdict,
}

/// Whether the errors of two contenders can be compared.
#[derive(Debug, Clone, PartialEq)]
pub enum PairVerdict {
    /// They are the same runs.
    Same,
    /// They were judged on the same windows, and this is the difference of the other to the first.
    Tested(Difference),
    /// They were judged on the same windows, but their difference is not tested; the reason.
    Untested(&'static str),
    /// They were not judged on the same windows, or not by the same metric; the reasons, as parts of a sentence.
    Apart(Vec<String>),
}

/// Several references beside the first one.
#[derive(Debug, Clone)]
pub struct SideBySide {
    /// The references in their order.
    pub references: Vec<String>,
    /// Each contender of another reference beside the one of the first that matches it.
    pub pairs: Vec<Pair>,
    /// Contenders without a match in the first reference, or of the first without one in any other.
    pub alone: Vec<Contender>,
}

impl SideBySide {
    /// Compares what some references name: revisions (`sweep`, `sweep@2`), models of them (`sweep@2:lstm`) and runs.
    ///
    /// # Errors
    /// A reference that names nothing, or a store that cannot be read.
    pub fn read(store: &mut Store, results: &Path, references: &[String]) -> anyhow::Result<Self> {
        let mut groups = Vec::with_capacity(references.len());
        for reference in references {
            groups.push(contenders(store, reference)?);
        }
        let mut groups = groups.into_iter();
        let base = groups.next().context("there is nothing to compare")?;
        let mut matched = vec![false; base.len()];
        let (mut pairs, mut alone) = (Vec::new(), Vec::new());
        for others in groups {
            let single = others.len() == 1;
            for other in others {
                match partner(&base, &other, single) {
                    Some(index) => {
                        matched[index] = true;
                        pairs.push(Pair::new(&base[index], other, results));
                    }
                    None => alone.push(other),
                }
            }
        }
        alone.extend(base.into_iter().zip(matched).filter(|(_, matched)| !matched).map(|(one, _)| one));
        correct(pairs.iter_mut().filter_map(|pair| match &mut pair.verdict {
            PairVerdict::Tested(difference) => Some(difference),
            _ => None,
        }));
        Ok(Self { references: references.to_vec(), pairs, alone })
    }

    /// The comparison as JSON.
    pub fn to_json(&self) -> Value {
        let contender = |one: &Contender| {
            let metrics: Vec<Value> = one
                .metrics
                .iter()
                .map(|(key, value)| {
                    json!({ "target": key.target, "unit": key.unit, "name": key.name, "mean": value.mean,
                            "spread": value.spread })
                })
                .collect();
            json!({ "reference": one.reference, "model": one.model, "label": one.label, "setting": one.setting,
                    "run_ids": one.run_ids, "test": metrics })
        };
        let pairs: Vec<Value> = self
            .pairs
            .iter()
            .map(|pair| {
                let changed: Vec<Value> = pair
                    .changed
                    .iter()
                    .map(|one| json!({ "path": one.path, "base": one.base, "other": one.other }))
                    .collect();
                let difference = match &pair.verdict {
                    PairVerdict::Tested(difference) => json!({
                        "loss": difference.loss, "mean": difference.mean, "lower": difference.lower,
                        "upper": difference.upper, "p_value": difference.holm_p_value, "blocks": difference.blocks,
                        "significant": matches!(Significance::of(Some(difference)), Significance::Significant { .. }),
                    }),
                    _ => Value::Null,
                };
                let (comparable, reasons) = match &pair.verdict {
                    PairVerdict::Apart(reasons) => (false, reasons.clone()),
                    _ => (true, Vec::new()),
                };
                json!({
                    "base": contender(&pair.base), "other": contender(&pair.other), "changed": changed,
                    "same_runs": pair.verdict == PairVerdict::Same, "comparable": comparable, "reasons": reasons,
                    "objective": pair.objective_title(), "difference": difference,
                })
            })
            .collect();
        let alone: Vec<Value> = self.alone.iter().map(contender).collect();
        json!({ "references": self.references, "pairs": pairs, "alone": alone })
    }
}

impl Pair {
    fn new(base: &Contender, other: Contender, results: &Path) -> Self {
        let verdict = verdict(base, &other, results);
        Self { changed: changed(&base.params, &other.params), base: base.clone(), other, verdict }
    }

    /// Means of the objective's metric on the test part: the first one's and the other's.
    pub fn objective_values(&self) -> [Option<f64>; 2] {
        let objective = &self.base.objective;
        let key = MetricKey {
            target: objective.target.clone(),
            unit: objective.unit().to_string(),
            name: objective.metric.as_str().to_string(),
        };
        [&self.base, &self.other].map(|one| one.metrics.get(&key).map(|value| value.mean))
    }

    /// Whether the difference is over fewer seeds than one of the two has.
    pub fn is_over_common_seeds(&self) -> bool {
        let (base, other) = (&self.base.seeds, &self.other.seeds);
        matches!(self.verdict, PairVerdict::Tested(_))
            && !base.is_empty()
            && !other.is_empty()
            && base != other
    }

    /// The metric that is compared, such as `mse of all targets in scaled units`.
    pub fn objective_title(&self) -> String {
        objective_title(&self.base.objective)
    }
}

/// What is compared of a reference: every model of a revision in each setting, one model of it, or one run.
fn contenders(store: &mut Store, reference: &str) -> anyhow::Result<Vec<Contender>> {
    let ComparedReference { named, without_model, model } = ComparedReference::resolve(store, reference)?;
    match named {
        Named::Revisions(_) => of_revision(store, without_model, model),
        Named::Run(run) => of_run(store, reference, &run).map(|one| vec![one]),
    }
}

fn of_revision(store: &mut Store, reference: &str, model: Option<&str>) -> anyhow::Result<Vec<Contender>> {
    let revision = store.revision(reference)?;
    let objective = objective_of(&revision)?;
    let shown = model.map_or(reference.to_string(), |model| format!("{reference}:{model}"));
    let mut models = Vec::new();
    let mut chosen: Vec<(&SettingModels, &ChosenTrial)> = Vec::new();
    let settings = SettingModels::read(store, &revision)?;
    for setting in &settings {
        for trial in &setting.models {
            models.push(trial.model.clone());
            if model.is_none_or(|model| is_of_model(model, &trial.model, &trial.kind)) {
                chosen.push((setting, trial));
            }
        }
    }
    let run_ids: Vec<String> = chosen.iter().flat_map(|(_, trial)| trial.run_ids.iter().cloned()).collect();
    let runs = store.planned_runs_among(&revision.id(), &run_ids)?;
    let by_id: HashMap<&str, &RunRow> = runs.iter().map(|run| (run.run_id.as_str(), run)).collect();
    let mut metrics: HashMap<String, Vec<MetricRow>> = HashMap::new();
    for metric in store.metrics_of_runs(&run_ids, "test")? {
        metrics.entry(metric.run_id.clone()).or_default().push(metric);
    }
    let mut found = Vec::new();
    for (setting, trial) in chosen {
        let Some(first) = trial.run_ids.first().and_then(|id| by_id.get(id.as_str())) else { continue };
        let own = trial.run_ids.iter().filter_map(|id| metrics.remove(id)).flatten();
        found.push(Contender {
            reference: shown.clone(),
            model: trial.model.clone(),
            label: trial.label.clone(),
            setting: setting.title.clone(),
            params: first.params.clone(),
            dataset_sha256: first.dataset_sha256.clone(),
            metrics: test_metrics(own.collect(), &by_id),
            folds: folds_of(&trial.run_ids, &by_id),
            seeds: seeds_of(&trial.run_ids, &by_id),
            run_ids: trial.run_ids.clone(),
            objective: objective.clone(),
            to_come: setting.to_come,
        });
    }
    if found.is_empty() {
        models.sort();
        models.dedup();
        match model {
            Some(model) if !models.is_empty() => {
                bail!("`{reference}` has no finished run of `{model}`; it has {}", models.join(", "))
            }
            _ => bail!("`{reference}` has no finished run to compare"),
        }
    }
    Ok(found)
}

fn of_run(store: &mut Store, reference: &str, run_id: &str) -> anyhow::Result<Contender> {
    let runs = store.runs(&RunFilter::one(run_id))?;
    let run = runs.into_iter().next().with_context(|| format!("run {run_id} belongs to no experiment"))?;
    if run.status != Status::Done {
        bail!("run {run_id} is {}, so it has no metrics to compare", run.status.as_str().replace('_', " "));
    }
    let last = run.revisions.rsplit(',').next().unwrap_or_default();
    let revision = store.revision(&format!("{}@{last}", run.experiment))?;
    let axes: Vec<String> = serde_json::from_str(&revision.axes).context("the store holds damaged axes")?;
    let run_ids = vec![run.run_id.clone()];
    let by_id = HashMap::from([(run.run_id.as_str(), &run)]);
    let seed = run.seed.map_or(String::new(), |seed| format!(" seed={seed}"));
    Ok(Contender {
        reference: reference.to_string(),
        model: run.model.clone(),
        label: format!("{}{seed}", run_label(&run.params, &axes)),
        setting: String::new(),
        metrics: test_metrics(store.metrics_of_runs(&run_ids, "test")?, &by_id),
        folds: folds_of(&run_ids, &by_id),
        seeds: seeds_of(&run_ids, &by_id),
        run_ids,
        params: run.params.clone(),
        dataset_sha256: run.dataset_sha256.clone(),
        objective: objective_of(&revision)?,
        to_come: None,
    })
}

fn folds_of(run_ids: &[String], runs: &HashMap<&str, &RunRow>) -> BTreeSet<i64> {
    run_ids.iter().filter_map(|id| runs.get(id.as_str())).map(|run| run.fold).collect()
}

fn seeds_of(run_ids: &[String], runs: &HashMap<&str, &RunRow>) -> BTreeSet<i64> {
    run_ids.iter().filter_map(|id| runs.get(id.as_str())?.seed).collect()
}

fn test_metrics(metrics: Vec<MetricRow>, runs: &HashMap<&str, &RunRow>) -> BTreeMap<MetricKey, MeanSpread> {
    let seeds = runs.iter().map(|(id, run)| (*id, run.seed)).collect();
    mean_metrics(metrics, &seeds)
}

/// The contender that another one is compared with: the only one, or else the same model, best of all in the same setting.
fn partner(base: &[Contender], other: &Contender, single: bool) -> Option<usize> {
    if let ([_], true) = (base, single) {
        return Some(0);
    }
    let same_model = |one: &&(usize, &Contender)| one.1.model == other.model || base.len() == 1;
    let all: Vec<(usize, &Contender)> = base.iter().enumerate().collect();
    let candidates: Vec<&(usize, &Contender)> = all.iter().filter(same_model).collect();
    let windows = |one: &Contender| windows_of(&one.params, one.objective.metric);
    let by_setting = |one: &Contender| setting_of(&one.params) == setting_of(&other.params);
    let by_windows = |one: &Contender| windows(one) == windows(other);
    let by_title = |one: &Contender| one.setting == other.setting;
    // The closest match first.
    let matches: [&dyn Fn(&Contender) -> bool; 4] =
        [&by_setting, &|one| by_windows(one) && by_title(one), &by_windows, &by_title];
    let found = matches.iter().find_map(|is_match| candidates.iter().find(|(_, one)| is_match(one)));
    found.map(|(index, _)| *index)
}

/// The settings that decide which windows a run is judged on, and in which units.
fn windows_of(params: &Value, metric: Metric) -> Value {
    let mut setting = setting_of(params);
    if let Value::Object(keys) = &mut setting {
        keys.remove("uncertainty");
        if let Some(Value::Object(evaluation)) = keys.get_mut("evaluation") {
            if metric != Metric::Mase {
                evaluation.remove("mase_season");
            }
            evaluation.remove("bias_correction");
        }
    }
    setting
}

fn verdict(base: &Contender, other: &Contender, results: &Path) -> PairVerdict {
    if base.run_ids == other.run_ids {
        return PairVerdict::Same;
    }
    let mut reasons = Vec::new();
    if base.dataset_sha256 != other.dataset_sha256 {
        let short = |hash: &str| hash.get(..8).unwrap_or(hash).to_string();
        reasons.push(format!(
            "their data differ (SHA-256 {} and {})",
            short(&base.dataset_sha256),
            short(&other.dataset_sha256)
        ));
    }
    let windows = |one: &Contender| windows_of(&one.params, base.objective.metric);
    for one in changed(&windows(base), &windows(other)) {
        let value = |value: &Option<Value>| value.as_ref().map_or("absent".to_string(), ToString::to_string);
        reasons.push(format!("{} is {} and {}", one.path, value(&one.base), value(&one.other)));
    }
    if base.folds != other.folds {
        let list = |folds: &BTreeSet<i64>| {
            let folds: Vec<String> = folds.iter().map(ToString::to_string).collect();
            folds.join(", ")
        };
        reasons.push(format!("their folds are {} and {}", list(&base.folds), list(&other.folds)));
    }
    let measure = |one: &Contender| (one.objective.metric, one.objective.target.clone());
    if measure(base) != measure(other) {
        reasons.push(format!(
            "one is judged by the {}, the other by the {}",
            objective_title(&base.objective),
            objective_title(&other.objective)
        ));
    }
    if !reasons.is_empty() {
        return PairVerdict::Apart(reasons);
    }
    if !base.seeds.is_empty() && !other.seeds.is_empty() && base.seeds.is_disjoint(&other.seeds) {
        return PairVerdict::Untested("no seed is in both");
    }
    let losses = |one: &Contender| WindowLosses::read(results, &one.run_ids, &base.objective);
    let Some((own, reference)) = losses(other).zip(losses(base)) else {
        return PairVerdict::Untested("files of their runs are gone");
    };
    Difference::measure(&own, &reference)
        .map_or(PairVerdict::Untested("the windows are too few"), PairVerdict::Tested)
}

/// The values that differ between two resolved runs, by their dotted paths.
fn changed(base: &Value, other: &Value) -> Vec<ChangedSetting> {
    let mut paths: Vec<String> = leaves(base).into_iter().chain(leaves(other)).collect();
    paths.sort();
    paths.dedup();
    let value = |params: &Value, path: &str| lookup(params, path).cloned();
    let both = paths.into_iter().map(|path| {
        let (base, other) = (value(base, &path), value(other, &path));
        ChangedSetting { path, base, other }
    });
    both.filter(|one| one.base != one.other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_are_named_by_their_path_also_where_one_lacks_them() {
        let base = json!({ "model": { "kind": "lstm", "hidden": 8 }, "training": { "epochs": 3 } });
        let other =
            json!({ "model": { "kind": "lstm", "hidden": 16 }, "training": { "epochs": 3, "clip": 1.0 } });
        let found = changed(&base, &other);
        let paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["model.hidden", "training.clip"]);
        assert_eq!((&found[1].base, &found[1].other), (&None, &Some(json!(1.0))));
    }

    #[test]
    fn what_does_not_decide_the_windows_does_not_keep_runs_apart() {
        let params = |mase: u32, horizon: u32, lookback: u32| {
            json!({ "dataset": { "source": "a" }, "task": { "horizon": horizon, "lookback": lookback },
                    "evaluation": { "mase_season": mase }, "uncertainty": { "conformal": "none" } })
        };
        let windows = |mase, horizon, lookback, metric| windows_of(&params(mase, horizon, lookback), metric);
        assert_eq!(windows(1, 3, 20, Metric::Mse), windows(7, 3, 50, Metric::Mse));
        assert_ne!(windows(1, 3, 20, Metric::Mse), windows(1, 4, 20, Metric::Mse));
        assert_ne!(windows(1, 3, 20, Metric::Mase), windows(7, 3, 20, Metric::Mase));
    }
}
