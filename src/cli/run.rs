//! `burstlab run`: from experiment files to a report.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use walkdir::WalkDir;

use super::{OutputFormat, usage};
use crate::console::{Console, table};
use crate::dataset::{Loader, find_source};
use crate::device::{DeviceRequest, Machine, Placement};
use crate::exit_code::Exit;
use crate::experiment::{Experiment, Plan};
use crate::report;
use crate::report::claims::{self, Judgement};
use crate::scheduler::{Lab, LabOptions, Summary, has_files, interrupt};
use crate::store::{PlanRecord, Status, Store, results_folder};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Experiment files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the plan and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Runs at the same time; by default as many as the cores or GPUs carry
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    slots: Option<u16>,
    /// auto, cpu, cuda, cuda:0 or wgpu, instead of the experiment's
    #[arg(long)]
    device: Option<String>,
    /// Set a key of the experiment file, e.g. training.epochs=3 or models.lstm.hidden=64
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
    /// Stop at the first run that fails
    #[arg(long)]
    fail_fast: bool,
    /// Run everything once more, even what is done
    #[arg(long)]
    force: bool,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value = "human")]
    format: OutputFormat,
}

pub(super) fn run(args: &RunArgs, console: Console) -> anyhow::Result<Exit> {
    let files = experiment_files(&args.paths)?;
    let from_folder = args.paths.iter().any(|path| path.is_dir());
    let mut jobs = Vec::new();
    let mut skipped = Vec::new();
    // Everything is read and planned before anything runs: a mistake in the last file must not cost a night.
    let mut loader = Loader::default();
    for file in &files {
        let experiment = Experiment::load(file, &args.overrides)?;
        if from_folder && let Err(missing) = find_source(&experiment.spec.dataset.source) {
            console.note(&format!("skipped {}: {}; {}", file.display(), missing.message, missing.help));
            skipped.push(experiment);
            continue;
        }
        let same_name = jobs.iter().find(|job: &&Job| job.experiment.spec.name == experiment.spec.name);
        if let Some(other) = same_name {
            return Err(usage(format!(
                "{} and {} are both named `{}`, and would overwrite each other's report; rename one",
                other.experiment.source.path,
                file.display(),
                experiment.spec.name
            )));
        }
        jobs.push(Job::new(experiment, args, &mut loader)?);
    }
    drop(loader);
    if args.dry_run {
        for job in &jobs {
            print_plan(job, args.format, console)?;
        }
        return Ok(Exit::Ok);
    }
    interrupt::listen()?;
    for experiment in &skipped {
        report_skipped(experiment, args, console)?;
    }
    let mut exit = Exit::Ok;
    for job in &jobs {
        let (summary, refuted) = run_one(job, args, console)?;
        if summary.stopped {
            return Ok(Exit::Interrupted);
        }
        if summary.failed > 0 {
            exit = Exit::RunFailed;
            if args.fail_fast {
                break;
            }
        } else if refuted && exit == Exit::Ok {
            exit = Exit::Refuted;
        }
    }
    Ok(exit)
}

/// One planned experiment.
struct Job {
    experiment: Experiment,
    plan: Plan,
    slots: Vec<Placement>,
}

impl Job {
    fn new(experiment: Experiment, args: &RunArgs, loader: &mut Loader) -> anyhow::Result<Self> {
        let scheduler = &experiment.spec.scheduler;
        let device = args.device.as_deref().unwrap_or(&scheduler.device);
        let request = DeviceRequest::parse(device)
            .map_err(|message| usage(format!("{message}; give auto, cpu, cuda, cuda:0 or wgpu")))?;
        let machine = Machine::detect();
        let mut slots = machine
            .slots(request, scheduler.threads_per_run, scheduler.runs_per_gpu)
            .map_err(|error| usage(error.to_string()))?;
        if let Some(wanted) = args.slots {
            slots = slots.iter().copied().cycle().take(usize::from(wanted)).collect();
        }
        let plan = Plan::new(&experiment, loader, slots[0].class())?;
        Ok(Self { experiment, plan, slots })
    }
}

