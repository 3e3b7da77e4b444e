//! The tables of a report, as cells that every format can render.

use super::cells::{BoardCells, mean_spread, number_like, or_dash};
use crate::compare::{Board, BoardRow, Comparison, ScoredRun, Target, distinct};
use crate::spec::lookup;
use crate::store::{RunRow, Status};
use crate::text::{duration, number, percent, quantities, table};

/// Runs that are listed; further ones are only counted.
pub const MOST_RUNS: usize = 50;

/// A table whose first columns are text and whose others are numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportTable {
    /// Names of the columns.
    pub headers: Vec<String>,
    /// How many of the columns, from the first on, are text.
    pub text_columns: usize,
    /// The rows, each with a cell for every header.
    pub rows: Vec<TableRow>,
}

impl ReportTable {
    /// A table with one row for each model of a board, from columns with one cell for each model.
    pub(super) fn by_model(board: &Board, headers: Vec<String>, columns: &[Vec<TableCell>]) -> Self {
        let rows = board.rows.iter().enumerate().map(|(index, row)| TableRow {
            cells: std::iter::once(TableCell::from(row.model.clone()))
                .chain(columns.iter().map(|column| column[index].clone()))
                .collect(),
            baseline: row.baseline,
            winner: false,
        });
        Self { headers, text_columns: 1, rows: rows.collect() }
    }

    /// The table as text of at most `width` characters a line, with the marks of a cell in brackets.
    pub(super) fn to_text(&self, width: usize) -> String {
        let headers: Vec<&str> = self.headers.iter().map(String::as_str).collect();
        let cell = |cell: &TableCell| {
            let text = cell.whole_text().replace('\n', " ");
            if cell.marks.is_empty() { text } else { format!("{text} ({})", cell.marks.join(", ")) }
        };
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.cells.iter().map(cell).collect()).collect();
        table(&headers, &rows, &(self.text_columns..headers.len()).collect::<Vec<_>>(), width)
    }
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableRow {
    /// The cells.
    pub cells: Vec<TableCell>,
    /// Whether it is the row of the winner.
    pub winner: bool,
    /// Whether it is a baseline, which is shown in grey.
    pub baseline: bool,
}

/// One cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableCell {
    /// Its text.
    pub text: String,
    /// What stands behind the text in small, such as the axis values of a trial.
    pub detail: Option<String>,
    /// Marks beside it, such as `baseline`.
    pub marks: Vec<&'static str>,
    /// Whether it is the best value of its column.
    pub best: bool,
}

impl TableCell {
    /// A model, with the axis values of its chosen trial behind it.
    fn of_model(row: &BoardRow) -> Self {
        match row.label.strip_prefix(&row.model) {
            Some(detail) => Self {
                text: row.model.clone(),
                detail: Some(detail.trim().to_string()).filter(|detail| !detail.is_empty()),
                ..Self::default()
            },
            None => Self::from(row.label.clone()),
        }
    }

    /// The text with what stands behind it.
    pub(super) fn whole_text(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} {detail}", self.text),
            None => self.text.clone(),
        }
    }
}

impl From<String> for TableCell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for TableCell {
    fn from(text: &str) -> Self {
        text.to_string().into()
    }
}

fn headers<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(String::from).to_vec()
}

