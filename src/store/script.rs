//! Several statements in one round trip to the thread that owns the database.

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type};

/// Rows that one statement inserts: SQLite allows 32,766 parameters, of which a row may take eight.
pub(super) const ROWS_PER_INSERT: usize = 1_000;

/// A table of values by run, whose rows name what they are by a number of another table.
pub(super) struct KeyedTable<const TEXTS: usize> {
    /// The table of values.
    pub(super) values: &'static str,
    /// The table of keys.
    pub(super) keys: &'static str,
    /// The number that both have.
    pub(super) key: &'static str,
    /// The texts that the number stands for.
    pub(super) columns: [&'static str; TEXTS],
}

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

    /// Adds the `INSERT`s of a run's rows into a table of values and into the one of their keys. A row is the texts of its key,
    /// a value, and a count where the table has one.
    ///
    /// Nearly all texts are words of a small vocabulary, the same for all runs of a sweep. They stand in the statement
    /// itself, which is then prepared once: binding a copy of each takes longer than what SQLite does with the rows.
    pub(super) fn insert_rows<'r, const TEXTS: usize>(
        &mut self,
        table: &KeyedTable<TEXTS>,
        run_id: &str,
        rows: impl Iterator<Item = ([&'r str; TEXTS], f64, Option<usize>)> + Clone,
    ) -> sqlx::Result<()> {
        let KeyedTable { values, keys, key, columns } = table;
        self.sql.extend(["INSERT OR IGNORE INTO ", keys, " (", &columns.join(","), ") VALUES "]);
        for (at, (texts, ..)) in rows.clone().enumerate() {
            self.sql.push_str(if at == 0 { "(" } else { ",(" });
            self.texts(&texts)?;
            self.sql.push(')');
        }
        self.sql.extend([
            ";INSERT INTO ",
            values,
            " SELECT (SELECT run FROM run_records WHERE run_id = ?), k.",
            key,
            ", v.column",
        ]);
        self.bind(run_id)?;
        self.sql.push_str(&(TEXTS + 1).to_string());
        if rows.clone().next().is_some_and(|(_, _, count)| count.is_some()) {
            self.sql.extend([", v.column", &(TEXTS + 2).to_string()]);
        }
        self.sql.push_str(" FROM (VALUES ");
        for (at, (texts, value, count)) in rows.enumerate() {
            self.sql.push_str(if at == 0 { "(" } else { ",(" });
            self.texts(&texts)?;
            self.sql.push_str(",?");
            self.bind(value)?;
            if let Some(count) = count {
                self.sql.push_str(",?");
                self.bind(count as i64)?;
            }
            self.sql.push(')');
        }
        // In this order: each row looks its key up.
        self.sql.extend([") v CROSS JOIN ", keys, " k ON "]);
        let equal = |(at, column): (usize, &&str)| format!("k.{column} = v.column{}", at + 1);
        let equal: Vec<String> = columns.iter().enumerate().map(equal).collect();
        self.sql.extend([equal.join(" AND ").as_str(), ";"]);
        Ok(())
    }

    /// Adds texts with commas between them.
    fn texts(&mut self, texts: &[&str]) -> sqlx::Result<()> {
        for (at, text) in texts.iter().enumerate() {
            self.sql.push_str(if at == 0 { "" } else { "," });
            if is_word(text) {
                self.sql.extend(["'", text, "'"]);
            } else {
                self.sql.push('?');
                self.bind(*text)?;
            }
        }
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
