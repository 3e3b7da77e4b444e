//! What reports, lists and predictions read.

use anyhow::{Context, bail};
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use super::row::from_row;
use super::run_row::{RawRun, RunRow, SharedParams};
use super::{RevisionId, Store};

/// One metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The run.
    pub run_id: String,
    /// `train`, `valid` or `test`.
    pub part: String,
    /// A target's name, or `all`.
    pub target: String,
    /// `scaled` or `original`.
    pub unit: String,
    /// Name of the metric.
    pub name: String,
    /// Its value.
    pub value: f64,
}

from_row!(MetricRow { run_id, part, target, unit, name, value });

/// One metric of the forecasts that fall into one bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakdownRow {
    /// The run.
    pub run_id: String,
    /// `hour`, `burst_state` or `size`.
    pub dimension: String,
    /// Name of the bucket.
    pub bucket: String,
    /// A target's name.
    pub target: String,
    /// `scaled` or `original`.
    pub unit: String,
    /// Name of the metric.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// How many forecast steps fell into the bucket.
    pub forecasts: i64,
}

from_row!(BreakdownRow { run_id, dimension, bucket, target, unit, name, value, forecasts });

/// One epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochRow {
    /// The run.
    pub run_id: String,
    /// Counted from 1.
    pub epoch: i64,
    /// Training loss.
    pub train_loss: f64,
    /// Validation loss.
    pub valid_loss: f64,
}

from_row!(EpochRow { run_id, epoch, train_loss, valid_loss });

/// One event of the scheduler's log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// When.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// The particulars.
    pub detail: String,
}

from_row!(EventRow { at, kind, detail });

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFilter {
    /// Of this experiment, whichever of its revisions plans them.
    pub experiment: Option<String>,
    /// That this revision plans, in the order of its plan.
    pub revision: Option<RevisionId>,
    /// Of this model kind.
    pub model: Option<String>,
    /// With this status.
    pub status: Option<String>,
    /// Of these identities, a few thousand at most.
    pub run_ids: Option<Vec<String>>,
    /// With this tag, or of a revision with it.
    pub tag: Option<String>,
    /// Also those that only archived revisions have.
    pub archived: bool,
}

/// The columns of [`RawRun`], and the place of each run in the plan of a revision, whose number is bound.
const SELECT_RUNS: &str = "SELECT v.run_id, v.experiment, v.model, v.seed, v.fold, v.status, v.device, v.params, \
     v.started_at, v.finished_at, v.wall_s, v.peak_rss_bytes, v.attempts, v.git_commit, v.git_dirty, \
     v.version, v.dataset_sha256, r.leak_verdict, v.error, v.revisions, v.tags, v.note \
     FROM runs v JOIN run_records r USING (run_id) \
     LEFT JOIN revision_runs h ON h.experiment = v.experiment AND h.run_id = v.run_id AND h.revision = ";

const IS_NOT_ARCHIVED: &str = " AND (NOT EXISTS (SELECT 1 FROM revisions WHERE archived) \
     OR EXISTS (SELECT 1 FROM revision_runs w JOIN revisions x USING (experiment, revision) \
                WHERE w.experiment = v.experiment AND w.run_id = v.run_id AND NOT x.archived))";

/// The runs that pass the parts of a filter that a table has, by a metric; `?5` to `?8` are the metric's key.
const FIRST_RUNS: &str = "SELECT r.run_id FROM run_records r LEFT JOIN metric_values m ON m.run = r.run \
     AND r.status = 'done' AND m.metric = \
     (SELECT metric FROM metric_keys WHERE part = ?5 AND target = ?6 AND unit = ?7 AND name = ?8) \
     WHERE (?2 IS NULL OR r.model = ?2) AND (?3 IS NULL OR r.status = ?3) \
     AND (?1 IS NULL AND (?10 OR NOT EXISTS (SELECT 1 FROM revisions WHERE archived)) OR EXISTS \
      (SELECT 1 FROM revision_runs h JOIN revisions x USING (experiment, revision) WHERE h.run_id = r.run_id \
       AND (?1 IS NULL OR h.experiment = ?1) AND (?4 IS NULL OR h.revision = ?4 AND h.position IS NOT NULL) \
       AND (?10 OR NOT x.archived))) \
     ORDER BY m.value IS NULL, m.value * ?9 LIMIT ?11";

