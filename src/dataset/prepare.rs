//! From a source to windows: read, slice, clean, make steps, split, scale. Loaded once, used by many runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::cache::{Cache, SMALLEST_SOURCE, open};
use super::make_steps::steps_of;
use super::pattern::ArrivalPattern;
use super::prepare_error::PrepareError;
use super::prepared::{Prepared, SliceFacts, split_of};
use super::read::{hash_file, read_hashed};
use super::row_cleaner::REMEDY;
use super::scale::Scaler;
use super::series_clock::SeriesClock;
use super::service::preparation;
use super::slice::slice;
use super::source::{TraceSource, find_source};
use super::split::Part;
use super::steps::Steps;
use super::synthetic;
use super::synthetic_slice::generate;
use super::trace::{Trace, TraceError};
use super::window_steps::left_out_windows;
use super::windows::ScaledSteps;
use super::zone::Zone;
use crate::spec::{DatasetSpec, RunSpec};
use crate::text::hex;

impl Prepared {
    /// Slices a trace and makes the steps of a task.
    fn of(trace: &Trace, spec: &RunSpec, fold: usize) -> Result<Self, PrepareError> {
        let (trace, mut removed) = slice(trace, &spec.dataset).map_err(PrepareError::Slice)?;
        let (steps, arrivals) = rayon::join(
            || steps_of(&trace, &spec.task, spec.capacity.as_ref()),
            || match &*trace {
                Trace::Requests(trace) => ArrivalPattern::of(trace),
                Trace::Series(_) => None,
            },
        );
        let steps = steps.map_err(PrepareError::Task)?;
        let (clock_s, is_dated, clock, zone) = match &*trace {
            Trace::Requests(trace) => {
                removed.empty_windows = left_out_windows(trace, &spec.task, steps.len());
                (trace.clock_s, trace.is_dated, None, Zone::default())
            }
            Trace::Series(trace) => (trace.clock_s, trace.is_dated, Some(trace.clock.clone()), trace.zone),
        };
        // The scaled steps may take the memory of the slice.
        drop(trace);
        let train = split_of(&steps, spec, fold).steps(Part::Train);
        let scaler = Scaler::fit(&steps, train, spec.dataset.cleaning.clip_quantile);
        let scaled = scale_steps(&steps, &scaler);
        let slice = SliceFacts { removed, clock_s, is_dated, arrivals, clock, zone };
        Ok(Self::whole(steps, scaler, scaled, slice, (spec, fold)))
    }
}

/// Steps that one thread scales at a time.
const STEPS_AT_ONCE: usize = 1_024;

/// The steps on the scale that models read.
fn scale_steps(steps: &Steps, scaler: &Scaler) -> ScaledSteps {
    let (channels, count) = (steps.channels.len(), steps.targets);
    let mut inputs = vec![0.0; steps.values.len()];
    let mut targets = vec![0.0; steps.len() * count];
    let blocks =
        inputs.par_chunks_mut(channels * STEPS_AT_ONCE).zip(targets.par_chunks_mut(count * STEPS_AT_ONCE));
    blocks
        .zip(steps.values.par_chunks(channels * STEPS_AT_ONCE))
        .for_each(|((inputs, targets), values)| scale_block(values, scaler, inputs, targets));
    ScaledSteps { inputs: inputs.into(), targets: targets.into(), channels, target_count: count }
}

/// Scales some steps, channel by channel.
fn scale_block(values: &[f64], scaler: &Scaler, inputs: &mut [f32], targets: &mut [f32]) {
    let channels = scaler.channels.len();
    let count = targets.len() * channels / values.len().max(1);
    for (index, scale) in scaler.channels.iter().enumerate() {
        let original = values.iter().skip(index).step_by(channels);
        let mut scaled: Vec<f64> = original.clone().copied().collect();
        scale.scale_all(&mut scaled);
        let of_channel = inputs.iter_mut().skip(index).step_by(channels);
        for ((input, scaled), &value) in of_channel.zip(&scaled).zip(original) {
            *input = if scale.clips(value) { scale.scale_input(value) as f32 } else { *scaled as f32 };
        }
        if index < count {
            for (target, scaled) in targets.iter_mut().skip(index).step_by(count).zip(&scaled) {
                *target = *scaled as f32;
            }
        }
    }
}

