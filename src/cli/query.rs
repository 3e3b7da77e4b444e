//! `burstlab query`: queries the store with read-only SQL.

use clap::Args;

use super::TableFormat;
use super::console::Console;
use crate::store::{Cell, Store, results_folder};
use crate::system::exit_code::Exit;
use crate::text::table;

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
            let rows: Vec<Vec<String>> =
                result.rows.iter().map(|row| row.iter().map(Cell::rounded).collect()).collect();
            console.result(&table(&headers, &rows, &result.numeric_columns(), console.width()));
        }
        TableFormat::Json => console.result(&result.to_json()?),
        TableFormat::Csv => console.result(&result.to_csv()),
    }
    Ok(Exit::Ok)
}
