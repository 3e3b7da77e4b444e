//! A run as reports, lists and predictions read it.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

use super::Status;
use super::row::from_row;

/// One run with the attempt that its status comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// The run's identity.
    pub run_id: String,
    /// Its experiment.
    pub experiment: String,
    /// Kind of its model.
    pub model: String,
    /// Its seed.
    pub seed: Option<i64>,
    /// Its fold.
    pub fold: i64,
    /// Where it stands.
    pub status: Status,
    /// The device it ran on.
    pub device: String,
    /// The resolved run; those that differ only in seed or fold share it.
    pub params: Arc<Value>,
    /// When the last attempt started.
    pub started_at: Option<String>,
    /// When the last attempt ended.
    pub finished_at: Option<String>,
    /// Seconds that the last attempt took.
    pub wall_s: Option<f64>,
    /// Largest resident set of the last attempt.
    pub peak_rss_bytes: Option<i64>,
    /// Number of attempts.
    pub attempts: i64,
    /// Commit that the last attempt ran at.
    pub git_commit: Option<String>,
    /// Whether there were changes beside that commit.
    pub git_dirty: Option<bool>,
    /// Version of burstlab that the last attempt ran with.
    pub version: Option<String>,
    /// SHA-256 of the data.
    pub dataset_sha256: String,
    /// Outcome of the split's proof.
    pub leak_verdict: String,
    /// Error of the last attempt.
    pub error: Option<String>,
    /// The revisions that plan it or did, such as `1,2`.
    pub revisions: String,
    /// Its tags, with commas between them.
    pub tags: Option<String>,
    /// What a person wrote about it.
    pub note: Option<String>,
}

/// A run as the store has it, in the order of its columns.
#[derive(Deserialize)]
pub(super) struct RawRun {
    run_id: String,
    experiment: String,
    model: String,
    seed: Option<i64>,
    fold: i64,
    status: String,
    device: String,
    params: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    wall_s: Option<f64>,
    peak_rss_bytes: Option<i64>,
    attempts: i64,
    git_commit: Option<String>,
    git_dirty: Option<i64>,
    version: Option<String>,
    dataset_sha256: String,
    leak_verdict: String,
    error: Option<String>,
    revisions: String,
    tags: Option<String>,
    note: Option<String>,
}

from_row!(RawRun {
    run_id,
    experiment,
    model,
    seed,
    fold,
    status,
    device,
    params,
    started_at,
    finished_at,
    wall_s,
    peak_rss_bytes,
    attempts,
    git_commit,
    git_dirty,
    version,
    dataset_sha256,
    leak_verdict,
    error,
    revisions,
    tags,
    note
});

/// The parameters of runs, each read once: they are most of a run, and its seeds and folds share them.
#[derive(Default)]
pub(super) struct SharedParams(HashMap<String, Arc<Value>>);

impl SharedParams {
    fn of(&mut self, text: String) -> anyhow::Result<Arc<Value>> {
        if let Some(params) = self.0.get(&text) {
            return Ok(params.clone());
        }
        let params: Arc<Value> = serde_json::from_str(&text).context("damaged parameters in the store")?;
        self.0.insert(text, params.clone());
        Ok(params)
    }
}

impl RawRun {
    /// The run, with its parameters.
    pub(super) fn row(self, shared: &mut SharedParams) -> anyhow::Result<RunRow> {
        let params = shared.of(self.params)?;
        Ok(RunRow {
            status: Status::parse(&self.status)
                .with_context(|| format!("unknown status `{}`", self.status))?,
            params,
            run_id: self.run_id,
            experiment: self.experiment,
            model: self.model,
            seed: self.seed,
            fold: self.fold,
            device: self.device,
            started_at: self.started_at,
            finished_at: self.finished_at,
            wall_s: self.wall_s,
            peak_rss_bytes: self.peak_rss_bytes,
            attempts: self.attempts,
            git_commit: self.git_commit,
            git_dirty: self.git_dirty.map(|dirty| dirty != 0),
            version: self.version,
            dataset_sha256: self.dataset_sha256,
            leak_verdict: self.leak_verdict,
            error: self.error,
            revisions: self.revisions,
            tags: self.tags,
            note: self.note,
        })
    }
}
