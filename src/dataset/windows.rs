//! Windows over scaled steps: views into one contiguous array, gathered batch by batch.

use std::ops::Range;

use super::frequency::Frequency;
use super::values::Values;
use super::zone::Zone;

/// The scaled steps that models read.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledSteps {
    /// `steps x channels`, row by row: what a model sees, with outliers clipped.
    pub inputs: Values<f32>,
    /// `steps x targets`, row by row: what a forecast is compared with, never clipped.
    pub targets: Values<f32>,
    /// Number of input channels.
    pub channels: usize,
    /// Number of targets: the first input channels.
    pub target_count: usize,
}

impl ScaledSteps {
    /// Number of steps.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.channels
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// No step yet.
    pub fn none(channels: usize, target_count: usize) -> Self {
        Self { inputs: Vec::new().into(), targets: Vec::new().into(), channels, target_count }
    }

    /// Forgets all but the first `count` steps.
    pub fn truncate(&mut self, count: usize) {
        self.inputs.to_mut().truncate(count * self.channels);
        self.targets.to_mut().truncate(count * self.target_count);
    }

    /// Forgets the first `count` steps.
    pub fn forget_first(&mut self, count: usize) {
        self.inputs.to_mut().drain(..count * self.channels);
        self.targets.to_mut().drain(..count * self.target_count);
    }
}

/// When steps are.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepTimes<'a> {
    /// Seconds of each step since the trace's first row.
    pub time_s: &'a [f64],
    /// Clock time of the trace's first row, in seconds since a midnight (a Monday's, where the date is known).
    pub clock_s: f64,
    /// The calendar that the steps follow; `None` where they are a fixed time apart, or at any time.
    pub calendar: Option<(Frequency, Zone)>,
}

impl StepTimes<'_> {
    /// Clock time of a step, in seconds.
    pub fn clock_s(&self, step: usize) -> f64 {
        self.clock_s + self.time_s[step]
    }
}

/// Consecutive windows with stride 1: window `i` forecasts the `horizon` steps from `origins.start + i` on.
#[derive(Debug, Clone)]
pub struct Windows<'a> {
    /// The steps.
    pub steps: &'a ScaledSteps,
    /// When they are.
    pub times: StepTimes<'a>,
    /// First target step of each window.
    pub origins: Range<usize>,
    /// Steps forecast by each window.
    pub horizon: usize,
}

impl<'a> Windows<'a> {
    /// Number of windows.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// The last `lookback` steps before window `index`, `lookback x channels`.
    pub fn history(&self, index: usize, lookback: usize) -> &'a [f32] {
        let origin = self.origins.start + index;
        let channels = self.steps.channels;
        &self.steps.inputs[(origin - lookback) * channels..origin * channels]
    }

    /// Clock time of the last step before window `index`, in seconds.
    pub fn last_clock_s(&self, index: usize) -> f64 {
        self.times.clock_s(self.origins.start + index - 1)
    }

    /// Clock time of each step that window `index` forecasts, in seconds, where steps follow a calendar.
    pub fn calendar_clock_s(&self, index: usize) -> Option<Vec<f64>> {
        let (frequency, zone) = self.times.calendar?;
        let mut last_s = self.last_clock_s(index);
        let ahead = (0..self.horizon).map(|_| {
            last_s = frequency.next_s(0.0, last_s, zone);
            last_s
        });
        Some(ahead.collect())
    }

    /// The true values of window `index`, `horizon x targets`.
    pub fn target(&self, index: usize) -> &'a [f32] {
        let origin = self.origins.start + index;
        let count = self.steps.target_count;
        &self.steps.targets[origin * count..(origin + self.horizon) * count]
    }

    /// Histories of some windows one after the other: `batch x lookback x channels`.
    pub fn gather_histories(&self, indices: &[usize], lookback: usize) -> Vec<f32> {
        let mut batch = Vec::with_capacity(indices.len() * lookback * self.steps.channels);
        for &index in indices {
            batch.extend_from_slice(self.history(index, lookback));
        }
        batch
    }

    /// Targets of some windows one after the other: `batch x horizon x targets`.
    pub fn gather_targets(&self, indices: &[usize]) -> Vec<f32> {
        let mut batch = Vec::with_capacity(indices.len() * self.horizon * self.steps.target_count);
        for &index in indices {
            batch.extend_from_slice(self.target(index));
        }
        batch
    }
}
