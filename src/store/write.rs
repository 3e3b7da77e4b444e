//! What the supervisor writes: plans, claims, and batches of what its workers report.

use std::collections::HashMap;

use anyhow::Context;
use serde_json::json;
use sqlx::{Connection, QueryBuilder, SqliteConnection};

use super::claims::insert_claims;
use super::owner::Owner;
use super::{Store, now};
use crate::experiment::{Experiment, Plan};
use crate::model::Epoch;
use crate::scheduler::RunResult;
use crate::search::Verdict;

/// Rows that are inserted by one statement: SQLite allows 32,766 parameters.
const ROWS_PER_INSERT: usize = 1_000;

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

/// The plan of an experiment, as it is recorded.
pub struct PlanRecord<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Its runs.
    pub plan: &'a Plan,
    /// Device class of the runs.
    pub device_class: &'a str,
    /// The command line that planned it.
    pub command: &'a str,
}

/// What a supervisor brings to an attempt.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The very device.
    pub device: String,
    /// Commit of the repository that the command was given in.
    pub git_commit: Option<String>,
    /// Whether that repository had changes beside the commit.
    pub git_dirty: Option<bool>,
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
    /// Records an experiment and the runs it plans. Runs that are known keep their status.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn record_plan(&mut self, record: &PlanRecord<'_>) -> anyhow::Result<()> {
        let failed = || "cannot record the plan in the store";
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            insert_plan(&mut transaction, record).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)
        })
    }

    /// Records an experiment and its claims, but no plan: its data are not here, so that nothing can be planned. Runs
    /// that an earlier plan gave it stay.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn record_experiment(&mut self, experiment: &Experiment, command: &str) -> anyhow::Result<()> {
        let failed = || "cannot record the experiment in the store";
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            insert_experiment(&mut transaction, experiment, command).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)
        })
    }

    /// Links the runs that were added to a plan, from a position on.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn extend_plan(
        &mut self,
        experiment: &str,
        plan: &Plan,
        device_class: &str,
        from: usize,
    ) -> anyhow::Result<()> {
        let failed = || "cannot record the plan in the store";
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            insert_runs(&mut transaction, experiment, plan, device_class, from).await.with_context(failed)?;
            let event = Record::Event {
                experiment: Some(experiment.to_string()),
                run_id: None,
                kind: "proposed",
                detail: format!("{} more runs follow from the results so far", plan.runs.len() - from),
            };
            insert_record(&mut transaction, &event).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)
        })
    }

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
                end_attempt(
                    &mut transaction,
                    &run_id,
                    attempt,
                    Status::Interrupted,
                    "its supervisor ended before it did",
                    None,
                )
                .await
                .with_context(failed)?;
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

    /// Takes a run, unless it is done and `stays_done`, or was given up by this `search`, or another living supervisor
    /// has it.
    ///
    /// `stays_done` is asked inside the transaction: asked before, it could miss a run that another supervisor finishes
    /// meanwhile, and the run would be done twice.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn claim(
        &mut self,
        run_id: &str,
        attempt: &Attempt,
        search: Option<&str>,
        stays_done: impl Fn() -> bool,
    ) -> anyhow::Result<Claim> {
        let failed = || format!("cannot claim run {run_id} in the store");
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            let status: Option<String> =
                sqlx::query_scalar("SELECT status FROM run_records WHERE run_id = ?")
                    .bind(run_id)
                    .fetch_optional(&mut *transaction)
                    .await
                    .with_context(failed)?;
            let status = status.as_deref().and_then(Status::parse).with_context(failed)?;
            if status == Status::Done && stays_done() {
                return Ok(Claim::Done);
            }
            if status == Status::Pruned {
                let here: bool = sqlx::query_scalar(
                    "SELECT EXISTS (SELECT 1 FROM prunings WHERE run_id = ? AND search = ?)",
                )
                .bind(run_id)
                .bind(search)
                .fetch_one(&mut *transaction)
                .await
                .with_context(failed)?;
                if here {
                    return Ok(Claim::Pruned);
                }
            }
            let owners: Vec<String> =
                sqlx::query_scalar("SELECT owner FROM attempts WHERE run_id = ? AND status = 'running'")
                    .bind(run_id)
                    .fetch_all(&mut *transaction)
                    .await
                    .with_context(failed)?;
            if owners.iter().any(|owner| Owner::parse(owner).is_some_and(|owner| owner.is_alive())) {
                return Ok(Claim::Taken);
            }
            let granted = start_attempt(&mut transaction, run_id, attempt).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)?;
            Ok(Claim::Granted(granted))
        })
    }

    /// Writes a batch in one transaction; nothing of it may be announced before this returns.
    ///
    /// # Errors
    /// A store that cannot be written; then nothing of the batch is.
    pub fn write(&mut self, records: &[Record]) -> anyhow::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let failed = || "cannot write to the store";
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            for record in records {
                insert_record(&mut transaction, record).await.with_context(failed)?;
            }
            transaction.commit().await.with_context(failed)
        })
    }
}

