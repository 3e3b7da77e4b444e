//! `burstlab run`: from experiment files to a report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::console::Console;
use super::exit_code::Exit;
use super::hooks::{self, Finished};
use super::planned_experiment::{Plans, plan_all};
use super::run_experiment::{ExperimentOutcome, record_skipped, run_experiment};
use super::run_output::print_plan;
use super::{OutputFormat, slurm, usage};
use crate::engine::local::Budget;
use crate::plan::{Partition, Run};
use crate::system::interrupt;

#[derive(Debug, Args)]
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
    /// Run one of N fixed parts of the plan, e.g. 2/4; `burstlab merge` combines the stores of the parts
    #[arg(long, value_name = "I/N")]
    pub(super) partition: Option<Partition>,
    /// Where the plan runs: on this machine, or on a Slurm cluster
    #[arg(long, value_enum, default_value = "local", conflicts_with = "partition")]
    pub(super) engine: Engine,
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
}

impl RunArgs {
    /// Whether a run belongs to the requested part of the plan.
    pub(super) fn holds(&self, run: &Run) -> bool {
        self.partition.is_none_or(|partition| partition.holds(run))
    }

    /// Whether only a part of the plan is requested.
    pub(super) fn is_partial(&self) -> bool {
        self.partition.is_some_and(|partition| partition.count > 1)
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
    let mut plans = plan_all(args, console)?;
    if args.engine == Engine::Slurm {
        if args.on_finish.is_some() || args.on_failure.is_some() {
            return Err(usage(
                "--on-finish and --on-failure need --engine local: under Slurm this command is over before the runs are; \
                 `sbatch --mail-type=END` tells of the end of a job",
            ));
        }
        for planned in &plans.planned {
            slurm::submit(planned, args, console)?;
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
