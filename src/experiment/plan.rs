//! The plan: every run of an experiment with its identity, in the order in which they are started.

use super::run_spec::{DataIdentity, RunSpec, lookup};
use super::{Experiment, ExperimentError};
use crate::dataset::{LeakVerdict, Loader};
use crate::model::ModelSpec;
use crate::nearest::nearest;

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
    /// Runs that an ensemble chooses its members from; empty for every other model.
    pub candidates: Vec<String>,
    /// The model with the values of its axes, for people.
    pub label: String,
    /// SHA-256 of the data.
    pub dataset_sha256: String,
    /// Outcome of the split's proof.
    pub verdict: LeakVerdict,
}

/// Every run of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The runs; an ensemble comes after everything it may choose from.
    pub runs: Vec<Run>,
}

impl Plan {
    /// Plans an experiment: reads the data, proves every split, and gives every run its identity.
    ///
    /// # Errors
    /// Data that are missing, malformed or too short, at the key of the file that asks for them.
    pub fn new(
        experiment: &Experiment,
        loader: &mut Loader,
        device_class: &str,
    ) -> Result<Self, ExperimentError> {
        check_longest_reach(experiment, loader)?;
        let mut runs: Vec<Run> = Vec::new();
        let is_ensemble = |spec: &RunSpec| matches!(spec.model, ModelSpec::Ensemble(_));
        for ensembles in [false, true] {
            for trial in experiment.trials.iter().filter(|trial| is_ensemble(&trial.spec) == ensembles) {
                for fold in 0..trial.spec.split.folds {
                    let (sha256, verdict) = prepare(experiment, &trial.spec, fold, loader)?;
                    let data = DataIdentity { sha256, device_class: device_class.to_string() };
                    for seed in seeds_of(experiment, &trial.spec) {
                        let run = plan_run(experiment, &trial.spec, seed, fold, &data, &verdict, &runs);
                        if runs.iter().all(|other| other.id != run.id) {
                            runs.push(run);
                        }
                    }
                }
            }
        }
        Ok(Self { runs })
    }
}

fn plan_run(
    experiment: &Experiment,
    spec: &RunSpec,
    seed: Option<u64>,
    fold: usize,
    data: &DataIdentity,
    verdict: &LeakVerdict,
    earlier: &[Run],
) -> Run {
    let candidates = match &spec.model {
        ModelSpec::Ensemble(ensemble) => earlier
            .iter()
            .filter(|run| ensemble.members.iter().any(|member| member == run.spec.model.kind()))
            .filter(|run| run.fold == fold && (run.seed == seed || run.seed.is_none()))
            .filter(|run| run.spec.setting() == spec.setting())
            .map(|run| run.id.clone())
            .collect(),
        _ => Vec::new(),
    };
    Run {
        id: spec.id(seed, fold, data, &candidates),
        label: label(spec, &experiment.axes),
        spec: spec.clone(),
        seed,
        fold,
        candidates,
        dataset_sha256: data.sha256.clone(),
        verdict: verdict.clone(),
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
    let reach = |spec: &RunSpec| spec.task.lookback() + spec.task.horizon();
    let longest = experiment.trials.iter().map(|trial| &trial.spec).max_by_key(|spec| reach(spec));
    let Some(spec) = longest else { return Ok(()) };
    prepare(experiment, spec, 0, loader)?;
    check_objective(experiment, spec, loader)
}

/// The objective's target must be one that the task has.
fn check_objective(
    experiment: &Experiment,
    spec: &RunSpec,
    loader: &mut Loader,
) -> Result<(), ExperimentError> {
    let target = &experiment.spec.search.objective.target;
    let Ok(prepared) = loader.prepare(spec, 0) else { return Ok(()) };
    let known: Vec<&str> =
        prepared.steps.target_channels().iter().map(|channel| channel.name.as_str()).collect();
    if target == "all" || known.contains(&target.as_str()) {
        return Ok(());
    }
    let label = nearest(target, known.iter().copied())
        .map_or(String::new(), |near| format!("did you mean `{near}`?"));
    Err(experiment.error_at(
        &["search", "objective", "target"],
        format!("`{target}` is not a target of this task"),
        &label,
        format!("all, or one of: {}", known.join(", ")),
    ))
}

/// Reads the data of a run and proves its split, before anything is scheduled.
fn prepare(
    experiment: &Experiment,
    spec: &RunSpec,
    fold: usize,
    loader: &mut Loader,
) -> Result<(String, LeakVerdict), ExperimentError> {
    let prepared = loader.sha256(&spec.dataset).and_then(|hash| Ok((hash, loader.prepare(spec, fold)?)));
    let checked = prepared.and_then(|(hash, prepared)| Ok((hash, prepared.check(&spec.task)?)));
    checked
        .map_err(|error| experiment.error_at(&error.place(&spec.task), error.to_string(), "", error.help()))
}

/// `lstm hidden=64 learning_rate=0.001`: the model and the axes it reads.
fn label(spec: &RunSpec, axes: &[String]) -> String {
    let params = spec.params();
    let mut label = spec.model.kind().to_string();
    for axis in axes {
        if axis == "task.lookback" && spec.model.own_lookback().is_some() {
            continue;
        }
        if let Some(value) = lookup(&params, axis) {
            let name = axis.rsplit('.').next().unwrap_or(axis);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            label.extend([" ", name, "=", &value]);
        }
    }
    label
}
