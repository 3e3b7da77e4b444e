//! Makes the steps of a task out of a trace.

use rayon::prelude::*;

use super::derived::DerivedColumns;
use super::pattern::BurstState;
use super::steps::{Channel, Steps, TaskError, Transform, channel};
use super::trace::{RequestTrace, SeriesTrace, Trace};
use super::window_steps::window_steps;
use crate::spec::{CapacitySpec, Feature, NextRequestSpec, TaskSpec};

/// The steps that a task makes of a trace; with a service that acts on the forecasts, its work is their last target.
///
/// # Errors
/// A task that does not fit the trace, or a column that is missing.
pub fn steps_of(trace: &Trace, task: &TaskSpec, capacity: Option<&CapacitySpec>) -> Result<Steps, TaskError> {
    match (trace, task) {
        (Trace::Requests(trace), TaskSpec::NextRequest(spec)) => Ok(request_steps(trace, spec)),
        (Trace::Requests(trace), TaskSpec::WindowLoad(spec)) => window_steps(trace, spec, capacity),
        (Trace::Series(trace), TaskSpec::Series(_)) => row_steps(trace, task, capacity),
        (Trace::Requests(_), TaskSpec::Series(_)) => Err(TaskError::Kind(REQUESTS)),
        (Trace::Series(_), _) => Err(TaskError::Kind(TABLE)),
    }
}

/// What is said of a trace of requests whose task is another.
pub const REQUESTS: &str = "this is a trace of requests; its tasks are next_request and window_load";
/// What is said of a numeric table whose task is another.
pub const TABLE: &str = "this is a numeric table; its task is series";

/// How many last requests the rate and mean-token features look at.
const FEATURE_REQUESTS: usize = 10;
const DAY_S: f64 = 86_400.0;
/// Steps that one thread makes at a time.
const STEPS_AT_ONCE: usize = 4_096;

/// The first request has no gap before it, so step `i` is request `i + 1`.
fn request_steps(trace: &RequestTrace, spec: &NextRequestSpec) -> Steps {
    let mut channels = vec![
        channel("gap_s", "s", Transform::Log1p),
        channel("request_tokens", "tokens", Transform::Log1p),
        channel("response_tokens", "tokens", Transform::Log1p),
    ];
    for feature in &spec.features {
        channels.extend(feature_channels(*feature));
    }
    let width = channels.len();
    let mut values = vec![0.0; trace.len().saturating_sub(1) * width];
    let blocks = values.par_chunks_mut(width * STEPS_AT_ONCE).enumerate();
    blocks.for_each_init(Vec::new, |computed, (block, values)| {
        let first = 1 + block * STEPS_AT_ONCE;
        computed.clear();
        for row in first..first + values.len() / width {
            push_request(trace, row, &spec.features, computed);
        }
        values.copy_from_slice(computed);
    });
    let time_s = trace.arrival_s.iter().skip(1).copied().collect();
    Steps { channels, targets: 3, time_s, values: values.into() }
}

/// Appends the channels of request `row`, which is not the first.
pub fn push_request(trace: &RequestTrace, row: usize, features: &[Feature], values: &mut Vec<f64>) {
    values.push(trace.arrival_s[row] - trace.arrival_s[row - 1]);
    values.push(trace.request_tokens[row]);
    values.push(trace.response_tokens[row]);
    for feature in features {
        push_feature(*feature, trace, row, values);
    }
}

fn feature_channels(feature: Feature) -> Vec<Channel> {
    match feature {
        Feature::ArrivalRate => vec![channel("arrival_rate", "requests/s", Transform::Log1p)],
        Feature::MeanTokens => vec![channel("mean_tokens", "tokens", Transform::Log1p)],
        Feature::Burst => vec![channel("burst", "", Transform::Raw)],
        Feature::TimeOfDay => {
            vec![
                channel("time_of_day_sin", "", Transform::Raw),
                channel("time_of_day_cos", "", Transform::Raw),
            ]
        }
        Feature::DayOfWeek => {
            vec![
                channel("day_of_week_sin", "", Transform::Raw),
                channel("day_of_week_cos", "", Transform::Raw),
            ]
        }
    }
}

