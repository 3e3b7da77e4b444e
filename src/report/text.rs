//! The comparison as text for the terminal.

use crate::compare::{Board, BoardRow, Comparison, MeanSpread};
use crate::text::{number, percent, table};

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
        lines.extend(super::notes::few_seeds(self).map(|caution| format!("caution: {caution}")));
        if self.boards.is_empty() {
            lines.push("no run is done yet".to_string());
        }
        let pruned = self.pruned().count();
        if pruned > 0 {
            lines.push(format!(
                "{pruned} of {} runs were given up early by the search (pruned)",
                self.runs.len()
            ));
        }
        let unfinished = self.unfinished().count();
        if unfinished > 0 {
            lines.push(format!("{unfinished} of {} runs are not done", self.runs.len()));
        }
        lines.join("\n")
    }
}

impl Board {
    /// Which model won, by how much, and whether that means anything.
    pub fn headline(&self, metric: &str) -> String {
        let Some(best) = self.rows.first() else {
            return "No run is done yet.".to_string();
        };
        let value = number(best.test.mean);
        let Some(baseline) = self.best_baseline() else {
            return format!(
                "{} has the lowest test {metric} ({value}); there is no naive baseline to compare it with.",
                best.label
            );
        };
        if best.baseline {
            return format!(
                "No model beats the naive baselines: {} has the lowest test {metric} ({value}).{}",
                best.label,
                self.against_runner_up()
            );
        }
        let skill = best.skill.unwrap_or(0.0);
        let against = format!(
            "{} has the lowest test {metric} ({value}), {:.1} % below the best naive baseline, {} ({})",
            best.label,
            100.0 * skill,
            baseline.label,
            number(baseline.test.mean)
        );
        format!("{}{}", self.against_baseline(best, &against), self.against_runner_up())
    }

    /// Whether the winner is told apart from the next model, in one sentence.
    fn against_runner_up(&self) -> String {
        let Some(second) = self.rows.get(1) else { return String::new() };
        let next = format!(" Against the runner-up, {} ({}),", second.label, number(second.test.mean));
        match (second.p_best, &second.against_best) {
            (Some(p_value), Some(difference)) if p_value <= 0.05 && difference.has_few_blocks() => {
                format!(
                    "{next} the test part is too short to call the difference significant ({}).",
                    p_text(p_value)
                )
            }
            (Some(p_value), _) if p_value <= 0.05 => {
                format!("{next} the difference is significant ({}).", p_text(p_value))
            }
            (Some(p_value), _) => {
                format!(
                    "{next} the difference is not significant ({}): either may be better.",
                    p_text(p_value)
                )
            }
            (None, _) => format!("{next} the difference is not tested."),
        }
    }

    fn against_baseline(&self, best: &BoardRow, against: &str) -> String {
        let few_blocks = best.difference.as_ref().filter(|difference| difference.has_few_blocks());
        match best.p_value {
            Some(p_value) if p_value <= 0.05 && few_blocks.is_some() => {
                let blocks = few_blocks.map_or(0, |difference| difference.blocks);
                format!(
                    "{against}; the test part is too short to call the difference significant ({}, but from {blocks} \
                     blocks of windows).",
                    p_text(p_value)
                )
            }
            Some(p_value) if p_value <= 0.05 => {
                format!("{against}; the difference is significant at 5 % ({}).", p_text(p_value))
            }
            Some(p_value) => {
                format!("{against}; the difference is not significant at 5 % ({}).", p_text(p_value))
            }
            None if self.card.is_none() => {
                format!("{against}; the difference is not tested, since the runs' files are gone.")
            }
            None => format!("{against}; the test windows are too few to test the difference."),
        }
    }
}

/// `p = 0.003`, or `p < 0.001`.
fn p_text(p_value: f64) -> String {
    if p_value < 0.001 { "p < 0.001".to_string() } else { format!("p = {p_value:.3}") }
}

fn board_table(board: &Board, metric: &str) -> String {
    let valid = format!("valid {metric}");
    let test = format!("test {metric}");
    let headers = ["model", "trials", "seeds", &valid, &test, "skill", "p", "p to best"];
    let rows: Vec<Vec<String>> = board.rows.iter().map(|row| board_cells(row).to_vec()).collect();
    table(&headers, &rows, &[1, 2, 3, 4, 5, 6, 7])
}

/// Cells of a leaderboard's row, which text, Markdown and HTML share.
pub(super) fn board_cells(row: &BoardRow) -> [String; 8] {
    [
        if row.baseline { format!("{} (baseline)", row.label) } else { row.label.clone() },
        row.trials.to_string(),
        if row.seeds == 0 { "-".to_string() } else { row.seeds.to_string() },
        number(row.valid),
        mean_spread(row.test),
        row.skill.map_or("-".to_string(), percent),
        p_cell(row.p_value),
        p_cell(row.p_best),
    ]
}

fn p_cell(p_value: Option<f64>) -> String {
    p_value.map_or("-".to_string(), |p_value| p_text(p_value).replace("p = ", "").replace("p < ", "< "))
}

/// `1.2031 ± 0.0042`.
pub(super) fn mean_spread(value: MeanSpread) -> String {
    match value.spread {
        Some(spread) => format!("{} ± {}", number(value.mean), number_like(spread, value.mean)),
        None => number(value.mean),
    }
}

/// A number with as many decimals as another one that it stands beside.
pub(super) fn number_like(value: f64, other: f64) -> String {
    let other = number(other);
    match other.split_once('.') {
        Some((_, decimals)) if decimals.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{value:.*}", decimals.len())
        }
        _ => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_decimals_of_its_mean() {
        let value = MeanSpread { mean: 0.287_22, spread: Some(6.7e-4) };
        assert_eq!(mean_spread(value), "0.2872 ± 0.0007");
    }

    #[test]
    fn a_spread_beside_a_mean_in_powers_of_ten_is_a_number_of_its_own() {
        let value = MeanSpread { mean: 2.5e8, spread: Some(12_345.0) };
        assert_eq!(mean_spread(value), "2.500e8 ± 12345");
    }
}