/// The files themselves, and every `.toml` below a folder, in the order of their names.
fn experiment_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut found = Vec::new();
            for entry in WalkDir::new(path).sort_by_file_name() {
                let entry = entry?;
                if entry.file_type().is_file() && entry.path().extension().is_some_and(|end| end == "toml") {
                    found.push(entry.into_path());
                }
            }
            if found.is_empty() {
                return Err(usage(format!("there is no .toml file below {}", path.display())));
            }
            files.extend(found);
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(usage(format!("there is no experiment file {}", path.display())));
        }
    }
    Ok(files)
}

/// An experiment of a folder whose data are not here: its claims are recorded and shown as not run.
fn report_skipped(experiment: &Experiment, args: &RunArgs, console: Console) -> anyhow::Result<()> {
    if experiment.spec.claims.is_empty() {
        return Ok(());
    }
    let name = &experiment.spec.name;
    let mut store = Store::open(&results_folder())?;
    store.record_experiment(experiment, &command_line())?;
    let judgements = judge_claims(&mut store, name)?;
    match args.format {
        OutputFormat::Human => console.result(&format!("{name}\n{}", super::claims::to_text(&judgements))),
        OutputFormat::Json => {
            let claims = claims::to_json(&judgements);
            console.result(&json!({ "experiment": name, "skipped": true, "claims": claims }).to_string());
        }
    }
    Ok(())
}

/// Judges the claims of an experiment and records the verdicts.
fn judge_claims(store: &mut Store, name: &str) -> anyhow::Result<Vec<Judgement>> {
    let judgements = claims::judge(store, name)?;
    let records: Vec<_> = judgements.iter().map(Judgement::record).collect();
    store.record_verdicts(name, &records)?;
    Ok(judgements)
}

fn command_line() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

/// Runs one experiment; the answer tells whether a claim was refuted that was not expected to be.
fn run_one(job: &Job, args: &RunArgs, console: Console) -> anyhow::Result<(Summary, bool)> {
    let results = results_folder();
    let name = &job.experiment.spec.name;
    let mut store = Store::open(&results)?;
    let recovered = store.recover()?;
    if recovered > 0 {
        console.note(&format!(
            "{recovered} runs were interrupted before; they run again where they are planned"
        ));
    }
    let path = &job.experiment.source.path;
    if let Ok(before) = store.experiment(name)
        && before.path != *path
    {
        console.note(&format!(
            "`{name}` was last run from {}; its report and its rows in `runs` are now those of {path}",
            before.path
        ));
    }
    store.record_plan(&PlanRecord {
        experiment: &job.experiment,
        plan: &job.plan,
        device_class: job.slots[0].class(),
        command: &command_line(),
    })?;
    let statuses = store.statuses(name)?;
    // A run whose files are gone can be neither asked nor plotted: it runs again.
    let finished = |id: &String| match statuses.get(id) {
        Some(Status::Done) => has_files(&results, id),
        Some(Status::Pruned) => true,
        _ => false,
    };
    let todo: Vec<usize> =
        (0..job.plan.runs.len()).filter(|&index| args.force || !finished(&job.plan.runs[index].id)).collect();
    let planned = job.plan.runs.len();
    let slots = job.slots.len().min(todo.len());
    if todo.is_empty() {
        console.note(&format!("{name}: all {planned} runs are done already, nothing to run"));
    } else {
        let skipped = planned - todo.len();
        let skipped =
            if skipped > 0 { format!(" ({skipped} of {planned} are done already)") } else { String::new() };
        let many = if slots == 1 { "slot" } else { "slots" };
        console.note(&format!("{name}: {} runs on {slots} {many}{skipped}", todo.len()));
    }
    let mut progress = console.sweep(todo.len(), slots);
    let lab = Lab::new(&mut store, options(job, args, &results), &job.plan.runs, &todo, &mut progress)?;
    let summary = lab.run()?;
    let wall_s = progress.finish();
    judge_claims(&mut store, name)?;
    // The report reads through a connection of its own, so that it sees what any reader would see.
    drop(store);
    let comparison = report::Comparison::read(&mut Store::open_read_only(&results)?, name)?;
    let written = report::write(&comparison, &results)?;
    print_outcome(job, &summary, wall_s, &comparison, &written, args.format, console);
    let refuted = comparison.claims.iter().any(Judgement::is_surprise);
    Ok((summary, refuted))
}

