//! The comparison as text for the terminal.

use super::comparison::{Board, BoardRow, Comparison, MeanSpread, p_text};
use crate::console::{number, percent, table};

impl Comparison {
    /// Every leaderboard as a table, with its headline.
    pub fn to_text(&self) -> String {
        let metric = self.objective_title();
        let mut lines = Vec::new();
        for board in &self.boards {
            if !board.title.is_empty() {
                lines.push(format!("\n{}", board.title));
            }
            lines.push(board_table(board, self.objective.metric.as_str()));
            lines.push(board.headline(&metric));
        }
        if self.boards.is_empty() {
            lines.push("no run is done yet".to_string());
        }
        let unfinished = self.unfinished().count();
        if unfinished > 0 {
            lines.push(format!("{unfinished} of {} runs are not done", self.runs.len()));
        }
        lines.join("\n")
    }
}

fn board_table(board: &Board, metric: &str) -> String {
    let valid = format!("valid {metric}");
    let test = format!("test {metric}");
    let headers = ["model", "trials", "seeds", &valid, &test, "skill", "p"];
    let rows: Vec<Vec<String>> = board.rows.iter().map(|row| board_cells(row).to_vec()).collect();
    table(&headers, &rows, &[1, 2, 3, 4, 5, 6])
}

/// Cells of a leaderboard's row, which text, Markdown and HTML share.
pub(super) fn board_cells(row: &BoardRow) -> [String; 7] {
    [
        if row.baseline {
            format!("{} (baseline)", row.label)
        } else {
            row.label.clone()
        },
        row.trials.to_string(),
        if row.seeds == 0 {
            "-".to_string()
        } else {
            row.seeds.to_string()
        },
        number(row.valid),
        mean_spread(row.test),
        row.skill.map_or("-".to_string(), percent),
        row.p_value.map_or("-".to_string(), |p_value| {
            p_text(p_value).replace("p = ", "").replace("p < ", "< ")
        }),
    ]
}

/// `1.2031 ± 0.0042`.
pub(super) fn mean_spread(value: MeanSpread) -> String {
    match value.spread {
        Some(spread) => format!("{} ± {}", number(value.mean), number(spread)),
        None => number(value.mean),
    }
}
