//! The `[scheduler.kubernetes]` table of an experiment file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::size::Bytes;

/// How `--engine kubernetes` hands the plan to a Kubernetes cluster: an Indexed Job whose pods each run a part of the plan, and
/// a last Job that merges the parts, runs what is left and writes the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesSpec {
    /// Container image with burstlab and a shell, e.g. `"registry.example.org/burstlab:0.1"`; the `Dockerfile` builds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Namespace of the jobs; by default that of the current context of `kubectl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Volume claim for the stores and the traces, which several pods can write to at the same time (`ReadWriteMany`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Size of the volume, e.g. `"50GiB"`: the claim is then made where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<Bytes>,
    /// Parts that the plan is divided into: the indices of the Indexed Job.
    pub parts: usize,
    /// At most this many pods at the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<usize>,
    /// How often a pod that failed is started again (`backoffLimitPerIndex`, `backoffLimit`). Evictions do not count.
    pub retries: usize,
    /// CPUs of each pod; `scheduler.threads_per_run` decides how many runs share them.
    pub cpus: usize,
    /// GPUs of each pod (`nvidia.com/gpu`); with `device = "auto"` the runs use them.
    pub gpus: usize,
    /// Main memory of each pod, e.g. `"8GiB"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Local queue of Kueue that admits the jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Further labels of the jobs and their pods, e.g. `{ team = "forecast" }`.
    pub labels: BTreeMap<String, String>,
}

impl Default for KubernetesSpec {
    fn default() -> Self {
        Self {
            image: None,
            namespace: None,
            volume: None,
            volume_size: None,
            parts: 8,
            parallelism: None,
            retries: 1,
            cpus: 1,
            gpus: 0,
            memory: None,
            queue: None,
            labels: BTreeMap::new(),
        }
    }
}
