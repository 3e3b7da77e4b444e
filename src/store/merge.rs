//! Brings another store into this one: what it knows more is taken over, what both know stays as it is.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, ensure};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{Store, identity};

/// Tables that a merge joins row by row; all others that name runs by their identity go with them as they are.
const JOINED: [&str; 7] =
    ["run_records", "revisions", "revision_runs", "revision_tags", "run_tags", "attempts", "events"];

/// The runs of the other store that say more than this one knows: it lacks them, or they have come further.
const ADOPTED: &str = "CREATE TEMP TABLE adopted AS \
     WITH standing (status, rank) AS (VALUES ('done', 3), ('pruned', 2), ('failed', 1), ('timed_out', 1)) \
     SELECT theirs.run_id, theirs.status AS status FROM other.run_records theirs \
     LEFT JOIN main.run_records ours ON ours.run_id = theirs.run_id \
     LEFT JOIN standing there ON there.status = theirs.status \
     LEFT JOIN standing here ON here.status = ours.status \
     WHERE ours.run_id IS NULL OR coalesce(there.rank, 0) > coalesce(here.rank, 0)";

/// The runs that both have finished, and the metrics of the other store, with their numbers in both.
const COMPARED: [&str; 6] = [
    "DROP TABLE IF EXISTS temp.finished",
    "CREATE TEMP TABLE finished (run_id TEXT NOT NULL, theirs INTEGER NOT NULL, ours INTEGER NOT NULL)",
    "INSERT INTO temp.finished SELECT t.run_id, t.run, o.run FROM other.run_records t \
     JOIN main.run_records o USING (run_id) WHERE t.status = 'done' AND o.status = 'done'",
    "DROP TABLE IF EXISTS temp.compared",
    "CREATE TEMP TABLE compared (theirs INTEGER PRIMARY KEY, ours INTEGER NOT NULL)",
    "INSERT INTO temp.compared SELECT theirs.metric, ours.metric FROM other.metric_keys theirs \
     JOIN main.metric_keys ours USING (part, target, unit, name)",
];

/// Runs that both have finished, but with different metrics.
const CONFLICTS: &str = "SELECT run_id FROM temp.finished f WHERE \
     (SELECT count(*) FROM main.metric_values m WHERE m.run = f.ours) \
         <> (SELECT count(*) FROM other.metric_values v WHERE v.run = f.theirs) \
     OR EXISTS (SELECT 1 FROM other.metric_values v LEFT JOIN temp.compared k ON k.theirs = v.metric \
         LEFT JOIN main.metric_values m ON m.run = f.ours AND m.metric = k.ours \
         WHERE v.run = f.theirs AND m.value IS NOT v.value) ORDER BY 1";

/// Whether an attempt of the other store is one of this store: a supervisor starts a run once in a millisecond.
const SAME_ATTEMPT: &str =
    "ours.run_id = theirs.run_id AND ours.started_at = theirs.started_at AND ours.owner = theirs.owner";

/// What came of a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Runs that were taken over, with what they have come to: `done`, `failed`, ...
    pub adopted: Vec<(String, String)>,
    /// Runs that this store knew as well already.
    pub known: usize,
    /// Attempts that were taken over.
    pub attempts: usize,
    /// Runs that both stores have finished, with different metrics; those of this store stay.
    pub conflicts: Vec<String>,
    /// Revisions that were taken over under a number of their own: the name, their number there, and the number here.
    pub renumbered: Vec<(String, i64, i64)>,
}

