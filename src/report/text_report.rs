//! The report as plain text in ruled sections, for terminals, e-mails and log files.

use std::path::Path;

use super::board_figures::MOST_TARGETS;
use super::capacity_section;
use super::claims;
use super::data_card::{CardEntry, data_card, is_synthetic};
use super::headline::headline;
use super::notes;
use super::reproduction::{reproduction, run_counts};
use super::tables::{self, RunTable};
use super::verdict::other_winners;
use crate::compare::claims::tally;
use crate::compare::{Board, Comparison, predictions_of_run};
use crate::text::{quantities, quantity, table, unit_beside, with_decimals};

/// Length of a rule and longest line, in characters.
const WIDTH: usize = 100;
/// Column at which the values of a card begin.
const VALUE_COLUMN: usize = 17;
/// Targets whose forecasts are listed in one table.
const TARGETS_ABREAST: usize = 2;
/// Forecasts that are listed beside the observed values.
const LAST_FORECASTS: usize = 10;

/// Renders the report; predictions are read from below `results`.
pub fn render(comparison: &Comparison, results: &Path) -> String {
    let experiment = &comparison.experiment;
    let mut lines = vec!["=".repeat(WIDTH), "PREDICTION REPORT".to_string(), "=".repeat(WIDTH)];
    let mut about = vec![CardEntry::new("Experiment", experiment.reference())];
    about.extend(
        experiment.description.iter().map(|description| CardEntry::new("About", description.clone())),
    );
    about.push(CardEntry::new("Last run", experiment.updated_at.clone()));
    about.push(CardEntry::new("Runs", run_counts(comparison)));
    card(&about, &mut lines);
    section("DATA", &mut lines);
    if is_synthetic(comparison) {
        lines.push("The data are synthetic: none of the rows is real.".to_string());
    }
    card(&data_card(comparison), &mut lines);
    for board in &comparison.boards {
        let title =
            if board.title.is_empty() { String::new() } else { format!(": {}", board.title.to_uppercase()) };
        section(&format!("RESULTS{title}"), &mut lines);
        wrap("", &headline(board, &comparison.objective_title()), 0, &mut lines);
        if let Some(sentence) = other_winners(board) {
            wrap("", &sentence, 0, &mut lines);
        }
        if let Some(sentence) = capacity_section::sentence(board) {
            wrap("", &sentence, 0, &mut lines);
        }
        lines.push(String::new());
        lines.push(tables::leaderboard(board, comparison.objective.metric.as_str()).to_text(WIDTH));
        last_forecasts(board, results, &mut lines);
    }
    if comparison.boards.is_empty() {
        section("RESULTS", &mut lines);
        lines.push("No run is done, so there is nothing to compare.".to_string());
    }
    if !comparison.claims.is_empty() {
        section("CLAIMS", &mut lines);
        lines.push(claims::table(&comparison.claims).to_text(WIDTH));
        for sentence in claims::reasons(&comparison.claims) {
            wrap("- ", &sentence, 2, &mut lines);
        }
        lines.push(tally(&comparison.claims));
    }
    let RunTable { table: unfinished, folded } = tables::unfinished_runs(comparison);
    if !unfinished.rows.is_empty() {
        section("RUNS THAT ARE NOT DONE", &mut lines);
        lines.push(unfinished.to_text(WIDTH));
        if folded > 0 {
            lines.push(format!("and {folded} more"));
        }
    }
    section("HOW TO READ IT", &mut lines);
    for note in notes::reading_notes(comparison) {
        wrap("- ", &without_backticks(&note), 2, &mut lines);
    }
    section("REPRODUCE", &mut lines);
    card(&[CardEntry::new("Command", experiment.command.clone())], &mut lines);
    card(&reproduction(comparison), &mut lines);
    lines.push("=".repeat(WIDTH));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn section(title: &str, lines: &mut Vec<String>) {
    lines.extend([String::new(), title.to_string(), "-".repeat(WIDTH)]);
}

fn card(entries: &[CardEntry], lines: &mut Vec<String>) {
    for entry in entries {
        for (index, value) in entry.values.iter().enumerate() {
            let label = if index == 0 { format!("{}:", entry.label) } else { String::new() };
            wrap(&format!("{label:<VALUE_COLUMN$}"), &without_backticks(value), VALUE_COLUMN, lines);
        }
    }
}

/// Adds text after `start`, broken at spaces; further lines are indented by `indent`.
fn wrap(start: &str, text: &str, indent: usize, lines: &mut Vec<String>) {
    let mut line = start.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
}

/// Removes the backticks that mark code.
fn without_backticks(text: &str) -> String {
    text.replace('`', "")
}

/// The last forecasts of the best model on the test part, one step ahead, beside the observed values.
fn last_forecasts(board: &Board, results: &Path, lines: &mut Vec<String>) {
    let Some(row) = board.rows.first() else { return };
    let Some(run_id) = row.run_ids.first() else { return };
    let Ok(predictions) = predictions_of_run(results, run_id) else { return };
    let rows: Vec<usize> = predictions.test_rows_one_ahead().collect();
    let last = &rows[rows.len().saturating_sub(LAST_FORECASTS)..];
    let units = tables::targets(board);
    let shown: Vec<(usize, &String)> = predictions.targets.iter().enumerate().take(MOST_TARGETS).collect();
    let unit_of = |name: &str| {
        units.iter().find(|target| target.name == name).map_or("", |target| target.unit.as_str())
    };
    lines.push(String::new());
    lines.push(format!("Last forecasts of {} on the test part, one step ahead:", row.label));
    let tables = shown.chunks(TARGETS_ABREAST).map(|shown| {
        let mut headers = vec!["time (s)".to_string()];
        for (_, name) in shown {
            let title = match unit_beside(name, unit_of(name)) {
                "" => (*name).clone(),
                unit => format!("{name} ({unit})"),
            };
            headers.extend([title, "forecast".to_string(), "error".to_string()]);
        }
        let cells = last.iter().map(|&row| {
            let of_target = shown.iter().flat_map(|(target, name)| {
                let (actual, forecast) =
                    (predictions.actual[*target][row], predictions.forecast[*target][row]);
                let error = quantity(forecast - actual, unit_of(name));
                let [actual, forecast] = quantities([actual, forecast], unit_of(name));
                [actual, forecast, error]
            });
            std::iter::once(with_decimals(predictions.time_s[row], 3)).chain(of_target).collect()
        });
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let numeric: Vec<usize> = (0..headers.len()).collect();
        table(&headers, &cells.collect::<Vec<_>>(), &numeric, WIDTH)
    });
    lines.push(tables.collect::<Vec<_>>().join("\n\n"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::test_fixtures;

    #[test]
    fn the_text_holds_every_section_and_no_markup() {
        let text = render(&test_fixtures::comparison(), Path::new("no/such/folder"));
        for part in [
            "PREDICTION REPORT",
            "none of the rows is real",
            "RESULTS: HORIZON 12",
            "CLAIMS",
            "it stops early & often",
            "RUNS THAT ARE NOT DONE",
            "the loss | is not finite",
            "burstlab run experiments/sample.toml",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains('`'), "{text}");
    }

    #[test]
    fn prose_is_broken_at_spaces_and_keeps_its_indent() {
        let mut lines = Vec::new();
        wrap("- ", &"word ".repeat(30), 2, &mut lines);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("- word") && lines[1].starts_with("  word"), "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
        wrap("", &"x".repeat(2 * WIDTH), 0, &mut lines);
        assert_eq!(lines[2].len(), 2 * WIDTH, "a word is never cut");
    }

    #[test]
    fn an_experiment_without_a_finished_run_still_gives_a_text() {
        let text = render(&test_fixtures::unstarted(), Path::new("no/such/folder"));
        assert!(text.contains("No run is done"));
    }
}
