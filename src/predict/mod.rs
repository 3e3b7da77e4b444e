//! Forecasts the next steps of a trace with saved models: once, or step by step while the trace grows.
//!
//! A [`Predictor`] holds the saved models of an experiment; each [`SavedModel`] can also be used by itself, and a [`Watch`]
//! follows a trace row by row. A [`LiveForecast`] does so for those who ask for the forecast at any time.

mod backtest;
mod document;
mod feed;
mod generate;
mod history;
mod line_reader;
mod live;
mod predictor;
mod replicas;
mod saved_model;
mod scores;
mod watch;

use std::sync::Arc;

use crate::dataset::Channel;
use crate::model::intervals::Base;
use crate::stats::QUANTILES;

pub use document::ForecastDocument;
pub use feed::{BadRow, TraceFeed};
pub use generate::{SampledRequest, to_burstgpt, to_mooncake};
use history::StepHistory;
pub use line_reader::{LineEvent, LineReader};
pub use live::{LiveForecast, LiveState, RowFault};
pub use predictor::{Interval, Predictor, RequestForecast};
pub use replicas::{ReplicaPlan, ReplicasWanted};
pub use saved_model::SavedModel;
pub use scores::{LiveScores, StepScore};
pub use watch::Watch;

/// The next steps of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The targets, in the order of [`ForecastStep::values`].
    pub targets: Arc<[Channel]>,
    /// Name of [`ForecastStep::time_s`]: `arrival_s` or `start_s`.
    pub time_name: &'static str,
    /// Time of the last known step, in seconds since the trace's first row.
    pub last_s: f64,
    /// The steps, the next one first.
    pub steps: Vec<ForecastStep>,
}

/// One forecast step.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastStep {
    /// Time of the step, in seconds since the trace's first row.
    pub time_s: f64,
    /// The targets in original units. Gaps, counts and tokens are never below zero.
    pub values: Vec<f64>,
    /// For each target the quantiles at the levels of [`QUANTILES`], in original units; empty without intervals.
    pub bounds: Vec<[f64; QUANTILES.len()]>,
}

/// Forecasts `count` steps after a history. Beyond its horizon, the model is fed its own forecasts. With `with_bounds`, the
/// steps within the horizon get intervals.
fn roll(model: &SavedModel, history: &StepHistory<'_>, count: usize, with_bounds: bool) -> Vec<ForecastStep> {
    let saved = model.saved();
    let targets = saved.target_count();
    let mut fed: Option<StepHistory<'_>> = None;
    let mut steps: Vec<ForecastStep> = Vec::with_capacity(count);
    let mut last_s = history.last_s();
    loop {
        let known = fed.as_ref().unwrap_or(history);
        let windows = known.next_window();
        let forecast = model.forecaster().forecast(&windows);
        let offsets = model.offsets().filter(|_| with_bounds && steps.is_empty());
        let base = offsets.map(|offsets| (offsets, Base::new(model.forecaster(), &windows, &forecast)));
        for (ahead, row) in forecast.chunks_exact(targets).enumerate() {
            let scales = &saved.scaler.channels[..targets];
            let values = row.iter().zip(scales).map(|(&value, scale)| scale.unscale(f64::from(value)));
            let values: Vec<f64> = values.collect();
            let bounds = base.iter().flat_map(|(offsets, base)| {
                let own = scales.iter().enumerate();
                own.map(move |(target, scale)| offsets.bounds(base, (ahead, target), scale))
            });
            let bounds = bounds.collect();
            last_s = history.next_s(last_s, &values);
            steps.push(ForecastStep { time_s: last_s, values, bounds });
            if steps.len() == count {
                return steps;
            }
        }
        drop(base);
        let next = fed.get_or_insert_with(|| history.clone());
        let first = steps.len() - saved.spec.task.horizon();
        for step in &steps[first..] {
            next.push_forecast(&step.values);
        }
    }
}
