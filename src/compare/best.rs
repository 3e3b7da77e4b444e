//! The best trial of each setting among the runs of one experiment or of several.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::grouping::{distinct, group_by};
use super::metric_means::{MeanSpread, MetricKey, SeededValue, mean_metrics};
use crate::spec::setting_parts;
use crate::store::{MetricRow, RunRow, Status};

/// The best trial of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct BestTrial {
    /// Experiments that plan it.
    pub experiments: Vec<String>,
    /// Kind of the model.
    pub model: String,
    /// The resolved run, but for seed and fold.
    pub params: Arc<Value>,
    /// Its runs that are done, the best first.
    pub run_ids: Vec<String>,
    /// Its runs.
    pub planned: usize,
    /// The chosen metric over its seeds.
    pub value: MeanSpread,
    /// Distinct seeds of the runs that are done; 0 for a model without randomness.
    pub seeds: usize,
    /// Trials of its setting with a result.
    pub trials: usize,
    /// When the last of its runs ended.
    pub finished_at: Option<String>,
}

/// The best trial of each setting, the setting with the latest run first. The same run of several experiments counts once.
///
/// `values` holds the metric of every run that has it; trials that lack runs come behind all complete ones. `counts` tells
/// whether a run counts for its trial being considered at all: one such run is enough.
pub fn best_trials(
    runs: &[RunRow],
    values: &HashMap<String, f64>,
    lower_is_better: bool,
    counts: impl Fn(&RunRow) -> bool,
) -> Vec<BestTrial> {
    let settings = group_by(runs, |run| setting_parts(&run.params));
    let mut best: Vec<BestTrial> = settings
        .iter()
        .filter_map(|(_, runs)| {
            let trials: Vec<BestTrial> = group_by(runs.iter().copied(), |run| &run.params)
                .into_iter()
                .filter(|(_, runs)| runs.iter().any(|run| counts(run)))
                .filter_map(|(_, runs)| trial(&runs, values, lower_is_better))
                .collect();
            let count = trials.len();
            let sign = if lower_is_better { 1.0 } else { -1.0 };
            let missing = |trial: &BestTrial| trial.planned - trial.run_ids.len();
            let first = trials.into_iter().min_by(|a, b| {
                missing(a).cmp(&missing(b)).then((sign * a.value.mean).total_cmp(&(sign * b.value.mean)))
            });
            first.map(|trial| BestTrial { trials: count, ..trial })
        })
        .collect();
    best.sort_by(|a, b| b.finished_at.cmp(&a.finished_at));
    best
}

/// A trial of which at least one run has the metric.
fn trial(runs: &[&RunRow], values: &HashMap<String, f64>, lower_is_better: bool) -> Option<BestTrial> {
    let experiments = distinct(runs.iter().map(|run| run.experiment.clone()));
    let own = group_by(runs.iter().copied(), |run| run.run_id.clone());
    let own: Vec<&RunRow> = own.iter().map(|(_, runs)| runs[0]).collect();
    let mut done: Vec<(&RunRow, f64)> = own
        .iter()
        .filter(|run| run.status == Status::Done)
        .filter_map(|run| Some((*run, *values.get(&run.run_id)?)))
        .collect();
    let sign = if lower_is_better { 1.0 } else { -1.0 };
    done.sort_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));
    let (first, _) = done.first()?;
    Some(BestTrial {
        experiments,
        model: first.model.clone(),
        params: first.params.clone(),
        run_ids: done.iter().map(|(run, _)| run.run_id.clone()).collect(),
        planned: own.len(),
        value: MeanSpread::over_seeds(
            done.iter().map(|(run, value)| SeededValue { seed: run.seed, value: *value }),
        ),
        seeds: distinct(done.iter().filter_map(|(run, _)| run.seed)).len(),
        trials: 0,
        finished_at: done.iter().filter_map(|(run, _)| run.finished_at.clone()).max(),
    })
}

/// Mean and spread over seeds of metrics of one part, of some of these runs.
pub fn metrics_over_seeds(metrics: Vec<MetricRow>, runs: &[RunRow]) -> BTreeMap<MetricKey, MeanSpread> {
    let seeds: HashMap<&str, Option<i64>> = runs.iter().map(|run| (run.run_id.as_str(), run.seed)).collect();
    mean_metrics(metrics, &seeds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(run_id: &str, hidden: i64, seed: i64, status: Status) -> RunRow {
        let params = json!({ "dataset": {}, "model": { "kind": "lstm", "hidden": hidden } });
        RunRow {
            params: params.into(),
            ..crate::compare::test_fixtures::run(run_id, "lstm", Some(seed), status)
        }
    }

    #[test]
    fn a_lucky_seed_does_not_win_against_a_complete_trial() {
        let runs = [
            run("a", 4, 1, Status::Done),
            run("b", 4, 2, Status::Failed),
            run("c", 8, 1, Status::Done),
            run("d", 8, 2, Status::Done),
        ];
        let values = [("a", 0.1), ("c", 0.5), ("d", 0.3)].map(|(id, value)| (id.to_string(), value)).into();
        let best = best_trials(&runs, &values, true, |_| true);
        assert_eq!(best.len(), 1);
        assert_eq!(
            (best[0].run_ids.as_slice(), best[0].trials),
            (&["d".to_string(), "c".to_string()][..], 2)
        );
        assert!((best[0].value.mean - 0.4).abs() < 1e-12 && best[0].seeds == 2);
        // Only the incomplete trial has a run that counts.
        let best = best_trials(&runs, &values, true, |run| run.run_id == "a");
        assert_eq!(best[0].run_ids, ["a"]);
    }
}
