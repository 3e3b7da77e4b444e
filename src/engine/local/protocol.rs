//! What supervisor and worker say to each other: one JSON object a line, jobs down, events up.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::spec::RunSpec;
use crate::store::RunResult;
use crate::train::Epoch;

/// Version of the protocol; both sides are the same binary, so a difference means that it was replaced meanwhile.
pub const PROTOCOL: u32 = 4;

/// From the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Execute a run.
    Run(Box<Job>),
    /// The verdict on the current run at one of its rungs.
    Verdict {
        /// The run.
        run_id: String,
        /// The rung.
        epoch: usize,
        /// Whether it goes on.
        goes_on: bool,
    },
}

/// One run for a worker.
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

/// From a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The worker is up.
    Ready {
        /// Its version of the protocol.
        protocol: u32,
    },
    /// An epoch of the current run ended.
    Epoch(Epoch),
    /// The current run is done and its files are in place.
    Done(Arc<RunResult>),
    /// The current run was given up, as it was told.
    Pruned {
        /// Seconds from the job's arrival, without those of waiting for verdicts.
        wall_s: f64,
        /// Largest resident set of the worker while the run went on.
        peak_rss_bytes: Option<u64>,
    },
    /// The current run failed in a way that it would fail again.
    Failed {
        /// Why.
        error: String,
        /// Largest resident set of the worker while the run went on.
        peak_rss_bytes: Option<u64>,
    },
    /// The current run is done but its files cannot be written: those of any other run could not either.
    Unsaved {
        /// Why, and what to do about it.
        error: String,
    },
}
