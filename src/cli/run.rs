//! `burstlab run`: from experiment files to a report.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::console::Console;
use super::exit_code::Exit;
use super::job::{Job, experiment_files};
use super::outcome::{note_outcome, opening, print_outcome, print_plan, print_share};
use super::{OutputFormat, slurm, usage};
use crate::compare::Comparison;
use crate::compare::claims::{Judgement, judge, to_json};
use crate::dataset::{Loader, find_source};
use crate::engine::local::{Budget, DispatchOptions, Dispatcher, Summary};
use crate::plan::{Partition, Run};
use crate::spec::{Experiment, SearchSpec, Strategy};
use crate::store::{PlanRecord, Store, results_folder};
use crate::system::interrupt;
use crate::{files, report};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Experiment files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the plan and run nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Runs at the same time; by default as many as the cores or GPUs carry
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) slots: Option<u16>,
    /// auto, cpu, cuda, cuda:0 or wgpu, instead of the experiment's
    #[arg(long)]
    pub(super) device: Option<String>,
    /// Set a key of the experiment file, e.g. training.epochs=3 or models.lstm.hidden=64
    #[arg(long = "set", value_name = "PATH=VALUE")]
    overrides: Vec<String>,
    /// Stop at the first run that fails
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Run everything once more, even what is done
    #[arg(long)]
    pub(super) force: bool,
    /// Run one of several stable shares of the plan, e.g. 2/4; `burstlab merge` brings their stores together
    #[arg(long, value_name = "I/N")]
    pub(super) partition: Option<Partition>,
    /// Who runs the plan: this machine, or a Slurm cluster
    #[arg(long, value_enum, default_value = "local", conflicts_with = "partition")]
    pub(super) engine: Engine,
    /// Start at most N runs, finish them, and leave the rest to the same command
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_runs: Option<u32>,
    /// Start nothing new after this time, e.g. 90min or 8h, finish what runs, and leave the rest to the same command
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_time: Option<Duration>,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value = "human")]
    pub(super) format: OutputFormat,
}

/// Who runs a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// Worker processes on this machine.
    Local,
    /// A job array on a Slurm cluster.
    Slurm,
}

impl RunArgs {
    /// Whether a run belongs to the share of the plan that is asked for.
    pub(super) fn holds(&self, run: &Run) -> bool {
        self.partition.is_none_or(|partition| partition.holds(run))
    }

    /// Whether that is less than the whole.
    pub(super) fn is_share(&self) -> bool {
        self.partition.is_some_and(|partition| partition.count > 1)
    }
}

pub(super) fn run(args: &RunArgs, console: Console) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let files = experiment_files(&args.paths)?;
    let from_folder = args.paths.iter().any(|path| path.is_dir());
    let mut jobs = Vec::new();
    let mut skipped = Vec::new();
    // Everything is read and planned before anything runs: a mistake in the last file must not cost a night.
    let mut loader = if args.dry_run { Loader::sharing() } else { Loader::keeping() };
    for file in &files {
        let experiment = Experiment::load(file, &args.overrides)?;
        if from_folder && let Err(missing) = find_source(&experiment.spec.dataset.source) {
            console.note(&format!("skipped {}: {}; {}", file.display(), missing.message, missing.help));
            skipped.push(experiment);
            continue;
        }
        let same_name = jobs.iter().find(|job: &&Job| job.sweep.experiment.spec.name == experiment.spec.name);
        if let Some(other) = same_name {
            return Err(usage(format!(
                "{} and {} are both named `{}`, and would overwrite each other's report; rename one",
                other.sweep.experiment.source.path,
                file.display(),
                experiment.spec.name
            )));
        }
        jobs.push(Job::new(experiment, args, &mut loader)?);
    }
    if let Some(error) = loader.unkept() {
        console.note(&format!("every worker prepares the data anew: {error:#}"));
    }
    drop(loader);
    if args.engine == Engine::Slurm {
        for job in &jobs {
            slurm::hand_over(job, args, console)?;
        }
        return Ok(Exit::Ok);
    }
    if args.dry_run {
        for job in &mut jobs {
            print_plan(job, args, console)?;
        }
        return Ok(Exit::Ok);
    }
    interrupt::listen()?;
    for experiment in &skipped {
        report_skipped(experiment, args, console)?;
    }
    let mut exit = Exit::Ok;
    let mut budget = Budget {
        runs: args.max_runs.map(|runs| runs as usize),
        deadline: args.max_time.and_then(|time| started.checked_add(time)),
    };
    for job in &mut jobs {
        let (summary, refuted) = run_one(job, args, budget, console)?;
        budget.runs = budget.runs.map(|runs| runs.saturating_sub(summary.started));
        if summary.stopped {
            return Ok(Exit::Interrupted);
        }
        if summary.spent.is_some() {
            // The next experiment may be done already, or else says what is left of it.
            exit = Exit::Interrupted;
            continue;
        }
        if summary.failed > 0 {
            if exit != Exit::Interrupted {
                exit = Exit::RunFailed;
            }
            if args.fail_fast {
                break;
            }
        } else if refuted && exit == Exit::Ok {
            exit = Exit::Refuted;
        }
    }
    Ok(exit)
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
    store.close()?;
    match args.format {
        OutputFormat::Human => console.result(&format!("{name}\n{}", super::claims::to_text(&judgements))),
        OutputFormat::Json => {
            let claims = to_json(&judgements);
            console.result(&json!({ "experiment": name, "skipped": true, "claims": claims }).to_string());
        }
    }
    Ok(())
}

