//! `burstlab query`: queries the store with read-only SQL.

use clap::Args;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::TableFormat;
use super::console::Console;
use super::exit_code::Exit;
use crate::store::{Cell, Store, results_folder};
use crate::text::{csv, number, table};

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// One SQL statement, e.g. "select model, count(*) from runs group by 1"
    sql: String,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: TableFormat,
}

pub(super) fn query(args: &QueryArgs, console: Console) -> anyhow::Result<Exit> {
    let result = Store::open_read_only(&results_folder())?.query(&args.sql)?;
    match args.format {
        TableFormat::Table => {
            let headers: Vec<&str> = result.columns.iter().map(String::as_str).collect();
            let numeric: Vec<usize> = (0..headers.len())
                .filter(|&column| {
                    result
                        .rows
                        .iter()
                        .all(|row| matches!(row[column], Cell::Integer(_) | Cell::Real(_) | Cell::Null))
                })
                .collect();
            let rows: Vec<Vec<String>> =
                result.rows.iter().map(|row| row.iter().map(rounded).collect()).collect();
            console.result(&table(&headers, &rows, &numeric, console.width()));
        }
        TableFormat::Json => {
            let names = distinct_names(&result.columns);
            let rows: Vec<JsonRow<'_>> =
                result.rows.iter().map(|cells| JsonRow { names: &names, cells }).collect();
            console.result(&serde_json::to_string(&rows)?);
        }
        TableFormat::Csv => {
            let rows = result.rows.iter().map(|row| row.iter().map(exact).collect::<Vec<String>>());
            console.result(&csv(&result.columns, rows));
        }
    }
    Ok(Exit::Ok)
}

/// A row as a JSON object whose fields stand in the order of the columns; a map of serde's would sort them.
struct JsonRow<'a> {
    names: &'a [String],
    cells: &'a [Cell],
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.cells.iter().map(to_json)))
    }
}

/// Distinct names for the fields of a JSON object: the second `run_id` of a join becomes `run_id_2`.
fn distinct_names(columns: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns {
        let mut name = column.clone();
        let mut count = 1;
        while names.contains(&name) || (count > 1 && columns.contains(&name)) {
            count += 1;
            name = format!("{column}_{count}");
        }
        names.push(name);
    }
    names
}

fn rounded(cell: &Cell) -> String {
    match cell {
        Cell::Real(value) => number(*value),
        Cell::Null => "-".to_string(),
        other => exact(other),
    }
}

fn exact(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(value) => value.to_string(),
        Cell::Real(value) => value.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Blob(bytes) => format!("({bytes} bytes)"),
    }
}

fn to_json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(value) => json!(value),
        Cell::Real(value) => json!(value),
        other => json!(exact(other)),
    }
}
