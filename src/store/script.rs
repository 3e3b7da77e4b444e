//! Several statements in one round trip to the thread that owns the database.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type};

/// Rows that one statement inserts: SQLite allows 32,766 parameters.
pub(super) const ROWS_PER_INSERT: usize = 1_000;

/// Statements under construction, with what is bound to the `?` in them, in order. Nothing but fixed texts and plain words
/// stands in the statements themselves.
#[derive(Default)]
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
}

impl Script {
    /// Adds a statement; a [`Self::bind`] for each `?` follows.
    pub(super) fn statement(&mut self, sql: &'static str) -> &mut Self {
        self.sql.extend([sql, ";"]);
        self
    }

    /// Binds a value to the next `?`.
    pub(super) fn bind<'t>(
        &mut self,
        value: impl Encode<'t, Sqlite> + Type<Sqlite>,
    ) -> sqlx::Result<&mut Self> {
        self.arguments.add(value).map_err(sqlx::Error::Encode)?;
        Ok(self)
    }

    /// Adds an `INSERT` of a run's rows into a table whose first column is the run. A row is texts, a value, and a count
    /// where the table has one.
    ///
    /// Nearly all texts are words of a small vocabulary, the same for all runs of a sweep. They stand in the statement
    /// itself, which is then prepared once: binding a copy of each takes longer than what SQLite does with the rows.
    pub(super) fn insert_rows<'r, const TEXTS: usize>(
        &mut self,
        table: &'static str,
        run_id: &str,
        rows: impl Iterator<Item = ([&'r str; TEXTS], f64, Option<usize>)>,
    ) -> sqlx::Result<()> {
        self.sql.extend(["INSERT INTO ", table, " SELECT ?, * FROM (VALUES "]);
        self.bind(run_id)?;
        for (at, (texts, value, count)) in rows.enumerate() {
            self.sql.push_str(if at == 0 { "(" } else { ",(" });
            for text in texts {
                if is_word(text) {
                    self.sql.extend(["'", text, "',"]);
                } else {
                    self.sql.push_str("?,");
                    self.bind(text)?;
                }
            }
            self.sql.push('?');
            self.bind(value)?;
            if let Some(count) = count {
                self.sql.push_str(",?");
                self.bind(count as i64)?;
            }
            self.sql.push(')');
        }
        self.sql.push_str(");");
        Ok(())
    }

    /// Runs all statements, and returns the rows of those that have any.
    pub(super) async fn fetch_all(self, connection: &mut SqliteConnection) -> sqlx::Result<Vec<SqliteRow>> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).fetch_all(connection).await
    }

    /// Runs all statements.
    pub(super) async fn execute(self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).execute(connection).await?;
        Ok(())
    }
}

/// Whether a text means nothing but itself between quotes.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
