//! The leaderboards as text for the terminal.

use super::capacity_section;
use super::cells::BoardCells;
use super::headline::headline;
use super::notes;
use super::verdict::other_winners;
use crate::compare::{Board, Comparison};
use crate::text::table;

/// Every leaderboard as a table of at most `width` characters a line with its headline, then what the reader must know about
/// the runs.
pub fn terminal_text(comparison: &Comparison, width: usize) -> String {
    let metric = comparison.objective_title();
    let mut lines = Vec::new();
    for board in &comparison.boards {
        if !board.title.is_empty() {
            lines.push(format!("\n{}", board.title));
        }
        lines.push(board_table(board, comparison.objective.metric.as_str(), width));
        lines.push(headline(board, &metric));
        lines.extend(other_winners(board));
        lines.extend(capacity_section::sentence(board));
    }
    lines.extend(notes::few_seeds(comparison).map(|caution| format!("caution: {caution}")));
    if comparison.boards.is_empty() {
        lines.push("no run is done yet".to_string());
    }
    let runs = comparison.runs.len();
    let pruned = comparison.pruned().count();
    if pruned > 0 {
        lines.push(format!("{pruned} of {runs} runs were pruned by the search"));
    }
    let unfinished = comparison.unfinished().count();
    if unfinished > 0 {
        lines.push(format!("{unfinished} of {runs} runs are not done"));
    }
    lines.join("\n")
}

fn board_table(board: &Board, metric: &str, width: usize) -> String {
    let valid = format!("valid {metric}");
    let test = format!("test {metric}");
    let headers = ["model", "trials", "seeds", &valid, &test, "skill", "p", "p to best"];
    let rows = board.rows.iter().map(|row| {
        let label = if row.baseline { format!("{} (baseline)", row.label) } else { row.label.clone() };
        let BoardCells { trials, seeds, valid, test, skill, p_value, p_to_best } = BoardCells::of(row);
        vec![label, trials, seeds, valid, test, skill, p_value, p_to_best]
    });
    table(&headers, &rows.collect::<Vec<_>>(), &[1, 2, 3, 4, 5, 6, 7], width)
}
