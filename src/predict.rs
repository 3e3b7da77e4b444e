//! Asks a saved model for the next steps of a trace.

use anyhow::{Context, bail, ensure};

use crate::dataset::{Channel, RequestTrace, ScaledSteps, Steps, Trace, Windows, slice, steps_of};
use crate::experiment::{DatasetSpec, TaskSpec};
use crate::model::Forecaster;
use crate::report::Comparison;
use crate::scheduler::SavedRun;
use crate::store::Store;

/// The next steps of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// What is forecast, in the order of [`ForecastStep::values`].
    pub targets: Vec<Channel>,
    /// What [`ForecastStep::time_s`] is: `arrival_s` or `start_s`.
    pub time_name: &'static str,
    /// Time of the last known step, in seconds since the trace's first row.
    pub last_s: f64,
    /// The steps, the next one first.
    pub steps: Vec<ForecastStep>,
}

/// One forecast step.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastStep {
    /// When it happens, in seconds since the trace's first row.
    pub time_s: f64,
    /// The targets in original units. Gaps, counts and tokens are never below zero.
    pub values: Vec<f64>,
}

/// The run that stands for an experiment: of the model whose chosen trial is best on validation, the run that is.
///
/// # Errors
/// An experiment that is not there, has no finished run, or has several settings, whose errors do not compare.
pub fn best_run(store: &mut Store, experiment: &str) -> anyhow::Result<String> {
    let comparison = Comparison::read(store, experiment)?;
    let board = match comparison.boards.as_slice() {
        [] => bail!("the experiment `{experiment}` has no finished run"),
        [board] => board,
        several => bail!(
            "the experiment `{experiment}` has {} settings ({}), whose errors do not compare; name a run with --run \
             (burstlab runs --experiment {experiment} lists them)",
            several.len(),
            several.iter().map(|board| board.title.as_str()).collect::<Vec<_>>().join("; ")
        ),
    };
    let best = board.rows.iter().min_by(|a, b| a.valid.total_cmp(&b.valid));
    let best = best.with_context(|| format!("the experiment `{experiment}` has no finished run"))?;
    let own = comparison.scored.iter().filter(|run| best.run_ids.contains(&run.run_id));
    let run =
        own.min_by(|a, b| a.valid.unwrap_or(f64::INFINITY).total_cmp(&b.valid.unwrap_or(f64::INFINITY)));
    run.map(|run| run.run_id.clone())
        .with_context(|| format!("the experiment `{experiment}` has no scored run"))
}

/// Forecasts the next `count` steps. A model that forecasts fewer at once is fed its own forecasts.
///
/// # Errors
/// A trace of the wrong kind, or one that is shorter than the model's lookback.
pub fn forecast(
    saved: &SavedRun,
    model: &dyn Forecaster,
    trace: &Trace,
    count: usize,
) -> anyhow::Result<Forecast> {
    // The slice of the experiment is not taken again, but its cleaning is: the model knows no other rows.
    let cleaning = DatasetSpec {
        start: None,
        end: None,
        max_rows: None,
        llms: None,
        log_types: None,
        ..saved.spec.dataset.clone()
    };
    let (trace, _) =
        slice(trace, &cleaning).map_err(|error| anyhow::anyhow!("{}; {}", error.message, error.help))?;
    let mut history = History::new(saved, trace)?;
    let lookback = model.lookback();
    ensure!(
        history.steps.len() >= lookback,
        "the model looks back {lookback} steps, but the trace has only {}",
        history.steps.len()
    );
    let targets = saved.targets();
    let time_name = if matches!(saved.spec.task, TaskSpec::NextRequest(_)) { "arrival_s" } else { "start_s" };
    let last_s = history.last_s();
    let mut steps = Vec::with_capacity(count);
    while steps.len() < count {
        let scaled = ScaledSteps::from_steps(&history.steps, &saved.scaler);
        let origin = scaled.len();
        let horizon = saved.spec.task.horizon();
        let windows = Windows { steps: &scaled, origins: origin..origin + 1, horizon };
        for row in model.forecast(&windows).chunks_exact(targets.len()) {
            let values: Vec<f64> = row
                .iter()
                .zip(&saved.scaler.channels)
                .map(|(&value, scale)| {
                    let value = scale.unscale(f64::from(value));
                    // A request cannot arrive before the last one, and no count is negative.
                    if saved.spec.task.kind() == "series" { value } else { value.max(0.0) }
                })
                .collect();
            let time_s = history.append(&values)?;
            steps.push(ForecastStep { time_s, values });
        }
    }
    steps.truncate(count);
    Ok(Forecast { targets, time_name, last_s, steps })
}

