//! Where runs stand, and who is at them: runs are claimed before they start, and those of a dead supervisor are freed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, FromRow, Row, SqliteConnection};

use super::attempt_end::{End, end_attempt};
use super::event::{Event, insert_events};
use super::owner::{clear_dead, is_alive};
use super::script::Script;
use super::status::Status;
use super::{RevisionId, Store, now};

/// What a supervisor brings to an attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The experiment that the run is taken up for.
    pub experiment: String,
    /// The very device.
    pub device: String,
    /// Index of the slot.
    pub slot: usize,
    /// Commit of the repository that the command was given in.
    pub git_commit: Option<String>,
    /// Whether that repository had changes beside the commit.
    pub git_dirty: Option<bool>,
}

/// A run that a supervisor wants to take.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The run.
    pub run_id: String,
    /// The attempt that it would get.
    pub attempt: Attempt,
    /// The search for which it stays as it is, if that pruned it.
    pub search: Option<String>,
    /// A run that is done stays so while this file is there; with `None` it is always taken. It is looked for inside the
    /// transaction: before it, a run that another supervisor finishes meanwhile would be missed and done twice.
    pub kept_by: Option<PathBuf>,
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The run is the caller's, with this attempt.
    Granted(i64),
    /// It is finished already.
    Done,
    /// The same search has pruned it already.
    Pruned,
    /// Another living supervisor is at it.
    Taken,
}

impl Store {
    /// The status of every run that a revision plans.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn statuses(&mut self, revision: &RevisionId) -> anyhow::Result<HashMap<String, Status>> {
        self.statuses_where(&revision.experiment, Some(revision.revision))
    }

    /// The status of every run of an experiment, whichever of its revisions plans it.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn statuses_of_experiment(&mut self, experiment: &str) -> anyhow::Result<HashMap<String, Status>> {
        self.statuses_where(experiment, None)
    }

    fn statuses_where(
        &mut self,
        experiment: &str,
        revision: Option<i64>,
    ) -> anyhow::Result<HashMap<String, Status>> {
        let rows: Vec<(String, String)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.run_id, r.status FROM revision_runs h JOIN run_records r USING (run_id) \
                     WHERE h.experiment = ?1 AND (?2 IS NULL OR h.revision = ?2 AND h.position IS NOT NULL)",
                )
                .bind(experiment)
                .bind(revision)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        Ok(rows.into_iter().filter_map(|(id, status)| Some((id, Status::parse(&status)?))).collect())
    }

    /// Parameters and seconds of every finished run on one class of device and on some data, given by their SHA-256. Runs that
    /// were trained in a pack are left out: what their attempts took is the time of the whole pack.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn seconds_of_runs(
        &mut self,
        device_class: &str,
        data: &HashSet<&str>,
    ) -> anyhow::Result<Vec<(Value, f64)>> {
        let rows: Vec<(String, String, f64)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.params, r.dataset_sha256, avg(a.wall_s) FROM run_records r JOIN attempts a USING (run_id) \
                     WHERE r.device = ?1 AND r.status = 'done' AND a.status = 'done' AND a.wall_s IS NOT NULL \
                     AND NOT EXISTS (SELECT 1 FROM events e WHERE e.run_id = r.run_id AND e.kind = 'packed') \
                     GROUP BY r.run ORDER BY r.run_id",
                )
                .bind(device_class)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the times of earlier runs from the store")?;
        let ours = rows.into_iter().filter(|(_, sha256, _)| data.contains(sha256.as_str()));
        ours.map(|(params, _, seconds)| {
            let params =
                serde_json::from_str(&params).context("the store has a run whose parameters are no JSON")?;
            Ok((params, seconds))
        })
        .collect()
    }

    /// Marks runs as interrupted whose supervisor is dead, and returns how many.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn recover(&mut self) -> anyhow::Result<usize> {
        let failed = || "cannot look for interrupted runs in the store";
        let results = self.results().to_path_buf();
        self.runtime
            .block_on(async {
                let mut transaction =
                    self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
                let running: Vec<(i64, String, String)> =
                    sqlx::query_as("SELECT attempt_id, run_id, owner FROM attempts WHERE status = 'running'")
                        .fetch_all(&mut *transaction)
                        .await
                        .with_context(failed)?;
                let mut recovered = 0;
                for (attempt, run_id, owner) in running {
                    if is_alive(&results, &owner)? {
                        continue;
                    }
                    let end = End {
                        status: Status::Interrupted,
                        error: "its supervisor ended before it did",
                        wall_s: None,
                        peak_rss_bytes: None,
                    };
                    let mut script = Script::default();
                    end_attempt(&mut script, &run_id, attempt, end).with_context(failed)?;
                    script.execute(&mut transaction).await.with_context(failed)?;
                    let event = Event {
                        experiment: None,
                        run_id: Some(run_id),
                        kind: "interrupted",
                        detail: "its supervisor ended before it did".to_string(),
                    };
                    insert_events(&mut transaction, &[event]).await.with_context(failed)?;
                    recovered += 1;
                }
                transaction.commit().await.with_context(failed)?;
                anyhow::Ok(recovered)
            })
            .inspect(|_| clear_dead(self.results()))
    }
}

