//! The headline of a leaderboard: which model won, by how much, and whether that is significant.

use super::cells::p_value_text;
use crate::compare::{Board, BoardRow, Completion, SIGNIFICANCE_LEVEL, Significance};
use crate::text::{counted, grouped, number};

/// Which model won, by how much, and whether that is significant; or which one leads as long as runs are to come.
pub fn headline(board: &Board, metric: &str) -> String {
    let completion = &board.completion;
    if completion.is_partial() {
        return format!("{} {}", unfinished(completion), leader(board, metric, "So far "));
    }
    let mut text = leader(board, metric, "");
    if let Some(best) = board.rows.first().filter(|_| board.best_baseline().is_some()) {
        if !best.baseline {
            text = format!("{}; {}.", text.trim_end_matches('.'), against_baseline(board, best));
        }
        text += &board.rows.get(1).map_or(String::new(), against_runner_up);
    }
    if completion.failed > 0 {
        let absent = without_result(completion).map_or(String::new(), |absent| format!("; {absent}"));
        text = format!("{text} {} failed{absent}.", counted(completion.failed, "run"));
    }
    text
}

/// The model with the lowest error and its distance to the best baseline.
fn leader(board: &Board, metric: &str, start: &str) -> String {
    let Some(best) = board.rows.first() else {
        return "No run is done yet.".to_string();
    };
    let (label, value) = (&best.label, number(best.test.mean));
    let lowest = format!("{label} has the lowest test {metric} ({value})");
    match board.best_baseline() {
        None => format!("{start}{lowest}; there is no naive baseline to compare it with."),
        Some(_) if best.baseline => {
            let no_model = if start.is_empty() { "No model" } else { "no model" };
            format!("{start}{no_model} beats the naive baselines: {lowest}.")
        }
        Some(baseline) => format!(
            "{start}{lowest}, {:.1} % below the best naive baseline, {} ({}).",
            100.0 * best.skill.unwrap_or(0.0),
            baseline.label,
            number(baseline.test.mean),
        ),
    }
}

/// How many runs are done, and what is still to come.
fn unfinished(completion: &Completion) -> String {
    let mut parts =
        vec![format!("{} of {} are done", grouped(completion.done), counted(completion.runs, "run"))];
    if completion.failed > 0 {
        parts.push(format!("{} failed", grouped(completion.failed)));
    }
    if completion.unproposed > 0 {
        parts.push(format!("the search has yet to propose {}", counted(completion.unproposed, "trial")));
    }
    parts.extend(without_result(completion));
    format!("Not finished: {}. Differences are tested once all runs are done.", parts.join(", "))
}

/// Which models have no result; `None` where all have one.
fn without_result(completion: &Completion) -> Option<String> {
    let (last, others) = completion.absent.split_last()?;
    Some(match others {
        [] => format!("{last} has no result"),
        others => format!("{} and {last} have no result", others.join(", ")),
    })
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
        assert!(text.ends_with("Against the runner-up, persistence (1.000), the difference is not tested."));
    }

    #[test]
    fn a_partial_board_counts_what_is_done_and_calls_nothing_significant() {
        let mut board = test_fixtures::comparison().boards[0].clone();
        board.completion = Completion {
            runs: 8,
            done: 2,
            failed: 1,
            unproposed: 5,
            absent: vec!["gru".into(), "tcn".into()],
        };
        assert_eq!(
            headline(&board, "mse"),
            "Not finished: 2 of 8 runs are done, 1 failed, the search has yet to propose 5 trials, gru and tcn have no \
             result. Differences are tested once all runs are done. So far lstm hidden=32 has the lowest test mse \
             (0.7000), 30.0 % below the best naive baseline, persistence (1.000)."
        );
    }

    #[test]
    fn a_model_that_failed_is_named_behind_the_verdict() {
        let mut board = test_fixtures::comparison().boards[0].clone();
        board.completion =
            Completion { runs: 3, done: 2, failed: 1, unproposed: 0, absent: vec!["gru".into()] };
        let text = headline(&board, "mse");
        assert!(text.contains("significant at 5 %"), "{text}");
        assert!(text.ends_with("1 run failed; gru has no result."), "{text}");
    }
}
