//! `burstlab run`: from experiment files to a report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit_code::Exit;
use super::hooks::{self, Finished};
use super::planned_experiment::{Plans, plan_all};
use super::run_experiment::{ExperimentOutcome, record_skipped, run_experiment};
use super::run_output::print_plan;
use super::{OutputFormat, kubernetes, slurm, usage};
use crate::engine::local::Budget;
use crate::plan::{Assignment, Partition, Run};
use crate::system::interrupt;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub(super) struct RunArgs {
    /// Experiment files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Print the plan without running anything
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Number of concurrent runs; by default as many as the cores or GPUs allow
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) slots: Option<u16>,
    /// Device instead of the experiment's: auto, cpu, cuda, cuda:0 or wgpu
    #[arg(long)]
    pub(super) device: Option<String>,
    /// Override a key of the experiment file, e.g. training.epochs=3 or models.lstm.hidden=64
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Stop at the first run that fails
    #[arg(long)]
    pub(super) fail_fast: bool,
    /// Run everything again, including finished runs
    #[arg(long)]
    pub(super) force: bool,
    /// Run one of N fixed parts of the plan, e.g. 2/4, or auto in a task of an array job; 2/4:1/3 is the first third of that
    /// part; `burstlab merge` combines the stores of the parts
    #[arg(long, value_name = "I/N", value_parser = partition_here)]
    pub(super) partition: Option<Partition>,
    /// The file that says which run is in which part, as the engines of clusters write it
    #[arg(long, value_name = "FILE", requires = "partition", hide = true)]
    assignment: Option<PathBuf>,
    /// Where the plan runs: on this machine, or on a cluster
    #[arg(long, value_enum, default_value = "local", conflicts_with = "partition")]
    pub(super) engine: Engine,
    /// Hand the manifests of --engine kubernetes to kubectl, wait for the parts, then hand over the last job
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) apply: bool,
    /// Start at most N runs, finish them, and stop; the same command continues later
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_runs: Option<u32>,
    /// Start no run after this time, e.g. 90min or 8h, finish the running ones, and stop; the same command continues later
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    max_time: Option<Duration>,
    /// Shell command to call when an experiment has ended, with its outcome as JSON on standard input
    #[arg(long, value_name = "COMMAND")]
    pub(super) on_finish: Option<String>,
    /// Shell command to call, beside that of --on-finish, when a run failed, a claim was refuted, or the sweep was stopped
    #[arg(long, value_name = "COMMAND")]
    pub(super) on_failure: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "human")]
    pub(super) format: OutputFormat,
}

/// Where a plan runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// Worker processes on this machine.
    Local,
    /// A job array on a Slurm cluster.
    Slurm,
    /// An Indexed Job on a Kubernetes cluster.
    Kubernetes,
}

/// The partition that a text names in this process's environment.
fn partition_here(text: &str) -> Result<Partition, String> {
    Partition::parse(text, |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
}

impl RunArgs {
    /// The runs of a plan that belong to its requested part, by their position.
    pub(super) fn requested(&self, runs: &[Arc<Run>]) -> anyhow::Result<Vec<usize>> {
        match (&self.partition, &self.assignment) {
            (None, _) => Ok((0..runs.len()).collect()),
            (Some(partition), None) => Ok(partition.select(runs)),
            (Some(partition), Some(path)) => {
                let assignment = Assignment::read(path)?;
                assignment
                    .with_context(|| format!("there is no {}", path.display()))?
                    .select(partition, runs)
                    .with_context(|| format!("{} does not fit", path.display()))
            }
        }
    }

    /// Whether only a part of the plan is requested.
    pub(super) fn is_partial(&self) -> bool {
        self.partition.as_ref().is_some_and(|partition| !partition.is_whole()) || self.assignment.is_some()
    }

    fn budget(&self, started: Instant) -> Budget {
        Budget {
            runs: self.max_runs.map(|runs| runs as usize),
            deadline: self.max_time.and_then(|time| started.checked_add(time)),
        }
    }
}

pub(super) fn run(args: &RunArgs, console: Console) -> anyhow::Result<Exit> {
    let started = Instant::now();
    interrupt::listen(move || console.finish_lines(), Exit::Interrupted as u8)?;
    refuse_for_engine(args)?;
    let mut plans = plan_all(args, console)?;
    if args.engine != Engine::Local {
        for planned in &plans.planned {
            match args.engine {
                Engine::Kubernetes => kubernetes::submit(planned, args, console)?,
                _ => slurm::submit(planned, args, console)?,
            }
        }
        return Ok(Exit::Ok);
    }
    if args.dry_run {
        for planned in &mut plans.planned {
            print_plan(planned, args, &mut plans.loader, console)?;
        }
        return Ok(Exit::Ok);
    }
    // Until here there was nothing to lose.
    let _held = interrupt::hold();
    for experiment in &plans.skipped {
        record_skipped(experiment, args, console)?;
    }
    run_all(&mut plans, args, args.budget(started), console)
}

/// Refuses what an engine has no use for.
fn refuse_for_engine(args: &RunArgs) -> anyhow::Result<()> {
    if args.apply && args.engine != Engine::Kubernetes {
        return Err(usage("--apply needs --engine kubernetes: no other engine has manifests to hand over"));
    }
    if args.engine != Engine::Local && (args.on_finish.is_some() || args.on_failure.is_some()) {
        return Err(usage(
            "--on-finish and --on-failure need --engine local: on a cluster this command does not run the experiment; under \
             Slurm, `sbatch --mail-type=END` tells of the end of a job",
        ));
    }
    Ok(())
}

/// Runs the experiments one after the other within one budget.
fn run_all(plans: &mut Plans, args: &RunArgs, mut budget: Budget, console: Console) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    let Plans { planned, loader, .. } = plans;
    for planned in planned {
        let begun = Instant::now();
        let name = planned.sweep.experiment.spec.name.clone();
        let outcome = run_experiment(planned, args, loader, budget, console);
        hooks::call(args, &Finished::of(name, &outcome, begun.elapsed()), console);
        let ExperimentOutcome { summary, refuted, .. } = outcome?;
        budget.runs = budget.runs.map(|runs| runs.saturating_sub(summary.started));
        if summary.stopped {
            return Ok(Exit::Interrupted);
        }
        if summary.spent.is_some() {
            // The next experiment may be done already; otherwise it reports what is left of it.
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
