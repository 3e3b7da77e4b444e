//! Whether a run that was executed again gave the same numbers, to the bit.

use std::collections::BTreeMap;

use crate::store::{BreakdownRow, BreakdownValue, EpochRow, MetricRow, MetricValue};
use crate::train::Epoch;

/// The numbers of a run by their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunNumbers {
    /// Metrics, such as `test all scaled mse`.
    pub metrics: BTreeMap<String, f64>,
    /// Test errors by bucket, such as `hour 07 gap_s original mae`.
    pub breakdowns: BTreeMap<String, f64>,
    /// Losses, such as `epoch 03 valid loss`.
    pub losses: BTreeMap<String, f64>,
}

/// A number that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedNumber {
    /// Which.
    pub name: String,
    /// As it is recorded; `None` if it is not.
    pub recorded: Option<f64>,
    /// As it is now; `None` if it is missing now.
    pub repeated: Option<f64>,
}

impl RunNumbers {
    /// What the store holds of a run.
    pub fn recorded(metrics: &[MetricRow], breakdowns: &[BreakdownRow], epochs: &[EpochRow]) -> Self {
        let metrics =
            metrics.iter().map(|row| (metric_name(&row.part, &row.target, &row.unit, &row.name), row.value));
        let breakdowns = breakdowns.iter().map(|row| {
            (breakdown_name([&row.dimension, &row.bucket, &row.target, &row.unit, &row.name]), row.value)
        });
        let losses = epochs.iter().flat_map(|row| losses(row.epoch, row.train_loss, row.valid_loss));
        Self { metrics: metrics.collect(), breakdowns: breakdowns.collect(), losses: losses.collect() }
    }

    /// What a worker says of a run.
    pub fn repeated(metrics: &[MetricValue], breakdowns: &[BreakdownValue], epochs: &[Epoch]) -> Self {
        let metrics = metrics
            .iter()
            .map(|value| (metric_name(&value.part, &value.target, &value.unit, &value.name), value.value));
        let breakdowns = breakdowns.iter().map(|value| {
            let name = [&value.dimension, &value.bucket, &value.target, &value.unit, &value.name];
            (breakdown_name(name), value.value)
        });
        let losses =
            epochs.iter().flat_map(|epoch| losses(epoch.epoch as i64, epoch.train_loss, epoch.valid_loss));
        Self { metrics: metrics.collect(), breakdowns: breakdowns.collect(), losses: losses.collect() }
    }

    /// The numbers that are not the same to the bit in both, metrics first.
    pub fn changes(&self, repeated: &Self) -> Vec<ChangedNumber> {
        let pairs = [
            (&self.metrics, &repeated.metrics),
            (&self.breakdowns, &repeated.breakdowns),
            (&self.losses, &repeated.losses),
        ];
        pairs.into_iter().flat_map(|(recorded, repeated)| changes(recorded, repeated)).collect()
    }
}

fn changes(recorded: &BTreeMap<String, f64>, repeated: &BTreeMap<String, f64>) -> Vec<ChangedNumber> {
    let mut names: Vec<&String> = recorded.keys().chain(repeated.keys()).collect();
    names.sort();
    names.dedup();
    let bits = |value: Option<&f64>| value.map(|value| value.to_bits());
    names
        .into_iter()
        .filter(|name| bits(recorded.get(*name)) != bits(repeated.get(*name)))
        .map(|name| ChangedNumber {
            name: name.clone(),
            recorded: recorded.get(name).copied(),
            repeated: repeated.get(name).copied(),
        })
        .collect()
}

fn metric_name(part: &str, target: &str, unit: &str, name: &str) -> String {
    format!("{part} {target} {unit} {name}")
}

fn breakdown_name(parts: [&String; 5]) -> String {
    parts.map(String::as_str).join(" ")
}

fn losses(epoch: i64, train: f64, valid: f64) -> [(String, f64); 2] {
    [(format!("epoch {epoch:03} train loss"), train), (format!("epoch {epoch:03} valid loss"), valid)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(value: f64) -> RunNumbers {
        let metric = MetricValue {
            part: "test".to_string(),
            target: "all".to_string(),
            unit: "scaled".to_string(),
            name: "mse".to_string(),
            value,
        };
        let epoch =
            Epoch { epoch: 1, train_loss: 0.5, valid_loss: value, learning_rate: 1e-3, wall_s: value };
        RunNumbers::repeated(&[metric], &[], &[epoch])
    }

    #[test]
    fn a_last_bit_that_differs_is_told_and_the_seconds_are_not_compared() {
        let one = numbers(0.25);
        assert!(one.changes(&numbers(0.25)).is_empty());
        let changed = one.changes(&numbers(0.25_f64.next_up()));
        let names: Vec<&str> = changed.iter().map(|change| change.name.as_str()).collect();
        assert_eq!(names, ["test all scaled mse", "epoch 001 valid loss"]);
        assert_eq!((changed[0].recorded, changed[0].repeated), (Some(0.25), Some(0.25_f64.next_up())));
    }

    #[test]
    fn a_number_that_only_one_of_them_has_differs() {
        let changed = numbers(1.0).changes(&RunNumbers::default());
        assert_eq!(changed.len(), 3);
        assert!(changed.iter().all(|change| change.recorded.is_some() && change.repeated.is_none()));
    }
}
