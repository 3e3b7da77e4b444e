//! Tables of claims: every cell that reports a metric becomes a claim of its own, which knows where it stands.

use std::collections::HashSet;
use std::ops::Range;

use serde_json::Value;

use super::claim::{ClaimSpec, Conditions, Expectation};
use super::document::ExperimentDocument;
use super::file::{ClaimCell, ClaimEntry};
use super::problem::Problem;
use crate::capacity::is_capacity_metric;
use crate::stats::{INTERVAL_NAMES, NAMES};
use crate::text::nearest;

/// The column that names the rows.
const NAME: &str = "name";
/// The cell of a value that was not reported.
const NOT_REPORTED: &str = "-";

/// A claim, and where it stands in the file.
#[derive(Debug, Clone)]
pub(super) struct PlacedClaim {
    pub claim: ClaimSpec,
    pub place: ClaimPlace,
}

/// Where a claim stands in the file.
#[derive(Debug, Clone)]
pub(super) struct ClaimPlace {
    /// Index of the entry in `claims`.
    entry: usize,
    /// Its cells, if the entry is a table.
    cells: Option<Cells>,
}

/// The cells of a table that a claim is made from.
#[derive(Debug, Clone)]
struct Cells {
    row: usize,
    /// The column with the reported value.
    value: usize,
    /// The columns with the row's name and its parameters.
    columns: Vec<(String, usize)>,
}

impl Cells {
    fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, index)| *index)
    }
}

impl ClaimPlace {
    /// Place of what one of the claim's keys says, or of the claim if it has no such key.
    pub fn key(&self, document: &ExperimentDocument, key: &str) -> Option<Range<usize>> {
        match (&self.cells, key) {
            (Some(cells), "reported") => self.cell(document, cells.row, cells.value),
            (Some(cells), "metric") => self.span(document, &["columns", &cells.value.to_string()]),
            (Some(cells), NAME) if let Some(column) = cells.column(NAME) => {
                self.cell(document, cells.row, column)
            }
            (Some(cells), NAME | "where") => self.span(document, &["rows", &cells.row.to_string()]),
            _ => self.span(document, &[key]),
        }
    }

    /// Place of a condition: a cell, or in `where` in whichever of its two forms it is written.
    pub fn condition(&self, document: &ExperimentDocument, path: &str) -> Option<Range<usize>> {
        if let Some(cells) = &self.cells
            && let Some(column) = cells.column(path)
        {
            return self.cell(document, cells.row, column);
        }
        let index = self.entry.to_string();
        let quoted = ["claims", index.as_str(), "where", path];
        if let Some(node) = document.get(&quoted) {
            return Some(node.span.clone());
        }
        let nested: Vec<&str> = quoted[..3].iter().copied().chain(path.split('.')).collect();
        let found = document.get(&nested).or_else(|| document.get(&quoted[..3]));
        found.map(|node| node.span.clone()).or_else(|| self.span(document, &[]))
    }

    /// Place of the header of a condition's column; of the condition itself if it stands in `where`.
    pub fn header(&self, document: &ExperimentDocument, path: &str) -> Option<Range<usize>> {
        match self.cells.as_ref().and_then(|cells| cells.column(path)) {
            Some(column) => self.span(document, &["columns", &column.to_string()]),
            None => self.condition(document, path),
        }
    }

    fn cell(&self, document: &ExperimentDocument, row: usize, column: usize) -> Option<Range<usize>> {
        self.span(document, &["rows", &row.to_string(), &column.to_string()])
    }

    fn span(&self, document: &ExperimentDocument, keys: &[&str]) -> Option<Range<usize>> {
        let index = self.entry.to_string();
        let path: Vec<&str> = ["claims", &index].into_iter().chain(keys.iter().copied()).collect();
        document.span_of(&path)
    }
}

/// The claims of a file, in its order.
///
/// # Errors
/// A claim without a name or a metric, or a table whose columns, rows or misses do not fit together.
pub(super) fn placed_claims(
    document: &ExperimentDocument,
    entries: &[ClaimEntry],
) -> Result<Vec<PlacedClaim>, Problem> {
    let mut claims = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let place = ClaimPlace { entry: index, cells: None };
        match (&entry.columns, &entry.rows) {
            (None, None) => claims.push(single(document, place, entry)?),
            (Some(columns), Some(rows)) => {
                let table = ClaimTable { document, place, entry, columns, rows };
                claims.extend(table.claims()?);
            }
            (Some(_), None) => {
                return Err(Problem::at(place.key(document, "columns"), "these columns have no rows")
                    .help("add rows = [[...], ...] with a cell for each column"));
            }
            (None, Some(_)) => {
                return Err(Problem::at(place.key(document, "rows"), "these rows have no columns")
                    .help("add columns, e.g. columns = [\"task.horizon\", \"mse\"]"));
            }
        }
    }
    Ok(claims)
}

