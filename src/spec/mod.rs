//! The experiment file: read strictly, with every error at its place, and expanded into trials.

mod axis;
mod axis_forms;
mod base;
mod claim;
mod claim_check;
mod claim_table;
mod deserialize;
mod document;
mod duration;
mod entry_space;
mod expand;
mod file;
mod model;
mod outline;
mod overrides;
mod pack_size;
mod params;
mod paste;
mod problem;
mod resolved;
mod run_spec;
mod schema;
mod search_check;
mod size;
mod source;
mod task;
mod tree;
mod typed_check;
mod unread_check;
mod validate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use claim::{Aggregate, ClaimPart, ClaimSpec, ClaimUnit, Conditions, Expectation, Tolerance};
pub use duration::Span;
pub use file::{
    BiasCorrection, CapacitySpec, ClaimCell, ClaimEntry, CleaningSpec, ColumnsSpec, ConformalSpec,
    DatasetSpec, EvaluationSpec, ExperimentSpec, GapPolicy, HUBER_DELTA, JudgedSteps, KubernetesSpec, Loss,
    Metric, ObjectivePart, ObjectiveSpec, Optimizer, PlanFor, RepeatPolicy, RequestColumns, Schedule,
    SchedulerSpec, SearchSpec, Separator, SeriesColumns, SlurmSpec, SplitSpec, Strategy, TimestampUnit,
    TrainingSpec, UncertaintySpec,
};
pub use model::{
    ArimaOrder, ArimaSpec, BASELINES, BoostedTreesSpec, ConstantTerm, DlinearSpec, EnsembleSpec, EtsSpec,
    EwmaSpec, FEWEST_STEPS, FilterUnits, GapFamily, KalmanSpec, LinearSpec, MOST_COMPONENTS, Misfit,
    ModelSpec, MovingAverageSpec, NeuralPointProcessSpec, OWN_LOOKBACK, OrderSearch, Parameterless,
    ProphetSpec, RecurrentSpec, RenewalSpec, Season, SeasonError, SeasonalNaiveSpec, Seasonality, Solver,
    TcnSpec, TsMixerSpec,
};
pub use outline::{SearchAxis, SearchOutline};
pub use pack_size::PackSize;
pub use params::lookup;
pub use problem::{ExperimentError, Problem};
pub(crate) use run_spec::shown_value;
pub use run_spec::{
    Candidates, DataIdentity, Identity, RunSpec, SettingParts, run_label, setting_of, setting_parts,
};
pub use schema::json_schema;
pub use size::Bytes;
pub use source::{BaseText, ExperimentText};
pub use task::{
    EmptyWindows, Feature, MeanTokensSpec, NextRequestSpec, SeriesSpec, TaskSpec, WindowLoadSpec,
};

use crate::search::{Dimension, Point};
use claim_table::placed_claims;
use document::ExperimentDocument;
use entry_space::TrialSpace;
use expand::{Expansion, expand};
use source::OVERRIDE;