async fn insert_experiment(
    connection: &mut SqliteConnection,
    experiment: &Experiment,
    command: &str,
) -> sqlx::Result<()> {
    let objective = &experiment.spec.search.objective;
    let objective = json!({
        "metric": objective.metric.as_str(), "target": objective.target, "part": objective.part.as_str(),
    });
    sqlx::query(
        "INSERT INTO experiments (name, description, path, text, overrides, axes, objective, command, updated_at, report) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET description = excluded.description, \
         path = excluded.path, text = excluded.text, overrides = excluded.overrides, axes = excluded.axes, \
         objective = excluded.objective, command = excluded.command, updated_at = excluded.updated_at, report = excluded.report",
    )
    .bind(&experiment.spec.name)
    .bind(&experiment.spec.description)
    .bind(&experiment.source.path)
    .bind(&experiment.source.text)
    .bind(json!(experiment.source.overrides).to_string())
    .bind(json!(experiment.axes).to_string())
    .bind(objective.to_string())
    .bind(command)
    .bind(now())
    .bind(json!(experiment.spec.report).to_string())
    .execute(&mut *connection)
    .await?;
    insert_claims(connection, &experiment.spec.name, &experiment.spec.claims).await
}

async fn insert_plan(connection: &mut SqliteConnection, record: &PlanRecord<'_>) -> sqlx::Result<()> {
    let experiment = record.experiment;
    insert_experiment(&mut *connection, experiment, record.command).await?;
    let planned = Record::Event {
        experiment: Some(experiment.spec.name.clone()),
        run_id: None,
        kind: "planned",
        detail: format!("{} runs of {}", record.plan.runs.len(), experiment.source.path),
    };
    insert_record(&mut *connection, &planned).await?;
    // What the file no longer plans leaves the experiment; the runs themselves stay in the store.
    sqlx::query("DELETE FROM experiment_runs WHERE experiment = ?")
        .bind(&experiment.spec.name)
        .execute(&mut *connection)
        .await?;
    insert_runs(connection, &experiment.spec.name, record.plan, record.device_class, 0).await
}

