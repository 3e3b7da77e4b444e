//! What lists of trials, and executions of a recorded run, read.

use std::collections::HashMap;

use anyhow::Context;

use super::row::from_row;
use super::{RevisionId, Store};

/// What a run was computed from and on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrigin {
    /// `cpu`, `cuda` or `wgpu`.
    pub device_class: String,
    /// SHA-256 of the data.
    pub dataset_sha256: String,
}

from_row!(RunOrigin { device_class, dataset_sha256 });

/// How far a pruned run came.
#[derive(Debug, Clone, PartialEq)]
pub struct PrunedRun {
    /// The run's identity.
    pub run_id: String,
    /// Its last epoch.
    pub epoch: i64,
    /// Its lowest validation loss, by which pruners judge.
    pub valid_loss: f64,
}

from_row!(PrunedRun { run_id, epoch, valid_loss });

impl Store {
    /// The pruned runs of a revision that have an epoch, sorted by their identities.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn pruned_runs(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<PrunedRun>> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.run_id, max(e.epoch) AS epoch, min(e.valid_loss) AS valid_loss \
                     FROM revision_runs h CROSS JOIN run_records r USING (run_id) \
                     CROSS JOIN epoch_values e ON e.run = r.run \
                     WHERE h.experiment = ? AND h.revision = ? AND r.status = 'pruned' GROUP BY r.run_id ORDER BY r.run_id",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the pruned runs from the store")
    }

    /// The last epoch of every run of a revision that has one.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn epochs_reached(&mut self, revision: &RevisionId) -> anyhow::Result<HashMap<String, i64>> {
        let rows: Vec<(String, i64)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.run_id, max(e.epoch) FROM revision_runs h CROSS JOIN run_records r USING (run_id) \
                     CROSS JOIN epoch_values e ON e.run = r.run WHERE h.experiment = ? AND h.revision = ? GROUP BY r.run_id",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the epochs from the store")?;
        Ok(rows.into_iter().collect())
    }

    /// What a run was computed from and on, whether or not an experiment still plans it.
    ///
    /// # Errors
    /// A store that cannot be read, or a run that is not in it.
    pub fn run_origin(&mut self, run_id: &str) -> anyhow::Result<RunOrigin> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT device AS device_class, dataset_sha256 FROM run_records WHERE run_id = ?",
                )
                .bind(run_id)
                .fetch_one(&mut self.connection),
            )
            .with_context(|| format!("cannot read run {run_id} from the store"))
    }
}
