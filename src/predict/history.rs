//! The last steps of a trace, which a forecast reads; observed and forecast steps are added to them.

use std::borrow::Cow;

use anyhow::{bail, ensure};

use crate::dataset::{
    DerivedColumns, Frequency, REMEDY, RequestTrace, ScaledSteps, SeriesClock, SeriesTrace, StepTimes, Steps,
    TaskError, Trace, Windows, Zone, push_request, steps_of,
};
use crate::spec::{Feature, TaskSpec};
use crate::store::SavedRun;

/// Steps that are kept beyond the lookback, since the features look that far back.
const MARGIN: usize = 16;
/// Further steps that are kept, so that old ones are rarely removed.
const SLACK: usize = 4_096;

/// The last known steps, on the scale of a model.
#[derive(Debug, Clone)]
pub(super) struct StepHistory<'a> {
    saved: &'a SavedRun,
    /// The targets that follow from what is observed.
    derived: &'a DerivedColumns,
    steps: ScaledSteps,
    /// Time of each step, in seconds since the trace's first row.
    times_s: Vec<f64>,
    /// Clock time of the trace's first row.
    clock_s: f64,
    /// Time of the last step, in seconds since the trace's first row.
    last_s: f64,
    /// How far apart the steps are, where that is known; at least so far where windows without requests are left out.
    pace: Option<Frequency>,
    /// Whether a series tells its pace by its own rows, since its run did not record one.
    finds_its_pace: bool,
    zone: Zone,
    /// The requests of the steps, after the one that precedes the first of them.
    requests: Option<RequestTrace>,
    /// Number of last steps that a forecast reads.
    needed: usize,
    /// The channels of one step.
    values: Vec<f64>,
    /// Steps so far, with those that are removed.
    count: usize,
    /// The targets of the last step, in original units.
    last_values: Vec<f64>,
}

impl<'a> StepHistory<'a> {
    /// A history without a step; `lookback` is that of the model.
    pub(super) fn empty(
        saved: &'a SavedRun,
        derived: &'a DerivedColumns,
        lookback: usize,
        zone: Zone,
    ) -> Self {
        let (pace, requests) = match &saved.spec.task {
            TaskSpec::WindowLoad(load) => (Some(Frequency::Seconds(load.window.seconds())), None),
            TaskSpec::Series(_) => (recorded_pace(saved), None),
            TaskSpec::NextRequest(_) => (None, Some(RequestTrace::default())),
        };
        let channels = saved.scaler.channels.len();
        Self {
            saved,
            derived,
            steps: ScaledSteps::none(channels, saved.target_count()),
            times_s: Vec::new(),
            clock_s: 0.0,
            last_s: 0.0,
            pace,
            finds_its_pace: pace.is_none() && requests.is_none(),
            zone,
            requests,
            needed: lookback + MARGIN,
            values: Vec::with_capacity(channels),
            count: 0,
            last_values: Vec::new(),
        }
    }

    /// Keeps so many more steps than a forecast reads, for forecasts from before the last ones.
    pub(super) fn keep(&mut self, steps: usize) {
        self.needed += steps;
    }

    /// Number of steps so far, with those that are removed.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The targets of the last step, in original units; empty before the first one.
    pub(super) fn last_values(&self) -> &[f64] {
        &self.last_values
    }

    /// Clock time of the trace's first row.
    pub(super) fn clock_s(&self) -> f64 {
        self.clock_s
    }

    /// The windows or rows before the last `back` ones; `None` where they are not kept, and for requests.
    pub(super) fn without_last(&self, back: usize) -> Option<Self> {
        let kept = self.steps.len().checked_sub(back).filter(|_| self.requests.is_none())?;
        let mut history = self.clone();
        history.steps.truncate(kept);
        history.times_s.truncate(kept);
        history.last_s = *history.times_s.last()?;
        Some(history)
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Time of the last step, in seconds since the trace's first row.
    pub(super) fn last_s(&self) -> f64 {
        self.last_s
    }

    /// Whether the time of the next step is known.
    pub(super) fn knows_its_clock(&self) -> bool {
        self.requests.is_some() || self.pace.is_some()
    }

    /// The window that forecasts the next steps.
    pub(super) fn next_window(&self) -> Windows<'_> {
        let origin = self.steps.len();
        let calendar =
            self.pace.filter(|pace| pace.follows_a_calendar(self.zone)).map(|pace| (pace, self.zone));
        let times = StepTimes { time_s: &self.times_s, clock_s: self.clock_s, calendar };
        Windows {
            steps: &self.steps,
            times,
            origins: origin..origin + 1,
            horizon: self.saved.spec.task.horizon(),
        }
    }

