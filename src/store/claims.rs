//! Claims in the store: what experiments are held to, and the verdicts.

use std::collections::HashMap;

use anyhow::Context;
use serde_json::{Map, Value};
use sqlx::{Connection, QueryBuilder, Sqlite, SqliteConnection};

use super::row::from_row;
use super::summaries::score_column;
use super::{RevisionId, Store, now};
use crate::spec::{Aggregate, ClaimPart, ClaimSpec, ClaimUnit, Conditions, Expectation, Tolerance};

/// What became of a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictRecord {
    /// `reproduced`, `refuted` or `not_run`.
    pub verdict: &'static str,
    /// What the runs gave, taken together.
    pub reproduced: Option<f64>,
    /// Standard deviation over the runs.
    pub spread: Option<f64>,
    /// Runs that are done.
    pub runs: usize,
    /// Runs that the claim rests on.
    pub planned: usize,
}

struct ClaimRow {
    name: String,
    conditions: String,
    part: String,
    target: String,
    unit: String,
    metric: String,
    aggregate: String,
    reported: Option<f64>,
    tolerance: Option<String>,
    at_most: Option<f64>,
    at_least: Option<f64>,
    source: Option<String>,
    expect: Option<String>,
    reason: Option<String>,
}

from_row!(ClaimRow {
    name,
    conditions,
    part,
    target,
    unit,
    metric,
    aggregate,
    reported,
    tolerance,
    at_most,
    at_least,
    source,
    expect,
    reason
});

impl ClaimRow {
    fn into_spec(self) -> Option<ClaimSpec> {
        let conditions: Map<String, Value> = serde_json::from_str(&self.conditions).ok()?;
        let tolerance = match self.tolerance {
            None => None,
            Some(text) => Some(stored_tolerance(&text)?),
        };
        Some(ClaimSpec {
            name: self.name,
            conditions: Conditions(conditions.into_iter().collect()),
            metric: self.metric,
            target: self.target,
            unit: Some(ClaimUnit::parse(&self.unit)?),
            part: ClaimPart::parse(&self.part)?,
            aggregate: Aggregate::parse(&self.aggregate)?,
            reported: self.reported,
            tolerance,
            at_most: self.at_most,
            at_least: self.at_least,
            source: self.source,
            expect: self.expect.as_deref().and_then(Expectation::parse),
            reason: self.reason,
        })
    }
}

/// Reads what [`Tolerance`]'s `Display` wrote.
fn stored_tolerance(text: &str) -> Option<Tolerance> {
    match text.strip_suffix('%') {
        Some(share) => share.parse().ok().map(|share: f64| Tolerance::Share(share / 100.0)),
        None => text.parse().ok().map(Tolerance::Absolute),
    }
}

