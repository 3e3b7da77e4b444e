//! What is planned: experiments and their runs, as a supervisor records them.

use anyhow::Context;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use super::claims::insert_claims;
use super::event::{Event, insert_events};
use super::script::Script;
use super::{RevisionId, Store, now};
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
    /// How many of them follow from no result: the same for every execution of the same file.
    pub initial: usize,
    /// Who executes it, and where.
    pub execution: &'a Execution,
}

/// One execution of an experiment: who started what, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The command line.
    pub command: String,
    /// Device class of the runs; empty where none can be planned.
    pub device_class: String,
    /// The machine.
    pub host: Option<String>,
    /// Commit of the folder that it was started in; `None` without git or outside of a repository.
    pub git_commit: Option<String>,
    /// Whether there were changes beside that commit.
    pub git_dirty: Option<bool>,
}

/// The revision that an execution belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRevision {
    /// The revision.
    pub id: RevisionId,
    /// Whether this execution is its first.
    pub is_new: bool,
}

impl Store {
    /// Records an experiment and the runs it plans. Runs that are known keep their status.
    ///
    /// The plan continues the revision of the same text and overrides if that planned the same runs. Otherwise it begins the
    /// next one: after a change of the file, and also of the data, the device class, or a program that computes other numbers.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn record_plan(&mut self, record: &PlanRecord<'_>) -> anyhow::Result<RecordedRevision> {
        let failed = || "cannot record the plan in the store";
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            let recorded = insert_plan(&mut transaction, record).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)?;
            Ok(recorded)
        })
    }

    /// Records an experiment and its claims, but no plan: its data are not here, so that nothing can be planned. Runs
    /// that an earlier plan gave it stay.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn record_experiment(
        &mut self,
        experiment: &Experiment,
        execution: &Execution,
    ) -> anyhow::Result<RevisionId> {
        let failed = || "cannot record the experiment in the store";
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            let recorded = find_revision(&mut transaction, experiment, &[]).await.with_context(failed)?;
            insert_revision(&mut transaction, &recorded.id, experiment, execution)
                .await
                .with_context(failed)?;
            transaction.commit().await.with_context(failed)?;
            Ok(recorded.id)
        })
    }

    /// Links the runs that were added to a plan, from a position on.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn extend_plan(
        &mut self,
        revision: &RevisionId,
        experiment: &Experiment,
        plan: &Plan,
        device_class: &str,
        from: usize,
    ) -> anyhow::Result<()> {
        let failed = || "cannot record the plan in the store";
        self.require_in_place()?;
        let unproposed = plan.unproposed(experiment);
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            let runs = PlannedRuns { plan, from, unproposed, device_class };
            insert_runs(&mut transaction, revision, &runs).await.with_context(failed)?;
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

/// The revision that an execution continues, or else the next one.
async fn find_revision(
    connection: &mut SqliteConnection,
    experiment: &Experiment,
    initial: &[&str],
) -> sqlx::Result<RecordedRevision> {
    let name = experiment.spec.name.clone();
    // One whose data are missing plans nothing; any plan continues it.
    let same: Option<i64> = sqlx::query_scalar(
        "SELECT revision FROM revisions v WHERE experiment = ?1 AND text = ?2 AND overrides = ?3 AND \
         (NOT EXISTS (SELECT 1 FROM revision_runs h WHERE h.experiment = v.experiment AND h.revision = v.revision) \
          OR NOT EXISTS (SELECT value FROM json_each(?4) EXCEPT SELECT run_id FROM revision_runs h \
                         WHERE h.experiment = v.experiment AND h.revision = v.revision)) ORDER BY revision DESC LIMIT 1",
    )
    .bind(&name)
    .bind(&experiment.text)
    .bind(json!(experiment.source.overrides).to_string())
    .bind(json!(initial).to_string())
    .fetch_optional(&mut *connection)
    .await?;
    let revision = if let Some(revision) = same {
        revision
    } else {
        let next = "SELECT coalesce(max(revision), 0) + 1 FROM revisions WHERE experiment = ?";
        sqlx::query_scalar(next).bind(&name).fetch_one(&mut *connection).await?
    };
    Ok(RecordedRevision { id: RevisionId { experiment: name, revision }, is_new: same.is_none() })
}

async fn insert_revision(
    connection: &mut SqliteConnection,
    id: &RevisionId,
    experiment: &Experiment,
    execution: &Execution,
) -> sqlx::Result<()> {
    let objective = &experiment.spec.search.objective;
    let objective = json!({
        "metric": objective.metric.as_str(), "target": objective.target, "part": objective.part.as_str(),
    });
    sqlx::query(
        "INSERT INTO revisions (experiment, revision, description, path, text, given, overrides, axes, objective, report, \
         command, git_commit, git_dirty, host, device, started_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?16) \
         ON CONFLICT (experiment, revision) DO UPDATE SET description = excluded.description, path = excluded.path, \
         given = excluded.given, axes = excluded.axes, objective = excluded.objective, report = excluded.report, \
         command = excluded.command, git_commit = excluded.git_commit, git_dirty = excluded.git_dirty, host = excluded.host, \
         device = coalesce(excluded.device, device), updated_at = excluded.updated_at, finished_at = NULL, outcome = NULL",
    )
    .bind(&id.experiment)
    .bind(id.revision)
    .bind(&experiment.spec.description)
    .bind(&experiment.source.path)
    .bind(&experiment.text)
    .bind(&experiment.source.text)
    .bind(json!(experiment.source.overrides).to_string())
    .bind(json!(experiment.axes).to_string())
    .bind(objective.to_string())
    // Files of earlier versions had a table [report].
    .bind("{}")
    .bind(&execution.command)
    .bind(&execution.git_commit)
    .bind(execution.git_dirty)
    .bind(&execution.host)
    .bind(Some(&execution.device_class).filter(|class| !class.is_empty()))
    .bind(now())
    .execute(&mut *connection)
    .await?;
    insert_claims(connection, id, &experiment.claims).await
}

async fn insert_plan(
    connection: &mut SqliteConnection,
    record: &PlanRecord<'_>,
) -> sqlx::Result<RecordedRevision> {
    let PlanRecord { experiment, plan, initial, execution } = record;
    let initial: Vec<&str> = plan.runs.iter().take(*initial).map(|run| run.id.as_str()).collect();
    let recorded = find_revision(&mut *connection, experiment, &initial).await?;
    insert_revision(&mut *connection, &recorded.id, experiment, execution).await?;
    let planned = Event {
        experiment: Some(experiment.spec.name.clone()),
        run_id: None,
        kind: "planned",
        detail: format!("{} runs of {}", plan.runs.len(), experiment.source.path),
    };
    insert_events(&mut *connection, &[planned]).await?;
    // What a search proposes follows from results, which may have changed: runs that it proposes no more keep their place in
    // the revision's history if something was recorded about them.
    let no_longer = "UPDATE revision_runs SET position = NULL WHERE experiment = ? AND revision = ?";
    let RevisionId { experiment: name, revision } = &recorded.id;
    sqlx::query(no_longer).bind(name).bind(revision).execute(&mut *connection).await?;
    let runs = PlannedRuns {
        plan,
        from: 0,
        unproposed: plan.unproposed(experiment),
        device_class: &execution.device_class,
    };
    insert_runs(&mut *connection, &recorded.id, &runs).await?;
    let never_ran = "DELETE FROM revision_runs WHERE experiment = ? AND revision = ? AND position IS NULL AND \
         (SELECT status FROM run_records r WHERE r.run_id = revision_runs.run_id) = 'planned'";
    sqlx::query(never_ran).bind(name).bind(revision).execute(&mut *connection).await?;
    Ok(recorded)
}

/// The runs of a plan from a position on.
struct PlannedRuns<'a> {
    plan: &'a Plan,
    from: usize,
    /// Trials that are still to be proposed.
    unproposed: usize,
    device_class: &'a str,
}

/// Records runs, each linked to the revision, and how many trials are still to be proposed.
async fn insert_runs(
    connection: &mut SqliteConnection,
    revision: &RevisionId,
    planned: &PlannedRuns<'_>,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE revisions SET unproposed = ? WHERE experiment = ? AND revision = ?")
        .bind(planned.unproposed as i64)
        .bind(&revision.experiment)
        .bind(revision.revision)
        .execute(&mut *connection)
        .await?;
    let runs: Vec<_> = planned.plan.runs.iter().enumerate().skip(planned.from).collect();
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
                .bind(planned.device_class)?
                .bind(run.spec.params().to_string())?
                .bind(&run.dataset_sha256)?
                .bind(&run.verdict.0)?;
            // Two supervisors of one experiment come to the same plan.
            script
                .statement(
                    "INSERT INTO revision_runs (experiment, run_id, revision, position) VALUES (?, ?, ?, ?) \
                     ON CONFLICT (experiment, run_id, revision) DO UPDATE SET position = excluded.position",
                )
                .bind(&revision.experiment)?
                .bind(&run.id)?
                .bind(revision.revision)?
                .bind(*position as i64)?;
        }
        script.execute(&mut *connection).await?;
    }
    Ok(())
}
