//! `burstlab run --engine slurm`: which parts of a plan have runs left, and their submission to Slurm.

use std::collections::HashSet;
use std::path::{Path, absolute};

use anyhow::Context;
use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use super::planned_experiment::PlannedExperiment;
use super::run::RunArgs;
use crate::dataset::dataset_folder;
use crate::engine::slurm::{self, Scripts};
use crate::plan::Partition;
use crate::spec::Experiment;
use crate::store::{Status, Store, experiment_folder, has_files, results_folder};

/// Submits one planned experiment to Slurm, or prints the scripts that would be submitted.
pub(super) fn submit(planned: &PlannedExperiment, args: &RunArgs, console: Console) -> anyhow::Result<()> {
    let PlannedExperiment { sweep, class, .. } = planned;
    let experiment = &sweep.experiment;
    let spec = &experiment.spec;
    let name = &spec.name;
    let slurm_spec = &spec.scheduler.slurm;
    let results = absolute(results_folder()).context("cannot find the results folder")?;
    let folder = slurm::folder(&results, name);
    if !args.dry_run
        && let Some(jobs) = slurm::under_way(&folder)?
    {
        console.note(&format!("{name}: job {} has not ended yet, so nothing is submitted", jobs.last));
        return Ok(());
    }
    let here = if args.force { HashSet::new() } else { finished(name, &results)? };
    if sweep.runs().iter().all(|run| here.contains(&run.id)) {
        console.note(&format!("{name}: all {} runs are done already, nothing to run", sweep.runs().len()));
        return Ok(());
    }
    let mut done = here;
    if !args.force {
        for part in slurm::part_stores(&folder)? {
            done.extend(finished(name, &part)?);
        }
    }
    let parts: Vec<usize> = (1..=slurm_spec.parts)
        .filter(|&index| {
            let partition = Partition { index, count: slurm_spec.parts };
            sweep.runs().iter().any(|run| partition.holds(run) && !done.contains(&run.id))
        })
        .collect();
    let scripts = Scripts {
        experiment: name,
        slurm: slurm_spec,
        program: &std::env::current_exe().context("cannot find the path of this program")?,
        results: &results,
        dataset: &absolute(dataset_folder()).context("cannot find the dataset folder")?,
        working: &std::env::current_dir().context("cannot find the current folder")?,
        folder: folder.clone(),
        arguments: arguments(experiment, class, args),
        part_arguments: if args.force { vec!["--force".to_string()] } else { Vec::new() },
        parts,
    };
    if args.dry_run {
        show(&scripts, args.format, console);
        return Ok(());
    }
    let jobs = slurm::submit(&scripts)?;
    if args.format == OutputFormat::Json {
        let submitted = json!({
            "experiment": name, "array_job": jobs.array, "parts": scripts.parts, "last_job": jobs.last,
            "folder": folder,
        });
        console.result(&submitted.to_string());
        return Ok(());
    }
    let array = jobs.array.map_or("every part is done".to_string(), |array| {
        format!("job array {array} runs {} of {} parts", scripts.parts.len(), slurm_spec.parts)
    });
    console.result(&format!(
        "{name}: {array}; then job {} merges the stores, runs what is left and writes {}\nlogs: {}",
        jobs.last,
        experiment_folder(&results, name).join("report.html").display(),
        folder.join("logs").display()
    ));
    Ok(())
}

/// Finished runs of an experiment in one results folder; none where there is no store yet.
fn finished(name: &str, results: &Path) -> anyhow::Result<HashSet<String>> {
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

/// The arguments of `burstlab run` in every job: the same plan on the same device class, with the CPUs that the job has.
fn arguments(experiment: &Experiment, class: &str, args: &RunArgs) -> Vec<String> {
    let scheduler = &experiment.spec.scheduler;
    let mut arguments = vec![experiment.source.path.clone(), "--device".to_string(), class.to_string()];
    let by_cpus = (scheduler.slurm.cpus / scheduler.threads_per_run).max(1);
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

fn show(scripts: &Scripts<'_>, format: OutputFormat, console: Console) {
    let (array, last) = (scripts.array(), scripts.last());
    if format == OutputFormat::Json {
        let shown = json!({
            "experiment": scripts.experiment, "parts": scripts.parts, "array": array, "last": last,
        });
        console.result(&shown.to_string());
        return;
    }
    let folder = scripts.folder.display();
    if let Some(array) = array {
        console.result(&format!("# {folder}/array.sh\n{array}"));
    }
    console.result(&format!("# {folder}/last.sh\n{last}"));
}
