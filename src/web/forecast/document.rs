//! The forecast as JSON.

use axum::http::StatusCode;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::answer::ForecastFault;
use super::published::ServedMoment;
use super::question::ForecastQuestion;
use super::served_model::ServedModel;
use crate::capacity::PlanLevel;
use crate::dataset::Channel;
use crate::predict::{LiveState, ReplicasWanted};
use crate::stats::QUANTILES;
use crate::text::counted;

/// The answer to a question.
#[derive(Debug, Serialize)]
pub struct ForecastAnswer<'a> {
    experiment: Option<&'a str>,
    run_id: &'a str,
    model: &'a str,
    task: &'a str,
    /// Whether the newest row is so old that the last known step stands for all that follow.
    stale: bool,
    source: &'static str,
    age_s: f64,
    stale_after_s: f64,
    known_steps: usize,
    last_s: f64,
    starts_at_s: Option<f64>,
    last_known: NamedValues<'a>,
    replicas: Option<ReplicasAnswer>,
    steps: Vec<StepAnswer<'a>>,
}

/// The replicas that are wanted.
#[derive(Debug, Serialize)]
struct ReplicasAnswer {
    wanted: u64,
    needed: u64,
    work_s: f64,
    plan_for: Option<PlanLevel>,
    step: usize,
}

/// One step.
#[derive(Debug)]
struct StepAnswer<'a> {
    number: usize,
    time_name: &'static str,
    time_s: f64,
    points: NamedValues<'a>,
    quantiles: Option<NamedQuantiles<'a>>,
}

/// Values by the names of their targets.
#[derive(Debug)]
struct NamedValues<'a> {
    targets: &'a [Channel],
    values: Vec<f64>,
}

/// Quantiles by the names of their targets and their levels.
#[derive(Debug)]
struct NamedQuantiles<'a> {
    targets: &'a [Channel],
    levels: &'a [usize],
    values: Vec<[f64; QUANTILES.len()]>,
}

impl<'a> ForecastAnswer<'a> {
    /// What is known at a moment, as far as it is asked for.
    ///
    /// # Errors
    /// A moment at which nothing is known.
    pub fn new(
        model: &'a ServedModel,
        moment: &ServedMoment,
        question: &'a ForecastQuestion,
    ) -> Result<Self, ForecastFault> {
        let unknown = |error: String, missing: usize| {
            ForecastFault::new(StatusCode::SERVICE_UNAVAILABLE, error)
                .missing(missing)
                .retry_after(model.retry_after_s(missing))
        };
        let Some(state) = moment.state() else {
            return Err(unknown("no forecast is known yet: the trace is being read".to_string(), 1));
        };
        let (Some(forecast), Some(age)) = (&state.forecast, moment.age) else {
            let missing = state.missing_steps.max(1);
            let known = counted(state.known_steps, "step");
            return Err(unknown(
                format!(
                    "no forecast is known yet: {known} came, and {missing} more must come before the first"
                ),
                missing,
            )
            .remedy("add rows to the trace, or send them to /v1/rows"));
        };
        let steps = forecast.steps.iter().take(question.steps).enumerate().map(|(ahead, step)| {
            let stale = moment.is_stale.then_some(&state.last_values);
            let bounds = |target: usize| match stale {
                Some(last) => [last[target]; QUANTILES.len()],
                None => step.bounds[target],
            };
            let has_quantiles = !question.quantiles.is_empty() && !step.bounds.is_empty();
            StepAnswer {
                number: ahead + 1,
                time_name: forecast.time_name,
                time_s: stale
                    .and_then(|last| model.stale_time_s(forecast.last_s, last, ahead))
                    .unwrap_or(step.time_s),
                points: NamedValues {
                    targets: &model.targets,
                    values: stale.unwrap_or(&step.values).clone(),
                },
                quantiles: has_quantiles.then(|| NamedQuantiles {
                    targets: &model.targets,
                    levels: &question.quantiles,
                    values: (0..model.targets.len()).map(bounds).collect(),
                }),
            }
        });
        Ok(Self {
            experiment: model.experiment.as_deref(),
            run_id: &model.run_id,
            model: model.kind,
            task: model.task,
            stale: moment.is_stale,
            source: if moment.is_stale { "last_known" } else { "forecast" },
            age_s: age.as_secs_f64(),
            stale_after_s: model.stale_after.as_secs_f64(),
            known_steps: state.known_steps,
            last_s: forecast.last_s,
            starts_at_s: state.starts_at_s,
            last_known: NamedValues { targets: &model.targets, values: state.last_values.clone() },
            replicas: replicas(state, moment.is_stale).map(ReplicasAnswer::of),
            steps: steps.collect(),
        })
    }
}

/// The replicas that are wanted: by the forecast, or while nothing new is known.
pub fn replicas(state: &LiveState, is_stale: bool) -> Option<&ReplicasWanted> {
    if is_stale { state.replicas_held.as_ref() } else { state.replicas.as_ref() }
}

impl ReplicasAnswer {
    fn of(wanted: &ReplicasWanted) -> Self {
        let ReplicasWanted { wanted, needed, work_s, plan_for, step } = *wanted;
        Self { wanted, needed, work_s, plan_for, step }
    }
}

impl Serialize for StepAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("step", &self.number)?;
        map.serialize_entry(self.time_name, &self.time_s)?;
        map.serialize_entry("points", &self.points)?;
        map.serialize_entry("quantiles", &self.quantiles)?;
        map.end()
    }
}

impl Serialize for NamedValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.targets.iter().map(|target| &target.name).zip(&self.values))
    }
}

impl Serialize for NamedQuantiles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let by_target = self.targets.iter().zip(&self.values).map(|(target, values)| {
            let by_level = self.levels.iter().map(|level| (QUANTILES[*level].to_string(), values[*level]));
            (&target.name, ByLevel(by_level.collect()))
        });
        serializer.collect_map(by_target)
    }
}

/// Values by their levels, in the order that was asked for.
struct ByLevel(Vec<(String, f64)>);

impl Serialize for ByLevel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(level, value)| (level, value)))
    }
}
