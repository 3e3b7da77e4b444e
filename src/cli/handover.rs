//! What `burstlab run --engine slurm` and `--engine kubernetes` have in common: which runs of a plan are left, the parts that
//! they are divided into, and what each job runs.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::planned_experiment::PlannedExperiment;
use super::run_args::RunArgs;
use crate::engine::Sweep;
use crate::plan::{Assignment, KnownCosts, Run, shape};
use crate::spec::Experiment;
use crate::store::{Status, Store, has_files};

/// Finished runs of an experiment in one results folder; none where there is no store yet.
pub(super) fn finished(name: &str, results: &Path) -> anyhow::Result<HashSet<String>> {
    if !results.join("burstlab.db").is_file() {
        return Ok(HashSet::new());
    }
    let statuses = Store::open_read_only(results)?.statuses_of_experiment(name)?;
    let finished = statuses.into_iter().filter(|(run, status)| match status {
        Status::Done => has_files(results, run),
        status => *status == Status::Pruned,
    });
    Ok(finished.map(|(run, _)| run).collect())
}

/// The division of a plan into parts: the one of the last time as long as it covers what is left, so that a part that was
/// stopped finds what it did in its own store; else a new one of what is left. Costs that are known from earlier runs in
/// `stores` are used here, and nowhere else: the parts read the outcome.
pub(super) fn assignment(
    planned: &PlannedExperiment,
    parts: usize,
    folder: &Path,
    done: &HashSet<String>,
    stores: &[&Path],
) -> anyhow::Result<Assignment> {
    let runs = || runs_of(&planned.sweep);
    if let Some(earlier) = Assignment::read(&folder.join("parts.json"))?
        && earlier.covers(runs(), done, parts)
    {
        return Ok(earlier);
    }
    Ok(Assignment::new(runs(), &known_costs(planned, stores)?, done, parts))
}

/// The runs of a plan.
pub(super) fn runs_of(sweep: &Sweep) -> impl Iterator<Item = &Run> + Clone {
    sweep.runs().iter().map(AsRef::as_ref)
}

/// Mean seconds of the earlier runs of each shape on this class of device and these data.
fn known_costs(planned: &PlannedExperiment, stores: &[&Path]) -> anyhow::Result<KnownCosts> {
    let data: HashSet<&str> = runs_of(&planned.sweep).map(|run| run.dataset_sha256.as_str()).collect();
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for results in stores.iter().filter(|results| results.join("burstlab.db").is_file()) {
        for (params, seconds) in Store::open_read_only(results)?.seconds_of_runs(planned.class, &data)? {
            let sum = sums.entry(shape(&params)).or_default();
            *sum = (sum.0 + seconds, sum.1 + 1.0);
        }
    }
    Ok(sums.into_iter().map(|(shape, (seconds, runs))| (shape, seconds / runs)).collect())
}

/// The arguments of `burstlab run` in every job: the same plan on the same device class, with the CPUs that the job has.
pub(super) fn arguments(
    file: &str,
    experiment: &Experiment,
    cpus: usize,
    class: &str,
    args: &RunArgs,
) -> Vec<String> {
    let mut arguments = vec![file.to_string(), "--device".to_string(), class.to_string()];
    let by_cpus = (cpus / experiment.spec.scheduler.threads_per_run).max(1);
    // Slots on GPUs follow from the GPUs that the job sees.
    let slots = args.slots.map(usize::from).or((class == "cpu").then_some(by_cpus));
    if let Some(slots) = slots {
        arguments.extend(["--slots".to_string(), slots.to_string()]);
    }
    for change in &experiment.source.overrides {
        arguments.extend(["--set".to_string(), change.clone()]);
    }
    if args.fail_fast {
        arguments.push("--fail-fast".to_string());
    }
    arguments
}

/// What the parts get beside.
pub(super) fn part_arguments(args: &RunArgs) -> Vec<String> {
    if args.force { vec!["--force".to_string()] } else { Vec::new() }
}
