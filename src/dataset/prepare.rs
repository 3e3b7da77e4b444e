//! From a source to windows: read, slice, clean, make steps, split, scale. Loaded once, used by many runs.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::catalog::{MissingSource, Source, find_source};
use super::read::parse_trace;
use super::scale::Scaler;
use super::slice::{Removed, SliceError, slice};
use super::split::{LeakVerdict, Part, Split, TooShort};
use super::steps::{Steps, steps_of};
use super::synthetic;
use super::trace::{Trace, TraceError};
use super::windows::{ScaledSteps, Windows};
use crate::experiment::{DatasetSpec, RunSpec, Span, TaskSpec, hex};

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
    /// What slicing and cleaning left out.
    pub removed: Removed,
}

impl Prepared {
    fn new(steps: Steps, removed: Removed, spec: &RunSpec, fold: usize) -> Self {
        let split = Split::new(steps.len(), &spec.split, fold);
        let train = split.steps(Part::Train);
        let scaler = Scaler::fit(&steps, train, spec.dataset.cleaning.clip_quantile);
        let scaled = scale_steps(&steps, &scaler);
        Self { steps, scaler, scaled, split, removed }
    }

    /// Checks that the task fits the data and proves that nothing leaks.
    ///
    /// # Errors
    /// A part that is too short, or the leak.
    pub fn check(&self, task: &TaskSpec) -> Result<LeakVerdict, PrepareError> {
        let (lookback, horizon) = (task.lookback(), task.horizon());
        self.split.require_room(lookback, horizon).map_err(PrepareError::TooShort)?;
        self.split.prove(&self.scaler.fitted, lookback, horizon).map_err(PrepareError::Leak)
    }

    /// The windows of a part.
    pub fn windows(&self, part: Part, lookback: usize, horizon: usize) -> Windows<'_> {
        Windows { steps: &self.scaled, origins: self.split.origins(part, lookback, horizon), horizon }
    }
}

/// The steps on the scale that models read.
fn scale_steps(steps: &Steps, scaler: &Scaler) -> ScaledSteps {
    let channels = steps.channels.len();
    let mut inputs = Vec::with_capacity(steps.values.len());
    let mut targets = Vec::with_capacity(steps.len() * steps.targets);
    for row in steps.values.chunks_exact(channels) {
        inputs
            .extend(row.iter().zip(&scaler.channels).map(|(&value, scale)| scale.scale_input(value) as f32));
        let target = row.iter().zip(&scaler.channels).take(steps.targets);
        targets.extend(target.map(|(&value, scale)| scale.scale(value) as f32));
    }
    ScaledSteps { inputs, targets, channels, target_count: steps.targets }
}

impl ScaledSteps {
    /// Steps as models read them, on scales that were fitted before.
    pub fn from_steps(steps: &Steps, scaler: &Scaler) -> Self {
        scale_steps(steps, scaler)
    }
}

/// Why data could not be prepared.
#[derive(Debug, Clone, PartialEq)]
pub enum PrepareError {
    /// The source is not on this machine.
    Missing(MissingSource),
    /// The file is malformed.
    Trace(TraceError),
    /// The slice cannot be taken.
    Slice(SliceError),
    /// The task does not fit the kind of trace.
    Task(String),
    /// A part is too short for the task.
    TooShort(TooShort),
    /// The split leaks.
    Leak(String),
}

impl PrepareError {
    /// Keys of the experiment file that are at fault.
    pub fn place(&self, task: &TaskSpec) -> Vec<&'static str> {
        match self {
            PrepareError::Missing(_) | PrepareError::Trace(_) => vec!["dataset", "source"],
            PrepareError::Slice(error) => ["dataset"].into_iter().chain(error.key.iter().copied()).collect(),
            PrepareError::Task(_) => vec!["task", task.kind()],
            // The horizon is at fault if it does not fit alone; else what is added to it.
            PrepareError::TooShort(error) => match error.needed {
                [_, (horizon, _)] if horizon > error.found => vec!["task", task.kind(), "horizon"],
                [(_, "embargo"), _] => vec!["split", "embargo"],
                _ => vec!["task", task.kind(), "lookback"],
            },
            PrepareError::Leak(_) => vec!["split"],
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            PrepareError::Missing(error) => error.help.clone(),
            PrepareError::Trace(_) => "mend the file, or clean it first".to_string(),
            PrepareError::Slice(error) => error.help.clone(),
            PrepareError::Task(_) => "choose a task that fits the data".to_string(),
            PrepareError::TooShort(_) => "use more data, a shorter lookback or a shorter horizon".to_string(),
            PrepareError::Leak(_) => "the split must keep the parts apart".to_string(),
        }
    }
}

