//! The tables of a report, as cells that every format can set.

use super::sections::skill_column;
use super::text::{board_cells, mean_spread, number_like};
use crate::compare::{Board, BoardRow, Comparison, MeanSpread, ScoredRun};
use crate::spec::lookup;
use crate::store::{RunRow, Status};
use crate::text::{distinct, duration, number, percent};

/// Longer lists of runs are folded.
pub const MOST_RUNS: usize = 50;

/// A table whose first columns are text and whose others are numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportTable {
    /// Names of the columns.
    pub headers: Vec<String>,
    /// How many first columns are text.
    pub text_columns: usize,
    /// The rows, as many cells each as there are headers.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// The cells.
    pub cells: Vec<Cell>,
    /// Whether it is the row that won.
    pub winner: bool,
    /// Whether it is a baseline, to be set back.
    pub baseline: bool,
}

/// One cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Marks beside it, such as `baseline`.
    pub marks: Vec<&'static str>,
    /// Whether it is the best of its column.
    pub best: bool,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
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
            let [_, trials, seeds, valid, test, skill, p_value, p_best] = board_cells(row);
            let is_reference = reference.as_deref() == Some(&row.model);
            let mut model = Cell::from(row.label.clone());
            if index == 0 {
                model.marks.push("lowest error");
            }
            if is_reference {
                model.marks.push("best baseline");
            } else if row.baseline {
                model.marks.push("baseline");
            }
            let difference = if is_reference { "reference".to_string() } else { difference(row) };
            let numbers = [trials, seeds, valid, test, skill, difference, p_value, p_best];
            Row {
                cells: std::iter::once(model).chain(numbers.map(Cell::from)).collect(),
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
    row.difference.as_ref().map_or("-".to_string(), |difference| {
        format!(
            "{} [{}, {}]",
            number_like(difference.mean, row.test.mean),
            number_like(difference.lower, row.test.mean),
            number_like(difference.upper, row.test.mean)
        )
    })
}

/// The winner of each board; `None` where there is only one.
pub fn overview(comparison: &Comparison) -> Option<ReportTable> {
    if comparison.boards.len() < 2 {
        return None;
    }
    let rows = comparison
        .boards
        .iter()
        .filter_map(|board| {
            let best = board.rows.first()?;
            let [_, _, _, _, test, skill, p_value, _] = board_cells(best);
            let baseline = board.best_baseline();
            let reference =
                baseline.map_or("-".to_string(), |row| format!("{} ({})", row.label, mean_spread(row.test)));
            let cells = [board.title.clone(), best.label.clone(), reference, test, skill, p_value];
            Some(Row { cells: cells.map(Cell::from).to_vec(), baseline: best.baseline, winner: false })
        })
        .collect();
    let test = format!("test {}", comparison.objective.metric.as_str());
    Some(ReportTable {
        headers: headers(["setting", "lowest error", "best baseline", &test, "skill", "p (Holm)"]),
        text_columns: 3,
        rows,
    })
}

/// Columns of the error tables: the metric's name in the store, its heading, and the factor to the heading's unit.
const ERRORS: [(&str, &str, f64); 8] = [
    ("mae", "MAE", 1.0),
    ("medae", "median AE", 1.0),
    ("rmse", "RMSE", 1.0),
    ("smape", "sMAPE, %", 1.0),
    ("wape", "WAPE, %", 100.0),
    ("mase", "MASE", 1.0),
    ("r2", "R²", 1.0),
    ("bias", "bias", 1.0),
];

/// Errors of each model for one target in original units on the test part.
pub fn errors(board: &Board, target: &str) -> ReportTable {
    let value = |row: &BoardRow, name: &str| -> Option<f64> {
        let key = (target.to_string(), "original".to_string(), name.to_string());
        row.metrics.get(&key).map(|value: &MeanSpread| value.mean)
    };
    let columns: Vec<Vec<Cell>> = ERRORS
        .iter()
        .map(|(name, _, factor)| {
            let values: Vec<Option<f64>> =
                board.rows.iter().map(|row| value(row, name).map(|value| value * factor)).collect();
            error_column(name, &values)
        })
        .chain([skill_column(board, target, "mae")])
        .collect();
    let rows = board
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| Row {
            cells: std::iter::once(Cell::from(row.label.clone()))
                .chain(columns.iter().map(|column| column[index].clone()))
                .collect(),
            baseline: row.baseline,
            winner: false,
        })
        .collect();
    ReportTable {
        headers: std::iter::once("model")
            .chain(ERRORS.iter().map(|(_, heading, _)| *heading))
            .chain(["skill (MAE)"])
            .map(String::from)
            .collect(),
        text_columns: 1,
        rows,
    }
}