    /// Time of the step after one at `last_s`, given its forecast.
    pub(super) fn next_s(&self, last_s: f64, values: &[f64]) -> f64 {
        match self.pace {
            _ if self.requests.is_some() => last_s + values[0],
            Some(pace) => pace.next_s(self.clock_s, last_s, self.zone),
            None => last_s,
        }
    }

    /// Sets the clock time of the trace's first row.
    pub(super) fn set_clock(&mut self, clock_s: f64) {
        self.clock_s = clock_s;
        if let Some(requests) = &mut self.requests {
            requests.clock_s = clock_s;
        }
    }

    /// Adds a request.
    pub(super) fn push_request(&mut self, arrival_s: f64, request_tokens: f64, response_tokens: f64) {
        let Some(requests) = &mut self.requests else { return };
        requests.arrival_s.push(arrival_s);
        requests.request_tokens.push(request_tokens);
        requests.response_tokens.push(response_tokens);
        self.last_s = arrival_s;
        self.scale_requests(1);
        self.count += usize::from(!self.steps.is_empty());
        self.forget();
    }

    /// Changes the arrivals of the last requests, as far as they are kept.
    pub(super) fn move_last(&mut self, arrivals_s: impl ExactSizeIterator<Item = f64>) {
        let Some(requests) = &mut self.requests else { return };
        let count = arrivals_s.len().min(requests.len());
        let first = requests.len() - count;
        let gone = arrivals_s.len() - count;
        for (arrival, moved) in requests.arrival_s[first..].iter_mut().zip(arrivals_s.skip(gone)) {
            *arrival = moved;
        }
        self.last_s = requests.arrival_s.last().copied().unwrap_or(0.0);
        self.steps.truncate(first.saturating_sub(1));
        self.times_s.truncate(first.saturating_sub(1));
        self.scale_requests(count);
    }

    /// Adds the steps of the last requests.
    fn scale_requests(&mut self, count: usize) {
        let Some(requests) = &self.requests else { return };
        let features = features(&self.saved.spec.task);
        for row in (requests.len() - count).max(1)..requests.len() {
            self.values.clear();
            push_request(requests, row, features, &mut self.values);
            self.steps.push(&self.values, &self.saved.scaler);
            self.times_s.push(requests.arrival_s[row]);
            self.last_values.clear();
            self.last_values.extend_from_slice(&self.values[..self.steps.target_count]);
        }
    }

    /// Adds a window or a row as it is observed: without the targets that follow from it.
    pub(super) fn push_observed(&mut self, time_s: f64, values: &[f64]) {
        let values = self.with_derived(values);
        self.push_step(time_s, &values);
    }

    /// Refuses a row whose means are no numbers.
    pub(super) fn require_means(&self, values: &[f64]) -> anyhow::Result<()> {
        match self.derived.requests_without_mean(values) {
            None => Ok(()),
            Some(requests) => {
                bail!("a row of {requests} requests has no mean tokens; requests are counts of zero or more")
            }
        }
    }