impl ScaledSteps {
    /// Appends a step: one value for each channel, in original units.
    pub fn push(&mut self, values: &[f64], scaler: &Scaler) {
        let (inputs, targets) = (self.inputs.len(), self.targets.len());
        let (all_inputs, all_targets) = (self.inputs.to_mut(), self.targets.to_mut());
        all_inputs.resize(inputs + self.channels, 0.0);
        all_targets.resize(targets + self.target_count, 0.0);
        scale_block(values, scaler, &mut all_inputs[inputs..], &mut all_targets[targets..]);
    }
}

/// Reads each source once and prepares each slice, task, split and fold once.
#[derive(Default)]
pub struct Loader {
    /// Where each source is; asked once, since a plan asks for every run.
    sources: HashMap<String, TraceSource>,
    traces: HashMap<String, (Arc<Trace>, String)>,
    /// The SHA-256 of files that were found prepared, and not read.
    hashes: HashMap<PathBuf, String>,
    prepared: HashMap<String, (DatasetSpec, Arc<Prepared>)>,
    cache: Option<Cache>,
    keeps: bool,
    unkept: Option<anyhow::Error>,
}

impl Loader {
    /// Uses the data that other processes have prepared, from the folder that `BURSTLAB_CACHE` names or that is usual.
    pub fn sharing() -> Self {
        Self { cache: Cache::usual(), ..Self::default() }
    }

    /// As [`Loader::sharing`], and keeps there what it prepares of large files.
    pub fn keeping() -> Self {
        Self { keeps: true, ..Self::sharing() }
    }

    /// Why prepared data could not be kept for others, if so; they are as good without.
    pub fn unkept(&mut self) -> Option<anyhow::Error> {
        self.unkept.take()
    }

    /// Gives back the memory of what it has read and prepared. It reads again what it is asked for later.
    pub fn forget(&mut self) {
        self.traces.clear();
        self.prepared.clear();
    }

    /// SHA-256 of the source's content.
    ///
    /// # Errors
    /// A source that is missing or malformed.
    pub fn sha256(&mut self, spec: &DatasetSpec) -> Result<String, PrepareError> {
        match self.hash_unread(spec)? {
            Some(hash) => Ok(hash),
            None => self.load(spec).map(|(_, hash)| hash),
        }
    }

    /// The data of a run.
    ///
    /// # Errors
    /// Anything that keeps the data from being prepared.
    pub fn prepare(&mut self, spec: &RunSpec, fold: usize) -> Result<Arc<Prepared>, PrepareError> {
        let mut task = json!(spec.task);
        if let Some(fields) = task.get_mut(spec.task.kind()).and_then(|fields| fields.as_object_mut()) {
            // Windows are cut from the prepared steps later, so all lookbacks and horizons share them.
            fields.remove("lookback");
            fields.remove("horizon");
        }
        let calibrated = spec.uncertainty.conformal.calibrates();
        let key = preparation(json!([spec.dataset, task, spec.split, fold, calibrated]), spec);
        if let Some((_, prepared)) = self.prepared.get(&key) {
            return Ok(prepared.clone());
        }
        // Sources of one content may have many names.
        let dataset = DatasetSpec { source: String::new(), ..spec.dataset.clone() };
        let preparation = preparation(json!([dataset, task, spec.split, fold, calibrated]), spec);
        let prepared = Arc::new(self.prepare_anew_or_open(spec, fold, &preparation)?);
        self.prepared.insert(key, (spec.dataset.clone(), prepared.clone()));
        Ok(prepared)
    }

    fn prepare_anew_or_open(
        &mut self,
        spec: &RunSpec,
        fold: usize,
        preparation: &str,
    ) -> Result<Prepared, PrepareError> {
        let cached = self.hash_unread(&spec.dataset)?.zip(self.cache.clone());
        let found =
            cached.as_ref().and_then(|(hash, cache)| open(&cache.entry(hash, preparation), spec, fold));
        if let Some(prepared) = found {
            return Ok(prepared);
        }
        let (trace, read) = self.load(&spec.dataset)?;
        if let Some((hash, _)) = &cached
            && *hash != read
        {
            return Err(PrepareError::Trace(TraceError {
                file: spec.dataset.source.clone(),
                line: None,
                column: None,
                message: "the file changed while it was read; run again when it no longer does".to_string(),
            }));
        }
        let prepared = Prepared::of(&trace, spec, fold)?;
        if let Some((hash, cache)) = cached.filter(|_| self.keeps) {
            let kept = cache.keep(&cache.entry(&hash, preparation), &prepared);
            self.unkept = kept.err().or(self.unkept.take());
        }
        Ok(prepared)
    }

