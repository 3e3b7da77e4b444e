//! `burstlab run`: from experiment files to a report.

use std::time::Instant;

use super::console::Console;
use super::hooks::{self, Finished};
use super::planned_experiment::{Plans, plan_all};
use super::run_args::{Engine, RunArgs};
use super::run_experiment::{ExperimentOutcome, record_skipped, run_experiment};
use super::run_output::print_plan;
use super::{kubernetes, slurm, usage};
use crate::engine::local::Budget;
use crate::system::exit_code::Exit;
use crate::system::interrupt;

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
