//! Tables of mixed columns for other tools: CSV and Parquet.

use anyhow::Context;
use polars_core::prelude::{Column, DataFrame, NamedFrom, Series};
use polars_io::csv::write::CsvWriter;
use polars_io::prelude::SerWriter;

use super::parquet::write_parquet;

/// The values of a column; what is missing is `None`.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnValues {
    /// Text.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Whole(Vec<Option<i64>>),
    /// Numbers.
    Real(Vec<Option<f64>>),
    /// True or false.
    Flag(Vec<Option<bool>>),
}

/// A column with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedColumn {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: ColumnValues,
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFile {
    /// Comma-separated values with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// The bytes of a table's file.
///
/// # Errors
/// Columns of unequal length or of one name, which would be a mistake in this program.
pub fn write_table(columns: &[NamedColumn], file: TableFile) -> anyhow::Result<Vec<u8>> {
    let columns = columns.iter().map(|column| {
        let name = column.name.as_str().into();
        Column::from(match &column.values {
            ColumnValues::Text(values) => Series::new(name, values),
            ColumnValues::Whole(values) => Series::new(name, values),
            ColumnValues::Real(values) => Series::new(name, values),
            ColumnValues::Flag(values) => Series::new(name, values),
        })
    });
    let mut frame =
        DataFrame::new_infer_height(columns.collect()).context("the table's columns do not fit")?;
    match file {
        TableFile::Csv => {
            let mut bytes = Vec::new();
            CsvWriter::new(&mut bytes).finish(&mut frame).context("the table cannot be written as CSV")?;
            Ok(bytes)
        }
        TableFile::Parquet => write_parquet(&mut frame).context("the table cannot be written as Parquet"),
    }
}