/// One row for each model, the best on the test part first.
pub fn leaderboard(board: &Board, metric: &str) -> ReportTable {
    let reference = board.best_baseline().map(|row| row.model.clone());
    let rows = board
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let BoardCells { trials, seeds, valid, test, skill, p_value, p_to_best } = BoardCells::of(row);
            let is_reference = reference.as_deref() == Some(&row.model);
            let mut model = TableCell::of_model(row);
            if index == 0 {
                model.marks.push("lowest error");
            }
            if is_reference {
                model.marks.push("best baseline");
            } else if row.baseline {
                model.marks.push("baseline");
            }
            let difference = if is_reference { "reference".to_string() } else { difference(row) };
            let numbers = [trials, seeds, valid, test, skill, difference, p_value, p_to_best];
            TableRow {
                cells: std::iter::once(model).chain(numbers.map(TableCell::from)).collect(),
                winner: index == 0,
                baseline: row.baseline,
            }
        })
        .collect();
    let valid = format!("validation {metric}");
    let test = format!("test {metric}");
    ReportTable {
        headers: headers([
            "model",
            "trials",
            "seeds",
            &valid,
            &test,
            "skill",
            "difference [95 % interval]",
            "p (Holm)",
            "p to best (Holm)",
        ]),
        text_columns: 1,
        rows,
    }
}

fn difference(row: &BoardRow) -> String {
    or_dash(row.against_baseline.as_ref(), |difference| {
        let values = [difference.mean, difference.lower, difference.upper];
        let alike = values.map(|value| number_like(value, row.test.mean));
        // An interval whose ends look the same says nothing.
        let [mean, lower, upper] = if alike[1] == alike[2] { quantities(values, "") } else { alike };
        format!("{mean} [{lower}, {upper}]")
    })
}

/// The winner of each board; `None` where there is only one board.
pub fn overview(comparison: &Comparison) -> Option<ReportTable> {
    if comparison.boards.len() < 2 {
        return None;
    }
    let rows = comparison
        .boards
        .iter()
        .filter_map(|board| {
            let best = board.rows.first()?;
            let BoardCells { test, skill, p_value, .. } = BoardCells::of(best);
            let reference =
                or_dash(board.best_baseline(), |row| format!("{} ({})", row.label, mean_spread(row.test)));
            let cells = [board.title.clone(), best.label.clone(), reference, test, skill, p_value];
            Some(TableRow {
                cells: cells.map(TableCell::from).to_vec(),
                baseline: best.baseline,
                winner: false,
            })
        })
        .collect();
    let test = format!("test {}", comparison.objective.metric.as_str());
    Some(ReportTable {
        headers: headers(["setting", "lowest error", "best baseline", &test, "skill", "p (Holm)"]),
        text_columns: 3,
        rows,
    })
}

/// A column of the error tables.
struct ErrorColumn {
    /// Name of the metric in the store.
    name: &'static str,
    heading: &'static str,
    /// From the store's unit to that of the heading.
    factor: f64,
}

const fn error_column(name: &'static str, heading: &'static str, factor: f64) -> ErrorColumn {
    ErrorColumn { name, heading, factor }
}

const ERROR_COLUMNS: [ErrorColumn; 8] = [
    error_column("mae", "MAE", 1.0),
    error_column("medae", "median AE", 1.0),
    error_column("rmse", "RMSE", 1.0),
    error_column("smape", "sMAPE, %", 1.0),
    error_column("wape", "WAPE, %", 100.0),
    error_column("mase", "MASE", 1.0),
    error_column("r2", "R²", 1.0),
    error_column("bias", "bias", 1.0),
];

/// Errors of each model for one target in original units on the test part.
pub fn errors(board: &Board, target: &str) -> ReportTable {
    let columns: Vec<Vec<TableCell>> = ERROR_COLUMNS
        .iter()
        .map(|column| {
            let values =
                board.rows.iter().map(|row| Some(row.original(target, column.name)? * column.factor));
            error_cells(column.name, &values.collect::<Vec<_>>())
        })
        .chain([skill_column(board, target, "mae")])
        .collect();
    let headings = ERROR_COLUMNS.iter().map(|column| column.heading);
    let headers = std::iter::once("model").chain(headings).chain(["skill (MAE)"]).map(String::from);
    ReportTable::by_model(board, headers.collect(), &columns)
}

