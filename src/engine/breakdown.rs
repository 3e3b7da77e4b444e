//! Where a run is wrong: its test errors by hour of the day, by how requests were arriving, and by their size.

use std::ops::Range;

use crate::dataset::{BurstState, Part, Prepared};
use crate::model::intervals::{Bounds, interval};
use crate::spec::{RunSpec, TaskSpec};
use crate::store::BreakdownValue;

/// Index of the interval at 80 % in the levels.
const EIGHTY: usize = 1;
const HOURS: usize = 24;
/// Buckets of sizes are the quarters of the training steps.
const QUARTERS: usize = 4;

/// One way to divide the test forecasts.
struct Grouping {
    name: &'static str,
    buckets: Vec<String>,
    /// Bucket of a forecast by the step that it is of; or, with `at_origin`, by the last step before its window.
    of_step: Vec<u8>,
    at_origin: bool,
}

/// The forecast steps that are judged.
pub struct ForecastSteps {
    /// First steps after the windows.
    pub origins: Range<usize>,
    /// Of the steps of a window those that count, from 0.
    pub ahead: Range<usize>,
}

/// The ways to divide the forecasts of a run, computed once for all its targets.
pub struct Breakdown {
    groupings: Vec<Grouping>,
}

impl Breakdown {
    /// The divisions that the task allows: by hour always, by burst state and size where a step is made of requests.
    pub fn new(prepared: &Prepared, spec: &RunSpec) -> Self {
        let mut groupings = vec![hours(prepared)];
        match &spec.task {
            TaskSpec::NextRequest(_) => {
                let gaps = prepared.steps.channel(0);
                groupings.push(burst_states(gaps.collect()));
                groupings.push(sizes(prepared));
            }
            TaskSpec::WindowLoad(load) => {
                let width_s = load.window.seconds();
                groupings
                    .push(burst_states(prepared.steps.channel(0).map(|count| width_s / count).collect()));
                groupings.push(sizes(prepared));
            }
            TaskSpec::Series(_) => {}
        }
        Self { groupings }
    }

    /// Errors of one target on the test part, bucket by bucket; `forecast` holds scaled values, `bounds` the quantiles of
    /// this target where the run has intervals.
    pub fn of_target(
        &self,
        prepared: &Prepared,
        target: usize,
        judged: &ForecastSteps,
        forecast: &[f32],
        bounds: Option<&[Bounds]>,
    ) -> Vec<BreakdownValue> {
        let targets = prepared.steps.targets;
        let channels = prepared.steps.channels.len();
        let scale = &prepared.scaler.channels[target];
        let horizon = forecast.len() / targets / judged.origins.len().max(1);
        let mut sums: Vec<Vec<Sums>> =
            self.groupings.iter().map(|grouping| vec![Sums::default(); grouping.buckets.len()]).collect();
        for (cell, &scaled_forecast) in forecast.iter().skip(target).step_by(targets).enumerate() {
            let origin = judged.origins.start + cell / horizon;
            if !judged.ahead.contains(&(cell % horizon)) {
                continue;
            }
            let step = origin + cell % horizon;
            let scaled_forecast = f64::from(scaled_forecast);
            let actual = prepared.steps.values[step * channels + target];
            let scaled_actual = scale.scale(actual);
            let error = scale.error(scaled_forecast, actual);
            let covered = bounds.map(|bounds| {
                let (lower, upper) = interval(&bounds[cell], EIGHTY);
                (lower..=upper).contains(&prepared.scaled.targets[step * targets + target])
            });
            for (grouping, sums) in self.groupings.iter().zip(&mut sums) {
                let step = if grouping.at_origin { origin - 1 } else { step };
                sums[usize::from(grouping.of_step[step])].add(
                    error,
                    scaled_forecast - scaled_actual,
                    covered,
                );
            }
        }
        let name = &scale.channel.name;
        let found = self.groupings.iter().zip(sums).flat_map(|(grouping, sums)| {
            grouping.buckets.iter().zip(sums).flat_map(move |(bucket, sums)| {
                sums.named().into_iter().map(move |(unit, metric, value)| BreakdownValue {
                    part: Part::Test.as_str().to_string(),
                    dimension: grouping.name.to_string(),
                    bucket: bucket.clone(),
                    target: name.clone(),
                    unit: unit.to_string(),
                    name: metric.to_string(),
                    value,
                    forecasts: sums.count,
                })
            })
        });
        found.collect()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: usize,
    absolute: f64,
    error: f64,
    scaled_square: f64,
    covered: Option<usize>,
}

impl Sums {
    fn add(&mut self, error: f64, scaled_error: f64, covered: Option<bool>) {
        self.count += 1;
        self.absolute += error.abs();
        self.error += error;
        self.scaled_square += scaled_error * scaled_error;
        if let Some(covered) = covered {
            *self.covered.get_or_insert(0) += usize::from(covered);
        }
    }

