//! What is told of the model whose forecasts are served.

use std::sync::Arc;
use std::time::Duration;

use super::ForecastSettings;
use crate::capacity::PlanLevel;
use crate::dataset::Channel;
use crate::predict::ReplicaPlan;
use crate::spec::TaskSpec;

/// Seconds after which a client may ask again where nothing says when the next step comes.
const USUAL_RETRY_S: u64 = 5;
/// A client does not wait longer than this before it asks again.
const LONGEST_RETRY_S: f64 = 300.0;

/// What answers tell of the model, whatever the trace is.
#[derive(Debug, Clone)]
pub struct ServedModel {
    /// Name of the experiment, where the model was chosen by it.
    pub experiment: Option<String>,
    /// The run that trained it.
    pub run_id: String,
    /// Its kind, such as `lstm`.
    pub kind: &'static str,
    /// Its task.
    pub task: &'static str,
    /// What it forecasts.
    pub targets: Arc<[Channel]>,
    /// Steps that can be asked for.
    pub steps: usize,
    /// Whether its forecasts have quantiles, within its horizon.
    pub has_quantiles: bool,
    /// Steps with quantiles.
    pub horizon: usize,
    /// Whether a step is a request, whose first target is the gap before it.
    pub is_of_requests: bool,
    /// Seconds of a window.
    pub window_s: Option<f64>,
    /// Age of the newest row from which on the input is stale.
    pub stale_after: Duration,
    /// The forecast of work that is planned for.
    pub plan_for: Option<PlanLevel>,
}

impl ServedModel {
    /// What is told of a model that is served so.
    pub fn of(settings: &ForecastSettings) -> Self {
        let saved = settings.model.saved();
        Self {
            experiment: settings.experiment.clone(),
            run_id: saved.run_id.clone(),
            kind: saved.spec.model.kind(),
            task: saved.spec.task.kind(),
            targets: settings.model.targets().clone(),
            steps: settings.steps,
            has_quantiles: settings.model.offsets().is_some(),
            horizon: saved.spec.task.horizon(),
            is_of_requests: matches!(saved.spec.task, TaskSpec::NextRequest(_)),
            window_s: saved.window_s(),
            stale_after: settings.stale_after,
            plan_for: settings.plan.as_ref().map(ReplicaPlan::level),
        }
    }

    /// Time of a step after the last known one while nothing new is known: requests keep their last gap.
    pub(super) fn stale_time_s(&self, last_s: f64, last_values: &[f64], ahead: usize) -> Option<f64> {
        let gap_s = last_values.first().filter(|_| self.is_of_requests)?;
        Some(last_s + gap_s * (ahead + 1) as f64)
    }

    /// Seconds until so many steps may have come.
    pub(super) fn retry_after_s(&self, missing_steps: usize) -> u64 {
        let due = self.window_s.map(|window_s| (window_s * missing_steps as f64).clamp(1.0, LONGEST_RETRY_S));
        due.map_or(USUAL_RETRY_S, |due| due.ceil() as u64)
    }
}
