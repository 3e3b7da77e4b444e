//! The verdict of a report's first screen: which model won, by how much, whether that is sure, and who wins by other measures.

use super::capacity_section;
use super::cells::{mean_spread, p_value_text};
use super::tables::targets;
use super::verdict_fact::VerdictFact;
use crate::compare::{Board, BoardRow, Comparison, Significance, group_by};
use crate::text::{counted, number};

/// Targets that a sentence lists by name; of more only the count is told.
const MOST_NAMED: usize = 3;
/// Measures by which another model may win, as the store and as people name them.
const MEASURES: [(&str, &str); 3] = [("mae", "MAE"), ("rmse", "RMSE"), ("crps", "CRPS")];

/// What the first screen says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// One line.
    pub title: String,
    /// What it rests on.
    pub facts: Vec<VerdictFact>,
}

impl Verdict {
    /// The verdict over all boards.
    pub fn of(comparison: &Comparison) -> Self {
        match comparison.boards.as_slice() {
            [] => Self {
                title: "No run is done, so there is nothing to compare.".to_string(),
                facts: Vec::new(),
            },
            [board] => Self::of_board(board, comparison.objective.metric.as_str()),
            boards => Self::of_settings(boards),
        }
    }

    fn of_board(board: &Board, metric: &str) -> Self {
        let Some(best) = board.rows.first() else {
            return Self { title: "No run is done yet.".to_string(), facts: Vec::new() };
        };
        let mut facts = vec![VerdictFact {
            label: format!("lowest test {metric}"),
            value: mean_spread(best.test),
            note: best.label.clone(),
        }];
        facts.extend(board.best_baseline().filter(|_| !best.baseline).map(|row| against_baseline(best, row)));
        // A runner-up that is the best baseline stands there already.
        let is_told = |second: &&BoardRow| second.baseline && !best.baseline;
        facts.extend(
            board.rows.get(1).filter(|second| !is_told(second)).map(|second| runner_up(best, second)),
        );
        facts.extend(capacity_section::fact(board));
        Self { title: title(board, best), facts }
    }

    /// The verdict over several settings, whose errors are not comparable with each other.
    fn of_settings(boards: &[Board]) -> Self {
        let partial = boards.iter().filter(|board| board.completion.is_partial()).count();
        let ahead = boards.iter().filter(|board| is_significantly_ahead(board)).count();
        let untested = boards.iter().filter(|board| is_untested(board)).count();
        let all = boards.len();
        let mut title = match (partial, ahead) {
            (1.., _) => format!("Not finished: {partial} of {all} settings have runs to come"),
            (0, 0) => {
                format!(
                    "In none of {all} settings is a model significantly better than the best naive baseline"
                )
            }
            (0, ahead) if ahead == all => {
                format!(
                    "In each of {all} settings a model is significantly better than the best naive baseline"
                )
            }
            (0, ahead) => {
                format!(
                    "In {ahead} of {all} settings a model is significantly better than the best naive baseline"
                )
            }
        };
        if partial == 0 && untested == all {
            title = format!("The differences in {all} settings were not tested");
        } else if partial == 0 && untested > 0 {
            let were = if untested == 1 { "was" } else { "were" };
            title = format!("{title}; {untested} {were} not tested");
        }
        let winners = group_by(boards.iter().filter_map(|board| board.rows.first()), |row| row.model.clone());
        let mut winners: Vec<(String, usize)> =
            winners.into_iter().map(|(model, rows)| (model, rows.len())).collect();
        winners.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let facts = winners.into_iter().take(4).map(|(model, count)| VerdictFact {
            label: "lowest error".to_string(),
            value: model,
            note: format!("in {count} of {}", counted(boards.len(), "setting")),
        });
        Self { title, facts: facts.collect() }
    }
}

fn is_significantly_ahead(board: &Board) -> bool {
    let best = board.rows.first().filter(|best| !best.baseline && !board.completion.is_partial());
    best.is_some_and(|best| matches!(best.significance_against_baseline(), Significance::Significant { .. }))
}

/// Whether nothing says if the model with the lowest error is better than a baseline.
fn is_untested(board: &Board) -> bool {
    board.rows.first().is_none_or(|best| {
        !best.baseline && matches!(best.significance_against_baseline(), Significance::NotTested)
    })
}

fn title(board: &Board, best: &BoardRow) -> String {
    let model = &best.model;
    if board.completion.is_partial() {
        return format!("Not finished: {model} leads so far");
    }
    let Some(baseline) = board.best_baseline() else {
        return format!("{model} has the lowest error; there is no naive baseline to compare it with");
    };
    if best.baseline {
        return format!("No model beats the naive baseline {model}");
    }
    match best.significance_against_baseline() {
        Significance::Significant { .. } => {
            let is_significantly_worse =
                |row: &BoardRow| matches!(row.significance_against_best(), Significance::Significant { .. });
            match board.rows[1..].iter().find(|row| !is_significantly_worse(row)) {
                None => format!("{model} is best: significantly better than every other model"),
                Some(close) if close.model == baseline.model => {
                    format!("{model} beats the best naive baseline, {}", baseline.model)
                }
                Some(close) => format!(
                    "{model} beats the best naive baseline; whether it is better than {} is not sure",
                    close.model
                ),
            }
        }
        Significance::NotTested => {
            format!(
                "{model} has the lowest error; whether it is better than {} was not tested",
                baseline.model
            )
        }
        _ => format!("{model} has the lowest error, but is not significantly better than {}", baseline.model),
    }
}

fn against_baseline(best: &BoardRow, baseline: &BoardRow) -> VerdictFact {
    let (sure, p_value) = sureness(best.significance_against_baseline());
    VerdictFact {
        label: "against the best naive baseline".to_string(),
        value: best.skill.map_or("-".to_string(), |skill| format!("{:.1} % lower", 100.0 * skill)),
        note: format!("{} ({}); {sure}{p_value}", baseline.model, number(baseline.test.mean)),
    }
}

