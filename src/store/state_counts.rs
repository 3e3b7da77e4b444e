//! How many runs stand where, and marks that change with what pages show: cheap questions, asked again and again.

use anyhow::Context;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::row::from_row;
use super::{RevisionId, Store};

/// How many runs stand where.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StateCounts {
    /// Runs that are planned, whatever became of them.
    pub total: i64,
    /// Runs that are done, pruned, failed or timed out.
    pub ended: i64,
    /// Runs that are running.
    pub running: i64,
    /// Changes whenever a run changes its state.
    pub mark: f64,
}

from_row!(StateCounts { total, ended, running, mark });

/// Numbers of the states, so that a sum over runs changes when two of them change places.
const STATE_MARK: &str = "total(r.run * CASE r.status WHEN 'planned' THEN 0 WHEN 'running' THEN 1 WHEN 'done' THEN 2 \
     WHEN 'pruned' THEN 3 WHEN 'failed' THEN 4 WHEN 'timed_out' THEN 5 ELSE 6 END) AS mark";
const STATE_COUNTS: &str = "SELECT count(*) AS total, \
     coalesce(sum(r.status IN ('done', 'pruned', 'failed', 'timed_out')), 0) AS ended, \
     coalesce(sum(r.status = 'running'), 0) AS running, ";

impl Store {
    /// How many runs of a revision, or of the whole store, stand where.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn progress(&mut self, revision: Option<&RevisionId>) -> anyhow::Result<StateCounts> {
        self.runtime.block_on(state_counts(&mut self.connection, revision))
    }

    /// A text that changes with everything that the page of a revision shows: its runs with their notes and tags, their
    /// attempts, and its own row.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn revision_mark(&mut self, revision: &RevisionId) -> anyhow::Result<String> {
        self.runtime.block_on(revision_mark(&mut self.connection, revision))
    }

    /// A text that changes with every attempt, event and revision of the store, and with what people write about them.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn latest_mark(&mut self) -> anyhow::Result<String> {
        self.runtime
            .block_on(
                sqlx::query_scalar(
                    "SELECT json_array((SELECT max(event_id) FROM events), (SELECT max(attempt_id) FROM attempts), \
                     (SELECT group_concat(run_id || ' ' || tag) FROM run_tags), \
                     (SELECT group_concat(run || ' ' || note) FROM run_records WHERE note IS NOT NULL), (SELECT json_group_array(json_array(experiment, revision, updated_at, \
                      finished_at, outcome, note, archived)) FROM revisions), \
                     (SELECT json_group_array(json_array(experiment, revision, tag)) FROM revision_tags))",
                )
                .fetch_one(&mut self.connection),
            )
            .context("cannot read the experiments from the store")
    }

    /// Where a run stands, and a text that changes with what its page shows.
    ///
    /// # Errors
    /// A store that cannot be read, or a run that is not in it.
    pub fn run_mark(&mut self, run_id: &str) -> anyhow::Result<(StateCounts, String)> {
        let (status, mark): (String, String) = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.status, json_array(r.status, r.note, (SELECT count(*) FROM attempts a WHERE a.run_id = r.run_id), \
                     (SELECT count(*) FROM epoch_values e WHERE e.run = r.run), \
                     (SELECT group_concat(tag) FROM run_tags t WHERE t.run_id = r.run_id)) \
                     FROM run_records r WHERE r.run_id = ?",
                )
                .bind(run_id)
                .fetch_one(&mut self.connection),
            )
            .with_context(|| format!("cannot read run {run_id} from the store"))?;
        let ended = ["done", "pruned", "failed", "timed_out"].contains(&status.as_str());
        let running = status == "running";
        Ok((StateCounts { total: 1, ended: ended.into(), running: running.into(), mark: 0.0 }, mark))
    }
}

async fn state_counts(
    connection: &mut SqliteConnection,
    revision: Option<&RevisionId>,
) -> anyhow::Result<StateCounts> {
    let mut query = QueryBuilder::<Sqlite>::new(STATE_COUNTS);
    query.push(STATE_MARK);
    match revision {
        None => query.push(" FROM run_records r"),
        Some(RevisionId { experiment, revision }) => query
            .push(" FROM revision_runs h JOIN run_records r USING (run_id) WHERE h.experiment = ")
            .push_bind(experiment.clone())
            .push(" AND h.revision = ")
            .push_bind(*revision)
            .push(" AND (h.position IS NOT NULL OR r.status <> 'planned')"),
    };
    query.build_query_as().fetch_one(connection).await.context("cannot read the runs from the store")
}

/// As [`Store::revision_mark`], also within a transaction.
pub(super) async fn revision_mark(
    connection: &mut SqliteConnection,
    revision: &RevisionId,
) -> anyhow::Result<String> {
    let StateCounts { total, mark, .. } = state_counts(connection, Some(revision)).await?;
    let (attempts, row): (f64, String) = sqlx::query_as(
        "SELECT (SELECT total(a.attempt_id) FROM revision_runs h JOIN attempts a USING (run_id) \
         WHERE h.experiment = v.experiment AND h.revision = v.revision), \
         json_array(v.updated_at, v.finished_at, v.outcome, v.note, v.archived, v.unproposed, v.path, \
         v.command, (SELECT revision FROM experiments e WHERE e.name = v.experiment), \
         (SELECT group_concat(tag, ',') FROM revision_tags t WHERE t.experiment = v.experiment \
          AND t.revision = v.revision), \
         (SELECT group_concat(r.run || ' ' || r.note) FROM revision_runs h JOIN run_records r USING (run_id) \
          WHERE h.experiment = v.experiment AND h.revision = v.revision AND r.note IS NOT NULL), \
         (SELECT group_concat(t.run_id || ' ' || t.tag) FROM revision_runs h JOIN run_tags t USING (run_id) \
          WHERE h.experiment = v.experiment AND h.revision = v.revision), \
         (SELECT max(judged_at) FROM claims c WHERE c.experiment = v.experiment AND c.revision = v.revision)) \
         FROM revisions v WHERE v.experiment = ? AND v.revision = ?",
    )
    .bind(&revision.experiment)
    .bind(revision.revision)
    .fetch_one(connection)
    .await
    .context("cannot read the experiments from the store")?;
    Ok(format!("{total} {mark} {attempts} {row}"))
}