/// The cells of one metric, all with as many decimals as suit the middle value, so that they line up.
fn error_column(name: &str, values: &[Option<f64>]) -> Vec<Cell> {
    // What is smallest is best: the distance of the bias from zero, and R² turned around.
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
            value.map_or(Cell::from("-"), |value| Cell {
                // A negative value that rounds to zero is zero.
                text: match text(value) {
                    zero if zero.bytes().all(|byte| b"-0.".contains(&byte)) => zero.replace('-', ""),
                    text => text,
                },
                best: rank(value) <= best,
                ..Cell::default()
            })
        })
        .collect()
}

/// Names and units of a board's targets; from the metrics, without units, where the files are gone.
pub fn targets(board: &Board) -> Vec<(String, String)> {
    if !board.targets.is_empty() {
        return board.targets.clone();
    }
    let names = board.rows.iter().flat_map(|row| row.metrics.keys());
    let original = names.filter(|(_, unit, _)| unit == "original");
    distinct(original.map(|(target, _, _)| (target.clone(), String::new())))
}

/// Every finished run with its objective, and how many are folded.
pub fn scored_runs(comparison: &Comparison) -> (ReportTable, usize) {
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
    let optional = |value: Option<f64>| value.map_or("-".to_string(), number);
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
            cells.push(run.seed.map_or("-".to_string(), |seed| seed.to_string()));
            if several_folds {
                cells.push(run.fold.to_string());
            }
            cells.extend([
                optional(run.valid),
                optional(run.test),
                skill(board, run),
                run.wall_s.map_or("-".to_string(), duration),
            ]);
            let standing = board.rows.iter().find(|row| row.run_ids.contains(&run.run_id));
            Row {
                cells: cells.into_iter().map(Cell::from).collect(),
                winner: false,
                baseline: standing.is_none(),
            }
        })
        .collect();
    let table = ReportTable { headers: names, text_columns, rows };
    (table, comparison.scored.len().saturating_sub(MOST_RUNS))
}

/// Skill of one run against the best baseline of its board.
fn skill(board: &Board, run: &ScoredRun) -> String {
    match (run.test, board.best_baseline()) {
        (Some(test), Some(baseline))
            if baseline.test.mean > 0.0 && !baseline.run_ids.contains(&run.run_id) =>
        {
            percent(1.0 - test / baseline.test.mean)
        }
        _ => "-".to_string(),
    }
}

/// Runs that ended in an error or were cut off, and how many are folded. Runs that were never started are not listed.
pub fn unfinished_runs(comparison: &Comparison) -> (ReportTable, usize) {
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
                run.seed.map_or("-".to_string(), |seed| seed.to_string()),
                run.attempts.to_string(),
            ];
            Row { cells: cells.map(Cell::from).to_vec(), ..Row::default() }
        })
        .collect();
    let table = ReportTable {
        headers: headers(["run", "model", "status", "error", "seed", "attempts"]),
        text_columns: 4,
        rows,
    };
    (table, ended().count().saturating_sub(MOST_RUNS))
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
            scored_runs(&comparison).0,
            unfinished_runs(&comparison).0,
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
            error_column(name, &values).iter().map(|cell| cell.best).collect()
        };
        assert_eq!(best("bias", &[-3.0, 0.5, 2.0]), [false, true, false]);
        assert_eq!(best("r2", &[-3.0, 0.5, 2.0]), [false, false, true]);
        assert_eq!(best("mae", &[3.0, 0.5, 2.0]), [false, true, false]);
    }

    #[test]
    fn a_column_lines_up_at_the_decimals_of_its_middle_value() {
        let column = error_column("bias", &[Some(-7e-9), Some(0.25), None, Some(12.0)]);
        let texts: Vec<&str> = column.iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts, ["0.0000", "0.2500", "-", "12.0000"]);
    }

    #[test]
    fn runs_beyond_the_fiftieth_are_folded() {
        let mut comparison = test_fixtures::comparison();
        let run = comparison.scored[0].clone();
        comparison.scored = vec![run; 53];
        let (table, folded) = scored_runs(&comparison);
        assert_eq!((table.rows.len(), folded), (50, 3));
    }
}