impl RunFilter {
    /// The runs that a revision plans.
    pub fn of(revision: &RevisionId) -> Self {
        Self { revision: Some(revision.clone()), ..Self::default() }
    }

    /// The query of the runs that pass. Only conditions that there are stand in it: SQLite then looks up the few runs that an
    /// experiment or a list of identities leaves, and does not read all.
    fn select(&self) -> QueryBuilder<Sqlite> {
        let number = self.revision.as_ref().map(|revision| revision.revision);
        let mut query = QueryBuilder::new(SELECT_RUNS);
        query.push_bind(number).push(" WHERE 1");
        let experiment = self.revision.as_ref().map(|revision| &revision.experiment);
        let texts = [
            (" AND v.experiment = ", experiment.or(self.experiment.as_ref())),
            (" AND v.model = ", self.model.as_ref()),
            (" AND v.status = ", self.status.as_ref()),
        ];
        for (condition, text) in texts {
            if let Some(text) = text {
                query.push(condition).push_bind(text.clone());
            }
        }
        if let Some(run_ids) = &self.run_ids {
            let mut list = query.push(" AND v.run_id IN (").separated(", ");
            for run_id in run_ids {
                list.push_bind(run_id.clone());
            }
            list.push_unseparated(")");
        }
        if let Some(tag) = &self.tag {
            query
                .push(" AND (EXISTS (SELECT 1 FROM run_tags t WHERE t.run_id = v.run_id AND t.tag = ")
                .push_bind(tag.clone())
                .push(") OR EXISTS (SELECT 1 FROM revision_runs w JOIN revision_tags t USING (experiment, revision) ")
                .push("WHERE w.experiment = v.experiment AND w.run_id = v.run_id AND t.tag = ")
                .push_bind(tag.clone())
                .push("))");
        }
        if number.is_some() {
            query.push(" AND h.position IS NOT NULL");
        } else if !self.archived {
            query.push(IS_NOT_ARCHIVED);
        }
        query.push(" ORDER BY v.experiment, h.position");
        query
    }

    /// One run, in every experiment that has it.
    pub fn one(run_id: &str) -> Self {
        Self { run_ids: Some(vec![run_id.to_string()]), archived: true, ..Self::default() }
    }
}

