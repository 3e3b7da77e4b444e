//! What `burstlab run` is asked for on the command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::OutputFormat;
use crate::engine::local::Budget;
use crate::plan::{Assignment, Partition, Run};

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

    /// How much may be started until when.
    pub(super) fn budget(&self, started: Instant) -> Budget {
        Budget {
            runs: self.max_runs.map(|runs| runs as usize),
            deadline: self.max_time.and_then(|time| started.checked_add(time)),
        }
    }
}
