//! Long lists of runs, of which only a few are shown at a time: their order as a list of keys, and the rows of some of them.

use std::collections::HashMap;

use anyhow::Context;
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use super::summaries::score_column;
use super::{RevisionId, RunFilter, RunRow, Store};

/// Which runs to list, and in what order.
#[derive(Debug, Clone, PartialEq)]
pub struct RunQuery {
    /// Which runs; identities are not looked at.
    pub filter: RunFilter,
    /// What the list is sorted by.
    pub order: ListOrder,
    /// The largest first. Runs without a value come last in either direction.
    pub descending: bool,
    /// Columns and parameters whose values are given for each run, for conditions that SQL cannot judge.
    pub values: Vec<String>,
    /// Whether to give when each run ended, or began if it goes on.
    pub times: bool,
}

/// What a list of runs is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum ListOrder {
    /// The last attempt.
    Latest,
    /// A column of the view `runs`, or `revisions` for the last revision that has the run.
    Column(&'static str),
    /// A parameter, by its whole path.
    Parameter(String),
    /// A metric: part, target, unit and name.
    Metric([String; 4]),
}

/// A run of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRun {
    /// Its number in the store.
    pub run: i64,
    /// Its experiment.
    pub experiment: String,
    /// The values that were asked for, null where the run has none.
    pub values: Vec<Value>,
    /// When it ended, or began; `None` if it did neither, or if nobody asked.
    pub time: Option<String>,
}

/// The columns of a list that the tables have as they are; the others come from the attempt that the status comes from.
const RECORD_COLUMNS: [(&str, &str); 8] = [
    ("run_id", "r.run_id"),
    ("experiment", "h.experiment"),
    ("revisions", "h.revision"),
    ("model", "r.model"),
    ("seed", "r.seed"),
    ("fold", "r.fold"),
    ("status", "r.status"),
    ("note", "r.note"),
];
const ATTEMPT_COLUMNS: [(&str, &str); 4] = [
    ("device", "coalesce(a.device, r.device)"),
    ("started_at", "a.started_at"),
    ("finished_at", "a.finished_at"),
    ("wall_s", "a.wall_s"),
];
const TAGS: &str = "(SELECT group_concat(tag, ',') FROM run_tags t WHERE t.run_id = r.run_id)";

/// As the view `runs` chooses it.
const ATTEMPT: &str = " LEFT JOIN attempts a ON a.attempt_id = coalesce((SELECT max(b.attempt_id) FROM attempts b \
     WHERE b.run_id = r.run_id AND b.status = r.status), \
     (SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id))";

impl RunQuery {
    fn select(&self) -> QueryBuilder<Sqlite> {
        // What nobody asked for would cost as much as the rest.
        let values = if self.values.is_empty() { "'[]'" } else { "json_group_array(json(given))" };
        let times = if self.times { "json_group_array(ended)" } else { "'[]'" };
        let mut query = QueryBuilder::new(format!(
            "SELECT json_group_array(run), json_group_array(experiment), {values}, {times} \
             FROM (SELECT r.run, h.experiment, json_array("
        ));
        for (index, name) in self.values.iter().enumerate() {
            query.push(if index > 0 { ", " } else { "" });
            match column(name) {
                Some(column) => query.push(column),
                None => query.push("r.params -> ").push_bind(json_path(name)),
            };
        }
        query.push(") AS given, ");
        query.push(if self.times { "coalesce(a.finished_at, a.started_at)" } else { "NULL" });
        query.push(" AS ended FROM revision_runs h JOIN run_records r USING (run_id)");
        if self.needs_attempt() {
            query.push(ATTEMPT);
        }
        if let ListOrder::Metric([part, target, unit, name]) = &self.order {
            match score_column([part, target, unit, name]) {
                Some(column) => {
                    query.push(" LEFT JOIN (SELECT run, ").push(column);
                    query.push(" AS value FROM run_scores) m ON m.run = r.run");
                }
                None => {
                    query
                        .push(" LEFT JOIN metric_values m ON m.run = r.run AND r.status = 'done' AND m.metric = ")
                        .push("(SELECT metric FROM metric_keys WHERE part = ")
                        .push_bind(part.clone())
                        .push(" AND target = ")
                        .push_bind(target.clone())
                        .push(" AND unit = ")
                        .push_bind(unit.clone())
                        .push(" AND name = ")
                        .push_bind(name.clone())
                        .push(")");
                }
            }
        }
        self.push_conditions(&mut query);
        self.push_order(&mut query);
        query.push(")");
        query
    }

