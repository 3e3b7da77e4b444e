//! What happens to runs, written in batches: epochs, ends of attempts, events.

use std::sync::Arc;

use anyhow::Context;
use sqlx::{Connection, SqliteConnection};

use super::attempt::{ClaimRequest, Claimant, claim};
use super::attempt_end::{End, end_attempt};
use super::event::{Event, insert_events};
use super::script::{KeyedTable, ROWS_PER_INSERT, Script};
use super::{Claim, Status, Store};
use crate::search::RungVerdict;
use crate::store::RunResult;
use crate::train::Epoch;

/// The verdict that pruned a run, and the search that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Pruning {
    /// Hash of the rule, the run, and the runs that it was judged by.
    pub search: String,
    /// The verdict.
    pub verdict: RungVerdict,
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
    Event(Event),
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With metrics.
    Done(Arc<RunResult>),
    /// Pruned by a search.
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
        let owner = if requests.is_empty() { String::new() } else { self.own_lock()?.owner() };
        let results = self.results().to_path_buf();
        let claimant = Claimant { results: &results, owner: &owner };
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            let mut events = Vec::new();
            for record in records {
                match record {
                    Record::Event(event) => events.push(event.clone()),
                    other => insert_record(&mut transaction, other).await.with_context(failed)?,
                }
            }
            let claims = claim(&mut transaction, claimant, requests, &mut events).await?;
            insert_events(&mut transaction, &events).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)?;
            Ok(claims)
        })
    }
}

async fn insert_record(connection: &mut SqliteConnection, record: &Record) -> sqlx::Result<()> {
    match record {
        Record::Epoch { run_id, epoch } => {
            let sql = "INSERT OR REPLACE INTO epoch_values \
                 SELECT run, ?2, ?3, ?4, ?5, ?6 FROM run_records WHERE run_id = ?1";
            sqlx::query(sql)
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
            let mut script = Script::default();
            insert_pruning(&mut script, run_id, pruning)?;
            let wall_s = Some(*wall_s);
            let end = End { status: Status::Pruned, error: "", wall_s, peak_rss_bytes: *peak_rss_bytes };
            end_attempt(&mut script, run_id, *attempt, end)?;
            script.execute(connection).await?;
        }
        Record::Ended {
            run_id,
            attempt,
            ending: Ending::Otherwise { status, error, wall_s, peak_rss_bytes },
        } => {
            let wall_s = Some(*wall_s);
            let end = End { status: *status, error, wall_s, peak_rss_bytes: *peak_rss_bytes };
            let mut script = Script::default();
            end_attempt(&mut script, run_id, *attempt, end)?;
            script.execute(connection).await?;
        }
        Record::Event(event) => insert_events(connection, std::slice::from_ref(event)).await?,
    }
    Ok(())
}

const METRICS: KeyedTable<4> = KeyedTable {
    values: "metric_values",
    keys: "metric_keys",
    key: "metric",
    columns: ["part", "target", "unit", "name"],
};

const BREAKDOWNS: KeyedTable<6> = KeyedTable {
    values: "breakdown_values",
    keys: "breakdown_keys",
    key: "breakdown",
    columns: ["part", "dimension", "bucket", "target", "unit", "name"],
};

async fn insert_result(
    connection: &mut SqliteConnection,
    run_id: &str,
    attempt: i64,
    result: &RunResult,
) -> sqlx::Result<()> {
    let mut script = Script::default();
    let run = "DELETE FROM metric_values WHERE run = (SELECT run FROM run_records WHERE run_id = ?)";
    script.statement(run).bind(run_id)?;
    let run = "DELETE FROM breakdown_values WHERE run = (SELECT run FROM run_records WHERE run_id = ?)";
    script.statement(run).bind(run_id)?;
    for metrics in result.metrics.chunks(ROWS_PER_INSERT) {
        let rows = metrics.iter().map(|row| {
            let texts = [&row.part, &row.target, &row.unit, &row.name];
            (texts.map(String::as_str), row.value, None)
        });
        script.insert_rows(&METRICS, run_id, rows)?;
    }
    for breakdowns in result.breakdowns.chunks(ROWS_PER_INSERT) {
        let rows = breakdowns.iter().map(|row| {
            let texts = [&row.part, &row.dimension, &row.bucket, &row.target, &row.unit, &row.name];
            (texts.map(String::as_str), row.value, Some(row.forecasts))
        });
        script.insert_rows(&BREAKDOWNS, run_id, rows)?;
    }
    let RunResult { wall_s, peak_rss_bytes, .. } = *result;
    let end = End { status: Status::Done, error: "", wall_s: Some(wall_s), peak_rss_bytes };
    end_attempt(&mut script, run_id, attempt, end)?;
    script.execute(connection).await
}

fn insert_pruning(script: &mut Script, run_id: &str, pruning: &Pruning) -> sqlx::Result<()> {
    let Pruning { search, verdict } = pruning;
    script
        .statement("INSERT OR REPLACE INTO prunings VALUES (?, ?, ?, ?, ?, ?)")
        .bind(run_id)?
        .bind(search)?
        .bind(verdict.epoch as i64)?
        .bind(verdict.loss)?
        .bind(verdict.threshold)?
        .bind(verdict.rivals as i64)?;
    Ok(())
}
