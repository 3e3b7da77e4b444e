//! What happened to one run: its attempts, and the experiments that planned it.

use anyhow::Context;
use serde_json::Value;

use super::owner::is_alive;
use super::row::from_row;
use super::{Status, Store};

/// One attempt at a run.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    /// How it ended, or `running`.
    pub status: String,
    /// When it started.
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Seconds that it took.
    pub wall_s: Option<f64>,
    /// The very device.
    pub device: String,
    /// Version of burstlab.
    pub version: String,
    /// Why it did not end well.
    pub error: Option<String>,
    /// Whether the supervisor that made it still lives.
    pub alive: bool,
}

/// An experiment that plans a run, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanningRow {
    /// Its name.
    pub experiment: String,
    /// The last of its revisions that planned the run.
    pub revision: i64,
    /// Whether that is the one that ran last.
    pub is_latest: bool,
    /// The experiment file.
    pub path: String,
    /// When it was last run.
    pub planned_at: String,
    /// Whether one of its sweeps made an attempt at the run.
    pub ran: bool,
    /// What ended its last sweep early, if that was so.
    pub stopped: Option<String>,
    /// Runs of the experiment that are neither done nor given up.
    pub open: i64,
}

from_row!(PlanningRow { experiment, revision, is_latest, path, planned_at, ran, stopped, open });

/// What a run is, whoever plans it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordRow {
    /// Kind of its model.
    pub model: String,
    /// Its seed.
    pub seed: Option<i64>,
    /// Its fold.
    pub fold: i64,
    /// Where it stands.
    pub status: Status,
    /// The resolved run.
    pub params: Value,
}

struct RawAttempt {
    status: String,
    started_at: String,
    finished_at: Option<String>,
    wall_s: Option<f64>,
    device: String,
    version: String,
    error: Option<String>,
    owner: String,
}

from_row!(RawAttempt { status, started_at, finished_at, wall_s, device, version, error, owner });

impl Store {
    /// A run, whether or not an experiment still plans it.
    ///
    /// # Errors
    /// A store that cannot be read, or a run that is not in it.
    pub fn run_record(&mut self, run_id: &str) -> anyhow::Result<RecordRow> {
        let (model, seed, fold, status, params): (String, Option<i64>, i64, String, String) = self
            .runtime
            .block_on(
                sqlx::query_as("SELECT model, seed, fold, status, params FROM run_records WHERE run_id = ?")
                    .bind(run_id)
                    .fetch_one(&mut self.connection),
            )
            .with_context(|| format!("cannot read run {run_id} from the store"))?;
        Ok(RecordRow {
            model,
            seed,
            fold,
            status: Status::parse(&status).with_context(|| format!("unknown status `{status}`"))?,
            params: serde_json::from_str(&params).context("damaged parameters in the store")?,
        })
    }

    /// The attempts at a run, oldest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn attempts_of_run(&mut self, run_id: &str) -> anyhow::Result<Vec<AttemptRow>> {
        let rows: Vec<RawAttempt> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT status, started_at, finished_at, wall_s, device, version, error, owner FROM attempts \
                     WHERE run_id = ? ORDER BY attempt_id",
                )
                .bind(run_id)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the attempts from the store")?;
        rows.into_iter()
            .map(|raw| {
                Ok(AttemptRow {
                    alive: is_alive(self.results(), &raw.owner)?,
                    status: raw.status,
                    started_at: raw.started_at,
                    finished_at: raw.finished_at,
                    wall_s: raw.wall_s,
                    device: raw.device,
                    version: raw.version,
                    error: raw.error,
                })
            })
            .collect()
    }

    /// The experiments that plan a run or did, by name, each with the last revision that has it.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn plannings_of_run(&mut self, run_id: &str) -> anyhow::Result<Vec<PlanningRow>> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT e.experiment, e.revision, e.path, e.updated_at AS planned_at, e.revision = (SELECT revision FROM experiments l WHERE l.name = e.experiment) AS is_latest, \
                     EXISTS (SELECT 1 FROM events v WHERE v.run_id = ?1 AND v.experiment = e.experiment AND v.kind = 'started') \
                     AS ran, \
                     (SELECT detail FROM events v WHERE v.experiment = e.experiment AND v.kind = 'stopped' AND v.event_id > \
                      (SELECT max(event_id) FROM events p WHERE p.experiment = e.experiment AND p.kind = 'planned') \
                      ORDER BY v.event_id DESC LIMIT 1) AS stopped, \
                     (SELECT count(*) FROM revision_runs o JOIN run_records r USING (run_id) \
                      WHERE o.experiment = e.experiment AND o.revision = e.revision AND o.position IS NOT NULL \
                      AND o.run_id <> ?1 AND r.status NOT IN ('done', 'pruned')) AS open \
                     FROM revision_runs h JOIN revisions e USING (experiment, revision) WHERE h.run_id = ?1 \
                     AND e.revision = (SELECT max(revision) FROM revision_runs l WHERE l.experiment = h.experiment \
                                       AND l.run_id = h.run_id) ORDER BY e.experiment",
                )
                .bind(run_id)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the experiments from the store")
    }

    /// Whether a living supervisor is at work on an experiment, or on one revision of it.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn is_at_work(&mut self, experiment: &str, revision: Option<i64>) -> anyhow::Result<bool> {
        let owners: Vec<String> = self
            .runtime
            .block_on(
                sqlx::query_scalar(
                    "SELECT DISTINCT a.owner FROM attempts a JOIN revision_runs h USING (run_id) \
                     WHERE h.experiment = ?1 AND (?2 IS NULL OR h.revision = ?2) AND a.status = 'running'",
                )
                .bind(experiment)
                .bind(revision)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the attempts from the store")?;
        self.any_lives(&owners)
    }

    /// Whether a living supervisor is at work on a run.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn is_run_at_work(&mut self, run_id: &str) -> anyhow::Result<bool> {
        let sql = "SELECT DISTINCT owner FROM attempts WHERE run_id = ? AND status = 'running'";
        let owners: Vec<String> = self
            .runtime
            .block_on(sqlx::query_scalar(sql).bind(run_id).fetch_all(&mut self.connection))
            .context("cannot read the attempts from the store")?;
        self.any_lives(&owners)
    }

    fn any_lives(&self, owners: &[String]) -> anyhow::Result<bool> {
        for owner in owners {
            if is_alive(self.results(), owner)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
