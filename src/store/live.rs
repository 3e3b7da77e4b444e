//! How a sweep stands this moment, for those who watch it.

use anyhow::Context;
use serde_json::Value;

use super::owner::{any_alive, is_alive};
use super::row::from_row;
use super::{RevisionId, Status, Store};
use crate::spec::{BASELINES, ObjectiveSpec, setting_of};

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

/// The best trial of a setting. Errors of different settings do not compare.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingLeader {
    /// The best of all trials.
    pub best: LeadingTrial,
    /// The best of the naive baselines.
    pub baseline: Option<LeadingTrial>,
}

/// A trial with the mean of its runs.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadingTrial {
    /// The resolved run, without seed and fold.
    pub params: Value,
    /// Whether it is a naive baseline.
    pub is_baseline: bool,
    /// Mean objective over the seeds and folds that are done.
    pub objective: f64,
    /// Runs that are done.
    pub done: i64,
    /// Runs of the trial.
    pub runs: i64,
}

/// When an attempt began and ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedAttempt {
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
}

from_row!(EndedAttempt { started_at, finished_at });

struct LeadingRow {
    model: String,
    params: String,
    objective: f64,
    done: i64,
    runs: i64,
}

from_row!(LeadingRow { model, params, objective, done, runs });

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
    /// The trial with the lowest mean objective in each setting, as the leaderboard chooses it: those that lack runs come
    /// behind all others.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn setting_leaders(
        &mut self,
        revision: &RevisionId,
        objective: &ObjectiveSpec,
    ) -> anyhow::Result<Vec<SettingLeader>> {
        let rows: Vec<LeadingRow> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.model, r.params, avg(m.value) AS objective, count(m.value) AS done, count(*) AS runs \
                     FROM revision_runs er JOIN run_records r USING (run_id) LEFT JOIN metric_values m \
                     ON m.run = r.run AND r.status = 'done' AND m.metric = \
                     (SELECT metric FROM metric_keys WHERE part = ? AND target = ? AND name = ? AND unit = ?) WHERE er.experiment = ? AND er.revision = ? AND er.position IS NOT NULL GROUP BY r.params HAVING count(m.value) > 0 \
                     ORDER BY count(*) - count(m.value), avg(m.value)",
                )
                .bind(objective.part.as_str())
                .bind(&objective.target)
                .bind(objective.metric.as_str())
                .bind(objective.unit())
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the leading trials from the store")?;
        let mut settings: Vec<Value> = Vec::new();
        let mut leaders: Vec<SettingLeader> = Vec::new();
        for row in rows {
            let params = serde_json::from_str(&row.params).context("damaged parameters in the store")?;
            let setting = setting_of(&params);
            let is_baseline = BASELINES.contains(&row.model.as_str());
            let known = settings.iter().position(|known| *known == setting);
            let is_needed = known.is_none_or(|at| is_baseline && leaders[at].baseline.is_none());
            if !is_needed {
                continue;
            }
            let (objective, done, runs) = (row.objective, row.done, row.runs);
            let trial = LeadingTrial { params, is_baseline, objective, done, runs };
            let baseline = is_baseline.then(|| trial.clone());
            if let Some(at) = known {
                leaders[at].baseline = baseline;
            } else {
                settings.push(setting);
                leaders.push(SettingLeader { best: trial, baseline });
            }
        }
        Ok(leaders)
    }

    /// When the last runs of a revision began and ended, of those that the supervisors at work have ended; the latest
    /// first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn last_ends(&mut self, revision: &RevisionId, most: usize) -> anyhow::Result<Vec<EndedAttempt>> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT a.started_at, a.finished_at FROM attempts a JOIN run_records r USING (run_id) \
                     JOIN revision_runs er USING (run_id) WHERE er.experiment = ?1 AND er.revision = ?2 AND er.position IS NOT NULL AND a.finished_at IS NOT NULL \
                     AND a.status = r.status AND a.owner IN (SELECT b.owner FROM attempts b WHERE b.status = 'running') \
                     ORDER BY a.finished_at DESC LIMIT ?3",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .bind(i64::try_from(most).unwrap_or(i64::MAX))
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the last attempts from the store")
    }

    /// What ended the last sweep of a revision early, if that was so and none was started since.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn last_stop(&mut self, revision: &RevisionId) -> anyhow::Result<Option<String>> {
        let stop: Option<(String,)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT e.detail FROM events e WHERE e.experiment = ?1 AND e.kind = 'stopped' AND e.run_id IS NULL \
                     AND e.at >= (SELECT x.updated_at FROM revisions x WHERE x.experiment = ?1 AND x.revision = ?2) \
                     ORDER BY e.event_id DESC LIMIT 1",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_optional(&mut self.connection),
            )
            .context("cannot read the events of the experiment from the store")?;
        Ok(stop.map(|(detail,)| detail))
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
             FROM attempts a JOIN run_records r USING (run_id) JOIN revision_runs er USING (run_id) \
             WHERE er.experiment = ? AND er.revision = ? AND er.position IS NOT NULL AND a.status = 'running' AND r.status = 'running' ORDER BY a.attempt_id",
        )
    }

    /// The last runs of a revision that failed or timed out, the latest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn last_failed_runs(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<LiveRun>> {
        self.live_runs(
            revision,
            "SELECT a.run_id, r.params, r.seed, a.status, a.device, a.started_at, a.finished_at, a.wall_s, a.error, a.owner \
             FROM run_records r JOIN revision_runs er USING (run_id) JOIN attempts a ON a.attempt_id = \
             (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id AND b.status = r.status) \
             WHERE er.experiment = ? AND er.revision = ? AND er.position IS NOT NULL AND r.status IN ('failed', 'timed_out') \
             ORDER BY a.finished_at DESC, a.attempt_id DESC LIMIT 3",
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
                    "SELECT epoch, valid_loss FROM epochs WHERE run_id = ? ORDER BY epoch DESC LIMIT 1",
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
