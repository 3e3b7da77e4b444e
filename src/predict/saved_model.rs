//! One saved model, ready to forecast.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::history::{Past, derived_of, recorded_pace};
use crate::dataset::{Channel, DerivedColumns, SliceError, Trace, Zone, slice};
use crate::model::Forecaster;
use crate::model::intervals::SavedOffsets;
use crate::spec::{DatasetSpec, TaskSpec};
use crate::store::{SavedRun, run_folder};
use crate::train::ComputeDevice;

/// Mean gaps, windows or rows without a new one after which an input is taken for silent.
const SILENT_GAPS: f64 = 100.0;
const SILENT_STEPS: f64 = 2.0;
/// Single requests may be so far apart at any time.
const SHORTEST_SILENCE_S: f64 = 60.0;

/// The trained model of a run, with everything that its forecasts need.
pub struct SavedModel {
    saved: SavedRun,
    forecaster: Box<dyn Forecaster>,
    offsets: Option<SavedOffsets>,
    targets: Arc<[Channel]>,
    zone: Zone,
    derived: DerivedColumns,
}

impl SavedModel {
    /// Opens the model of a run, by its whole id, on the CPU.
    ///
    /// # Errors
    /// A run without files, or files that are damaged or do not fit together.
    pub fn open(results: &Path, run_id: &str) -> anyhow::Result<Self> {
        let saved = SavedRun::read(results, run_id)?;
        let forecaster = saved.load(results, &ComputeDevice::cpu())?;
        let offsets = saved.offsets(results)?;
        let targets = saved.targets().into();
        let columns = saved.spec.dataset.columns.as_ref();
        let zone = Zone::named(columns.and_then(|columns| columns.time_zone.as_deref())).map_err(refused)?;
        let derived = derived_of(&saved).with_context(|| {
            format!("the files of the run in {} do not fit together", run_folder(results, run_id).display())
        })?;
        Ok(Self { saved, forecaster, offsets, targets, zone, derived })
    }

    /// What the run saved besides its parameters.
    pub fn saved(&self) -> &SavedRun {
        &self.saved
    }

    /// The model itself, which works in scaled units.
    pub fn forecaster(&self) -> &dyn Forecaster {
        self.forecaster.as_ref()
    }

    /// The offsets of its intervals; `None` where the run has none.
    pub fn offsets(&self) -> Option<&SavedOffsets> {
        self.offsets.as_ref()
    }

    /// The channels that it forecasts, in order.
    pub fn targets(&self) -> &Arc<[Channel]> {
        &self.targets
    }

    /// The time zone whose days and months the rows of its series follow.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The targets that follow from what is observed.
    pub(super) fn derived(&self) -> &DerivedColumns {
        &self.derived
    }

    /// What is to be said of the rows of a series that are not where the model expects them, if there are any.
    pub fn clock_note(&self, trace: &Trace) -> Option<String> {
        let Trace::Series(series) = trace else { return None };
        let pace = recorded_pace(&self.saved)?;
        let clock = series.clone().paced(pace).clock;
        clock.first_fault(&self.saved.spec.dataset.cleaning)?;
        Some(format!("{clock}; the times of the forecast go on {pace} from the last row"))
    }

    /// Number of past steps that it reads.
    pub fn lookback(&self) -> usize {
        self.forecaster.lookback()
    }

    /// How long new rows may fail to come before its forecasts say nothing about the present any more: two windows or rows, or
    /// a hundred mean gaps between single requests, but at least a minute. `None` for rows that carry no time.
    pub fn longest_silence(&self) -> Option<Duration> {
        let seconds = match &self.saved.spec.task {
            TaskSpec::NextRequest(_) => {
                let mean_gap_s = self.saved.arrivals.as_ref().map_or(0.0, |arrivals| arrivals.mean_gap_s);
                (SILENT_GAPS * mean_gap_s).max(SHORTEST_SILENCE_S)
            }
            TaskSpec::WindowLoad(load) => SILENT_STEPS * load.window.seconds(),
            TaskSpec::Series(_) => SILENT_STEPS * recorded_pace(&self.saved)?.longest_s()?,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The steps of a trace, which is cleaned as in training but not sliced: the forecast continues the given trace.
    pub(super) fn past(&self, trace: &Trace) -> anyhow::Result<Past<'_>> {
        let DatasetSpec { source, columns, cleaning, .. } = self.saved.spec.dataset.clone();
        // The rows are held against what the model was trained on, not against what a short file may look like.
        let paced = match (trace, recorded_pace(&self.saved)) {
            (Trace::Series(series), Some(pace)) => Some(Trace::Series(series.clone().paced(pace))),
            _ => None,
        };
        let whole = DatasetSpec::whole(source, columns, cleaning);
        let (trace, _) = slice(paced.as_ref().unwrap_or(trace), &whole).map_err(refused)?;
        Past::new(&self.saved, &self.derived, self.lookback(), trace.into_owned())
    }

    /// Name of a step's time.
    pub(super) fn time_name(&self) -> &'static str {
        if matches!(self.saved.spec.task, TaskSpec::NextRequest(_)) { "arrival_s" } else { "start_s" }
    }
}

fn refused(SliceError { message, help, .. }: SliceError) -> anyhow::Error {
    anyhow::anyhow!("{message}; {help}")
}

impl std::fmt::Debug for SavedModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SavedModel").field("run_id", &self.saved.run_id).finish_non_exhaustive()
    }
}