    /// Observed values with the targets that follow from them.
    fn with_derived<'v>(&self, values: &'v [f64]) -> Cow<'v, [f64]> {
        let derived: Vec<f64> = self.derived.values(values).collect();
        if derived.is_empty() { Cow::Borrowed(values) } else { Cow::Owned([values, &derived].concat()) }
    }

    fn push_step(&mut self, time_s: f64, values: &[f64]) {
        self.last_s = time_s;
        self.times_s.push(time_s);
        self.steps.push(values, &self.saved.scaler);
        self.count += 1;
        self.set_last_values(values);
        if self.finds_its_pace {
            let clock = SeriesClock::of(&self.times_s, self.clock_s, self.zone);
            self.pace = clock.pace(&self.saved.spec.dataset.cleaning);
        }
        self.forget();
    }

    /// Gives the last row other values.
    pub(super) fn replace_last(&mut self, values: &[f64]) {
        let values = self.with_derived(values);
        self.steps.truncate(self.steps.len().saturating_sub(1));
        self.steps.push(&values, &self.saved.scaler);
        self.set_last_values(&values);
    }

    fn set_last_values(&mut self, values: &[f64]) {
        self.last_values.clear();
        self.last_values.extend_from_slice(&values[..self.steps.target_count.min(values.len())]);
    }

    /// Adds a forecast as if it were observed.
    pub(super) fn push_forecast(&mut self, values: &[f64]) {
        let time_s = self.next_s(self.last_s, values);
        if self.requests.is_some() {
            return self.push_request(time_s, values[1], values[2]);
        }
        // Times that are forecast say nothing about how far apart rows are.
        let finds_its_pace = std::mem::take(&mut self.finds_its_pace);
        self.push_step(time_s, values);
        self.finds_its_pace = finds_its_pace;
    }

    /// Removes the steps that no forecast reads any more.
    fn forget(&mut self) {
        if self.steps.len() < self.needed + SLACK {
            return;
        }
        let gone = self.steps.len() - self.needed;
        self.steps.forget_first(gone);
        self.times_s.drain(..gone);
        if let Some(requests) = &mut self.requests {
            for values in
                [&mut requests.arrival_s, &mut requests.request_tokens, &mut requests.response_tokens]
            {
                values.drain(..gone);
            }
        }
    }
}

/// The targets of a model that follow from what is observed; they stand behind it.
///
/// # Errors
/// A run that does not have the columns that they follow from, so that its files are damaged.
pub(super) fn derived_of(saved: &SavedRun) -> Result<DerivedColumns, TaskError> {
    let (task, capacity) = (&saved.spec.task, saved.spec.capacity.as_ref());
    let channels = &saved.scaler.channels;
    let observed = channels.len().saturating_sub(DerivedColumns::count(task, capacity));
    let names: Vec<&str> = channels[..observed].iter().map(|scale| scale.channel.name.as_str()).collect();
    DerivedColumns::of(task, capacity, &names)
}

/// How far apart the rows of a series are, as the run has recorded it.
pub(super) fn recorded_pace(saved: &SavedRun) -> Option<Frequency> {
    saved.clock.as_ref()?.pace(&saved.spec.dataset.cleaning)
}

fn features(task: &TaskSpec) -> &[Feature] {
    match task {
        TaskSpec::NextRequest(spec) => &spec.features,
        TaskSpec::WindowLoad(_) | TaskSpec::Series(_) => &[],
    }
}

/// All steps of a whole trace, of which any stretch can be the history of a forecast.
pub(super) struct Past<'a> {
    saved: &'a SavedRun,
    derived: &'a DerivedColumns,
    lookback: usize,
    pub(super) steps: Steps,
    /// Requests behind the steps: step i is request i + 1.
    requests: Option<RequestTrace>,
    /// Clock time of the trace's first row.
    clock_s: f64,
    /// How far apart the steps of windows and rows are.
    pace: Option<Frequency>,
    zone: Zone,
}

impl<'a> Past<'a> {
    /// The steps of a trace, all of them; `lookback` is that of the model.
    ///
    /// # Errors
    /// A trace of the wrong kind, or with other channels than the model was trained on.
    pub(super) fn new(
        saved: &'a SavedRun,
        derived: &'a DerivedColumns,
        lookback: usize,
        trace: Trace,
    ) -> anyhow::Result<Self> {
        let task = &saved.spec.task;
        let steps = steps_of(&trace, task, saved.spec.capacity.as_ref())?;
        require_channels(saved, steps.channels.iter().map(|channel| channel.name.as_str()))?;
        let (pace, clock_s, zone) = match (task, &trace) {
            (TaskSpec::WindowLoad(load), Trace::Requests(trace)) => {
                (Some(Frequency::Seconds(load.window.seconds())), trace.clock_s, Zone::UTC)
            }
            (_, Trace::Requests(trace)) => (None, trace.clock_s, Zone::UTC),
            (_, Trace::Series(trace)) => (Some(pace_of(saved, trace)?), trace.clock_s, trace.zone),
        };
        let requests = match (task, trace) {
            (TaskSpec::NextRequest(_), Trace::Requests(trace)) => Some(trace),
            _ => None,
        };
        ensure!(
            steps.len() >= lookback,
            "the model looks back {lookback} steps, but the trace has only {}",
            steps.len()
        );
        Ok(Self { saved, derived, lookback, steps, requests, clock_s, pace, zone })
    }