/// A claim that an entry states alone.
fn single(
    document: &ExperimentDocument,
    place: ClaimPlace,
    entry: &ClaimEntry,
) -> Result<PlacedClaim, Problem> {
    let missing = |key: &str| {
        Problem::at(place.key(document, key), format!("the key `{key}` is missing")).label("in this table")
    };
    let name = entry.name.clone().ok_or_else(|| missing("name"))?;
    let metric = entry.metric.clone().ok_or_else(|| missing("metric"))?;
    if !entry.misses.is_empty() {
        return Err(Problem::at(place.key(document, "misses"), "`misses` belongs to a table of claims")
            .help("write expect = \"refuted\" and reason = \"...\""));
    }
    let claim = ClaimSpec {
        reported: entry.reported,
        at_most: entry.at_most,
        at_least: entry.at_least,
        expect: entry.expect,
        reason: entry.reason.clone(),
        ..common(entry, name, metric)
    };
    Ok(PlacedClaim { claim, place })
}

/// What the claims of a table share.
fn common(entry: &ClaimEntry, name: String, metric: String) -> ClaimSpec {
    ClaimSpec {
        name,
        conditions: entry.conditions.clone(),
        metric,
        target: entry.target.clone(),
        unit: entry.unit,
        part: entry.part,
        aggregate: entry.aggregate,
        reported: None,
        tolerance: entry.tolerance,
        at_most: None,
        at_least: None,
        source: entry.source.clone(),
        expect: None,
        reason: None,
    }
}

/// What a column holds.
enum ClaimColumn<'a> {
    /// The names of the rows.
    Name,
    /// Values of a metric.
    Metric(&'a str),
    /// Values of a parameter, by its dotted path.
    Parameter(&'a str),
}

/// An entry of `claims` with columns and rows.
struct ClaimTable<'a> {
    document: &'a ExperimentDocument,
    place: ClaimPlace,
    entry: &'a ClaimEntry,
    columns: &'a [String],
    rows: &'a [Vec<ClaimCell>],
}

