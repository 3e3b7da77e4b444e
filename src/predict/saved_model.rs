//! One saved model, ready to be asked.

use std::path::Path;
use std::sync::Arc;

use super::history::Past;
use super::{Forecast, Watch, backtest, roll};
use crate::dataset::{Channel, Trace, slice};
use crate::model::Forecaster;
use crate::model::intervals::SavedOffsets;
use crate::spec::{DatasetSpec, TaskSpec};
use crate::store::SavedRun;
use crate::train::ComputeDevice;

/// A model that a run left, with all that is needed to ask it.
pub struct SavedModel {
    saved: SavedRun,
    forecaster: Box<dyn Forecaster>,
    offsets: Option<SavedOffsets>,
    targets: Arc<[Channel]>,
}

impl SavedModel {
    /// Opens the model of a run, by its whole id, on the CPU.
    ///
    /// # Errors
    /// A run without files, or files that are damaged.
    pub fn open(results: &Path, run_id: &str) -> anyhow::Result<Self> {
        let saved = SavedRun::read(results, run_id)?;
        let forecaster = saved.load(results, &ComputeDevice::cpu())?;
        let offsets = saved.offsets(results)?;
        let targets = saved.targets().into();
        Ok(Self { saved, forecaster, offsets, targets })
    }

    /// What the run saved beside its parameters.
    pub fn saved(&self) -> &SavedRun {
        &self.saved
    }

    /// The model itself, which knows scaled units only.
    pub fn forecaster(&self) -> &dyn Forecaster {
        self.forecaster.as_ref()
    }

    /// What makes bounds of its forecasts; `None` where the run has no intervals.
    pub fn offsets(&self) -> Option<&SavedOffsets> {
        self.offsets.as_ref()
    }

    /// The channels that it forecasts, in order.
    pub fn targets(&self) -> &Arc<[Channel]> {
        &self.targets
    }

    /// How many past steps it reads.
    pub fn lookback(&self) -> usize {
        self.forecaster.lookback()
    }

    /// Forecasts the next `count` steps. A model that forecasts fewer at once is fed its own forecasts.
    ///
    /// The trace is cleaned as in training. Steps within the model's horizon have the intervals that its run ended
    /// with. Those of later steps come from a backtest on the given trace: they have none where it is too short for one.
    ///
    /// # Errors
    /// A trace of the wrong kind, or one that is shorter than the model's lookback.
    pub fn forecast(&self, trace: &Trace, count: usize) -> anyhow::Result<Forecast> {
        let past = self.past(trace)?;
        let mut steps = roll(self, &past.before(past.steps.len()), count, true);
        if self.offsets.is_some() {
            backtest::widen(self, &past, &mut steps);
        }
        let last_s = past.steps.time_s.last().copied().unwrap_or(0.0);
        Ok(Forecast { targets: self.targets.clone(), time_name: self.time_name(), last_s, steps })
    }

    /// Begins to follow a trace row by row, forecasting `count` steps after each.
    pub fn watch(&self, count: usize) -> Watch<'_> {
        Watch::new(self, count)
    }

    /// The steps of a trace that is cleaned as in training. The slice of the experiment is not taken again: the trace
    /// given is the one to go on from.
    pub(super) fn past(&self, trace: &Trace) -> anyhow::Result<Past<'_>> {
        let cleaning = DatasetSpec {
            start: None,
            end: None,
            max_rows: None,
            latest_rows: None,
            llms: None,
            log_types: None,
            ..self.saved.spec.dataset.clone()
        };
        let (trace, _) =
            slice(trace, &cleaning).map_err(|error| anyhow::anyhow!("{}; {}", error.message, error.help))?;
        Past::new(&self.saved, self.lookback(), trace.into_owned())
    }

    /// What the time of a step is called.
    pub(super) fn time_name(&self) -> &'static str {
        if matches!(self.saved.spec.task, TaskSpec::NextRequest(_)) { "arrival_s" } else { "start_s" }
    }
}

impl std::fmt::Debug for SavedModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SavedModel").field("run_id", &self.saved.run_id).finish_non_exhaustive()
    }
}