/// Who claims runs, and where the locks are that tell who lives.
#[derive(Clone, Copy)]
pub(super) struct Claimant<'a> {
    pub(super) results: &'a Path,
    pub(super) owner: &'a str,
}

/// Takes each run, unless it is done or pruned or another living supervisor has it, and adds what is taken to the events.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    claimant: Claimant<'_>,
    requests: &[ClaimRequest],
    events: &mut Vec<Event>,
) -> anyhow::Result<Vec<Claim>> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let failed = || "cannot claim runs in the store";
    let mut script = Script::default();
    for request in requests {
        ask(&mut script, request).with_context(failed)?;
    }
    let rows = script.fetch_all(&mut *connection).await.with_context(failed)?;
    let mut claims = Vec::with_capacity(requests.len());
    for (row, request) in rows.iter().zip(requests) {
        claims.push(refusal(row, request, claimant.results).with_context(failed)?);
    }
    anyhow::ensure!(claims.len() == requests.len(), "a run that is to be claimed is no longer in the store");
    let granted: Vec<&ClaimRequest> = requests
        .iter()
        .zip(&claims)
        .filter(|(_, refusal)| refusal.is_none())
        .map(|(request, _)| request)
        .collect();
    let mut attempts = start(connection, claimant.owner, &granted).await.with_context(failed)?.into_iter();
    let mut answers = Vec::with_capacity(requests.len());
    for (request, refusal) in requests.iter().zip(claims) {
        if let Some(refusal) = refusal {
            answers.push(refusal);
            continue;
        }
        let started = attempts.next().with_context(failed)?;
        events.push(started_event(request, started));
        answers.push(Claim::Granted(started));
    }
    Ok(answers)
}

/// Asks where a run stands.
fn ask(script: &mut Script, request: &ClaimRequest) -> sqlx::Result<()> {
    script
        .statement(
            "SELECT status, EXISTS (SELECT 1 FROM prunings p WHERE p.run_id = r.run_id AND p.search = ?), \
             (SELECT group_concat(owner, char(10)) FROM attempts a WHERE a.run_id = r.run_id AND a.status = 'running') \
             FROM run_records r WHERE run_id = ?",
        )
        .bind(&request.search)?
        .bind(&request.run_id)?;
    Ok(())
}

/// Why a run is not to be had, if it is not.
fn refusal(row: &SqliteRow, request: &ClaimRequest, results: &Path) -> anyhow::Result<Option<Claim>> {
    let (status, pruned_here, owners): (String, bool, Option<String>) = FromRow::from_row(row)?;
    let status = Status::parse(&status).with_context(|| format!("`{status}` is no status of a run"))?;
    if status == Status::Done && request.kept_by.as_ref().is_some_and(|file| file.is_file()) {
        return Ok(Some(Claim::Done));
    }
    if status == Status::Pruned && pruned_here {
        return Ok(Some(Claim::Pruned));
    }
    for owner in owners.unwrap_or_default().lines() {
        if is_alive(results, owner)? {
            return Ok(Some(Claim::Taken));
        }
    }
    Ok(None)
}

/// Starts an attempt at each run, and returns their numbers.
async fn start(
    connection: &mut SqliteConnection,
    owner: &str,
    requests: &[&ClaimRequest],
) -> sqlx::Result<Vec<i64>> {
    let mut script = Script::default();
    for ClaimRequest { run_id, attempt, .. } in requests {
        // The dead owner of an attempt that still says it is running has lost it; what runs again is no longer pruned;
        // the epochs of an attempt that never finished are nobody's, while those of a finished one stay until they are
        // replaced.
        script
            .statement("UPDATE attempts SET status = 'interrupted' WHERE run_id = ? AND status = 'running'")
            .bind(run_id)?
            .statement("UPDATE run_records SET status = 'running' WHERE run_id = ?")
            .bind(run_id)?
            .statement("DELETE FROM prunings WHERE run_id = ?")
            .bind(run_id)?
            .statement(
                "DELETE FROM epoch_values WHERE run = (SELECT run FROM run_records WHERE run_id = ?) AND NOT EXISTS \
                 (SELECT 1 FROM metric_values m WHERE m.run = epoch_values.run)",
            )
            .bind(run_id)?
            .statement(
                "INSERT INTO attempts (run_id, status, started_at, device, git_commit, git_dirty, version, owner) \
                 VALUES (?, 'running', ?, ?, ?, ?, ?, ?) RETURNING attempt_id",
            )
            .bind(run_id)?
            .bind(now())?
            .bind(&attempt.device)?
            .bind(&attempt.git_commit)?
            .bind(attempt.git_dirty)?
            .bind(env!("CARGO_PKG_VERSION"))?
            .bind(owner)?;
    }
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    script.fetch_all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

fn started_event(request: &ClaimRequest, started: i64) -> Event {
    let ClaimRequest { run_id, attempt, .. } = request;
    Event {
        experiment: Some(attempt.experiment.clone()),
        run_id: Some(run_id.clone()),
        kind: "started",
        detail: format!("attempt {started} on slot {} ({})", attempt.slot, attempt.device),
    }
}