impl ClaimTable<'_> {
    fn claims(&self) -> Result<Vec<PlacedClaim>, Problem> {
        self.check_keys()?;
        let columns = self.checked_columns()?;
        let mut claims = Vec::new();
        for row in 0..self.rows.len() {
            self.read_row(row, &columns, &mut claims)?;
        }
        self.announce_misses(&mut claims)?;
        Ok(claims)
    }

    /// What a single claim says in keys of its own, a table says in its cells.
    fn check_keys(&self) -> Result<(), Problem> {
        let entry = self.entry;
        for (key, given, help) in [
            ("metric", entry.metric.is_some(), "name the metrics in `columns`"),
            ("reported", entry.reported.is_some(), "report the values in `rows`"),
            ("at_most", entry.at_most.is_some(), "state a bound as a claim of its own"),
            ("at_least", entry.at_least.is_some(), "state a bound as a claim of its own"),
            ("expect", entry.expect.is_some(), "list the known misses in `misses`, each with its reason"),
            ("reason", entry.reason.is_some(), "list the known misses in `misses`, each with its reason"),
        ] {
            if given {
                let message = format!("`{key}` does not belong to a table of claims");
                return Err(Problem::at(self.place.key(self.document, key), message).help(help));
            }
        }
        Ok(())
    }

    fn checked_columns(&self) -> Result<Vec<ClaimColumn<'_>>, Problem> {
        let metrics = [&NAMES[..], &INTERVAL_NAMES].concat();
        let mut columns = Vec::new();
        for (index, name) in self.columns.iter().enumerate() {
            let at = |message: String| Problem::at(self.span(&["columns", &index.to_string()]), message);
            if self.columns[..index].contains(name) {
                return Err(at(format!("the column `{name}` is given twice")));
            }
            if self.entry.conditions.0.iter().any(|(path, _)| path == name) {
                return Err(at(format!("`{name}` is a column and a key of `where`"))
                    .help("keep the column if it differs between rows, or else the key"));
            }
            columns.push(match name.as_str() {
                NAME => ClaimColumn::Name,
                metric if metrics.contains(&metric) || is_capacity_metric(metric) => {
                    ClaimColumn::Metric(metric)
                }
                path if path.contains('.') => ClaimColumn::Parameter(path),
                _ => {
                    let mut problem = at(format!("`{name}` is neither a metric nor a parameter"));
                    if let Some(near) = nearest(name, metrics.iter().copied().chain([NAME])) {
                        problem = problem.label(format!("did you mean `{near}`?"));
                    }
                    return Err(problem.help(format!(
                        "a column is `{NAME}`, a parameter's dotted path such as task.horizon, or one of: {}",
                        metrics.join(", ")
                    )));
                }
            });
        }
        if !columns.iter().any(|column| matches!(column, ClaimColumn::Metric(_))) {
            return Err(Problem::at(self.span(&["columns"]), "no column is a metric")
                .help(format!("add one of: {}", metrics.join(", "))));
        }
        Ok(columns)
    }

    fn read_row(
        &self,
        row: usize,
        columns: &[ClaimColumn<'_>],
        claims: &mut Vec<PlacedClaim>,
    ) -> Result<(), Problem> {
        let cells = &self.rows[row];
        if cells.len() != columns.len() {
            let message = format!("this row has {} cells for {} columns", cells.len(), columns.len());
            return Err(Problem::at(self.span(&["rows", &row.to_string()]), message)
                .help(format!("the columns are {}", self.columns.join(", "))));
        }
        let wrong = |column: usize, message: String| {
            Problem::at(self.span(&["rows", &row.to_string(), &column.to_string()]), message)
        };
        let mut row_name = None;
        let mut conditions = Vec::new();
        let mut metrics = Vec::new();
        let mut places = Vec::new();
        for (index, (column, ClaimCell(cell))) in columns.iter().zip(cells).enumerate() {
            match (column, cell) {
                (ClaimColumn::Name, Value::String(name)) => {
                    row_name = Some(name.clone());
                    places.push((NAME.to_string(), index));
                }
                (ClaimColumn::Name, _) => {
                    return Err(wrong(index, "a row's name must be a string".to_string()));
                }
                (ClaimColumn::Parameter(path), Value::Number(_) | Value::String(_) | Value::Bool(_)) => {
                    conditions.push(((*path).to_string(), cell.clone()));
                    places.push(((*path).to_string(), index));
                }
                (ClaimColumn::Parameter(path), _) => {
                    return Err(wrong(index, format!("`{path}` must be a number, a string or a boolean")));
                }
                (ClaimColumn::Metric(metric), Value::Number(value)) => {
                    metrics.push((index, *metric, value.as_f64()));
                }
                (ClaimColumn::Metric(_), Value::String(text)) if text == NOT_REPORTED => {}
                (ClaimColumn::Metric(metric), _) => {
                    return Err(wrong(index, format!("the reported {metric} must be a number"))
                        .help(format!("write \"{NOT_REPORTED}\" where no value is reported")));
                }
            }
        }
        let several = columns.iter().filter(|column| matches!(column, ClaimColumn::Metric(_))).count() > 1;
        let row_name = row_name.unwrap_or_else(|| named_by(&conditions));
        for (value, metric, reported) in metrics {
            let parts = [self.entry.name.as_deref(), Some(row_name.as_str()), several.then_some(metric)];
            let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
            let mut all = self.entry.conditions.0.clone();
            all.extend(conditions.iter().cloned());
            // The order of `where`, which is that of its paths.
            all.sort_by(|(path, _), (other, _)| path.cmp(other));
            let claim = ClaimSpec {
                conditions: Conditions(all),
                reported,
                ..common(self.entry, parts.join(", "), metric.to_string())
            };
            let cells = Cells { row, value, columns: places.clone() };
            let place = ClaimPlace { cells: Some(cells), ..self.place.clone() };
            claims.push(PlacedClaim { claim, place });
        }
        Ok(())
    }

    /// Marks the known misses of the table.
    fn announce_misses(&self, claims: &mut [PlacedClaim]) -> Result<(), Problem> {
        let names: HashSet<&str> = claims.iter().map(|placed| placed.claim.name.as_str()).collect();
        for (name, reason) in &self.entry.misses {
            let index = self.place.entry.to_string();
            let path = ["claims", &index, "misses", name];
            if !names.contains(name.as_str()) {
                let mut problem = Problem::at(
                    self.document.key_span_of(&path),
                    format!("no claim of this table is named `{name}`"),
                );
                if let Some(near) = nearest(name, names.iter().copied()) {
                    problem = problem.label(format!("did you mean `{near}`?"));
                }
                return Err(problem);
            }
            if reason.trim().is_empty() {
                return Err(Problem::at(self.document.span_of(&path), "this miss has no reason")
                    .help("say what is different here, as far as it is known"));
            }
        }
        for placed in claims {
            if let Some(reason) = self.entry.misses.get(&placed.claim.name) {
                placed.claim.expect = Some(Expectation::Refuted);
                placed.claim.reason = Some(reason.clone());
            }
        }
        Ok(())
    }

    fn span(&self, keys: &[&str]) -> Option<Range<usize>> {
        self.place.span(self.document, keys)
    }
}

/// A row without a name: `dlinear, horizon 96`.
fn named_by(conditions: &[(String, Value)]) -> String {
    let named = conditions.iter().map(|(path, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        match path.rsplit('.').next() {
            Some(key) if path != "model.kind" => format!("{key} {value}"),
            _ => value,
        }
    });
    named.collect::<Vec<_>>().join(", ")
}