/// What is known so far: the trace, and then the forecasts themselves.
struct History<'a> {
    task: &'a TaskSpec,
    steps: Steps,
    /// Requests behind the steps, where features must be computed anew from forecast requests.
    requests: Option<RequestTrace>,
    /// Seconds from one step to the next, where that is fixed.
    step_s: f64,
}

/// Steps beside the lookback that are kept: the features look that far back.
const MARGIN: usize = 16;

impl<'a> History<'a> {
    fn new(saved: &'a SavedRun, trace: Trace) -> anyhow::Result<Self> {
        let task = &saved.spec.task;
        let steps = steps_of(&trace, task)?;
        let step_s = match task {
            TaskSpec::WindowLoad(load) => load.window.seconds(),
            TaskSpec::Series(_) => match steps.time_s.as_slice() {
                [.., before, last] => last - before,
                _ => bail!("the trace has fewer than two rows"),
            },
            TaskSpec::NextRequest(_) => 0.0,
        };
        let expected: Vec<&Channel> = saved.scaler.channels.iter().map(|scale| &scale.channel).collect();
        ensure!(
            steps.channels.iter().collect::<Vec<_>>() == expected,
            "the model was trained on the channels {}, but the trace has {}",
            names(expected.iter().copied()),
            names(steps.channels.iter())
        );
        let requests = match (task, trace) {
            (TaskSpec::NextRequest(_), Trace::Requests(trace)) => Some(trace),
            _ => None,
        };
        let lookback = saved.members.iter().map(|member| member.lookback).max().unwrap_or(0);
        let kept = task.lookback().max(lookback) + MARGIN;
        let mut history = Self { task, steps, requests, step_s };
        history.keep_last(kept);
        Ok(history)
    }

    /// Forgets what no forecast reads any more.
    fn keep_last(&mut self, count: usize) {
        let drop = self.steps.len().saturating_sub(count);
        self.steps.time_s.drain(..drop);
        self.steps.values.drain(..drop * self.steps.channels.len());
        if let Some(requests) = &mut self.requests {
            // `RequestTrace::select` counts arrivals from its first request; here they stay as they are.
            let drop = requests.len().saturating_sub(count + 1);
            requests.arrival_s.drain(..drop);
            requests.request_tokens.drain(..drop);
            requests.response_tokens.drain(..drop);
        }
    }

    fn last_s(&self) -> f64 {
        self.steps.time_s.last().copied().unwrap_or(0.0)
    }

    /// Takes a forecast for what happened and returns its time.
    fn append(&mut self, values: &[f64]) -> anyhow::Result<f64> {
        match &mut self.requests {
            None => {
                let time_s = self.last_s() + self.step_s;
                self.steps.time_s.push(time_s);
                self.steps.values.extend_from_slice(values);
                Ok(time_s)
            }
            Some(requests) => {
                let time_s = requests.arrival_s.last().copied().unwrap_or(0.0) + values[0];
                requests.arrival_s.push(time_s);
                requests.request_tokens.push(values[1]);
                requests.response_tokens.push(values[2]);
                let trace = Trace::Requests(requests.clone());
                self.steps = steps_of(&trace, self.task)?;
                Ok(time_s)
            }
        }
    }
}

fn names<'a>(channels: impl Iterator<Item = &'a Channel>) -> String {
    channels.map(|channel| channel.name.as_str()).collect::<Vec<_>>().join(", ")
}
