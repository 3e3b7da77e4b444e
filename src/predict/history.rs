//! What a forecast reads: the steps of a trace, and after them the forecasts themselves.

use anyhow::{bail, ensure};

use crate::dataset::{Channel, RequestTrace, Steps, Trace, steps_of};
use crate::experiment::TaskSpec;
use crate::scheduler::SavedRun;

/// What is known so far: the trace, and then the forecasts themselves.
pub(super) struct History<'a> {
    task: &'a TaskSpec,
    pub(super) steps: Steps,
    /// Requests behind the steps, where features must be computed anew from forecast requests.
    requests: Option<RequestTrace>,
    /// Seconds from one step to the next, where that is fixed.
    step_s: f64,
    /// How many last steps a forecast reads.
    needed: usize,
}

/// Steps beside the lookback that are kept: the features look that far back.
const MARGIN: usize = 16;

impl<'a> History<'a> {
    /// The steps of a trace, all of them.
    ///
    /// # Errors
    /// A trace of the wrong kind, or with other channels than the model was trained on.
    pub(super) fn new(saved: &'a SavedRun, trace: Trace) -> anyhow::Result<Self> {
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
        let needed = task.lookback().max(lookback) + MARGIN;
        Ok(Self { task, steps, requests, step_s, needed })
    }

    /// What was known before step `origin`, as far back as a forecast reads.
    pub(super) fn before(&self, origin: usize) -> Self {
        let channels = self.steps.channels.len();
        let first = origin.saturating_sub(self.needed);
        let steps = Steps {
            channels: self.steps.channels.clone(),
            targets: self.steps.targets,
            time_s: self.steps.time_s[first..origin].to_vec(),
            values: self.steps.values[first * channels..origin * channels].to_vec(),
        };
        // Step i is request i + 1. `RequestTrace::select` counts arrivals from its first request; here they stay as they
        // are.
        let requests = self.requests.as_ref().map(|requests| RequestTrace {
            arrival_s: requests.arrival_s[first..=origin].to_vec(),
            request_tokens: requests.request_tokens[first..=origin].to_vec(),
            response_tokens: requests.response_tokens[first..=origin].to_vec(),
            clock_s: requests.clock_s,
            ..RequestTrace::default()
        });
        Self { task: self.task, steps, requests, step_s: self.step_s, needed: self.needed }
    }

    /// Time of the last known step, in seconds since the trace's first row.
    pub(super) fn last_s(&self) -> f64 {
        self.steps.time_s.last().copied().unwrap_or(0.0)
    }

    /// Takes a forecast for what happened and returns its time.
    pub(super) fn append(&mut self, values: &[f64]) -> anyhow::Result<f64> {
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