    /// Nothing of a bucket that no forecast fell into.
    fn named(self) -> Vec<(&'static str, &'static str, f64)> {
        if self.count == 0 {
            return Vec::new();
        }
        let count = self.count as f64;
        let mut named = vec![
            ("original", "mae", self.absolute / count),
            ("original", "bias", self.error / count),
            ("scaled", "mse", self.scaled_square / count),
        ];
        named.extend(self.covered.map(|covered| ("original", "coverage_80", covered as f64 / count)));
        named
    }
}

/// By the hour of the day in which the forecast step lies.
fn hours(prepared: &Prepared) -> Grouping {
    let hour = |time_s: &f64| {
        (((prepared.slice.clock_s + time_s) / 3_600.0).floor() as i64).rem_euclid(HOURS as i64) as u8
    };
    Grouping {
        name: "hour",
        buckets: (0..HOURS).map(|hour| format!("{hour:02}")).collect(),
        of_step: prepared.steps.time_s.iter().map(hour).collect(),
        at_origin: false,
    }
}

/// By how requests were arriving when the forecast was made. The state of the forecast step itself is part of what is
/// forecast: errors divided by it would flatter whoever forecasts extremes (Lerch, Thorarinsdottir, Ravazzolo &
/// Gneiting, "Forecaster's dilemma", *Statistical Science* 32, 2017).
fn burst_states(gaps_s: Vec<f64>) -> Grouping {
    let state = |gap_s: f64| BurstState::ALL.iter().position(|state| *state == BurstState::of_gap(gap_s));
    Grouping {
        name: "burst_state",
        buckets: BurstState::ALL.map(|state| state.as_str().to_string()).to_vec(),
        of_step: gaps_s.into_iter().map(|gap_s| state(gap_s).unwrap_or(0) as u8).collect(),
        at_origin: true,
    }
}

/// By the request tokens of the forecast step, in the quarters of the training steps.
fn sizes(prepared: &Prepared) -> Grouping {
    let tokens: Vec<f64> = prepared.steps.channel(1).collect();
    let mut sorted = tokens[prepared.split.steps(Part::Train)].to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut limits: Vec<f64> = (1..QUARTERS)
        .map(|quarter| sorted[(quarter * sorted.len() / QUARTERS).min(sorted.len() - 1)])
        .collect();
    limits.dedup();
    let text = |value: f64| crate::text::grouped(value.round() as u64);
    let mut buckets: Vec<String> = limits
        .iter()
        .enumerate()
        .map(|(index, limit)| format!("{}: up to {} tokens", index + 1, text(*limit)))
        .collect();
    let above = limits.last().copied().unwrap_or(0.0);
    buckets.push(format!("{}: above {} tokens", limits.len() + 1, text(above)));
    let bucket = |value: &f64| limits.iter().position(|limit| value <= limit).unwrap_or(limits.len()) as u8;
    Grouping { name: "size", buckets, of_step: tokens.iter().map(bucket).collect(), at_origin: false }
}
