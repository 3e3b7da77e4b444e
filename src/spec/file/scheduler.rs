//! The `[scheduler]` table of an experiment file: where its runs are placed, and what happens when one fails.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kubernetes::KubernetesSpec;
use crate::spec::duration::Span;
use crate::spec::pack_size::PackSize;
use crate::spec::size::Bytes;

/// How the runs are placed on the machine. It changes no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SchedulerSpec {
    /// `auto`, `cpu`, `cuda`, `cuda:0` or `wgpu`.
    pub device: String,
    /// CPU threads of each run.
    pub threads_per_run: usize,
    /// Runs that share one GPU.
    pub runs_per_gpu: usize,
    /// Runs of one shape that are trained together, as one program: `"auto"` for as many as fit on a GPU and for one on the
    /// CPU, or a number for any device, which with wgpu is limited by the largest tensor of the adapter. Their results agree to
    /// about five digits with those of each run alone.
    pub pack: PackSize,
    /// Main memory that one run may take, e.g. `"2GiB"`: only as many runs go on at once as fit into the memory that is
    /// available when the sweep starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_per_run: Option<Bytes>,
    /// A run that takes longer is stopped and marked `timed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Time that a run has to end after `timeout`, between SIGTERM and SIGKILL.
    pub grace: Span,
    /// How often a run is tried again after its worker crashed or timed out. Out-of-memory failures do not consume a
    /// retry: such a run is tried once more while nothing else runs.
    pub retries: usize,
    /// Pause before a run is tried again; it doubles with each attempt, up to five minutes. Other runs go on meanwhile.
    pub backoff: Span,
    /// How `--engine slurm` hands the plan to Slurm.
    pub slurm: SlurmSpec,
    /// How `--engine kubernetes` hands the plan to a Kubernetes cluster.
    pub kubernetes: KubernetesSpec,
}

impl Default for SchedulerSpec {
    fn default() -> Self {
        Self {
            device: "auto".to_string(),
            threads_per_run: 1,
            runs_per_gpu: 1,
            pack: PackSize::Auto,
            memory_per_run: None,
            timeout: None,
            grace: Span(Duration::from_secs(10)),
            retries: 1,
            backoff: Span(Duration::from_secs(1)),
            slurm: SlurmSpec::default(),
            kubernetes: KubernetesSpec::default(),
        }
    }
}

/// How `--engine slurm` hands the plan to Slurm: a job array whose tasks each run a part of the plan, and a last job
/// that merges the parts, runs what is left and writes the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSpec {
    /// Slurm's partition (queue); by default the cluster's default partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Parts that the plan is divided into: the tasks of the job array.
    pub parts: usize,
    /// At most this many tasks of the array at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array_limit: Option<usize>,
    /// Time limit of each job, e.g. `"4h"`; rounded up to whole minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Span>,
    /// CPUs of each job; `scheduler.threads_per_run` decides how many runs share them.
    pub cpus: usize,
    /// GPUs of each job; with `device = "auto"` the runs use them.
    pub gpus: usize,
    /// Main memory of each job, e.g. `"8GiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Further options of `sbatch` for each job, e.g. `["--account=forecast", "--nodelist=n[1-4]"]`.
    pub options: Vec<String>,
}

impl Default for SlurmSpec {
    fn default() -> Self {
        Self {
            partition: None,
            parts: 8,
            array_limit: None,
            time: None,
            cpus: 1,
            gpus: 0,
            memory: None,
            options: Vec::new(),
        }
    }
}
