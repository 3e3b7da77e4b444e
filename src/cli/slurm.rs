//! `burstlab run --engine slurm`: which parts of a plan have runs left, and their submission to Slurm.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf, absolute};

use anyhow::Context;
use serde_json::json;

use super::OutputFormat;
use super::console::Console;
use super::handover::{self, arguments, finished, part_arguments};
use super::planned_experiment::PlannedExperiment;
use super::run_args::RunArgs;
use crate::dataset::dataset_folder;
use crate::engine::slurm::{self, Scripts};
use crate::engine::{JobCommands, part_stores};
use crate::store::{experiment_folder, results_folder};

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
        let again =
            if jobs.last.is_some() { "" } else { "; give this command again when it has, for its last job" };
        console.note(&format!("{name}: {} has not ended yet, so nothing is submitted{again}", jobs.end()));
        return Ok(());
    }
    let here = if args.force { HashSet::new() } else { finished(name, &results)? };
    if sweep.runs().iter().all(|run| here.contains(&run.id)) {
        console.note(&format!("{name}: all {} runs are done already, nothing to run", sweep.runs().len()));
        return Ok(());
    }
    let begun = part_stores(&folder)?;
    let mut done = here;
    if !args.force {
        for part in &begun {
            done.extend(finished(name, part)?);
        }
    }
    let mut stores: Vec<&Path> = vec![&results];
    stores.extend(begun.iter().map(PathBuf::as_path));
    let assignment = handover::assignment(planned, slurm_spec.parts, &folder, &done, &stores)?;
    let parts = assignment.incomplete(&done);
    let commands = JobCommands {
        program: env::current_exe().context("cannot find the path of this program")?.display().to_string(),
        results: results.display().to_string(),
        folder: folder.display().to_string(),
        assignment: folder.join("parts.json").display().to_string(),
        count: slurm_spec.parts,
        arguments: arguments(&experiment.source.path, experiment, slurm_spec.cpus, class, args),
        part_arguments: part_arguments(args),
    };
    let scripts = Scripts {
        experiment: name,
        slurm: slurm_spec,
        dataset: &absolute(dataset_folder()).context("cannot find the dataset folder")?,
        working: &env::current_dir().context("cannot find the current folder")?,
        folder: folder.clone(),
        commands,
        assignment,
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
        "{name}: {array}; then {} merges the stores, runs what is left and writes {}\nlogs: {}",
        jobs.end(),
        experiment_folder(&results, name).join("report.html").display(),
        folder.join("logs").display()
    ));
    Ok(())
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
