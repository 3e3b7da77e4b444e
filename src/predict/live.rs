//! A saved model that follows a trace for those who ask at any time: its forecast after the newest rows, the replicas that this
//! asks for, and how earlier forecasts turned out.

use std::sync::Arc;

use super::feed::{BadRow, TraceFeed};
use super::forecast::Forecast;
use super::replicas::{ReplicaPlan, ReplicasWanted};
use super::saved_model::SavedModel;
use super::scores::LiveScores;
use crate::dataset::{PrepareError, TraceError, not_followed};
use crate::text::causes;

/// A model that follows a trace. Rows are taken in line by line, or many at once; [`LiveForecast::publish`] then makes the
/// forecast that may be asked for.
#[derive(Clone)]
pub struct LiveForecast<'a> {
    feed: TraceFeed<'a>,
    plan: Option<ReplicaPlan>,
    wanted: Option<ReplicasWanted>,
    scores: LiveScores,
    /// The forecast that was published last, with the steps that were known.
    forecast: Option<(usize, Arc<Forecast>)>,
    /// Whether the last of these steps has got other values since, from a row that repeats its time.
    is_outdated: bool,
    rows: u64,
    skipped: u64,
}

/// What is known at one moment.
#[derive(Debug, Clone)]
pub struct LiveState {
    /// Rows so far; blank lines and headers are none.
    pub rows: u64,
    /// Malformed rows that were passed over.
    pub skipped: u64,
    /// Steps so far.
    pub known_steps: usize,
    /// Steps that are missing for the first forecast.
    pub missing_steps: usize,
    /// Seconds from 1970-01-01, 0:00 UTC, to the time that steps count from; `None` where the trace has no dates.
    pub starts_at_s: Option<f64>,
    /// The last known step: its targets in original units.
    pub last_values: Vec<f64>,
    /// The forecast; `None` while steps are missing.
    pub forecast: Option<Arc<Forecast>>,
    /// The replicas that it asks for; `None` without a service that acts on it.
    pub replicas: Option<ReplicasWanted>,
    /// The replicas that are wanted if nothing more comes.
    pub replicas_held: Option<ReplicasWanted>,
    /// How earlier forecasts turned out.
    pub scores: LiveScores,
}

