//! The plan: every run of an experiment with its identity, in the order in which they are started.

use std::collections::HashSet;
use std::sync::Arc;

use crate::dataset::{LeakVerdict, Loader, Part, PrepareError};
use crate::search::{Point, TrialOutcome, Tried, propose};
use crate::spec::{
    Candidates, DataIdentity, EnsembleSpec, Experiment, ExperimentError, Identity, Metric, ModelSpec,
    RunSpec, SearchedEntry, SeasonError, Trial, run_label,
};
use crate::text::nearest;
use crate::train::Shape;

/// One run of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Hash of everything that determines its numbers.
    pub id: String,
    /// What is run.
    pub spec: RunSpec,
    /// Seed; `None` for a model without randomness.
    pub seed: Option<u64>,
    /// Fold of the rolling origin.
    pub fold: usize,
    /// The `[[models]]` entry that it stands for.
    pub entry: usize,
    /// Runs that an ensemble chooses its members from; empty for every other model.
    pub candidates: Vec<String>,
    /// The model with the values of its axes, for people.
    pub label: String,
    /// SHA-256 of the data.
    pub dataset_sha256: String,
    /// Outcome of the split's proof.
    pub verdict: LeakVerdict,
    /// Training windows.
    pub windows: usize,
    /// What its model sees and forecasts.
    pub shape: Shape,
}

/// Every run of an experiment that is known so far: under `tpe` later runs follow from the results of earlier ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The runs; an ensemble comes after everything it may choose from.
    pub runs: Vec<Arc<Run>>,
    /// Trials that `tpe` has proposed, for each entry that it searches.
    proposals: Vec<Vec<Proposal>>,
    /// Identities of the runs.
    planned: HashSet<String>,
    /// Whether nothing will be added any more.
    complete: bool,
}

/// One trial that `tpe` has proposed.
#[derive(Debug, Clone, PartialEq)]
struct Proposal {
    point: Point,
    /// Its runs, over seeds and folds; none for a point whose values do not fit together.
    run_ids: Vec<String>,
}

impl Plan {
    /// Plans an experiment as far as no result is needed: reads the data, proves every split, and gives every run its
    /// identity.
    ///
    /// # Errors
    /// Data that are missing, malformed or too short, at the key of the file that asks for them.
    pub fn new(
        experiment: &Experiment,
        loader: &mut Loader,
        device_class: &str,
    ) -> Result<Self, ExperimentError> {
        check_longest_reach(experiment, loader)?;
        let proposals = vec![Vec::new(); experiment.searched.len()];
        let mut plan = Self { runs: Vec::new(), proposals, planned: HashSet::new(), complete: false };
        for trial in experiment.trials.iter().filter(|trial| !is_ensemble(trial)) {
            plan.add(experiment, trial, loader, device_class)?;
        }
        plan.grow(experiment, loader, device_class, &|_| None)?;
        Ok(plan)
    }

    /// Whether nothing will be added any more.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Trials that `tpe` has yet to propose.
    pub fn unproposed(&self, experiment: &Experiment) -> usize {
        self.proposals.iter().map(|proposed| experiment.spec.search.trials - proposed.len()).sum()
    }

    /// Adds what follows from results: the next batch of every search, once all batches before are complete; then the
    /// ensembles. Returns whether a run was added.
    ///
    /// `outcome` tells what came of a run, or `None` as long as it may still change.
    ///
    /// # Errors
    /// Data that no longer are what they were.
    pub fn grow(
        &mut self,
        experiment: &Experiment,
        loader: &mut Loader,
        device_class: &str,
        outcome: &dyn Fn(&str) -> Option<TrialOutcome>,
    ) -> Result<bool, ExperimentError> {
        let before = self.runs.len();
        while !self.complete && self.runs.len() == before {
            if self.unproposed(experiment) > 0 {
                let Some(histories) = self.histories(outcome) else { break };
                for (search, history) in histories.iter().enumerate() {
                    self.propose(experiment, search, history, loader, device_class)?;
                }
            } else {
                // Ensembles choose among all runs; so they follow the last batch, of which nothing need be done yet.
                for trial in experiment.trials.iter().filter(|trial| is_ensemble(trial)) {
                    self.add(experiment, trial, loader, device_class)?;
                }
                self.complete = true;
            }
        }
        Ok(self.runs.len() > before)
    }