impl Store {
    /// The claims of a revision, in file order.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn claims(&mut self, revision: &RevisionId) -> anyhow::Result<Vec<ClaimSpec>> {
        let rows: Vec<ClaimRow> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT * FROM claims WHERE experiment = ? AND revision = ? ORDER BY position",
                )
                .bind(&revision.experiment)
                .bind(revision.revision)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the claims from the store")?;
        let specs: Option<Vec<ClaimSpec>> = rows.into_iter().map(ClaimRow::into_spec).collect();
        specs.context("damaged claims in the store")
    }

    /// Experiments whose latest revision has claims, by name.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn claiming_experiments(&mut self) -> anyhow::Result<Vec<String>> {
        self.runtime
            .block_on(
                sqlx::query_scalar(
                    "SELECT DISTINCT c.experiment FROM claims c JOIN experiments e \
                     ON e.name = c.experiment AND e.revision = c.revision ORDER BY 1",
                )
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the claims from the store")
    }

    /// One metric of every finished run that a revision plans, by run.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn metric_of_runs(
        &mut self,
        revision: &RevisionId,
        [part, target, unit, name]: [&str; 4],
    ) -> anyhow::Result<HashMap<String, f64>> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT r.run_id, ");
        match score_column([part, target, unit, name]) {
            Some(column) => {
                query.push("m.").push(column);
                query.push(
                    " AS value FROM revision_runs h CROSS JOIN run_records r USING (run_id) \
                     CROSS JOIN run_scores m ON m.run = r.run WHERE value IS NOT NULL",
                );
            }
            None => {
                query
                    .push(
                        "m.value FROM metric_keys k CROSS JOIN revision_runs h CROSS JOIN run_records r USING (run_id) \
                         CROSS JOIN metric_values m ON m.run = r.run AND m.metric = k.metric WHERE r.status = 'done' AND k.part = ",
                    )
                    .push_bind(part.to_string())
                    .push(" AND k.target = ")
                    .push_bind(target.to_string())
                    .push(" AND k.unit = ")
                    .push_bind(unit.to_string())
                    .push(" AND k.name = ")
                    .push_bind(name.to_string());
            }
        }
        query
            .push(" AND h.experiment = ")
            .push_bind(revision.experiment.clone())
            .push(" AND h.revision = ")
            .push_bind(revision.revision)
            .push(" AND h.position IS NOT NULL");
        let rows: Vec<(String, f64)> = self
            .runtime
            .block_on(query.build_query_as().fetch_all(&mut self.connection))
            .context("cannot read the metrics from the store")?;
        Ok(rows.into_iter().collect())
    }

    /// One metric of those of some runs that are done, by run.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn metric_of(
        &mut self,
        [part, target, unit, name]: [&str; 4],
        run_ids: &[&str],
    ) -> anyhow::Result<HashMap<String, f64>> {
        let rows: Vec<(String, f64)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.run_id, m.value FROM metric_keys k CROSS JOIN json_each(?) chosen \
                     CROSS JOIN run_records r ON r.run_id = chosen.value \
                     CROSS JOIN metric_values m ON m.run = r.run AND m.metric = k.metric WHERE k.part = ? AND k.target = ? \
                     AND k.unit = ? AND k.name = ? AND r.status = 'done'",
                )
                .bind(Value::from(run_ids).to_string())
                .bind(part)
                .bind(target)
                .bind(unit)
                .bind(name)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the metrics from the store")?;
        Ok(rows.into_iter().collect())
    }

    /// Records the verdicts on the claims of a revision, in file order.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn record_verdicts(
        &mut self,
        revision: &RevisionId,
        verdicts: &[VerdictRecord],
    ) -> anyhow::Result<()> {
        if verdicts.is_empty() {
            return Ok(());
        }
        let failed = || "cannot record the verdicts in the store";
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            for (position, verdict) in verdicts.iter().enumerate() {
                sqlx::query(
                    "UPDATE claims SET verdict = ?, reproduced = ?, spread = ?, runs = ?, planned = ?, judged_at = ? \
                     WHERE experiment = ? AND revision = ? AND position = ?",
                )
                .bind(verdict.verdict)
                .bind(verdict.reproduced)
                .bind(verdict.spread)
                .bind(verdict.runs as i64)
                .bind(verdict.planned as i64)
                .bind(now())
                .bind(&revision.experiment)
                .bind(revision.revision)
                .bind(position as i64)
                .execute(&mut *transaction)
                .await
                .with_context(failed)?;
            }
            transaction.commit().await.with_context(failed)
        })
    }
}

/// Replaces the claims of a revision by those of its file, not yet judged.
pub(super) async fn insert_claims(
    connection: &mut SqliteConnection,
    id: &RevisionId,
    claims: &[ClaimSpec],
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM claims WHERE experiment = ? AND revision = ?")
        .bind(&id.experiment)
        .bind(id.revision)
        .execute(&mut *connection)
        .await?;
    for (position, claim) in claims.iter().enumerate() {
        sqlx::query(
            "INSERT INTO claims (experiment, revision, position, name, conditions, part, target, unit, metric, aggregate, reported, \
             tolerance, at_most, at_least, source, expect, reason, verdict, runs, planned, judged_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'not_run', 0, 0, ?)",
        )
        .bind(&id.experiment)
        .bind(id.revision)
        .bind(position as i64)
        .bind(&claim.name)
        .bind(claim.conditions.to_json().to_string())
        .bind(claim.part.as_str())
        .bind(&claim.target)
        .bind(claim.unit().as_str())
        .bind(&claim.metric)
        .bind(claim.aggregate.as_str())
        .bind(claim.reported)
        .bind(claim.tolerance.map(|tolerance| tolerance.to_string()))
        .bind(claim.at_most)
        .bind(claim.at_least)
        .bind(&claim.source)
        .bind(claim.expect.map(Expectation::as_str))
        .bind(&claim.reason)
        .bind(now())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