/// Why rows were not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFault {
    /// The line, counted from 1.
    pub line: usize,
    /// Name of the column, where one is at fault.
    pub column: Option<String>,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl<'a> LiveForecast<'a> {
    /// A model without a row. It forecasts `steps` steps, and at least as many as its plan needs; `name` is that of the trace in
    /// errors.
    pub fn new(model: &'a SavedModel, name: &str, steps: usize, plan: Option<ReplicaPlan>) -> Self {
        let steps = steps.max(plan.as_ref().map_or(1, ReplicaPlan::least_steps));
        let watch = model.watch(steps).keeping(plan.as_ref().map_or(0, ReplicaPlan::windows));
        Self {
            feed: TraceFeed::new(name, watch),
            plan,
            wanted: None,
            scores: LiveScores::none(model.targets().len(), steps),
            forecast: None,
            is_outdated: false,
            rows: 0,
            skipped: 0,
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Steps so far.
    pub fn known_steps(&self) -> usize {
        self.feed.watch().known_steps()
    }

    /// Steps that are missing for the first forecast.
    pub fn missing_steps(&self) -> usize {
        self.feed.watch().missing_steps()
    }

    /// Says that the next line is the first of another file.
    pub fn begin_again(&mut self) {
        self.feed.begin_again();
    }

    /// Takes in line `number` of the trace, counted from 1.
    ///
    /// # Errors
    /// As [`TraceFeed::line`].
    pub fn line(&mut self, bytes: &[u8], number: usize) -> anyhow::Result<()> {
        let Self { feed, scores, forecast, is_outdated, .. } = self;
        let published = forecast.as_ref().map(|(after, _)| *after);
        let is_row = feed.line(bytes, number, &mut |watch| {
            *is_outdated |= published == Some(watch.known_steps());
            scores.observe(watch.known_steps(), watch.last_values());
            Ok(())
        })?;
        self.rows += u64::from(is_row);
        Ok(())
    }

    /// Counts a malformed row that is passed over.
    pub fn skip_row(&mut self) {
        self.skipped += 1;
    }

    /// Takes in all lines of a text, which may begin with the header once more, or none of them. Returns the number of rows.
    ///
    /// # Errors
    /// The first line that cannot be taken in, and a text without a row.
    pub fn take_all(&mut self, text: &[u8], name: &str) -> Result<u64, RowFault> {
        let mut next = self.clone();
        next.feed.rename(name);
        next.begin_again();
        let columns = self.feed.watch().model().saved().spec.dataset.columns.as_ref();
        if let Some(kind) = not_followed(text, columns) {
            let message = format!(
                "this is {kind}; send its rows in the order of their times, as CSV below a header or as one JSON object on each line"
            );
            return Err(RowFault { line: 1, column: None, message });
        }
        if let Some(fault) = next.other_format(text) {
            return Err(fault);
        }
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            next.line(line, index + 1).map_err(|error| RowFault::of(&error, index + 1))?;
        }
        let taken = next.rows - self.rows;
        if taken == 0 {
            let message =
                "there is no row here; send rows as CSV below a header, or as one JSON object on each line";
            return Err(RowFault { line: 1, column: None, message: message.to_string() });
        }
        next.feed.rename(self.feed.name());
        *self = next;
        Ok(taken)
    }

    /// The fault of a text in another format than the rows so far.
    fn other_format(&self, text: &[u8]) -> Option<RowFault> {
        let is_json = text.trim_ascii_start().starts_with(b"{");
        let came_as_json = self.feed.reader()?.begins_with_a_row();
        let [own, other] = if is_json { ["JSON lines", "CSV"] } else { ["CSV", "JSON lines"] };
        (is_json != came_as_json && !text.trim_ascii().is_empty()).then(|| RowFault {
            line: 1,
            column: None,
            message: format!("the rows before these came as {other}, but these are {own}; send {other}"),
        })
    }

    /// Makes the forecast after the newest step the one that may be asked for.
    pub fn publish(&mut self) -> LiveState {
        let known_steps = self.feed.watch().known_steps();
        let is_current = self.forecast.as_ref().is_some_and(|(after, _)| *after == known_steps);
        if (!is_current || self.is_outdated)
            && let Some(forecast) = self.feed.watch().forecast().map(Arc::new)
        {
            self.decide(known_steps, &forecast);
            self.scores.publish(known_steps, forecast.clone());
            self.forecast = Some((known_steps, forecast));
            self.is_outdated = false;
        }
        let watch = self.feed.watch();
        let last_values = watch.last_values().to_vec();
        let held = self.plan.as_ref().zip(self.wanted).map(|(plan, wanted)| plan.hold(&wanted, &last_values));
        LiveState {
            rows: self.rows,
            skipped: self.skipped,
            known_steps,
            missing_steps: watch.missing_steps(),
            starts_at_s: self.feed.reader().and_then(|reader| reader.starts_at_s(watch.clock_s())),
            last_values,
            forecast: self.forecast.as_ref().map(|(_, forecast)| forecast.clone()),
            replicas: self.wanted,
            replicas_held: held,
            scores: self.scores.clone(),
        }
    }

    /// Decides at the end of each window that has come since the last forecast, as far back as it matters, and once more at the
    /// end of the window before these where its values have changed.
    fn decide(&mut self, known_steps: usize, forecast: &Forecast) {
        let Some(plan) = &mut self.plan else { return };
        let before = self.forecast.as_ref().map_or(0, |(after, _)| *after);
        let mut undecided = known_steps - before;
        if self.is_outdated {
            plan.take_back();
            undecided += 1;
        }
        let passed = undecided.saturating_sub(1).min(plan.windows());
        for back in (1..=passed).rev() {
            if let Some(forecast) = self.feed.watch().forecast_before(back) {
                plan.decide(&forecast);
            }
        }
        self.wanted = plan.decide(forecast);
    }
}

impl RowFault {
    fn of(error: &anyhow::Error, line: usize) -> Self {
        let of_trace = |fault: &TraceError| Self {
            line: fault.line.unwrap_or(line),
            column: fault.column.clone(),
            message: fault.message.clone(),
        };
        if let Some(BadRow(fault)) = error.downcast_ref() {
            return of_trace(fault);
        }
        match error.downcast_ref() {
            Some(PrepareError::Trace(fault)) => of_trace(fault),
            _ => Self { line, column: None, message: causes(error) },
        }
    }
}
