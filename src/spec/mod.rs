//! The experiment file: read strictly, with every error at its place, and expanded into trials.

mod axis;
mod claim;
mod claim_check;
mod document;
mod duration;
mod entry_space;
mod expand;
mod file;
mod model;
mod problem;
mod run_spec;
mod schema;
mod search_check;
mod size;
mod unread_check;
mod validate;

use std::path::Path;

pub use claim::{Aggregate, ClaimPart, ClaimSpec, ClaimUnit, Conditions, Expectation, Tolerance};
pub use duration::Span;
pub use file::{
    CleaningSpec, ColumnsSpec, ConformalSpec, DatasetSpec, EvaluationSpec, ExperimentSpec, Feature,
    HUBER_DELTA, JudgedSteps, Loss, Metric, NextRequestSpec, ObjectivePart, ObjectiveSpec, Optimizer,
    ReportSpec, ResourcesSpec, Schedule, SchedulerSpec, SearchSpec, SeriesSpec, SlurmSpec, SplitSpec,
    Strategy, TaskSpec, TimestampUnit, TrainingSpec, UncertaintySpec, WindowLoadSpec,
};
pub use model::{
    BASELINES, BoostedTreesSpec, DlinearSpec, EnsembleSpec, EwmaSpec, FEWEST_STEPS, FilterUnits, GapFamily,
    KalmanSpec, LinearSpec, MOST_COMPONENTS, ModelSpec, MovingAverageSpec, NeuralPointProcessSpec,
    OWN_LOOKBACK, Parameterless, ProphetSpec, RecurrentSpec, RenewalSpec, Season, SeasonalNaiveSpec,
    Seasonality, Solver, TcnSpec, TsMixerSpec, Violation,
};
pub use problem::{ExperimentError, Problem, Source};
pub use run_spec::{Candidates, DataIdentity, Identity, RunSpec, lookup, run_label, setting_of};
pub use schema::json_schema;
pub use size::Bytes;

use crate::search::{Dimension, Point};
use document::Document;
use expand::Expansion;

/// A valid experiment, expanded into its trials.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The typed file, with the first value of every axis.
    pub spec: ExperimentSpec,
    /// The text it was read from.
    pub source: Source,
    /// Every trial that depends on no result, in file order.
    pub trials: Vec<Trial>,
    /// Names of the axes, in file order.
    pub axes: Vec<String>,
    /// What `tpe` searches, trial by trial.
    pub searched: Vec<SearchedEntry>,
}

/// A `[[models]]` entry whose trials `tpe` proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchedEntry {
    /// Index of the entry.
    pub entry: usize,
    /// Its axes, those that move together as one.
    pub space: Vec<Dimension>,
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
        let Expansion { spec, trials, axes, searched } =
            expand::expand(&document).map_err(|problem| problem.within(&source))?;
        let plain = Self::without_overrides(&source);
        let mut possible = trials.clone();
        possible.extend(expand::corners(&document, &searched).map_err(|problem| problem.within(&source))?);
        claim_check::check_claims(&document, &spec.claims, &possible, plain.as_deref(), &axes)
            .map_err(|problem| problem.within(&source))?;
        Ok(Self { spec, source, trials, axes, searched })
    }

    /// The trials at points of the space of a `[[models]]` entry. A point may be impossible: values that are possible
    /// one by one need not fit together.
    ///
    /// # Errors
    /// A file that is not a valid experiment.
    pub fn trials_at(
        &self,
        entry: usize,
        points: &[Point],
    ) -> Result<Vec<Result<Trial, ExperimentError>>, ExperimentError> {
        let document = Document::parse(&self.source)?;
        let trials = expand::trials_at(&document, entry, points);
        let trials = trials.map_err(|problem| problem.within(&self.source))?;
        Ok(trials.into_iter().map(|trial| trial.map_err(|problem| problem.within(&self.source))).collect())
    }

    /// Why the plan cannot be divided over stores that do not know of each other, if it cannot.
    pub fn indivisible(&self) -> Option<String> {
        if !self.searched.is_empty() {
            return Some("tpe proposes trials from the results of all earlier ones".to_string());
        }
        let pruner = self.spec.search.pruner.as_ref()?;
        Some(format!("{} judges trials by all earlier ones", pruner.name()))
    }

    /// Trials that `tpe` might propose: one axis after the other at each of its choices or ends, so that whatever needs the
    /// most steps is among them.
    ///
    /// # Errors
    /// A file that is not a valid experiment.
    pub fn corners(&self) -> Result<Vec<Trial>, ExperimentError> {
        let document = Document::parse(&self.source)?;
        expand::corners(&document, &self.searched).map_err(|problem| problem.within(&self.source))
    }

    /// The trials of the file as it stands, where overrides change it; `None` where it is no experiment without them.
    fn without_overrides(source: &Source) -> Option<Vec<Trial>> {
        if source.overrides.is_empty() {
            return None;
        }
        let plain = Source { overrides: Vec::new(), ..source.clone() };
        let document = Document::parse(&plain).ok()?;
        let Expansion { mut trials, searched, .. } = expand::expand(&document).ok()?;
        trials.extend(expand::corners(&document, &searched).ok()?);
        Some(trials)
    }

    /// An error at a key of this file, for what only the data can tell.
    pub fn error_at(&self, path: &[&str], message: String, label: &str, help: String) -> ExperimentError {
        let keys: Vec<String> = path.iter().map(ToString::to_string).collect();
        let span = Document::parse(&self.source).ok().and_then(|document| document.span_of(&keys));
        Problem::at(span, message).label(label).help(help).within(&self.source)
    }
}