/// Judges the claims of an experiment and records the verdicts.
fn judge_claims(store: &mut Store, name: &str) -> anyhow::Result<Vec<Judgement>> {
    let judgements = judge(store, name)?;
    let records: Vec<_> = judgements.iter().map(Judgement::record).collect();
    store.record_verdicts(name, &records)?;
    Ok(judgements)
}

fn command_line() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

/// Runs one experiment; the answer tells whether a claim was refuted that was not expected to be.
fn run_one(
    job: &mut Job,
    args: &RunArgs,
    budget: Budget,
    console: Console,
) -> anyhow::Result<(Summary, bool)> {
    let results = results_folder();
    let name = job.sweep.experiment.spec.name.clone();
    let mut store = Store::open(&results)?;
    let recovered = store.recover()?;
    for folder in [results.join("runs"), results.join(&name)] {
        files::clear_drafts(&folder);
    }
    if recovered > 0 {
        console.note(&format!(
            "{recovered} runs were interrupted before; they run again where they are planned"
        ));
    }
    let path = &job.sweep.experiment.source.path;
    if let Ok(before) = store.experiment(&name)
        && before.path != *path
    {
        console.note(&format!(
            "`{name}` was last run from {}; its report and its rows in `runs` are now those of {path}",
            before.path
        ));
    }
    let _lone = lone_search(&job.sweep.experiment.spec.search, &results, &name)?;
    job.sweep.replay(&mut store)?;
    store.record_plan(&PlanRecord {
        experiment: &job.sweep.experiment,
        plan: job.sweep.plan(),
        device_class: job.class,
        command: &command_line(),
    })?;
    let share: Vec<usize> =
        (0..job.sweep.runs().len()).filter(|&run| args.holds(&job.sweep.runs()[run])).collect();
    let todo: Vec<usize> =
        share.iter().copied().filter(|&run| args.force || !job.sweep.is_finished(run, &results)).collect();
    let planned = share.len();
    if let Some(partition) = args.partition {
        console
            .note(&format!("{name}: partition {partition} has {planned} of {} runs", job.sweep.runs().len()));
    }
    let slots = if job.sweep.is_complete() { job.slots.len().min(todo.len()) } else { job.slots.len() };
    if let Some(opening) = opening(&job.sweep, planned, todo.len(), slots) {
        console.note(&format!("{name}: {opening}"));
    }
    if let (Some(tight), false) = (&job.tight, todo.is_empty()) {
        console.note(&format!("{name}: {tight}"));
    }
    let mut progress = console.sweep(todo.len(), slots);
    let options = options(job, args, budget, &results);
    let lab = Dispatcher::new(&mut store, options, &mut job.sweep, &todo, &mut progress)?;
    let summary = lab.run()?;
    let wall_s = progress.finish();
    note_outcome(&name, &summary, wall_s, console);
    if args.is_share() {
        print_share(job, args, &summary, wall_s, planned, console);
        store.close()?;
        // What the claims are held against is complete only in the merged store.
        return Ok((summary, false));
    }
    judge_claims(&mut store, &name)?;
    // The report reads through a connection of its own, so that it sees what any reader would see.
    store.close()?;
    let comparison = Comparison::read(&mut Store::open_read_only(&results)?, &name)?;
    let written = report::write(&comparison, &results, report::PlotSet::Full)?;
    print_outcome(job, &summary, wall_s, &comparison, &written, args.format, console);
    let refuted = comparison.claims.iter().any(Judgement::is_surprise);
    Ok((summary, refuted))
}

/// Keeps a second supervisor from a search whose plan grows or whose runs are judged by each other: each would grow a
/// plan of its own. The lock ends with this process, however that ends.
fn lone_search(search: &SearchSpec, results: &Path, name: &str) -> anyhow::Result<Option<File>> {
    if search.strategy != Strategy::Tpe && search.pruner.is_none() {
        return Ok(None);
    }
    let path = results.join(format!(".search-{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => bail!(
            "another burstlab is at the search `{name}`, whose runs depend on each other; wait for it or stop it"
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn options(job: &Job, args: &RunArgs, budget: Budget, results: &Path) -> DispatchOptions {
    let spec = &job.sweep.experiment.spec;
    let (git_commit, git_dirty) = git_state();
    DispatchOptions {
        experiment: spec.name.clone(),
        selection: spec.search.objective.on_validation(),
        results: results.to_path_buf(),
        slots: job.slots.clone(),
        threads_per_run: spec.scheduler.threads_per_run,
        timeout: spec.scheduler.timeout.map(|timeout| timeout.0),
        grace: spec.scheduler.grace.0,
        retries: spec.scheduler.retries,
        backoff: spec.scheduler.backoff.0,
        fail_fast: args.fail_fast,
        forced: args.force,
        budget,
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
