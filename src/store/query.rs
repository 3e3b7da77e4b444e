//! Read-only SQL on the store, with results of any shape.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef};

use super::statement::require_reading;
use super::{Cell, Store, Table};

/// How long a query may take, and how many rows it may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// After this time it is interrupted.
    pub time: Duration,
    /// Further rows are left out.
    pub rows: usize,
}

/// The first rows of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Limited {
    /// The rows.
    pub table: Table,
    /// Whether there are more.
    pub is_cut: bool,
}

/// A query that was interrupted, since its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the query took longer than {} and was interrupted; narrow it with WHERE or LIMIT, or give it to `burstlab query`, \
     which has no time limit",
    crate::text::duration(.0.as_secs_f64())
)]
pub struct TooSlow(pub Duration);

/// Steps of SQLite's machine between two looks at the clock: a fraction of a millisecond.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

impl Store {
    /// Runs one SQL statement that reads. On a store that was opened for reading only, SQLite refuses every write too.
    ///
    /// # Errors
    /// A [`super::Refusal`] of SQL that is not one reading statement, or SQL that SQLite does not understand.
    pub fn query(&mut self, sql: &str) -> anyhow::Result<Table> {
        Ok(self.read_rows(sql, usize::MAX)?.table)
    }

    /// As [`Self::query`], but not for longer than the limits allow, and with no more rows.
    ///
    /// # Errors
    /// As [`Self::query`], and [`TooSlow`].
    pub fn query_within(&mut self, sql: &str, limits: QueryLimits) -> anyhow::Result<Limited> {
        let end = Instant::now() + limits.time;
        self.runtime
            .block_on(async {
                let mut handle = self.connection.lock_handle().await?;
                handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || Instant::now() < end);
                Ok::<_, sqlx::Error>(())
            })
            .context("cannot limit the time of the query")?;
        let read = self.read_rows(sql, limits.rows);
        self.runtime
            .block_on(async {
                self.connection.lock_handle().await?.remove_progress_handler();
                Ok::<_, sqlx::Error>(())
            })
            .context("cannot end the limit of the query")?;
        if read.is_err() && Instant::now() >= end {
            return Err(TooSlow(limits.time).into());
        }
        read
    }

    fn read_rows(&mut self, sql: &str, most: usize) -> anyhow::Result<Limited> {
        require_reading(sql)?;
        // The user's own SQL on the user's own file: the connection is read-only, so there is nothing to inject into.
        let sql = AssertSqlSafe(sql.to_string()).into_sql_str();
        let failed = || "the query failed";
        self.runtime.block_on(async {
            let statement = (&mut self.connection).prepare(sql.clone()).await.with_context(failed)?;
            let columns = statement.columns().iter().map(|column| column.name().to_string()).collect();
            let mut table = Table { columns, rows: Vec::new() };
            let mut found = sqlx::query(sql).fetch(&mut self.connection);
            while let Some(row) = found.try_next().await.with_context(failed)? {
                if table.rows.len() >= most {
                    return Ok(Limited { table, is_cut: true });
                }
                table.rows.push(cells(&row).with_context(failed)?);
            }
            Ok(Limited { table, is_cut: false })
        })
    }
}

fn cells(row: &SqliteRow) -> sqlx::Result<Vec<Cell>> {
    (0..row.len())
        .map(|index| {
            let value = row.try_get_raw(index)?;
            if value.is_null() {
                return Ok(Cell::Null);
            }
            match value.type_info().name() {
                "INTEGER" | "BOOLEAN" => row.try_get_unchecked(index).map(Cell::Integer),
                "REAL" => row.try_get_unchecked(index).map(Cell::Real),
                "BLOB" => row.try_get_unchecked::<Vec<u8>, _>(index).map(|bytes| Cell::Blob(bytes.len())),
                _ => row.try_get_unchecked(index).map(Cell::Text),
            }
        })
        .collect()
}