fn runner_up(best: &BoardRow, second: &BoardRow) -> VerdictFact {
    let (sure, p_value) = sureness(second.significance_against_best());
    let distance = if best.test.mean > 0.0 {
        format!("{:.1} % higher", 100.0 * (second.test.mean / best.test.mean - 1.0))
    } else {
        number(second.test.mean - best.test.mean)
    };
    VerdictFact {
        label: "runner-up".to_string(),
        value: distance,
        note: format!("{} ({}); {sure}{p_value}", second.model, number(second.test.mean)),
    }
}

/// Whether a difference is significant, and its p-value in brackets.
fn sureness(significance: Significance) -> (&'static str, String) {
    let bracketed = |p_value| format!(" ({})", p_value_text(p_value));
    match significance {
        Significance::Significant { p_value } => ("significant", bracketed(p_value)),
        Significance::NotSignificant { p_value } => ("not significant", bracketed(p_value)),
        Significance::TooFewBlocks { p_value, .. } => {
            ("the test part is too short to be sure", bracketed(p_value))
        }
        Significance::NotTested => ("not tested", String::new()),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// Which models have a lower error than the winner by another measure or of one target: a sentence, or `None` where the
/// winner wins by all.
pub fn other_winners(board: &Board) -> Option<String> {
    let best = board.rows.first()?;
    let all = targets(board).len();
    let mut found: Vec<(&str, &str, Vec<String>)> = Vec::new();
    for (name, measure) in MEASURES {
        for target in targets(board) {
            let value = |row: &BoardRow| row.original(&target.name, name).filter(|value| value.is_finite());
            let Some(own) = value(best) else { continue };
            let others = board.rows[1..].iter().filter_map(|row| Some((row, value(row)?)));
            let Some((winner, lowest)) = others.min_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
            // What reads the same is no other winner.
            if lowest >= own || number(lowest) == number(own) {
                continue;
            }
            match found.iter_mut().find(|(model, known, _)| (*model, *known) == (&winner.model, measure)) {
                Some((_, _, targets)) => targets.push(target.name),
                None => found.push((&winner.model, measure, vec![target.name])),
            }
        }
    }
    let by_model = group_by(found, |(model, _, _)| (*model).to_string());
    let parts: Vec<String> = by_model
        .into_iter()
        .map(|(model, measures)| {
            let measures: Vec<String> = measures
                .into_iter()
                .map(|(_, measure, targets)| {
                    if targets.len() == all && all > 1 {
                        format!("{measure} of every target")
                    } else if targets.len() > MOST_NAMED {
                        format!("{measure} of {}", counted(targets.len(), "target"))
                    } else {
                        format!("{measure} of {}", listed(&targets))
                    }
                })
                .collect();
            format!("{model} by {}", measures.join(", by "))
        })
        .collect();
    (!parts.is_empty()).then(|| format!("Other measures have other winners: {}.", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{MeanSpread, MetricKey, test_fixtures};

    fn board() -> Board {
        test_fixtures::comparison().boards[0].clone()
    }

    /// The title of the fixture's board with these corrected p-values against the baseline.
    fn title_with(holm_p_value: f64) -> String {
        let mut board = board();
        board.rows[0].against_baseline.as_mut().unwrap().holm_p_value = holm_p_value;
        Verdict::of_board(&board, "mse").title
    }

    #[test]
    fn the_title_claims_no_more_than_the_test_shows() {
        assert_eq!(title_with(0.001), "lstm is best: significantly better than every other model");
        assert_eq!(
            title_with(0.2),
            "lstm has the lowest error, but is not significantly better than persistence"
        );
    }

    #[test]
    fn a_model_that_one_other_may_equal_is_not_called_best() {
        let mut board = board();
        let mut third = board.rows[1].clone();
        third.model = "gru".to_string();
        third.baseline = false;
        third.against_best.as_mut().unwrap().holm_p_value = 0.4;
        board.rows.push(third);
        assert_eq!(
            Verdict::of_board(&board, "mse").title,
            "lstm beats the best naive baseline; whether it is better than gru is not sure"
        );
    }

    #[test]
    fn an_unfinished_board_has_a_leader_and_no_winner() {
        let mut board = board();
        board.completion.runs = 9;
        assert_eq!(Verdict::of_board(&board, "mse").title, "Not finished: lstm leads so far");
    }

    #[test]
    fn settings_are_counted_once_all_of_them_are_finished_and_tested() {
        let mut comparison = test_fixtures::comparison();
        let title = |comparison: &Comparison| Verdict::of(comparison).title;
        assert_eq!(Verdict::of(&comparison).facts[0].note, "in 2 of 2 settings");
        assert_eq!(
            title(&comparison),
            "In each of 2 settings a model is significantly better than the best naive baseline"
        );
        comparison.boards[1].rows[0].against_baseline = None;
        assert_eq!(
            title(&comparison),
            "In 1 of 2 settings a model is significantly better than the best naive baseline; 1 was not tested"
        );
        comparison.boards[1].completion.runs = 9;
        assert_eq!(title(&comparison), "Not finished: 1 of 2 settings have runs to come");
    }

    #[test]
    fn another_winner_is_named_with_its_measure_and_target() {
        let mut board = board();
        assert_eq!(other_winners(&board), None);
        let value = MeanSpread { mean: 1e-3, spread: None };
        board.rows[1].metrics.insert(MetricKey::original("gap_s", "mae"), value);
        let told = other_winners(&board).unwrap();
        assert_eq!(told, "Other measures have other winners: persistence by MAE of gap_s.");
    }
}