    /// What came of every trial so far; `None` if some run is not at its end.
    fn histories(&self, outcome: &dyn Fn(&str) -> Option<TrialOutcome>) -> Option<Vec<Vec<Tried>>> {
        let tried = |proposal: &Proposal| {
            let runs: Option<Vec<TrialOutcome>> = proposal.run_ids.iter().map(|id| outcome(id)).collect();
            Some(Tried { point: proposal.point.clone(), outcome: TrialOutcome::over(&runs?) })
        };
        self.proposals.iter().map(|proposals| proposals.iter().map(tried).collect()).collect()
    }

    /// The next batch of one search.
    fn propose(
        &mut self,
        experiment: &Experiment,
        search: usize,
        history: &[Tried],
        loader: &mut Loader,
        device_class: &str,
    ) -> Result<(), ExperimentError> {
        let SearchedEntry { entry, space } = &experiment.searched[search];
        let spec = &experiment.spec.search;
        let count = spec.batch.min(spec.trials - history.len());
        let points = propose(space, history, count, spec.seed, *entry as u64);
        let trials = experiment.trials_at(*entry, &points);
        for (point, trial) in points.into_iter().zip(trials) {
            // Values that do not fit together make a trial that fails without a run.
            let run_ids = match trial {
                Ok(trial) => self.add(experiment, &trial, loader, device_class)?,
                Err(_) => Vec::new(),
            };
            self.proposals[search].push(Proposal { point, run_ids });
        }
        Ok(())
    }

    /// Adds the runs of a trial over folds and seeds, and returns their identities.
    fn add(
        &mut self,
        experiment: &Experiment,
        trial: &Trial,
        loader: &mut Loader,
        device_class: &str,
    ) -> Result<Vec<String>, ExperimentError> {
        let mut run_ids = Vec::new();
        let trial = &in_steps(experiment, trial, loader)?;
        let resolved = Resolved::new(experiment, trial.entry, trial.spec.clone());
        for fold in 0..trial.spec.split.folds {
            for seed in seeds_of(experiment, &trial.spec) {
                let place = Place { seed, fold, device_class };
                let run = match &trial.spec.model {
                    ModelSpec::Ensemble(ensemble) => {
                        let (spec, members) = self.ensemble_of(&trial.spec, ensemble, seed, fold);
                        Resolved::new(experiment, trial.entry, spec)
                            .run(experiment, place, members, loader)?
                    }
                    _ => resolved.run(experiment, place, Vec::new(), loader)?,
                };
                run_ids.push(run.id.clone());
                if self.planned.insert(run.id.clone()) {
                    self.runs.push(Arc::new(run));
                }
            }
        }
        Ok(run_ids)
    }

    /// An ensemble as one seed and fold run it, and the runs that it chooses its members from.
    fn ensemble_of(
        &self,
        spec: &RunSpec,
        ensemble: &EnsembleSpec,
        seed: Option<u64>,
        fold: usize,
    ) -> (RunSpec, Vec<String>) {
        let setting = spec.setting();
        let chosen: Vec<&Arc<Run>> = self
            .runs
            .iter()
            .filter(|run| ensemble.members.iter().any(|member| member == run.spec.model.kind()))
            .filter(|run| run.fold == fold && (run.seed == seed || run.seed.is_none()))
            .filter(|run| run.spec.setting() == setting)
            .collect();
        let mut spec = spec.clone();
        // An ensemble reads what its members read, so its windows start where the longest of them can.
        if let Some(longest) = chosen.iter().map(|run| run.spec.task.lookback()).max() {
            spec.task.set_lookback(longest);
        }
        (spec, chosen.iter().map(|run| run.id.clone()).collect())
    }
}