impl Store {
    /// Names of all experiments, the latest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn experiment_names(&mut self) -> anyhow::Result<Vec<String>> {
        self.runtime
            .block_on(
                sqlx::query_scalar("SELECT name FROM experiments ORDER BY updated_at DESC, name")
                    .fetch_all(&mut self.connection),
            )
            .context("cannot read the experiments from the store")
    }

    /// Runs that pass a filter, experiment by experiment in the order of their plans.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn runs(&mut self, filter: &RunFilter) -> anyhow::Result<Vec<RunRow>> {
        let rows: Vec<RawRun> = self
            .runtime
            .block_on(filter.select().build_query_as().fetch_all(&mut self.connection))
            .context("cannot read the runs from the store")?;
        let mut shared = SharedParams::default();
        rows.into_iter().map(|raw| raw.row(&mut shared)).collect()
    }

    /// The first runs that pass a filter in the order of a metric (part, target, unit, name); runs without it come last.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn first_runs(
        &mut self,
        filter: &RunFilter,
        [part, target, unit, name]: [&str; 4],
        descending: bool,
        count: usize,
    ) -> anyhow::Result<Vec<String>> {
        let experiment = filter.revision.as_ref().map(|revision| &revision.experiment);
        self.runtime
            .block_on(
                sqlx::query_scalar(FIRST_RUNS)
                    .bind(experiment.or(filter.experiment.as_ref()))
                    .bind(&filter.model)
                    .bind(&filter.status)
                    .bind(filter.revision.as_ref().map(|revision| revision.revision))
                    .bind(part)
                    .bind(target)
                    .bind(unit)
                    .bind(name)
                    .bind(if descending { -1.0 } else { 1.0 })
                    .bind(filter.archived || filter.revision.is_some())
                    .bind(i64::try_from(count).unwrap_or(i64::MAX))
                    .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")
    }

    /// Every metric of some runs.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn all_metrics_of_runs(&mut self, run_ids: &[String]) -> anyhow::Result<Vec<MetricRow>> {
        self.select_metrics(run_ids, None)
    }

    /// Every metric of some runs on one part.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn metrics_of_runs(&mut self, run_ids: &[String], part: &str) -> anyhow::Result<Vec<MetricRow>> {
        self.select_metrics(run_ids, Some(part))
    }

    fn select_metrics(&mut self, run_ids: &[String], part: Option<&str>) -> anyhow::Result<Vec<MetricRow>> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.run_id, k.part, k.target, k.unit, k.name, v.value FROM json_each(?1) chosen \
                     CROSS JOIN run_records r ON r.run_id = chosen.value CROSS JOIN metric_values v USING (run) \
                     CROSS JOIN metric_keys k USING (metric) WHERE ?2 IS NULL OR k.part = ?2 \
                     ORDER BY chosen.key, k.part, k.target, k.unit, k.name",
                )
                .bind(Value::from(run_ids).to_string())
                .bind(part)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the metrics from the store")
    }

    /// Every metric of one run.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn metrics_of_run(&mut self, run_id: &str) -> anyhow::Result<Vec<MetricRow>> {
        self.runtime
            .block_on(
                sqlx::query_as("SELECT * FROM metrics WHERE run_id = ? ORDER BY part, target, unit, name")
                    .bind(run_id)
                    .fetch_all(&mut self.connection),
            )
            .context("cannot read the metrics from the store")
    }

    /// Every epoch of some runs.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn epochs_of_runs(&mut self, run_ids: &[String]) -> anyhow::Result<Vec<EpochRow>> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT e.run_id, e.epoch, e.train_loss, e.valid_loss FROM json_each(?) chosen \
                     JOIN epochs e ON e.run_id = chosen.value ORDER BY e.run_id, e.epoch",
                )
                .bind(Value::from(run_ids).to_string())
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the epochs from the store")
    }

    /// The test errors of one run by hour, burst state and size.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn breakdowns_of_run(&mut self, run_id: &str) -> anyhow::Result<Vec<BreakdownRow>> {
        self.runtime
            .block_on(
                sqlx::query_as(
                    "SELECT run_id, dimension, bucket, target, unit, name, value, forecasts FROM breakdowns \
                     WHERE run_id = ? ORDER BY dimension, bucket, target",
                )
                .bind(run_id)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the breakdowns from the store")
    }

    /// The scheduler's log of one run, oldest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn events_of_run(&mut self, run_id: &str) -> anyhow::Result<Vec<EventRow>> {
        self.runtime
            .block_on(
                sqlx::query_as("SELECT at, kind, detail FROM events WHERE run_id = ? ORDER BY at, event_id")
                    .bind(run_id)
                    .fetch_all(&mut self.connection),
            )
            .context("cannot read the events from the store")
    }

    /// The one run whose identity begins with these characters.
    ///
    /// # Errors
    /// No such run, or several.
    pub fn resolve_run(&mut self, prefix: &str) -> anyhow::Result<String> {
        let found: Vec<String> = self
            .runtime
            .block_on(
                sqlx::query_scalar(
                    // The range is what the index finds; the rest is exact.
                    "SELECT run_id FROM run_records WHERE run_id >= ?1 AND run_id < ?1 || char(1114111) \
                     AND substr(run_id, 1, length(?1)) = ?1 LIMIT 3",
                )
                .bind(prefix)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => bail!("no run `{prefix}` in {}; `burstlab runs` lists them", self.path.display()),
            several => bail!("`{prefix}` begins several runs: {}; give more characters", several.join(", ")),
        }
    }
}
