//! The rows of a trace file in any of its formats: CSV, JSONL and Parquet, told by their first bytes.

use super::columns::TraceTable;
use super::csv_rows;
use super::json_lines::{JsonLines, is_json};
use super::locate::{Expect, TraceFile};
use super::parquet::ParquetFile;
use super::trace::TraceError;
use crate::spec::ColumnsSpec;

/// The rows of a trace file.
pub enum Rows<'a> {
    /// Values that commas, semicolons or tabs separate.
    Csv(TraceFile<'a>),
    /// One JSON object on each line, or a JSON array of objects.
    JsonLines(JsonLines<'a>),
    /// Apache Parquet.
    Parquet(Box<ParquetFile<'a>>),
}

impl<'a> Rows<'a> {
    /// Tells the format and reads the names of the columns; `columns` may say how a CSV file is written.
    ///
    /// # Errors
    /// A file without rows, or with a first row or a footer that cannot be understood.
    pub fn of(name: &'a str, bytes: &'a [u8], columns: Option<&ColumnsSpec>) -> Result<Self, TraceError> {
        if bytes.starts_with(b"PAR1") {
            return ParquetFile::new(name, bytes).map(|file| Rows::Parquet(Box::new(file)));
        }
        if is_json(bytes) {
            return JsonLines::new(name, bytes).map(Rows::JsonLines);
        }
        TraceFile::new(name, bytes, columns).map(Rows::Csv)
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        match self {
            Rows::Csv(file) => &file.header,
            Rows::JsonLines(file) => &file.keys,
            Rows::Parquet(file) => &file.columns,
        }
    }

    /// The values of the wanted columns, given by their positions.
    ///
    /// # Errors
    /// The first row that is malformed, or value that is not what its column must hold.
    pub fn read(&self, wanted: &[(usize, Expect)]) -> Result<TraceTable, TraceError> {
        match self {
            Rows::Csv(file) => csv_rows::read(file, wanted),
            Rows::JsonLines(file) => file.read(wanted),
            Rows::Parquet(file) => file.read(wanted),
        }
    }

    /// An error about the names of the columns.
    pub fn at_names(&self, message: &str) -> TraceError {
        match self {
            Rows::Csv(file) => file.at_header(message),
            Rows::JsonLines(file) => file.at_first(message),
            Rows::Parquet(file) => file.whole(message),
        }
    }

    /// An error about a timestamp that is earlier than that of the row before, `row - 1`.
    pub fn backwards(&self, row: usize, column: usize) -> TraceError {
        match self {
            Rows::Csv(file) => file.backwards(row, column),
            Rows::JsonLines(file) => file.backwards(row, column),
            Rows::Parquet(file) => {
                file.at_row(row, column, "the timestamp goes back in time; sort the rows by it")
            }
        }
    }
}
