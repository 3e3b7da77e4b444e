//! What runs on the same data share: steps, scales, parts; and whether a task and its evaluation fit them.

use std::ops::Range;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::clock::starts_at_s;
use super::frequency::Frequency;
use super::pattern::ArrivalPattern;
use super::prepare_error::PrepareError;
use super::scale::Scaler;
use super::series_clock::SeriesClock;
use super::slice::Removed;
use super::split::{LeakVerdict, Part, Split};
use super::steps::Steps;
use super::windows::{ScaledSteps, StepTimes, Windows};
use super::zone::Zone;
use crate::spec::{RunSpec, TrainingSpec};

/// Everything that runs on the same slice, task, split and fold share.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The steps in original units.
    pub steps: Steps,
    /// The scales, fitted on the training steps.
    pub scaler: Scaler,
    /// The steps as models read them.
    pub scaled: ScaledSteps,
    /// The parts.
    pub split: Split,
    /// What is known of the slice beside its steps.
    pub slice: SliceFacts,
    series: OnceLock<Vec<TargetSeries>>,
}

/// What is known of a slice beside its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliceFacts {
    /// What slicing and cleaning left out.
    pub removed: Removed,
    /// Clock time that the steps' times count from, in seconds since a midnight.
    pub clock_s: f64,
    /// Whether that clock knows the date.
    pub is_dated: bool,
    /// How the requests of the slice follow one another; `None` for a numeric table.
    pub arrivals: Option<ArrivalPattern>,
    /// How the rows of a numeric table follow one another before they are cleaned; `None` for requests.
    pub clock: Option<SeriesClock>,
    /// The time zone whose days and months the rows of a numeric table follow. The experiment file names it, so it is not
    /// kept beside prepared data.
    #[serde(skip)]
    pub zone: Zone,
}

/// What came of one target, one value for each step.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSeries {
    /// In original units.
    pub original: Vec<f64>,
    /// In scaled units, in double precision and never clipped: what forecasts are judged against.
    pub scaled: Vec<f64>,
}

impl Prepared {
    /// Puts together what was prepared, now or before.
    pub(super) fn whole(
        steps: Steps,
        scaler: Scaler,
        scaled: ScaledSteps,
        slice: SliceFacts,
        (spec, fold): (&RunSpec, usize),
    ) -> Self {
        let split = split_of(&steps, spec, fold);
        Self { steps, scaler, scaled, split, slice, series: OnceLock::new() }
    }

    /// Checks that the task and the evaluation fit the data and proves that nothing leaks.
    ///
    /// # Errors
    /// A part that is too short, or the leak.
    pub fn check(&self, spec: &RunSpec) -> Result<LeakVerdict, PrepareError> {
        let (lookback, horizon) = (spec.task.lookback(), spec.task.horizon());
        self.split
            .require_room((lookback, spec.model.lookback_key()), horizon)
            .map_err(PrepareError::Split)?;
        if let Some(misfit) = spec.model.misfit(&spec.task) {
            return Err(PrepareError::Misfit(misfit));
        }
        self.check_weights(&spec.training)?;
        self.check_clock(spec)?;
        self.check_capacity(spec)?;
        if let Some(batch) = spec.evaluation_batch {
            for part in Part::SCORED {
                let windows = self.split.origins(part, lookback, horizon).len();
                if windows < batch {
                    return Err(PrepareError::Batch { part, windows, batch });
                }
            }
        }
        self.prove(self.split.calibration_targets(lookback, horizon).as_ref(), lookback, horizon)
    }

    /// The weights of the loss are of targets, and one of these counts.
    fn check_weights(&self, training: &TrainingSpec) -> Result<(), PrepareError> {
        let weights = &training.target_weights;
        let targets: Vec<String> =
            self.steps.target_channels().iter().map(|channel| channel.name.clone()).collect();
        if let Some(name) = weights.keys().find(|name| !targets.contains(name)) {
            return Err(PrepareError::Weighted { name: name.clone(), targets });
        }
        let counts = |target| weights.get(target).is_none_or(|weight| *weight > 0.0);
        if targets.iter().any(counts) { Ok(()) } else { Err(PrepareError::Weightless) }
    }

    /// Proves that nothing leaks, given the target steps that intervals are calibrated on.
    ///
    /// # Errors
    /// The leak.
    pub fn prove(
        &self,
        calibrated: Option<&Range<usize>>,
        lookback: usize,
        horizon: usize,
    ) -> Result<LeakVerdict, PrepareError> {
        self.split.prove(&self.scaler.fitted, calibrated, lookback, horizon).map_err(PrepareError::Leak)
    }

    /// Seconds from 1970-01-01, 0:00 UTC, to the time that the steps' times count from; `None` where no date is known.
    pub fn starts_at_s(&self) -> Option<f64> {
        starts_at_s(self.slice.is_dated, self.slice.clock_s)
    }

    /// The calendar that the rows of a series follow, where their steps differ in length.
    pub fn calendar(&self) -> Option<(Frequency, Zone)> {
        let frequency = self.slice.clock.as_ref()?.frequency?;
        frequency.follows_a_calendar(self.slice.zone).then_some((frequency, self.slice.zone))
    }

    /// Refuses rows that are not where they should be, for models that need to know when the next ones come.
    fn check_clock(&self, spec: &RunSpec) -> Result<(), PrepareError> {
        let fault = self.slice.clock.as_ref().and_then(|clock| clock.first_fault(&spec.dataset.cleaning));
        match fault {
            Some(fault) if spec.model.needs_a_clock() => {
                Err(PrepareError::Clock { fault, model: spec.model.kind() })
            }
            _ => Ok(()),
        }
    }

    /// What came, target by target; computed for the first run that asks.
    pub fn series(&self) -> &[TargetSeries] {
        self.series.get_or_init(|| {
            let targets = self.scaler.channels.iter().take(self.steps.targets).enumerate();
            let series = targets.map(|(target, scale)| {
                let original: Vec<f64> = self.steps.channel(target).collect();
                let mut scaled = original.clone();
                scale.scale_all(&mut scaled);
                TargetSeries { original, scaled }
            });
            series.collect()
        })
    }

    /// The windows of a part.
    pub fn windows(&self, part: Part, lookback: usize, horizon: usize) -> Windows<'_> {
        self.windows_at(self.split.origins(part, lookback, horizon), horizon)
    }

    /// The windows whose first target steps are these.
    pub fn windows_at(&self, origins: Range<usize>, horizon: usize) -> Windows<'_> {
        let times =
            StepTimes { time_s: &self.steps.time_s, clock_s: self.slice.clock_s, calendar: self.calendar() };
        Windows { steps: &self.scaled, times, origins, horizon }
    }
}

/// The parts of the steps in a fold.
pub(super) fn split_of(steps: &Steps, spec: &RunSpec, fold: usize) -> Split {
    Split::new(steps.len(), &spec.split, fold, spec.uncertainty.conformal.calibrates())
}
