//! Where runs stand, and who is at them: runs are claimed before they start, and those of a dead supervisor are freed.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context;
use sqlx::{Connection, SqliteConnection};

use super::owner::Owner;
use super::write::{End, end_attempt, insert_record};
use super::{Record, Store, now};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Not started.
    Planned,
    /// A worker is at it.
    Running,
    /// Finished, with metrics and files.
    Done,
    /// It ended in an error.
    Failed,
    /// It took longer than allowed.
    TimedOut,
    /// The search gave it up early.
    Pruned,
    /// Its supervisor ended before it did.
    Interrupted,
}

impl Status {
    /// Every status, in the order in which a run passes them.
    pub const ALL: [Status; 7] = [
        Status::Planned,
        Status::Running,
        Status::Done,
        Status::Failed,
        Status::TimedOut,
        Status::Pruned,
        Status::Interrupted,
    ];

    /// The status as the store writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Planned => "planned",
            Status::Running => "running",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::TimedOut => "timed_out",
            Status::Pruned => "pruned",
            Status::Interrupted => "interrupted",
        }
    }

    /// Reads what the store wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

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
    /// The search for which it stays as it is, if that gave it up.
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
    /// The same search has given it up already.
    Pruned,
    /// Another living supervisor is at it.
    Taken,
}

impl Store {
    /// The status of every run of an experiment.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn statuses(&mut self, experiment: &str) -> anyhow::Result<HashMap<String, Status>> {
        let rows: Vec<(String, String)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.run_id, r.status FROM experiment_runs er JOIN run_records r USING (run_id) \
                     WHERE er.experiment = ?",
                )
                .bind(experiment)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        Ok(rows.into_iter().filter_map(|(id, status)| Some((id, Status::parse(&status)?))).collect())
    }

    /// Marks runs as interrupted whose supervisor is dead, and returns how many.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn recover(&mut self) -> anyhow::Result<usize> {
        let failed = || "cannot look for interrupted runs in the store";
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            let running: Vec<(i64, String, String)> =
                sqlx::query_as("SELECT attempt_id, run_id, owner FROM attempts WHERE status = 'running'")
                    .fetch_all(&mut *transaction)
                    .await
                    .with_context(failed)?;
            let mut recovered = 0;
            for (attempt, run_id, owner) in running {
                if Owner::parse(&owner).is_some_and(|owner| owner.is_alive()) {
                    continue;
                }
                let end = End {
                    status: Status::Interrupted,
                    error: "its supervisor ended before it did",
                    wall_s: None,
                    peak_rss_bytes: None,
                };
                end_attempt(&mut transaction, &run_id, attempt, end).await.with_context(failed)?;
                let event = Record::Event {
                    experiment: None,
                    run_id: Some(run_id),
                    kind: "interrupted",
                    detail: "its supervisor ended before it did".to_string(),
                };
                insert_record(&mut transaction, &event).await.with_context(failed)?;
                recovered += 1;
            }
            transaction.commit().await.with_context(failed)?;
            Ok(recovered)
        })
    }
}

/// Takes a run, unless it is done or given up or another living supervisor has it.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    request: &ClaimRequest,
) -> anyhow::Result<Claim> {
    let failed = || format!("cannot claim run {} in the store", request.run_id);
    let (status, pruned_here, owners): (String, bool, Option<String>) = sqlx::query_as(
        "SELECT status, EXISTS (SELECT 1 FROM prunings WHERE run_id = ?1 AND search = ?2), \
         (SELECT group_concat(owner, char(10)) FROM attempts WHERE run_id = ?1 AND status = 'running') \
         FROM run_records WHERE run_id = ?1",
    )
    .bind(&request.run_id)
    .bind(&request.search)
    .fetch_one(&mut *connection)
    .await
    .with_context(failed)?;
    let status = Status::parse(&status).with_context(failed)?;
    if status == Status::Done && request.kept_by.as_ref().is_some_and(|file| file.is_file()) {
        return Ok(Claim::Done);
    }
    if status == Status::Pruned && pruned_here {
        return Ok(Claim::Pruned);
    }
    let owners = owners.unwrap_or_default();
    if owners.lines().any(|owner| Owner::parse(owner).is_some_and(|owner| owner.is_alive())) {
        return Ok(Claim::Taken);
    }
    start_attempt(connection, request).await.map(Claim::Granted).with_context(failed)
}

async fn start_attempt(connection: &mut SqliteConnection, request: &ClaimRequest) -> sqlx::Result<i64> {
    let ClaimRequest { run_id, attempt, .. } = request;
    // All in one call, since each is a round trip to the thread that owns the database. The dead owner of an attempt that
    // still says it is running has lost it; what runs again is given up no longer; the epochs of an attempt that never
    // finished are nobody's, while those of a finished one stay until they are replaced.
    let inserted = sqlx::query(
        "UPDATE attempts SET status = 'interrupted' WHERE run_id = ?1 AND status = 'running'; \
         UPDATE run_records SET status = 'running' WHERE run_id = ?1; \
         DELETE FROM prunings WHERE run_id = ?1; \
         DELETE FROM epochs WHERE run_id = ?1 AND NOT EXISTS (SELECT 1 FROM metrics WHERE run_id = ?1); \
         INSERT INTO attempts (run_id, status, started_at, device, git_commit, git_dirty, version, owner) \
         VALUES (?1, 'running', ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(run_id)
    .bind(now())
    .bind(&attempt.device)
    .bind(&attempt.git_commit)
    .bind(attempt.git_dirty)
    .bind(env!("CARGO_PKG_VERSION"))
    .bind(Owner::this_process().to_string())
    .execute(&mut *connection)
    .await?
    .last_insert_rowid();
    let started = Record::Event {
        experiment: Some(attempt.experiment.clone()),
        run_id: Some(run_id.clone()),
        kind: "started",
        detail: format!("attempt {inserted} on slot {} ({})", attempt.slot, attempt.device),
    };
    insert_record(connection, &started).await?;
    Ok(inserted)
}
