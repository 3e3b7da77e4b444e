//! The runs that a revision plans, all at once: what leaderboards, reports and lists of trials are computed from.

use anyhow::Context;
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use super::run_row::{RawRun, SharedParams};
use super::{RevisionId, RunRow, Store};

/// A row for each run would take longer on its way from SQLite's thread than to read, so each row of the answer is a JSON list
/// of many runs. JSON has 15 digits of a number, which is more than times have.
const LISTS_OF_RUNS: &str = "SELECT json_group_array(json_array(h.position, json_array(r.run_id, h.experiment, r.model, \
     r.seed, r.fold, r.status, coalesce(a.device, r.device), r.params, a.started_at, a.finished_at, a.wall_s, \
     a.peak_rss_bytes, (SELECT count(*) FROM attempts c WHERE c.run_id = r.run_id), a.git_commit, a.git_dirty, a.version, \
     r.dataset_sha256, r.leak_verdict, a.error, (SELECT group_concat(w.revision, ',') FROM revision_runs w \
      WHERE w.experiment = h.experiment AND w.run_id = h.run_id), \
     (SELECT group_concat(tag, ',') FROM run_tags t WHERE t.run_id = r.run_id), r.note))) FROM ";
const WITH_ATTEMPTS: &str = " CROSS JOIN run_records r ON r.run_id = h.run_id \
     LEFT JOIN attempts a ON a.attempt_id = coalesce( \
      (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id AND b.status = r.status), \
      (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id)) WHERE h.experiment = ";

/// The query of the runs that a revision plans; of some of them, each is looked up.
fn planned(revision: &RevisionId, run_ids: Option<&[String]>) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(LISTS_OF_RUNS);
    match run_ids {
        Some(run_ids) => {
            query.push("json_each(").push_bind(Value::from(run_ids).to_string());
            query.push(") chosen CROSS JOIN revision_runs h ON h.run_id = chosen.value")
        }
        None => query.push("revision_runs h"),
    };
    query.push(WITH_ATTEMPTS).push_bind(revision.experiment.clone());
    query.push(" AND h.revision = ").push_bind(revision.revision);
    query.push(" AND h.position IS NOT NULL GROUP BY h.position / 1000");
    query
}

/// What tells under which name a run competes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PlannedModel {
    /// The run's identity.
    pub run_id: String,
    /// Kind of its model.
    pub model: String,
    /// How the model is solved; `None` for a model without a choice.
    pub solver: Option<String>,
}

impl Store {
    /// The runs that a revision plans, in the order of its plan. It is as [`Self::runs`] with [`super::RunFilter::of`], but
    /// several times as fast.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn planned_runs(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<RunRow>> {
        self.read_planned(revision, None)
    }

    /// Those of some runs that a revision plans, in the order of its plan.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn planned_runs_among(
        &mut self,
        revision: &RevisionId,
        run_ids: &[String],
    ) -> anyhow::Result<Vec<RunRow>> {
        self.read_planned(revision, Some(run_ids))
    }

    fn read_planned(
        &mut self,
        revision: &RevisionId,
        run_ids: Option<&[String]>,
    ) -> anyhow::Result<Vec<RunRow>> {
        let (runtime, connection) = (&self.runtime, &mut self.connection);
        let mut query = planned(revision, run_ids);
        let mut lists = query.build_query_scalar::<String>().fetch(connection);
        let mut shared = SharedParams::default();
        let mut runs: Vec<(i64, RunRow)> = Vec::new();
        while let Some(list) =
            runtime.block_on(lists.try_next()).context("cannot read the runs from the store")?
        {
            let list: Vec<(i64, RawRun)> =
                serde_json::from_str(&list).context("damaged runs in the store")?;
            for (position, run) in list {
                runs.push((position, run.row(&mut shared)?));
            }
        }
        // The order within a list is SQLite's own.
        runs.sort_by_key(|(position, _)| *position);
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    /// The identities of the runs that a revision plans, in the order of its plan.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn planned_run_ids(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<String>> {
        let list: String = self
            .runtime
            .block_on(
                sqlx::query_scalar(
                    "SELECT json_group_array(run_id) FROM (SELECT run_id FROM revision_runs WHERE experiment = ? \
                     AND revision = ? AND position IS NOT NULL ORDER BY position)",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_one(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        serde_json::from_str(&list).context("damaged identities in the store")
    }

    /// The models of the runs that a revision plans, in the order of its plan.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn planned_models(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<PlannedModel>> {
        let list: String = self
            .runtime
            .block_on(
                sqlx::query_scalar(
                    "SELECT json_group_array(json_array(run_id, model, solver)) FROM (SELECT r.run_id, r.model, \
                     r.params ->> '$.model.solver' AS solver FROM revision_runs h CROSS JOIN run_records r USING (run_id) \
                     WHERE h.experiment = ? AND h.revision = ? AND h.position IS NOT NULL ORDER BY h.position)",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_one(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        serde_json::from_str(&list).context("damaged parameters in the store")
    }
}