fn is_ensemble(trial: &Trial) -> bool {
    matches!(trial.spec.model, ModelSpec::Ensemble(_))
}

/// Where a run stands beside those of the same trial.
#[derive(Clone, Copy)]
struct Place<'a> {
    seed: Option<u64>,
    fold: usize,
    device_class: &'a str,
}

/// What all runs of a trial share.
struct Resolved {
    entry: usize,
    spec: RunSpec,
    identity: Identity,
    label: String,
}

impl Resolved {
    fn new(experiment: &Experiment, entry: usize, spec: RunSpec) -> Self {
        let label = run_label(&spec.params(), &experiment.axes);
        Self { entry, identity: spec.identity(), label, spec }
    }

    fn run(
        &self,
        experiment: &Experiment,
        place: Place<'_>,
        candidates: Vec<String>,
        loader: &mut Loader,
    ) -> Result<Run, ExperimentError> {
        let Place { seed, fold, device_class } = place;
        let Proven { sha256, verdict, windows, shape } =
            prepare(experiment, self.entry, &self.spec, fold, loader)?;
        let follows = |loader: &mut Loader| loader.prepare(&self.spec, fold).ok()?.calendar();
        let calendar = if self.spec.model.needs_a_clock() { follows(loader) } else { None };
        let data = DataIdentity {
            sha256: sha256.clone(),
            device_class: device_class.to_string(),
            calendar: calendar.map(|(frequency, _)| frequency.to_string()),
        };
        let candidates = Candidates {
            run_ids: candidates,
            selection: experiment.spec.search.objective.on_validation(),
            pruner: experiment.spec.search.pruner.clone(),
        };
        Ok(Run {
            id: self.identity.run_id(seed, fold, &data, &candidates),
            label: self.label.clone(),
            seed,
            fold,
            entry: self.entry,
            candidates: candidates.run_ids,
            dataset_sha256: sha256,
            verdict,
            windows,
            shape,
            spec: self.spec.clone(),
        })
    }
}

/// A model without randomness runs once; an ensemble has the randomness of its members.
fn seeds_of(experiment: &Experiment, spec: &RunSpec) -> Vec<Option<u64>> {
    let random =
        match &spec.model {
            ModelSpec::Ensemble(ensemble) => experiment.spec.models.iter().any(|model| {
                model.is_trained() && ensemble.members.iter().any(|member| member == model.kind())
            }),
            model => model.is_trained(),
        };
    if random { experiment.spec.search.seeds.iter().copied().map(Some).collect() } else { vec![None] }
}

/// The trial that needs the most steps is checked first: its error tells the user what would be enough for all.
fn check_longest_reach(experiment: &Experiment, loader: &mut Loader) -> Result<(), ExperimentError> {
    let reach = |spec: &RunSpec| spec.task.lookback().saturating_add(spec.task.horizon());
    let corners = experiment.corners();
    let trials = experiment.trials.iter().chain(&corners);
    let trials = trials.map(|trial| in_steps(experiment, trial, loader)).collect::<Result<Vec<_>, _>>()?;
    let Some(trial) = trials.iter().max_by_key(|trial| reach(&trial.spec)) else { return Ok(()) };
    prepare(experiment, trial.entry, &trial.spec, 0, loader)?;
    check_objective(experiment, &trial.spec, loader)
}

