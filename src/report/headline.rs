//! The headline of a leaderboard: which model won, by how much, and whether that is significant.

use super::cells::p_value_text;
use crate::compare::{Board, BoardRow, SIGNIFICANCE_LEVEL, Significance};
use crate::text::number;

/// Which model won, by how much, and whether that is significant.
pub fn headline(board: &Board, metric: &str) -> String {
    let Some(best) = board.rows.first() else {
        return "No run is done yet.".to_string();
    };
    let value = number(best.test.mean);
    let Some(baseline) = board.best_baseline() else {
        return format!(
            "{} has the lowest test {metric} ({value}); there is no naive baseline to compare it with.",
            best.label
        );
    };
    let runner_up = board.rows.get(1).map_or(String::new(), against_runner_up);
    if best.baseline {
        return format!(
            "No model beats the naive baselines: {} has the lowest test {metric} ({value}).{runner_up}",
            best.label
        );
    }
    format!(
        "{} has the lowest test {metric} ({value}), {:.1} % below the best naive baseline, {} ({}); {}.{runner_up}",
        best.label,
        100.0 * best.skill.unwrap_or(0.0),
        baseline.label,
        number(baseline.test.mean),
        against_baseline(board, best)
    )
}

/// Whether the winner is better than the best baseline, as the end of a sentence.
fn against_baseline(board: &Board, best: &BoardRow) -> String {
    let level = format!("{:.0} %", 100.0 * SIGNIFICANCE_LEVEL);
    match best.significance_against_baseline() {
        Significance::Significant { p_value } => {
            format!("the difference is significant at {level} ({})", p_value_text(p_value))
        }
        Significance::TooFewBlocks { p_value, blocks } => format!(
            "the test part is too short to call the difference significant ({}, but from {blocks} blocks of windows)",
            p_value_text(p_value)
        ),
        Significance::NotSignificant { p_value } => {
            format!("the difference is not significant at {level} ({})", p_value_text(p_value))
        }
        Significance::NotTested if board.saved_run.is_none() => {
            "the difference is not tested, since the runs' files are gone".to_string()
        }
        Significance::NotTested => "there are too few test windows to test the difference".to_string(),
    }
}

/// Whether the winner is better than the second row, as a sentence that follows another.
fn against_runner_up(second: &BoardRow) -> String {
    let verdict = match second.significance_against_best() {
        Significance::Significant { p_value } => {
            format!("the difference is significant ({})", p_value_text(p_value))
        }
        Significance::TooFewBlocks { p_value, .. } => format!(
            "the test part is too short to call the difference significant ({})",
            p_value_text(p_value)
        ),
        Significance::NotSignificant { p_value } => {
            format!("the difference is not significant ({}): either may be better", p_value_text(p_value))
        }
        Significance::NotTested => "the difference is not tested".to_string(),
    };
    format!(" Against the runner-up, {} ({}), {verdict}.", second.label, number(second.test.mean))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    /// The headline of the fixture with another corrected p-value and number of blocks against the baseline.
    fn headline_with(holm_p_value: f64, blocks: usize) -> String {
        let mut board = test_fixtures::comparison().boards[0].clone();
        let difference = board.rows[0].against_baseline.as_mut().unwrap();
        (difference.holm_p_value, difference.blocks) = (holm_p_value, blocks);
        headline(&board, "mse")
    }

    #[test]
    fn the_headline_states_the_verdict_on_the_difference() {
        assert!(headline_with(0.0004, 40).contains("the difference is significant at 5 % (p < 0.001)."));
        assert!(headline_with(0.2, 40).contains("the difference is not significant at 5 % (p = 0.200)."));
        assert!(headline_with(0.01, 9).contains("too short to call the difference significant"));
    }

    #[test]
    fn a_difference_that_was_not_measured_is_not_called_significant() {
        let mut board = test_fixtures::comparison().boards[0].clone();
        board.rows[0].against_baseline = None;
        board.rows[1].against_best = None;
        let text = headline(&board, "mse");
        assert!(text.contains("not tested, since the runs' files are gone"), "{text}");
        assert!(text.ends_with("Against the runner-up, persistence (1.0000), the difference is not tested."));
    }
}