    /// The history before step `origin`, as far back as a forecast reads.
    pub(super) fn before(&self, origin: usize) -> StepHistory<'a> {
        let mut history = StepHistory::empty(self.saved, self.derived, self.lookback, self.zone);
        let channels = self.steps.channels.len();
        let first = origin.saturating_sub(history.needed);
        for values in self.steps.values[first * channels..origin * channels].chunks_exact(channels) {
            history.steps.push(values, &self.saved.scaler);
        }
        history.times_s = self.steps.time_s[first..origin].to_vec();
        history.clock_s = self.clock_s;
        history.last_s = origin.checked_sub(1).map_or(0.0, |last| self.steps.time_s[last]);
        history.pace = self.pace;
        history.requests = self.requests.as_ref().map(|requests| RequestTrace {
            arrival_s: requests.arrival_s[first..=origin].to_vec(),
            request_tokens: requests.request_tokens[first..=origin].to_vec(),
            response_tokens: requests.response_tokens[first..=origin].to_vec(),
            clock_s: requests.clock_s,
            ..RequestTrace::default()
        });
        history
    }
}

/// How far apart the rows that follow a series are.
///
/// # Errors
/// Rows at no fixed distance, or at another one than those that the model was trained on.
fn pace_of(saved: &SavedRun, trace: &SeriesTrace) -> anyhow::Result<Frequency> {
    let own = || trace.clock.pace(&saved.spec.dataset.cleaning);
    let Some(pace) = recorded_pace(saved).or_else(own) else {
        ensure!(trace.time_s.len() > 1, "the trace has fewer than two rows");
        let fault = trace.clock.irregular.first.first();
        let fault = fault.map_or(String::new(), |row| format!(": {}", trace.clock.fault_at(*row)));
        bail!(
            "the times of a forecast follow those of the rows, which are at no fixed distance{fault}; {REMEDY}"
        );
    };
    let found = SeriesClock::of(&trace.time_s, trace.clock_s, trace.zone);
    if let Some(other) = found.frequency.filter(|other| *other != pace) {
        let held = trace.clone().paced(pace).clock;
        let kept = trace.time_s.len().saturating_sub(1)
            - held.gaps.count
            - held.repeats.count
            - held.irregular.count;
        ensure!(
            kept > 0 || trace.time_s.len() < 3,
            "the model was trained on rows {pace}, but the trace has rows {other}; give it rows {pace}"
        );
    }
    Ok(pace)
}

/// Checks that a table has the columns that a model was trained on, in their order.
pub(super) fn require_columns<'n>(
    saved: &'n SavedRun,
    found: impl Iterator<Item = &'n str>,
) -> anyhow::Result<()> {
    let derived = DerivedColumns::count(&saved.spec.task, saved.spec.capacity.as_ref());
    let channels = &saved.scaler.channels;
    let observed = channels[..channels.len().saturating_sub(derived)].iter();
    let expected: Vec<&str> = observed.map(|scale| scale.channel.name.as_str()).collect();
    require_names(&expected, found)
}

/// Checks that a trace has the channels that a model was trained on, in their order.
fn require_channels<'n>(saved: &SavedRun, found: impl Iterator<Item = &'n str>) -> anyhow::Result<()> {
    let expected = saved.scaler.channels.iter().map(|scale| scale.channel.name.as_str());
    require_names(&expected.collect::<Vec<_>>(), found)
}

fn require_names<'n>(expected: &[&str], found: impl Iterator<Item = &'n str>) -> anyhow::Result<()> {
    let found: Vec<&str> = found.collect();
    ensure!(
        found == expected,
        "the model was trained on the channels {}, but the trace has {}",
        expected.join(", "),
        found.join(", ")
    );
    Ok(())
}