impl fmt::Display for PrepareError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrepareError::Missing(error) => formatter.write_str(&error.message),
            PrepareError::Trace(error) => error.fmt(formatter),
            PrepareError::Slice(error) => formatter.write_str(&error.message),
            PrepareError::Task(message) | PrepareError::Leak(message) => formatter.write_str(message),
            PrepareError::TooShort(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for PrepareError {}

/// Reads each source once and prepares each slice, task, split and fold once.
#[derive(Default)]
pub struct Loader {
    traces: HashMap<String, (Arc<Trace>, String)>,
    prepared: HashMap<String, Arc<Prepared>>,
}

impl Loader {
    /// SHA-256 of the source's content.
    ///
    /// # Errors
    /// A source that is missing or malformed.
    pub fn sha256(&mut self, spec: &DatasetSpec) -> Result<String, PrepareError> {
        self.load(spec).map(|(_, hash)| hash)
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
        let key = json!([spec.dataset, task, spec.split, fold]).to_string();
        if let Some(prepared) = self.prepared.get(&key) {
            return Ok(prepared.clone());
        }
        let (trace, _) = self.load(&spec.dataset)?;
        let (trace, removed) = slice(&trace, &spec.dataset).map_err(PrepareError::Slice)?;
        let steps = steps_of(&trace, &spec.task).map_err(PrepareError::Task)?;
        let prepared = Arc::new(Prepared::new(steps, removed, spec, fold));
        self.prepared.insert(key, prepared.clone());
        Ok(prepared)
    }

    fn load(&mut self, spec: &DatasetSpec) -> Result<(Arc<Trace>, String), PrepareError> {
        let source = find_source(&spec.source).map_err(PrepareError::Missing)?;
        let key = match &source {
            // The generator is endless: how much of it is needed depends on the slice.
            Source::Synthetic => {
                json!([spec.source, spec.end, spec.max_rows, spec.llms, spec.log_types, spec.start])
                    .to_string()
            }
            Source::File(path) => path.display().to_string(),
        };
        if let Some(loaded) = self.traces.get(&key) {
            return Ok(loaded.clone());
        }
        let (trace, hash) = match source {
            Source::Synthetic => {
                let hash = hex(&Sha256::digest(synthetic::IDENTITY.as_bytes()));
                (Trace::Requests(synthetic_requests(spec)), hash)
            }
            Source::File(path) => {
                let file = path.display().to_string();
                let bytes = std::fs::read(&path).map_err(|error| {
                    let message = format!("cannot be read: {error}");
                    PrepareError::Trace(TraceError { file: file.clone(), line: None, column: None, message })
                })?;
                let hash = hex(&Sha256::digest(&bytes));
                (parse_trace(&file, &bytes).map_err(PrepareError::Trace)?, hash)
            }
        };
        let loaded = (Arc::new(trace), hash);
        self.traces.insert(key, loaded.clone());
        Ok(loaded)
    }
}

/// Requests of the synthetic trace when a slice names neither an end nor a number of rows.
const SYNTHETIC_ROWS: usize = 20_000;

/// As much of the endless synthetic trace as the slice can need.
fn synthetic_requests(spec: &DatasetSpec) -> super::trace::RequestTrace {
    let start_s = spec.start.map_or(0.0, Span::seconds);
    let end_s = spec.end.map_or(f64::INFINITY, Span::seconds);
    let wanted = match (spec.max_rows, spec.end) {
        (Some(rows), _) => rows,
        (None, Some(_)) => usize::MAX,
        (None, None) => SYNTHETIC_ROWS,
    };
    let keeps = |names: &Option<Vec<String>>, name: &str| {
        names.as_ref().is_none_or(|names| names.iter().any(|other| other == name))
    };
    let mut trace = super::trace::RequestTrace::default();
    let mut first_s = None;
    let mut kept = 0;
    for row in synthetic::SyntheticTrace::new(usize::MAX, synthetic::DEFAULT_SEED) {
        let stamp_s = f64::from(row.timestamp_s);
        let first_s = *first_s.get_or_insert(stamp_s);
        let arrival_s = stamp_s - first_s;
        if arrival_s >= end_s || kept >= wanted {
            break;
        }
        let (llm, log_type) = (row.llm.as_str(), row.log_type.as_str());
        if arrival_s >= start_s && keeps(&spec.llms, llm) && keeps(&spec.log_types, log_type) {
            kept += 1;
        }
        trace.arrival_s.push(arrival_s);
        trace.request_tokens.push(f64::from(row.request_tokens));
        trace.response_tokens.push(f64::from(row.response_tokens));
        trace.llm.push(llm);
        trace.log_type.push(log_type);
        trace.clock_s = first_s;
    }
    trace
}
