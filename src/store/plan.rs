//! What is planned: experiments and their runs, as a supervisor records them.

use std::collections::HashSet;

use anyhow::Context;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::claims::insert_claims;
use super::script::Script;
use super::write::{Event, insert_events};
use super::{Store, now};
use crate::plan::Plan;
use crate::spec::Experiment;

/// Runs that are recorded in one round trip; the statements of all such scripts are the same, and prepared once.
const RUNS_PER_SCRIPT: usize = 100;

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

impl Store {
    /// The runs that an experiment other than `besides` plans, and those that are running.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn planned_or_running(&mut self, besides: Option<&str>) -> anyhow::Result<HashSet<String>> {
        let runs: Vec<String> = self
            .runtime
            .block_on(
                sqlx::query_scalar(
                    "SELECT run_id FROM experiment_runs WHERE experiment IS NOT ? \
                     UNION SELECT run_id FROM run_records WHERE status = 'running'",
                )
                .bind(besides)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        Ok(runs.into_iter().collect())
    }

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
        experiment: &Experiment,
        plan: &Plan,
        device_class: &str,
        from: usize,
    ) -> anyhow::Result<()> {
        let failed = || "cannot record the plan in the store";
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            insert_runs(&mut transaction, experiment, plan, device_class, from).await.with_context(failed)?;
            let event = Event {
                experiment: Some(experiment.spec.name.clone()),
                run_id: None,
                kind: "proposed",
                detail: format!("{} more runs follow from the results so far", plan.runs.len() - from),
            };
            insert_events(&mut transaction, &[event]).await.with_context(failed)?;
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
    .bind(&experiment.text)
    .bind(json!(experiment.source.overrides).to_string())
    .bind(json!(experiment.axes).to_string())
    .bind(objective.to_string())
    .bind(command)
    .bind(now())
    .bind(json!(experiment.spec.report).to_string())
    .execute(&mut *connection)
    .await?;
    insert_claims(connection, &experiment.spec.name, &experiment.claims).await
}

async fn insert_plan(connection: &mut SqliteConnection, record: &PlanRecord<'_>) -> sqlx::Result<()> {
    let experiment = record.experiment;
    insert_experiment(&mut *connection, experiment, record.command).await?;
    let planned = Event {
        experiment: Some(experiment.spec.name.clone()),
        run_id: None,
        kind: "planned",
        detail: format!("{} runs of {}", record.plan.runs.len(), experiment.source.path),
    };
    insert_events(&mut *connection, &[planned]).await?;
    // What the file no longer plans leaves the experiment; the runs themselves stay in the store.
    sqlx::query("DELETE FROM experiment_runs WHERE experiment = ?")
        .bind(&experiment.spec.name)
        .execute(&mut *connection)
        .await?;
    insert_runs(connection, experiment, record.plan, record.device_class, 0).await
}

/// The runs of a plan from a position on, each linked to the experiment, and how many trials are still to be proposed.
async fn insert_runs(
    connection: &mut SqliteConnection,
    experiment: &Experiment,
    plan: &Plan,
    device_class: &str,
    from: usize,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE experiments SET unproposed = ? WHERE name = ?")
        .bind(plan.unproposed(experiment) as i64)
        .bind(&experiment.spec.name)
        .execute(&mut *connection)
        .await?;
    let runs: Vec<_> = plan.runs.iter().enumerate().skip(from).collect();
    for chunk in runs.chunks(RUNS_PER_SCRIPT) {
        let mut script = Script::default();
        for (position, run) in chunk {
            script
                .statement(
                    "INSERT INTO run_records \
                     (run_id, model, seed, fold, status, device, params, dataset_sha256, leak_verdict) \
                     VALUES (?, ?, ?, ?, 'planned', ?, ?, ?, ?) ON CONFLICT (run_id) DO NOTHING",
                )
                .bind(&run.id)?
                .bind(run.spec.model.kind())?
                .bind(run.seed.map(u64::cast_signed))?
                .bind(run.fold as i64)?
                .bind(device_class)?
                .bind(run.spec.params().to_string())?
                .bind(&run.dataset_sha256)?
                .bind(&run.verdict.0)?;
            // Two supervisors of one experiment come to the same plan.
            script
                .statement(
                    "INSERT OR IGNORE INTO experiment_runs (experiment, run_id, position) VALUES (?, ?, ?)",
                )
                .bind(&experiment.spec.name)?
                .bind(&run.id)?
                .bind(*position as i64)?;
        }
        script.execute(&mut *connection).await?;
    }
    Ok(())
}
