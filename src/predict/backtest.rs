//! Intervals for steps beyond a model's horizon, where it is fed its own forecasts: from the errors of the same procedure at
//! earlier steps of the trace.

use super::forecast::{Forecast, ForecastStep};
use super::history::Past;
use super::roll::roll;
use super::saved_model::SavedModel;
use crate::dataset::Trace;
use crate::stats::{QUANTILES, signed_quantile};

/// More origins would cost time without improving the intervals much.
const MOST_ORIGINS: usize = 200;
/// Forecast steps over all origins; there are fewer origins when many steps are requested.
const MOST_STEPS: usize = 8_000;
/// With fewer errors, the ends of a 95 % interval would be the largest of them.
const FEWEST_ORIGINS: usize = 39;

impl SavedModel {
    /// Forecasts the next `count` steps. A model that forecasts fewer at once is fed its own forecasts.
    ///
    /// The trace is cleaned as in training. Steps within the model's horizon have the intervals that its run ended with. The
    /// intervals of later steps come from a backtest on the given trace; without enough steps for one, they have none.
    ///
    /// # Errors
    /// A trace of the wrong kind, or one that is shorter than the model's lookback.
    pub fn forecast(&self, trace: &Trace, count: usize) -> anyhow::Result<Forecast> {
        let past = self.past(trace)?;
        let mut steps = roll(self, &past.before(past.steps.len()), count, true);
        if self.offsets().is_some() {
            widen(self, &past, &mut steps);
        }
        let last_s = past.steps.time_s.last().copied().unwrap_or(0.0);
        Ok(Forecast { targets: self.targets().clone(), time_name: self.time_name(), last_s, steps })
    }
}

/// Adds intervals to the steps that have none. In scaled units, a bound is the forecast plus the quantile of the errors at
/// that many steps ahead, and never closer to the forecast than at the previous step: errors do not shrink with the horizon.
fn widen(model: &SavedModel, history: &Past<'_>, steps: &mut [ForecastStep]) {
    let saved = model.saved();
    let first = saved.spec.task.horizon();
    if steps.len() <= first {
        return;
    }
    let count = steps.len();
    let end = (history.steps.len() + 1).saturating_sub(count);
    let start =
        end.saturating_sub((MOST_STEPS / count).clamp(FEWEST_ORIGINS, MOST_ORIGINS)).max(model.lookback());
    if end < start + FEWEST_ORIGINS {
        return;
    }
    let channels = history.steps.channels.len();
    let targets = saved.target_count();
    // One list of errors for each target and step beyond the horizon.
    let mut errors = vec![Vec::new(); targets * (count - first)];
    for origin in start..end {
        let forecast = roll(model, &history.before(origin), count, false);
        for (ahead, step) in forecast.iter().enumerate().skip(first) {
            for (target, scale) in saved.scaler.channels.iter().enumerate().take(targets) {
                let actual = history.steps.values[(origin + ahead) * channels + target];
                errors[target * (count - first) + ahead - first]
                    .push(scale.scale(actual) - scale.scale(step.values[target]));
            }
        }
    }
    for ahead in first..count {
        let bounds = (0..targets).map(|target| {
            let scale = &saved.scaler.channels[target];
            let own = &mut errors[target * (count - first) + ahead - first];
            own.sort_by(f64::total_cmp);
            let before = &steps[ahead - 1];
            let mut bounds = [0.0; QUANTILES.len()];
            for (index, &level) in QUANTILES.iter().enumerate() {
                let offset = signed_quantile(own, level).unwrap_or(0.0);
                let known = scale.scale(before.bounds[target][index]) - scale.scale(before.values[target]);
                let offset = match level {
                    0.5 => offset,
                    below if below < 0.5 => offset.min(known),
                    _ => offset.max(known),
                };
                bounds[index] = scale.unscale(scale.scale(steps[ahead].values[target]) + offset);
            }
            bounds.sort_by(f64::total_cmp);
            bounds
        });
        steps[ahead].bounds = bounds.collect();
    }
}
