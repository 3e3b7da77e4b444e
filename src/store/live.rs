//! How a sweep stands this moment, for those who watch it.

use anyhow::Context;
use serde_json::Value;

use super::owner::{any_alive, is_alive};
use super::row::from_row;
use super::{RevisionId, Status, Store};
use crate::spec::ObjectiveSpec;

/// A run that a worker is at, or that ended last.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRun {
    /// The run's identity.
    pub run_id: String,
    /// The resolved run.
    pub params: Value,
    /// Its seed.
    pub seed: Option<i64>,
    /// Where it stands.
    pub status: Status,
    /// The device of its last attempt.
    pub device: String,
    /// When that attempt started.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Seconds that it took.
    pub wall_s: Option<f64>,
    /// Its error.
    pub error: Option<String>,
    /// Its last epoch with the validation loss.
    pub epoch: Option<(i64, f64)>,
    /// Whether the supervisor of the attempt still lives.
    pub alive: bool,
}

/// A trial with the mean of its runs.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadingTrial {
    /// The resolved run, without seed and fold.
    pub params: Value,
    /// Mean objective over the seeds and folds that are done.
    pub objective: f64,
    /// Runs that are done.
    pub done: i64,
    /// Runs of the trial.
    pub runs: i64,
}

struct LeadingRow {
    params: String,
    objective: f64,
    done: i64,
    runs: i64,
}

from_row!(LeadingRow { params, objective, done, runs });

struct LiveRow {
    run_id: String,
    params: String,
    seed: Option<i64>,
    status: String,
    device: String,
    started_at: String,
    finished_at: Option<String>,
    wall_s: Option<f64>,
    error: Option<String>,
    owner: String,
}

from_row!(LiveRow { run_id, params, seed, status, device, started_at, finished_at, wall_s, error, owner });

impl Store {
    /// The trial with the lowest mean objective, as the leaderboard chooses it: those that lack runs come behind all others.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn leading_trial(
        &mut self,
        revision: &RevisionId,
        objective: &ObjectiveSpec,
    ) -> anyhow::Result<Option<LeadingTrial>> {
        let row: Option<LeadingRow> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.params, avg(m.value) AS objective, count(m.value) AS done, count(*) AS runs \
                     FROM revision_runs h JOIN run_records r USING (run_id) LEFT JOIN metric_values m \
                     ON m.run = r.run AND r.status = 'done' AND m.metric = \
                     (SELECT metric FROM metric_keys WHERE part = ? AND target = ? AND name = ? AND unit = ?) \
                     WHERE h.experiment = ? AND h.revision = ? AND h.position IS NOT NULL GROUP BY r.params HAVING count(m.value) > 0 \
                     ORDER BY count(*) - count(m.value), avg(m.value) LIMIT 1",
                )
                .bind(objective.part.as_str())
                .bind(&objective.target)
                .bind(objective.metric.as_str())
                .bind(objective.unit())
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_optional(&mut self.connection),
            )
            .context("cannot read the leading trial from the store")?;
        row.map(|row| {
            let params = serde_json::from_str(&row.params).context("damaged parameters in the store")?;
            Ok(LeadingTrial { params, objective: row.objective, done: row.done, runs: row.runs })
        })
        .transpose()
    }

    /// Whether some supervisor that works on this store lives.
    ///
    /// # Errors
    /// A file system that does not tell.
    pub fn is_supervised(&self) -> anyhow::Result<bool> {
        any_alive(self.results())
    }

    /// The runs of a revision that workers are at, the oldest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn running_runs(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<LiveRun>> {
        self.live_runs(
            revision,
            "SELECT a.run_id, r.params, r.seed, a.status, a.device, a.started_at, a.finished_at, a.wall_s, a.error, a.owner \
             FROM attempts a JOIN run_records r USING (run_id) JOIN revision_runs h USING (run_id) \
             WHERE h.experiment = ? AND h.revision = ? AND h.position IS NOT NULL AND a.status = 'running' AND r.status = 'running' ORDER BY a.attempt_id",
        )
    }

    /// The attempts at runs of a revision that ended last, the latest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn last_ended_runs(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<LiveRun>> {
        self.live_runs(
            revision,
            "SELECT a.run_id, r.params, r.seed, a.status, a.device, a.started_at, a.finished_at, a.wall_s, a.error, a.owner \
             FROM attempts a JOIN run_records r USING (run_id) JOIN revision_runs h USING (run_id) \
             WHERE h.experiment = ? AND h.revision = ? AND h.position IS NOT NULL AND a.finished_at IS NOT NULL ORDER BY a.finished_at DESC, a.attempt_id DESC LIMIT 5",
        )
    }

    fn live_runs(&mut self, revision: &RevisionId, sql: &'static str) -> anyhow::Result<Vec<LiveRun>> {
        let rows: Vec<LiveRow> = self
            .runtime
            .block_on(
                sqlx::query_as(sql)
                    .bind(&revision.experiment)
                    .bind(revision.revision)
                    .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        rows.into_iter().map(|row| self.live_run(row)).collect()
    }

    fn live_run(&mut self, row: LiveRow) -> anyhow::Result<LiveRun> {
        let epoch: Option<(i64, f64)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT epoch, valid_loss FROM epoch_values \
                     WHERE run = (SELECT run FROM run_records WHERE run_id = ?) ORDER BY epoch DESC LIMIT 1",
                )
                .bind(&row.run_id)
                .fetch_optional(&mut self.connection),
            )
            .context("cannot read the epochs from the store")?;
        Ok(LiveRun {
            params: serde_json::from_str(&row.params).context("damaged parameters in the store")?,
            status: Status::parse(&row.status).with_context(|| format!("unknown status `{}`", row.status))?,
            alive: is_alive(self.results(), &row.owner)?,
            run_id: row.run_id,
            seed: row.seed,
            device: row.device,
            started_at: row.started_at,
            finished_at: row.finished_at,
            wall_s: row.wall_s,
            error: row.error,
            epoch,
        })
    }
}
