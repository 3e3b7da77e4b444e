//! The rank of trials within their setting.

use std::collections::{HashMap, HashSet};

use super::grouping::group_by;
use crate::spec::setting_parts;
use crate::store::{RunRow, Status};

/// The runs of the `count` best trials of each setting. The order is the leaderboard's: by the mean objective over seeds and
/// folds, and trials that lack runs behind all others.
pub(crate) fn runs_of_best_trials<'r>(
    runs: &'r [RunRow],
    objective: &HashMap<String, f64>,
    count: usize,
) -> HashSet<&'r str> {
    let settings = group_by(runs, |run| setting_parts(&run.params));
    let best = settings.into_iter().flat_map(|(_, runs)| {
        let mut trials = group_by(runs, |run| &run.params);
        trials.sort_by_cached_key(|(_, runs)| rank_key(runs, objective));
        trials.into_iter().take(count).flat_map(|(_, runs)| runs)
    });
    best.map(|run| run.run_id.as_str()).collect()
}

/// Orders trials: how many runs they lack, and the mean objective of the others.
fn rank_key(runs: &[&RunRow], objective: &HashMap<String, f64>) -> (usize, TotalOrder) {
    let done = runs.iter().filter(|run| run.status == Status::Done);
    let values: Vec<f64> = done.filter_map(|run| objective.get(&run.run_id).copied()).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (runs.len() - values.len(), TotalOrder(mean))
}

/// A number with an order; NaN comes last.
#[derive(PartialEq)]
struct TotalOrder(f64);

impl Eq for TotalOrder {}

impl PartialOrd for TotalOrder {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TotalOrder {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
        key(self.0).total_cmp(&key(other.0))
    }
}
