//! A trace in a Parquet file: polars reads it, and every value is checked as in a text file.

use std::io::Cursor;

use polars::prelude::{DataType, ParquetReader, PolarsResult, SerReader};

use super::columns::{Column, Table};
use super::locate::{Expect, shortened};
use super::trace::TraceError;

/// A Parquet file whose footer is sound.
pub struct ParquetFile<'a> {
    name: &'a str,
    bytes: &'a [u8],
    /// The names of the columns.
    pub columns: Vec<String>,
}

impl<'a> ParquetFile<'a> {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// A file that is damaged or was cut.
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Result<Self, TraceError> {
        let mut file = Self { name, bytes, columns: Vec::new() };
        let schema = guarded(|| ParquetReader::new(Cursor::new(bytes)).schema());
        let schema = schema.map_err(|message| file.whole(&damaged(&message)))?;
        file.columns = schema.iter_names().map(ToString::to_string).collect();
        Ok(file)
    }

    /// The values of the wanted columns, given by their positions.
    ///
    /// # Errors
    /// A file that is damaged, or the first row whose value is missing or not what is expected.
    pub fn read(&self, wanted: &[(usize, Expect)]) -> Result<Table, TraceError> {
        let mut columns = Vec::with_capacity(wanted.len());
        for &(at, expect) in wanted {
            columns.push(self.column(at, expect)?);
        }
        let table = Table::of(columns);
        if table.is_empty() {
            return Err(self.whole("there is no row"));
        }
        Ok(table)
    }

    fn column(&self, at: usize, expect: Expect) -> Result<Column, TraceError> {
        let name = &self.columns[at];
        let frame = guarded(|| {
            let reader = ParquetReader::new(Cursor::new(self.bytes));
            reader.with_columns(Some(vec![name.clone()])).finish()
        });
        let frame = frame.map_err(|message| self.in_column(at, &damaged(&message)))?;
        let values = frame.columns()[0].as_materialized_series();
        let is_text = matches!(expect, Expect::Name | Expect::DateTime);
        let fits =
            if is_text { values.dtype() == &DataType::String } else { values.dtype().is_primitive_numeric() };
        if !fits {
            let wanted = if is_text { "text" } else { "numbers" };
            let message =
                format!("the column holds values of type {}; {wanted} are expected", values.dtype());
            return Err(self.in_column(at, &message));
        }
        let wanted = if is_text { DataType::String } else { DataType::Float64 };
        let values =
            values.cast(&wanted).map_err(|error| self.in_column(at, &damaged(&error.to_string())))?;
        let mut column = Column::new(expect);
        let appended = column.append(&values);
        if appended.map_err(|error| self.in_column(at, &damaged(&error.to_string())))? {
            return Ok(column);
        }
        // Values are taken up in their order, so the bad one is the next.
        let row = column.len();
        let text = values.get(row).ok().filter(|value| !value.is_null());
        let text = text.map(|value| value.str_value().to_string()).unwrap_or_default();
        Err(self.at_row(row, at, &expect.complaint(&text)))
    }

    /// An error about the file as a whole.
    pub fn whole(&self, message: &str) -> TraceError {
        TraceError { file: self.name.to_string(), line: None, column: None, message: message.to_string() }
    }

    /// An error about a row, counted from 0 here and from 1 in the message.
    pub fn at_row(&self, row: usize, column: usize, message: &str) -> TraceError {
        self.in_column(column, &format!("row {}: {message}", row + 1))
    }

    fn in_column(&self, column: usize, message: &str) -> TraceError {
        TraceError { column: self.columns.get(column).cloned(), ..self.whole(message) }
    }
}

fn damaged(message: &str) -> String {
    format!("this Parquet file cannot be read: {}", shortened(message))
}

/// Polars panics on some damaged files where it should return an error.
fn guarded<T>(read: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(_) => Err("it is damaged".to_string()),
    }
}