/// The cells of one metric, all with the decimals that suit the middle value, so that they line up.
fn error_cells(name: &str, values: &[Option<f64>]) -> Vec<TableCell> {
    // The smallest rank is best: for the bias its distance from zero, for R² its negative.
    let rank = |value: f64| match name {
        "bias" => value.abs(),
        "r2" => -value,
        _ => value,
    };
    let mut sizes: Vec<f64> = values.iter().flatten().map(|value| value.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let middle = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
    let text = |value: f64| match name {
        "r2" => format!("{value:.4}"),
        _ => number_like(value, middle),
    };
    let best = values.iter().flatten().map(|value| rank(*value)).fold(f64::INFINITY, f64::min);
    values
        .iter()
        .map(|value| {
            value.map_or(TableCell::from("-"), |value| TableCell {
                // A negative value that rounds to zero is zero.
                text: match text(value) {
                    zero if zero.bytes().all(|byte| b"-0.".contains(&byte)) => zero.replace('-', ""),
                    text => text,
                },
                best: rank(value) <= best,
                ..TableCell::default()
            })
        })
        .collect()
}

/// A board's targets; where the files are gone, they come from the metrics and have no units.
pub fn targets(board: &Board) -> Vec<Target> {
    if !board.targets.is_empty() {
        return board.targets.clone();
    }
    let keys = board.rows.iter().flat_map(|row| row.metrics.keys()).filter(|key| key.unit == "original");
    distinct(keys.map(|key| Target { name: key.target.clone(), unit: String::new() }))
}

/// A table of runs that may be cut short.
pub struct RunTable {
    /// The first [`MOST_RUNS`] runs.
    pub table: ReportTable,
    /// How many further runs there are.
    pub folded: usize,
}

/// Every finished run with its objective.
pub fn scored_runs(comparison: &Comparison) -> RunTable {
    let several_boards = comparison.boards.len() > 1;
    let several_folds = comparison.scored.iter().any(|run| run.fold > 0);
    let metric = comparison.objective.metric.as_str();
    let part = comparison.objective.part.as_str().replace("valid", "validation");
    let mut names = vec!["run".to_string(), "model".to_string()];
    if several_boards {
        names.push("setting".to_string());
    }
    let text_columns = names.len();
    names.push("seed".to_string());
    if several_folds {
        names.push("fold".to_string());
    }
    names.extend([
        format!("{part} {metric}"),
        format!("test {metric}"),
        "skill".to_string(),
        "time".to_string(),
    ]);
    let optional = |value: Option<f64>| or_dash(value, number);
    let rows = comparison
        .scored
        .iter()
        .take(MOST_RUNS)
        .map(|run| {
            let board = &comparison.boards[run.board];
            let mut cells = vec![run.run_id.clone(), run.label.clone()];
            if several_boards {
                cells.push(board.title.clone());
            }
            cells.push(or_dash(run.seed, |seed| seed.to_string()));
            if several_folds {
                cells.push(run.fold.to_string());
            }
            cells.extend([
                optional(run.valid),
                optional(run.test),
                skill_of_run(board, run),
                or_dash(run.wall_s, duration),
            ]);
            let is_chosen = board.rows.iter().any(|row| row.run_ids.contains(&run.run_id));
            TableRow {
                cells: cells.into_iter().map(TableCell::from).collect(),
                winner: false,
                baseline: !is_chosen,
            }
        })
        .collect();
    RunTable {
        table: ReportTable { headers: names, text_columns, rows },
        folded: comparison.scored.len().saturating_sub(MOST_RUNS),
    }
}

/// Skill of one run against the best baseline of its board.
fn skill_of_run(board: &Board, run: &ScoredRun) -> String {
    let baseline = board.best_baseline().filter(|baseline| !baseline.run_ids.contains(&run.run_id));
    skill(run.test, baseline.map(|baseline| baseline.test.mean))
}

/// `1 - value / reference`, in percent.
pub(super) fn skill(value: Option<f64>, reference: Option<f64>) -> String {
    match (value, reference) {
        (Some(value), Some(reference)) if reference > 0.0 => percent(1.0 - value / reference),
        _ => "-".to_string(),
    }
}

/// Runs that failed, timed out or were interrupted. Runs that never started are not listed.
pub fn unfinished_runs(comparison: &Comparison) -> RunTable {
    let ended = || comparison.unfinished().filter(|run| run.status != Status::Planned);
    let horizon =
        |run: &RunRow| lookup(&run.params, "task.horizon").map_or(String::new(), ToString::to_string);
    let several_horizons = distinct(ended().map(horizon)).len() > 1;
    let rows = ended()
        .take(MOST_RUNS)
        .map(|run| {
            let horizon = Some(horizon(run)).filter(|_| several_horizons);
            let horizon = horizon.map_or(String::new(), |steps| format!(" horizon {steps}"));
            let cells = [
                run.run_id.clone(),
                format!("{}{horizon}", run.model),
                run.status.as_str().replace('_', " "),
                run.error.clone().unwrap_or_else(|| "-".to_string()),
                or_dash(run.seed, |seed| seed.to_string()),
                run.attempts.to_string(),
            ];
            TableRow { cells: cells.map(TableCell::from).to_vec(), ..TableRow::default() }
        })
        .collect();
    let table = ReportTable {
        headers: headers(["run", "model", "status", "error", "seed", "attempts"]),
        text_columns: 4,
        rows,
    };
    RunTable { table, folded: ended().count().saturating_sub(MOST_RUNS) }
}

/// The skill of each row against the naive baseline that is best in the same metric, where lower is better.
pub(super) fn skill_column(board: &Board, target: &str, name: &str) -> Vec<TableCell> {
    let baselines = board.rows.iter().filter(|row| row.baseline);
    let values = baselines.filter_map(|row| Some((row, row.original(target, name)?)));
    let best = values.min_by(|(_, a), (_, b)| a.total_cmp(b));
    let cells = board.rows.iter().map(|row| match best {
        Some((baseline, reference)) if baseline.model != row.model => {
            TableCell::from(skill(row.original(target, name), Some(reference)))
        }
        _ => TableCell::from("-"),
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    #[test]
    fn every_row_has_a_cell_for_each_header() {
        let comparison = test_fixtures::comparison();
        let board = &comparison.boards[0];
        let tables = [
            leaderboard(board, "mse"),
            errors(board, "gap_s"),
            scored_runs(&comparison).table,
            unfinished_runs(&comparison).table,
            overview(&comparison).unwrap(),
        ];
        for table in tables {
            assert!(!table.rows.is_empty());
            assert!(table.rows.iter().all(|row| row.cells.len() == table.headers.len()));
        }
    }

    #[test]
    fn the_bias_nearest_to_zero_and_the_highest_r2_are_best() {
        let best = |name, values: &[f64]| -> Vec<bool> {
            let values: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
            error_cells(name, &values).iter().map(|cell| cell.best).collect()
        };
        assert_eq!(best("bias", &[-3.0, 0.5, 2.0]), [false, true, false]);
        assert_eq!(best("r2", &[-3.0, 0.5, 2.0]), [false, false, true]);
        assert_eq!(best("mae", &[3.0, 0.5, 2.0]), [false, true, false]);
    }

    #[test]
    fn a_column_lines_up_at_the_decimals_of_its_middle_value() {
        let column = error_cells("bias", &[Some(-7e-9), Some(0.25), None, Some(12.0)]);
        let texts: Vec<&str> = column.iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts, ["0.0000", "0.2500", "-", "12.0000"]);
    }

    #[test]
    fn runs_beyond_the_fiftieth_are_folded() {
        let mut comparison = test_fixtures::comparison();
        let run = comparison.scored[0].clone();
        comparison.scored = vec![run; 53];
        let RunTable { table, folded } = scored_runs(&comparison);
        assert_eq!((table.rows.len(), folded), (50, 3));
    }
}
