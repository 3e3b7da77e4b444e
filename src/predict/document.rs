//! A forecast as JSON and as CSV.

use std::fmt::Write;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};

use super::forecast::{Forecast, ForecastStep};
use super::saved_model::SavedModel;
use crate::dataset::Channel;
use crate::model::intervals::{LEVELS, interval};
use crate::text::csv_field;

/// A forecast with the model that it comes from, as one JSON object.
///
/// It is serialized value by value, without allocating: a watcher writes many thousand forecasts a second.
#[derive(Debug, Clone, Copy)]
pub struct ForecastDocument<'a> {
    /// The model.
    pub model: &'a SavedModel,
    /// Its forecast.
    pub forecast: &'a Forecast,
}

impl Serialize for ForecastDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let saved = self.model.saved();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("run_id", &saved.run_id)?;
        map.serialize_entry("model", saved.spec.model.kind())?;
        map.serialize_entry("task", saved.spec.task.kind())?;
        map.serialize_entry("conformal", &saved.spec.uncertainty.conformal)?;
        map.serialize_entry("last_s", &self.forecast.last_s)?;
        map.serialize_entry("steps", &StepList(self.forecast))?;
        map.end()
    }
}

struct StepList<'a>(&'a Forecast);

impl Serialize for StepList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.steps.len()))?;
        for (index, step) in self.0.steps.iter().enumerate() {
            list.serialize_element(&StepEntry { forecast: self.0, number: index + 1, of: step })?;
        }
        list.end()
    }
}

struct StepEntry<'a> {
    forecast: &'a Forecast,
    number: usize,
    of: &'a ForecastStep,
}

impl Serialize for StepEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.number)?;
        map.serialize_entry(self.forecast.time_name, &self.of.time_s)?;
        for (target, value) in self.forecast.targets.iter().zip(&self.of.values) {
            map.serialize_entry(&target.name, value)?;
        }
        for (target, bounds) in self.forecast.targets.iter().zip(&self.of.bounds) {
            map.serialize_entry(&IntervalsKey(target), &Intervals(bounds))?;
        }
        map.end()
    }
}

/// The key of a target's intervals, such as `gap_s_intervals`.
struct IntervalsKey<'a>(&'a Channel);

impl Serialize for IntervalsKey<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}_intervals", self.0.name))
    }
}

struct Intervals<'a>(&'a [f64; crate::stats::QUANTILES.len()]);

impl Serialize for Intervals<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(LEVELS.len()))?;
        for (index, level) in LEVELS.iter().enumerate() {
            map.serialize_entry(level, &interval(self.0, index))?;
        }
        map.end()
    }
}

impl ForecastDocument<'_> {
    /// A table with one row for each step: `step`, its time, and for each target its forecast and the bounds
    /// `TARGET_lower_50`, `TARGET_upper_50`, ..., which are empty where there are none.
    pub fn to_csv(&self) -> String {
        let forecast = self.forecast;
        let mut text = format!("step,{}", forecast.time_name);
        for target in forecast.targets.iter() {
            let name = csv_field(&target.name);
            // Writing to a string does not fail.
            let _ = write!(text, ",{name}");
            for level in LEVELS {
                let ends = ["lower", "upper"].map(|end| csv_field(&format!("{}_{end}_{level}", target.name)));
                let _ = write!(text, ",{}", ends.join(","));
            }
        }
        text.push('\n');
        for (index, step) in forecast.steps.iter().enumerate() {
            let _ = write!(text, "{},{}", index + 1, step.time_s);
            for (target, value) in step.values.iter().enumerate() {
                let _ = write!(text, ",{value}");
                for level in 0..LEVELS.len() {
                    let _ = match step.bounds.get(target).map(|bounds| interval(bounds, level)) {
                        Some((lower, upper)) => write!(text, ",{lower},{upper}"),
                        None => write!(text, ",,"),
                    };
                }
            }
            text.push('\n');
        }
        text
    }
}
