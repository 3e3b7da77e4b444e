//! Rows of a query as structs whose fields have the names of the columns.

/// Implements `sqlx::FromRow` for a struct: each field is the column of its name. sqlx has a derive for this, which would
/// build SQLite a second time, for the compiler.
macro_rules! from_row {
    ($row:ident { $($field:ident),* $(,)? }) => {
        impl<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> for $row {
            fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?),* })
            }
        }
    };
}

pub(super) use from_row;
