//! Forecasts of any number of steps: within a model's horizon from one forecast, beyond it from its own forecasts.

use super::forecast::ForecastStep;
use super::history::StepHistory;
use super::saved_model::SavedModel;
use crate::model::intervals::Base;

/// Forecasts `count` steps after a history. Beyond its horizon, the model is fed its own forecasts. With `with_bounds`, the
/// steps within the horizon get intervals.
pub(super) fn roll(
    model: &SavedModel,
    history: &StepHistory<'_>,
    count: usize,
    with_bounds: bool,
) -> Vec<ForecastStep> {
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