/// The runs of a plan from a position on, each linked to the experiment.
async fn insert_runs(
    connection: &mut SqliteConnection,
    experiment: &str,
    plan: &Plan,
    device_class: &str,
    from: usize,
) -> sqlx::Result<()> {
    for (position, run) in plan.runs.iter().enumerate().skip(from) {
        sqlx::query(
            "INSERT INTO run_records (run_id, model, seed, fold, status, device, params, dataset_sha256, leak_verdict) \
             VALUES (?, ?, ?, ?, 'planned', ?, ?, ?, ?) ON CONFLICT (run_id) DO NOTHING",
        )
        .bind(&run.id)
        .bind(run.spec.model.kind())
        .bind(run.seed.map(u64::cast_signed))
        .bind(run.fold as i64)
        .bind(device_class)
        .bind(run.spec.params().to_string())
        .bind(&run.dataset_sha256)
        .bind(&run.verdict.0)
        .execute(&mut *connection)
        .await?;
        // Two supervisors of one experiment come to the same plan.
        sqlx::query("INSERT OR IGNORE INTO experiment_runs (experiment, run_id, position) VALUES (?, ?, ?)")
            .bind(experiment)
            .bind(&run.id)
            .bind(position as i64)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn start_attempt(
    connection: &mut SqliteConnection,
    run_id: &str,
    attempt: &Attempt,
) -> sqlx::Result<i64> {
    // The dead owner of an attempt that still says it is running has lost it.
    sqlx::query("UPDATE attempts SET status = 'interrupted' WHERE run_id = ? AND status = 'running'")
        .bind(run_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE run_records SET status = 'running' WHERE run_id = ?")
        .bind(run_id)
        .execute(&mut *connection)
        .await?;
    // What runs again is given up no longer.
    sqlx::query("DELETE FROM prunings WHERE run_id = ?").bind(run_id).execute(&mut *connection).await?;
    // The epochs of an attempt that never finished are nobody's; those of a finished one stay until they are replaced.
    sqlx::query(
        "DELETE FROM epochs WHERE run_id = ?1 AND NOT EXISTS (SELECT 1 FROM metrics WHERE run_id = ?1)",
    )
    .bind(run_id)
    .execute(&mut *connection)
    .await?;
    let inserted = sqlx::query(
        "INSERT INTO attempts (run_id, status, started_at, device, git_commit, git_dirty, version, owner) \
         VALUES (?, 'running', ?, ?, ?, ?, ?, ?)",
    )
    .bind(run_id)
    .bind(now())
    .bind(&attempt.device)
    .bind(&attempt.git_commit)
    .bind(attempt.git_dirty)
    .bind(env!("CARGO_PKG_VERSION"))
    .bind(Owner::this_process().to_string())
    .execute(&mut *connection)
    .await?;
    Ok(inserted.last_insert_rowid())
}

async fn insert_record(connection: &mut SqliteConnection, record: &Record) -> sqlx::Result<()> {
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
            record_peak(&mut *connection, *attempt, *peak_rss_bytes).await?;
            end_attempt(connection, run_id, *attempt, Status::Pruned, "", Some(*wall_s)).await?;
        }
        Record::Ended {
            run_id,
            attempt,
            ending: Ending::Otherwise { status, error, wall_s, peak_rss_bytes },
        } => {
            record_peak(&mut *connection, *attempt, *peak_rss_bytes).await?;
            end_attempt(connection, run_id, *attempt, *status, error, Some(*wall_s)).await?;
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
    sqlx::query("DELETE FROM metrics WHERE run_id = ?").bind(run_id).execute(&mut *connection).await?;
    // One statement for many rows: each statement is a round trip to the thread that owns the database.
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
    sqlx::query("DELETE FROM breakdowns WHERE run_id = ?").bind(run_id).execute(&mut *connection).await?;
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
    record_peak(&mut *connection, attempt, result.peak_rss_bytes).await?;
    end_attempt(connection, run_id, attempt, Status::Done, "", Some(result.wall_s)).await
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

async fn record_peak(
    connection: &mut SqliteConnection,
    attempt: i64,
    peak_rss_bytes: Option<u64>,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE attempts SET peak_rss_bytes = ? WHERE attempt_id = ?")
        .bind(peak_rss_bytes.map(u64::cast_signed))
        .bind(attempt)
        .execute(connection)
        .await?;
    Ok(())
}

async fn end_attempt(
    connection: &mut SqliteConnection,
    run_id: &str,
    attempt: i64,
    status: Status,
    error: &str,
    wall_s: Option<f64>,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE attempts SET status = ?, finished_at = ?, wall_s = ?, error = nullif(?, '') WHERE attempt_id = ?")
        .bind(status.as_str())
        .bind(now())
        .bind(wall_s)
        .bind(error)
        .bind(attempt)
        .execute(&mut *connection)
        .await?;
    // A further attempt that fails takes nothing from a run that was done before: its metrics and files are still there.
    sqlx::query(
        "UPDATE run_records SET status = CASE WHEN EXISTS (SELECT 1 FROM metrics m WHERE m.run_id = run_records.run_id) \
         THEN 'done' ELSE ? END WHERE run_id = ?",
    )
        .bind(status.as_str())
        .bind(run_id)
        .execute(&mut *connection)
        .await?;
    Ok(())
}
