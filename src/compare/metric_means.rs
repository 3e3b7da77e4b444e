//! The metrics of a trial: means over its runs, and how far they spread over seeds.

use std::collections::{BTreeMap, HashMap};

use crate::store::MetricRow;

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
