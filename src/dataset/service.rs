//! What a service that acts on the forecasts requires of the data: windows of one length, and parts that can be replayed.

use serde_json::{Value, json};

use super::frequency::Frequency;
use super::prepare_error::PrepareError;
use super::prepared::Prepared;
use super::series_clock::span;
use super::split::Part;
use crate::spec::{RunSpec, TaskSpec};

/// Forecasts of a part of which a replay has at least one window: the forecast after each window is acted on.
const FEWEST_REPLAYED: usize = 2;

impl Prepared {
    /// A service needs windows of one length, a horizon beyond its cold start, and parts that are long enough to be replayed.
    pub(super) fn check_capacity(&self, spec: &RunSpec) -> Result<(), PrepareError> {
        let Some(capacity) = &spec.capacity else { return Ok(()) };
        let window_s = self.window_s(spec)?;
        let (lookback, horizon) = (spec.task.lookback(), spec.task.horizon());
        let needed = capacity.least_horizon(window_s);
        if horizon < needed {
            let window = span(window_s);
            return Err(PrepareError::Horizon { horizon, needed, cold_start: capacity.cold_start, window });
        }
        for part in [self.replayed_part(), Part::Test] {
            let forecasts = self.split.origins(part, lookback, horizon).len();
            if forecasts < FEWEST_REPLAYED {
                return Err(PrepareError::Replay { part, forecasts });
            }
        }
        Ok(())
    }

    /// The part that plans are chosen on: the half of validation that intervals are calibrated on, where there are any.
    pub fn replayed_part(&self) -> Part {
        if self.split.is_calibrated() { Part::Calibration } else { Part::Valid }
    }

    /// Seconds of a window.
    ///
    /// # Errors
    /// Rows that are not a fixed time apart.
    pub fn window_s(&self, spec: &RunSpec) -> Result<f64, PrepareError> {
        if let TaskSpec::WindowLoad(load) = &spec.task {
            return Ok(load.window.seconds());
        }
        let clock = self.slice.clock.as_ref();
        if let Some(fault) = clock.and_then(|clock| clock.first_fault(&spec.dataset.cleaning)) {
            return Err(PrepareError::Uneven(fault));
        }
        let pace = clock.and_then(|clock| clock.pace(&spec.dataset.cleaning));
        pace.and_then(|pace| pace.fixed_s(self.slice.zone)).ok_or_else(|| {
            PrepareError::Uneven(match pace {
                Some(Frequency::Rows) => "the rows carry no time".to_string(),
                Some(pace) => format!("rows come {pace}, which is no fixed time"),
                None => "the rows are at no fixed distance".to_string(),
            })
        })
    }
}

/// What a preparation depends on: with a service, how much work its tokens are.
pub(super) fn preparation(mut key: Value, spec: &RunSpec) -> String {
    if let (Some(capacity), Value::Array(parts)) = (&spec.capacity, &mut key) {
        parts.push(json!([
            capacity.prefill_tokens_per_s,
            capacity.decode_tokens_per_s,
            capacity.request_tokens,
            capacity.response_tokens
        ]));
    }
    key.to_string()
}
