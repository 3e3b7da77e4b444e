//! What acting on a run's forecasts of the work costs: plans and policies replayed over validation and test.

use std::ops::Range;

use crate::capacity::{Evaluation, Evaluator, LARGEST_WORK, PlanLevel, PlannedWindows, Policy, WORK};
use crate::dataset::{CapacityTable, Part, PolicyWindows, Prepared};
use crate::model::intervals::{Base, Bounds, target_bounds};
use crate::spec::{CapacitySpec, RunSpec};
use crate::stats::{Conformal, QUANTILES, quantile_between};
use crate::store::MetricValue;

/// Quantiles of the work, in replica-seconds, for each window and step ahead.
type WorkQuantiles = Vec<[f64; QUANTILES.len()]>;

/// Quantiles of the work on both replayed parts.
pub struct WorkBounds {
    /// On the second half of validation, from the errors on its first half.
    pub valid: WorkQuantiles,
    /// On the test part, from the errors on the second half of validation.
    pub test: WorkQuantiles,
}

/// The work among the targets, where a service acts on the forecasts.
pub fn work_target(prepared: &Prepared) -> Option<usize> {
    prepared.steps.target_channels().iter().position(|channel| channel.name == WORK)
}

/// The quantiles that plans are chosen by. Those of the test part are calibrated on the second half of validation; to choose
/// on that half, the same method gets the first half as its calibration. Early stopping has seen the first half, so these
/// bounds may be a little too narrow; they serve to choose alone.
pub fn validation_bounds(
    prepared: &Prepared,
    work: usize,
    valid: &Base<'_>,
    calibration: &Base<'_>,
    method: Conformal,
) -> Option<WorkQuantiles> {
    let scale = &prepared.scaler.channels[work];
    let found = target_bounds(valid, calibration, work, scale, method)?;
    Some(in_original_units(prepared, work, &found.bounds))
}

/// Bounds of the work in replica-seconds.
pub fn in_original_units(prepared: &Prepared, work: usize, bounds: &[Bounds]) -> WorkQuantiles {
    let scale = &prepared.scaler.channels[work];
    bounds.iter().map(|bounds| bounds.map(|bound| scale.unscale(f64::from(bound)))).collect()
}

/// The forecasts of a part: the origins of its windows, and `windows x horizon x targets` values in scaled units.
struct PartForecasts<'a> {
    origins: Range<usize>,
    forecast: &'a [f32],
}

/// Every plan and policy over both parts.
pub struct CapacityOutcome {
    /// What is recorded.
    pub metrics: Vec<MetricValue>,
    /// The replays of the test part.
    pub table: CapacityTable,
}

/// Replays plans and policies over the forecasts of validation and test, where a service acts on them. `forecasts` has the
/// origins and the forecasts of every part, and `bounds` are those of a run with intervals.
///
/// # Errors
/// Rows that are not a fixed time apart, which no planned run has.
pub fn act_on_forecasts(
    prepared: &Prepared,
    spec: &RunSpec,
    forecasts: &[(Part, Range<usize>, Vec<f32>)],
    bounds: Option<&WorkBounds>,
) -> anyhow::Result<Option<CapacityOutcome>> {
    let Some(capacity) = &spec.capacity else { return Ok(None) };
    let of = |wanted| {
        let found = forecasts.iter().find(|(part, ..)| *part == wanted);
        let empty = PartForecasts { origins: 0..0, forecast: &[] };
        found.map_or(empty, |(_, origins, forecast)| PartForecasts { origins: origins.clone(), forecast })
    };
    let (valid, test) = (of(prepared.replayed_part()), of(Part::Test));
    replay((prepared, spec, capacity), &valid, &test, bounds).map(Some)
}

fn replay(
    (prepared, spec, capacity): (&Prepared, &RunSpec, &CapacitySpec),
    valid: &PartForecasts<'_>,
    test: &PartForecasts<'_>,
    bounds: Option<&WorkBounds>,
) -> anyhow::Result<CapacityOutcome> {
    let window_s = prepared.window_s(spec)?;
    let work = prepared.steps.targets - 1;
    let fleet = capacity.fleet(window_s);
    let levels = &capacity.plan_for.0;
    let (horizon, targets) = (spec.task.horizon(), prepared.steps.targets);
    let scale = &prepared.scaler.channels[work];
    let came = &prepared.series()[work].original;
    let planned = |part: &PartForecasts<'_>, quantiles: Option<&WorkQuantiles>| {
        PlannedWindows::of_forecasts(
            part.origins.len(),
            fleet.cold_start_windows,
            levels,
            |forecast, ahead| came[part.origins.start + forecast + ahead],
            |level, forecast, ahead| {
                let cell = forecast * horizon + ahead;
                match (level, quantiles) {
                    (PlanLevel::Quantile(level), Some(quantiles)) => {
                        quantile_between(&quantiles[cell], level)
                    }
                    _ => scale.unscale(f64::from(part.forecast[cell * targets + work])),
                }
            },
        )
    };
    let valid = planned(valid, bounds.map(|bounds| &bounds.valid));
    let planned_test = planned(test, bounds.map(|bounds| &bounds.test));
    let train = prepared.split.steps(Part::Train);
    let largest_work = came[train].iter().copied().fold(0.0, f64::max);
    let late_work_at_most = capacity.late_work_at_most;
    let evaluator = Evaluator { fleet: &fleet, levels, late_work_at_most, largest_work };
    let evaluation = evaluator.evaluate(&valid, &planned_test);
    let times = test.origins.clone().take(planned_test.work.len());
    let table = CapacityTable {
        time_s: times.map(|step| prepared.steps.time_s[step]).collect(),
        work_s: planned_test.work,
        policies: policies(&evaluation),
    };
    Ok(CapacityOutcome { metrics: metrics(&evaluation, largest_work), table })
}

/// The chosen plan and the policies that need no forecast.
fn policies(evaluation: &Evaluation) -> Vec<PolicyWindows> {
    let chosen = PolicyWindows::of("", &evaluation.chosen_on_test().replay);
    let others = evaluation.test.iter().filter(|own| !matches!(own.policy, Policy::Plan(_)));
    let others = others.map(|own| PolicyWindows::of(&own.policy.to_string(), &own.replay));
    std::iter::once(chosen).chain(others).collect()
}

fn metrics(evaluation: &Evaluation, largest_work: f64) -> Vec<MetricValue> {
    let of = |part: Part, metrics: Vec<(String, f64)>| {
        metrics.into_iter().map(move |(name, value)| MetricValue {
            part: part.as_str().to_string(),
            target: WORK.to_string(),
            unit: "original".to_string(),
            name,
            value,
        })
    };
    of(Part::Valid, evaluation.valid_metrics())
        .chain(of(Part::Test, evaluation.test_metrics()))
        .chain(of(Part::Train, vec![(LARGEST_WORK.to_string(), largest_work)]))
        .collect()
}
