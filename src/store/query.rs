//! Read-only SQL on the store, with results of any shape.

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef};

use super::statement::require_reading;
use super::{Cell, Store, Table};

/// How long a query may take, and how much it may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// After this time it is interrupted.
    pub time: Duration,
    /// Further rows are left out.
    pub rows: usize,
    /// Rows after so many bytes are left out.
    pub bytes: usize,
    /// Longer texts are cut.
    pub cell_bytes: usize,
}

impl QueryLimits {
    const NONE: Self =
        Self { time: Duration::MAX, rows: usize::MAX, bytes: usize::MAX, cell_bytes: usize::MAX };
}

/// The first rows of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Limited {
    /// The rows.
    pub table: Table,
    /// Whether there are more.
    pub is_cut: bool,
    /// Whether a text was cut; one that was ends in `…`.
    pub has_cut_texts: bool,
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
/// What SQLite may take for all queries with limits together: a single value may have a gigabyte otherwise, and is copied.
const MOST_MEMORY: &str = "PRAGMA hard_heap_limit = 1073741824";

impl Store {
    /// Runs one SQL statement that reads. On a store that was opened for reading only, SQLite refuses every write too.
    ///
    /// # Errors
    /// A [`super::Refusal`] of SQL that is not one reading statement, or SQL that SQLite does not understand.
    pub fn query(&mut self, sql: &str) -> anyhow::Result<Table> {
        Ok(self.read_rows(sql, QueryLimits::NONE)?.table)
    }

    /// As [`Self::query`], but not for longer than the limits allow, and with no more rows and bytes.
    ///
    /// # Errors
    /// As [`Self::query`], and [`TooSlow`].
    pub fn query_within(&mut self, sql: &str, limits: QueryLimits) -> anyhow::Result<Limited> {
        // A time that no clock reaches is no limit.
        let end = Instant::now().checked_add(limits.time);
        let is_over = move || end.is_some_and(|end| Instant::now() >= end);
        self.runtime
            .block_on(async {
                sqlx::raw_sql(MOST_MEMORY).execute(&mut self.connection).await?;
                let mut handle = self.connection.lock_handle().await?;
                handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || !is_over());
                Ok::<_, sqlx::Error>(())
            })
            .context("cannot limit the query")?;
        let read = self.read_rows(sql, limits);
        self.runtime
            .block_on(async {
                self.connection.lock_handle().await?.remove_progress_handler();
                Ok::<_, sqlx::Error>(())
            })
            .context("cannot end the limit of the query")?;
        if read.is_err() && is_over() {
            return Err(TooSlow(limits.time).into());
        }
        read
    }

    fn read_rows(&mut self, sql: &str, limits: QueryLimits) -> anyhow::Result<Limited> {
        require_reading(sql)?;
        // The user's own SQL on the user's own file: the connection is read-only, so there is nothing to inject into.
        let sql = AssertSqlSafe(sql.to_string()).into_sql_str();
        let failed = || "the query failed";
        self.runtime.block_on(async {
            let statement = (&mut self.connection).prepare(sql.clone()).await.with_context(failed)?;
            let columns = statement.columns().iter().map(|column| column.name().to_string()).collect();
            let table = Table { columns, rows: Vec::new() };
            let mut limited = Limited { table, is_cut: false, has_cut_texts: false };
            let mut bytes = 0;
            let mut found = sqlx::query(sql).fetch(&mut self.connection);
            while let Some(row) = found.try_next().await.with_context(failed)? {
                if limited.table.rows.len() >= limits.rows || bytes >= limits.bytes {
                    limited.is_cut = true;
                    break;
                }
                let mut cells = Vec::with_capacity(row.len());
                for index in 0..row.len() {
                    let (cell, is_cut) = cell(&row, index, limits.cell_bytes).with_context(failed)?;
                    limited.has_cut_texts |= is_cut;
                    bytes += size_of::<Cell>() + if let Cell::Text(text) = &cell { text.len() } else { 0 };
                    cells.push(cell);
                }
                limited.table.rows.push(cells);
            }
            Ok(limited)
        })
    }
}

/// A value, and whether it was cut.
fn cell(row: &SqliteRow, index: usize, most: usize) -> sqlx::Result<(Cell, bool)> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok((Cell::Null, false));
    }
    let cell = match value.type_info().name() {
        "INTEGER" | "BOOLEAN" => Cell::Integer(row.try_get_unchecked(index)?),
        "REAL" => Cell::Real(row.try_get_unchecked(index)?),
        "BLOB" => Cell::Blob(row.try_get_unchecked::<&[u8], _>(index)?.len()),
        _ => {
            let text: &str = row.try_get_unchecked(index)?;
            if text.len() > most {
                return Ok((Cell::Text(format!("{}…", &text[..text.floor_char_boundary(most)])), true));
            }
            Cell::Text(text.to_string())
        }
    };
    Ok((cell, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_cut_by_rows_by_bytes_and_by_the_length_of_texts() {
        let results = tempfile::tempdir().unwrap();
        Store::open(results.path()).unwrap().close().unwrap();
        let mut store = Store::open_read_only(results.path()).unwrap();
        let limits = QueryLimits { time: Duration::MAX, rows: 3, bytes: 1_000, cell_bytes: 5 };
        let numbers = "with recursive n(i) as (select 1 union all select i + 1 from n limit 9) select";
        let by_rows = store.query_within(&format!("{numbers} i from n"), limits).unwrap();
        assert_eq!((by_rows.table.rows.len(), by_rows.is_cut, by_rows.has_cut_texts), (3, true, false));
        let by_length = store.query_within("select 'über aäo', 'kurz'", limits).unwrap();
        let texts = ["über…", "kurz"].map(|text| Cell::Text(text.to_string()));
        assert_eq!((by_length.table.rows, by_length.has_cut_texts), (vec![texts.to_vec()], true));
        let limits = QueryLimits { rows: 9, cell_bytes: 2_000, ..limits };
        let long = format!("{numbers} printf('%0600d', i) from n");
        let by_bytes = store.query_within(&long, limits).unwrap();
        assert_eq!((by_bytes.table.rows.len(), by_bytes.is_cut), (2, true));
        assert_eq!(store.query(&long).unwrap().rows.len(), 9);
    }
}