fn options(job: &Job, args: &RunArgs, results: &Path) -> LabOptions {
    let spec = &job.experiment.spec;
    let (git_commit, git_dirty) = git_state();
    LabOptions {
        experiment: spec.name.clone(),
        selection: spec.search.objective.on_validation(),
        results: results.to_path_buf(),
        slots: job.slots.clone(),
        threads_per_run: spec.scheduler.threads_per_run,
        timeout: spec.scheduler.timeout.map(|timeout| timeout.0),
        retries: spec.scheduler.retries,
        fail_fast: args.fail_fast,
        forced: args.force,
        git_commit,
        git_dirty,
    }
}

/// Commit and cleanliness of the repository that the command is given in; unknown without git or outside of one.
fn git_state() -> (Option<String>, Option<bool>) {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()))
}

fn print_plan(job: &Job, format: OutputFormat, console: Console) -> anyhow::Result<()> {
    let name = &job.experiment.spec.name;
    // Where there is no store yet, nothing is done yet.
    let statuses = match Store::open_read_only(&results_folder()) {
        Ok(mut store) => store.statuses(name)?,
        Err(_) => std::collections::HashMap::new(),
    };
    let status = |id: &str| statuses.get(id).copied().unwrap_or(Status::Planned).as_str();
    if format == OutputFormat::Json {
        let runs: Vec<_> = job
            .plan
            .runs
            .iter()
            .map(|run| {
                json!({ "run_id": run.id, "label": run.label, "seed": run.seed, "fold": run.fold,
                        "status": status(&run.id), "params": run.spec.params() })
            })
            .collect();
        console.result(&json!({ "experiment": name, "slots": job.slots.len(), "runs": runs }).to_string());
        return Ok(());
    }
    let rows: Vec<Vec<String>> = job
        .plan
        .runs
        .iter()
        .enumerate()
        .map(|(index, run)| {
            vec![
                (index + 1).to_string(),
                run.id.clone(),
                run.label.clone(),
                run.seed.map_or("-".to_string(), |seed| seed.to_string()),
                run.fold.to_string(),
                status(&run.id).to_string(),
            ]
        })
        .collect();
    console.result(&table(&["#", "run", "model", "seed", "fold", "status"], &rows, &[0, 3, 4]));
    let verdict = job.plan.runs.first().map_or("", |run| run.verdict.0.as_str());
    console.result(&format!("{name}: {} runs on {} slots; split {verdict}", rows.len(), job.slots.len()));
    Ok(())
}

fn print_outcome(
    job: &Job,
    summary: &Summary,
    wall_s: f64,
    comparison: &report::Comparison,
    written: &report::Written,
    format: OutputFormat,
    console: Console,
) {
    let name = &job.experiment.spec.name;
    if format == OutputFormat::Json {
        let outcome = json!({
            "experiment": name,
            "planned": job.plan.runs.len(),
            "done": summary.done,
            "done_elsewhere": summary.done_elsewhere,
            "failed": summary.failed,
            "interrupted": summary.interrupted,
            "not_started": summary.not_started,
            "wall_s": wall_s,
            "leaderboards": comparison.to_json(),
            "claims": claims::to_json(&comparison.claims),
            "report": written.html,
        });
        console.result(&outcome.to_string());
        return;
    }
    let mut parts = vec![format!("{} done", summary.done + summary.done_elsewhere)];
    for (count, what) in [
        (summary.failed, "failed"),
        (summary.interrupted, "interrupted"),
        (summary.not_started, "not started"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if summary.done + summary.failed + summary.interrupted > 0 {
        console.note(&format!("{name}: {} in {wall_s:.1} s", parts.join(", ")));
    }
    console.result(&comparison.to_text());
    if !comparison.claims.is_empty() {
        console.result(&format!("\n{}", super::claims::to_text(&comparison.claims)));
    }
    console.result(&format!("report: {}", written.html.display()));
}
