//! Which trials of a sweep are best so far, setting by setting: errors of different settings do not compare.

use std::collections::HashMap;

use super::sweep_view::Leader;
use crate::engine::Sweep;
use crate::plan::Run;
use crate::spec::{DatasetSpec, EvaluationSpec, ObjectiveSpec, SplitSpec, TaskSpec, UncertaintySpec};
use crate::store::RunResult;

/// The objective of every trial of a sweep.
#[derive(Debug)]
pub(super) struct Standings {
    objective: ObjectiveSpec,
    /// Seeds of a model that has randomness.
    seeds: usize,
    /// Every setting, as text.
    settings: Vec<String>,
    /// Parameters that a setting was worked out for: a plan of a million runs has few of them.
    known: Vec<(SettingKey, usize)>,
    /// Trials by setting, entry and label.
    trials: HashMap<(usize, usize, String), TrialMean>,
}

/// What decides a setting, together with what does not.
#[derive(Debug, PartialEq)]
struct SettingKey {
    dataset: DatasetSpec,
    split: SplitSpec,
    task: TaskSpec,
    evaluation: EvaluationSpec,
    uncertainty: UncertaintySpec,
}

#[derive(Debug, Clone, Copy)]
struct TrialMean {
    sum: f64,
    done: usize,
    runs: usize,
    is_baseline: bool,
}

impl TrialMean {
    fn value(self) -> f64 {
        self.sum / self.done as f64
    }

    /// The order of the leaderboard: trials that lack runs come behind all others.
    fn rank(self) -> (usize, f64) {
        (self.runs.saturating_sub(self.done), self.value())
    }
}

impl Standings {
    /// What is known of a sweep before it goes on.
    pub(super) fn of(sweep: &Sweep) -> Self {
        let search = &sweep.experiment.spec.search;
        let mut standings = Self {
            objective: search.objective.on_validation(),
            seeds: search.seeds.len(),
            settings: Vec::new(),
            known: Vec::new(),
            trials: HashMap::new(),
        };
        for (index, run) in sweep.runs().iter().enumerate() {
            if let Some(value) = sweep.objective(index) {
                standings.add(run, value);
            }
        }
        standings
    }

    /// What the trials are compared by.
    pub(super) fn objective(&self) -> String {
        format!("{} {}", self.objective.part.as_str(), self.objective.metric.as_str())
    }

    /// A run is done.
    pub(super) fn done(&mut self, run: &Run, result: &RunResult) {
        let metric = result
            .metrics
            .iter()
            .find(|metric| self.objective.matches(&metric.part, &metric.target, &metric.unit, &metric.name));
        if let Some(metric) = metric {
            self.add(run, metric.value);
        }
    }

    fn add(&mut self, run: &Run, value: f64) {
        let setting = self.setting(run);
        let seeds = if run.seed.is_some() { self.seeds } else { 1 };
        let trial = self.trials.entry((setting, run.entry, run.label.clone())).or_insert(TrialMean {
            sum: 0.0,
            done: 0,
            runs: seeds * run.spec.split.folds,
            is_baseline: run.spec.model.is_baseline(),
        });
        trial.sum += value;
        trial.done += 1;
    }

    fn setting(&mut self, run: &Run) -> usize {
        let spec = &run.spec;
        let is_of = |key: &SettingKey| {
            key.dataset == spec.dataset
                && key.split == spec.split
                && key.task == spec.task
                && key.evaluation == spec.evaluation
                && key.uncertainty == spec.uncertainty
        };
        // Runs of one setting follow each other.
        if let Some((_, setting)) = self.known.iter().rev().find(|(key, _)| is_of(key)) {
            return *setting;
        }
        let text = spec.setting().to_string();
        let setting = self.settings.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.settings.push(text);
            self.settings.len() - 1
        });
        let key = SettingKey {
            dataset: spec.dataset.clone(),
            split: spec.split.clone(),
            task: spec.task.clone(),
            evaluation: spec.evaluation.clone(),
            uncertainty: spec.uncertainty.clone(),
        };
        self.known.push((key, setting));
        setting
    }

    /// The best trial of each setting beside its best naive baseline.
    pub(super) fn leaders(&self) -> Vec<Leader> {
        let mut best: Vec<[Option<(&str, TrialMean)>; 2]> = vec![[None; 2]; self.settings.len()];
        for ((setting, _, label), trial) in &self.trials {
            let places = if trial.is_baseline { 0..2 } else { 0..1 };
            for place in &mut best[*setting][places] {
                let is_better = place.is_none_or(|(other_label, other)| {
                    let order = trial.rank().0.cmp(&other.rank().0);
                    let order = order.then(trial.value().total_cmp(&other.value()));
                    order.then(label.as_str().cmp(other_label)).is_lt()
                });
                if is_better {
                    *place = Some((label, *trial));
                }
            }
        }
        let leader = |[best, baseline]: [Option<(&str, TrialMean)>; 2]| {
            let (label, trial) = best?;
            let baseline = baseline.filter(|_| !trial.is_baseline);
            Some(Leader {
                label: label.to_string(),
                value: trial.value(),
                done: trial.done,
                runs: trial.runs.max(trial.done),
                is_baseline: trial.is_baseline,
                baseline: baseline.map(|(label, baseline)| (label.to_string(), baseline.value())),
            })
        };
        best.into_iter().filter_map(leader).collect()
    }
}