impl Store {
    /// Attaches a snapshot of another store, and says which of its finished runs this store lacks or has without files
    /// (as `has_files` tells): their files are to be brought before [`Store::merge`] is called.
    ///
    /// # Errors
    /// A snapshot that cannot be read.
    pub fn attach(
        &mut self,
        snapshot: &Path,
        has_files: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<String>> {
        let failed = || format!("cannot read {}", snapshot.display());
        ensure!(identity(&self.path) != identity(snapshot), "a store cannot be merged into itself");
        let finished: Vec<(String, bool)> = self.runtime.block_on(async {
            sqlx::query("ATTACH DATABASE ? AS other")
                .bind(snapshot.to_string_lossy().into_owned())
                .execute(&mut self.connection)
                .await
                .with_context(failed)?;
            sqlx::query_as(
                "SELECT theirs.run_id, coalesce(ours.status = 'done', 0) FROM other.run_records theirs \
                 LEFT JOIN main.run_records ours ON ours.run_id = theirs.run_id WHERE theirs.status = 'done'",
            )
            .fetch_all(&mut self.connection)
            .await
            .with_context(failed)
        })?;
        let conflicts: HashSet<String> = self
            .runtime
            .block_on(conflicts(&mut self.connection))
            .with_context(failed)?
            .into_iter()
            .collect();
        let lacking =
            finished.into_iter().filter(|(run, done)| !(conflicts.contains(run) || *done && has_files(run)));
        Ok(lacking.map(|(run, _)| run).collect())
    }

    /// Takes over what the attached store knows more, in one transaction, and detaches it. Merging again changes nothing.
    /// `ready` is called before the transaction is committed: by then the files of the runs must be there.
    ///
    /// # Errors
    /// A store that cannot be written, or what `ready` fails with; then nothing is taken over.
    pub fn merge(&mut self, ready: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Merged> {
        let path = self.path.clone();
        let failed = || format!("cannot merge into the store {}", path.display());
        self.require_in_place()?;
        self.runtime.block_on(async {
            // Every value comes with its run and its key, by the joins that bring it, and nothing that others refer to is
            // removed: looking both up again for each of millions of values would take half of the time.
            execute(&mut self.connection, "PRAGMA foreign_keys = OFF").await.with_context(failed)?;
            let merged = joined(&mut self.connection, ready, &failed).await;
            // Both are undone however the merge ended, and its own error says more than one of theirs.
            let referring = execute(&mut self.connection, "PRAGMA foreign_keys = ON").await;
            let detached = execute(&mut self.connection, "DETACH DATABASE other").await;
            let merged = merged?;
            referring.and(detached).with_context(failed)?;
            Ok(merged)
        })
    }
}

async fn joined(
    connection: &mut SqliteConnection,
    ready: impl FnOnce() -> anyhow::Result<()>,
    failed: &impl Fn() -> String,
) -> anyhow::Result<Merged> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
    let merged = join(&mut transaction).await.with_context(failed)?;
    ready()?;
    transaction.commit().await.with_context(failed)?;
    Ok(merged)
}

async fn conflicts(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    for sql in COMPARED {
        execute(connection, sql).await?;
    }
    sqlx::query_scalar(CONFLICTS).fetch_all(connection).await
}

async fn join(connection: &mut SqliteConnection) -> sqlx::Result<Merged> {
    let conflicts = conflicts(connection).await?;
    execute(connection, "DROP TABLE IF EXISTS temp.adopted").await?;
    execute(connection, ADOPTED).await?;
    // What is being run elsewhere is not being run here.
    execute(connection, "UPDATE temp.adopted SET status = 'interrupted' WHERE status = 'running'").await?;
    let adopted: Vec<(String, String)> =
        sqlx::query_as("SELECT run_id, status FROM temp.adopted ORDER BY rowid")
            .fetch_all(&mut *connection)
            .await?;
    let all: i64 =
        sqlx::query_scalar("SELECT count(*) FROM other.run_records").fetch_one(&mut *connection).await?;
    adopt_runs(connection).await?;
    let attempts = adopt_attempts(connection).await?;
    adopt_events(connection).await?;
    let renumbered = adopt_revisions(connection).await?;
    adopt_notes(connection).await?;
    execute(connection, "DROP TABLE temp.adopted").await?;
    let known = usize::try_from(all).unwrap_or(0).saturating_sub(adopted.len());
    Ok(Merged { adopted, known, attempts, conflicts, renumbered })
}

async fn adopt_runs(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let columns = columns(connection, "run_records").await?;
    let values =
        columns.replace("\"status\"", "(SELECT status FROM temp.adopted a WHERE a.run_id = theirs.run_id)");
    execute(
        connection,
        &format!(
            "INSERT INTO main.run_records ({columns}) SELECT {values} FROM other.run_records theirs \
             WHERE run_id IN (SELECT run_id FROM temp.adopted) \
             ON CONFLICT (run_id) DO UPDATE SET status = excluded.status"
        ),
    )
    .await?;
    for table in tables_with_runs(connection).await? {
        let columns = self::columns(connection, &table).await?;
        let adopted = "run_id IN (SELECT run_id FROM temp.adopted)";
        execute(connection, &format!("DELETE FROM main.\"{table}\" WHERE {adopted}")).await?;
        let select = format!("SELECT {columns} FROM other.\"{table}\" WHERE {adopted}");
        execute(connection, &format!("INSERT INTO main.\"{table}\" ({columns}) {select}")).await?;
    }
    for sql in ADOPT_VALUES {
        execute(connection, sql).await?;
    }
    Ok(())
}

/// The values of the adopted runs. Each store has numbers of its own for runs and keys, so those of the other store are first
/// listed with ours: millions of values are then joined by numbers, not by what these stand for.
const ADOPT_VALUES: [&str; 20] = [
    "DROP TABLE IF EXISTS temp.run_numbers",
    "CREATE TEMP TABLE run_numbers (theirs INTEGER PRIMARY KEY, ours INTEGER NOT NULL)",
    "INSERT INTO temp.run_numbers SELECT t.run, r.run FROM temp.adopted a CROSS JOIN other.run_records t \
     ON t.run_id = a.run_id CROSS JOIN main.run_records r ON r.run_id = a.run_id",
    "DROP TABLE IF EXISTS temp.key_numbers",
    "CREATE TEMP TABLE key_numbers (theirs INTEGER PRIMARY KEY, ours INTEGER NOT NULL)",
    "DELETE FROM main.metric_values WHERE run IN (SELECT ours FROM temp.run_numbers)",
    "INSERT OR IGNORE INTO main.metric_keys (part, target, unit, name) \
     SELECT part, target, unit, name FROM other.metric_keys",
    "INSERT INTO temp.key_numbers SELECT theirs.metric, ours.metric FROM other.metric_keys theirs \
     JOIN main.metric_keys ours USING (part, target, unit, name)",
    "INSERT INTO main.metric_values SELECT r.ours, k.ours, v.value FROM temp.run_numbers r \
     CROSS JOIN other.metric_values v ON v.run = r.theirs CROSS JOIN temp.key_numbers k ON k.theirs = v.metric",
    "DELETE FROM temp.key_numbers",
    "DELETE FROM main.run_scores WHERE run IN (SELECT ours FROM temp.run_numbers)",
    "INSERT INTO main.run_scores SELECT s.* FROM temp.run_numbers r CROSS JOIN main.computed_scores s ON s.run = r.ours \
     CROSS JOIN main.run_records d ON d.run = r.ours \
     WHERE d.status = 'done' AND EXISTS (SELECT 1 FROM main.metric_values v WHERE v.run = s.run)",
    "DELETE FROM main.breakdown_values WHERE run IN (SELECT ours FROM temp.run_numbers)",
    "INSERT OR IGNORE INTO main.breakdown_keys (part, dimension, bucket, target, unit, name) \
     SELECT part, dimension, bucket, target, unit, name FROM other.breakdown_keys",
    "INSERT INTO temp.key_numbers SELECT theirs.breakdown, ours.breakdown FROM other.breakdown_keys theirs \
     JOIN main.breakdown_keys ours USING (part, dimension, bucket, target, unit, name)",
    "INSERT INTO main.breakdown_values SELECT r.ours, k.ours, v.value, v.forecasts FROM temp.run_numbers r \
     CROSS JOIN other.breakdown_values v ON v.run = r.theirs CROSS JOIN temp.key_numbers k ON k.theirs = v.breakdown",
    "DELETE FROM main.epoch_values WHERE run IN (SELECT ours FROM temp.run_numbers)",
    "INSERT INTO main.epoch_values SELECT r.ours, v.epoch, v.train_loss, v.valid_loss, v.learning_rate, v.wall_s \
     FROM temp.run_numbers r CROSS JOIN other.epoch_values v ON v.run = r.theirs",
    "DROP TABLE temp.key_numbers",
    "DROP TABLE temp.run_numbers",
];

/// Every attempt that this store lacks, or that it has seen unfinished; returns how many.
async fn adopt_attempts(connection: &mut SqliteConnection) -> sqlx::Result<usize> {
    execute(
        connection,
        &format!(
            "DELETE FROM main.attempts WHERE attempt_id IN (SELECT ours.attempt_id FROM main.attempts ours \
             JOIN other.attempts theirs ON {SAME_ATTEMPT} \
             WHERE ours.status = 'interrupted' AND theirs.status NOT IN ('running', 'interrupted'))"
        ),
    )
    .await?;
    let columns = columns(connection, "attempts").await?;
    let values = columns
        .replace("\"status\"", "CASE theirs.status WHEN 'running' THEN 'interrupted' ELSE theirs.status END");
    let inserted = execute(
        connection,
        &format!(
            "INSERT INTO main.attempts ({columns}) SELECT {values} FROM other.attempts theirs \
             WHERE NOT EXISTS (SELECT 1 FROM main.attempts ours WHERE {SAME_ATTEMPT}) ORDER BY theirs.attempt_id"
        ),
    )
    .await?;
    Ok(usize::try_from(inserted).unwrap_or(usize::MAX))
}

async fn adopt_events(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let columns = columns(connection, "events").await?;
    execute(
        connection,
        &format!(
            "INSERT INTO main.events ({columns}) SELECT {columns} FROM other.events theirs WHERE NOT EXISTS \
             (SELECT 1 FROM main.events ours WHERE ours.run_id IS theirs.run_id AND ours.at = theirs.at \
             AND ours.kind = theirs.kind AND ours.detail = theirs.detail AND ours.experiment IS theirs.experiment) \
             ORDER BY theirs.event_id"
        ),
    )
    .await?;
    Ok(())
}

/// Joins the revisions: one of the same text and overrides that shares a run with one here, or where either has none, is the
/// same; no two there become one here, and any other gets the next number. Returns those whose number changed.
async fn adopt_revisions(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(String, i64, i64)>> {
    execute(connection, "DROP TABLE IF EXISTS temp.renumbering").await?;
    execute(connection, RENUMBERING).await?;
    // What both have: the later execution is the one that is remembered.
    execute(
        connection,
        "UPDATE main.revisions AS ours SET (description, path, given, axes, objective, report, unproposed, command, \
         git_commit, git_dirty, host, device, started_at, updated_at, finished_at, outcome) = \
         (SELECT t.description, t.path, t.given, t.axes, t.objective, t.report, t.unproposed, t.command, t.git_commit, \
          t.git_dirty, t.host, t.device, min(t.started_at, ours.started_at), t.updated_at, t.finished_at, t.outcome \
          FROM temp.renumbering n JOIN other.revisions t ON t.experiment = n.experiment AND t.revision = n.theirs \
          WHERE n.experiment = ours.experiment AND n.ours = ours.revision ORDER BY t.updated_at DESC LIMIT 1) \
         WHERE EXISTS (SELECT 1 FROM temp.renumbering n JOIN other.revisions t \
          ON t.experiment = n.experiment AND t.revision = n.theirs \
          WHERE n.experiment = ours.experiment AND n.ours = ours.revision AND t.updated_at > ours.updated_at)",
    )
    .await?;
    execute(
        connection,
        "UPDATE main.revisions AS ours SET note = (SELECT t.note FROM temp.renumbering n JOIN other.revisions t \
          ON t.experiment = n.experiment AND t.revision = n.theirs \
          WHERE n.experiment = ours.experiment AND n.ours = ours.revision) WHERE note IS NULL",
    )
    .await?;
    let columns = columns(connection, "revisions").await?;
    let values = columns.replace("\"revision\"", "n.ours").replace("\"experiment\"", "t.experiment");
    execute(
        connection,
        &format!(
            "INSERT INTO main.revisions ({columns}) SELECT {values} FROM temp.renumbering n \
             JOIN other.revisions t ON t.experiment = n.experiment AND t.revision = n.theirs \
             WHERE true ON CONFLICT (experiment, revision) DO NOTHING"
        ),
    )
    .await?;
    // The claims of the later execution; their verdicts are judged anew.
    execute(
        connection,
        "DELETE FROM main.claims WHERE EXISTS (SELECT 1 FROM temp.renumbering n JOIN other.claims t \
          ON t.experiment = n.experiment AND t.revision = n.theirs JOIN other.revisions there \
          ON there.experiment = t.experiment AND there.revision = t.revision JOIN main.revisions here \
          ON here.experiment = n.experiment AND here.revision = n.ours \
          WHERE n.experiment = claims.experiment AND n.ours = claims.revision AND there.updated_at >= here.updated_at)",
    )
    .await?;
    let columns = self::columns(connection, "claims").await?;
    let values = columns.replace("\"revision\"", "n.ours").replace("\"experiment\"", "n.experiment");
    execute(
        connection,
        &format!(
            "INSERT OR IGNORE INTO main.claims ({columns}) SELECT {values} FROM temp.renumbering n \
             JOIN other.claims t ON t.experiment = n.experiment AND t.revision = n.theirs"
        ),
    )
    .await?;
    execute(
        connection,
        "INSERT INTO main.revision_runs (experiment, run_id, revision, position) \
         SELECT n.experiment, t.run_id, n.ours, t.position FROM temp.renumbering n \
         JOIN other.revision_runs t ON t.experiment = n.experiment AND t.revision = n.theirs \
         WHERE true ON CONFLICT (experiment, run_id, revision) DO NOTHING",
    )
    .await?;
    execute(
        connection,
        "INSERT OR IGNORE INTO main.revision_tags (experiment, revision, tag) \
         SELECT n.experiment, n.ours, t.tag FROM temp.renumbering n \
         JOIN other.revision_tags t ON t.experiment = n.experiment AND t.revision = n.theirs",
    )
    .await?;
    let renumbered =
        "SELECT experiment, theirs, ours FROM temp.renumbering WHERE theirs <> ours ORDER BY 1, 2";
    let renumbered = sqlx::query_as(renumbered).fetch_all(&mut *connection).await?;
    execute(connection, "DROP TABLE temp.renumbering").await?;
    Ok(renumbered)
}

/// The number here of each revision there.
const RENUMBERING: &str = "CREATE TEMP TABLE renumbering AS \
     WITH shared AS (SELECT t.experiment, t.revision AS theirs, o.revision AS ours, \
         (SELECT count(*) FROM other.revision_runs a JOIN main.revision_runs b \
          ON b.experiment = a.experiment AND b.run_id = a.run_id AND b.revision = o.revision \
          WHERE a.experiment = t.experiment AND a.revision = t.revision) AS runs, \
         (NOT EXISTS (SELECT 1 FROM other.revision_runs a WHERE a.experiment = t.experiment AND a.revision = t.revision) \
          OR NOT EXISTS (SELECT 1 FROM main.revision_runs b WHERE b.experiment = o.experiment AND b.revision = o.revision)) \
         AS is_bare \
         FROM other.revisions t JOIN main.revisions o ON o.experiment = t.experiment AND o.text = t.text \
         AND o.overrides = t.overrides AND (o.revision = 0) = (t.revision = 0)), \
     same AS (SELECT experiment, theirs, ours, \
         row_number() OVER (PARTITION BY experiment, theirs ORDER BY runs DESC, ours DESC) AS rank, \
         row_number() OVER (PARTITION BY experiment, ours ORDER BY runs DESC, theirs DESC) AS rank_here \
         FROM shared WHERE runs > 0 OR is_bare OR theirs = 0), \
     matched AS (SELECT experiment, theirs, ours FROM same WHERE rank = 1 AND rank_here = 1), \
     added AS (SELECT t.experiment, t.revision AS theirs, row_number() OVER (PARTITION BY t.experiment ORDER BY t.revision) \
         AS rank FROM other.revisions t LEFT JOIN matched m ON m.experiment = t.experiment AND m.theirs = t.revision \
         WHERE m.ours IS NULL AND t.revision > 0) \
     SELECT experiment, theirs, ours FROM matched UNION ALL \
     SELECT experiment, theirs, rank + (SELECT coalesce(max(revision), 0) FROM main.revisions o \
         WHERE o.experiment = added.experiment) FROM added UNION ALL \
     SELECT t.experiment, 0, 0 FROM other.revisions t WHERE t.revision = 0 AND NOT EXISTS \
         (SELECT 1 FROM matched m WHERE m.experiment = t.experiment AND m.theirs = 0)";

/// Tags and notes of runs, also of those that both stores know as well.
async fn adopt_notes(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    execute(
        connection,
        "INSERT OR IGNORE INTO main.run_tags (run_id, tag) SELECT run_id, tag FROM other.run_tags \
         WHERE run_id IN (SELECT run_id FROM main.run_records)",
    )
    .await?;
    execute(
        connection,
        "UPDATE main.run_records AS ours SET note = (SELECT note FROM other.run_records t WHERE t.run_id = ours.run_id) \
         WHERE note IS NULL AND run_id IN (SELECT run_id FROM other.run_records WHERE note IS NOT NULL)",
    )
    .await?;
    Ok(())
}

/// Tables that name runs by their identity and that nothing here joins.
async fn tables_with_runs(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT t.name FROM main.sqlite_schema t WHERE t.type = 'table' \
         AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name = 'run_id') ORDER BY t.name",
    )
    .fetch_all(connection)
    .await?;
    Ok(names.into_iter().filter(|name| !JOINED.contains(&name.as_str())).collect())
}

/// The columns of a table, without a number that the table itself gives to each row.
async fn columns(connection: &mut SqliteConnection, table: &str) -> sqlx::Result<String> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT '\"' || name || '\"' FROM pragma_table_info(?1) WHERE NOT (pk = 1 AND type = 'INTEGER' \
         AND (SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0) = 1) ORDER BY cid",
    )
    .bind(table)
    .fetch_all(connection)
    .await?;
    Ok(names.join(", "))
}

/// Runs a statement that is made of names of this store's own tables, and returns how many rows it changed.
async fn execute(connection: &mut SqliteConnection, sql: &str) -> sqlx::Result<u64> {
    Ok(sqlx::query(AssertSqlSafe(sql.to_string())).execute(connection).await?.rows_affected())
}