/// Everything a feature of request `row` looks at has happened when that request arrives.
fn push_feature(feature: Feature, trace: &RequestTrace, row: usize, values: &mut Vec<f64>) {
    let first = (row + 1).saturating_sub(FEATURE_REQUESTS);
    let clock_s = trace.clock_s + trace.arrival_s[row];
    let mut phase = |period_s: f64| {
        let angle = std::f64::consts::TAU * (clock_s / period_s).fract();
        values.extend([libm::sin(angle), libm::cos(angle)]);
    };
    match feature {
        Feature::ArrivalRate => {
            // Requests that share one timestamp would make the rate infinite: time is counted to the millisecond.
            let span_s = (trace.arrival_s[row] - trace.arrival_s[first]).max(1e-3);
            values.push((row - first) as f64 / span_s);
        }
        Feature::MeanTokens => {
            let total: f64 =
                (first..=row).map(|row| trace.request_tokens[row] + trace.response_tokens[row]).sum();
            values.push(total / (row + 1 - first) as f64);
        }
        Feature::Burst => {
            let gap_s = trace.arrival_s[row] - trace.arrival_s[row - 1];
            values.push(match BurstState::of_gap(gap_s) {
                BurstState::Burst => 1.0,
                BurstState::Steady => 0.0,
                BurstState::Sparse => -1.0,
            });
        }
        Feature::TimeOfDay => phase(DAY_S),
        Feature::DayOfWeek => phase(7.0 * DAY_S),
    }
}

fn row_steps(
    trace: &SeriesTrace,
    task: &TaskSpec,
    capacity: Option<&CapacitySpec>,
) -> Result<Steps, TaskError> {
    let mut channels: Vec<Channel> =
        trace.names.iter().map(|name| channel(name, "", Transform::Identity)).collect();
    let derived = DerivedColumns::of(task, capacity, &trace.names)?;
    channels.extend(derived.channels(&trace.names));
    let mut values = Vec::with_capacity(trace.time_s.len() * channels.len());
    let mut step = Vec::with_capacity(channels.len());
    for row in 0..trace.time_s.len() {
        step.clear();
        step.extend(trace.columns.iter().map(|column| column[row]));
        if let Some(requests) = derived.requests_without_mean(&step) {
            return Err(TaskError::Mean { row: row + 1, requests });
        }
        values.extend_from_slice(&step);
        values.extend(derived.values(&step));
    }
    Ok(Steps {
        targets: channels.len(),
        channels,
        time_s: trace.time_s.clone().into(),
        values: values.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> RequestTrace {
        RequestTrace {
            arrival_s: vec![0.0, 0.005, 0.5, 20.5],
            request_tokens: vec![10.0, 20.0, 30.0, 40.0],
            response_tokens: vec![1.0, 2.0, 3.0, 4.0],
            clock_s: 0.0,
            ..RequestTrace::default()
        }
    }

    #[test]
    fn the_burst_indicator_tells_bursts_from_sparse_and_steady_gaps() {
        let spec = NextRequestSpec { lookback: 1, horizon: 1, features: vec![Feature::Burst] };
        let steps = request_steps(&trace(), &spec);
        assert_eq!(steps.channel(3).collect::<Vec<_>>(), [1.0, 0.0, -1.0]);
    }

    #[test]
    fn a_feature_never_looks_at_a_later_request() {
        let spec = NextRequestSpec {
            lookback: 1,
            horizon: 1,
            features: vec![Feature::ArrivalRate, Feature::MeanTokens, Feature::TimeOfDay, Feature::DayOfWeek],
        };
        let whole = request_steps(&trace(), &spec);
        let early = request_steps(&trace().select(&[0, 1, 2]), &spec);
        assert_eq!(whole.values[..early.values.len()], early.values[..]);
    }
}
