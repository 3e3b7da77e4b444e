//! Read-only SQL on the store, with results of any shape.

use anyhow::Context;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Column, Executor, Row, Statement, TypeInfo, ValueRef};

use super::Store;
use super::statement::require_reading;

/// One value of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BLOB, by its size.
    Blob(usize),
}

/// The result of a query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Store {
    /// Runs one SQL statement that reads. On a store that was opened for reading only, SQLite refuses every write too.
    ///
    /// # Errors
    /// A [`super::Refusal`] of SQL that is not one reading statement, or SQL that SQLite does not understand.
    pub fn query(&mut self, sql: &str) -> anyhow::Result<Table> {
        require_reading(sql)?;
        // The user's own SQL on the user's own file: the connection is read-only, so there is nothing to inject into.
        let sql = sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql.to_string()));
        let failed = || "the query failed";
        self.runtime.block_on(async {
            let statement = (&mut self.connection).prepare(sql.clone()).await.with_context(failed)?;
            let columns = statement.columns().iter().map(|column| column.name().to_string()).collect();
            let rows = sqlx::query(sql).fetch_all(&mut self.connection).await.with_context(failed)?;
            let rows = rows.iter().map(cells).collect::<sqlx::Result<Vec<_>>>().with_context(failed)?;
            Ok(Table { columns, rows })
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
