//! The result of a query, and how it is written for people and for programs.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::text::{csv, number};

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

impl Cell {
    /// For people, with numbers rounded.
    pub fn rounded(&self) -> String {
        match self {
            Cell::Real(value) => number(*value),
            Cell::Null => "-".to_string(),
            other => other.exact(),
        }
    }

    /// For programs, as it is.
    pub fn exact(&self) -> String {
        match self {
            Cell::Null => String::new(),
            Cell::Integer(value) => value.to_string(),
            Cell::Real(value) => value.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Blob(bytes) => format!("({bytes} bytes)"),
        }
    }

    /// Its number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Integer(value) => Some(*value as f64),
            Cell::Real(value) => Some(*value),
            _ => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Integer(value) => json!(value),
            Cell::Real(value) => json!(value),
            other => json!(other.exact()),
        }
    }
}

impl Table {
    /// The columns that hold nothing but numbers.
    pub fn numeric_columns(&self) -> Vec<usize> {
        let is_number = |cell: &Cell| matches!(cell, Cell::Integer(_) | Cell::Real(_) | Cell::Null);
        (0..self.columns.len())
            .filter(|&column| self.rows.iter().all(|row| is_number(&row[column])))
            .collect()
    }

    /// A JSON list of objects, whose fields stand in the order of the columns.
    ///
    /// # Errors
    /// None that a table can give.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let names = distinct_names(&self.columns);
        let rows: Vec<JsonRow<'_>> = self.rows.iter().map(|cells| JsonRow { names: &names, cells }).collect();
        serde_json::to_string(&rows)
    }

    /// Comma-separated values.
    pub fn to_csv(&self) -> String {
        csv(&self.columns, self.rows.iter().map(|row| row.iter().map(Cell::exact).collect()))
    }
}

/// A row as a JSON object whose fields stand in the order of the columns; a map of serde's would sort them.
struct JsonRow<'a> {
    names: &'a [String],
    cells: &'a [Cell],
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.cells.iter().map(Cell::to_json)))
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
