//! Brings another store into this one: what it knows more is taken over, what both know stays as it is.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, ensure};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{Store, identity};

/// Tables that a merge knows how to join; all others that name runs or experiments go with them as they are.
const JOINED: [&str; 5] = ["run_records", "experiments", "experiment_runs", "attempts", "events"];

/// The runs of the other store that say more than this one knows: it lacks them, or they have come further.
const ADOPTED: &str = "CREATE TEMP TABLE adopted AS \
     WITH standing (status, rank) AS (VALUES ('done', 3), ('pruned', 2), ('failed', 1), ('timed_out', 1)) \
     SELECT theirs.run_id, theirs.status AS status FROM other.run_records theirs \
     LEFT JOIN main.run_records ours ON ours.run_id = theirs.run_id \
     LEFT JOIN standing there ON there.status = theirs.status \
     LEFT JOIN standing here ON here.status = ours.status \
     WHERE ours.run_id IS NULL OR coalesce(there.rank, 0) > coalesce(here.rank, 0)";

/// Runs that both have finished, but with different metrics.
const CONFLICTS: &str = "WITH finished AS (SELECT run_id FROM main.run_records WHERE status = 'done' \
         INTERSECT SELECT run_id FROM other.run_records WHERE status = 'done'), \
     ours AS (SELECT * FROM main.metrics WHERE run_id IN finished), \
     theirs AS (SELECT * FROM other.metrics WHERE run_id IN finished) \
     SELECT DISTINCT run_id FROM (SELECT * FROM (SELECT * FROM ours EXCEPT SELECT * FROM theirs) \
         UNION ALL SELECT * FROM (SELECT * FROM theirs EXCEPT SELECT * FROM ours)) ORDER BY 1";

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
    /// Experiments of one name with different files; the later one stands.
    pub superseded: Vec<String>,
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
    ///
    /// # Errors
    /// A store that cannot be written; then nothing is taken over.
    pub fn merge(&mut self) -> anyhow::Result<Merged> {
        let path = self.path.clone();
        let failed = || format!("cannot merge into the store {}", path.display());
        self.require_in_place()?;
        self.runtime.block_on(async {
            let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await.with_context(failed)?;
            let merged = join(&mut transaction).await.with_context(failed)?;
            transaction.commit().await.with_context(failed)?;
            sqlx::query("DETACH DATABASE other").execute(&mut self.connection).await.with_context(failed)?;
            Ok(merged)
        })
    }
}

async fn conflicts(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
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
    let superseded = adopt_experiments(connection).await?;
    execute(connection, "DROP TABLE temp.adopted").await?;
    let known = usize::try_from(all).unwrap_or(0).saturating_sub(adopted.len());
    Ok(Merged { adopted, known, attempts, conflicts, superseded })
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
    for table in tables_with(connection, "run_id").await? {
        let columns = self::columns(connection, &table).await?;
        let adopted = "run_id IN (SELECT run_id FROM temp.adopted)";
        execute(connection, &format!("DELETE FROM main.\"{table}\" WHERE {adopted}")).await?;
        let select = format!("SELECT {columns} FROM other.\"{table}\" WHERE {adopted}");
        execute(connection, &format!("INSERT INTO main.\"{table}\" ({columns}) {select}")).await?;
    }
    Ok(())
}

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

/// Experiments that this store lacks, and the later one of two with the same name; returns the names of those whose
/// files differ.
async fn adopt_experiments(connection: &mut SqliteConnection) -> sqlx::Result<Vec<String>> {
    let superseded: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM main.experiments ours JOIN other.experiments theirs USING (name) \
         WHERE ours.text <> theirs.text OR ours.overrides <> theirs.overrides ORDER BY name",
    )
    .fetch_all(&mut *connection)
    .await?;
    execute(connection, "DROP TABLE IF EXISTS temp.taken").await?;
    execute(
        connection,
        "CREATE TEMP TABLE taken AS SELECT theirs.name FROM other.experiments theirs \
         LEFT JOIN main.experiments ours ON ours.name = theirs.name \
         WHERE ours.name IS NULL OR theirs.updated_at > ours.updated_at",
    )
    .await?;
    // Of two different files only the plan of the later one stands; parts of one plan add up.
    execute(
        connection,
        "DELETE FROM main.experiments WHERE name IN (SELECT name FROM temp.taken) AND EXISTS \
         (SELECT 1 FROM other.experiments theirs WHERE theirs.name = experiments.name \
          AND (theirs.text <> experiments.text OR theirs.overrides <> experiments.overrides))",
    )
    .await?;
    let columns = columns(connection, "experiments").await?;
    let updates: Vec<String> = columns
        .split(", ")
        .filter(|column| *column != "\"name\"")
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    execute(
        connection,
        &format!(
            "INSERT INTO main.experiments ({columns}) SELECT {columns} FROM other.experiments \
             WHERE name IN (SELECT name FROM temp.taken) ON CONFLICT (name) DO UPDATE SET {}",
            updates.join(", ")
        ),
    )
    .await?;
    execute(
        connection,
        "INSERT OR IGNORE INTO main.experiment_runs (experiment, run_id, position) \
         SELECT experiment, run_id, position FROM other.experiment_runs WHERE experiment IN \
         (SELECT name FROM main.experiments ours JOIN other.experiments theirs USING (name) \
          WHERE ours.text = theirs.text AND ours.overrides = theirs.overrides)",
    )
    .await?;
    for table in tables_with(connection, "experiment").await? {
        let columns = self::columns(connection, &table).await?;
        let taken = "experiment IN (SELECT name FROM temp.taken)";
        execute(connection, &format!("DELETE FROM main.\"{table}\" WHERE {taken}")).await?;
        let select = format!("SELECT {columns} FROM other.\"{table}\" WHERE {taken}");
        execute(connection, &format!("INSERT INTO main.\"{table}\" ({columns}) {select}")).await?;
    }
    execute(connection, "DROP TABLE temp.taken").await?;
    Ok(superseded)
}

/// Tables that have a column of this name and that nothing above joins. One that names runs goes with its runs, even if
/// it names experiments too.
async fn tables_with(connection: &mut SqliteConnection, column: &str) -> sqlx::Result<Vec<String>> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT t.name FROM main.sqlite_schema t WHERE t.type = 'table' \
         AND EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name = ?1) \
         AND (?1 = 'run_id' OR NOT EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE name = 'run_id')) \
         ORDER BY t.name",
    )
    .bind(column)
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