    fn needs_attempt(&self) -> bool {
        let is_of_attempt = |name: &str| ATTEMPT_COLUMNS.iter().any(|(known, _)| *known == name);
        self.times
            || matches!(self.order, ListOrder::Column(name) if is_of_attempt(name))
            || self.values.iter().any(|name| is_of_attempt(name))
    }

    fn push_conditions(&self, query: &mut QueryBuilder<Sqlite>) {
        let RunFilter { experiment, revision, model, status, tag, archived, .. } = &self.filter;
        match revision {
            Some(RevisionId { experiment, revision }) => {
                query
                    .push(" WHERE h.experiment = ")
                    .push_bind(experiment.clone())
                    .push(" AND h.revision = ")
                    .push_bind(*revision)
                    .push(" AND h.position IS NOT NULL");
            }
            // A run of several revisions is listed once for each experiment.
            None => {
                query.push(
                    " WHERE NOT EXISTS (SELECT 1 FROM revision_runs n WHERE n.experiment = h.experiment \
                     AND n.run_id = h.run_id AND n.revision > h.revision)",
                );
            }
        }
        for (condition, text) in
            [(" AND h.experiment = ", experiment), (" AND r.model = ", model), (" AND r.status = ", status)]
        {
            if let Some(text) = text {
                query.push(condition).push_bind(text.clone());
            }
        }
        if let Some(tag) = tag {
            query
                .push(" AND (EXISTS (SELECT 1 FROM run_tags t WHERE t.run_id = h.run_id AND t.tag = ")
                .push_bind(tag.clone())
                .push(") OR EXISTS (SELECT 1 FROM revision_runs w JOIN revision_tags t USING (experiment, revision) ")
                .push("WHERE w.experiment = h.experiment AND w.run_id = h.run_id AND t.tag = ")
                .push_bind(tag.clone())
                .push("))");
        }
        if revision.is_none() && !archived {
            query.push(
                " AND (NOT EXISTS (SELECT 1 FROM revisions WHERE archived) \
                 OR EXISTS (SELECT 1 FROM revision_runs w JOIN revisions x USING (experiment, revision) \
                            WHERE w.experiment = h.experiment AND w.run_id = h.run_id AND NOT x.archived))",
            );
        }
    }

    fn push_order(&self, query: &mut QueryBuilder<Sqlite>) {
        let direction = if self.descending { " DESC" } else { "" };
        let by = |query: &mut QueryBuilder<Sqlite>, key: &str| {
            query.push(format!(" ORDER BY {key} IS NULL, {key}{direction}, r.run"));
        };
        match &self.order {
            ListOrder::Latest => {
                let latest = "(SELECT max(b.attempt_id) FROM attempts b WHERE b.run_id = r.run_id)";
                query.push(format!(" ORDER BY {latest}{direction}, r.run{direction}"));
            }
            ListOrder::Column(name) => by(query, column(name).unwrap_or("r.run")),
            ListOrder::Metric(_) => by(query, "m.value"),
            ListOrder::Parameter(path) => {
                query
                    .push(" ORDER BY r.params ->> ")
                    .push_bind(json_path(path))
                    .push(" IS NULL, r.params ->> ");
                query.push_bind(json_path(path)).push(format!("{direction}, r.run"));
            }
        }
    }
}

/// The experiment and the revision that a filter names.
fn scope_of(filter: &RunFilter) -> (Option<String>, Option<i64>) {
    match &filter.revision {
        Some(RevisionId { experiment, revision }) => (Some(experiment.clone()), Some(*revision)),
        None => (filter.experiment.clone(), None),
    }
}

/// The expression of a column of a list; `None` for a parameter.
fn column(name: &str) -> Option<&'static str> {
    let own = RECORD_COLUMNS.into_iter().chain(ATTEMPT_COLUMNS).find(|(known, _)| *known == name);
    own.map(|(_, column)| column).or((name == "tags").then_some(TAGS))
}

/// A dotted path as SQLite reads it, whatever the names in it.
fn json_path(dotted: &str) -> String {
    let keys = dotted.split('.').map(|key| format!(".\"{}\"", key.replace('"', "\\\"")));
    format!("${}", keys.collect::<String>())
}