/// The trial with a season in steps, where it is given as a length of time and the rows of the data say how long a step is.
fn in_steps(experiment: &Experiment, trial: &Trial, loader: &mut Loader) -> Result<Trial, ExperimentError> {
    let Some(season) = trial.spec.season_of_rows() else { return Ok(trial.clone()) };
    let (dataset, model) = (&trial.spec.dataset, trial.spec.model.kind());
    let steps = loader.series_clock(dataset).and_then(|clock| {
        let clock = clock.unwrap_or_default();
        let irregular = || PrepareError::Season(SeasonError::OfRows(season));
        let frequency = clock.pace(&dataset.cleaning).ok_or_else(irregular)?;
        if let Some(fault) = clock.first_fault(&dataset.cleaning) {
            return Err(PrepareError::Clock { fault, model });
        }
        let between = || SeasonError::BetweenRows { season, frequency: frequency.to_string() };
        frequency.steps_in(season.seconds()).ok_or_else(|| PrepareError::Season(between()))
    });
    let steps = steps.map_err(|error| at_its_place(experiment, trial.entry, &trial.spec, &error))?;
    Ok(Trial { entry: trial.entry, spec: trial.spec.clone().with_season(steps) })
}

/// The objective must be one that the runs will have, and so must every claim's metric.
fn check_objective(
    experiment: &Experiment,
    spec: &RunSpec,
    loader: &mut Loader,
) -> Result<(), ExperimentError> {
    let objective = &experiment.spec.search.objective;
    let Ok(prepared) = loader.prepare(spec, 0) else { return Ok(()) };
    let train = prepared.split.steps(Part::Train).len();
    let season = spec.evaluation.mase_season;
    if objective.metric == Metric::Mase && season >= train {
        return Err(experiment.error_at(
            &["evaluation", "mase_season"],
            format!(
                "mase is not defined: a season of {season} steps does not fit the {train} training steps"
            ),
            "",
            "give a shorter season, or choose another search.objective.metric".to_string(),
        ));
    }
    let known: Vec<&str> =
        prepared.steps.target_channels().iter().map(|channel| channel.name.as_str()).collect();
    check_target(experiment, &["search", "objective", "target"], &objective.target, &known)?;
    for (index, claim) in experiment.spec.claims.iter().enumerate() {
        check_target(experiment, &["claims", &index.to_string(), "target"], &claim.target, &known)?;
    }
    Ok(())
}

fn check_target(
    experiment: &Experiment,
    place: &[&str],
    target: &str,
    known: &[&str],
) -> Result<(), ExperimentError> {
    if target == "all" || known.contains(&target) {
        return Ok(());
    }
    let label = nearest(target, known.iter().copied())
        .map_or(String::new(), |near| format!("did you mean `{near}`?"));
    Err(experiment.error_at(
        place,
        format!("`{target}` is not a target of this task"),
        &label,
        format!("all, or one of: {}", known.join(", ")),
    ))
}

/// The data of a run whose split is proven.
struct Proven {
    sha256: String,
    verdict: LeakVerdict,
    /// Training windows.
    windows: usize,
    /// What its model sees and forecasts.
    shape: Shape,
}

/// Reads the data of a run and proves its split, before anything is scheduled.
fn prepare(
    experiment: &Experiment,
    entry: usize,
    spec: &RunSpec,
    fold: usize,
    loader: &mut Loader,
) -> Result<Proven, ExperimentError> {
    let prepared = loader.sha256(&spec.dataset).and_then(|hash| Ok((hash, loader.prepare(spec, fold)?)));
    let proven = prepared.and_then(|(sha256, prepared)| {
        let verdict = prepared.check(spec)?;
        let windows = prepared.split.origins(Part::Train, spec.task.lookback(), spec.task.horizon()).len();
        let shape = Shape {
            lookback: spec.task.lookback(),
            horizon: spec.task.horizon(),
            channels: prepared.steps.channels.len(),
            targets: prepared.steps.targets,
            heads: spec.training.loss.heads(),
        };
        Ok(Proven { sha256, verdict, windows, shape })
    });
    proven.map_err(|error| at_its_place(experiment, entry, spec, &error))
}

/// An error at the key of the file that is at fault.
fn at_its_place(
    experiment: &Experiment,
    entry: usize,
    spec: &RunSpec,
    error: &PrepareError,
) -> ExperimentError {
    let place = error.place(spec, entry);
    let keys: Vec<&str> = place.iter().map(String::as_str).collect();
    experiment.error_at(&keys, error.to_string(), "", error.help())
}
