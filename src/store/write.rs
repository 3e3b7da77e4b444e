//! What happens to runs, written in batches: epochs, ends of attempts, events.

use anyhow::Context;
use sqlx::{Connection, QueryBuilder, SqliteConnection};

use super::attempt::{ClaimRequest, claim};
use super::{Claim, Status, Store, now};
use crate::model::Epoch;
use crate::scheduler::RunResult;
use crate::search::Verdict;

/// Rows that are inserted by one statement: SQLite allows 32,766 parameters.
const ROWS_PER_INSERT: usize = 1_000;

/// The verdict that gave a run up, and the search that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Pruning {
    /// Hash of the rule, the run, and the runs that it was judged by.
    pub search: String,
    /// The verdict.
    pub verdict: Verdict,
}

/// One thing to write.
#[derive(Debug, Clone)]
pub enum Record {
    /// An epoch ended.
    Epoch {
        /// The run.
        run_id: String,
        /// The epoch.
        epoch: Epoch,
    },
    /// An attempt ended.
    Ended {
        /// The run.
        run_id: String,
        /// The attempt.
        attempt: i64,
        /// How.
        ending: Ending,
    },
    /// The scheduler did something that a person may ask about.
    Event {
        /// The experiment, if it is about one.
        experiment: Option<String>,
        /// The run, if it is about one.
        run_id: Option<String>,
        /// What happened, in one word.
        kind: &'static str,
        /// The particulars.
        detail: String,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With metrics.
    Done(Box<RunResult>),
    /// Given up by a search.
    Pruned {
        /// By which, and why.
        pruning: Pruning,
        /// Seconds.
        wall_s: f64,
        /// Largest resident set of its worker.
        peak_rss_bytes: Option<u64>,
    },
    /// Otherwise: the status, the error, and the seconds it took.
    Otherwise {
        /// `Failed`, `TimedOut` or `Interrupted`.
        status: Status,
        /// Why.
        error: String,
        /// Seconds.
        wall_s: f64,
        /// Largest resident set of the worker, where it is known.
        peak_rss_bytes: Option<u64>,
    },
}

impl Store {
    /// Writes a batch in one transaction; nothing of it may be announced before this returns.
    ///
    /// # Errors
    /// A store that cannot be written; then nothing of the batch is.
    pub fn write(&mut self, records: &[Record]) -> anyhow::Result<()> {
        self.write_and_claim(records, &[]).map(|_| ())
    }

    /// Writes a batch and claims runs after it, all in one transaction. Nothing of it may be announced, and none of the
    /// runs started, before this returns.
    ///
    /// # Errors
    /// A store that cannot be written; then nothing is.
    pub fn write_and_claim(
        &mut self,
        records: &[Record],
        requests: &[ClaimRequest],
    ) -> anyhow::Result<Vec<Claim>> {
        if records.is_empty() && requests.is_empty() {
            return Ok(Vec::new());
        }
        let failed = || "cannot write to the store";
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            for record in records {
                insert_record(&mut transaction, record).await.with_context(failed)?;
            }
            let mut claims = Vec::with_capacity(requests.len());
            for request in requests {
                claims.push(claim(&mut transaction, request).await?);
            }
            transaction.commit().await.with_context(failed)?;
            Ok(claims)
        })
    }
}