impl Store {
    /// The runs of a list in its order, without their rows.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn list_runs(&mut self, query: &RunQuery) -> anyhow::Result<Vec<ListedRun>> {
        // One row for the whole list: a row for each run would take longer on its way than in SQLite.
        let (runs, experiments, values, times): (String, String, String, String) = self
            .runtime
            .block_on(query.select().build_query_as().fetch_one(&mut self.connection))
            .context("cannot list the runs of the store")?;
        let damaged = "the store holds damaged parameters";
        let runs: Vec<i64> = serde_json::from_str(&runs).context(damaged)?;
        let experiments: Vec<String> = serde_json::from_str(&experiments).context(damaged)?;
        let values: Vec<Vec<Value>> = serde_json::from_str(&values).context(damaged)?;
        let times: Vec<Option<String>> = serde_json::from_str(&times).context(damaged)?;
        let values = values.into_iter().map(Some).chain(std::iter::repeat(None));
        let times = times.into_iter().chain(std::iter::repeat(None));
        let listed = runs.into_iter().zip(experiments).zip(values.zip(times));
        let listed = listed.map(|((run, experiment), (values, time))| ListedRun {
            run,
            experiment,
            values: values.unwrap_or_default(),
            time,
        });
        Ok(listed.collect())
    }

    /// The rows of some runs of a list, in its order. Runs that have gone meanwhile are left out.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn listed_rows(&mut self, listed: &[(i64, String)]) -> anyhow::Result<Vec<RunRow>> {
        let numbers: Vec<i64> = listed.iter().map(|(run, _)| *run).collect();
        let ids: Vec<(i64, String)> = self
            .runtime
            .block_on(
                sqlx::query_as(
                    "SELECT r.run, r.run_id FROM json_each(?) n JOIN run_records r ON r.run = n.value",
                )
                .bind(Value::from(numbers).to_string())
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the runs from the store")?;
        let run_ids = ids.iter().map(|(_, run_id)| run_id.clone()).collect();
        let filter = RunFilter { run_ids: Some(run_ids), archived: true, ..RunFilter::default() };
        let rows = self.runs(&filter)?;
        let mut rows: HashMap<(String, String), RunRow> =
            rows.into_iter().map(|row| ((row.experiment.clone(), row.run_id.clone()), row)).collect();
        let ids: HashMap<i64, String> = ids.into_iter().collect();
        let in_order = listed
            .iter()
            .filter_map(|(run, experiment)| rows.remove(&(experiment.clone(), ids.get(run)?.clone())));
        Ok(in_order.collect())
    }

    /// The resolved runs of up to `most` runs of each revision that a filter names; of every run where that is no limit.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn parameter_samples(&mut self, filter: &RunFilter, most: usize) -> anyhow::Result<Vec<Value>> {
        let (experiment, revision) = scope_of(filter);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let texts: Vec<String> = self
            .runtime
            .block_on(async {
                let scope: Vec<(String, i64)> = sqlx::query_as(
                    "SELECT experiment, revision FROM revisions WHERE (?1 IS NULL OR experiment = ?1) \
                     AND (?2 IS NULL OR revision = ?2)",
                )
                .bind(experiment)
                .bind(revision)
                .fetch_all(&mut self.connection)
                .await?;
                let mut texts: Vec<String> = Vec::new();
                for (experiment, revision) in scope {
                    // Identities are hashes, so the first ones are as good as drawn.
                    let own: Vec<String> = sqlx::query_scalar(
                        "SELECT DISTINCT r.params FROM (SELECT run_id FROM revision_runs WHERE experiment = ? \
                         AND revision = ? LIMIT ?) h CROSS JOIN run_records r USING (run_id)",
                    )
                    .bind(experiment)
                    .bind(revision)
                    .bind(most)
                    .fetch_all(&mut self.connection)
                    .await?;
                    texts.extend(own);
                }
                Ok::<_, sqlx::Error>(texts)
            })
            .context("cannot read the parameters of the runs from the store")?;
        texts
            .iter()
            .map(|text| serde_json::from_str(text).context("damaged parameters in the store"))
            .collect()
    }

    /// The axes of the revisions that a filter names.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn axes_of(&mut self, filter: &RunFilter) -> anyhow::Result<Vec<String>> {
        let (experiment, revision) = scope_of(filter);
        self.runtime
            .block_on(
                sqlx::query_scalar(
                    "SELECT DISTINCT x.value FROM revisions v, json_each(v.axes) x \
                     WHERE (?1 IS NULL OR v.experiment = ?1) AND (?2 IS NULL OR v.revision = ?2)",
                )
                .bind(experiment)
                .bind(revision)
                .fetch_all(&mut self.connection),
            )
            .context("cannot read the experiments from the store")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_the_quotes_in_its_names() {
        assert_eq!(json_path("model.hidden"), "$.\"model\".\"hidden\"");
        assert_eq!(json_path("a\"b"), "$.\"a\\\"b\"");
    }

    #[test]
    fn columns_are_told_from_parameters() {
        assert_eq!(column("wall_s"), Some("a.wall_s"));
        assert_eq!(column("model.hidden"), None);
    }
}