/// A valid experiment, expanded into its trials.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// The typed file, with the first value of every axis.
    pub spec: ExperimentSpec,
    /// The texts that it was read from.
    pub source: Arc<ExperimentText>,
    /// The whole experiment as one file: the text of its file, or of one with a base a text that says the same without.
    /// Overrides are not in it.
    pub text: String,
    /// `dataset.source` as the file or an override says it, whatever is found there.
    pub source_said: String,
    /// Every trial that depends on no result, in file order.
    pub trials: Vec<Trial>,
    /// Names of the axes, in file order.
    pub axes: Vec<String>,
    /// What `tpe` searches, trial by trial.
    pub searched: Vec<SearchedEntry>,
    /// The reported results that it is held to, in file order; each cell of a table is one.
    pub claims: Vec<ClaimSpec>,
    /// The parsed file with its overrides.
    document: ExperimentDocument,
    space: TrialSpace,
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
    /// Reads an experiment file and the files that it derives from, with overrides of the form `PATH=VALUE`.
    ///
    /// # Errors
    /// An unreadable file, or anything in it that is not a valid experiment.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ExperimentError> {
        let unreadable =
            |reason: String| Problem::at(None, reason).within(&Arc::new(ExperimentText::unread(path)));
        let bytes = std::fs::read(path)
            .map_err(|error| unreadable(format!("cannot read the experiment file: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            unreadable(format!("the experiment file is not UTF-8 text (byte {at})"))
        })?;
        Self::parse(&path.display().to_string(), text, overrides)
    }

    /// Parses the text of an experiment file. Its path is shown in errors, and `base` is relative to it.
    ///
    /// # Errors
    /// Anything that is not a valid experiment, with its place.
    pub fn parse(path: &str, text: String, overrides: &[String]) -> Result<Self, ExperimentError> {
        let plain = ExperimentDocument::read(path, text, overrides)?;
        let document = plain.with_overrides()?;
        let text = plain.text();
        refuse_removed(&document)
            .and_then(|()| Self::expanded(&plain, &document, text))
            .map_err(|problem| problem.within(&document.source))
    }

    /// Parses the text that a store keeps of an experiment. What earlier versions read, and what changed no result, is passed
    /// over.
    ///
    /// # Errors
    /// As [`Experiment::parse`].
    pub fn parse_recorded(path: &str, text: String, overrides: &[String]) -> Result<Self, ExperimentError> {
        let plain = ExperimentDocument::read(path, text, overrides)?;
        let document = plain.with_overrides()?.without(REMOVED);
        let (plain, text) = (plain.without(REMOVED), plain.text());
        Self::expanded(&plain, &document, text).map_err(|problem| problem.within(&document.source))
    }

    fn expanded(
        plain: &ExperimentDocument,
        document: &ExperimentDocument,
        text: String,
    ) -> Result<Self, Problem> {
        // Trials do not depend on the claims, of which there may be many.
        let expansion = expand(document.without("claims"))?;
        let entries: Vec<ClaimEntry> = document.typed_key("claims")?.unwrap_or_default();
        let claims = placed_claims(document, &entries)?;
        let axes = expansion.axis_names();
        if !claims.is_empty() {
            let possible: Vec<Trial> = expansion.trials.iter().cloned().chain(expansion.corners()).collect();
            let without_overrides = trials_of(plain);
            claim_check::check_claims(document, &claims, &possible, &without_overrides, &axes)?;
        }
        let Expansion { spec, trials, searched, space } = expansion;
        Ok(Self {
            source_said: spec.dataset.source.clone(),
            spec: ExperimentSpec { claims: entries, ..spec },
            source: Arc::clone(&document.source),
            text,
            trials,
            axes,
            searched,
            claims: claims.into_iter().map(|placed| placed.claim).collect(),
            document: document.clone(),
            space,
        })
    }

    /// The trials at points of the space of a `[[models]]` entry. A point may be impossible: values that are possible
    /// one by one need not fit together.
    pub fn trials_at(&self, entry: usize, points: &[Point]) -> Vec<Result<Trial, ExperimentError>> {
        let trial = |point| self.space.trial(entry, point).map_err(|problem| problem.within(&self.source));
        points.iter().map(trial).collect()
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
    pub fn corners(&self) -> Vec<Trial> {
        self.searched.iter().flat_map(|searched| self.space.corners(searched.entry)).collect()
    }

    /// The folders that a relative `dataset.source` is looked for in, in this order: beside the file that says it, beside the
    /// experiment's own file, and the current folder. One that a `--set` says was typed in the current folder.
    pub fn source_folders(&self) -> Vec<PathBuf> {
        let beside = |file: &str| Path::new(file).parent().unwrap_or(Path::new("")).to_path_buf();
        let place = self.document.span_of(&["dataset", "source"]).unwrap_or_default();
        let (said_by, own) = (self.source.locate(&place).0, beside(&self.source.path));
        if said_by == OVERRIDE {
            vec![PathBuf::new(), own]
        } else {
            vec![beside(said_by), own, PathBuf::new()]
        }
    }

    /// Changes where the data are read from, everywhere.
    pub fn set_source(&mut self, source: String) {
        if source == self.spec.dataset.source {
            return;
        }
        self.document.set_string(&["dataset", "source"], &source);
        self.space.document.set_string(&["dataset", "source"], &source);
        for trial in &mut self.trials {
            trial.spec.dataset.source.clone_from(&source);
        }
        self.spec.dataset.source = source;
    }

    /// An error at a key of this file, for what only the data can tell.
    pub fn error_at(&self, path: &[&str], message: String, label: &str, help: String) -> ExperimentError {
        Problem::at(self.document.span_of(path), message).label(label).help(help).within(&self.source)
    }
}

/// The table of earlier versions that said what a token costs, for a forecast of memory and GPUs in the report.
const REMOVED: &str = "report";

/// Refuses a table that earlier versions read, and says what has taken its place.
fn refuse_removed(document: &ExperimentDocument) -> Result<(), Problem> {
    match document.key_span_of(&[REMOVED]) {
        Some(span) => Err(Problem::at(Some(span), "[report.resources] was removed: [capacity] says what the load needs")
            .label("remove this table")
            .help(
                "write [capacity] with prefill_tokens_per_s and decode_tokens_per_s in place of tokens_per_second, gpus_per_replica \
                 as it was, and cold_start; the report then tells replica hours and GPU hours",
            )),
        None => Ok(()),
    }
}

/// The trials of the file as it stands, where overrides change it; none where it is no experiment without them.
fn trials_of(plain: &ExperimentDocument) -> Vec<Trial> {
    if plain.source.overrides.is_empty() {
        return Vec::new();
    }
    expand(plain.without("claims")).map_or_else(
        |_| Vec::new(),
        |mut expansion| {
            let corners: Vec<Trial> = expansion.corners().collect();
            expansion.trials.extend(corners);
            expansion.trials
        },
    )
}
