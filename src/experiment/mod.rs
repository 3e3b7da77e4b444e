//! The experiment file: read strictly, with every error at its place, and expanded into trials.

mod axis;
mod claim;
mod claim_check;
mod document;
mod duration;
mod expand;
mod partition;
mod plan;
mod problem;
mod run_spec;
mod scheduler_spec;
mod schema;
mod size;
mod spec;
mod validate;

use std::path::Path;

pub use claim::{Aggregate, ClaimPart, ClaimSpec, ClaimUnit, Conditions, Expectation, Tolerance};
pub use duration::Span;
pub use partition::Partition;
pub use plan::{Plan, Run};
pub use problem::{ExperimentError, Problem, Source};
pub use run_spec::{Candidates, DataIdentity, RunSpec, hex, lookup, run_label, setting_of};
pub use scheduler_spec::{SchedulerSpec, SlurmSpec};
pub use schema::json_schema;
pub use size::Bytes;
pub use spec::{
    CleaningSpec, ConformalSpec, DatasetSpec, EvaluationSpec, ExperimentSpec, Feature, Loss, Metric,
    NextRequestSpec, ObjectivePart, ObjectiveSpec, Optimizer, ReportSpec, ResourcesSpec, Schedule,
    SearchSpec, SeriesSpec, SplitSpec, Strategy, TaskSpec, TrainingSpec, UncertaintySpec, WindowLoadSpec,
};

use document::Document;

/// A valid experiment, expanded into its trials.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The typed file, with the first value of every axis.
    pub spec: ExperimentSpec,
    /// The text it was read from.
    pub source: Source,
    /// Every trial of every model, in file order.
    pub trials: Vec<Trial>,
    /// Names of the axes, in file order.
    pub axes: Vec<String>,
}

/// One point of the search for one `[[models]]` entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Index of the `[[models]]` entry.
    pub entry: usize,
    /// The resolved run.
    pub spec: RunSpec,
}

impl Experiment {
    /// Reads an experiment file, with overrides of the form `PATH=VALUE`.
    ///
    /// # Errors
    /// An unreadable file, or anything in it that is not a valid experiment.
    pub fn load(path: &Path, overrides: &[String]) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            anyhow::anyhow!("cannot read the experiment file {}: {error}", path.display())
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let nothing =
                Source { path: path.display().to_string(), text: String::new(), overrides: Vec::new() };
            Problem::at(None, format!("the experiment file is not UTF-8 text (byte {at})")).within(&nothing)
        })?;
        Ok(Self::parse(&path.display().to_string(), text, overrides)?)
    }

    /// Parses the text of an experiment file; `path` is only shown in errors.
    ///
    /// # Errors
    /// Anything that is not a valid experiment, with its place.
    pub fn parse(path: &str, text: String, overrides: &[String]) -> Result<Self, ExperimentError> {
        let source = Source { path: path.to_string(), text, overrides: overrides.to_vec() };
        let document = Document::parse(&source)?;
        let (spec, trials, axes) = expand::expand(&document).map_err(|problem| problem.within(&source))?;
        let plain = Self::without_overrides(&source);
        claim_check::check_claims(&document, &spec.claims, &trials, plain.as_deref(), &axes)
            .map_err(|problem| problem.within(&source))?;
        Ok(Self { spec, source, trials, axes })
    }

    /// The trials of the file as it stands, where overrides change it; `None` where it is no experiment without them.
    fn without_overrides(source: &Source) -> Option<Vec<Trial>> {
        if source.overrides.is_empty() {
            return None;
        }
        let plain = Source { overrides: Vec::new(), ..source.clone() };
        let document = Document::parse(&plain).ok()?;
        expand::expand(&document).ok().map(|(_, trials, _)| trials)
    }

    /// An error at a key of this file, for what only the data can tell.
    pub fn error_at(&self, path: &[&str], message: String, label: &str, help: String) -> ExperimentError {
        let keys: Vec<String> = path.iter().map(ToString::to_string).collect();
        let span = Document::parse(&self.source).ok().and_then(|document| document.span_of(&keys));
        Problem::at(span, message).label(label).help(help).within(&self.source)
    }
}