pub(super) async fn insert_record(connection: &mut SqliteConnection, record: &Record) -> sqlx::Result<()> {
    match record {
        Record::Epoch { run_id, epoch } => {
            sqlx::query("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?)")
                .bind(run_id)
                .bind(epoch.epoch as i64)
                .bind(epoch.train_loss)
                .bind(epoch.valid_loss)
                .bind(epoch.learning_rate)
                .bind(epoch.wall_s)
                .execute(connection)
                .await?;
        }
        Record::Ended { run_id, attempt, ending: Ending::Done(result) } => {
            insert_result(&mut *connection, run_id, *attempt, result).await?;
        }
        Record::Ended { run_id, attempt, ending: Ending::Pruned { pruning, wall_s, peak_rss_bytes } } => {
            insert_pruning(&mut *connection, run_id, pruning).await?;
            let wall_s = Some(*wall_s);
            let end = End { status: Status::Pruned, error: "", wall_s, peak_rss_bytes: *peak_rss_bytes };
            end_attempt(connection, run_id, *attempt, end).await?;
        }
        Record::Ended {
            run_id,
            attempt,
            ending: Ending::Otherwise { status, error, wall_s, peak_rss_bytes },
        } => {
            let wall_s = Some(*wall_s);
            let end = End { status: *status, error, wall_s, peak_rss_bytes: *peak_rss_bytes };
            end_attempt(connection, run_id, *attempt, end).await?;
        }
        Record::Event { experiment, run_id, kind, detail } => {
            sqlx::query("INSERT INTO events (at, experiment, run_id, kind, detail) VALUES (?, ?, ?, ?, ?)")
                .bind(now())
                .bind(experiment)
                .bind(run_id)
                .bind(*kind)
                .bind(detail)
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

async fn insert_result(
    connection: &mut SqliteConnection,
    run_id: &str,
    attempt: i64,
    result: &RunResult,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM metrics WHERE run_id = ?1; DELETE FROM breakdowns WHERE run_id = ?1")
        .bind(run_id)
        .execute(&mut *connection)
        .await?;
    // One statement for many rows: each is a round trip to the thread that owns the database.
    for metrics in result.metrics.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::new("INSERT INTO metrics ");
        insert.push_values(metrics, |mut row, metric| {
            row.push_bind(run_id)
                .push_bind(&metric.part)
                .push_bind(&metric.target)
                .push_bind(&metric.unit)
                .push_bind(&metric.name)
                .push_bind(metric.value);
        });
        insert.build().execute(&mut *connection).await?;
    }
    for rows in result.breakdowns.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::new("INSERT INTO breakdowns ");
        insert.push_values(rows, |mut values, row| {
            values
                .push_bind(run_id)
                .push_bind(&row.part)
                .push_bind(&row.dimension)
                .push_bind(&row.bucket)
                .push_bind(&row.target)
                .push_bind(&row.unit)
                .push_bind(&row.name)
                .push_bind(row.value)
                .push_bind(row.forecasts as i64);
        });
        insert.build().execute(&mut *connection).await?;
    }
    let RunResult { wall_s, peak_rss_bytes, .. } = *result;
    let end = End { status: Status::Done, error: "", wall_s: Some(wall_s), peak_rss_bytes };
    end_attempt(connection, run_id, attempt, end).await
}

async fn insert_pruning(
    connection: &mut SqliteConnection,
    run_id: &str,
    pruning: &Pruning,
) -> sqlx::Result<()> {
    let Pruning { search, verdict } = pruning;
    sqlx::query("INSERT OR REPLACE INTO prunings VALUES (?, ?, ?, ?, ?, ?)")
        .bind(run_id)
        .bind(search)
        .bind(verdict.epoch as i64)
        .bind(verdict.loss)
        .bind(verdict.threshold)
        .bind(verdict.rivals as i64)
        .execute(connection)
        .await?;
    Ok(())
}

/// How an attempt ended.
pub(super) struct End<'a> {
    pub(super) status: Status,
    /// Empty where there is none.
    pub(super) error: &'a str,
    pub(super) wall_s: Option<f64>,
    pub(super) peak_rss_bytes: Option<u64>,
}

pub(super) async fn end_attempt(
    connection: &mut SqliteConnection,
    run_id: &str,
    attempt: i64,
    end: End<'_>,
) -> sqlx::Result<()> {
    // A further attempt that fails takes nothing from a run that was done before: its metrics and files are still there.
    sqlx::query(
        "UPDATE attempts SET status = ?1, finished_at = ?2, wall_s = ?3, error = nullif(?4, ''), \
         peak_rss_bytes = coalesce(?5, peak_rss_bytes) WHERE attempt_id = ?6; \
         UPDATE run_records SET status = CASE WHEN EXISTS (SELECT 1 FROM metrics m WHERE m.run_id = ?7) THEN 'done' \
         ELSE ?1 END WHERE run_id = ?7",
    )
    .bind(end.status.as_str())
    .bind(now())
    .bind(end.wall_s)
    .bind(end.error)
    .bind(end.peak_rss_bytes.map(u64::cast_signed))
    .bind(attempt)
    .bind(run_id)
    .execute(&mut *connection)
    .await?;
    Ok(())
}
