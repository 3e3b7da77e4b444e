//! What a process is told to execute one run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::spec::RunSpec;

/// One run to execute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The run's identity.
    pub run_id: String,
    /// What to do.
    pub spec: RunSpec,
    /// Seed of its random stream; `None` for a model without randomness.
    pub seed: Option<u64>,
    /// Fold of the rolling origin.
    pub fold: usize,
    /// SHA-256 that the data had when the run was planned.
    pub dataset_sha256: String,
    /// Chosen members of an ensemble.
    pub members: Vec<String>,
    /// Epochs after which the worker waits for a verdict.
    pub rungs: Vec<usize>,
    /// The results folder.
    pub results: PathBuf,
}