    /// SHA-256 of a large file whose prepared data may be found; `None` of any other source.
    fn hash_unread(&mut self, spec: &DatasetSpec) -> Result<Option<String>, PrepareError> {
        let TraceSource::File(path) = self.find(spec)? else { return Ok(None) };
        if let Some(hash) = self.hashes.get(&path) {
            return Ok(Some(hash.clone()));
        }
        let is_large = |path: &Path| path.metadata().is_ok_and(|file| file.len() >= SMALLEST_SOURCE);
        if self.cache.is_none() || !is_large(&path) {
            return Ok(None);
        }
        let hash = hash_file(&path).map_err(PrepareError::Trace)?;
        self.hashes.insert(path, hash.clone());
        Ok(Some(hash))
    }

    /// The clock of a slice of a numeric table; `None` for requests.
    ///
    /// # Errors
    /// A source that is missing or malformed, or a slice that cannot be taken.
    pub fn series_clock(&mut self, spec: &DatasetSpec) -> Result<Option<SeriesClock>, PrepareError> {
        let (trace, _) = self.load(spec)?;
        let (trace, _) = slice(&trace, spec).map_err(PrepareError::Slice)?;
        match &*trace {
            Trace::Requests(_) => Ok(None),
            Trace::Series(series) => Ok(Some(series.clock.clone())),
        }
    }

    /// What is to be said of the rows of a numeric table that are not where they should be, and that cleaning leaves there.
    pub fn clock_note(&self, spec: &DatasetSpec) -> Option<String> {
        let clock = self.prepared.values().find_map(|(dataset, prepared)| {
            if dataset == spec { prepared.slice.clock.as_ref() } else { None }
        })?;
        clock.first_fault(&spec.cleaning)?;
        let every = if clock.frequency.is_some() {
            "models count them as one step each"
        } else {
            "`predict` cannot tell the time of a next row"
        };
        Some(format!("{clock}; {every}. {REMEDY}"))
    }

    fn find(&mut self, spec: &DatasetSpec) -> Result<TraceSource, PrepareError> {
        if let Some(known) = self.sources.get(&spec.source) {
            return Ok(known.clone());
        }
        let found = find_source(&spec.source, &[PathBuf::new()]).and_then(TraceSource::lasting);
        let found = found.map_err(PrepareError::Missing)?;
        self.sources.insert(spec.source.clone(), found.clone());
        Ok(found)
    }

    fn load(&mut self, spec: &DatasetSpec) -> Result<(Arc<Trace>, String), PrepareError> {
        let source = self.find(spec)?;
        let key = match &source {
            // The generator is endless: how much of it is needed depends on the slice.
            TraceSource::Synthetic => json!([
                spec.source,
                spec.end,
                spec.max_rows,
                spec.latest_rows,
                spec.llms,
                spec.log_types,
                spec.start,
                spec.columns
            ])
            .to_string(),
            TraceSource::File(path) | TraceSource::Pipe(path) => {
                json!([path.display().to_string(), spec.columns]).to_string()
            }
        };
        if let Some(loaded) = self.traces.get(&key) {
            return Ok(loaded.clone());
        }
        let (trace, hash) = match source {
            TraceSource::Synthetic => {
                let hash = hex(&Sha256::digest(synthetic::IDENTITY.as_bytes()));
                (Trace::Requests(generate(spec).map_err(PrepareError::Slice)?), hash)
            }
            TraceSource::File(path) | TraceSource::Pipe(path) => read_hashed(&path, spec.columns.as_ref())?,
        };
        let loaded = (Arc::new(trace), hash);
        self.traces.insert(key, loaded.clone());
        Ok(loaded)
    }
}
